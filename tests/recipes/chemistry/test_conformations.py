"""Conformations of chains and of other molecules: folds, torsions, distances, seeds."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from potentials.errors import InputError
from potentials.graph import distances
from recipes.chemistry.conformations import BASINS, JITTER, MIXED, NEAREST, OTHER, conformations
from recipes.chemistry.molecules import from_file, read_molecule

CHAIN = read_molecule("AceAla2Nme")


def first(text: str, count: int, seed: int) -> tuple[tuple[str, ...], np.ndarray]:
    names, positions = zip(*islice(conformations(read_molecule(text), seed), count), strict=True)
    return names, np.array(positions)


def torsion(x: np.ndarray) -> float:
    """Return a torsion in degrees, from the normals of its two planes."""
    a, b, c = np.diff(x, axis=0)
    one, other = np.cross(a, b), np.cross(b, c)
    sine = np.linalg.norm(b) * (a @ other)
    return float(np.rad2deg(np.arctan2(sine, one @ other)))


def test_a_chain_has_its_folds_in_turn_with_their_torsions() -> None:
    names, positions = first("AceAla2Nme", 8, 3)
    assert names == (*BASINS, MIXED, next(iter(BASINS)))
    bonded = {frozenset(bond) for bond in CHAIN.bonds}
    backbone = [1, 3, 4, 6, 8, 9, 11, 13]  # C-N-CA-C-N-CA-C-N of CC(=O)N[C@@H](C)C(=O)...
    assert all(frozenset(pair) in bonded for pair in pairwise(backbone))
    for fold, x in zip(names, positions, strict=True):
        if fold in BASINS:
            for start, wanted in ((0, BASINS[fold][0]), (1, BASINS[fold][1]), (3, BASINS[fold][0])):
                off = (torsion(x[backbone[start : start + 4]]) - wanted + 180) % 360 - 180
                assert abs(off) < 5 * JITTER
    assert np.abs(positions[0] - positions[7]).max() > 0.05, "two of one fold differ by their deviations"
    apart = distances(CHAIN.natoms, CHAIN.bonds) >= 4
    assert min(squareform(pdist(x))[apart].min() for x in positions) > NEAREST


def test_the_same_seed_gives_the_same_conformations_and_another_others() -> None:
    for text in ("AceAlaNme", "CCNC(C)=O"):
        one, same, other = (first(text, 3, seed)[1] for seed in (3, 3, 4))
        np.testing.assert_array_equal(one, same)
        assert np.abs(one - other).max() > 1e-3


def test_a_molecule_without_residues_has_those_of_distance_geometry() -> None:
    names, positions = first("CCCCO", 6, 1)
    assert set(names) == {OTHER}
    ends = np.linalg.norm(positions[:, 0] - positions[:, 3], axis=1)
    assert np.ptp(ends) > 0.3, "gauche and trans"


def test_molecules_that_cannot_be_relaxed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"conformations of 'C\[Se\]C' cannot be relaxed: MMFF94 lacks"):
        next(conformations(read_molecule("C[Se]C"), 1))
    path = tmp_path / "water.xyz"
    path.write_text("3\n\nO 0 0 0\nH 0.76 0 0.58\nH -0.76 0 0.58\n")
    with pytest.raises(InputError, match="was not read from SMILES"):
        next(conformations(from_file(path), 1))
