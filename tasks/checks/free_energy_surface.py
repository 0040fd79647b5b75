"""Free-energy surfaces of phi and psi from walkers with metadynamics: weights, figures and columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats
from storage.trajectory import Trajectory
from storage.version import Column
from tasks.bias.reweighting import FreeEnergySurface, bias_offsets, free_energy_surface, offset_weights
from tasks.bias.specification import Grid
from tasks.checks.basins import BASINS, Difference
from tasks.checks.columns import SUM, key_of
from tasks.checks.interface import Result
from tasks.checks.internal import torsions
from tasks.simulation.metadynamics import Metadynamics


@dataclass(frozen=True)
class Sampled:
    """The frames that count, one walker after another.

    Attributes
    ----------
    torsions
        (frames, 2), phi and psi, degrees.
    log_weights
        (frames,), the logarithms of their weights.
    """

    torsions: Floats
    log_weights: Floats


def weighted(walkers: Sequence[Trajectory], bias: Metadynamics, temperature: float, skipped: float) -> Sampled:
    """Return the frames of walkers with their weights, (V(s, t) - c(t)) / kT.

    Parameters
    ----------
    walkers
        Trajectories with metadynamics of phi and psi.
    bias
        The metadynamics, with a grid.
    temperature
        K.
    skipped
        Share of the frames of each at its start that is left out.
    """
    angles, weights = [], []
    for one in walkers:
        first = int(skipped * len(one))
        assert one.hills is not None and one.bias is not None and one.hill_counts is not None
        offsets = bias_offsets(bias.settings, one.hills, temperature, stride=max(1, len(one.hills) // 2000))
        counts = np.asarray(one.hill_counts, dtype=np.float64)
        weights.append(offset_weights(one.bias, counts, offsets, temperature)[first:])
        angles.append(torsions(one.positions[first:], np.array([cv.atoms for cv in bias.cvs])))
    return Sampled(np.concatenate(angles), np.concatenate(weights))


def no_surface(bins: int, blocks: int) -> FreeEnergySurface:
    """Return a surface of which nothing is known."""
    grid, unknown = Grid(-np.pi, np.pi, bins, 1.0, True), np.full((bins, bins), np.inf)
    return FreeEnergySurface((grid, grid), unknown, unknown, blocks, 0.0, 0.0)


def surfaces(sampled: Sampled, bins: int, temperature: float, blocks: int) -> list[FreeEnergySurface]:
    """Return the surface of phi and psi with errors from blocks, and with those from half as many."""
    grid = Grid(-np.pi, np.pi, bins, 1.0, True)
    values = np.radians(sampled.torsions)
    return [
        free_energy_surface(values, sampled.log_weights, (grid, grid), temperature, n)
        for n in (blocks, blocks // 2)
    ]


def error_note(name: str, both: Sequence[FreeEnergySurface]) -> str:
    """Return a note on how the mean error depends on the number of blocks."""
    finer, coarser = (low_error(one) for one in both)
    return (
        f"{name}: the mean error below 5 kcal/mol is {finer:.2f} kcal/mol with {both[0].blocks} blocks and "
        f"{coarser:.2f} with {both[1].blocks}; where the latter is much larger, the blocks are shorter than the "
        "correlation time and the errors are too small"
    )


def low_error(surface: FreeEnergySurface) -> float:
    """Return the mean error of the bins below 5 kcal/mol that have one."""
    low = (surface.energy < 5.0) & np.isfinite(surface.error)
    return float(surface.error[low].mean()) if low.any() else float("nan")


def figures(name: str, found: dict[str, Difference], surface: FreeEnergySurface | None) -> list[Result]:
    """Return the figures of a model: the free energies of basins above the first, and the mean error."""
    begin, what = ("", "the sum") if name == SUM else (f"{key_of(name)}-", name)
    results = []
    for basin in list(BASINS)[1:]:
        one = found.get(basin, Difference(None, None))
        said = f"free energy of {basin} above {next(iter(BASINS))}, {what}, kcal/mol"
        results.append(Result(f"{begin}{basin.lower()}", said, one.value))
        results.append(Result(f"{begin}{basin.lower()}-error", f"standard error of the {said}", one.error))
    error = None if surface is None else low_error(surface)
    return [
        *results,
        Result(f"{begin}error", f"mean standard error of the surface of {what} below 5 kcal/mol", error),
    ]


def columns(name: str, surface: FreeEnergySurface) -> dict[str, Column]:
    """Return the columns of a model's surface."""
    key = key_of(name)
    phi, psi = np.meshgrid(*(np.degrees(c) for c in surface.centres), indexing="ij")
    meaning = "inf: not visited"
    return {
        "surface.phi": Column(phi.ravel(), "degree", "phi of the middle of each bin"),
        "surface.psi": Column(psi.ravel(), "degree", "psi of the middle of each bin"),
        f"surface.{key}": Column(surface.energy.ravel(), "kcal/mol", f"free energy of {name}; {meaning}"),
        f"surface.{key}-error": Column(surface.error.ravel(), "kcal/mol", f"standard error; {meaning} twice"),
    }
