"""How the non-linear parameters are found: along the exact gradient, by simplex, or not at all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from potentials.arrays import Floats
from tasks.fitting.projection import Problem

FLAT = 1e-8
"""Relative change of the objective at which the search ends."""


class Minimum(NamedTuple):
    """The end of a search: the parameters, the objective there, and whether the search converged."""

    k: Floats
    objective: float
    converged: bool


def search(
    problem: Problem,
    start: Floats,
    bounds: tuple[float, float] | Floats,
    iterations: int,
    optimizer: str,
    flat: float = FLAT,
) -> Minimum:
    """Return the minimum of a problem's projected objective nearest to a start.

    Parameters
    ----------
    problem
        The training set.
    start
        (parameters,).
    bounds
        Bounds of all parameters, or (parameters, 2) of each.
    iterations
        Largest number of iterations; for the simplex, per parameter.
    optimizer
        ``variable-projection`` (L-BFGS-B with the exact gradient), ``simplex`` (Nelder and Mead, Comput. J. 7,
        308, 1965; the papers' choice), or ``fixed``.
    flat
        Relative change of the objective at which the search ends.
    """
    if optimizer == "fixed":
        return Minimum(start, problem.value(start), True)
    if optimizer == "simplex":
        found = minimize(
            problem.value,
            start,
            method="Nelder-Mead",
            bounds=np.broadcast_to(bounds, (len(start), 2)),
            options={
                "maxiter": iterations * len(start),
                "xatol": 1e-4,
                "fatol": flat * problem.value(start),
                "adaptive": True,
            },
        )
    else:
        found = minimize(
            problem.objective,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=np.broadcast_to(bounds, (len(start), 2)),
            options={"maxiter": iterations, "ftol": flat},
        )
    return Minimum(np.asarray(found.x), float(found.fun), found.status not in (1, 2))
