"""Basins of the Ramachandran plane: their free energies against the first, with errors from blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potentials.arrays import Bools, Floats
from potentials.units import KB

BASINS = {
    "C7eq": (-82.0, 74.0),
    "C5": (-155.0, 158.0),
    "pPII": (-75.0, 145.0),
    "C7ax": (72.0, -60.0),
    "alphaR": (-70.0, -35.0),
}
"""phi and psi of the middle of each basin, degrees."""

REACH = 35.0
"""Radius of a basin, degrees."""


@dataclass(frozen=True)
class Difference:
    """The free energy of a basin above the first one, and its standard error, kcal/mol; None: not visited."""

    value: float | None
    error: float | None


def in_basin(torsions: Floats, basin: str) -> Bools:
    """Return which frames are in a basin.

    Parameters
    ----------
    torsions
        (frames, 2), phi and psi, degrees.
    basin
        Its name.
    """
    apart = (torsions - np.array(BASINS[basin]) + 180.0) % 360.0 - 180.0
    return np.asarray((apart**2).sum(axis=1) < REACH**2)


def differences(torsions: Floats, log_weights: Floats, temperature: float, blocks: int) -> dict[str, Difference]:
    """Return the free energy of each basin against the first, from weighted frames.

    The frames are cut in blocks of equal length. With the weight W_b of a block and its shares p_b and q_b of a
    basin and of the first, F = -kT ln(p / q), and its error is kT times the root of the mean of
    (p_b / p - q_b / q)^2, weighted by W_b, over n - 1, where n = (sum W_b)^2 / sum W_b^2, as that of a surface in
    `tasks.bias.reweighting`.

    Parameters
    ----------
    torsions
        (frames, 2), phi and psi, degrees; of several walkers one after another.
    log_weights
        (frames,), the logarithm of each frame's weight.
    temperature
        K.
    blocks
        Number of blocks.
    """
    weights = np.exp(log_weights - log_weights.max())
    block = np.arange(len(weights)) * blocks // len(weights)
    total = np.bincount(block, weights, blocks)
    share = {
        name: np.bincount(block, weights * in_basin(torsions, name), blocks) / np.maximum(total, 1e-300)
        for name in BASINS
    }
    of_block = total / total.sum()
    mean = {name: float(of_block @ values) for name, values in share.items()}
    first, effective, kt = next(iter(BASINS)), 1.0 / float((of_block**2).sum()), KB * temperature
    found = {}
    for name in list(BASINS)[1:]:
        if mean[name] == 0.0 or mean[first] == 0.0:
            found[name] = Difference(None, None)
            continue
        scatter = of_block @ (share[name] / mean[name] - share[first] / mean[first]) ** 2
        visits = min(int((share[one] > 0.0).sum()) for one in (name, first))
        error = kt * float(np.sqrt(scatter / (effective - 1.0))) if effective > 1.0 and visits > 1 else None
        found[name] = Difference(-kt * float(np.log(mean[name] / mean[first])), error)
    return found
