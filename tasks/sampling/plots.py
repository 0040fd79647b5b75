"""Plots of a pool, each with its binned numbers: distances, energies, and the coverage of variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Sampling
from storage.records import Pool
from tasks.plot import Plot
from tasks.sampling.coverage import PlottedVariable, centres_label, telling_pairs

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
"""The bright colour-blind safe scheme of Paul Tol's technical note SRON/EPS/TN/09-002."""

OUTSIDE, SCANNED = "#bbbbbb", "#555555"
"""Colours of frames outside all windows, and of those of a scan, which have no temperature."""

STYLES = ("-", "--", "-.", ":")

CELLS = ((5_000, 20), (40_000, 36), (float("inf"), 60))
"""Largest number of frames, and number of cells along each axis of a coverage plot up to it."""

SHOWN = (99.0, 75.0, 10.0)
"""An energy axis ends at the first percentile of a source's frames, at most at the second times the factor.

Otherwise the repulsive wall of a scan would dominate the axis.
"""

DPI = 300


def draw_pool(nmer: NMer, settings: Sampling, pool: Pool, title: str) -> list[Plot]:
    """Draw a pool: distance of the centres of mass, energies, coverage of pairs of variables.

    A single fragment has no distance of the centres of mass.

    Parameters
    ----------
    nmer
        The n-mer.
    settings
        The recipe's sampling section.
    pool
        Its frames.
    title
        Title of every plot.
    """
    plots = [] if len(nmer.fragments) < 2 else [_distances(settings, pool, title, centres_label(nmer))]
    plots.append(_energies(pool, title))
    pairs = telling_pairs(nmer, settings, pool)
    return plots + [_coverage(n, x, y, title) for n, (x, y) in enumerate(pairs, 1)]


def _distances(settings: Sampling, pool: Pool, title: str, quantity: str) -> Plot:
    # a scan's values lie on the bins' edges but for rounding
    distance = np.round(pool.com_distance, 9)
    edges = even_edges(distance, 80)
    windows = [*enumerate(settings.windows), (-1, ("", ""))]
    colours = dict(zip([n for n, _ in windows], [*_colours(len(settings.windows)), OUTSIDE], strict=True))
    figure, panels = _panels(len(pool.sources))
    rows, handles = [], {}
    for number, (name, panel) in enumerate(zip(pool.sources, panels, strict=True)):
        for window, (lower, upper) in windows:
            chosen = distance[(pool.source == number) & (pool.window == window)]
            frames = np.histogram(chosen, edges)[0]
            rows += [(name, window, lower, upper, *_bin(edges, n), int(count)) for n, count in enumerate(frames)]
            if len(chosen):
                label = f"{lower:g} to {upper:g} Å" if window >= 0 else "outside all windows"
                style = {"fill": True, "alpha": 0.75, "color": colours[window], "linewidth": 0.8}
                handles[label] = panel.stairs(frames, edges, **style)
        for border in {b for w in settings.windows for b in w if edges[0] < b < edges[-1]}:
            panel.axvline(border, color="0.35", linewidth=0.8, linestyle=":")
        panel.set(ylabel="frames per bin", xlim=(edges[0], edges[-1]), ylim=(0, None))
        _name(panel, name, int((pool.source == number).sum()))
    panels[-1].set_xlabel(f"{quantity} (Å)")
    _head(figure, f"{title}: {quantity}", "window", handles)
    head = ("source", "window", "window_lower_A", "window_upper_A", "bin_lower_A", "bin_upper_A", "frames")
    return Plot.of("com-distance", figure, head, rows, DPI)


def _energies(pool: Pool, title: str) -> Plot:
    figure, panels = _panels(len(pool.sources))
    temperatures = sorted({float(t) for t in pool.temperature})
    warm = [t for t in temperatures if t]
    colours = {0.0: SCANNED, **dict(zip(warm, _colours(len(warm)), strict=True))}
    rows, handles = [], {}
    for number, (name, panel) in enumerate(zip(pool.sources, panels, strict=True)):
        mine = pool.source == number
        energy = pool.energy[mine] - pool.energy[mine].min(initial=np.inf)
        if not len(energy):
            continue
        most, usual, times = SHOWN
        reach = min(np.percentile(energy, most), times * np.percentile(energy, usual))
        edges = even_edges(np.array([0.0, reach]), 60)
        tallest = 0
        for temperature in temperatures:
            chosen = energy[pool.temperature[mine] == temperature]
            if not len(chosen):
                continue
            frames = np.histogram(chosen, [*edges, np.inf])[0]
            rows += [
                (name, f"{temperature:g}", *_bin([*edges, np.inf], n), int(count))
                for n, count in enumerate(frames)
            ]
            label = f"{temperature:g} K" if temperature else "none (scan)"
            line = STYLES[warm.index(temperature) % len(STYLES)] if temperature else "-"
            style = {"color": colours[temperature], "linestyle": line, "linewidth": 1.5}
            handles[label] = panel.stairs(frames[:-1], edges, **style)
            if len(warm) <= len(STYLES):
                panel.stairs(frames[:-1], edges, fill=True, alpha=0.15, color=colours[temperature])
            tallest = max(tallest, int(frames[:-1].max()))
        panel.set(ylabel="frames per bin", xlim=(0, edges[-1]), ylim=(0, None))
        if tallest > 0.5 * len(energy):  # one bin would dominate, as in many scans
            panel.set(yscale="log", ylim=(0.5, None))
        above = int((energy >= edges[-1]).sum())
        _name(panel, name, len(energy), f"{above} above {edges[-1]:g} kcal/mol not shown" if above else "")
    panels[-1].set_xlabel("energy above the lowest of the source (kcal/mol)")
    _head(figure, f"{title}: force-field energies", "temperature", handles)
    head = ("source", "temperature_K", "bin_lower_kcal_per_mol", "bin_upper_kcal_per_mol", "frames")
    return Plot.of("energy", figure, head, rows, DPI)


def _coverage(number: int, x: PlottedVariable, y: PlottedVariable, title: str) -> Plot:
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    cells = next(count for most, count in CELLS if len(x.values) <= most)
    sides = [np.linspace(*v.limits, cells + 1) for v in (x, y)]
    frames = np.histogram2d(x.values, y.values, bins=sides)[0].astype(np.int64)
    figure = Figure(figsize=(6.0, 4.8), layout="constrained")
    panel = figure.subplots()
    norm = LogNorm(1, max(2, int(frames.max())))
    shown = np.where(frames.T == 0, np.nan, frames.T)  # not drawn: white
    drawn = panel.pcolormesh(*sides, shown, cmap="viridis", norm=norm, rasterized=True)
    bar = figure.colorbar(drawn, label="frames per cell (white: none)", pad=0.02)
    ticks = [step * 10**power for power in range(9) for step in (1, 2, 5)]
    ticks = [tick for tick in ticks if tick <= norm.vmax]
    bar.set_ticks(ticks, labels=[f"{tick}" for tick in ticks])
    bar.minorticks_off()
    for axis, variable in ((panel.xaxis, x), (panel.yaxis, y)):
        axis.set_label_text(f"{variable.label} ({variable.unit})")
        if variable.unit == "degrees" and np.ptp(variable.limits) > 90:
            axis.set_ticks(np.arange(variable.limits[0], variable.limits[1] + 1, 30))
    panel.set_title(f"{title}: coverage, {frames.sum()} frames", fontsize="medium")
    head = [f"{v.column}_{end}_{'A' if v.unit == 'Å' else v.unit}" for v in (x, y) for end in ("lower", "upper")]
    rows = [
        (*_bin(sides[0], i), *_bin(sides[1], j), int(frames[i, j])) for i in range(cells) for j in range(cells)
    ]
    return Plot.of(f"coverage-{number}", figure, [*head, "frames"], rows, DPI)


def _panels(count: int) -> tuple[Any, list[Any]]:
    """Return a figure and one panel for each source, in one column."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 1.9 + 2.1 * count), layout="constrained")
    return figure, list(figure.subplots(count, 1, squeeze=False)[:, 0])


def _name(panel: Any, source: str, frames: int, note: str = "") -> None:
    """Write the source and its number of frames over a panel."""
    panel.set_title(f"{source}: {frames} frames", loc="left", fontsize="small")
    panel.set_title(note, loc="right", fontsize="small", color="0.35")


def _head(figure: Any, title: str, meaning: str, handles: dict[str, Any]) -> None:
    """Write the title over a figure, and the legend below the panels."""
    figure.suptitle(title, fontsize="medium")
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=min(4, len(handles)),
        title=meaning,
        frameon=False,
        fontsize="small",
        title_fontsize="small",
    )


def _colours(count: int) -> Sequence[Any]:
    """Return distinguishable colours; for more than the scheme's six, even steps of one scale."""
    from matplotlib import colormaps

    if count <= len(COLOURS):
        return COLOURS[:count]
    return [tuple(colour) for colour in colormaps["viridis"](np.linspace(0.0, 0.95, count))]


def even_edges(values: Floats, bins: int) -> Floats:
    """Return edges of about `bins` bins, at multiples of 1, 2, or 5 times a power of ten, around all values."""
    low, high = float(values.min()), float(values.max())
    rough = max(high - low, 1e-3) / bins
    power = 10.0 ** np.floor(np.log10(rough))
    width = power * min((1, 2, 5, 10), key=lambda step: abs(np.log(step * power / rough)))
    first, last = np.floor(low / width), np.floor(high / width) + 1
    return np.asarray(np.round(np.arange(first, last + 0.5) * width, 9))


def _bin(edges: Sequence[float] | Floats, number: int) -> tuple[str, str]:
    return f"{edges[number]:.8g}", f"{edges[number + 1]:.8g}"
