"""Systems from files of several kinds: the same molecules, in whatever order and image they are written."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.physics.topology import Topology
from potentials.systems.cell import Cell
from potentials.systems.system import System
from recipes.chemistry.atom_types import type_molecule
from recipes.chemistry.copies import copies_of, formula, fragment_system, type_system
from recipes.chemistry.fragmentation import fragment_molecule
from recipes.chemistry.pairs import find_pairs
from recipes.chemistry.solvation import WATER
from recipes.chemistry.system_files import system_text
from recipes.chemistry.systems import molecule_of, near_bonds, read_system

VECTORS = np.array([[16.0, 0.0, 0.0], [3.0, 15.0, 0.0], [-2.0, 4.0, 17.0]])
CELL = Cell(tuple(map(tuple, VECTORS)), (True, True, True))
CHAIN = read_system("AceAla2Nme")


def mixed() -> System:
    """Water, a chain, a water written H O H, and another chain; each atom in an image of its own."""
    water = np.array(WATER[1])
    places = np.array([[0.0, 0.0, 0.0], [3.0, 4.0, 8.5], [0.0, 6.5, 3.0], [9.0, 4.0, 0.0]])
    chain = CHAIN.positions - CHAIN.positions.mean(axis=0)
    parts = [
        (("O", "H", "H"), water, ((0, 1), (0, 2))),
        (CHAIN.symbols, chain, CHAIN.bonds),
        (("H", "O", "H"), water[[1, 0, 2]], ((0, 1), (1, 2))),
        (CHAIN.symbols, chain[:, [1, 2, 0]], CHAIN.bonds),
    ]
    symbols: list[str] = []
    bonds: list[tuple[int, int]] = []
    positions: list[Floats] = []
    for (some, at, joined), place in zip(
        parts, places @ np.linalg.inv(np.diag([16, 15, 17])) @ VECTORS, strict=True
    ):
        bonds += [(i + len(symbols), j + len(symbols)) for i, j in joined]
        symbols += some
        positions.append(at + place)
    whole = np.concatenate(positions)
    shifts = np.random.default_rng(3).integers(-1, 2, (len(whole), 3)) @ VECTORS
    return System(tuple(symbols), whole + shifts, tuple(bonds), CELL)


MIXED = mixed()


def distances(system: System) -> list[Floats]:
    """The distances within each molecule."""
    x = system.whole().positions
    return [np.linalg.norm(x[list(m)][:, None] - x[list(m)][None], axis=2) for m in system.molecules]


@pytest.mark.parametrize("suffix", [".pdb", ".xyz"])
def test_what_is_written_is_read_again(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mixed{suffix}"
    path.write_text(system_text(MIXED, suffix))
    again = read_system(path)
    assert (again.symbols, again.bonds, again.molecules) == (MIXED.symbols, MIXED.bonds, MIXED.molecules)
    assert again.vectors is not None
    np.testing.assert_allclose(again.vectors, VECTORS, atol=2e-3)
    for one, other in zip(distances(again), distances(MIXED), strict=True):
        np.testing.assert_allclose(one, other, atol=4e-3 if suffix == ".pdb" else 1e-6)


def test_atoms_in_different_images_are_bonded_by_their_nearest_ones(tmp_path: Path) -> None:
    """An xyz as programs write it, wrapped atom by atom, and a PDB without CONECT."""
    assert MIXED.vectors is not None
    assert near_bonds(MIXED.symbols, MIXED.positions, MIXED.vectors) == MIXED.bonds
    wrapped = MIXED.positions @ np.linalg.inv(VECTORS)
    wrapped = (wrapped - np.floor(wrapped)) @ VECTORS
    text = system_text(replace(MIXED, cell=None, bonds=MIXED.bonds, positions=MIXED.whole().positions), ".pdb")
    lines = [line for line in text.splitlines() if not line.startswith("CONECT")]
    for n, (x, y, z) in enumerate(wrapped):
        lines[n] = f"{lines[n][:30]}{x:8.3f}{y:8.3f}{z:8.3f}{lines[n][54:]}"
    cryst = next(line for line in system_text(MIXED, ".pdb").splitlines() if line.startswith("CRYST1"))
    path = tmp_path / "wrapped.pdb"
    path.write_text("\n".join([cryst, *lines, ""]))
    found = read_system(path)
    assert found.bonds == MIXED.bonds
    for one, other in zip(distances(found), distances(MIXED), strict=True):
        np.testing.assert_allclose(one, other, atol=6e-3)


def test_a_hydrogen_is_bonded_to_its_nearest_atom_only(tmp_path: Path) -> None:
    """A stretched O-H is kept, and a hydrogen between two oxygens does not join them."""
    symbols = ("O", "H", "H", "O", "H", "H")
    at = np.array([[0, 0, 0], [1.21, 0, 0], [-0.3, 0.9, 0], [2.5, 0, 0], [2.8, 0.9, 0], [2.8, -0.9, 0]])
    assert near_bonds(symbols, at, None) == ((0, 1), (0, 2), (3, 4), (3, 5))
    assert near_bonds(("H", "H", "H", "H"), np.array([[0, 0, 0], [0.74, 0, 0], [0, 0, 4], [0, 0.8, 4]]), None) == (
        (0, 1),
        (2, 3),
    )
    assert near_bonds(symbols, at, None, ((1, 3),)) == ((0, 2), (1, 3), (3, 4), (3, 5))  # what is written is so
    path = tmp_path / "hot.xyz"
    path.write_text("6\n\n" + "".join(f"{s} {x} {y} {z}\n" for s, (x, y, z) in zip(symbols, at, strict=True)))
    assert [len(m) for m in read_system(path).molecules] == [3, 3]


def test_bonds_of_a_second_file_are_taken(tmp_path: Path) -> None:
    good, hot = tmp_path / "good.pdb", tmp_path / "hot.xyz"
    good.write_text(system_text(MIXED, ".pdb"))
    stretched = np.array(MIXED.whole().positions)
    i, j = MIXED.bonds[10]
    stretched[j] += 0.25 * (stretched[j] - stretched[i])
    hot.write_text(system_text(replace(MIXED, positions=stretched), ".xyz"))
    assert read_system(hot, bonds=good).bonds == MIXED.bonds
    other = tmp_path / "other.pdb"
    other.write_text(system_text(CHAIN, ".pdb"))
    with pytest.raises(InputError, match=r"bonds of 'other\.pdb' are of 32 other atoms than the 70 of .*hot\.xyz"):
        read_system(hot, bonds=other)
    with pytest.raises(InputError, match="'AceAlaNme' is none"):
        read_system("AceAlaNme", bonds=good)


def test_names_and_smiles_have_a_geometry_and_files_without_a_cell_are_in_vacuum(tmp_path: Path) -> None:
    assert read_system("water").symbols == ("O", "H", "H") and read_system("CC").natoms == 8
    assert CHAIN.cell is None and len(CHAIN.molecules) == 1
    path = tmp_path / "two.pdb"
    text = system_text(replace(MIXED, cell=None, positions=MIXED.whole().positions), ".pdb")
    for cryst in ("", "CRYST1    1.000    1.000    1.000  90.00  90.00  90.00 P 1           1\n"):
        path.write_text(cryst + text)
        found = read_system(path)
        assert found.cell is None and found.bonds == MIXED.bonds
    with pytest.raises(InputError, match=r"'CC\.O' is several molecules without a geometry"):
        read_system("CC.O")


REFUSED = {
    "a cell of letters": ("pdb", "CRYST1   16.000   xx.000   17.000", r"line 1: the cell is '16.000 *xx.000"),
    "a flat cell": ("pdb", "CRYST1   16.000   16.000   16.000  90.00  90.00   0.00", "are of no cell"),
    "two cells": (
        "pdb",
        "CRYST1   16.000   16.000   16.000  90.00  90.00  90.00\nCRYST1   17.000",
        "several CRYST1",
    ),
    "half a cell": (
        "xyz",
        'Lattice="16 0 0 0 16 0 0 0 16" pbc="T T F"',
        "does not repeat along all three vectors",
    ),
    "a narrow cell": ("xyz", 'Lattice="3 0 0 0 16 0 0 0 16"', "the cell is 3.000 A wide"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_cells_that_are_none_are_refused(tmp_path: Path, name: str) -> None:
    suffix, head, message = REFUSED[name]
    path = tmp_path / f"x.{suffix}"
    text = system_text(CHAIN, f".{suffix}")
    path.write_text(
        f"{head}\n{text}" if suffix == "pdb" else "\n".join([text.split("\n", 2)[0], head, text.split("\n", 2)[2]])
    )
    with pytest.raises(InputError, match=message) as caught:
        read_system(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".xyz", ".pdb"])
def test_torn_molecules_and_lone_atoms_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"torn{suffix}"
    lines = system_text(MIXED, suffix).splitlines()
    first = next(n for n, line in enumerate(lines) if re.match(r"(HETATM|O)", line))
    if suffix == ".pdb":
        x, y, z = (float(lines[first][a : a + 8]) for a in (30, 38, 46))
        lines[first] = f"{lines[first][:30]}{x:8.3f}{y:8.3f}{z + 1.5:8.3f}{lines[first][54:]}"
    else:
        s, x_, y_, z_ = lines[first].split()
        lines[first] = f"{s} {x_} {y_} {float(z_) + 1.5}"
    path.write_text("\n".join([*lines, ""]))
    message = (
        r"torn: they are 1\.\d\d A apart"
        if suffix == ".pdb"
        else r"O0.*belong to no molecule|lacks hydrogens on O0"
    )
    with pytest.raises(InputError, match=message):
        read_system(path)


def test_a_format_that_cannot_hold_a_system_is_refused() -> None:
    turned = np.array([[0.0, 16.0, 0.0], [15.0, 0.0, 0.0], [0.0, 0.0, 17.0]])
    system = System(CHAIN.symbols, CHAIN.positions, CHAIN.bonds, Cell(tuple(map(tuple, turned)), (True,) * 3))
    with pytest.raises(InputError, match="does not hold this cell"):
        system_text(system, ".pdb")
    assert "Lattice=" in system_text(system, ".xyz")
    with pytest.raises(InputError, match=r"not written as '.gro'; allowed: .pdb, .xyz"):
        system_text(system, ".gro")
    with pytest.raises(InputError, match="larger than 999 A"):
        system_text(replace(CHAIN, positions=CHAIN.positions + 2000.0), ".pdb")


def test_identical_molecules_are_told_by_atoms_and_bonds() -> None:
    found = copies_of(MIXED)
    assert [(one.molecule.name, one.places.shape) for one in found] == [
        ("H2O", (1, 3)),
        ("C9H17N3O3", (2, 32)),
        ("H2O", (1, 3)),
    ]
    assert formula(["H", "C", "H", "H", "Cl"]) == "CH3Cl" and formula("HOH") == "H2O"


def test_n_mers_types_and_pairs_of_a_system_are_those_of_all_its_molecules_together() -> None:
    """Molecules divided once are as if all were divided at once."""
    whole = molecule_of(MIXED)
    together = fragment_molecule(whole)
    found = fragment_system(MIXED)
    assert {n.name: n.skeleton for n in found.nmers} == {n.name: n.skeleton for n in together}
    for one, other in zip(
        sorted(found.nmers, key=lambda n: n.name), sorted(together, key=lambda n: n.name), strict=True
    ):
        assert set(one.placements) == set(other.placements)
    typed, topology = type_system(MIXED)
    expected, wanted = type_molecule(whole)
    assert typed == expected
    assert isinstance(wanted, Topology) and topology.onemers == wanted.onemers and topology.bonds == wanted.bonds
    bodies = {n.name: n.placements for n in found.nmers}
    allowed = {(p.nmer, frozenset(p.atoms)) for p in find_pairs(whole, together)}
    for name, rows in found.forbidden.items():
        one, other = name.removesuffix("-pair").split("-")
        for i, j in rows:
            assert (name, frozenset(bodies[one][i].atoms + bodies[other][j].atoms)) not in allowed
    ones = {n.name: len(n.placements) for n in found.nmers if n.order == 1}
    every = sum(
        (n * (n - 1) // 2 if a == b else n * m) for a, n in ones.items() for b, m in ones.items() if a <= b
    )
    assert len(allowed) + sum(map(len, found.forbidden.values())) == every
