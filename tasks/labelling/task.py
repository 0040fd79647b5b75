"""The labelling stage as a Prefect task: key of the selection in, key of the dataset out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from distributed import Client
from prefect import task
from prefect.cache_policies import NO_CACHE

from potentials.arrays import Floats
from potentials.errors import StoppedError
from potentials.nmers.nmer import NMer
from recipes.load import expanded_toml
from recipes.schema.recipe import Recipe
from storage.contents import dataset_columns, selection_from_version
from storage.ledger import Ledger
from storage.records import Selection
from storage.store import Store
from storage.version import Version, package_versions
from tasks.labelling.calibrate import expected_cost, label_costs
from tasks.labelling.collect import FAILURES, MISSING, USABLE, LabelTable, collect_labels
from tasks.labelling.dataset import freeze, key_of
from tasks.labelling.derive import derive_labels
from tasks.labelling.execution.dispatch import label_configurations, scratch_folder, work_left
from tasks.labelling.execution.runner import Limits
from tasks.labelling.protocol import Protocol
from tasks.labelling.reference import MoleculeLabels, reference_energy
from tasks.plan import LevelPlan, Plan
from tasks.progress import ProgressLine


@task(name="labelling", cache_policy=NO_CACHE)
def labelling_task(plan: Plan, store_path: Path, scheduler: Callable[[], str]) -> str:
    """Label a recipe's configurations, freeze the usable labels into a dataset, and return its key.

    With levels the last, most expensive one is labelled first, so that what its labels hold of the levels below is
    not computed again. Each level has a dataset of its own; the key is that of the last one's.

    Parameters
    ----------
    plan
        The recipe's plan.
    store_path
        Folder of the store, whose writer lock the caller holds.
    scheduler
        Returns the address of the Dask scheduler that runs the labels; called only when there is work.
    """
    store = Store(store_path)
    source = store.get("selection", plan.selection)
    selection = selection_from_version(source)
    tables: dict[int, LabelTable] = {}
    for number in reversed(range(len(plan.levels))):
        tables[number] = _labelled(plan, number, store, selection.of_level(number), scheduler)
    made: list[Version] = []
    for number in range(len(plan.levels)):
        labels = _Labels(number, selection.of_level(number), tables[number])
        made.append(_frozen(plan, labels, store, source, made, scheduler))
    return made[-1].key


@dataclass(frozen=True)
class _Labels:
    """The labels of one level.

    Attributes
    ----------
    number
        Which level, from 0.
    selection
        Its configurations.
    table
        Their labels.
    """

    number: int
    selection: Selection
    table: LabelTable


def _labelled(
    plan: Plan, number: int, store: Store, selection: Selection, scheduler: Callable[[], str]
) -> LabelTable:
    """Return the labels of a level's configurations; those that the ledger lacks are computed.

    Raises
    ------
    StoppedError
        If labels were not computed.
    """
    recipe, level = plan.recipe, plan.levels[number]
    protocol = level.labels()
    of_level = f" of {level.title}" if recipe.levels else ""
    with Ledger.open(store.labels) as ledger:  # adds what killed workers left in the spool
        if recipe.levels:
            holders = [above.labels() for above in plan.levels[number + 1 :]]
            derive_labels(ledger, protocol, selection.positions, holders)
        table = collect_labels(protocol, selection.positions, ledger)
        work = _is_work_left(recipe, table, protocol, ledger)
    if work:
        with (
            Client(scheduler()) as client,
            ProgressLine("labelling", len(selection), f"labels{of_level}") as progress,
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
        raise StoppedError(
            f"labelling: {missing} of {len(table)} labels{of_level} were not computed; see the logs"
        )
    return table


def _frozen(
    plan: Plan,
    labels: _Labels,
    store: Store,
    source: Version,
    below: Sequence[Version],
    scheduler: Callable[[], str],
) -> Version:
    """Return the dataset of a level's usable labels; it is made unless the store has it.

    Parameters
    ----------
    plan
        The recipe's plan.
    labels
        The labels of the level.
    store
        The store.
    source
        The selection's version.
    below
        The datasets of the levels before it.
    scheduler
        As `labelling_task` takes it.
    """
    recipe, table, level = plan.recipe, labels.table, plan.levels[labels.number]
    protocol, lower = level.labels(), [one.key for one in below]
    key = key_of(recipe, table, protocol.id, plan.selection, bool(level.references), labels.number, lower)
    if (found := store.find("dataset", key, recipe.name)) is not None:
        return found
    reference = _reference(plan, level, store, scheduler)
    dataset = freeze(labels.selection, table, reference, level.title if recipe.levels else "")
    with Ledger.read(store.labels) as ledger:
        expected = expected_cost(plan.nmer, level.labelling, ledger, excluded=table.ids)
    return store.add(
        "dataset",
        recipe.name,
        key,
        columns=dataset_columns(dataset),
        recipe=expanded_toml(recipe),
        inputs=[source, *below],
        engines=package_versions("nmer") | dict(protocol.versions),
        facts={
            "protocol": level.title,
            "protocol_id": protocol.id,
            "labels": len(dataset),
            "reference_hartree": reference,
            "cpu_seconds": round(float(dataset.cpu_seconds.sum()), 1),
            **{f"{s.replace('-', '_')}_labels": n for s, n in Counter(table.status).items() if s != USABLE},
            "flagged_kept": table.keep_flagged,
            "cost": label_costs(table, expected),
            **extended_version(store, recipe.name, protocol.id, dataset.ids),
            **({"level": labels.number, "levels": lower} if recipe.levels else {}),
        },
    )


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


def _reference(plan: Plan, level: LevelPlan, store: Store, scheduler: Callable[[], str]) -> float:
    """Return the reference energy of a level, hartree; computed unless an earlier run has."""
    recipe, protocol = plan.recipe, level.labels()
    known = reference_energy(protocol, level.references, store.labels)
    if known is not None:
        return known
    scratch = scratch_folder(recipe.resources, store.path)
    count, of_level = len(level.references), f" of {level.title}" if recipe.levels else ""
    with Client(scheduler()) as client, ProgressLine("reference", count, f"minima{of_level}") as progress:
        begun: list[str] = []

        def label(molecule: NMer, positions: Floats) -> MoleculeLabels:
            if molecule.name not in begun:
                begun.append(molecule.name)
            progress.update(len(begun) - 1)
            mine = protocol.of(molecule)
            label_configurations(mine, positions, recipe.resources, store.labels, client, None, scratch)
            with Ledger.read(store.labels) as ledger:
                table = collect_labels(mine, positions, ledger)
            return MoleculeLabels.of(table)

        found = reference_energy(protocol, level.references, store.labels, label)
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
