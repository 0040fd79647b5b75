"""Labels that follow from labels of other protocols: exactly those, once, and never in place of another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potentials.arrays import Floats
from recipes.load import load_recipe
from recipes.protocols import find_protocol
from recipes.schema.labelling import Labelling
from storage.bundle_labels import entry_of
from storage.configuration import configuration_ids
from storage.ledger import DERIVED, LabelRow, Ledger
from storage.ledger_file import COUNTS
from tasks.labelling.calibrate import expected_cost
from tasks.labelling.collect import collect_labels
from tasks.labelling.derive import derive_labels
from tasks.labelling.execution.runner import Limits
from tasks.labelling.here import label_here
from tasks.labelling.protocol import Protocol, protocol_of

WATER = load_recipe("water").build_nmer()
LIMITS = Limits(60.0, 2.0)
TOP = protocol_of(WATER, Labelling(engine="pyscf", method="CCSD(T)", basis="6-31G"))


def geometries() -> Floats:
    """Return three ordinary geometries, and one with a bond so long that closed shells are unstable."""
    found = np.repeat(WATER.positions[None], 4, axis=0)
    found[:3] += np.random.default_rng(4).normal(scale=0.05, size=(3, 3, 3))
    oxygen, hydrogen = WATER.symbols.index("O"), WATER.symbols.index("H")
    bond = found[3, hydrogen] - found[3, oxygen]
    found[3, hydrogen] = found[3, oxygen] + 2.2 * bond
    return np.asarray(found)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the labels of the top level."""
    work = tmp_path_factory.mktemp("labelled")
    table = label_here(TOP, geometries(), LIMITS, work / "labels", work / "scratch")
    assert table.status.count("ok") == 3
    return work / "labels"


@pytest.fixture
def ledger(labelled: Path, tmp_path: Path) -> Iterator[Ledger]:
    """Return a copy of those labels, open for writing."""
    with Ledger.read(labelled) as source, Ledger.open(tmp_path / "labels") as target:
        target.record_protocol(TOP.id, TOP.settings)
        ids = configuration_ids(WATER, geometries())
        for rows in source.rows(ids, TOP.id).values():
            target.add(entry(row, TOP.id) for row in rows.values())
        yield target


def entry(row: LabelRow, protocol: str, **change: Any) -> dict[str, Any]:
    """Return the entry of a row, changed."""
    return entry_of(replace(row, **change), protocol)


def below(**change: Any) -> Protocol:
    """Return the protocol of a cheaper method with the same settings otherwise."""
    return replace(TOP, labelling=TOP.labelling.model_copy(update=change))


@pytest.mark.parametrize("method", ["HF", "MP2", "CCSD"])
def test_labels_that_follow_are_those_that_are_computed(method: str, ledger: Ledger, tmp_path: Path) -> None:
    protocol, positions = below(method=method), geometries()
    assert derive_labels(ledger, protocol, positions) == 4
    mine = collect_labels(protocol, positions, ledger)
    own = label_here(protocol, positions, LIMITS, tmp_path / "own", tmp_path / "scratch")
    np.testing.assert_allclose(mine.energies, own.energies, rtol=0, atol=1e-8)
    assert (mine.status, mine.reason) == (own.status, own.reason)
    assert own.status[3] == "flagged"  # in HF and MP2 for the instability, which stays with the energy
    np.testing.assert_allclose(mine.instability, own.instability, atol=1e-5)
    np.testing.assert_allclose(mine.t1, own.t1, atol=1e-6)
    assert not mine.cpu_seconds.any() and own.cpu_seconds.all()
    with Ledger.read(tmp_path / "own") as other:
        ids = configuration_ids(WATER, positions)
        for i, rows in ledger.rows(ids, protocol.id).items():
            there = other.rows(ids, protocol.id)[i]["A"]
            for name in (*COUNTS, "system"):
                assert getattr(rows["A"], name) == getattr(there, name), name
    assert derive_labels(ledger, protocol, positions) == 0


def test_a_derived_label_names_its_source_and_is_told_from_those_computed(ledger: Ledger) -> None:
    protocol, positions = below(method="MP2"), geometries()
    derive_labels(ledger, protocol, positions, [TOP])
    ids = configuration_ids(WATER, positions)
    told = json.loads(ledger.rows(ids, protocol.id)[ids[0]]["A"].details)
    assert told[DERIVED] == TOP.id and told["derived_from_level"] == "CCSD(T)/6-31G"
    assert ledger.derived(ids, protocol.id) == {TOP.id: 4}
    assert ledger.derived(ids, TOP.id) == {}
    assert ledger.protocols()[protocol.id] == protocol.settings
    assert expected_cost(WATER, protocol.labelling, ledger) is None  # they tell nothing of its cost
    hf = below(method="HF")  # from derived labels as well
    assert derive_labels(ledger, hf, positions) == 4


def test_a_row_is_never_replaced_and_a_failure_gives_way(ledger: Ledger) -> None:
    protocol, positions = below(method="MP2"), geometries()
    ids = configuration_ids(WATER, positions)
    common = {"protocol": protocol.id, "part": "A", "finished": 1.0}
    ledger.add([{"configuration": ids[0], "status": "ok", "energy": -76.5, **common}])
    ledger.add([{"configuration": ids[1], "status": "timeout", "reason": "took longer than 1 s", **common}])
    assert derive_labels(ledger, protocol, positions) == 3
    found = collect_labels(protocol, positions, ledger)
    assert found.energies[0, 0] == -76.5 and found.status[1] == "ok"


def test_of_labels_that_failed_or_are_not_there_nothing_follows(ledger: Ledger) -> None:
    protocol, positions = below(method="MP2"), geometries() + 0.01 * np.arange(9).reshape(3, 3)
    assert derive_labels(ledger, protocol, positions) == 0
    (i,) = configuration_ids(WATER, positions[:1])
    failed = {"configuration": i, "status": "failed", "reason": "why", "components": {"hf": -76.0, "mp2": -0.1}}
    ledger.add([{**failed, "protocol": TOP.id, "part": "A", "finished": 1.0}])
    assert derive_labels(ledger, protocol, positions) == 0


@pytest.mark.parametrize(
    "other",
    [
        replace(below(method="MP2"), versions=(("pyscf", "1.0"),)),
        below(method="MP2", frozen_core=False),
        below(method="MP2", scf_tolerance=1e-9),
        below(method="MP2", density_fitting=True),
        below(method="MP2", basis="6-31G*"),
        below(method="CCSD", cc_tolerance=1e-7),
        below(method="DFT", functional="B3LYP"),
    ],
    ids=["version", "core", "scf", "fitting", "basis", "cc", "functional"],
)
def test_another_version_or_setting_is_computed(other: Protocol, ledger: Ledger) -> None:
    assert derive_labels(ledger, other, geometries()) == 0
    assert other.id not in ledger.protocols()


def test_protocols_that_cannot_be_read_are_left_alone(ledger: Ledger) -> None:
    ledger.record_protocol("a" * 64, TOP.settings | {"labelling": {"engine": "of-a-plugin", "method": "none"}})
    assert derive_labels(ledger, below(method="HF"), geometries()) == 4


def test_parts_that_both_labels_have_follow_the_others_are_computed(tmp_path: Path) -> None:
    """The whole of two fragments is the same calculation with counterpoise and without; its fragments are not."""
    nmer = load_recipe("water-water", "smoke").build_nmer()
    top = protocol_of(nmer, Labelling(engine="pyscf", method="MP2", basis="sto-3g"))
    positions = nmer.positions[None]
    corrected = label_here(top, positions, LIMITS, tmp_path / "labels", tmp_path / "scratch")
    protocol = protocol_of(nmer, top.labelling.model_copy(update={"method": "HF", "counterpoise": False}))
    with Ledger.open(tmp_path / "labels") as ledger:
        assert derive_labels(ledger, protocol, positions) == 0
        (rows,) = ledger.rows(corrected.ids, protocol.id).values()
        assert set(rows) == {"AB"}
    table = label_here(protocol, positions, LIMITS, tmp_path / "labels", tmp_path / "scratch")
    own = label_here(protocol, positions, LIMITS, tmp_path / "own", tmp_path / "scratch")
    np.testing.assert_allclose(table.energies, own.energies, rtol=0, atol=1e-8)


def test_fields_that_the_method_does_not_read_may_differ(ledger: Ledger) -> None:
    """GFN2-xTB reads no basis, so that one in its section is nothing that differs."""
    protocol = protocol_of(WATER, find_protocol("gfn2-xtb"))
    other = replace(protocol, labelling=protocol.labelling.model_copy(update={"basis": "cc-pVDZ"}))
    (i,) = configuration_ids(WATER, geometries()[:1])
    ledger.record_protocol(other.id, other.settings)
    found = {"status": "ok", "energy": -5.0, "components": {"total": -5.0}}
    ledger.add([{"configuration": i, "protocol": other.id, "part": "A", "finished": 1.0, **found}])
    assert other.id != protocol.id and derive_labels(ledger, protocol, geometries()) == 1
    assert collect_labels(protocol, geometries(), ledger).energies[0, 0] == -5.0
