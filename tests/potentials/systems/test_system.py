"""Systems: their molecules, made whole in a cell, and what is refused."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.systems.cell import Cell
from potentials.systems.system import System, check_width

VECTORS = np.array([[14.0, 0.0, 0.0], [3.0, 13.0, 0.0], [-2.0, 4.0, 15.0]])
CELL = Cell(tuple(map(tuple, VECTORS)), (True, True, True))
WATER = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
CHAIN = np.array([[0.0, 0.3 * (-1) ** n, 1.25 * n] for n in range(8)])  # longer than half the cell


def water_and_chain(**changes: Any) -> System:
    """Water's atoms stand between those of the chain."""
    symbols = ("C", "H", *"CCCC", "O", "H", *"CCC")
    positions = np.empty((11, 3))
    chain, water = [0, 2, 3, 4, 5, 8, 9, 10], [6, 1, 7]
    positions[chain], positions[water] = CHAIN, WATER + np.array([5.0, 1.0, 2.0])
    bonds = [*pairwise(chain), (6, 1), (6, 7)]
    given: dict[str, Any] = {"symbols": symbols, "positions": positions, "bonds": bonds, "cell": CELL}
    return System(**given | changes)


def test_molecules_are_the_connected_atoms_in_whatever_order() -> None:
    system = water_and_chain()
    assert system.molecules == ((0, 2, 3, 4, 5, 8, 9, 10), (1, 6, 7))
    assert system.bonds[0] == (0, 2) and (1, 6) in system.bonds
    assert not system.positions.flags.writeable


def test_molecules_wrapped_atom_by_atom_are_made_whole() -> None:
    whole = water_and_chain()
    rng = np.random.default_rng(0)
    torn = whole.positions + rng.integers(-2, 3, (11, 3)) @ VECTORS
    found = water_and_chain(positions=torn).whole().positions
    for molecule in whole.molecules:
        atoms = list(molecule)
        np.testing.assert_allclose(found[atoms[0]], torn[atoms[0]])
        expected = whole.positions[atoms] - whole.positions[atoms[0]]
        np.testing.assert_allclose(found[atoms] - found[atoms[0]], expected, atol=1e-12)
    several = np.stack([torn, whole.positions])
    np.testing.assert_allclose(whole.tree.whole(several, VECTORS)[0], found, atol=1e-12)
    assert water_and_chain(cell=None).whole().positions is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"bonds": [(0, 2), (6, 1)]},
            r"system: C3, C4, C5, H7, C8, C9, C10 \(counted from 0\) belong to no molecule",
        ),
        ({"bonds": [*water_and_chain().bonds, (0, 11)]}, r"the bond \(0, 11\) is not between two of its 11 atoms"),
        ({"bonds": [*water_and_chain().bonds, (3, 3)]}, r"the bond \(3, 3\)"),
        (
            {"bonds": [*water_and_chain().bonds, (0, 4)]},
            r"C0 and C4 .* is torn: they are 3\.80 A .* up to 2\.43 A",
        ),
        ({"cell": Cell(CELL.vectors, (True, True, False))}, "must repeat along all three"),
        ({"positions": np.zeros((3, 3))}, r"positions of shape \(3, 3\); allowed: \(11, 3\)"),
        ({"symbols": ("X",) * 11}, "'X' is not an element"),
        ({"symbols": (), "positions": np.empty((0, 3)), "bonds": ()}, "has no atoms"),
    ],
)
def test_what_is_no_system_is_refused_in_one_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        water_and_chain(**changes)
    assert "\n" not in str(caught.value)


def test_atoms_in_one_place_are_found_across_the_faces_of_the_cell() -> None:
    positions = np.array(water_and_chain().positions)
    positions[[6, 1, 7]] = WATER + CHAIN[3] + np.array([0.1, 0.2, 0.1]) + VECTORS[1] - VECTORS[2]
    with pytest.raises(InputError, match=r"\w+ and \w+ .* A apart, which is one place"):
        water_and_chain(positions=positions)
    assert water_and_chain(positions=positions, cell=None).cell is None
    positions[0, 1] = np.nan
    with pytest.raises(InputError, match="the position of C0 is not finite"):
        water_and_chain(positions=positions)


def test_a_molecule_that_is_bonded_to_its_own_image_cannot_be_made_whole() -> None:
    line = np.array([[1.4 * n, 0.0, 0.0] for n in range(10)])
    bonds = [(n, (n + 1) % 10) for n in range(10)]
    ring = System(("C",) * 10, line, bonds, CELL, name="ring")
    with pytest.raises(InputError, match=r"ring: the molecule of C5 and C6 is bonded to its own image"):
        ring.whole()


def test_ions_are_molecules_of_one_atom() -> None:
    assert System(("Na", "Cl"), np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]), ()).molecules == ((0,), (1,))


def test_a_cell_is_measured_against_a_cut_off() -> None:
    check_width(None, 100.0, "V_phys")
    check_width(CELL, 6.0, "V_phys")
    with pytest.raises(InputError, match=r"the cell is 12\.\d+ A wide, and V_phys ends at 7 A; allowed: cells"):
        check_width(CELL, 7.0, "V_phys")
