"""What a turn labels of each n-mer: the judged frames, and the most uncertain candidates, within a budget."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from potentials.arrays import Floats
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
from tasks.selection.uncertain import pick_uncertain


@dataclass(frozen=True, eq=False)
class Picked:
    """What a turn wants to label of one n-mer, in its order: fixed judged frames, fresh ones, picks."""

    training: Training
    material: Material
    fixed: Floats
    picks: Geometries

    def positions(self) -> Floats:
        """(geometries, atoms, 3), Angstrom."""
        return np.concatenate([self.fixed, self.material.judged.positions, self.picks.positions])


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
            found[name] = Picked(mine, material, fixed, candidates.rows(rows))
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
                order = Order.of(one.training, one.positions())
                each = order.expected_seconds(store.labels)
                missing = order.missing(store.labels)
                if each is None and missing:
                    raise InputError(
                        f"the cost of labels of {one.training.recipe.name} is not known, so that a budget cannot "
                        "be held; label some of them with 'nmer run' before"
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
        few = [_first(part, share) for part in (one.material.judged, one.picks)]
        material = Material(one.material.potential, one.material.candidates, few[0])
        found[name] = Picked(one.training, material, one.fixed, few[1])
    return found


def _first(geometries: Geometries, share: float) -> Geometries:
    """Return a share of some geometries, evenly spaced."""
    count = int(share * len(geometries))
    return geometries.rows(np.linspace(0, len(geometries) - 1, count).astype(np.int64))
