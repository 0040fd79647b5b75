"""Water around molecules: the number, the density, whole molecules, no clash; packmol itself is used."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.errors import InputError, MissingProgramError
from potentials.neighbours import nearest_images, pairs_within
from recipes.chemistry import solvation
from recipes.chemistry.copies import copies_of
from recipes.chemistry.solvation import DENSITY, density, solvate
from recipes.chemistry.systems import read_system
from recipes.registry import Need

DIPEPTIDE = read_system("AceAlaNme")


def nearest(found: object) -> float:
    """The smallest distance of atoms of different molecules."""
    assert isinstance(found, solvation.System) and found.vectors is not None
    owner = np.empty(found.natoms, dtype=int)
    for number, atoms in enumerate(found.molecules):
        owner[list(atoms)] = number
    i, j = pairs_within(found.positions, found.vectors, 3.0)
    other = owner[i] != owner[j]
    apart = nearest_images(found.positions[i[other]] - found.positions[j[other]], found.vectors)
    return float(np.linalg.norm(apart, axis=1).min())


def test_a_solute_gets_exactly_so_many_whole_waters_at_the_density_of_water() -> None:
    found = solvate(DIPEPTIDE, waters=200)
    assert [(c.molecule.name, len(c.places)) for c in copies_of(found)] == [("C6H12N2O2", 1), ("H2O", 200)]
    assert found.symbols[:22] == DIPEPTIDE.symbols and found.symbols[22:25] == ("O", "H", "H")
    assert density(found) == pytest.approx(DENSITY, abs=1e-6) and density(DIPEPTIDE) is None
    assert nearest(found) > solvation.NEAREST
    inside = found.positions[:22] - found.positions[0]
    np.testing.assert_allclose(inside, DIPEPTIDE.positions - DIPEPTIDE.positions[0], atol=1e-9)
    again, other = solvate(DIPEPTIDE, waters=200), solvate(DIPEPTIDE, waters=200, seed=7)
    np.testing.assert_array_equal(again.positions, found.positions)
    assert not np.array_equal(other.positions, found.positions)


def test_padding_is_the_least_distance_to_the_faces_however_the_solute_turns() -> None:
    found = solvate(DIPEPTIDE, padding=6.0)
    x = DIPEPTIDE.positions
    longest = np.linalg.norm(x[:, None] - x[None], axis=2).max()
    assert found.vectors is not None and found.vectors[0, 0] == pytest.approx(longest + 12.0)
    assert density(found) == pytest.approx(DENSITY, rel=2e-3)
    solute = found.positions[:22]
    assert min(solute.min(), (found.vectors[0, 0] - solute).min()) >= 6.0


def test_water_alone() -> None:
    found = solvate(None, waters=64)
    assert found.natoms == 192 and len(found.molecules) == 64 and nearest(found) > solvation.NEAREST


def test_what_does_not_fit_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"a cell of 5 waters is \d+\.\d A wide, .* allowed: \d+ waters or more"):
        solvate(DIPEPTIDE, waters=5)
    for options, message in (
        ({"waters": 0}, "waters is 0; allowed: 1 to 100000"),
        ({"padding": 0.5}, "padding is 0.5 A; allowed: 1 to 1000 A"),
        ({"padding": 400.0}, "leaves room for"),
        ({}, "one of them"),
        ({"waters": 100, "padding": 5.0}, "one of them"),
        ({"waters": 100, "seed": -1}, "seed is -1"),
    ):
        with pytest.raises(InputError, match=message):
            solvate(DIPEPTIDE, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="padding is around a solute"):
        solvate(None, padding=5.0)
    with pytest.raises(InputError, match="has a cell already"):
        solvate(solvate(None, waters=20), waters=100)
    monkeypatch.setattr(solvation, "PACKMOL", Need("no_such_package", "pip install 'nmer[solvate]'"))
    with pytest.raises(MissingProgramError, match=r"solvation needs the package .*pip install 'nmer\[solvate\]'"):
        solvate(DIPEPTIDE, waters=100)
