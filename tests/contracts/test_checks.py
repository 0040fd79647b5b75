"""What every gate and check of a family promises: declarations, findings that are stored, plots of these."""

from __future__ import annotations

import csv
import io
import re
import struct
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipes.registry import PLUGINS, missing
from storage.store import Store
from storage.verify.versions import check_file
from tasks.checks.files import write_files
from tasks.checks.interface import CHECKS, Check, Findings, Options
from tasks.checks.run import run_check, run_checks
from tasks.checks.settings import options_of
from tasks.checks.stored import found_checks, read_findings, write_findings
from tasks.checks.subject import Subject
from tests.conftest import ROOT
from tests.tasks.checks.smoke import smoke_store


@dataclass(frozen=True)
class Short:
    """How this suite measures a check: within seconds, so that figures mean little.

    Attributes
    ----------
    options
        Options in place of the defaults.
    family, molecules
        The subject.
    slow
        Whether it takes more than some seconds even so.
    """

    options: dict[str, Any] = field(default_factory=dict)
    family: str = "polyalanine"
    molecules: tuple[str, ...] = ("AceAlaNme",)
    slow: bool = False


SIMULATION = {"temperatures": [300.0], "replicas": 1, "picoseconds": 0.05}

ALONE: dict[str, Any] = {"force_fields": []}

SHORT = {
    "stability": Short(SIMULATION),
    "own-frames": Short(SIMULATION | {"frames": 1, "most": 1}, slow=True),
    "conservation": Short(
        {"temperatures": [300.0], "replicas": 1, "picoseconds": 0.05, "equilibration": 0.01}
        | {"timesteps": [0.5, 1.0], "order_picoseconds": 0.05}
    ),
    "ramachandran": Short(ALONE | {"step": 90}, slow=True),
    "stationary-points": Short(ALONE | {"step": 60}, slow=True),
    "frequencies": Short(ALONE | {"step": 60, "minima": ["m1"]}, slow=True),
    "helix": Short(ALONE | {"conformations": 7}, molecules=("AceAla3Nme",)),
    "water-scans": Short(ALONE | {"conformations": ["C7eq"], "spacing": 0.5}, "polyalanine-water", slow=True),
    "free-energy": Short(ALONE | {"length": 0.001, "pace": 100, "bins": 12}),
    "free-energy-water": Short(
        ALONE | {"length": 4e-4, "equilibration": 0.02, "blocks": 4, "bins": 12}, "polyalanine-water", slow=True
    ),
    "rdf": Short(ALONE | {"length": 0.01, "equilibration": 0.01}, "polyalanine-water", slow=True),
    "minima": Short({"tries": 1, "most": 1}, slow=True),
    "secondary-structure": Short(ALONE | {"length": 0.05, "starts": ["extended"]}, molecules=("AceAla3Nme",)),
}
"""Every check, and how it is measured here; the list of the checks that this suite tests."""

NAMES = [name for name in SHORT if name in CHECKS]
MEASURED = [pytest.param(name, marks=pytest.mark.slow) if SHORT[name].slow else name for name in NAMES]

UNITS = (
    r"Angstrom|\bA\b|kcal/mol|\bK\b|\bfs\b|\bps\b|\bns\b|degrees|cm-1|core-hours|hours|\batm\b|"
    r"number|seed|share|fraction|percent|times|names?\b|protocol|molecules?|systems?|force fields|conformations?|"
    r"geometries|frames|simulations|replicas|whether|steps|bins|"
    r"blocks|walkers|factor|chain|folds|trajectory|of velocities|starts|minima"
)
"""What the description of an option names: its unit, or that it counts or names something."""


def test_every_check_is_in_this_suite() -> None:
    assert set(CHECKS.names()) == set(SHORT)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return smoke_store(tmp_path_factory.mktemp("checks") / "store")


@cache
def subject_of(folder: Path, family: str, molecules: tuple[str, ...]) -> Subject:
    return Subject.of_family(family, Store(folder), molecules).pinned()


def short(store: Store, name: str) -> tuple[Check, Subject, Options]:
    """Return a check, its subject, and its options in this suite; skip where a package is missing."""
    check, how = CHECKS.get(name), SHORT[name]
    if lack := missing(check):
        pytest.skip(f"{name} {lack}")
    return check, subject_of(store.path, how.family, how.molecules), options_of(check, how.options)


@pytest.mark.parametrize("name", NAMES)
def test_a_check_says_what_it_is(name: str, store: Store) -> None:
    check = CHECKS.get(name)
    assert check.name == name and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) and check.format >= 1
    assert check.title and "\n" not in check.title and not check.title.endswith(".")
    assert check.meaning.endswith(".") and len(check.meaning) > 60
    papers = tomllib.loads((ROOT / "storage" / "papers.toml").read_text())
    assert set(check.papers) <= set(papers)
    assert all(need.install for need in check.needs)
    assert issubclass(check.options, Options) and check.options() == check.options.model_validate({})
    for option, about in check.options.model_fields.items():
        said = f"{about.description} {option.replace('_', '-')}"
        assert about.description and re.search(UNITS, said), f"{name}.{option} names no unit"
    assert f"| `{name}` |" in (ROOT / "docs" / "checks.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_it_says_how_long_it_takes_and_where_it_applies(name: str, store: Store) -> None:
    check, subject, options = short(store, name)
    assert check.applies(subject) == ""
    usual, quick = options_of(check), options_of(check, quick=True)
    times = [float(check.seconds(subject, one)) for one in (options, quick, usual)]
    assert all(np.isfinite(times)) and min(times) > 0 and times[1] <= times[2]
    water = subject_of(store.path, "polyalanine-water", ())
    for other in (water, Subject.of_system(water.systems()["AceAlaNme"], store)):
        why = check.applies(other)
        assert isinstance(why, str) and not why.endswith(".") and "\n" not in why


@pytest.fixture(scope="module")
def measured(store: Store) -> Iterator[Any]:
    """Return what measures a check once, and keeps raw findings with what it told of its progress."""
    found: dict[str, tuple[Findings, list[tuple[int, int]]]] = {}

    def measure(name: str) -> tuple[Findings, list[tuple[int, int]]]:
        check, subject, options = short(store, name)
        if name not in found:
            told: list[tuple[int, int]] = []
            findings = check.measure(subject, options, lambda done, total: told.append((done, total)))
            found[name] = findings, told
        return found[name]

    return measure


@pytest.mark.parametrize("name", MEASURED)
def test_figures_are_finite_or_explained(name: str, measured: Any) -> None:
    check, (findings, told) = CHECKS.get(name), measured(name)
    assert findings.results and all(0 <= done <= total and total > 0 for done, total in told)
    for one in findings.results:
        assert one.meaning and not one.meaning.endswith(".")
        assert (one.value is not None and np.isfinite(one.value)) or findings.notes, f"{one.name} is not explained"
        fine = one.limit is None or one.value is None or one.passed or one.advice
        assert fine, f"{one.name} gives no advice"
    limited = [one for one in findings.results if one.limit is not None]
    assert bool(limited) is check.gate, "a check whose figures have limits is a gate"
    assert all(note and "\n" not in note and not note.endswith(".") for note in findings.notes)
    assert findings.data, "the data behind the figures are kept"
    for column in findings.data.values():
        assert column.unit and column.meaning


@pytest.mark.parametrize("name", MEASURED)
def test_findings_are_stored_and_read_as_they_were(name: str, measured: Any, store: Store, tmp_path: Path) -> None:
    check, subject, options = short(store, name)
    findings, _ = measured(name)
    store = smoke_store(tmp_path / "store")  # one check may have stored another
    subject = replace(subject, store=store)
    with store.writing():
        version = write_findings(check, options, subject, findings)
    again = read_findings(version)
    assert [one.as_dict() for one in again.results] == [one.as_dict() for one in findings.results]
    assert again.facts == findings.facts and again.notes == findings.notes
    assert list(again.data) == list(findings.data)
    for key, column in findings.data.items():
        read = again.data[key]
        assert (read.unit, read.meaning) == (column.unit, column.meaning)
        assert type(read.values) is type(column.values)
        np.testing.assert_array_equal(np.asarray(read.values), np.asarray(column.values))
    checked = check_file(version.path, store.path)
    assert checked.damages == () and checked.notes == ()
    assert {one.name for one in found_checks(store, subject)} >= {name}
    assert next(run_checks(subject, [check], {name: options})).stored


@pytest.mark.parametrize("name", MEASURED)
def test_plots_are_drawn_from_what_is_stored(name: str, measured: Any, store: Store, tmp_path: Path) -> None:
    check, subject, options = short(store, name)
    raw = measured(name)[0]
    with store.writing():
        version = write_findings(check, options, subject, raw)
    findings = read_findings(version)
    plots = check.draw(findings)
    assert plots and len({plot.name for plot in plots}) == len(plots)
    for plot in plots:
        assert plot.png.startswith(b"\x89PNG") and struct.unpack(">I", plot.png[16:20])[0] >= 500
        rows = list(csv.reader(io.StringIO(plot.csv)))
        assert (len(rows) > 1 or findings.notes) and all(len(row) == len(rows[0]) for row in rows)
    files = write_files(check, findings, tmp_path)
    assert len(set(files)) == len(files) and all(path.stat().st_size for path in files)
    assert {path.stem for path in files if path.suffix == ".png"} <= {
        path.stem for path in files if path.suffix == ".csv"
    }


def test_the_example_of_the_page_is_a_check(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "checks.md").read_text().partition("## Add a check")[2]
    code = textwrap.dedent("".join(re.findall(r"^(?:    .*)?\n", page, re.MULTILINE)).strip("\n"))
    (tmp_path / "spread_of_the_page.py").write_text(code)
    monkeypatch.setenv(PLUGINS, str(tmp_path))
    CHECKS.forget()
    try:
        check = CHECKS.get("spread")
        subject = subject_of(store.path, "polyalanine", ("AceAlaNme",))
        findings = run_check(check, subject, options_of(check, quick=True))
    finally:
        CHECKS.forget()
    assert len(findings.data["energies.energy"].values) == 2 and findings.results[0].limit == -100.0
