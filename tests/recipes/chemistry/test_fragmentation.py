"""Fragmentation: the n-mers of a chain, the same in every chain, placed and capped where they occur."""

from __future__ import annotations

from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.capping import pieces
from potentials.nmers.caps import CAP_LENGTHS
from potentials.systems.placement import Placements
from recipes.chemistry.fragmentation import FoundNMer, fragment_molecule
from recipes.chemistry.molecules import Molecule, chain, from_smiles, read_molecule
from recipes.chemistry.onemers import CH3, OneMer

POLYALANINE = {
    "ch3": "A1B1C3",
    "conh": "A1B1C1D1E1F1",
    "ch": "A1B1C3",
    "ch3-conh": "A1B3C1D1E1F1G1",
    "conh-ch": "A1B1C1D1E1F1G1H2",
    "ch-ch3": "A1B1C2D1E3",
    "ch-conh": "A1B1C2D1E1F1G1H1",
    "conh-ch3": "A1B1C1D1E1F1G3",
    "ch3-conh-ch": "A1B3C1D1E1F1G1H1I2",
    "conh-ch-ch3": "A1B1C1D1E1F1G1H1I1J3",
    "conh-ch-conh": "A1B1C1D1E1F1G1H1I1J1K1L1M1",
    "ch3-ch-conh": "A1B3C1D1E1F1G1H1I1J1",
    "ch-conh-ch": "A1B1C2D1E1F1G1H1I1J2",
    "ch-conh-ch3": "A1B1C2D1E1F1G1H1I3",
}
"""The 14 n-mers of paper I and the symmetry of each."""


def found(text: str) -> dict[str, FoundNMer]:
    return {nmer.name: nmer for nmer in fragment_molecule(read_molecule(text))}


def orders(text: str) -> list[int]:
    return [sum(nmer.order == order for nmer in found(text).values()) for order in (1, 2, 3)]


@pytest.mark.parametrize("length", [2, 3, 9, 50])
def test_polyalanine_has_3_and_5_and_6(length: int) -> None:
    nmers = found(f"AceAla{length}Nme")
    assert {name: nmer.nmer.symmetry for name, nmer in nmers.items()} == POLYALANINE
    counts = {name: len(nmer.placements) for name, nmer in nmers.items()}
    assert counts["ch3"] == length + 2 and counts["conh"] == length + 1 and counts["ch"] == length
    assert counts["ch-conh-ch"] == length - 1 and counts["ch3-conh-ch"] == counts["ch-conh-ch3"] == 1


def test_all_chains_share_their_nmers() -> None:
    long, short = found("AceAla9Nme"), found("AceAla2Nme")
    assert {n: f.skeleton for n, f in long.items()} == {n: f.skeleton for n, f in short.items()}
    assert all(long[name].fragment == short[name].fragment for name in long)
    dipeptide = found("AceAlaNme")
    assert set(POLYALANINE) - set(dipeptide) == {"ch-conh-ch"}
    backwards = found("CNC(=O)C(C)NC(=O)C(C)NC(C)=O")  # the same chain, written from its other end
    assert {n: f.skeleton for n, f in backwards.items()} == {n: f.skeleton for n, f in short.items()}


def test_other_chains_go_by_the_same_rules() -> None:
    assert orders("AceGly3Nme") == [3, 4, 4]
    assert orders("AceGly2AlaNme")[0] == 4
    valine = found("AceValNme")
    assert {"ch-ch", "ch3-ch-ch3", "ch-ch-ch3"} <= set(valine)
    assert list(found("CCCCC")) == ["ch3", "ch2", "ch2-ch3", "ch2-ch2", "ch2-ch2-ch3", "ch2-ch2-ch2"]
    malonamide = found("CNC(=O)CC(=O)NC")
    assert {"nhco-ch2-conh", "ch2-conh", "conh-ch3"} <= set(malonamide)
    ring = found("C1CC1")
    assert len(ring["cyclo-ch2-ch2-ch2"].placements) == 1 and "ch2-ch2-ch2" not in ring
    assert found("CCC(C)C.O.O")["water"].placements[1].anchors == (-1, -1, -1)


def test_caps_sit_on_the_cut_bonds() -> None:
    molecule = chain("AceAla3Nme").embedded()
    positions = np.array(molecule.positions)
    for nmer in fragment_molecule(molecule):
        places = Placements.of(nmer.placements).positions(positions[None])[0]
        for placement, geometry in zip(nmer.placements, places, strict=True):
            for cap, anchor, length in nmer.nmer.caps:
                bond = geometry[cap] - geometry[anchor]
                cut = positions[placement.atoms[cap]] - positions[placement.anchors[cap]]
                assert length == CAP_LENGTHS[nmer.skeleton.symbols[anchor]] == placement.lengths[cap]
                np.testing.assert_allclose(bond, length * cut / np.linalg.norm(cut), atol=1e-12)
                assert placement.atoms[anchor] == placement.anchors[cap]
            for i, j in nmer.skeleton.bonds:
                assert 0.9 < np.linalg.norm(geometry[i] - geometry[j]) < 1.6


def test_every_atom_of_a_chain_is_in_one_1mer() -> None:
    molecule = chain("AceAla4Nme")
    real = [
        a
        for nmer in fragment_molecule(molecule, order=1)
        for p in nmer.placements
        for a, anchor in zip(p.atoms, p.anchors, strict=True)
        if anchor < 0
    ]
    assert sorted(real) == list(range(molecule.natoms))


def test_the_starting_geometry_is_that_of_a_chain() -> None:
    for nmer in found("AceAla2Nme").values():
        fragment, positions = nmer.fragment, nmer.nmer.positions
        np.testing.assert_allclose(nmer.nmer.place_caps(positions), positions, atol=2e-6)
        for i, j in fragment.bonds:
            assert 0.95 < np.linalg.norm(positions[i] - positions[j]) < 1.6
        apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1) + 9 * np.eye(len(positions))
        assert apart.min() > 0.95
        assert bool(fragment.parts) == (nmer.order > 1)
        if nmer.order > 1:
            assert len(pieces(nmer.nmer)) >= 3
    for name, nmer in found("AceAla2Nme").items():
        if "conh" in name:  # trans, as in a chain: O and H on N point away from each other
            symbols, bonds = nmer.skeleton.symbols, nmer.skeleton.bonds
            positions = nmer.nmer.positions
            for part in nmer.skeleton.parts:
                if symbols[part[0]] == "C" and len(part) > 2 and symbols[part[2]] == "N":
                    c, o, n, h = (positions[a] for a in part[:4])
                    assert tuple(sorted((part[2], part[3]))) in bonds
                    assert (o - c) @ (h - n) < -0.8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CC(=O)N", r"C1, O2, N3 \(counted from 0\) belong to no 1-mer; allowed: -CONH-, CH3-"),
        ("[Na+].[Cl-]", "Na0, Cl1"),
        ("C[CH]C", "C1"),
        ("C" * 3 + "O" * 20, "and 8 more"),
        ("AceSerNme", "residue 'Ser' is unknown"),
        ("AceAla0Nme", "1 to 10000 residues"),
        ("AceAla99999999Nme", "1 to 10000 residues"),
        ("Ace", "not of the form"),
        ("xx", "neither SMILES"),
        ("", "neither SMILES"),
        ("C*", "neither SMILES"),
        ("none.pdb", "does not exist"),
    ],
)
def test_what_is_not_covered_is_named(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        found(text)


def test_1mers_of_a_users_own() -> None:
    ether = OneMer("o", "-O-", "[#8X2H0]")
    with pytest.raises(InputError, match="cannot be cut; caps sit on C and N"):
        fragment_molecule(from_smiles("COC"), (CH3, ether))
    with pytest.raises(InputError, match="is not SMARTS"):
        fragment_molecule(from_smiles("CCO"), (OneMer("x", "x", "[["),))
    alcohol = OneMer("ch2oh", "-CH2OH", "[#6X4H2]~[#8X2H1]")
    ethanol = fragment_molecule(from_smiles("CCO"), (CH3, alcohol))
    assert [nmer.name for nmer in ethanol] == ["ch3", "ch2oh", "ch2oh-ch3"]
    assert ethanol[1].nmer.symmetry == "A1B1C1D2E1"


@pytest.mark.parametrize("suffix", ["xyz", "pdb", "mol"])
def test_files_give_the_same_nmers(suffix: str, tmp_path: Path) -> None:
    from rdkit import Chem

    molecule = chain("AceAla2Nme").embedded()
    path = tmp_path / f"chain.{suffix}"
    if suffix == "xyz":
        ase.io.write(path, ase.Atoms(molecule.symbols, molecule.positions))
    else:
        mol = Chem.AddHs(Chem.MolFromSmiles(molecule.smiles))
        conformer = Chem.Conformer(molecule.natoms)
        for n, xyz in enumerate(molecule.positions or ()):
            conformer.SetAtomPosition(n, xyz)
        mol.AddConformer(conformer)
        (Chem.MolToPDBFile if suffix == "pdb" else Chem.MolToMolFile)(mol, str(path))
    read = read_molecule(str(path))
    assert read.bonds == molecule.bonds and read.symbols == molecule.symbols
    assert read.positions is not None
    np.testing.assert_allclose(read.positions, np.array(molecule.positions), atol=1e-3)
    assert [f.name for f in fragment_molecule(read)] == [f.name for f in fragment_molecule(molecule)]
    path.write_text("nothing of the kind\n")
    with pytest.raises(InputError, match="cannot be read"):
        read_molecule(str(path))


def test_a_molecule_without_smiles_has_no_geometry_of_its_own() -> None:
    with pytest.raises(InputError, match="was not read from SMILES"):
        Molecule("x", ("O", "H", "H"), ((0, 1), (0, 2))).embedded()
    chirality = chain("AceAla2Nme").embedded()
    positions = np.array(chirality.positions)
    neighbours = chirality.neighbours
    for around in neighbours:
        if sorted(chirality.symbols[b] for b in around) == ["C", "C", "H", "N"]:
            n = next(b for b in around if chirality.symbols[b] == "N")
            h = next(b for b in around if chirality.symbols[b] == "H")
            co, side = sorted((b for b in around if chirality.symbols[b] == "C"), key=lambda b: len(neighbours[b]))
            u, v, w = (positions[b] - positions[h] for b in (co, side, n))
            assert np.cross(u, v) @ w > 0  # L: CO, R, N clockwise, seen from H
