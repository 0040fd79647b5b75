"""A permutation-invariant descriptor of a configuration: distances sorted within equivalent pairs."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import numpy as np

from potentials.arrays import Bools, Floats
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import SelectionSettings
from tasks.selection.descriptor import Describe, Descriptor


def sorted_distances(nmer: NMer, positions: Floats) -> tuple[Floats, Bools]:
    """Return all interatomic distances, sorted within each class of equivalent pairs.

    Two pairs are equivalent if their atoms have the same symmetry letters and both are within a fragment or both
    between fragments. The sorted distances are invariant to exchanges of equivalent atoms, but different
    geometries can have the same ones: they serve to select frames and not to identify them.

    Parameters
    ----------
    nmer
        The n-mer.
    positions
        (frames, atoms, 3), Angstrom.

    Returns
    -------
    distances, between
        (frames, pairs), Angstrom; (pairs,), whether the distance is between two fragments.
    """
    fragment = np.repeat(np.arange(len(nmer.fragments)), [f.natoms for f in nmer.fragments])
    classes: dict[tuple[str, str, bool], list[tuple[int, int]]] = defaultdict(list)
    for i, j in combinations(range(nmer.natoms), 2):
        first, second = sorted((nmer.classes[i], nmer.classes[j]))
        classes[first, second, bool(fragment[i] != fragment[j])].append((i, j))
    blocks = []
    for pairs in classes.values():
        one, other = np.array(pairs).T
        distances = np.linalg.norm(positions[:, one] - positions[:, other], axis=2)
        blocks.append(np.sort(distances, axis=1))
    between = np.repeat([key[2] for key in classes], [len(pairs) for pairs in classes.values()])
    return np.concatenate(blocks, axis=1), between


def weighted_distances(nmer: NMer, positions: Floats, settings: SelectionSettings) -> Floats:
    """Return the sorted distances with the recipe's weights for those within and between fragments.

    Parameters
    ----------
    nmer
        The n-mer.
    positions
        (frames, atoms, 3), Angstrom.
    settings
        The recipe's selection section.
    """
    distances, between = sorted_distances(nmer, positions)
    weights = np.where(between, settings.intermolecular_weight, settings.intramolecular_weight)
    return np.asarray(distances * weights)


def _describe(nmer: NMer, settings: SelectionSettings, sample: Floats) -> Describe:
    return lambda positions: weighted_distances(nmer, positions, settings)


DESCRIPTOR = Descriptor(
    name="sorted-distances",
    title="all interatomic distances, sorted within classes of equivalent pairs, with the recipe's weights for "
    "those within and between fragments",
    make=_describe,
    width=lambda nmer: nmer.natoms * (nmer.natoms - 1) // 2,
)
