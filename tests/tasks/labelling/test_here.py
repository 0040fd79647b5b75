"""Labels computed without a cluster: those that the ledger lacks, each once, failed ones with their reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from potentials.arrays import Floats
from recipes.load import load_recipe
from recipes.protocols import find_protocol
from storage.configuration import configuration_ids
from storage.ledger import Ledger
from tasks.labelling import here
from tasks.labelling.execution.runner import Limits
from tasks.labelling.here import label_here, missing_labels
from tasks.labelling.protocol import Protocol, protocol_of
from tasks.xtb import total_energy

LIMITS = Limits(60.0, 2.0)
WATER = load_recipe("water").build_nmer()


def gfn2() -> Protocol:
    return protocol_of(WATER, find_protocol("gfn2-xtb"))


def geometries(count: int) -> Floats:
    rng = np.random.default_rng(4)
    return np.asarray(WATER.positions + rng.normal(scale=0.05, size=(count, 3, 3)))


def test_labels_are_those_of_the_engine_and_each_is_computed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol, positions, told = gfn2(), geometries(3), []
    assert missing_labels(protocol, positions, LIMITS, tmp_path / "labels") == 3
    twice = positions[[0, 1, 0]]
    table = label_here(protocol, twice, LIMITS, tmp_path / "labels", tmp_path / "scratch", told.append)
    assert table.status == ("ok",) * 3 and sum(told) == 2
    right = [total_energy(WATER.numbers, x, 0) for x in twice]
    np.testing.assert_allclose(table.energies[:, 0], right, rtol=0, atol=1e-9)
    assert missing_labels(protocol, positions, LIMITS, tmp_path / "labels") == 1
    computed = []
    run = here.run_task
    monkeypatch.setattr(here, "run_task", lambda task: computed.extend(task.labels) or run(task))
    label_here(protocol, positions, LIMITS, tmp_path / "labels", tmp_path / "scratch")
    assert [one.configuration for one in computed] == [configuration_ids(WATER, positions)[2]]
    with Ledger.read(tmp_path / "labels") as ledger:
        assert ledger.protocols()[protocol.id] == protocol.settings


def test_what_a_killed_run_left_in_the_spool_is_not_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is stopped after the labels are in the spool, before they are in the ledger."""

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    protocol, positions = gfn2(), geometries(2)
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "add", killed)
        with pytest.raises(Killed):
            label_here(protocol, positions, LIMITS, tmp_path / "labels", tmp_path / "scratch")
    monkeypatch.setattr(here, "run_task", killed)
    table = label_here(protocol, positions, LIMITS, tmp_path / "labels", tmp_path / "scratch")
    assert table.status == ("ok", "ok")


def test_a_label_that_failed_is_counted_and_not_tried_again(tmp_path: Path) -> None:
    nmer = load_recipe("water").build_nmer()
    protocol = protocol_of(nmer, find_protocol("gfn2-xtb"))
    positions = np.array([nmer.positions, np.zeros((3, 3))])
    for _ in range(2):
        table = label_here(protocol, positions, LIMITS, tmp_path / "labels", tmp_path / "scratch")
        assert table.status == ("ok", "failed") and np.isfinite(table.energy[0]) and np.isnan(table.energy[1])
        assert missing_labels(protocol, positions, LIMITS, tmp_path / "labels") == 0
