"""A small store with a whole family, made without engines: real keys, ids, and ledger; energies of no meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from potentials.nmers.switching import Switching
from potentials.pip.potential import Potential
from potentials.units import HARTREE
from recipes.load import expanded_toml, recipe_of_text
from recipes.schema.recipe import Recipe
from storage.configuration import configuration_ids, protocol_id, protocol_settings
from storage.contents import (
    dataset_columns,
    pool_columns,
    potential_columns,
    potential_facts,
    selection_columns,
)
from storage.keys import dataset_key, pool_key, potential_key, selection_key, validation_key
from storage.ledger import Ledger
from storage.records import TEST, TRAIN, Dataset, Pool, Selection
from storage.spool import SpoolWriter
from storage.store import Store
from storage.version import Column, Version
from tests.conftest import TINY

PARTS = ("AB", "A in AB", "B in AB")
FACTORS = {"AB": 1, "A in AB": -1, "B in AB": -1}
PROGRAMS = {"pyscf": "2.14.0"}
FRAMES = 40


def tiny(**sections: dict[str, Any]) -> Recipe:
    """Return the tiny recipe with other values in some sections."""
    values = recipe_of_text(TINY).model_dump(mode="json", exclude_none=True)
    for name, changes in sections.items():
        values[name] = values[name] | changes
    return Recipe.model_validate(values)


def family(folder: Path, recipe: Recipe | None = None, passed: bool = True) -> Store:
    """Make every version of a recipe that a store lacks; labels that the ledger has are not made again."""
    recipe, store = recipe or tiny(), Store(folder, create=True)
    with store.writing():
        pool = pool_of(store, recipe)
        selection = _selection(store, recipe, pool)
        dataset = _dataset(store, recipe, selection)
        potential = _potential(store, recipe, dataset)
        _verdict(store, recipe, potential, dataset, passed)
    return store


def two_potentials(folder: Path) -> Store:
    """Make a store with two potentials, each with its verdict, of one dataset."""
    family(folder)
    return family(folder, tiny(fitting={"gamma": 0.01}))


def _add(
    store: Store, kind: str, recipe: Recipe, key: str, columns: Any, inputs: list[Version], **facts: Any
) -> Version:
    return store.add(
        kind,
        recipe.name,
        key,
        columns=columns,
        recipe=expanded_toml(recipe),
        inputs=inputs,
        engines={"nmer": "0.1.0", **(PROGRAMS if kind == "dataset" else {})},
        facts=facts,
    )


def pool_of(store: Store, recipe: Recipe) -> Version:
    """Add a recipe's pool, its frames drawn at random."""
    rng, nmer = np.random.default_rng(recipe.sampling.seed), recipe.build_nmer()
    walker = np.repeat(np.arange(4), FRAMES // 4)
    pool = Pool(
        positions=nmer.positions + rng.normal(scale=0.05, size=(FRAMES, nmer.natoms, 3)),
        temperature=np.array([300.0, 500.0])[walker % 2],
        window=walker // 2,
        seed=2025 + walker,
        energy=rng.normal(size=FRAMES),
        com_distance=np.full(FRAMES, 3.6),
        cvs=rng.normal(size=(FRAMES, 2)),
        cv_names=("distance 0-5", "angle 1-0-2"),
        source=np.zeros(FRAMES, dtype=np.int64),
        sources=("pbmetad ff14SB",),
    )
    return _add(store, "pool", recipe, pool_key(recipe), pool_columns(pool), [], frames=FRAMES, walkers=4)


def _selection(store: Store, recipe: Recipe, pool: Version) -> Version:
    train, test = recipe.selection.train, recipe.selection.test
    frame = np.arange(train + test)[::-1].copy()
    split = np.array([TRAIN] * train + [TEST] * test)
    columns = selection_columns(Selection(pool.column("positions")[frame], split, frame))
    return _add(store, "selection", recipe, selection_key(recipe), columns, [pool], train=train, test=test)


def _dataset(store: Store, recipe: Recipe, selection: Version) -> Version:
    positions, protocol = selection.column("positions"), protocol_id(recipe.labelling, PROGRAMS)
    ids = configuration_ids(recipe.build_nmer(), positions)
    with Ledger.open(store.labels) as ledger:
        ledger.record_protocol(protocol, protocol_settings(recipe.labelling, PROGRAMS))
        known = np.isfinite(ledger.arrays(ids, protocol, PARTS).energies).all(axis=1)
    with SpoolWriter(store.labels / "spool") as spool:
        for n in np.flatnonzero(~known):
            rng = np.random.default_rng(int(ids[n][:8], 16) + int(protocol[:8], 16))
            spool.extend(_entry(ids[n], protocol, part, rng) for part in PARTS)
    with Ledger.open(store.labels) as ledger:
        found = ledger.arrays(ids, protocol, PARTS)
    energy = HARTREE * (found.energies @ np.array(list(FACTORS.values()), dtype=np.float64))
    arrays = {"t1": found.t1, "t2": found.t2, "d1": found.d1, "cpu_seconds": found.cpu_seconds}
    dataset = Dataset(positions, selection.column("split"), energy, found.energies, PARTS, ids=ids, **arrays)
    key = dataset_key(recipe, [f"{i}:{protocol}" for i in ids])
    facts = {
        "protocol": recipe.labelling.level,
        "protocol_id": protocol,
        "labels": len(ids),
        "reference_hartree": 0.0,
    }
    return _add(store, "dataset", recipe, key, dataset_columns(dataset), [selection], **facts)


def _entry(configuration: str, protocol: str, part: str, rng: np.random.Generator) -> dict[str, Any]:
    total = {"AB": -116.2, "A in AB": -40.0, "B in AB": -76.2}[part]
    return {
        "configuration": configuration,
        "protocol": protocol,
        "part": part,
        "status": "ok",
        "energy": total + 0.001 * rng.normal(),
        "t1": 0.01 * rng.random(),
        "cpu_seconds": 1.25,
        "finished": 1.7e9,
        "host": "node7",
        "details": {"electrons": 10, "scf_converged": True},
    }


def _potential(store: Store, recipe: Recipe, dataset: Version) -> Version:
    section, rng = recipe.fitting, np.random.default_rng(recipe.fitting.seed)
    basis, switching = section.build_basis(recipe.build_nmer()), section.switching
    assert switching is not None
    potential = Potential(
        recipe.build_nmer(),
        section.degree,
        section.terms,
        np.linspace(0.6, 1.4, len(basis.pair_names)),
        rng.normal(size=basis.n_terms),
        Switching(switching.atoms, switching.r_in, switching.r_out),
    )
    facts = potential_facts(potential, recipe.nmer) | {"warnings": []}
    key = potential_key(recipe, dataset.key)
    version = _add(store, "potential", recipe, key, potential_columns(potential), [dataset], **facts)
    store.report(version).mkdir(parents=True, exist_ok=True)
    (store.report(version) / "report.html").write_text("<p>a report")
    return version


def _verdict(store: Store, recipe: Recipe, potential: Version, dataset: Version, passed: bool) -> Version:
    model = store.potential(potential.ref)
    predicted = np.asarray(model.energy(dataset.column("positions")))
    facts: dict[str, Any] = {"passed": passed, "by_energy": []}
    for name, part in (("train", TRAIN), ("test", TEST)):
        error = (predicted - dataset.column("energy"))[dataset.column("split") == part]
        rmsd, size = float(np.sqrt(np.mean(error**2))), np.abs(error)
        facts[name] = {"count": len(error), "rmsd": rmsd, "mae": float(size.mean()), "largest": float(size.max())}
    facts["by_energy"] = [{"low": 0.0, "high": None, **facts["test"]}]
    facts["gates"] = [
        {"name": "test_rmsd", "meaning": "RMSD", "value": facts["test"]["rmsd"], "limit": 50.0, "passed": passed}
    ]
    columns = {"predicted": Column(predicted, "kcal/mol", "n-body energy of each configuration")}
    key = validation_key(recipe, potential.key)
    return _add(store, "validation", recipe, key, columns, [potential, dataset], **facts)
