"""What a turn labels of each n-mer: the judged frames, and the most uncertain candidates, within a budget."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from storage.durable import make_folder, write_text
from storage.store import Store
from storage.version import Version
from tasks.improving.labels import Order
from tasks.improving.material import Gathered, Geometries, Material
from tasks.improving.record import read_judged
from tasks.improving.settings import ImproveSettings
from tasks.improving.spent import Spent
from tasks.improving.training import Training
from tasks.progress import ProgressLine
from tasks.selection.descriptor import checked_descriptor
from tasks.selection.nested import levels_of
from tasks.selection.table import Scratch
from tasks.selection.uncertain import pick_uncertain

FEWEST_JUDGED = 10
"""Geometries of an n-mer with levels that judge at least; more in proportion to the size of the last level."""


@dataclass(frozen=True, eq=False)
class Picked:
    """What a turn wants to label of one n-mer.

    Attributes
    ----------
    training, material
        What its potential was fitted to, and what the turn has of it: the fresh judged frames among it.
    fixed
        (geometries, atoms, 3), the judged frames of the first turn, Angstrom.
    picks
        The picks.
    level
        (picks,), the highest level of the recipe that labels each; 0 without levels.
    """

    training: Training
    material: Material
    fixed: Floats
    picks: Geometries
    level: Ints

    @property
    def levels(self) -> range:
        """The levels, from 0."""
        return range(len(self.training.datasets))

    @property
    def judged(self) -> Floats:
        """(geometries, atoms, 3), the fixed judged frames and the fresh ones, Angstrom."""
        return np.concatenate([self.fixed, self.material.judged.positions])

    def orders(self) -> list[Order]:
        """Return what each level labels: the last the judged frames, each its picks; the first level's first."""
        found = []
        for level in self.levels:
            mine = self.picks.positions[self.level >= level]
            whole = np.concatenate([self.judged, mine]) if level == self.levels[-1] else mine
            found.append(Order.of(self.training, whole, level))
        return found


def pick(
    gathered: Gathered,
    training: Mapping[str, Training],
    first: Version | None,
    settings: ImproveSettings,
    number: int,
    spent: Spent,
) -> dict[str, Picked]:
    """Return what is labelled: the judged frames of each n-mer, and the most uncertain candidates."""
    found: dict[str, Picked] = {}
    chosen = {name: one for name, one in gathered.nmers.items() if name in training}
    with ProgressLine("picking", len(chosen), "n-mers") as line, spent.measured("picks"):
        for name, material in chosen.items():
            mine, candidates = training[name], material.candidates
            earlier = None if first is None else read_judged(first, name)
            fixed = np.empty((0, *material.judged.positions.shape[1:])) if earlier is None else earlier.positions
            rows = pick_uncertain(
                material.potential,
                candidates.positions,
                settings.picks,
                mine.recipe.selection,
                settings.seed + number,
                taken=mine.taken,
                tests=np.concatenate([mine.tests, fixed, material.judged.positions]),
            )
            if mine.recipe.levels:  # every judged frame takes a label of the last level
                wanted = max(FEWEST_JUDGED, round(settings.judged * mine.share(len(mine.datasets) - 1)))
                fewer = _first(material.judged, min(1.0, wanted / max(1, len(material.judged))))
                material = replace(material, judged=fewer)
            picks = candidates.rows(rows)
            level = _levels(mine, picks.positions, settings.seed + number)
            found[name] = Picked(mine, material, fixed, picks, level)
            line.update(len(found))
    return found


def affordable(
    store: Store, picked: dict[str, Picked], folder: Path, spent: Spent, core_hours: float | None
) -> dict[str, Picked]:
    """Return fewer geometries where their labels would take longer than what is left.

    The share is decided once and kept while the turn runs: after an interruption the same labels are wanted.
    """
    path = folder / "labels.json"
    if path.exists():
        share = float(json.loads(path.read_text(encoding="utf-8"))["share"])
    else:
        share = 1.0
        if core_hours is not None:
            expected = 0.0
            for one in picked.values():
                for order in one.orders():
                    each = order.expected_seconds(store.labels)
                    missing = order.missing(store.labels)
                    if each is None and missing:
                        raise InputError(
                            f"the cost of labels of {one.training.recipe.name} is not known, so that a budget "
                            "cannot be held; label some of them with 'nmer run' before"
                        )
                    expected += missing * (each or 0.0)
            left = 3600.0 * core_hours - sum(spent.seconds().values())
            share = 1.0 if expected <= left else max(0.0, left / expected)
        make_folder(folder)
        write_text(path, json.dumps({"share": share}) + "\n")
    if share >= 1.0:
        return picked
    found = {}
    for name, one in picked.items():
        rows = _spaced(len(one.picks), share)
        material = replace(one.material, judged=_first(one.material.judged, share))
        found[name] = Picked(one.training, material, one.fixed, one.picks.rows(rows), one.level[rows])
    return found


def _first(geometries: Geometries, share: float) -> Geometries:
    """Return a share of some geometries, evenly spaced."""
    return geometries.rows(_spaced(len(geometries), share))


def _spaced(count: int, share: float) -> Ints:
    """Return a share of the rows, evenly spaced."""
    return np.linspace(0, count - 1, int(share * count + 1e-9)).astype(np.int64)


def _levels(training: Training, positions: Floats, seed: int) -> Ints:
    """Return the highest level that labels each pick: nested subsets in proportion to the levels' sizes.

    They are chosen as those of the recipe's own configurations, so that few labels of a better level span the same
    space as all picks.
    """
    level = np.zeros(len(positions), dtype=np.int64)
    if not training.recipe.levels or not len(positions):
        return level
    settings, nmer = training.recipe.selection, training.recipe.build_nmer()
    describe = checked_descriptor(settings).make(nmer, settings, positions)
    features = np.asarray(describe(positions), dtype=np.float64)
    features = (features - features.mean(axis=0)).astype(np.float32)
    most, sizes = len(positions), []
    for number in range(1, len(training.datasets)):
        most = min(most, max(1, round(training.share(number) * len(positions))))
        sizes.append(most)
    with threadpool_limits(1, user_api="blas"), Scratch() as scratch:
        return levels_of(features, sizes, 0.0, seed, scratch, level)
