"""Search the whole capped n-mer for places where no simulation may come, and that one can reach from the data.

A place is one that lies below the lowest energy that there can be, or has atoms in contact, or a broken bond. Two
searches look for them. Both begin at training geometries, and no limit but contact and broken bonds ends them.

- ``dynamics``: Langevin dynamics at 700 K of many replicas. What it visits, a simulation visits.
- ``pull``: every two atoms are drawn together, and bonds apart, while all else relaxes. A place counts only
  if no point on the way is more than `BARRIER` above the lowest energy: such barriers are crossed once in a
  nanosecond at 700 K (rate k T / h exp(-B / k T)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from potentials.evaluation import Evaluation
from potentials.graph import distances as hops_between
from potentials.nmers.nmer import NMer
from potentials.systems.system import LONGEST_BOND, NEAREST
from potentials.units import KB, KCAL
from tasks.validation.places import Limits, Place, Worst

TEMPERATURE = 700.0
"""Of the dynamics, K."""

BARRIER = 12.8
"""Barrier that is crossed once in a nanosecond at `TEMPERATURE`, kcal/mol."""

TIMESTEP, FRICTION = 1.0, 0.02
"""Of the dynamics, fs and 1/fs."""

LIGHTEST = 4.0
"""Lighter atoms move with this mass, amu; it changes nothing in what is visited, and allows `TIMESTEP`."""

SPRING = 200.0
"""Force constant of the spring that draws two atoms, kcal/mol/Angstrom^2."""

DESCENT, LONGEST_STEP = 2e-3, 0.05
"""Of the relaxation: step per gradient, Angstrom^2 mol/kcal, and longest step of a coordinate, Angstrom."""

MOMENTUM = 0.9


class Surface(Protocol):
    """What is searched."""

    @property
    def nmer(self) -> NMer:
        """The n-mer."""

    def evaluate(self, positions: Floats) -> Evaluation:
        """Return energies and gradients of (n, atoms, 3) in Angstrom."""


@dataclass(frozen=True)
class Effort:
    """How long is searched.

    Attributes
    ----------
    walkers, steps
        Replicas of the dynamics, and steps of each.
    pairs
        Pairs of atoms that are drawn together or apart at most, the nearest to contact first.
    stages, relaxations
        Distances on the way of each pair, and steps of the relaxation at each.
    configurations
        Training configurations that are looked at, at most: those with the nearest unbonded atoms, and others at
        random.
    """

    walkers: int = 64
    steps: int = 2000
    pairs: int = 200
    stages: int = 60
    relaxations: int = 12
    configurations: int = 100_000


def degrees_of_freedom(nmer: NMer) -> int:
    """Return the number of internal coordinates of an n-mer whose caps have fixed lengths."""
    return max(1, 3 * nmer.natoms - 6 - len(nmer.caps))


def thermal(nmer: NMer, temperature: float) -> tuple[float, float]:
    """Return the mean and the standard deviation of the potential energy of a harmonic n-mer, kcal/mol."""
    half = degrees_of_freedom(nmer) / 2
    return half * KB * temperature, float(np.sqrt(half)) * KB * temperature


def steps_of(effort: Effort) -> int:
    """Return the number of steps that `search` reports."""
    return effort.steps + effort.stages


def search(
    surface: Surface,
    positions: Floats,
    lowest: float,
    effort: Effort | None = None,
    told: Callable[[int], object] = lambda done: None,
    seed: int = 0,
) -> list[Place]:
    """Return the worst place that each search reaches, the worst first.

    Parameters
    ----------
    surface
        The whole n-mer.
    positions
        (n, atoms, 3), training configurations, Angstrom.
    lowest
        The lowest energy that there is, kcal/mol.
    effort
        How long is searched; None: the usual effort.
    told
        Called with the number of steps done, see `steps_of`.
    seed
        Of the dynamics and of the choice of configurations.

    Raises
    ------
    InputError
        If there are no configurations.
    """
    if not len(positions):
        raise InputError("holes are searched for from training configurations; there are none")
    effort, rng, limits = effort or Effort(), np.random.default_rng(seed), Limits(surface.nmer)
    start = surface.nmer.place_caps(positions)
    if len(start) > effort.configurations:
        start = start[np.unique(_starts(limits, start, effort.configurations, rng))]
    energy = surface.evaluate(start).energy
    if not np.isfinite(energy).all():
        row = int(np.argmin(np.isfinite(energy)))
        return [Place("dynamics", float(energy[row]), float("inf"), start[row])]
    mean, spread = thermal(surface.nmer, TEMPERATURE)
    visited = np.flatnonzero(energy <= max(min(lowest, energy.min()) + mean + 3 * spread, energy.min()))
    data = start[visited]
    pulled = _pull(surface, limits, data, lowest, effort, told)
    moved = _dynamics(surface, limits, data, lowest, effort, lambda n: told(effort.stages + n), rng)
    return sorted((moved, *([] if pulled is None else [pulled])), key=lambda place: -place.below)


def _dynamics(
    surface: Surface,
    limits: Limits,
    data: Floats,
    lowest: float,
    effort: Effort,
    told: Callable[[int], object],
    rng: np.random.Generator,
) -> Place:
    """Return the worst place of Langevin dynamics (velocity Verlet, the thermostat between two half drifts)."""
    nmer, worst = surface.nmer, Worst("dynamics", limits, lowest)
    x = data[_starts(limits, data, effort.walkers, rng)].copy()
    masses = np.maximum(nmer.masses, LIGHTEST)[:, None]
    kick, heat = 0.5 * TIMESTEP * KCAL / masses, KB * TEMPERATURE * KCAL / masses
    keep = float(np.exp(-FRICTION * TIMESTEP))
    noise = np.sqrt((1.0 - keep**2) * heat)
    velocity = rng.normal(size=x.shape) * np.sqrt(heat)
    found = surface.evaluate(x)
    gradient, alive = found.gradient.copy(), worst.take(np.arange(len(x)), x, found.energy)
    for step in range(effort.steps):
        on = np.flatnonzero(alive)
        if not len(on):
            break
        v, here = velocity[on] - kick * gradient[on], x[on]
        here += 0.5 * TIMESTEP * v
        v = keep * v + noise * rng.normal(size=v.shape)
        here = nmer.place_caps(here + 0.5 * TIMESTEP * v)
        found = surface.evaluate(here)
        x[on], gradient[on], velocity[on] = here, found.gradient, v - kick * found.gradient
        alive[on] = worst.take(on, here, found.energy)
        told(step + 1)
    told(effort.steps)
    assert worst.worst is not None  # it has looked at the start
    return worst.worst


def _starts(limits: Limits, data: Floats, count: int, rng: np.random.Generator) -> Ints:
    """Return which configurations begin: those with the nearest unbonded atoms, and as many at random."""
    ratios = limits.ratios(data)[:, ~limits.bonded]
    nearest = list(dict.fromkeys(ratios.argmin(axis=0)[np.argsort(ratios.min(axis=0))].tolist()))[: count // 2]
    rest = rng.permutation(len(data))
    return np.resize(np.array([*nearest, *rest[: count - len(nearest)].tolist()], dtype=np.int64), count)


def _pull(
    surface: Surface,
    limits: Limits,
    data: Floats,
    lowest: float,
    effort: Effort,
    told: Callable[[int], object],
) -> Place | None:
    """Return the worst place on the ways of pairs of atoms that meet no barrier; None if there are no pairs."""
    chosen = list(_ways(surface.nmer, limits, data))
    chosen.sort(key=lambda way: way[2])
    chosen = chosen[: effort.pairs]
    if not chosen:
        return None
    pairs, starts = np.array([way[0] for way in chosen]), np.array([way[1] for way in chosen])
    first, second = limits.first[pairs], limits.second[pairs]
    bonded = limits.bonded[pairs]
    x, rows = data[starts].copy(), np.arange(len(pairs))
    begin = np.linalg.norm(x[rows, first] - x[rows, second], axis=1)
    end = limits.sums[pairs] * np.where(bonded, LONGEST_BOND + 0.1, NEAREST - 0.1)
    worst, open_ways = Worst("pull", limits, lowest), np.ones(len(pairs), dtype=np.bool_)
    base, momentum = lowest, np.zeros_like(x)
    for stage in range(effort.stages):
        wanted = begin + (end - begin) * stage / max(effort.stages - 1, 1)
        for _ in range(effort.relaxations * (4 if stage == 0 else 1)):
            on = np.flatnonzero(open_ways)
            found = surface.evaluate(x[on])
            momentum[on] = _downhill(found.gradient, x[on], (first[on], second[on]), wanted[on], momentum[on])
            x[on] = surface.nmer.place_caps(x[on] + momentum[on])
        on = np.flatnonzero(open_ways)
        energy = surface.evaluate(x[on]).energy
        if stage == 0:
            base = min(base, float(energy.min()))
        passed = energy <= base + BARRIER
        going = np.zeros(len(on), dtype=np.bool_)
        if passed.any():
            drawn = None if stage == 0 else pairs[on[passed]]
            going[passed] = worst.take(on[passed], x[on[passed]], energy[passed], drawn)
        open_ways[on] = going
        told(stage + 1)
        if not open_ways.any():
            break
    return worst.worst


def _ways(nmer: NMer, limits: Limits, data: Floats) -> Iterator[tuple[int, int, float]]:
    """Yield (pair, the configuration where it is most extreme, how extreme) of all pairs that can be drawn.

    A cap is not drawn to a cap, nor from its anchor: no simulation has caps. Neighbours of one atom are not drawn
    together: the stiff angle between them is far from any barrier that is crossed.
    """
    caps = {cap for cap, _, _ in nmer.caps}
    hops, ratios = hops_between(nmer.natoms, nmer.bonds), limits.ratios(data)
    for pair, (i, j) in enumerate(zip(limits.first.tolist(), limits.second.tolist(), strict=True)):
        if len(caps & {i, j}) > 1 or (limits.bonded[pair] and caps & {i, j}):
            continue
        if limits.bonded[pair]:
            row = int(ratios[:, pair].argmax())
            yield pair, row, LONGEST_BOND / float(ratios[row, pair])
        elif hops[i, j] != 2:
            row = int(ratios[:, pair].argmin())
            yield pair, row, float(ratios[row, pair])


def _downhill(gradient: Floats, x: Floats, pair: tuple[Ints, Ints], wanted: Floats, momentum: Floats) -> Floats:
    """Return the next displacement of a relaxation, with springs between pairs of atoms."""
    rows, slope = np.arange(len(x)), gradient.copy()
    arrow = x[rows, pair[0]] - x[rows, pair[1]]
    length = np.maximum(np.linalg.norm(arrow, axis=1), 1e-6)
    spring = (SPRING * (length - wanted) / length)[:, None] * arrow
    slope[rows, pair[0]] += spring
    slope[rows, pair[1]] -= spring
    steepest = np.maximum(np.abs(slope).max(axis=(1, 2), keepdims=True), 1e-9)
    step = -slope * np.minimum(DESCENT, LONGEST_STEP / steepest)
    onward = (momentum * step).sum(axis=(1, 2), keepdims=True) > 0
    found = np.where(onward, MOMENTUM * momentum, 0.0) + step
    longest = np.maximum(np.abs(found).max(axis=(1, 2), keepdims=True), 1e-9)
    return np.asarray(found * np.minimum(1.0, 2 * LONGEST_STEP / longest))
