"""A trajectory for mdtraj: names, selections, secondary structure, distances across the cell."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.systems.cell import Cell
from recipes.chemistry.molecules import Molecule, from_smiles, read_molecule
from storage.exchange.mdtraj_frames import to_mdtraj
from storage.trajectory import Trajectory, upright

mdtraj = pytest.importorskip("mdtraj")


def of_molecule(molecule: Molecule, positions: np.ndarray, vectors: np.ndarray | None = None) -> Trajectory:
    frames, n = positions.shape[:2]
    return Trajectory(
        symbols=molecule.symbols,
        bonds=molecule.bonds,
        masses=np.ones(n),
        steps=np.arange(frames) * 10,
        times=np.arange(frames) * 5.0,
        positions=positions,
        velocities=np.zeros((0, n, 3)),
        velocity_steps=np.zeros(0, dtype=np.int64),
        energy=np.arange(frames, dtype=float),
        kinetic=np.ones(frames),
        temperature=np.full(frames, 300.0),
        vectors=vectors,
    )


def helix(name: str = "AceAla9Nme", phi: float = -60.0, psi: float = -45.0) -> tuple[Molecule, np.ndarray]:
    """Return a chain with the same phi and psi in all residues."""
    from ase import Atoms

    from recipes.chemistry.topology import residues_of

    chain = read_molecule(name).embedded()
    atoms = Atoms(chain.symbols, chain.positions)
    named = [dict(zip(one.names, one.atoms, strict=True)) for one in residues_of(chain.symbols, chain.bonds)]

    def side(fixed: int, moved: int) -> list[int]:
        seen, edge = {fixed, moved}, [moved]
        while edge:
            edge = [b for a in edge for b in chain.neighbours[a] if b not in seen]
            seen |= set(edge)
        return sorted(seen - {fixed})

    for before, one, after in zip(named[:-2], named[1:-1], named[2:], strict=True):
        for quad, angle in (
            ((before["C"], one["N"], one["CA"], one["C"]), phi),
            ((one["N"], one["CA"], one["C"], after["N"]), psi),
            ((one["CA"], one["C"], after["N"], after.get("CA", after.get("CH3"))), 180.0),
        ):
            atoms.set_dihedral(*quad, angle, indices=side(quad[1], quad[2]))
    return chain, atoms.get_positions()


def test_names_selections_and_units() -> None:
    molecule = from_smiles("CC(=O)N[C@@H](C)C(=O)NC.O")
    x = np.random.default_rng(1).normal(size=(3, molecule.natoms, 3)) * 5
    found = to_mdtraj(of_molecule(molecule, x))
    np.testing.assert_allclose(found.xyz, x / 10, atol=1e-6)
    np.testing.assert_allclose(found.time, [0.0, 0.005, 0.01])
    assert [found.topology.atom(n).element.symbol for n in range(25)] == list(molecule.symbols)
    assert {frozenset((a.index, b.index)) for a, b in found.topology.bonds} == set(map(frozenset, molecule.bonds))
    assert found.topology.select("resname ALA and backbone").tolist() == [3, 4, 6, 7]
    assert found.topology.select("water and name O").tolist() == [10]
    assert [residue.name for residue in found.topology.residues] == ["ACE", "ALA", "NME", "HOH"]
    phi, psi = mdtraj.compute_phi(found)[0], mdtraj.compute_psi(found)[0]
    assert phi.tolist() == [[1, 3, 4, 6]] and psi.tolist() == [[3, 4, 6, 8]]


@pytest.mark.parametrize(("phi", "psi", "letter"), [(-60.0, -45.0, "H"), (-74.0, -4.0, "G"), (-140.0, 140.0, " ")])
def test_secondary_structure_of_a_chain_whose_atoms_are_not_in_residue_order(
    phi: float, psi: float, letter: str
) -> None:
    chain, x = helix(phi=phi, psi=psi)
    found = to_mdtraj(of_molecule(chain, x[None]))
    codes = mdtraj.compute_dssp(found, simplified=False)[0]
    assert codes[0] == codes[-1] == "NA"  # Ace and Nme have no C-alpha
    assert set(codes[3:8]) == {letter}
    angles = np.degrees(mdtraj.compute_phi(found)[1][0]), np.degrees(mdtraj.compute_psi(found)[1][0])
    np.testing.assert_allclose(angles[0], phi, atol=0.1)
    np.testing.assert_allclose(angles[1], psi, atol=0.1)


def test_a_cell_in_any_orientation_keeps_its_distances() -> None:
    molecule = from_smiles("O.O")
    rng = np.random.default_rng(4)
    x, lower = rng.normal(size=(4, 6, 3)) * 8, np.array([[9.0, 0, 0], [1.0, 8.0, 0], [-2.0, 1.5, 10.0]])
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    vectors = (lower @ turn.T)[None]
    found = to_mdtraj(of_molecule(molecule, x @ turn.T, vectors))
    np.testing.assert_allclose(found.unitcell_vectors[2], lower / 10, atol=1e-6)
    pairs = np.array([(0, 1), (0, 2), (1, 5), (2, 3)])
    apart = x[:, pairs[:, 0]] - x[:, pairs[:, 1]]
    cell = Cell(tuple(map(tuple, lower.tolist())), (True, True, True))
    expected = np.linalg.norm(cell.nearest(apart.reshape(-1, 3))[0], axis=1).reshape(4, 4) / 10
    np.testing.assert_allclose(mdtraj.compute_distances(found, pairs), expected, atol=1e-5)
    straight, same = upright(of_molecule(molecule, x, lower[None]))
    assert straight is not None and same is not None and np.array_equal(straight, x)
    with pytest.raises(InputError, match="left-handed"):
        to_mdtraj(of_molecule(molecule, x, lower[[1, 0, 2]][None]))
