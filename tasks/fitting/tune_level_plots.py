"""Plots of the tuning of levels, each with its numbers."""

from __future__ import annotations

import numpy as np

from tasks.fitting.level_steps import Step, Trial
from tasks.fitting.tune_levels import Allotment, TunedLevels, frontier
from tasks.plot import Plot

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
"""Colours that colour-blind readers can tell apart."""

ENDS = ("rmsd_kcal_mol", "low_kcal_mol", "high_kcal_mol")
"""Columns of an error and of its range."""

ERRORS = 12
"""Points of a curve of error against cost."""


def level_plots(title: str, trial: Trial, tuned: TunedLevels, wanted: float) -> list[Plot]:
    """Return the plots of a tuning: learning curves of each fit, error against cost, and the table of chains.

    Parameters
    ----------
    title
        The n-mer and the reference.
    trial, tuned
        The trial and its result.
    wanted
        The error that was asked for, kcal/mol.
    """
    return [_curves_plot(title, trial, tuned, wanted), _cost_plot(title, trial, tuned, wanted)]


def _named(step: Step, titles: dict[str, str]) -> str:
    return titles[step.upper] + ("" if step.lower is None else f" - {titles[step.lower]}")


def _curves_plot(title: str, trial: Trial, tuned: TunedLevels, wanted: float) -> Plot:
    """Draw the errors of the fits of the best chain, and of the top level alone, against the labels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    titles = {level.name: level.title for level in trial.levels}
    best, top = tuned.allotments[0], tuned.allotments[0].chain[-1]
    shown = {(None, top), *zip((None, *best.chain), best.chain, strict=False)}
    drawn = [step for step in tuned.steps if (step.lower, step.upper) in shown]
    for colour, step in zip(COLOURS, drawn, strict=False):
        measured = np.array([int(n) for n in step.curves[0].counts])
        further = np.geomspace(measured[-1], 10 * measured[-1], 20)
        axes.plot(
            measured, step.expected(measured.astype(float)), marker="o", color=colour, label=_named(step, titles)
        )
        axes.plot(further, step.expected(further), linestyle="--", color=colour)
        spread = np.array([step.best(int(n)).spread(float(n)) for n in measured])
        axes.fill_between(measured, *np.percentile(spread, (16, 84), axis=1), color=colour, alpha=0.2, linewidth=0)
    axes.axhline(wanted, color="0.4", linewidth=0.8, linestyle=":", label="wanted")
    axes.set_title(title, parse_math=False)
    axes.set(xscale="log", yscale="log", xlabel="labels (dashed: power law)", ylabel="RMSD held back (kcal/mol)")
    axes.legend(frameon=False, fontsize="small")
    head = (
        "level",
        "below",
        "degree",
        "terms",
        "gamma",
        "labels",
        "rmsd_kcal_mol",
        "low_kcal_mol",
        "high_kcal_mol",
        "power",
    )
    rows = [
        (step.upper, step.lower or "", curve.degree, curve.terms, curve.gamma, int(n), error, *ends, curve.power)
        for step in tuned.steps
        for curve in step.curves
        for n, error, ends in zip(
            curve.counts, curve.errors, np.percentile(curve.drawn, (16, 84), axis=0).T, strict=True
        )
    ]
    return Plot.of("level-curves", figure, head, rows)


def _cost_plot(title: str, trial: Trial, tuned: TunedLevels, wanted: float) -> Plot:
    """Draw the error against the core-hours of the best chains and of the top level alone."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    titles = {level.name: level.title for level in trial.levels}
    errors = wanted * np.geomspace(8.0, 0.5, ERRORS)
    chains = [one.chain for one in tuned.allotments]
    shown = chains[: len(COLOURS) - 1] + [chain for chain in chains[len(COLOURS) - 1 :] if len(chain) == 1]
    rows: list[tuple[object, ...]] = []
    for colour, chain in zip(COLOURS, shown, strict=False):
        points = frontier(trial, tuned, chain, [float(error) for error in errors])
        rows += [_row(point) for point in points]
        hours = [point.core_hours for point in points]
        axes.plot(
            hours,
            [p.error for p in points],
            marker=".",
            color=colour,
            label=" -> ".join(titles[name] for name in chain),
        )
    axes.axhline(wanted, color="0.4", linewidth=0.8, linestyle=":")
    axes.set_title(title, parse_math=False)
    axes.set(xscale="log", yscale="log", xlabel="core-hours of training labels", ylabel="expected RMSD (kcal/mol)")
    axes.legend(frameon=False, fontsize="small")
    rows += [_row(one) for one in tuned.allotments]
    head = (
        "chain",
        "labels",
        "degrees",
        "gammas",
        "rmsd_kcal_mol",
        "low_kcal_mol",
        "high_kcal_mol",
        "core_hours",
        "reached",
    )
    return Plot.of("levels", figure, head, rows)


def _row(one: Allotment) -> tuple[object, ...]:
    fits = (" ".join(map(str, values)) for values in (one.train, one.degrees, one.gammas))
    return " > ".join(one.chain), *fits, one.error, one.low, one.high, one.core_hours, one.reached
