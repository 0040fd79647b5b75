"""The picture and the table of the learning curves with and without levels; see `benchmarks.levels`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.plot import Plot

CHAINS: tuple[tuple[str, ...], ...] = (("top",), ("gfn2", "top"), ("mp2", "top"), ("gfn2", "mp2", "top"))
COLOURS = {CHAINS[0]: "#bbbbbb", CHAINS[1]: "#4477aa", CHAINS[2]: "#ee6677", CHAINS[3]: "#228833"}
TITLES = {"gfn2": "GFN2-xTB", "mp2": "MP2", "top": "CCSD(T)"}


@dataclass(frozen=True)
class Point:
    """The test error of a chain: labels and degrees of its levels, error, its deviation over draws, and cost."""

    system: str
    chain: tuple[str, ...]
    counts: tuple[int, ...]
    degrees: tuple[int, ...]
    error: float
    deviation: float
    core_hours: float


def cheapest(points: Sequence[Point]) -> list[Point]:
    """Return the points that no cheaper one equals, in the order of their cost."""
    best, found = np.inf, []
    for one in sorted(points, key=lambda p: p.core_hours):
        if one.error < best:
            best = one.error
            found.append(one)
    return found


def picture(
    every: Mapping[str, Sequence[Point]], gains: Mapping[str, Sequence[tuple[Point, float, bool]]]
) -> Plot:
    """Draw the test error against the core-hours, a panel for each system."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    figure = Figure(figsize=(8.0, 3.4 * -(-len(every) // 2)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(-(-len(every) // 2), 2, squeeze=False)).ravel()
    for axes, (name, points) in zip(panels, every.items(), strict=False):
        for chain in CHAINS:
            shown = cheapest([one for one in points if one.chain == chain])
            label = " -> ".join(TITLES[level] for level in chain) if len(chain) > 1 else "CCSD(T) directly"
            axes.errorbar(
                [3600 * p.core_hours for p in shown],
                [p.error for p in shown],
                [p.deviation for p in shown],
                marker="o",
                markersize=3,
                color=COLOURS[chain],
                label=label,
                linewidth=1.2,
            )
        continued = [(3600 * gain * one.core_hours, one.error) for one, gain, beyond in gains[name] if beyond]
        if continued:
            axes.plot(
                *zip(*continued, strict=True), "x", color="0.5", markersize=4, label="directly, extrapolated"
            )
        axes.set_title(f"{name}, CCSD(T)/cc-pVDZ", fontsize="medium", parse_math=False)
        axes.set(xscale="log", yscale="log", xlabel="CPU-s of training labels", ylabel="test RMSD (kcal/mol)")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_formatter(NullFormatter())
    for axes in panels[len(every) :]:
        axes.set_axis_off()
    if every:
        panels[0].legend(frameon=False, fontsize="x-small")
    head = (
        "system",
        "chain",
        "labels",
        "degrees",
        "test_rmsd_kcal_mol",
        "deviation",
        "core_hours",
        "gain",
        "direct",
    )
    known = {
        (one.system, one.chain, one.counts): (gain, beyond) for g in gains.values() for one, gain, beyond in g
    }
    rows = [
        _row(one, known.get((one.system, one.chain, one.counts))) for points in every.values() for one in points
    ]
    return Plot.of("levels", figure, head, rows)


def _row(one: Point, gain: tuple[float, bool] | None) -> tuple[object, ...]:
    counts, degrees = (" ".join(map(str, values)) for values in (one.counts, one.degrees))
    told = ("", "") if gain is None else (f"{gain[0]:.2f}", "extrapolated" if gain[1] else "measured")
    numbers = (f"{one.error:.5f}", f"{one.deviation:.5f}", f"{one.core_hours:.6f}")
    return one.system, " > ".join(one.chain), counts, degrees, *numbers, *told
