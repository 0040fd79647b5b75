"""The figures of a turn: the errors of each n-mer before and after, those of all together, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from potentials.arrays import Bools, Floats
from potentials.pip.potential import Potential
from storage.contents import potential_from_version
from storage.records import TEST
from storage.version import Version
from tasks.improving.judging import Pair, Verdict, decision, over_all
from tasks.improving.material import Gathered, Geometries
from tasks.improving.picking import Picked
from tasks.improving.record import JudgedFrames
from tasks.improving.settings import ImproveSettings


def judge(
    one: Picked, labels: Floats, picks: Floats, trial: Version | None, settings: ImproveSettings
) -> tuple[dict[str, Any], JudgedFrames]:
    """Return the figures of one n-mer, and its fresh judged frames.

    Parameters
    ----------
    one
        What the turn has of it.
    labels, picks
        Labels of the judged frames and, of the first level, of the picks, kcal/mol; nan without a label.
    trial
        The trial; None if there is none.
    settings
        The settings.
    """
    positions = one.judged
    fixed, count = len(one.fixed), len(one.material.judged)
    old = one.material.potential
    new = old if trial is None else potential_from_version(trial, "candidate")
    usable = np.isfinite(labels) & (np.nan_to_num(labels, nan=np.inf) <= one.training.top + settings.margin)
    energies = [np.asarray(p.energy(positions)) if len(positions) else np.empty(0) for p in (old, new)]
    errors = [found - labels for found in energies]
    is_fixed = np.arange(fixed + count) < fixed

    def pair(rows: Bools) -> Pair:
        return Pair.of(errors[0][rows], errors[1][rows], settings.tolerance)

    test = one.training.data.part(TEST)
    held = [np.asarray(p.energy(test.positions)) - test.energy for p in (old, new)]
    verdict = Verdict.of(
        pair(usable),
        pair(usable & is_fixed),
        pair(usable & ~is_fixed),
        Pair.of(held[0], held[1], settings.tolerance),
    )
    row = {
        "nmer": one.training.recipe.name,
        "candidates": len(one.material.candidates),
        "inside": _inside(old, one.material.candidates),
        "picked": len(one.picks),
        "too_high": int((picks > one.training.top + settings.margin).sum()),
        "failed": int(np.isnan(picks).sum()),
        "top": one.training.top,
        "own": verdict.own.as_dict(),
        "fixed": verdict.fixed.as_dict(),
        "fresh": verdict.fresh.as_dict(),
        "held": verdict.held.as_dict(),
        "accepted": trial is not None and verdict.accepted,
        "why": verdict.why if trial is not None else "no pick inside the training range had a label low enough",
    }
    fresh = slice(fixed, fixed + count)
    frames = JudgedFrames(positions[fresh], labels[fresh], energies[0][fresh], energies[1][fresh])
    return row, frames


def _inside(potential: Potential, candidates: Geometries) -> float | None:
    """Return the share of candidates inside of the training range; None without candidates."""
    if not len(candidates):
        return None
    return float(1.0 - np.mean(np.asarray(potential.extrapolates(candidates.positions))))


def facts_of(rows: list[dict[str, Any]], gathered: Gathered, left_out: Mapping[str, str]) -> dict[str, Any]:
    """Return the figures of a turn, and its decision."""
    tried = [row for row in rows if row["trial"] is not None]
    accepted = [row["nmer"] for row in tried if row["accepted"]]

    def total(which: str, after: bool) -> float:
        found = {}
        for row in rows:
            pair = row[which]
            value = pair["after"] if after and row["nmer"] in accepted else pair["before"]
            found[row["nmer"]] = float("nan") if value is None else float(value)
        return over_all(found)

    before, after = total("own", False), total("own", True)
    kept, why = decision(before, after, len(accepted), len(tried))
    return {
        "kept": kept,
        "why": why,
        "own": {"before": before, "after": after},
        "fixed": {"before": total("fixed", False), "after": total("fixed", True)},
        "fresh": {"before": total("fresh", False), "after": total("fresh", True)},
        "held": {"before": total("held", False), "after": total("held", True)},
        "nmers": rows,
        "not_improved": dict(left_out),
        "simulated": gathered.names,
        "replicas": gathered.replicas,
        "stopped": gathered.stopped,
        "picked": sum(row["kept_picks"] for row in rows),
    }
