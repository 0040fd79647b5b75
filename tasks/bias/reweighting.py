"""Free-energy surfaces from metadynamics: weights of the frames, and blocks for the errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from potentials.arrays import Floats
from potentials.errors import InputError
from tasks.bias.metad import MetaD, MetaDBias
from tasks.bias.specification import KB, Grid


def last_bias_weights(bias: MetaDBias, values: Floats, temperature: float) -> Floats:
    """Return the logarithm of each frame's weight, V(s) / kT with the bias of the end (Branduardi et al. 2012).

    Right once the bias changes little; leave out the frames before.

    Parameters
    ----------
    bias
        The bias with all hills.
    values
        (frames, variables), Angstrom or rad.
    temperature
        K.
    """
    energies = np.array([bias.at(s)[0] for s in np.ascontiguousarray(values)])
    return energies / (KB * temperature)


def offset_weights(energies: Floats, counts: Floats, offsets: Floats, temperature: float) -> Floats:
    """Return the logarithm of each frame's weight, (V(s, t) - c(t)) / kT (Tiwary and Parrinello 2015).

    Parameters
    ----------
    energies
        (frames,), the bias at the time of each frame, kcal/mol.
    counts
        (frames,), the number of hills of which it was made.
    offsets
        c for each number of hills, as `bias_offsets`.
    temperature
        K.
    """
    found: Floats = (energies - offsets[counts.astype(np.int64)]) / (KB * temperature)
    return found


def bias_offsets(settings: MetaD, hills: Floats, temperature: float, stride: int = 1) -> Floats:
    """Return c(t), the free energy that the bias has added, after each number of hills (kcal/mol).

    c = kT ln( int exp(g/(g-1) V/kT) ds / int exp(1/(g-1) V/kT) ds ) with the bias factor g; without tempering the
    exponents are V/kT and 0 (Tiwary and Parrinello, J. Phys. Chem. B 119, 736, 2015). The integrals are sums over
    the points of the grid.

    Parameters
    ----------
    settings
        With a grid.
    hills
        (hills, 3 + variables), as `MetaDBias.hills`.
    temperature
        K.
    stride
        Hills between two values; those between have the earlier one's.

    Returns
    -------
    (hills + 1,), the first for no hills.

    Raises
    ------
    InputError
        If there is no grid.
    """
    if not settings.grids:
        raise InputError("the offset of metadynamics is an integral over a grid; give settings with one")
    kt, gamma = KB * temperature, settings.biasfactor
    upper, lower = (1.0, 0.0) if gamma is None else (gamma / (gamma - 1.0), 1.0 / (gamma - 1.0))
    bias, found = MetaDBias(settings), np.zeros(len(hills) + 1)
    bias.reserve(len(hills))
    for n in range(0, len(hills), stride):
        some = hills[n : n + stride]
        bias.add(some)
        v = bias.grid_values.ravel() / kt
        found[n + 1 : n + 1 + len(some)] = found[n]
        found[n + len(some)] = kt * (logsumexp(upper * v) - logsumexp(lower * v))
    return found


@dataclass(frozen=True)
class FreeEnergySurface:
    """A free-energy surface of one or more variables.

    Attributes
    ----------
    grids
        The bins along each variable: `Grid.bins` between its ends.
    energy
        (bins, ...), kcal/mol, from its lowest value; inf where there are no frames.
    error
        Standard error of each, kcal/mol; inf where a single block has frames, and where there are none.
    blocks
        Number of blocks.
    effective
        Number of blocks of equal weight that would have the same scatter: a number near 1 tells that few frames
        have nearly all of the weight.
    outside
        Share of the weight of frames beyond the ends, which are left out.
    """

    grids: tuple[Grid, ...]
    energy: Floats
    error: Floats
    blocks: int
    effective: float
    outside: float

    @property
    def centres(self) -> tuple[Floats, ...]:
        """The middle of the bins along each variable, Angstrom or rad."""
        ends = [np.linspace(grid.lower, grid.upper, 2 * grid.bins + 1) for grid in self.grids]
        return tuple(np.array(end[1::2]) for end in ends)


def free_energy_surface(
    values: Floats, log_weights: Floats, grids: tuple[Grid, ...], temperature: float, blocks: int = 10
) -> FreeEnergySurface:
    """Return F = -kT ln p from weighted frames, with errors from blocks.

    The frames are cut in blocks of equal length. With the weight W_b and the distribution p_b of each, p is the
    mean of the p_b weighted by W_b, its squared error the weighted mean of (p_b - p)^2 over n - 1, where
    n = (sum W_b)^2 / sum W_b^2, and the error of F is kT times the relative error of p (Invernizzi, Piaggi and
    Parrinello, Phys. Rev. X 10, 041034, 2020). Blocks must be longer than the correlation time: the error should
    not grow when there are fewer of them.

    Parameters
    ----------
    values
        (frames, variables), Angstrom or rad; of several walkers one after another.
    log_weights
        (frames,), the logarithm of each frame's weight.
    grids
        The bins along each variable.
    temperature
        K.
    blocks
        Number of blocks.

    Raises
    ------
    InputError
        If there are fewer than 2 blocks, fewer frames than blocks, a number is not finite, or all frames are
        outside.
    """
    frames, count = len(values), len(grids)
    if not 2 <= blocks <= frames:
        raise InputError(f"{blocks} blocks of {frames} frames; allowed: 2 or more, and a frame in each")
    if values.shape != (frames, count) or log_weights.shape != (frames,):
        raise InputError(f"values {values.shape} and weights {log_weights.shape} of {count} variables do not fit")
    if not (np.isfinite(values).all() and np.isfinite(log_weights).all()):
        raise InputError("a variable or a weight of a frame is not a finite number")
    index, inside = np.zeros(frames, dtype=np.int64), np.ones(frames, dtype=bool)
    for n, grid in enumerate(grids):
        place = np.floor((values[:, n] - grid.lower) / grid.spacing).astype(np.int64)
        place = place % grid.bins if grid.periodic else place
        inside &= (place >= 0) & (place < grid.bins)
        index = index * grid.bins + np.clip(place, 0, grid.bins - 1)
    weights = np.exp(log_weights - log_weights.max())
    share = float(weights[~inside].sum() / weights.sum())
    if share == 1.0 or not inside.any():
        raise InputError("all frames are beyond the ends of the free-energy surface")
    shape = tuple(grid.bins for grid in grids)
    block = np.arange(frames) * blocks // frames
    total = np.bincount(block, weights * inside, blocks)
    table = np.zeros((blocks, int(np.prod(shape))))
    np.add.at(table, (block[inside], index[inside]), weights[inside])
    p = table.sum(axis=0) / total.sum()
    effective = float(total.sum() ** 2 / (total**2).sum())
    each = np.divide(table, total[:, None], out=np.zeros_like(table), where=total[:, None] > 0)
    variance = (total[:, None] * (each - p) ** 2).sum(axis=0) / total.sum()
    kt = KB * temperature
    with np.errstate(divide="ignore", invalid="ignore"):
        energy = -kt * np.log(p)
        error = kt * np.sqrt(variance / (effective - 1.0)) / p
    alone = (table > 0.0).sum(axis=0) < 2
    error[alone | ~np.isfinite(error)] = np.inf
    return FreeEnergySurface(
        grids, (energy - energy.min()).reshape(shape), error.reshape(shape), blocks, effective, share
    )


def hills_surface(bias: MetaDBias, values: Floats) -> Floats:
    """Return the estimate -g/(g-1) V(s) of the free energy from the hills alone, from its lowest value (kcal/mol).

    Parameters
    ----------
    bias
        The bias; without tempering the factor is 1.
    values
        (points, variables), Angstrom or rad.
    """
    energies = np.array([-bias.settings.raised * bias.at(s)[0] for s in np.ascontiguousarray(values)])
    found: Floats = energies - energies.min()
    return found
