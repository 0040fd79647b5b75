"""The labelling stage as a Prefect task: key of the selection in, key of the dataset out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from distributed import Client
from prefect import task
from prefect.cache_policies import NO_CACHE

from potentials.arrays import Floats
from potentials.errors import StoppedError
from potentials.nmers.nmer import NMer
from potentials.units import HARTREE
from recipes.load import expanded_toml
from recipes.schema.recipe import Recipe
from storage.contents import dataset_columns, selection_from_version
from storage.ledger import Ledger
from storage.store import Store
from storage.version import package_versions
from tasks.labelling.calibrate import expected_cost, label_costs
from tasks.labelling.collect import FAILURES, MISSING, USABLE, LabelTable, collect_labels
from tasks.labelling.dataset import freeze, key_of
from tasks.labelling.execution.dispatch import label_configurations, scratch_folder, work_left
from tasks.labelling.execution.runner import Limits
from tasks.labelling.protocol import Protocol
from tasks.labelling.reference import reference_energy
from tasks.plan import Plan
from tasks.progress import ProgressLine


@task(name="labelling", cache_policy=NO_CACHE)
def labelling_task(plan: Plan, store_path: Path, scheduler: Callable[[], str]) -> str:
    """Label a recipe's configurations, freeze the usable labels into a dataset, and return its key.

    Parameters
    ----------
    plan
        The recipe's plan.
    store_path
        Folder of the store, whose writer lock the caller holds.
    scheduler
        Returns the address of the Dask scheduler that runs the labels; called only when there is work.
    """
    recipe, store, protocol = plan.recipe, Store(store_path), plan.labels()
    source = store.get("selection", plan.selection)
    selection = selection_from_version(source)
    with Ledger.open(store.labels) as ledger:  # adds what killed workers left in the spool
        table = collect_labels(protocol, selection.positions, ledger)
        work = _is_work_left(recipe, table, protocol, ledger)
    if work:
        with (
            Client(scheduler()) as client,
            ProgressLine("labelling", len(selection), "labels") as progress,
        ):
            label_configurations(
                protocol,
                selection.positions,
                recipe.resources,
                store.labels,
                client,
                progress,
                scratch_folder(recipe.resources, store.path),
            )
        with Ledger.read(store.labels) as ledger:
            table = collect_labels(protocol, selection.positions, ledger)
    if missing := table.status.count(MISSING):
        raise StoppedError(f"labelling: {missing} of {len(table)} labels were not computed; see the logs")
    key = key_of(recipe, table, protocol.id, plan.selection, bool(plan.references))
    if store.find("dataset", key, recipe.name):
        return key
    reference = _reference(plan, store, scheduler)
    dataset = freeze(selection, table, reference)
    with Ledger.read(store.labels) as ledger:
        expected = expected_cost(plan.nmer, recipe.labelling, ledger, excluded=table.ids)
    store.add(
        "dataset",
        recipe.name,
        key,
        columns=dataset_columns(dataset),
        recipe=expanded_toml(recipe),
        inputs=[source],
        engines=package_versions("nmer") | dict(protocol.versions),
        facts={
            "protocol": recipe.labelling.level,
            "protocol_id": protocol.id,
            "labels": len(dataset),
            "reference_hartree": reference,
            "cpu_seconds": round(float(dataset.cpu_seconds.sum()), 1),
            **{f"{s.replace('-', '_')}_labels": n for s, n in Counter(table.status).items() if s != USABLE},
            "flagged_kept": table.keep_flagged,
            "cost": label_costs(table, expected),
            **extended_version(store, recipe.name, protocol.id, dataset.ids),
        },
    )
    return key


def extended_version(store: Store, nmer: str, protocol: str, ids: Sequence[str]) -> dict[str, str]:
    """Return the key of the largest earlier dataset all of whose labels a new one has, as its ``parent``."""
    found = [
        (version.length("ids"), version)
        for version in store.versions("dataset", nmer)
        if version.attributes()["facts"].get("protocol_id") == protocol
        and set(version.column("ids").tolist()) < set(ids)
    ]
    if not found:
        return {}
    return {"parent": max(found, key=lambda one: (one[0], one[1].number))[1].key}


def _reference(plan: Plan, store: Store, scheduler: Callable[[], str]) -> float:
    """Return the reference energy of the recipe, hartree; computed unless an earlier run has."""
    recipe, protocol = plan.recipe, plan.labels()
    known = reference_energy(protocol, plan.references, store.labels)
    if known is not None:
        return known
    scratch = scratch_folder(recipe.resources, store.path)
    count = len(plan.references)
    with Client(scheduler()) as client, ProgressLine("reference", count, "minima") as progress:
        begun: list[str] = []

        def label(molecule: NMer, positions: Floats) -> Floats:
            if molecule.name not in begun:
                begun.append(molecule.name)
            progress.update(len(begun) - 1)
            mine = protocol.of(molecule)
            label_configurations(mine, positions, recipe.resources, store.labels, client, None, scratch)
            with Ledger.read(store.labels) as ledger:
                table = collect_labels(mine, positions, ledger)
            return np.asarray(table.energy / HARTREE)

        found = reference_energy(protocol, plan.references, store.labels, label)
        progress.update(count)
    assert found is not None  # with a label function it is computed or an error is raised
    return found


def _is_work_left(recipe: Recipe, table: LabelTable, protocol: Protocol, ledger: Ledger) -> bool:
    """Return whether a label is missing, or may be tried again because a limit is higher now."""
    if MISSING in table.status:
        return True
    limits = Limits(recipe.resources.label_timeout, recipe.resources.label_memory)
    bad = {i for i, status in zip(table.ids, table.status, strict=True) if status in FAILURES}
    return bool(work_left(ledger, protocol, list(bad), limits)[0])
