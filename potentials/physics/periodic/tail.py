"""Dispersion and repulsion beyond the distance where they are switched off: mean values of a uniform system."""

from __future__ import annotations

import math

import numpy as np

from potentials.arrays import Bools, Floats, Ints
from potentials.physics.parameters import PhysicsParameters

_INTERVALS, _POINTS = 40, 12


def tail(parameters: PhysicsParameters, rows: Ints, part: Bools, begin: float, end: float) -> tuple[float, float]:
    """Return dispersion and repulsion times the volume, kcal/mol Angstrom^3.

    E V = -2 pi sum over i, j of C6_ij int_0^inf f6(b r) (1 - S(r)) r^-4 dr for dispersion, and likewise with r^-10
    for repulsion; S is 1 up to `begin` and 0 from `end` on. i and j are all atoms, because images of an atom and
    of its excluded neighbours are far away.

    Parameters
    ----------
    parameters, rows
        The parameters, and the row of each atom in them.
    part
        (n,), atoms whose pairs are left out.
    begin, end
        Where the switching begins and ends, Angstrom.
    """
    r, weight = _quadrature(begin, end)
    outside = 1 - switched(r, begin, end)
    count, inner = (np.bincount(rows[chosen], minlength=len(parameters.types)) for chosen in (part | True, part))
    pairs = np.outer(count, count) - np.outer(inner, inner)
    x = parameters.pair_damping[..., None] * r
    series = sum(x**k / math.factorial(k) for k in range(7))
    f6 = 1 - np.exp(-x) * series
    dispersion = parameters.pair_c6 * (f6 @ (weight * outside / r**4))
    repulsion = parameters.pair_r12 * float(weight @ (outside / r**10))
    return -2 * math.pi * float((pairs * dispersion).sum()), 2 * math.pi * float((pairs * repulsion).sum())


def switched(r: Floats, begin: float, end: float) -> Floats:
    """Return S: 1 - 10 t^3 + 15 t^4 - 6 t^5 of t from 0 to 1 between two distances."""
    t = np.clip((r - begin) / (end - begin), 0, 1)
    return np.asarray(1 - t**3 * (10 + t * (6 * t - 15)))


def _quadrature(begin: float, end: float) -> tuple[Floats, Floats]:
    """Return points and weights of an integral from `begin` to infinity, smooth but for `end`."""
    x, w = np.polynomial.legendre.leggauss(_POINTS)
    edges = np.linspace(begin, end, _INTERVALS + 1)
    half = np.diff(edges)[:, None] / 2
    near, near_weight = edges[:-1, None] + half * (1 + x), half * w
    edges = np.linspace(0, 1, _INTERVALS + 1)  # end/r
    half = np.diff(edges)[:, None] / 2
    t = edges[:-1, None] + half * (1 + x)
    return (
        np.concatenate([near.ravel(), (end / t).ravel()]),
        np.concatenate([near_weight.ravel(), (half * w * end / t**2).ravel()]),
    )
