"""From the datasets of a recipe's levels to a judged potential, through the stages' tasks and a real store."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potentials.arrays import Floats
from potentials.errors import StageError
from recipes.load import expanded_toml
from recipes.schema.recipe import Recipe
from storage.configuration import configuration_ids
from storage.contents import dataset_columns, dataset_from_version, pool_columns, selection_columns
from storage.keys import dataset_key, pool_key, selection_key
from storage.records import TEST, TRAIN, Dataset, Pool, Selection
from storage.store import Store
from storage.version import Version
from tasks.fitting.fit import fit_potential
from tasks.fitting.learning import learning_curve
from tasks.fitting.of_levels import steps_of
from tasks.fitting.task import fitting_task
from tasks.plan import Plan, resolve
from tests.conftest import call
from tests.storage.family import tiny
from tests.tasks.fitting.surfaces import charged
from tests.tasks.fitting.test_fit import shaken
from tests.tasks.fitting.test_levels import above

LEVELS = [
    {"protocol": "gfn2-xtb"},
    {
        "labelling": {"method": "HF", "basis": "sto-3g"},
        "train": 40,
        "test": 16,
        "fitting": {"degree": 1, "validation_fraction": 0.2},
    },
]
TITLES = ["GFN2-xTB", "HF/sto-3g minus GFN2-xTB"]
TRAINED, TESTED = 120, 40


def levelled(gradient_weight: float = 0.1) -> Recipe:
    """Return the tiny recipe with two levels."""
    values = tiny().model_dump(mode="json", exclude_none=True)
    values.pop("labelling")
    values["selection"] |= {"train": TRAINED, "test": TESTED}
    values["fitting"] |= {"degree": 2, "starts": 1, "max_iterations": 5, "gradient_weight": gradient_weight}
    return Recipe.model_validate(values | {"levels": LEVELS})


def filled(folder: Path, recipe: Recipe, gradients: bool = False) -> tuple[Store, str]:
    """Return a store with the datasets of both levels, energies of surfaces, and the key of the last."""
    store, nmer = Store(folder, create=True), recipe.build_nmer()
    count = TRAINED + TESTED
    positions = shaken(count, 3)
    split = np.array([TRAIN] * TRAINED + [TEST] * TESTED)
    level = np.zeros(count, dtype=np.int64)
    level[:40] = level[TRAINED : TRAINED + 16] = 1
    numbers = np.arange(count)
    pool = Pool(
        positions=positions,
        temperature=np.where(numbers % 2 == 0, 300.0, 500.0),
        window=numbers % 2,
        seed=numbers,
        energy=np.zeros(count),
        com_distance=np.full(count, 3.6),
        cvs=np.zeros((count, 1)),
        cv_names=("distance 0-5",),
        source=np.zeros(count, dtype=np.int64),
        sources=("pbmetad ff14SB",),
    )

    def add(kind: str, key: str, columns: Any, inputs: list[Version], **facts: Any) -> Version:
        return store.add(
            kind,
            recipe.name,
            key,
            columns=columns,
            recipe=expanded_toml(recipe),
            inputs=inputs,
            engines={},
            facts=facts,
        )

    with store.writing():
        first = add("pool", pool_key(recipe), pool_columns(pool), [])
        chosen = Selection(positions, split, numbers, level)
        selection = add("selection", selection_key(recipe), selection_columns(chosen), [first])
        made = list[Version]()
        for number, surface in enumerate((charged, above)):
            here = np.flatnonzero(level >= number)
            energy, gradient = surface(positions[here])
            ids = configuration_ids(nmer, positions[here])
            nothing = np.full(len(here), np.nan)
            dataset = Dataset(
                positions[here],
                split[here],
                energy,
                energy[:, None],
                ("AB",),
                nothing,
                nothing,
                np.full(len(here), 0.5 if number == 0 else 90.0),
                ids,
                nothing,
                gradient if gradients else None,
            )
            lower = [version.key for version in made]
            key = dataset_key(recipe, list(ids), selection.key, number, lower)
            facts = {
                "protocol": recipe.levels[number].title,
                "level": number,
                "levels": lower,
                "labels": len(here),
            }
            made.append(add("dataset", key, dataset_columns(dataset), [selection, *made], **facts))
    return store, made[-1].key


def here(function: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """Call a function on this machine, as the flow's compute does."""
    return function(*arguments, **more)


def fitted(store: Store, plan: Plan, key: str) -> Version:
    with store.writing():
        return store.get("potential", fitting_task.fn(plan, store.path, key, here))


@pytest.mark.parametrize("gradients", [False, True])
def test_a_chain_of_datasets_becomes_one_potential(tmp_path: Path, gradients: bool) -> None:
    recipe = levelled()
    store, key = filled(tmp_path / "store", recipe, gradients)
    plan = resolve(recipe, store)
    version = fitted(store, plan, key)
    potential = store.potential(version.ref)
    labels = dataset_from_version(store.get("dataset", key))
    facts = version.attributes()["facts"]
    low, high = facts["levels"]
    assert [one["title"] for one in (low, high)] == ["GFN2-xTB", "HF/sto-3g"]
    assert [(one["train"], one["test"]) for one in (low, high)] == [(TRAINED, TESTED), (40, 16)]
    assert [one["cpu_seconds"] for one in (low, high)] == [0.5 * (TRAINED + TESTED), 90.0 * 56]
    assert all((one["train_gradient_rmsd"] is not None) == gradients for one in (low, high))
    assert all((one["test_gradient_rmsd"] is not None) == gradients for one in (low, high))
    shares = version.column("level_coefficients")
    np.testing.assert_allclose(shares.sum(axis=0), potential.coefficients, atol=1e-12)
    assert shares.shape == (2, 82) and (np.count_nonzero(shares, axis=1) == [82, 6]).all()
    # the parts, as they are in the sum, have the errors that the facts say
    parts = [replace(potential, coefficients=one, ensemble=None) for one in shares]
    test = labels.part(TEST)
    difference = test.energy - charged(test.positions)[0]
    error = np.asarray(parts[1].energy(test.positions)) - difference
    assert high["test_rmsd"] == pytest.approx(np.sqrt(np.mean(error**2)))
    pool = store.resolve(f"pool:{recipe.name}@latest").column("positions")
    outer = np.asarray(parts[0].energy(pool[TRAINED:])) - charged(pool[TRAINED:])[0]
    assert low["test_rmsd"] == pytest.approx(np.sqrt(np.mean(outer**2)))
    # and the sum is nearer to the last level than a fit to its labels alone
    alone = fit_potential(
        recipe.build_nmer(),
        labels.part(TRAIN).positions,
        labels.part(TRAIN).energy,
        recipe.fitting,
        gradient=labels.part(TRAIN).gradient,
    ).potential
    rmsd = [
        np.sqrt(np.mean((np.asarray(p.energy(test.positions)) - test.energy) ** 2)) for p in (potential, alone)
    ]
    assert rmsd[0] < rmsd[1]
    assert fitted(store, plan, key).number == version.number  # the key is found: nothing is fitted twice


def test_show_has_a_row_for_each_level(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = levelled()
    store, key = filled(tmp_path / "store", recipe)
    version = fitted(store, resolve(recipe, store), key)
    code, out, _ = call(capsys, "show", version.ref, "--store", store.path)
    rows = {line.split("  ")[0]: line.split()[-9:] for line in out.splitlines() if line.startswith(("GFN2", "HF"))}
    assert code == 0 and out.startswith("Potential tiny-water@1") and list(rows) == TITLES
    low, high = version.attributes()["facts"]["levels"]
    assert rows[TITLES[0]][-8:-5] == ["120", "40", "0.02"] and rows[TITLES[1]][-8:-5] == ["40", "16", "1.40"]
    assert [rows[title][-1] for title in TITLES] == [f"{one['test_rmsd']:.4f}" for one in (low, high)]
    assert all(f"note: {warning}" in out for warning in version.attributes()["facts"]["warnings"])
    code, out, _ = call(capsys, "show", version.ref, "--store", store.path, "--json")
    assert [level["what"] for level in json.loads(out)["levels"]] == TITLES
    code, _, err = call(capsys, "show", f"dataset:{recipe.name}@1", "--store", store.path)
    assert code == 2 and "is a dataset; allowed: a potential, such as NAME@NUMBER, or a recipe" in err
    code, _, err = call(capsys, "show", version.ref, "--cvs", "--store", store.path)
    assert code == 2 and "--cvs and --force-field are of recipes" in err


def test_the_learning_curve_is_of_the_last_levels_labels(tmp_path: Path) -> None:
    recipe = levelled()
    store, key = filled(tmp_path / "store", recipe, gradients=True)
    version = fitted(store, resolve(recipe, store), key)
    curve = learning_curve(store, version)
    assert [point.configurations for point in curve] == [5, 10, 20, 40]
    labels, potential = dataset_from_version(store.get("dataset", key)), store.potential(version.ref)
    error = np.asarray(potential.energy(labels.positions)) - labels.energy
    for part, found in ((TRAIN, curve[-1].train), (TEST, curve[-1].test)):
        assert found.rmsd == pytest.approx(np.sqrt(np.mean(error[labels.split == part] ** 2)), rel=1e-6)


def dataset(energy: Floats, ids: tuple[str, ...], split: int = TRAIN) -> Dataset:
    nothing = np.full(len(ids), np.nan)
    return Dataset(
        np.arange(3.0 * len(ids)).reshape(len(ids), 1, 3),
        np.full(len(ids), split),
        energy,
        energy[:, None],
        ("E",),
        nothing,
        nothing,
        nothing,
        ids,
        nothing,
    )


def test_a_label_that_the_level_below_lacks_is_left_out_of_the_difference() -> None:
    lower = dataset(np.array([1.0, 2.0, 3.0, 4.0]), ("a", "b", "c", "d"))
    upper = dataset(np.array([30.0, 10.0, 50.0]), ("c", "a", "x"))
    steps = steps_of(["low", "high"], [lower, upper])
    assert steps[0].warning == "" and steps[1].missing == 1
    assert steps[1].warning.startswith("level high: 1 of its 3 labels are not fitted, because the level below")
    data = steps[1].data(TRAIN, levelled().fitting)
    assert data.below is not None
    np.testing.assert_array_equal(data.energy, [30.0, 10.0])
    np.testing.assert_array_equal(data.below, [3.0, 1.0])
    with pytest.raises(
        StageError, match="level high has 1 training labels at configurations that the level below"
    ):
        steps_of(["low", "high"], [lower, dataset(np.array([1.0, 2.0]), ("c", "x"))])
