"""One turn: gather geometries, label the uncertain ones, fit trials, judge them, and keep them or not.

Everything that takes long is in the store under a key that follows from what it was made of: simulations and their
segments, labels, datasets, fits. A turn that was killed is run again from its beginning, finds all of that, and
computes what is missing. What else it decides follows from the seed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from potentials.arrays import Bools
from potentials.errors import InputError
from storage.canonical import digest
from storage.store import Store
from storage.version import Version
from tasks.improving.figures import facts_of, judge
from tasks.improving.labels import Labeller, Order, label, read_labels
from tasks.improving.material import Gathered
from tasks.improving.picking import Picked, affordable, pick
from tasks.improving.record import Turn, decided_by, read_turns, write_turn
from tasks.improving.settings import ImproveSettings
from tasks.improving.sources import Source
from tasks.improving.spent import Spent
from tasks.improving.training import Training, add_picks, training_of
from tasks.progress import ProgressLine

CLAIM = (
    "labels are of n-mers only; the geometries of picks come from simulated molecules, so that these molecules "
    "are no longer unseen: test the sum on others"
)
"""What a turn changes in what can be said of a sum that no whole molecule was labelled for."""

CLAIM_OF_POOL = "labels and geometries are of this n-mer only: picks are frames of its own sampling pool"


@dataclass(frozen=True)
class Means:
    """How the parts of a turn are computed.

    Attributes
    ----------
    labeller
        Computes labels.
    train
        Returns the trial potential of a selection: labels are in the ledger. Given the training before, the
        selection, and how the fit is made: ``coefficients`` or ``full``.
    validate
        Measures the gates of a potential that was kept, and writes its report.
    step
        Calls a function as a step of that name.
    """

    labeller: Labeller
    train: Callable[[Training, Version, str], Version]
    validate: Callable[[Version], None]
    step: Callable[[str, Callable[[], Any]], Any] = lambda name, function: function()


def run_turn(
    store: Store, source: Source, settings: ImproveSettings, means: Means, core_hours: float | None = None
) -> Turn:
    """Run the next turn, or go on with it if it was killed, and return its record.

    A turn that is kept is not validated here, see `finish`.

    Parameters
    ----------
    store
        The store.
    source
        What is improved.
    settings
        The settings.
    means
        How its parts are computed.
    core_hours
        What may be spent on it. Fewer geometries are labelled if their labels are expected to take longer.

    Raises
    ------
    InputError
        If no potential can be improved, one lacks its range or its ensemble, or an engine is missing.
    StageError
        If a simulation cannot begin, or a label cannot be written.
    """
    before, turns = source.present(), read_turns(store, source.name)
    number = len(turns) + 1
    keys = {name: version.key for name, version in before.items()}
    first = turns[0].version.key if turns else ""
    decided = decided_by(source.name, number, settings, keys, list(source.molecules), first)
    folder = store.scratch(digest(decided))
    spent = Spent(folder)
    trained = {name: training_of(store, version) for name, version in before.items()}
    training = {name: one for name, one in trained.items() if isinstance(one, Training)}
    left_out = {name: one for name, one in trained.items() if isinstance(one, str)}
    if not training:
        name, why = next(iter(left_out.items()))
        raise InputError(f"{before[name].ref} cannot be improved: {why}")
    gathered: Gathered = means.step("simulate", lambda: _gather(source, settings, number, folder, spent))
    fixed = turns[0].version if turns else None
    picked = means.step("pick", lambda: pick(gathered, training, fixed, settings, number, spent))
    picked = affordable(store, picked, folder, spent, core_hours)
    orders = {name: one.orders() for name, one in picked.items()}
    means.step("label", lambda: _label(store, orders, means.labeller))
    trials, judged, rows, seconds = {}, {}, [], 0.0
    inputs: dict[str, Version] = {one.key: one for one in gathered.sources}
    for name, one in picked.items():
        labels = [read_labels(store, one.training, order, n) for n, order in enumerate(orders[name])]
        count = len(one.judged)
        seconds += sum(float(each.seconds.sum()) for each in labels)
        seconds -= float(labels[-1].seconds[: len(one.fixed)].sum())  # of the first turn
        picks = labels[0].energy[count:] if len(labels) == 1 else labels[0].energy
        good = np.isfinite(picks) & (np.nan_to_num(picks, nan=np.inf) <= one.training.top + settings.margin)
        trial = _trial(store, one, good, number, gathered, settings, means, spent)
        row, frames = judge(one, labels[-1].energy[:count], picks, trial, settings)
        row |= {"kept_picks": int(good.sum()), "before": before[name].ref, "trial": trial.ref if trial else None}
        row["labels"] = [int((good & (one.level >= n)).sum()) for n in one.levels]
        rows.append(row)
        judged[name] = frames
        inputs |= {before[name].key: before[name]}
        if trial is not None:
            trials[name] = trial
            inputs |= {trial.key: trial}
    facts = facts_of(rows, gathered, left_out)
    facts["claim"] = CLAIM if gathered.sources[0].kind == "trajectory" else CLAIM_OF_POOL
    facts["level"] = ", ".join(sorted({one.recipe.labelling.level for one in training.values()}))
    facts["seconds"] = spent.seconds() | {"labels": seconds}
    with store.writing():
        turn = write_turn(store, decided, facts, judged, list(inputs.values()))
    shutil.rmtree(folder, ignore_errors=True)
    return turn


def finish(store: Store, name: str, means: Means) -> None:
    """Have the potentials judged that the last turn has put in the place of others, unless they have been."""
    turns = read_turns(store, name)
    for ref in turns[-1].accepted if turns else ():
        version = store.resolve(ref)
        if store.verdict(version) is None:
            means.validate(version)


def _gather(source: Source, settings: ImproveSettings, number: int, folder: Path, spent: Spent) -> Gathered:
    with ProgressLine("simulate", 1, "steps") as line, spent.measured("simulations") as measure:

        def told(done: int, total: int) -> None:
            measure()
            line.total = total
            line.update(done)

        return source.gather(settings, number, folder, told)


def _label(store: Store, orders: Mapping[str, Sequence[Order]], labeller: Labeller) -> None:
    """Have labels computed, those of the highest level of each n-mer first."""
    with ProgressLine("labelling", 1, "labels") as line:

        def told(done: int, total: int) -> None:
            line.total = total
            line.update(done)

        label(store, [order for each in orders.values() for order in reversed(each)], labeller, told)
        line.update(line.total)


def _trial(
    store: Store,
    one: Picked,
    good: Bools,
    number: int,
    gathered: Gathered,
    settings: ImproveSettings,
    means: Means,
    spent: Spent,
) -> Version | None:
    """Return the trial of one n-mer, fitted to the good picks too; None if there are none."""
    if not good.any():
        return None
    picks, level = one.picks.rows(good), one.level[good]
    with store.writing():
        selection = add_picks(store, one.training, picks, level, gathered.sources, number)
    refit = "full" if one.training.recipe.levels else settings.refit  # a sum of levels is fitted level by level
    with spent.measured("fits"):
        return means.train(one.training, selection, refit)
