"""A potential of a capped methyl with its dataset, selection and pool, labelled by real programs in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from recipes.load import expanded_toml, load_recipe
from recipes.protocols import find_protocol
from recipes.schema.levels import Level
from recipes.schema.recipe import Fitting, Recipe
from storage.contents import pool_columns, selection_columns
from storage.records import Pool, Selection
from storage.store import Store
from storage.version import Version
from tasks.fitting.task import fitting_task
from tasks.labelling.execution.runner import Limits
from tasks.labelling.here import label_here
from tasks.labelling.reference import MoleculeLabels, reference_energy
from tasks.labelling.task import labelling_task
from tasks.plan import Plan, resolve

FRAMES, TRAIN, TEST = 600, 60, 30
LIMITS = Limits(60.0, 2.0)


def recipe_of(levels: bool = False) -> Recipe:
    """Return the recipe of a potential with few terms, so that labels matter and everything is quick."""
    known = load_recipe("ch3", "smoke").model_dump(exclude_none=True)
    known["fitting"] = Fitting(degree=3, terms="all", starts=1, max_iterations=20, ensemble=16).model_dump()
    known["selection"] |= {"train": TRAIN, "test": TEST}
    cheap = find_protocol("gfn2-xtb")
    known["labelling"] = cheap.model_dump()
    if levels:
        best = {"engine": "pyscf", "method": "HF", "basis": "sto-3g", "reference": cheap.reference}
        known["levels"] = [
            Level(labelling=cheap, train=TRAIN, test=TEST).model_dump(exclude_none=True),
            {"labelling": best, "train": 12, "test": 6, "fitting": {"degree": 1}},
        ]
        del known["labelling"]
    return Recipe.model_validate(known)


def improvable_store(folder: Path, levels: bool = False) -> tuple[Store, Version]:
    """Return a store with the potential: its training configurations are near the minimum, its pool is wider."""
    store, recipe = Store(folder, create=True), recipe_of(levels)
    plan, rng = resolve(recipe), np.random.default_rng(4)
    nmer, wide = plan.nmer, np.arange(FRAMES) >= FRAMES // 2
    scale = np.where(wide, 0.09, 0.05)[:, None, None]
    positions = nmer.positions + rng.normal(size=(FRAMES, nmer.natoms, 3)) * scale
    cap, anchor, length = nmer.caps[0]
    along = positions[:, cap] - positions[:, anchor]
    positions[:, cap] = positions[:, anchor] + length * along / np.linalg.norm(along, axis=1, keepdims=True)
    zeros = np.zeros(FRAMES)
    pool = Pool(
        positions,
        np.where(wide, 700.0, 300.0),
        np.full(FRAMES, -1),
        np.zeros(FRAMES, dtype=np.int64),
        zeros,
        zeros,
        np.zeros((FRAMES, 1)),
        ("none",),
        np.zeros(FRAMES, dtype=np.int64),
        ("pbmetad ff14SB",),
    )
    given: dict[str, Any] = {"recipe": expanded_toml(recipe), "engines": {"nmer": "0"}, "facts": {}}
    below = store.add("pool", recipe.name, plan.pool, columns=pool_columns(pool), inputs=[], **given)
    frames = np.concatenate([np.arange(TRAIN - 12), FRAMES // 2 + np.arange(12), 200 + np.arange(TEST)])
    split = np.array([0] * TRAIN + [1] * TEST)
    level = np.isin(np.arange(len(frames)), [*range(0, TRAIN, 5), *range(TRAIN, TRAIN + 6)]).astype(np.int64)
    chosen = Selection(positions[frames], split, frames, level if levels else np.zeros_like(level))
    store.add("selection", recipe.name, plan.selection, columns=selection_columns(chosen), inputs=[below], **given)
    for number in range(len(plan.levels)):
        label_level(plan, number, store, chosen.of_level(number).positions)
    with store.writing():
        key = fitting_task.fn(plan, store.path, labelling_task.fn(plan, store.path, no_cluster), here)
    return store, store.get("potential", key)


def label_level(plan: Plan, number: int, store: Store, positions: Floats) -> None:
    """Compute the labels of a level, and its reference energy, in this process."""
    protocol, scratch = plan.levels[number].labels(), store.path / "scratch" / "labels"
    label_here(protocol, positions, LIMITS, store.labels, scratch)

    def label(molecule: NMer, places: Floats) -> MoleculeLabels:
        return MoleculeLabels.of(label_here(protocol.of(molecule), places, LIMITS, store.labels, scratch))

    reference_energy(protocol, plan.levels[number].references, store.labels, label)


def here(function: Any, *arguments: Any, progress: Any) -> Any:
    """Call a function in this process."""
    return function(*arguments, progress)


def no_cluster() -> str:
    """Fail: all labels are in the ledger."""
    raise AssertionError("all labels are in the ledger")
