"""A potential of a capped methyl with its dataset, selection and pool, labelled by GFN2-xTB in a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from potentials.units import HARTREE
from recipes.load import expanded_toml, load_recipe
from recipes.protocols import find_protocol
from recipes.schema.recipe import Fitting, Recipe
from storage.contents import dataset_columns, pool_columns, potential_columns, potential_facts, selection_columns
from storage.keys import dataset_key, potential_key
from storage.records import Pool, Selection
from storage.store import Store
from storage.version import Column, Version
from tasks.fitting.fit import fit_potential
from tasks.labelling.dataset import freeze
from tasks.labelling.execution.runner import Limits
from tasks.labelling.here import label_here
from tasks.labelling.protocol import protocol_of
from tasks.labelling.reference import reference_energy
from tasks.plan import resolve

FRAMES, TRAIN, TEST = 600, 60, 30


def recipe_of() -> Recipe:
    """Return the recipe of a potential with few terms, so that labels matter and everything is quick."""
    known = load_recipe("ch3", "smoke").model_copy(update={"labelling": find_protocol("gfn2-xtb")})
    fitting = Fitting(degree=3, terms="all", starts=1, max_iterations=20, ensemble=16)
    selection = known.selection.model_copy(update={"train": TRAIN, "test": TEST})
    return known.model_copy(update={"fitting": fitting, "selection": selection})


def improvable_store(folder: Path) -> tuple[Store, Version]:
    """Return a store with the potential: its training configurations are near the minimum, its pool is wider."""
    store, recipe = Store(folder, create=True), recipe_of()
    nmer, plan, rng = recipe.build_nmer(), resolve(recipe_of()), np.random.default_rng(4)
    scale = np.where(np.arange(FRAMES) < FRAMES // 2, 0.05, 0.09)[:, None, None]
    positions = nmer.positions + rng.normal(size=(FRAMES, nmer.natoms, 3)) * scale
    cap, anchor, length = nmer.caps[0]
    along = positions[:, cap] - positions[:, anchor]
    positions[:, cap] = positions[:, anchor] + length * along / np.linalg.norm(along, axis=1, keepdims=True)
    zeros = np.zeros(FRAMES)
    pool = Pool(
        positions,
        np.where(np.arange(FRAMES) < FRAMES // 2, 300.0, 700.0),
        np.full(FRAMES, -1),
        np.zeros(FRAMES, dtype=np.int64),
        zeros,
        zeros,
        np.zeros((FRAMES, 1)),
        ("none",),
        np.zeros(FRAMES, dtype=np.int64),
        ("pbmetad ff14SB",),
    )
    text = expanded_toml(recipe)
    given = {"recipe": text, "engines": {"nmer": "0"}, "facts": {}}
    below = store.add("pool", recipe.name, plan.pool, columns=pool_columns(pool), inputs=[], **given)
    frames = np.concatenate([np.arange(TRAIN - 12), FRAMES // 2 + np.arange(12), 200 + np.arange(TEST)])
    split = np.array([0] * TRAIN + [1] * TEST)
    chosen = Selection(positions[frames], split, frames)
    selection = store.add(
        "selection", recipe.name, plan.selection, columns=selection_columns(chosen), inputs=[below], **given
    )
    protocol = protocol_of(nmer, recipe.labelling)
    limits, scratch = Limits(60.0, 2.0), folder / "scratch" / "labels"
    table = label_here(protocol, chosen.positions, limits, store.labels, scratch)

    def label(molecule: NMer, places: Floats) -> Floats:
        return label_here(protocol.of(molecule), places, limits, store.labels, scratch).energy / HARTREE

    reference = reference_energy(protocol, plan.references, store.labels, label)
    assert reference is not None
    data = freeze(chosen, table, reference)
    key = dataset_key(recipe, [f"{i}:{protocol.id}" for i in data.ids], selection.key)
    dataset = store.add(
        "dataset",
        recipe.name,
        key,
        columns=dataset_columns(data),
        inputs=[selection],
        recipe=text,
        engines={"nmer": "0"},
        facts={"protocol_id": protocol.id, "protocol": recipe.labelling.level, "reference_hartree": reference},
    )
    train = data.part(0)
    result = fit_potential(nmer, train.positions, train.energy, recipe.fitting)
    potential = store.add(
        "potential",
        recipe.name,
        potential_key(recipe, dataset.key),
        columns=potential_columns(result.potential) | {"leverage": Column(result.leverage, "1", "leverage")},
        recipe=text,
        inputs=[dataset],
        engines={"nmer": "0"},
        facts=potential_facts(result.potential, recipe.nmer) | {"warnings": [], "sigma": result.sigma},
    )
    return store, potential
