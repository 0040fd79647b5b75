"""A turn on the pool of one potential with real labels: what it adds, judges, records, and computes only once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError
from storage.contents import dataset_from_version, potential_from_version, selection_from_version
from storage.ledger import Ledger
from storage.level_datasets import datasets_of_levels
from storage.origins import strata
from storage.store import Store
from storage.turns import turn_of
from storage.verify.versions import recomputed_key
from storage.version import Version
from tasks.fitting.refit import refit_potential
from tasks.fitting.task import fitting_task
from tasks.improving.labels import Order, here
from tasks.improving.loop import improve
from tasks.improving.record import read_judged, read_turns
from tasks.improving.refitted import refitted
from tasks.improving.report import draw, rows_of, rows_of_nmers
from tasks.improving.settings import ImproveSettings
from tasks.improving.sources import PoolSource
from tasks.improving.training import Training, training_of
from tasks.improving.turn import Means, run_turn
from tasks.labelling.task import labelling_task
from tasks.plan import resolve
from tests.tasks.improving.pool import here as compute
from tests.tasks.improving.pool import improvable_store, no_cluster

SETTINGS = ImproveSettings(picks=30, judged=20, among=300, seed=1)


class Here:
    """Computes everything in this process, and counts it; it can be killed at a point."""

    def __init__(self, store: Store, die_at: str = "") -> None:
        self.store, self.die_at = store, die_at
        self.labels = self.fits = 0
        self.judged: list[str] = []

    def means(self) -> Means:
        return Means(self.label, self.train, self.validate)

    def label(self, store: Store, orders: list[Order], told: object) -> None:
        self.labels += sum(order.missing(store.labels) for order in orders)
        here(store, orders)
        self.point("labels")

    def train(self, training: Training, selection: Version, refit: str) -> Version:
        plan = replace(resolve(training.recipe, self.store), selection=selection.key)
        with self.store.writing():
            dataset = labelling_task.fn(plan, self.store.path, no_cluster)
        before = len(self.store.versions("potential"))
        with self.store.writing():
            if refit == "full":
                found = self.store.get("potential", fitting_task.fn(plan, self.store.path, dataset, compute))
            else:
                found = refitted(self.store, training, self.store.get("dataset", dataset))
        self.fits += len(self.store.versions("potential")) - before
        self.point("fit")
        return found

    def validate(self, version: Version) -> None:
        self.judged.append(version.ref)

    def point(self, name: str) -> None:
        if name == self.die_at:
            self.die_at = ""
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def improved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Version, Here]:
    store, potential = improvable_store(tmp_path_factory.mktemp("improve") / "store")
    worker = Here(store)
    run_turn(store, PoolSource.of(potential.ref, store), SETTINGS, worker.means())
    return store, potential, worker


def test_a_turn_lowers_the_error_and_says_so(improved: tuple[Store, Version, Here]) -> None:
    store, _, worker = improved
    (turn,) = read_turns(store, "ch3")
    (row,) = turn.facts["nmers"]
    assert turn.kept and row["accepted"] and turn.accepted == ["ch3@2"]
    assert turn.facts["own"]["after"] < 0.95 * turn.facts["own"]["before"]
    assert row["kept_picks"] == row["picked"] == 30 and worker.fits == 1 and worker.labels == 50
    assert "own sampling pool" in turn.facts["claim"] and turn.facts["seconds"]["labels"] > 0
    judged = read_judged(turn.version, "ch3")
    assert judged is not None
    new = potential_from_version(store.resolve("ch3@2"), "candidate")
    np.testing.assert_allclose(new.energy(judged.positions), judged.after, atol=1e-9)
    usable = judged.label <= row["top"] + SETTINGS.margin
    error = np.sqrt(np.mean((judged.after - judged.label)[usable] ** 2))
    assert turn.facts["own"]["after"] == pytest.approx(error)


def test_picks_are_inside_not_judged_and_not_too_high(improved: tuple[Store, Version, Here]) -> None:
    store, potential, _ = improved
    selection = store.resolve("selection:ch3@2")
    turn, positions = turn_of(selection), selection.column("positions")
    old = potential_from_version(potential, "candidate")
    picks = positions[turn == 1]
    assert len(picks) == 30 and not np.asarray(old.extrapolates(picks)).any()
    judged = read_judged(read_turns(store, "ch3")[0].version, "ch3")
    assert judged is not None
    seen = {place.tobytes() for place in judged.positions} | {place.tobytes() for place in positions[turn == 0]}
    assert not seen & {place.tobytes() for place in picks}
    data = dataset_from_version(store.resolve("dataset:ch3@2"))
    training = training_of(store, potential)
    assert isinstance(training, Training) and data.energy[data.split == 0].max() <= training.top + SETTINGS.margin
    np.testing.assert_array_equal(data.part(1).positions, training.tests)  # the test set stays what it was


def test_the_selection_has_its_lineage_and_keys_follow_from_it(improved: tuple[Store, Version, Here]) -> None:
    store, _, _ = improved
    for ref in ("selection:ch3@2", "dataset:ch3@2", "ch3@2", "turn:ch3@1"):
        version = store.resolve(ref)
        assert recomputed_key(version) == (version.key, ""), ref
    selection = store.resolve("selection:ch3@2")
    assert [i["ref"] for i in selection.attributes()["inputs"]] == ["selection:ch3@1", "pool:ch3@1"]
    found = strata(store, store.resolve("dataset:ch3@2"))
    assert (
        found is not None and set(found[:, 0]) <= {300.0, 700.0} and len(selection_from_version(selection)) == 120
    )


def test_a_trial_is_not_the_newest_before_its_verdict(improved: tuple[Store, Version, Here]) -> None:
    store, potential, _ = improved
    assert [v.ref for v in store.versions("potential", "ch3")] == ["ch3@1", "ch3@2"]
    assert store.resolve("ch3@latest") == potential and store.current("ch3") == [potential]
    assert store.resolve("ch3@2").number == 2


def test_a_turn_that_was_stopped_computes_nothing_twice(tmp_path: Path) -> None:
    store, potential = improvable_store(tmp_path / "store")
    source, worker = PoolSource.of(potential.ref, store), Here(store, "labels")
    with pytest.raises(KeyboardInterrupt):
        run_turn(store, source, SETTINGS, worker.means(), core_hours=1.0)
    worker.die_at = "fit"
    with pytest.raises(KeyboardInterrupt):
        run_turn(store, source, SETTINGS, worker.means(), core_hours=1.0)
    turn = run_turn(store, source, SETTINGS, worker.means(), core_hours=1.0)
    assert worker.labels == 50 and worker.fits == 1 and turn.kept
    assert len(store.versions("selection", "ch3")) == len(store.versions("dataset", "ch3")) == 2
    with Ledger.read(store.labels) as ledger:
        ids = store.resolve("dataset:ch3@2").column("ids").tolist()
        assert len(ids) == len(set(ids)) and ledger.hosts(ids, turn_protocol(store))


def turn_protocol(store: Store) -> str:
    return str(store.resolve("dataset:ch3@2").attributes()["facts"]["protocol_id"])


def test_turns_go_on_until_there_are_enough_and_a_budget_holds_them(tmp_path: Path) -> None:
    store, potential = improvable_store(tmp_path / "store")
    source, worker = PoolSource.of(potential.ref, store), Here(store)
    few = improve(store, source, SETTINGS, worker.means(), 2, core_hours=1e-9)
    assert few.new == 1 and few.turns[0].facts["picked"] == 0 and not few.turns[0].kept
    assert worker.labels == 0 and "core-hours were spent" in few.stopped
    again = improve(store, source, SETTINGS, worker.means(), 2)
    assert again.new == 1 and worker.fits == 1 and worker.labels == 50 and worker.judged == again.turns[1].accepted
    assert "asked for: 2" in again.stopped
    assert improve(store, source, SETTINGS, worker.means(), 2).new == 0
    plots = draw("ch3", again.turns)
    assert (
        [row["turn"] for row in rows_of(again.turns)] == [1, 2] == [r["turn"] for r in rows_of_nmers(again.turns)]
    )
    assert all(plot.png.startswith(b"\x89PNG") and len(plot.csv.splitlines()) == 3 for plot in plots)


@pytest.mark.slow
def test_picks_are_labelled_by_every_level_in_proportion(tmp_path: Path) -> None:
    store, potential = improvable_store(tmp_path / "store", levels=True)
    source, worker = PoolSource.of(potential.ref, store), Here(store)
    turn = run_turn(store, source, SETTINGS.model_copy(update={"picks": 20}), worker.means())
    (row,) = turn.facts["nmers"]
    assert row["labels"] == [20, 4] and row["own"]["count"] <= 10  # 12 of 60; judged by the last level
    assert worker.labels == 20 + 4 + 10
    chain = datasets_of_levels(store, store.resolve("dataset:ch3@4"))
    assert [version.length("ids") for version in chain] == [60 + 30 + 20, 12 + 6 + 4]
    judged = read_judged(turn.version, "ch3")
    assert judged is not None and np.isfinite(judged.label).all()
    new = potential_from_version(store.resolve(row["trial"]), "candidate")
    np.testing.assert_allclose(new.energy(judged.positions), judged.after, atol=1e-9)
    assert np.median(np.abs(judged.before - judged.label)) < 5.0  # of one level: their zeros are the same
    assert recomputed_key(store.resolve("selection:ch3@2")) == (store.resolve("selection:ch3@2").key, "")


def test_a_refit_to_the_same_data_is_the_fit_itself(improved: tuple[Store, Version, Here]) -> None:
    store, potential, _ = improved
    training = training_of(store, potential)
    assert isinstance(training, Training)
    before, data = potential_from_version(potential, "candidate"), training.data.part(0)
    again = refit_potential(before, data.positions, data.energy, training.recipe.fitting)
    np.testing.assert_allclose(again.potential.energy(data.positions), before.energy(data.positions), atol=1e-6)
    assert again.sigma == pytest.approx(potential.attributes()["facts"]["sigma"], rel=1e-3)
    np.testing.assert_allclose(again.potential.ranges, before.ranges)


def test_what_cannot_be_improved_is_said(improved: tuple[Store, Version, Here]) -> None:
    store, potential, _ = improved
    with pytest.raises(InputError, match="is a dataset; allowed: a family"):
        PoolSource.of("dataset:ch3@1", store)
    with pytest.raises(InputError, match="is not the newest potential of its n-mer; allowed: ch3@1"):
        PoolSource.of("ch3@2", store)
    training = training_of(store, potential)
    assert isinstance(training, Training)
