"""Checks are measured once, stored as versions, read again as they were, and do not stop each other."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.pip.potential import Potential
from recipes.chemistry.systems import read_system
from storage.store import Store
from storage.verify.versions import check_file
from storage.version import Column
from tasks.checks.files import write_files
from tasks.checks.interface import CHECKS, Findings, Result, chosen_checks
from tasks.checks.run import expected_seconds, run_check, run_checks
from tasks.checks.settings import all_options, options_of, read_settings
from tasks.checks.stored import check_key, found_checks
from tasks.checks.subject import Subject, name_of
from tests.conftest import until
from tests.tasks.checks.plugins import plug, registry
from tests.tasks.checks.smoke import smoke_store

__all__ = ["registry"]

pytestmark = pytest.mark.usefixtures("registry")
DIPEPTIDE = ("AceAlaNme",)


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return Subject.of_family("polyalanine", smoke_store(tmp_path / "store"), DIPEPTIDE).pinned()


def columns_equal(one: Findings, other: Findings) -> bool:
    assert list(one.data) == list(other.data)
    for name, column in one.data.items():
        again = other.data[name]
        assert (column.unit, column.meaning, column.source) == (again.unit, again.meaning, again.source)
        np.testing.assert_array_equal(np.asarray(column.values), np.asarray(again.values))
        assert isinstance(column.values, tuple) == isinstance(again.values, tuple)
    return True


def test_findings_are_stored_and_read_as_they_were(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = plug(monkeypatch, tmp_path / "plugins")
    check = CHECKS.get("spread")
    told: list[tuple[int, int]] = []
    found = run_check(check, subject, told=lambda done, total: told.append((done, total)))
    raw = check.measure(subject, check.options(), lambda done, total: None)
    assert found.results == raw.results and columns_equal(raw, found)
    assert found.facts == raw.facts == {"points": 6} and found.notes == raw.notes
    assert told == [(0, 1)] and found.seconds > 0 and found.passed is True
    assert runs.read_text().count("\n") == 2
    again = run_check(check, subject)
    assert runs.read_text().count("\n") == 2, "it was measured again"
    assert again.results == found.results and again.seconds == found.seconds and columns_equal(found, again)
    (stored,) = found_checks(subject.store, subject)
    assert stored.version.ref == "check:polyalanine@1"
    assert stored.version.key == check_key(check, check.options(), subject)
    assert stored.name == "spread" and columns_equal(stored.findings, found)
    inputs = stored.version.attributes()["inputs"]
    assert {one["key"] for one in inputs} == {version.key for version in subject.versions().values()}
    assert "Braams" in stored.version.attributes()["citation"]
    pictures = write_files(check, again, tmp_path / "files")
    assert sorted(path.name for path in pictures) == [
        "spread-energies.csv",
        "spread-energies.csv",
        "spread-energies.png",
    ]
    table = next(path for path in pictures if path.parent.name == "tables").read_text().splitlines()
    assert table[0] == "molecule,energy (kcal/mol),point-number" and len(table) == 7


def test_a_store_with_checks_passes_its_verification(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, tmp_path / "plugins")
    run_check(CHECKS.get("spread"), subject)
    (version,) = subject.store.versions("check")
    checked = check_file(version.path, subject.store.path)
    assert checked.version == version and checked.sealed and checked.damages == checked.notes == ()


def test_a_check_that_cannot_be_measured_does_not_stop_the_others(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "plugins"
    plug(monkeypatch, folder, name="first", why="it is too large", order=1)
    plug(monkeypatch, folder, name="second", fails=True, order=2)
    plug(monkeypatch, folder, name="third", needs='(Need("nosuchthing", "pip install nothing"),)', order=3)
    plug(monkeypatch, folder, name="fourth", order=4)
    plug(monkeypatch, folder, name="fifth", gate=False, limit=None, order=1)
    chosen = chosen_checks()
    assert [check.name for check in chosen] == ["first", "second", "third", "fourth", "fifth"]
    outcomes = {one.check.name: one for one in run_checks(subject, chosen)}
    assert [one.passed for one in outcomes.values()] == [False, False, False, True, None]
    assert outcomes["first"].why == "it is too large"
    assert outcomes["second"].why == "it did not converge; use a smaller step"
    assert "nosuchthing, which is not installed: pip install nothing" in outcomes["third"].why
    assert {one.name for one in found_checks(subject.store, subject)} == {"fourth", "fifth"}
    assert expected_seconds(subject, chosen) == {"second": 3.0, "fourth": 0.0, "fifth": 0.0}
    with pytest.raises(InputError, match="it is too large"):
        run_check(CHECKS.get("first"), subject)


def test_other_options_potentials_molecules_and_formats_are_other_findings(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, tmp_path / "plugins")
    check = CHECKS.get("spread")
    quick = options_of(check, quick=True)
    longer = Subject.of_family("polyalanine", subject.store, ("AceAla2Nme",))
    keys = {
        check_key(check, check.options(), subject),
        check_key(check, quick, subject),
        check_key(check, check.options(), longer),
        check_key(check, check.options(), replace(subject, water="own")),
        check_key(replace(check, format=2), check.options(), subject),
    }
    assert len(keys) == 5
    found = run_check(check, subject, quick)
    assert found.notes == (
        "measured with other options than the default: points 2 instead of 6",
        "a note of the check",
    )
    assert found.facts == {"points": 2}


def test_a_potential_that_is_not_the_stores_is_not_stored_under_its_name(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its findings would be taken for those of the version."""
    plug(monkeypatch, tmp_path / "plugins")
    right: Potential = subject.potentials()["ch"]
    wrong = replace(right, coefficients=1.5 * np.asarray(right.coefficients))
    changed = replace(subject, use={**subject.use, "ch": wrong})
    assert changed.potentials()["ch"] is wrong
    with pytest.raises(InputError, match=r"n-mer ch is called ch@1 and is not that of the store"):
        run_check(CHECKS.get("spread"), changed)
    assert not found_checks(subject.store, "polyalanine")


def measure_two(store: Path, first_done: Path) -> None:
    subject = Subject.of_family("polyalanine", Store(store), DIPEPTIDE)
    for outcome in run_checks(subject, chosen_checks()):
        if outcome.check.name == "first":
            first_done.touch()
            os.kill(os.getpid(), signal.SIGSTOP)  # until it is killed


def test_a_kill_loses_at_most_the_check_that_was_measured(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, tmp_path / "plugins", name="first", order=1)
    runs = plug(monkeypatch, tmp_path / "plugins", name="second", order=2)
    done = tmp_path / "done"
    process = multiprocessing.get_context("fork").Process(target=measure_two, args=(subject.store.path, done))
    process.start()
    assert until(done.exists)
    process.kill()
    process.join()
    outcomes = list(run_checks(subject, chosen_checks()))
    assert [(one.check.name, one.stored) for one in outcomes] == [("first", True), ("second", False)]
    assert runs.read_text().split() == ["first", "second"]


def test_findings_wait_for_another_writer(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plug(monkeypatch, tmp_path / "plugins")
    held = subject.store.writing()
    held.__enter__()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            held.__exit__(None, None, None)

    monkeypatch.setattr("tasks.checks.run.time.sleep", sleep)
    assert run_check(CHECKS.get("spread"), subject).passed
    assert len(slept) == 2 and capsys.readouterr().err.count("; waiting") == 1


@pytest.mark.parametrize(
    ("value", "limit", "at_least", "passed"),
    [
        (1.0, 2.0, False, True),
        (3.0, 2.0, False, False),
        (3.0, 2.0, True, True),
        (1.0, 2.0, True, False),
        (1.0, None, False, None),
        (None, 2.0, False, False),
        (float("nan"), 2.0, False, False),
        (float("inf"), 2.0, True, False),
    ],
)
def test_a_figure_passes_on_the_right_side_of_its_limit(
    value: float | None, limit: float | None, at_least: bool, passed: bool | None
) -> None:
    figure = Result("figure", "a figure", value, limit, at_least)
    assert figure.passed is passed and figure.as_dict()["passed"] is passed
    assert Result.of(figure.as_dict()).passed is passed


def test_findings_that_cannot_be_stored_are_refused() -> None:
    def column(rows: int) -> Column:
        return Column(np.zeros(rows), "1", "zeros")

    one = Result("one", "a figure", 1.0)
    wrong: list[Callable[[], object]] = [
        lambda: Findings((one, one)),
        lambda: Findings((one,), {"a.b": column(1), "a.c": column(2)}),
        lambda: Findings((one,), {"a b": column(1)}),
        lambda: Findings((one,), {"a.b_c": column(1), "a.b-c": column(1)}),
        lambda: Findings((one,), {f"a.c{n}": column(1) for n in range(70)}),
        lambda: Findings((one,), {}, {"a": object()}),
        lambda: Result("No Name", "a figure", 1.0),
    ]
    for make in wrong:
        with pytest.raises(ValueError, match=r"columns|rows|called|plain|lower case"):
            make()


def test_texts_set_options_and_mistakes_are_told_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, tmp_path / "plugins")
    chosen = chosen_checks()
    given = all_options(chosen, read_settings(["spread.points=3", "spread.spread=0.5"]), quick=True)["spread"]
    assert given.model_dump() == {"points": 3, "spread": 0.5}
    for text, said in {
        "points=3": r"--set is 'points=3'; allowed: CHECK.OPTION=VALUE",
        "sprea.points=3": r"check 'sprea' is unknown; allowed: spread",
        "spread.pints=3": r"option 'spread.pints' is unknown \(did you mean 'points'\?\); allowed: points, spread",
        "spread.points=many": r"option 'spread.points' \(number of geometries of each molecule\) is 'many'; "
        "allowed: a whole number",
        "spread.points=1000": r"is 1000; allowed: less than or equal to 100",
    }.items():
        with pytest.raises(InputError, match=said):
            all_options(chosen, read_settings([text]))
    with pytest.raises(InputError, match="twice"):
        read_settings(["spread.points=3", "spread.points=4"])
    with pytest.raises(InputError, match="no check is left"):
        chosen_checks(skip=["spread"])


def test_subjects_have_names_that_a_store_allows(tmp_path: Path) -> None:
    names = {text: name_of(read_system(text)) for text in ("AceAlaNme", "water", "CC(=O)NC", "CC(O)=NC")}
    assert names["AceAlaNme"] == "acealanme" and names["water"] == "water-system"
    assert names["CC(=O)NC"] != names["CC(O)=NC"] and names["CC(=O)NC"].startswith("cc-o-nc-")


def test_a_family_with_water_is_tested_in_water(tmp_path: Path) -> None:
    pytest.importorskip("packmol")
    store = smoke_store(tmp_path / "store")
    subject = Subject.of_family("polyalanine-water", store)
    assert subject.system is not None and subject.water == "q-TIP4P/F" and subject.molecules == DIPEPTIDE
    assert subject.system.natoms == 22 + 3 * 216 and min(np.diag(subject.system.vectors)) > 18.0
    assert {"ch-water", "ch3-water", "conh-water", "conh-ch-conh"} <= set(subject.potentials())
    moved = replace(subject.system, positions=subject.system.positions + np.array([0.0, 0.0, 1e-6]))
    assert replace(subject, system=moved).key() != subject.key() == replace(subject).key()
    assert Subject.of_family("polyalanine-water", store, water="none").key() != subject.key()
