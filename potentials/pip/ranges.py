"""The range of the training data, kept with a potential: it tells where a fit has to extrapolate.

The distances between all atoms of an n-mer are compared within each kind, a pair of symmetry letters within or
between fragments. For each number r, the training data have a lowest mean of the r shortest distances of a kind,
and a highest mean of the r longest: for r = 1 the shortest and the longest distance. A geometry that is outside of
one of them, by more than a margin, is extrapolated. Its energy may still be right, but no label says so.

An exchange of equivalent atoms changes nothing. The mean of the r longest is a convex function of the distances,
so a geometry is never outside if its distances are a mean of those of training configurations, in any order of
equivalent atoms: a symmetric minimum is inside though it is rare in sampled data. Limits of the second, third, ...
distance by itself would exclude it.

The reverse is not true: a geometry that is inside may combine distances as no training configuration does. There
the ensemble of a potential tells more (`Potential.uncertainty`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from potentials.arrays import Bools, Floats, Ints
from potentials.compiled import njit
from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.pip.points import Points
from potentials.pip.variables import Variables

MARGIN = 0.1
"""A mean may be outside of its range by the factor (highest / lowest)^MARGIN: of 1.8 to 5 A, by 11 %."""

LEAST, MOST = 1.01, 1.15
"""Bounds of this factor: a rigid distance has a margin as well, and a wide range not more than 15 %."""

ROUND_OFF = 1e-9
"""By this fraction the mean of all distances may differ, which is added up in two orders."""


@dataclass(frozen=True)
class Outside:
    """Distances that are too short or too long.

    Attributes
    ----------
    kind
        Their kind, for example ``A-B inter``.
    pairs
        The two atoms of each, counted from 0.
    mean
        Their mean, Angstrom; of one pair its distance.
    limit
        The lowest of the training data if it is too short, else the highest, without a margin, Angstrom.
    """

    kind: str
    pairs: tuple[tuple[int, int], ...]
    mean: float
    limit: float


@dataclass(frozen=True, eq=False)
class SortedDistances:
    """The distances between an n-mer's atoms, kind after kind.

    Attributes
    ----------
    pairs
        (distances, 2), the atoms.
    begins
        (kinds + 1,), the first distance of each kind, and the end of the last.
    kinds
        (distances,), name of each distance's kind.
    reach
        (distances,), what a larger distance counts as, Angstrom: the potential's r_out between fragments, if it
        has one, else infinity.
    """

    pairs: Ints
    begins: Ints
    kinds: tuple[str, ...]
    reach: Floats

    @classmethod
    def of(cls, nmer: NMer, switching: Switching | None = None) -> SortedDistances:
        """Return those of an n-mer."""
        variables = Variables.of(Points.of(nmer))
        order = np.argsort(variables.kind, kind="stable")
        begins = np.searchsorted(variables.kind[order], np.arange(len(variables.names) + 1))
        kinds = tuple(variables.names[kind] for kind in variables.kind[order])
        switched = variables.intermolecular[order] & (switching is not None)
        reach = np.where(switched, np.inf if switching is None else switching.r_out, np.inf)
        return cls(variables.pairs[order], begins.astype(np.int64), kinds, reach)

    def means(self, positions: Floats) -> tuple[Floats, Ints]:
        """Return the means of the shortest and of the longest distances of each kind.

        Parameters
        ----------
        positions
            (n, atoms, 3), Angstrom.

        Returns
        -------
        means
            (n, 2, distances), Angstrom: of the 1, 2, ... shortest of each kind, and of the longest.
        order
            (n, distances), which of `pairs` are the shortest, second, ... of each kind.
        """
        means = np.empty((len(positions), 2, len(self.pairs)))
        order = np.empty((len(positions), len(self.pairs)), dtype=np.int64)
        _means(positions, self.pairs, self.begins, self.reach, means, order)
        return means, order

    def chosen(self, order: Ints, side: int, place: int) -> tuple[tuple[int, int], ...]:
        """Return the pairs of one mean of a configuration, from its row of the order, the most extreme first."""
        kind = int(np.searchsorted(self.begins, place, side="right")) - 1
        begin, end = self.begins[kind], self.begins[kind + 1]
        count = place - begin + 1
        numbers = order[begin : begin + count] if side == 0 else order[end - count : end][::-1]
        return tuple((int(i), int(j)) for i, j in self.pairs[numbers])


def training_ranges(nmer: NMer, switching: Switching | None, positions: Floats) -> Floats | None:
    """Return the lowest means of the shortest and the highest of the longest distances in training data.

    Parameters
    ----------
    nmer
        The n-mer.
    switching
        The switching of the potential: configurations where it is zero determine nothing, and are left out.
    positions
        (n, atoms, 3), Angstrom.

    Returns
    -------
    (2, distances), Angstrom; None if no configuration is left.
    """
    kept = positions[_switched_on(switching, positions)]
    if not len(kept):
        return None
    means = SortedDistances.of(nmer, switching).means(kept)[0]
    return np.stack([means[:, 0].min(axis=0), means[:, 1].max(axis=0)])


def check_ranges(nmer: NMer, limits: Floats) -> None:
    """Raise InputError unless limits can be those of `training_ranges`."""
    count = nmer.natoms * (nmer.natoms - 1) // 2
    if limits.shape != (2, count):
        raise InputError(
            f"the ranges of a potential of {nmer.symmetry} have shape {limits.shape}; allowed: (2, {count})"
        )
    low, high = limits
    if not ((low > 0) & (low <= (1 + ROUND_OFF) * high)).all():
        raise InputError("a potential's ranges hold a distance that is not above 0, or a lowest above a highest")


@dataclass(frozen=True, eq=False)
class Ranges:
    """The ranges of a potential's training data, to compare geometries with.

    Attributes
    ----------
    nmer
        The n-mer.
    switching
        The switching of the potential. Where it is zero nothing is evaluated, so nothing is extrapolated; between
        fragments, distances count up to r_out.
    limits
        (2, distances), Angstrom, of `training_ranges`.
    """

    nmer: NMer
    switching: Switching | None
    limits: Floats

    @cached_property
    def _distances(self) -> SortedDistances:
        return SortedDistances.of(self.nmer, self.switching)

    def extrapolates(self, positions: Floats, margin: float = MARGIN) -> Bools:
        """Return whether each configuration is outside by more than a margin.

        Parameters
        ----------
        positions
            (n, atoms, 3), Angstrom.
        margin
            See `MARGIN`.

        Returns
        -------
        (n,).
        """
        on = _switched_on(self.switching, positions)
        outside = np.zeros(len(positions), dtype=np.bool_)
        means, _ = self._distances.means(positions[on])
        outside[on] = (self._excess(means, margin) > 1.0).any(axis=(1, 2))
        return outside

    def farthest(self, positions: Floats, margin: float = MARGIN) -> list[Outside | None]:
        """Return of each configuration what is outside by the largest factor; None: it is inside.

        The arguments are those of `extrapolates`.
        """
        found: list[Outside | None] = [None] * len(positions)
        on = _switched_on(self.switching, positions)
        means, order = self._distances.means(positions[on])
        excess = self._excess(means, margin)
        for row, n in enumerate(on):
            side, place = (int(i) for i in np.unravel_index(np.argmax(excess[row]), excess[row].shape))
            if excess[row, side, place] > 1.0:
                found[n] = Outside(
                    self._distances.kinds[place],
                    self._distances.chosen(order[row], side, place),
                    float(means[row, side, place]),
                    float(self.limits[side, place]),
                )
        return found

    def _excess(self, means: Floats, margin: float) -> Floats:
        """Return by which factor means are outside of their range and its margin, (n, 2, distances)."""
        low, high = self.limits
        with np.errstate(divide="ignore"):  # atoms in one place
            outside = np.stack([low / means[:, 0], means[:, 1] / high], axis=1)
        return np.asarray(outside / np.clip((high / low) ** margin, LEAST, MOST))


def _switched_on(switching: Switching | None, positions: Floats) -> NDArray[np.intp]:
    return np.arange(len(positions)) if switching is None else np.flatnonzero(switching.evaluate(positions)[0])


@njit(cache=True)  # type: ignore[untyped-decorator]
def _means(positions: Floats, pairs: Ints, begins: Ints, reach: Floats, means: Floats, order: Ints) -> None:
    """Sort the distances of each kind, and write the means of the shortest and of the longest of them."""
    distances = np.empty(len(pairs))
    for n in range(len(positions)):
        for kind in range(len(begins) - 1):
            begin, end = begins[kind], begins[kind + 1]
            for new in range(begin, end):
                i, j = pairs[new, 0], pairs[new, 1]
                dx = positions[n, i, 0] - positions[n, j, 0]
                dy = positions[n, i, 1] - positions[n, j, 1]
                dz = positions[n, i, 2] - positions[n, j, 2]
                distance = min(np.sqrt(dx * dx + dy * dy + dz * dz), reach[new])
                place = new
                while place > begin and distances[place - 1] > distance:
                    distances[place], order[n, place] = distances[place - 1], order[n, place - 1]
                    place -= 1
                distances[place], order[n, place] = distance, new
            shortest, longest = 0.0, 0.0
            for count in range(1, end - begin + 1):
                shortest += distances[begin + count - 1]
                longest += distances[end - count]
                means[n, 0, begin + count - 1] = shortest / count
                means[n, 1, begin + count - 1] = longest / count
