"""A sum is released if its n-mers are and every gate passed on exactly its potentials, and says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nmer
from potentials.evaluation import Contribution
from recipes.families import TRIALS, Trial
from storage.store import Store
from tasks.checks.interface import chosen_checks
from tasks.checks.run import run_check, run_checks
from tasks.checks.settings import options_of
from tasks.checks.status import SumStatus, status_of_sum
from tasks.checks.subject import Subject
from tests.tasks.checks.plugins import plug, registry
from tests.tasks.checks.smoke import smoke_store

__all__ = ["registry"]

pytestmark = pytest.mark.usefixtures("registry")
NEVER = "candidate: its gates were not run on these potentials; see nmer check polyalanine"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setitem(TRIALS, "polyalanine", Trial(("AceAlaNme", "AceAla2Nme")))  # the others take longer
    return smoke_store(tmp_path / "store")


def status(store: Store, molecule: str = "AceAlaNme", **more: object) -> SumStatus:
    model = nmer.sum_potential(molecule, family="polyalanine", store=store.path, **more)  # type: ignore[arg-type]
    found = status_of_sum(model, store)
    assert model.remarks[-1] == found.sentence
    return found


def check(store: Store, *molecules: str, quick: bool = False) -> Subject:
    subject = Subject.of_family("polyalanine", store, molecules).pinned()
    chosen = chosen_checks()
    list(run_checks(subject, chosen, {one.name: options_of(one, quick=quick) for one in chosen}))
    return subject


def test_a_sum_is_released_by_the_gates_of_its_family(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, tmp_path / "plugins")
    assert status(store).sentence == NEVER
    check(store, quick=True)
    shorter = "measured of polyalanine with other options than the default: spread (passed)"
    assert status(store).sentence == f"candidate: {shorter}; see nmer check polyalanine"
    subject = check(store)
    assert subject.whole and subject.status().status == "released"
    for molecule in ("AceAlaNme", "AceAla2Nme"):
        found = status(store, molecule)
        assert found.sentence == "released: all of its n-mers are, and all gates of polyalanine passed"
    assert status(store, potentials={"ch": "ch@1"}, newest=True).status == "released"


def test_a_gate_that_failed_or_was_not_measured_keeps_a_candidate(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, tmp_path / "plugins", name="first", limit=-1e9)
    plug(monkeypatch, tmp_path / "plugins", name="second", why="it is too large")
    plug(monkeypatch, tmp_path / "plugins", name="third")
    plug(monkeypatch, tmp_path / "plugins", name="fourth", gate=False, limit=None, why="it is no gate")
    check(store)
    found = status(store)
    assert found.why[:2] == ("gates of polyalanine failed: first", "not measured of polyalanine: second")
    assert found.status == "candidate" and "see nmer check polyalanine" in found.sentence


def test_gates_on_one_molecule_release_its_sum_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, tmp_path / "plugins")
    assert not check(store, "AceAlaNme").whole
    assert status(store).status == "released"
    assert status(store, "AceAla2Nme").sentence == NEVER


def test_a_new_version_and_another_energy_are_not_released(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, tmp_path / "plugins")
    check(store)
    model = nmer.sum_potential("AceAlaNme", family="polyalanine", store=store.path)
    other: Contribution = model.physics[0]
    more = nmer.sum_potential("AceAlaNme", store=store.path, newest=True, contributions=[Field(other)])
    assert status_of_sum(more, store).sentence == NEVER
    wrong = replace(model.potentials["ch"], coefficients=2.0 * model.potentials["ch"].coefficients)  # type: ignore[type-var, attr-defined]
    changed = nmer.sum_potential("AceAlaNme", {**model.potentials, "ch": wrong}, store=store.path)  # type: ignore[dict-item]
    assert "ch is called ch@1 and is not that of the store" in status_of_sum(changed, store).sentence
    assert status_of_sum(model, tmp_path / "none").status == "candidate"
    for folder in ("ch-conh", "conh"):
        (validation,) = (store.path / "validations" / folder).glob("*.h5")
        validation.unlink()
    expected = "candidate: not released are the n-mers conh, ch-conh; see nmer check polyalanine"
    assert status(Store(store.path)).sentence == expected


class Field:
    """An energy that was not in the sums that the gates measured."""

    def __init__(self, like: Contribution) -> None:
        self.symbols = like.symbols

    def energy_and_gradient(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gradient = np.zeros_like(positions)
        gradient[:, :, 2] = 0.1
        return 0.1 * positions[:, :, 2].sum(axis=1), gradient


def test_one_check_alone_is_no_verdict_while_there_are_others(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, tmp_path / "plugins", name="first")
    plug(monkeypatch, tmp_path / "plugins", name="second")
    subject = Subject.of_family("polyalanine", store).pinned()
    run_check(chosen_checks(["first"])[0], subject)
    assert status(store).why[0] == "not measured of polyalanine: second"
    run_check(chosen_checks(["second"])[0], subject)
    assert status(store).status == "released"
