"""Surfaces of an n-mer that are sound, and the same with a defect that was put there on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Floats
from potentials.evaluation import Evaluation
from potentials.graph import distances as hops
from potentials.nmers.nmer import NMer
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from potentials.units import KB
from tasks.validation.whole import Whole

Radial = Callable[[Floats], tuple[Floats, Floats]]
"""Energy and slope of a distance."""


class Springs:
    """Bonds and angles are springs, all other atoms repel each other; zero where all springs are relaxed.

    Parameters
    ----------
    nmer
        The n-mer; its geometry is where the springs are relaxed.
    pair, extra
        Two atoms, and a further energy of their distance.
    """

    share = "springs"

    def __init__(
        self, nmer: NMer, pair: tuple[int, int] | None = None, extra: Radial | None = None, bond: float = 350.0
    ) -> None:
        apart = hops(nmer.natoms, nmer.bonds)
        self.first, self.second = np.triu_indices(nmer.natoms, 1)
        steps = apart[self.first, self.second]
        self.stiff = np.select([steps == 1, steps == 2], [bond, 60.0], 0.0)
        self.rest = np.linalg.norm(nmer.positions[self.first] - nmer.positions[self.second], axis=1)
        self.repel = np.where((steps > 2) | (steps < 0), 1.0, 0.0)
        self.pair, self.extra = pair, extra

    def energy_and_gradient(self, positions: ArrayLike) -> tuple[float | Floats, Floats]:
        x = np.asarray(positions, dtype=np.float64)
        arrows = x[:, self.first] - x[:, self.second]
        lengths = np.linalg.norm(arrows, axis=2)
        off = lengths - self.rest
        wall = self.repel * (1.6 / np.maximum(lengths, 0.3)) ** 12
        energy = (self.stiff * off**2).sum(axis=1) + wall.sum(axis=1)
        slope = 2 * self.stiff * off - 12 * wall / np.maximum(lengths, 0.3)
        if self.pair is not None and self.extra is not None:
            column = int(np.flatnonzero((self.first == self.pair[0]) & (self.second == self.pair[1]))[0])
            value, more = self.extra(lengths[:, column])
            energy = energy + value
            slope[:, column] += more
        pull = (slope / lengths)[:, :, None] * arrows
        gradient = np.zeros_like(x)
        for column, (i, j) in enumerate(zip(self.first, self.second, strict=True)):
            gradient[:, i] += pull[:, column]
            gradient[:, j] -= pull[:, column]
        return energy, gradient


def hole(begins: float, ends: float, depth: float, barrier: float = 0.0) -> Radial:
    """Return a hole in a distance: nothing above `begins`, `depth` below everything at `ends`, behind a barrier.

    It takes the repulsion of `Springs` away where it begins.
    """

    def energy(r: Floats) -> tuple[Floats, Floats]:
        u = np.clip((begins - r) / (begins - ends), 0.0, 1.0)
        scale = -1.0 / (begins - ends)
        within = (u > 0) & (u < 1)
        wall, steep = (1.6 / np.maximum(r, 0.3)) ** 12, np.where(r > 0.3, -12 / r, 0.0)
        fall = u**2 * (3 - 2 * u)
        fell = 6 * u * (1 - u) * scale * within
        bump = barrier * np.sin(np.pi * np.clip(2 * u, 0, 1)) ** 2
        bumped = barrier * np.sin(2 * np.pi * np.clip(2 * u, 0, 1)) * 2 * np.pi * scale * (within & (u < 0.5))
        gone = np.clip(8 * u, 0, 1) ** 2 * (3 - 2 * np.clip(8 * u, 0, 1))
        going = 6 * np.clip(8 * u, 0, 1) * (1 - np.clip(8 * u, 0, 1)) * 8 * scale * (within & (u < 0.125))
        value = -gone * wall - depth * fall + bump
        return value, -going * wall - gone * wall * steep - depth * fell + bumped

    return energy


def quiet(nmer: NMer, size: float = 1e-6) -> Potential:
    """Return a potential of an n-mer that is nearly nothing."""
    terms = "intermolecular" if len(nmer.fragments) > 1 else "all"
    basis = Basis.build(nmer, max(1, len(nmer.fragments) - 1), terms)
    coefficients = size * np.random.default_rng(0).normal(size=basis.n_terms)
    return Potential(nmer, basis.degree, terms, np.full(len(basis.pair_names), 1.0), coefficients)


def whole(nmer: NMer, springs: Springs, potential: Potential | None = None) -> Whole:
    """Return the whole of an n-mer whose energy is that of springs."""
    return Whole(potential or quiet(nmer), (), (springs,))


def sampled(nmer: NMer, count: int, temperature: float = 500.0, seed: int = 0) -> Floats:
    """Return configurations of the springs of an n-mer by Metropolis walks, (count, atoms, 3)."""
    rng, springs = np.random.default_rng(seed), Springs(nmer)
    here = np.repeat(nmer.place_caps(nmer.positions)[None], count, axis=0)
    energy = np.asarray(springs.energy_and_gradient(here)[0])
    for _ in range(300):
        atom = rng.integers(nmer.natoms, size=count)
        tried = here.copy()
        tried[np.arange(count), atom] += rng.normal(scale=0.06, size=(count, 3))
        tried = nmer.place_caps(tried)
        new = np.asarray(springs.energy_and_gradient(tried)[0])
        taken = rng.random(count) < np.exp(np.minimum(0.0, (energy - new) / (KB * temperature)))
        here, energy = np.where(taken[:, None, None], tried, here), np.where(taken, new, energy)
    return here


@dataclass(frozen=True)
class Bare:
    """A surface without a potential."""

    nmer: NMer
    springs: Springs

    def evaluate(self, positions: Floats) -> Evaluation:
        energy, gradient = self.springs.energy_and_gradient(positions)
        return Evaluation(np.asarray(energy), gradient)
