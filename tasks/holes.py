"""Search a fitted surface for holes: geometries near the data where it falls far below all it was fitted to.

A polynomial is not determined where it has no data. Three searches start from training configurations: fragments
are pushed together, bonds are stretched and compressed, and random walks move downhill. None of them leaves the
region that a simulation could reach: every distance stays within a margin of the training data's range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from potentials.arrays import Bools, Floats
from potentials.nmers.nmer import NMer
from potentials.units import KB

DEPTH = 10.0
"""A hole is this far below the lowest training energy, kcal/mol."""

MARGIN = 0.15
"""Fraction of the shortest and of the longest training distance of a kind by which a walk may exceed it."""

WALKERS, STEPS = 64, 400
STEP = 0.05
"""Standard deviation of a walk's steps, Angstrom."""

TEMPERATURE = 1000.0
"""Temperature of the walks, K."""

SCANNED = 24
"""Configurations whose fragments are pushed together and whose bonds are stretched and compressed."""

Energy = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Hole:
    """The lowest point that a search found.

    Attributes
    ----------
    search
        ``push``, ``stretch``, or ``walk``.
    energy
        kcal/mol.
    below
        How far below the lowest training energy, kcal/mol; negative where it is above.
    positions
        (atoms, 3), Angstrom.
    """

    search: str
    energy: float
    below: float
    positions: Floats

    @property
    def is_hole(self) -> bool:
        """Whether it is deeper than `DEPTH`."""
        return self.below > DEPTH

    @property
    def warning(self) -> str:
        """The message about a hole."""
        return (
            f"a hole {self.below:.0f} kcal/mol below the lowest training energy was found near the data (search: "
            f"{self.search}); sample there, or lower fitting.degree"
        )


@dataclass(frozen=True)
class Region:
    """The region that a simulation could reach: the range of each pair's distance, widened by `MARGIN`.

    Pairs of atoms with the same symmetry letters share their range.
    """

    pairs: tuple[tuple[int, int], ...]
    low: Floats
    high: Floats

    @classmethod
    def of(cls, nmer: NMer, positions: Floats) -> Region:
        """Return the region of training configurations (n, atoms, 3), Angstrom."""
        pairs = tuple(combinations(range(nmer.natoms), 2))
        distances = _distances(positions, pairs)
        kinds = [tuple(sorted((nmer.classes[i], nmer.classes[j]))) for i, j in pairs]
        low, high = np.empty(len(pairs)), np.empty(len(pairs))
        for kind in set(kinds):
            of_kind = [v for v, each in enumerate(kinds) if each == kind]
            low[of_kind] = (1 - MARGIN) * distances[:, of_kind].min()
            high[of_kind] = (1 + MARGIN) * distances[:, of_kind].max()
        return cls(pairs, low, high)

    def holds(self, positions: Floats) -> Bools:
        """Return whether each of some configurations (n, atoms, 3) is in the region, (n,)."""
        distances = _distances(positions, self.pairs)
        return np.asarray(((distances >= self.low) & (distances <= self.high)).all(axis=1))


def find_holes(nmer: NMer, energy: Energy, positions: Floats, reference: Floats, seed: int = 0) -> list[Hole]:
    """Return the lowest point that each search finds, deepest first.

    Parameters
    ----------
    nmer
        The n-mer; caps keep their length.
    energy
        The fitted surface: (n, atoms, 3) in Angstrom to (n,) in kcal/mol.
    positions
        (n, atoms, 3), training configurations, Angstrom.
    reference
        (n,), their energies, kcal/mol.
    seed
        Of the walks and of the choice of configurations.
    """
    rng = np.random.default_rng(seed)
    region, floor = Region.of(nmer, positions), float(reference.min())
    chosen = positions[rng.permutation(len(positions))[:SCANNED]]
    found = []
    for search, tried in (("push", _pushed(nmer, chosen)), ("stretch", _stretched(nmer, chosen))):
        inside = tried[region.holds(tried)]
        if len(inside):
            found.append(_lowest(search, energy, inside, floor))
    found.append(_walk(nmer, energy, positions, region, floor, rng))
    return sorted(found, key=lambda hole: -hole.below)


def _lowest(search: str, energy: Energy, tried: Floats, floor: float) -> Hole:
    values = energy(tried)
    low = int(np.argmin(values))
    return Hole(search, float(values[low]), floor - float(values[low]), tried[low])


def _pushed(nmer: NMer, chosen: Floats) -> Floats:
    """Move every other fragment along the line to the first one, a tenth of an Angstrom at a time."""
    tried = []
    for part in nmer.slices[1:]:
        arrow = chosen[:, : nmer.slices[0].stop].mean(axis=1) - chosen[:, part].mean(axis=1)
        unit = arrow / np.maximum(np.linalg.norm(arrow, axis=1, keepdims=True), 1e-9)
        for shift in np.arange(-0.5, 6.0, 0.1):
            moved = chosen.copy()
            moved[:, part] += shift * unit[:, None]
            tried.append(moved)
    return np.concatenate(tried) if tried else np.empty((0, nmer.natoms, 3))


def _stretched(nmer: NMer, chosen: Floats) -> Floats:
    """Move each bond's lighter end along the bond; where no bonds are known, every pair of a fragment's atoms.

    A cap stays at its length: no simulation stretches its bond.
    """
    held = {frozenset((cap, anchor)) for cap, anchor, _ in nmer.caps}
    bonds = nmer.bonds or [pair for part in nmer.slices for pair in combinations(range(part.start, part.stop), 2)]
    tried = []
    for i, j in (bond for bond in bonds if frozenset(bond) not in held):
        light, heavy = (i, j) if nmer.masses[i] <= nmer.masses[j] else (j, i)
        arrow = chosen[:, light] - chosen[:, heavy]
        for factor in np.arange(0.6, 1.8, 0.05):
            moved = chosen.copy()
            moved[:, light] = chosen[:, heavy] + factor * arrow
            tried.append(nmer.place_caps(moved))
    return np.concatenate(tried) if tried else np.empty((0, nmer.natoms, 3))


def _walk(
    nmer: NMer, energy: Energy, positions: Floats, region: Region, floor: float, rng: np.random.Generator
) -> Hole:
    """Draw Metropolis walks on the fitted surface from training configurations."""
    here = positions[rng.integers(len(positions), size=WALKERS)]
    value = energy(here)
    best = int(np.argmin(value))
    lowest, place = float(value[best]), here[best]
    for _ in range(STEPS):
        proposed = nmer.place_caps(here + rng.normal(scale=STEP, size=here.shape))
        inside = region.holds(proposed)
        new = np.full(WALKERS, np.inf)
        new[inside] = energy(proposed[inside]) if inside.any() else []
        chance = np.exp(np.minimum(0.0, (value - new) / (KB * TEMPERATURE)))
        taken = rng.random(WALKERS) < chance
        here = np.where(taken[:, None, None], proposed, here)
        value = np.where(taken, new, value)
        if value.min() < lowest:
            best = int(np.argmin(value))
            lowest, place = float(value[best]), here[best].copy()
    return Hole("walk", lowest, floor - lowest, place)


def _distances(positions: Floats, pairs: tuple[tuple[int, int], ...]) -> Floats:
    first, second = np.array(pairs).T
    return np.asarray(np.linalg.norm(positions[:, first] - positions[:, second], axis=2))
