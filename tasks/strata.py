"""Draw some of many configurations so that every temperature, window and range of energy is represented."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats, Ints


def stratified(energy: Floats, groups: Floats | None, count: int, seed: int) -> Ints:
    """Return the indices of a stratified sample, in rising order; the same for the same seed.

    They are put in order of their group and, within it, of their energy, and cut into `count` strata of equal
    size, from each of which one is drawn. So the sample is proportional to the data, to within one configuration.

    Parameters
    ----------
    energy
        (n,), kcal/mol.
    groups
        (n, columns), what else is known of each, such as its temperature and window; None where nothing is.
    count
        How many; all of them where there are no more.
    seed
        Seed of the draw.
    """
    total = len(energy)
    if count >= total:
        return np.arange(total)
    known = [] if groups is None else list(groups.T)
    order = np.lexsort((energy, *known[::-1]))
    edges = np.arange(count + 1) * total // count
    picked = np.random.default_rng(seed).integers(edges[:-1], edges[1:])
    return np.sort(order[picked])


def evenly(energy: Floats, groups: Floats | None, count: int, least: int, seed: int) -> Ints:
    """Return the indices of a sample with as many of a small group as of a large one, in rising order.

    Parameters
    ----------
    energy, groups, seed
        As for `stratified`; within a group the configurations are stratified by energy.
    count
        How many in all, in equal parts.
    least
        At least so many of each group, where it has them, even if the sum then exceeds `count`.
    """
    if groups is None:
        return stratified(energy, None, max(count, least), seed)
    member = np.unique(groups, axis=0, return_inverse=True)[1].reshape(-1)
    kinds = int(member.max(initial=-1)) + 1
    share = max(least, -(-count // max(kinds, 1)))
    found = []
    for kind in range(kinds):
        rows = np.flatnonzero(member == kind)
        found.append(rows[stratified(energy[rows], None, share, seed + kind)])
    return np.sort(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)
