"""A permutation-invariant descriptor of a configuration: distances sorted within equivalent pairs."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from potentials.molecule import NMer
from storage.records import Floats


def sorted_distances(nmer: NMer, positions: Floats) -> Floats:
    """Return all interatomic distances, sorted within each class of equivalent pairs.

    Two pairs are equivalent when their atoms have the same symmetry letters. The sorted distances do not change
    when equivalent atoms change places; they are a lossy fingerprint: select with them, never identify with them.

    Parameters
    ----------
    nmer
        The n-mer.
    positions
        (frames, atoms, 3), Angstrom.

    Returns
    -------
    (frames, pairs), Angstrom.
    """
    classes: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    for i in range(nmer.natoms):
        for j in range(i + 1, nmer.natoms):
            classes[tuple(sorted((nmer.classes[i], nmer.classes[j])))].append((i, j))
    blocks = []
    for pairs in classes.values():
        first, second = np.array(pairs).T
        distances = np.linalg.norm(positions[:, first] - positions[:, second], axis=2)
        blocks.append(np.sort(distances, axis=1))
    return np.concatenate(blocks, axis=1)
