"""Cosine switching of an intermolecular potential: a product over all pairs of its bodies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.errors import InputError

MOSTLY_ON = 0.5
"""A potential is mostly switched on where its factor is at least this."""

Key = int | tuple[int, ...]
"""The reference point of a body: an atom, or the mean position of several equivalent atoms."""


@dataclass(frozen=True)
class Switching:
    """S = product over all pairs of bodies of s(R), which is zero as soon as one body is far from another.

    s(R) = 1 up to r_in, (1 + cos(pi (R - r_in) / (r_out - r_in))) / 2 between, 0 from r_out on. The value and the
    first derivative are continuous everywhere. S is invariant under an exchange of bodies that takes the key of
    one to the key of the other.

    Attributes
    ----------
    atoms
        The key of each body; R is the distance between two keys.
    r_in, r_out
        Radii, Angstrom.

    Raises
    ------
    InputError
        If there are fewer than two keys, an atom is in two of them, or r_in is not below r_out.
    """

    atoms: tuple[Key, ...]
    r_in: float
    r_out: float

    def __post_init__(self) -> None:
        every = [atom for key in self.keys for atom in key]
        if len(self.atoms) < 2 or not all(self.keys) or len(set(every)) != len(every) or min(every) < 0:
            raise InputError(
                f"switching atoms are {self.atoms}; allowed: different atoms, counted from 0, one for each body"
            )
        if not 0 <= self.r_in < self.r_out:
            raise InputError(
                f"switching from r_in = {self.r_in:g} A to r_out = {self.r_out:g} A; allowed: 0 <= r_in < r_out"
            )

    @property
    def keys(self) -> tuple[tuple[int, ...], ...]:
        """The atoms of each key."""
        return tuple((int(key),) if isinstance(key, (int, np.integer)) else tuple(key) for key in self.atoms)

    @property
    def highest(self) -> int:
        """The highest number of an atom."""
        return max(atom for key in self.keys for atom in key)

    @cached_property
    def _arrays(self) -> tuple[Ints, Ints]:
        """The atoms of all keys, concatenated, and the first index of each key, with the end."""
        begins = np.cumsum([0, *(len(key) for key in self.keys)], dtype=np.int64)
        return np.array([atom for key in self.keys for atom in key], dtype=np.int64), begins

    def evaluate(self, positions: Floats) -> tuple[Floats, Floats]:
        """Return the factor and its gradient.

        Parameters
        ----------
        positions
            (n, atoms, 3), Angstrom.

        Returns
        -------
        factor, gradient
            (n,) and (n, atoms, 3) in 1/Angstrom.
        """
        factor, gradient = np.empty(len(positions)), np.zeros(positions.shape)
        _switch(positions, *self._arrays, self.r_in, self.r_out, factor, gradient)
        return factor, gradient

    def distances(self, positions: Floats) -> Floats:
        """Return the distances between the keys, (n, pairs of bodies), Angstrom, of positions (n, atoms, 3)."""
        points = np.stack([positions[:, list(key)].mean(axis=1) for key in self.keys], axis=1)
        first, second = np.triu_indices(len(self.atoms), 1)
        return np.asarray(np.linalg.norm(points[:, first] - points[:, second], axis=2))

    def regions(self, positions: Floats) -> Ints:
        """Return the region of each pair of bodies, (n, pairs): 0 up to r_in, 1 up to r_out, 2 beyond."""
        distances = self.distances(positions)
        return (distances > self.r_in).astype(np.int64) + (distances >= self.r_out)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _switch(
    positions: Floats, atoms: Ints, begins: Ints, r_in: float, r_out: float, factor: Floats, gradient: Floats
) -> None:
    """Write the factors, and add to the gradients."""
    count = len(begins) - 1
    points, pull = np.empty((count, 3)), np.empty((count, 3))
    for n in range(len(positions)):
        for key in range(count):
            for axis in range(3):
                total = 0.0
                for place in range(begins[key], begins[key + 1]):
                    total += positions[n, atoms[place], axis]
                points[key, axis] = total / (begins[key + 1] - begins[key])
                pull[key, axis] = 0.0
        value = 1.0
        for i in range(count):
            for j in range(i + 1, count):
                dx = points[i, 0] - points[j, 0]
                dy = points[i, 1] - points[j, 1]
                dz = points[i, 2] - points[j, 2]
                r = np.sqrt(dx * dx + dy * dy + dz * dz)
                s, slope = 1.0, 0.0
                if r >= r_out:
                    s = 0.0
                elif r > r_in:
                    phase = np.pi * (r - r_in) / (r_out - r_in)
                    s = (1.0 + np.cos(phase)) / 2.0
                    slope = -np.sin(phase) * np.pi / (2.0 * (r_out - r_in)) / r
                for key in range(count):  # the product rule, one factor at a time
                    for axis in range(3):
                        pull[key, axis] *= s
                slope *= value
                value *= s
                pull[i, 0] += slope * dx
                pull[i, 1] += slope * dy
                pull[i, 2] += slope * dz
                pull[j, 0] -= slope * dx
                pull[j, 1] -= slope * dy
                pull[j, 2] -= slope * dz
        factor[n] = value
        for key in range(count):
            for place in range(begins[key], begins[key + 1]):
                for axis in range(3):
                    gradient[n, atoms[place], axis] += pull[key, axis] / (begins[key + 1] - begins[key])
