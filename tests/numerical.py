"""Derivatives by finite differences, against which tests compare exact ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from potentials.arrays import Floats


def slopes_of(
    function: Callable[[Floats], Floats | float], x: Floats, h: float = 1e-5, axes: int = 2, order: int = 2
) -> Floats:
    """Return the derivatives of a function by central differences.

    Parameters
    ----------
    function
        Takes an array like ``x`` and returns a number or an array.
    x
        Its last ``axes`` axes are the variables, axes before them count configurations.
    h
        The step.
    axes
        2 for positions (atoms, xyz), 1 for a row of parameters.
    order
        Of the differences, 2 or 4.

    Returns
    -------
    The shape of the function's value, then that of the variables.
    """
    shape = x.shape[-axes:]
    steps = h * np.eye(int(np.prod(shape))).reshape(-1, *shape)

    def difference(step: Floats) -> Floats:
        return np.asarray(function(x + step)) - np.asarray(function(x - step))

    if order == 4:
        found = [(8 * difference(s) - difference(2 * s)) / (12 * h) for s in steps]
    else:
        found = [difference(s) / (2 * h) for s in steps]
    return np.stack(found, axis=-1).reshape(*found[0].shape, *shape)
