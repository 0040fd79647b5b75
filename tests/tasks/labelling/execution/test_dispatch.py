"""Labelling on a real cluster: killed and resumed, failing labels, raised limits, lost workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from distributed import Client

from deploy.cluster import local_cluster
from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Labelling, Resources
from storage.configuration import configuration_ids
from storage.ledger import LabelRow, Ledger
from storage.spool import read_spool, spool_files
from tasks.labelling.collect import collect_labels
from tasks.labelling.execution.dispatch import LabelCounts, label_configurations, missing_parts
from tasks.labelling.execution.runner import Limits
from tasks.labelling.protocol import protocol_of
from tests.conftest import ROOT, until

HELIUM = Fragment("helium", ("He",), ((0.0, 0.0, 0.0),), ())
NEON = Fragment("neon", ("Ne",), ((0.0, 0.0, 2.8),), ())
DIMER = NMer("helium-neon", (HELIUM, NEON), "A1_B1")
SETTINGS = Labelling(method="HF", basis="sto-3g")
DISTANCES = [2.5 + 0.1 * i for i in range(8)]
PARTS = ("AB", "A in AB", "B in AB")


def distances(values: list[float]) -> np.ndarray:
    """Return helium-neon configurations at some distances, Angstrom."""
    positions = np.zeros((len(values), 2, 3))
    positions[:, 1, 2] = values
    return positions


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with local_cluster(2, tmp_path_factory.mktemp("dask")) as address, Client(address) as client:
        yield client


def label(
    folder: Path,
    client: Client,
    positions: np.ndarray,
    settings: Labelling = SETTINGS,
    retry: tuple[str, ...] = (),
    **more: object,
) -> LabelCounts:
    resources = Resources(**{"label_timeout": 120.0, "label_memory": 2.0} | more)  # type: ignore[arg-type]
    protocol, scratch = protocol_of(DIMER, settings), folder / "scratch"
    return label_configurations(
        protocol, positions, resources, folder / "labels", client, None, scratch, retry=retry
    )


def spooled(folder: Path) -> list[tuple[str, str]]:
    parts = [read_spool(path) for path in spool_files(folder / "labels" / "spool")]
    assert all(part.skipped == 0 for part in parts)
    return [(entry["configuration"], entry["part"]) for part in parts for entry in part.entries]


def test_what_is_there_is_not_computed_again(tmp_path: Path, client: Client) -> None:
    first = label(tmp_path, client, distances([2.8, 3.0, 2.8]))  # one of them twice
    assert first == LabelCounts(ok=2, failed={}, already=0, computed=2, missing=0)
    again = label(tmp_path, client, distances([3.0, 3.2, 2.8]))
    assert again == LabelCounts(ok=3, failed={}, already=2, computed=1, missing=0)
    assert len(spooled(tmp_path)) == len(set(spooled(tmp_path))) == 9
    assert not list((tmp_path / "scratch").iterdir())
    with Ledger.read(tmp_path / "labels") as ledger:
        table = collect_labels(protocol_of(DIMER, SETTINGS), distances([3.2, 2.8, 3.0, 2.8, 9.0]), ledger)
        (settings,) = ledger.protocols().values()
    assert settings["labelling"]["basis"] == "sto-3g" and "pyscf" in settings["versions"]
    assert table.status == ("ok", "ok", "ok", "ok", "missing")
    assert table.part_names == PARTS
    assert table.energy[1] == table.energy[3] > table.energy[2] > table.energy[0] > 0
    assert table.energies[0, 1] == pytest.approx(-2.8077839575, abs=1e-6)
    assert np.isnan(table.energy[4]) and np.isnan(table.t1).all()
    assert (table.cpu_seconds[:4] > 0.3).all()


def test_failing_labels_do_not_hurt_their_neighbours(tmp_path: Path, client: Client) -> None:
    settings = Labelling(method="CCSD", basis="6-31G")
    counts = label(tmp_path, client, distances([2.8, 0.0, 3.0]), settings)
    assert (counts.ok, counts.computed, counts.missing) == (2, 3, 0)
    assert sum(counts.failed.values()) == 1
    with Ledger.read(tmp_path / "labels") as ledger:
        table = collect_labels(protocol_of(DIMER, settings), distances([2.8, 0.0, 3.0]), ledger)
        strict = settings.model_copy(update={"max_t1": 1e-6})
        flagged = collect_labels(protocol_of(DIMER, strict), distances([2.8, 0.0, 3.0]), ledger)
    assert table.status == ("ok", "failed", "ok")
    assert table.reason[1].startswith("failed in AB: ")
    assert list(table.usable) == [True, False, True]
    assert np.isnan(table.energy[1]) and np.isnan(table.t1[1])
    assert flagged.status == ("flagged", "failed", "flagged")
    assert "T1" in flagged.reason[0]
    np.testing.assert_array_equal(flagged.energy, table.energy)


def test_limits_end_a_label_and_higher_ones_try_it_again(tmp_path: Path, client: Client) -> None:
    positions = distances([2.8, 3.0])
    short = label(tmp_path, client, positions, label_timeout=0.2)
    assert short.failed == {"timeout: took longer than 0.2 s": 2}
    same = label(tmp_path, client, positions, label_timeout=0.2)
    assert (same.already, same.computed) == (2, 0)
    small = label(tmp_path, client, positions, label_timeout=60, label_memory=0.04)
    assert small.failed == {"out-of-memory: used more than 0.04 GiB": 2}
    enough = label(tmp_path, client, positions, label_timeout=60)
    assert (enough.ok, enough.failed, enough.computed) == (2, {}, 2)


def test_a_basis_that_does_not_exist_costs_no_label(tmp_path: Path, client: Client) -> None:
    with pytest.raises(InputError, match=r"labelling\.basis 'sto-4q'"):
        label(tmp_path, client, distances([2.8]), Labelling(method="HF", basis="sto-4q"))
    assert not (tmp_path / "labels" / "spool").exists()


RUN = """
import sys
from pathlib import Path
from distributed import Client
from deploy.cluster import local_cluster
from tests.tasks.labelling.execution.test_dispatch import DISTANCES, distances, label

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with local_cluster(2, folder / "dask") as address, Client(address) as client:
        label(folder, client, distances(DISTANCES))
"""


def kill_alone(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, and check that all its descendants end of themselves."""
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate(timeout=60)
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive, [p.cmdline() for p in alive]


def test_a_killed_run_is_taken_up_where_it_stopped(tmp_path: Path, client: Client) -> None:
    script = tmp_path / "run_labels.py"
    script.write_text(RUN)
    log = (tmp_path / "log").open("wb")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    flow = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], cwd=ROOT, env=environment, stdout=log, stderr=log
    )
    spool = tmp_path / "labels" / "spool"

    def has_seven() -> bool:
        assert flow.poll() is None, (tmp_path / "log").read_text()
        return sum(path.read_bytes().count(b"\n") for path in spool_files(spool)) >= 7

    assert until(has_seven), (tmp_path / "log").read_text()
    kill_alone(flow)

    before = spooled_despite_tears(tmp_path)
    assert 7 <= len(before) < 24
    positions = distances(DISTANCES)
    counts = label(tmp_path, client, positions)
    assert (counts.ok, counts.failed, counts.missing) == (8, {}, 0)
    assert counts.already == sum(sum(c == i for c, _ in before) == 3 for i in {c for c, _ in before})
    after = spooled_despite_tears(tmp_path)
    assert len(after) == len(set(after)) == 24  # nothing lost, nothing twice
    with Ledger.read(tmp_path / "labels") as ledger:
        rows = ledger.rows(configuration_ids(DIMER, positions), protocol_of(DIMER, SETTINGS).id)
    assert {(i, part) for i, parts in rows.items() for part in parts} == set(after)


def spooled_despite_tears(folder: Path) -> list[tuple[str, str]]:
    parts = [read_spool(path) for path in spool_files(folder / "labels" / "spool")]
    return [(entry["configuration"], entry["part"]) for part in parts for entry in part.entries]


def test_missing_parts_of_every_kind_of_label() -> None:
    limits = Limits(timeout=10.0, memory=2.0)

    def rows(**statuses: str) -> dict[str, LabelRow]:
        names = {"ab": "AB", "a": "A in AB"}
        details = '{"limit_seconds": 5.0, "limit_memory": 2.0}'
        return {
            names[k]: LabelRow("c", names[k], status, "", None, None, None, 1.0, 1.0, details)
            for k, status in statuses.items()
        }

    assert missing_parts({}, PARTS, limits) == PARTS
    assert missing_parts(rows(ab="ok"), PARTS, limits) == PARTS[1:]
    assert missing_parts(rows(ab="ok", a="failed"), PARTS, limits) == ()
    assert missing_parts(rows(ab="ok", a="failed"), PARTS, limits, retry=["failed"]) == PARTS[1:]
    assert missing_parts(rows(ab="timeout"), PARTS, limits) == PARTS
    assert missing_parts(rows(ab="timeout"), PARTS, Limits(5.0, 9.0)) == ()
    assert missing_parts(rows(ab="out-of-memory"), PARTS, limits) == ()
    assert missing_parts(rows(ab="out-of-memory"), PARTS, Limits(1.0, 2.5)) == PARTS
