"""What a label is expected to cost: by formula, by the formula scaled, by labels like it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from recipes.engines import FORMULA, JobSize
from recipes.estimate import cost_of_jobs, estimate, job_sizes, label_cost
from recipes.load import load_recipe
from recipes.protocols import protocols
from recipes.schema.recipe import Labelling
from storage.configuration import protocol_id, protocol_settings
from storage.ledger import Ledger
from tasks.labelling.calibrate import expected_cost, expected_cost_in, label_costs, system_of
from tasks.labelling.collect import LabelTable
from tests.tasks.labelling.execution.test_dispatch import DIMER

RECIPE = load_recipe("ch3-water", "smoke")
NMER = RECIPE.build_nmer()
SMALL = RECIPE.labelling
LARGE = SMALL.model_copy(update={"basis": "aug-cc-pVDZ"})
PARTS = ("AB", "A in AB", "B in AB")


def measured(ledger: Ledger, labelling: Labelling, count: int, seconds: float, memory: float, system: str) -> None:
    """Write labels that have cost what is said, each a little more than the one before."""
    settings = protocol_settings(labelling, {"pyscf": "9.9"})
    protocol = protocol_id(labelling, {"pyscf": "9.9"})
    sizes = job_sizes(NMER, labelling)
    assert sizes is not None
    ledger.record_protocol(protocol, settings)
    ledger.add(
        {
            "configuration": f"{labelling.basis}-{system}-{number:04}",
            "protocol": protocol,
            "part": part,
            "status": "ok",
            "energy": -1.0,
            "finished": 1.0,
            "cpu_seconds": (seconds + 0.001 * number) / 3,
            "memory": memory + 0.001 * number,
            "system": system,
            "details": {
                "basis_functions": size.functions,
                "electrons": 2 * (size.occupied + size.frozen),
                "frozen_orbitals": size.frozen,
            },
        }
        for number in range(count)
        for part, size in zip(PARTS, sizes, strict=True)
    )


def test_the_best_that_is_known_is_taken(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        plain = expected_cost(NMER, LARGE, ledger)
        assert plain == label_cost(NMER, LARGE) and plain is not None and plain.source == FORMULA
        measured(ledger, SMALL, 21, seconds=8.0, memory=0.4, system="CH4 + H2O")
        own = expected_cost(NMER, SMALL, ledger)
        assert own is not None and own.source == "calibrated from 21 labels like these"
        assert own.cpu_seconds == pytest.approx(8.01) and own.memory == pytest.approx(0.42)
        small = label_cost(NMER, SMALL)
        scaled = expected_cost(NMER, LARGE, ledger)
        assert small is not None and scaled is not None
        assert scaled.cpu_seconds / plain.cpu_seconds == pytest.approx(8.01 / small.cpu_seconds)
        assert scaled.memory / plain.memory == pytest.approx(0.41 / small.memory)
        assert scaled.source == "formula times 1.8, calibrated from 21 labels of the same method"
        # another n-mer's labels scale the formula and do not stand for this one
        measured(ledger, LARGE, 30, seconds=50.0, memory=1.0, system="NH3 + H2O")
        other = expected_cost(NMER, LARGE, ledger)
        assert other is not None and "of the same method" in other.source
        ids = [f"cc-pVDZ-CH4 + H2O-{n:04}" for n in range(19)]
        few = expected_cost(NMER, SMALL, ledger, excluded=ids)
        assert few is not None and "like these" not in few.source
    known = expected_cost_in(tmp_path, NMER, SMALL)
    assert known == own
    assert expected_cost_in(tmp_path / "none", NMER, SMALL) == small
    labelling = {s.stage: s for s in estimate(RECIPE, [own])}["labelling"]
    assert labelling.core_hours == pytest.approx(120 * 8.01 / 3600) and labelling.memory == own.memory


def test_labels_of_the_first_release_count_by_their_sizes(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as database:
        script = (Path(__file__).parents[2] / "storage" / "ledger-format-1.sql").read_text()
        database.executescript(
            script.replace("6-31G", "sto-3g").replace('"basis_functions":11', '"basis_functions":6')
        )
        database.execute(
            "INSERT INTO labels SELECT 'third', protocol, part, status, reason, energy, t1, t2, cpu_seconds, "
            "finished, details FROM labels WHERE configuration LIKE '976%'"
        )
        database.commit()
    settings = Labelling(method="CCSD(T)", basis="sto-3g")
    found = expected_cost_in(tmp_path, DIMER, settings)
    assert found is not None and found.source == "calibrated from 3 labels like these"
    assert 1.6 < found.cpu_seconds < 1.8 and found.memory == pytest.approx(0.1177)
    other = expected_cost_in(tmp_path, NMER, settings)
    assert other is not None and "of the same method" in other.source


@pytest.mark.parametrize("name", sorted(protocols()))
def test_every_protocol_has_an_estimate_or_none_and_none_crashes(name: str, tmp_path: Path) -> None:
    labelling = protocols()[name][1]
    recipe = RECIPE.model_copy(update={"labelling": labelling})
    cost = expected_cost_in(tmp_path, NMER, labelling)
    by_stage = {s.stage: s for s in estimate(recipe, [cost])}
    if labelling.engine in ("psi4", "orca"):
        assert cost is None and by_stage["labelling"].core_hours is None
    else:
        assert cost is not None and by_stage["labelling"].core_hours > 0
    if labelling.engine == "xtb":
        assert cost is not None and 0.002 <= cost.cpu_seconds < 0.05


def test_a_method_without_a_formula_is_known_once_it_was_measured(tmp_path: Path) -> None:
    settings = Labelling(engine="psi4", method="MP2", basis="cc-pVDZ")
    with Ledger.open(tmp_path) as ledger:
        assert expected_cost(NMER, settings, ledger) is None
        measured(ledger, settings, 2, seconds=4.0, memory=0.3, system=system_of(NMER))
        assert expected_cost(NMER, settings, ledger) is None
        measured(ledger, settings, 5, seconds=4.0, memory=0.3, system=system_of(NMER))
        cost = expected_cost(NMER, settings, ledger)
    assert cost is not None and cost.cpu_seconds == pytest.approx(4.002)


def test_systems_are_told_by_their_fragments() -> None:
    assert system_of(NMER) == "CH4 + H2O"
    assert system_of(DIMER) == "He + Ne"


def test_sizes_of_the_calculations_of_a_label() -> None:
    assert job_sizes(NMER, SMALL) == [JobSize(58, 8, 2), JobSize(58, 4, 1), JobSize(58, 4, 1)]
    bare = SMALL.model_copy(update={"counterpoise": False})
    assert job_sizes(NMER, bare) == [JobSize(58, 8, 2), JobSize(34, 4, 1), JobSize(24, 4, 1)]
    assert job_sizes(NMER, SMALL.model_copy(update={"basis": "6-311G"})) is None
    assert cost_of_jobs(SMALL, []) is not None


def test_what_labels_have_cost_stands_beside_what_was_expected() -> None:
    nothing = np.full(3, np.nan)
    table = LabelTable(
        ids=("a", "b", "c"),
        part_names=("AB",),
        energies=np.array([[-1.0], [-1.0], [np.nan]]),
        instability=nothing,
        failed=np.array([False, False, True]),
        energy=np.array([1.0, 2.0, np.nan]),
        t1=nothing,
        t2=nothing,
        d1=nothing,
        cpu_seconds=np.array([1800.0, 1800.0, 3600.0]),
        memory=np.array([0.5, 0.7, np.nan]),
        status=("ok", "ok", "timeout"),
        reason=("", "", "timeout in AB: took longer than 3600 s"),
        keep_flagged=False,
    )
    found = label_costs(table, label_cost(NMER, SMALL))
    assert (found["cpu_hours"], found["cpu_seconds"], found["memory"]) == (2.0, 1800.0, 0.7)
    assert found["expected_cpu_seconds"] == pytest.approx(4.4229) and found["expected_from"] == FORMULA
    assert label_costs(table, None)["expected_cpu_hours"] is None
