"""The ledger: nothing good is lost or replaced, one writer at a time, and quick at full size."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potentials.errors import AGAIN, InputError, StoppedError
from recipes.schema.recipe import Labelling
from storage.configuration import configuration_id, protocol_id
from storage.ledger import Counts, Ledger
from storage.ledger_file import FORMAT
from storage.spool import SpoolRange, SpoolWriter, encode
from tests.conftest import ROOT

PARTS = ("AB", "A in AB", "B in AB")


def entry(
    configuration: str, part: str = "AB", status: str = "ok", when: float = 1.0, **more: Any
) -> dict[str, Any]:
    energy = {"energy": -1.5} if status == "ok" else {"reason": "why"}
    values = {
        "configuration": configuration,
        "protocol": "p",
        "part": part,
        "status": status,
        "finished": when,
    }
    return values | energy | more


def status(folder: Path, configuration: str, part: str = "AB") -> str:
    with Ledger.read(folder) as ledger:
        return ledger.rows([configuration], "p")[configuration][part].status


def test_a_good_energy_is_never_replaced(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.add([entry("c"), entry("c", energy=-9.0, when=2.0), entry("c", status="failed", when=3.0)])
        row = ledger.rows(["c"], "p")["c"]["AB"]
    assert (row.status, row.energy) == ("ok", -1.5)


def test_a_failure_gives_way_to_success_and_to_a_later_failure_only(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.add([entry("c", status="failed", when=5.0), entry("d", status="failed", when=5.0)])
        ledger.add([entry("c", status="timeout", when=4.0), entry("d", status="timeout", when=6.0)])
    assert (status(tmp_path, "c"), status(tmp_path, "d")) == ("failed", "timeout")
    with Ledger.open(tmp_path) as ledger:
        ledger.add([entry("c", when=1.0)])
    assert status(tmp_path, "c") == "ok"


def test_an_unknown_status_is_refused_and_nothing_of_its_batch_is_kept(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        with pytest.raises(ValueError, match="nearly"):
            ledger.add([entry("c"), entry("d", status="nearly")])
        assert ledger.counts(["c", "d"], "p", ["AB"]) == Counts(0, 0, 2)


def test_counts_are_of_configurations(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.add([entry("whole", part) for part in PARTS])
        ledger.add([entry("half", "AB"), entry("bad", "AB"), entry("bad", "A in AB", "timeout")])
        ledger.add([entry("other", part) | {"protocol": "q"} for part in PARTS])
        ids = ["whole", "whole", "half", "bad", "other", "unknown"]
        assert ledger.counts(ids, "p", PARTS) == Counts(done=1, failed=1, missing=3)


def test_opening_takes_in_the_spool_once_and_counts_torn_lines(tmp_path: Path) -> None:
    with SpoolWriter(tmp_path / "spool") as spool:
        spool.append(entry("c"))
        spool.append(entry("c", "A in AB"))
    with spool.path.open("ab") as file:
        file.write(encode(entry("d"))[:-9])
    with Ledger.open(tmp_path) as ledger:
        assert ledger.torn == 1
        assert set(ledger.rows(["c", "d"], "p")["c"]) == {"AB", "A in AB"}
        assert ledger.counts(["d"], "p", ["AB"]).missing == 1
        assert ledger.ingest() == 0
    with spool.path.open("ab") as file:  # the writer was only slow
        file.write(encode(entry("d"))[-9:])
    with Ledger.open(tmp_path) as ledger:
        assert ledger.torn == 0
        assert ledger.counts(["d"], "p", ["AB"]).done == 1


def test_a_reader_sees_the_spool_as_well_and_changes_nothing(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.add([entry("old"), entry("c", status="failed", when=5.0), entry("d", energy=-9.0)])
    with SpoolWriter(tmp_path / "spool") as spool:
        spool.extend([entry("new"), entry("c", when=6.0), entry("d", energy=-1.0, when=7.0)])
        spool.append(entry("new", "A in AB", "timeout", when=8.0))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with Ledger.read(tmp_path) as ledger:
        assert ledger.counts(["old", "c", "d", "new"], "p", ["AB"]) == Counts(4, 0, 0)
        assert ledger.counts(["old", "c", "d", "new"], "p", PARTS) == Counts(0, 1, 3)
        rows = ledger.rows(["old", "c", "d", "new"], "p")
        assert rows["d"]["AB"].energy == -9.0  # a good energy stays
        assert rows["new"]["A in AB"].status == "timeout"
        assert len(ledger.sample(["p"], 100)) == 4
    assert before == {path: path.read_bytes() for path in before}
    with Ledger.open(tmp_path) as ledger:
        assert ledger.rows(["old", "c", "d", "new"], "p") == rows


def test_entries_that_arrive_by_both_ways_are_read_once(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger, SpoolWriter(tmp_path / "spool") as spool:
        ends = [0]
        for name in "abc":
            spool.append(entry(name))
            ends.append(spool.end)
        file = spool.path.name
        ledger.add([entry("a")], [SpoolRange(file, ends[0], ends[1])])
        ledger.add([entry("c")], [SpoolRange(file, ends[2], ends[3])])  # the message about b is late or lost
        assert ledger.ingest() == 2
        assert ledger.counts(["a", "b", "c"], "p", ["AB"]).done == 3
        spool.append(entry("d"))
        ledger.add([entry("d")], [SpoolRange(file, ends[3], spool.end)])
        assert ledger.ingest() == 0


def test_a_ledger_of_the_first_format_is_read_and_brought_up(tmp_path: Path) -> None:
    """The fixture was written by the first release: two CCSD(T) labels, a failure, and a timeout."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript((Path(__file__).parent / "ledger-format-1.sql").read_text())
        ids = [i for (i,) in database.execute("SELECT DISTINCT configuration FROM labels")]
        (protocol,) = database.execute("SELECT protocol FROM protocols").fetchone()
    before = path.read_bytes()
    with Ledger.read(tmp_path) as ledger:
        old, arrays = ledger.rows(ids, protocol), ledger.arrays(ids, protocol, PARTS)
        assert ledger.counts(ids, protocol, PARTS) == Counts(done=2, failed=2, missing=0)
    assert path.read_bytes() == before
    with Ledger.open(tmp_path) as ledger:
        assert ledger.rows(ids, protocol) == old
        np.testing.assert_array_equal(ledger.arrays(ids, protocol, PARTS).d1, arrays.d1)
        ledger.add([entry("c", system="He + Ne")])
    with Ledger.open(tmp_path) as ledger:  # and only once
        assert ledger.rows(["c"], "p")["c"]["AB"].system == "He + Ne"
    good = next(parts["AB"] for parts in old.values() if len(parts) == 3)
    assert (good.electrons, good.frozen_orbitals, good.basis_functions) == (12, 1, 11)
    assert (good.scf_converged, good.cc_converged) == (1, 1)
    assert good.d1 == pytest.approx(0.00534, abs=1e-4) and good.triples_fraction == pytest.approx(0.005, abs=1e-4)
    assert np.nanmax(arrays.d1) < 0.006 and np.nanmax(arrays.memory) == pytest.approx(0.1177)
    assert sorted(arrays.failed) == [False, False, True, True]


def test_diagnostics_are_columns(tmp_path: Path) -> None:
    more = {"d1": 0.03, "t1": 0.01, "memory": 0.5, "triples_fraction": 0.02, "wall_seconds": 2.0, "host": "n"}
    counts = {"electrons": 10, "frozen_orbitals": 1, "basis_functions": 24, "scf_converged": True, "fragments": 4}
    with Ledger.open(tmp_path) as ledger:
        ledger.add([entry("c", **more, details=counts)])
        row = ledger.rows(["c"], "p")["c"]["AB"]
    assert (row.d1, row.t1, row.memory, row.triples_fraction, row.wall_seconds) == (0.03, 0.01, 0.5, 0.02, 2.0)
    assert (row.electrons, row.frozen_orbitals, row.basis_functions) == (10, 1, 24)
    assert (row.scf_converged, row.cc_converged) == (1, None)
    assert row.details == '{"details":{"fragments":4},"host":"n"}'


def test_a_full_disk_is_said_in_one_sentence_and_costs_nothing(small_disk: Path) -> None:
    folder = small_disk / "labels"
    many = [entry(f"{i:064x}", details={"words": "x" * 500}) for i in range(4000)]
    ids = [e["configuration"] for e in many]
    kept = 0
    with Ledger.open(folder) as ledger:
        try:
            for start in range(0, len(many), 50):
                ledger.add(many[start : start + 50])
                kept = start + 50
        except StoppedError as error:
            said = str(error)
        assert ledger.counts(ids, "p", ["AB"]).done == kept > 100
    assert "ledger.sqlite: its disk is full" in said and said.endswith(AGAIN) and "\n" not in said
    with Ledger.read(folder) as ledger:
        assert ledger.counts(ids, "p", ["AB"]).done == kept
    (small_disk / "ballast").unlink()
    with Ledger.open(folder) as ledger:
        ledger.add(many[: kept + 200])
        assert ledger.counts(ids, "p", ["AB"]).done == kept + 200


def fill(disk: Path) -> None:
    """Leave no byte free on a disk."""
    with suppress(OSError), (disk / "more").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    assert shutil.disk_usage(disk).free == 0


def test_a_full_disk_does_not_stop_a_reader(small_disk: Path) -> None:
    folder = small_disk / "labels"
    with Ledger.open(folder) as ledger:
        ledger.add([entry("c")])
    fill(small_disk)
    with Ledger.read(folder) as ledger:
        assert ledger.counts(["c"], "p", ["AB"]).done == 1
    with pytest.raises(StoppedError, match=r"ledger.sqlite: (its disk is full|it cannot be written)"):
        Ledger.open(folder)
    with Ledger.read(folder) as ledger:
        assert ledger.counts(["c"], "p", ["AB"]).done == 1
    assert not (folder / "ledger.lock-holder").exists()


def test_what_a_killed_writer_left_is_not_overlooked_on_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    folder, there = tmp_path / "labels", small_disk / "labels"
    with Ledger.open(folder) as ledger:
        ledger.add([entry("c")])
        shutil.copytree(folder, there, ignore=shutil.ignore_patterns("*-shm"))  # as a kill leaves it
    assert (there / "ledger.sqlite-wal").stat().st_size > 0
    fill(small_disk)
    with pytest.raises(StoppedError, match=r"ledger.sqlite: (its disk is full|it cannot be written)"):
        Ledger.read(there)
    (small_disk / "more").unlink()
    with Ledger.read(there) as ledger:
        assert ledger.counts(["c"], "p", ["AB"]).done == 1


def test_details_and_protocols_come_back(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.add([entry("c", host="node7")])
        ledger.record_protocol("p", {"method": "HF"})
    with Ledger.read(tmp_path) as ledger:
        assert ledger.rows(["c"], "p")["c"]["AB"].details == '{"host":"node7"}'
        assert ledger.protocols() == {"p": {"method": "HF"}}


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    Ledger.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as database:
        database.execute("PRAGMA user_version = 99")
    for way in (Ledger.open, Ledger.read):
        with pytest.raises(InputError, match=r"ledger\.sqlite.*99.*newer"):
            way(tmp_path)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as database:
        database.execute(f"PRAGMA user_version = {FORMAT}")
    Ledger.open(tmp_path).close()  # a refusal lets go of the lock


@pytest.mark.parametrize("content", [b"nothing like a database, but long enough" * 100, None])
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ledger.sqlite"
    if content is None:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE mine (x)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()[100:]
    for way in (Ledger.open, Ledger.read):
        with pytest.raises(InputError, match=r"ledger\.sqlite"):
            way(tmp_path)
    assert path.read_bytes()[100:] == before


def test_the_message_names_who_holds_the_ledger(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, storage.ledger\n"
        "held = storage.ledger.Ledger.open(pathlib.Path(sys.argv[1]))\n"
        "print(1)\n"
        "sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-u", "-c", code, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        with pytest.raises(InputError, match=rf"process {holder.pid} on {os.uname().nodename}"):
            Ledger.open(tmp_path)
        with Ledger.read(tmp_path) as ledger:  # looking is allowed
            assert ledger.counts(["c"], "p", PARTS).missing == 1
    finally:
        holder.kill()
        holder.communicate()
    Ledger.open(tmp_path).close()  # a dead holder holds nothing


def test_an_absent_ledger_reads_as_empty_and_is_not_made(tmp_path: Path) -> None:
    with Ledger.read(tmp_path / "none") as ledger:
        assert ledger.counts(["c"], "p", PARTS) == Counts(0, 0, 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.timeout(120)  # a scan per configuration would take hours
def test_forty_thousand_labels_are_quick(tmp_path: Path) -> None:
    ids = [f"{i:064x}" for i in range(40_000)]
    with Ledger.open(tmp_path) as ledger:
        ledger.add(entry(i, part) for i in ids for part in PARTS)
        assert ledger.counts(ids, "p", PARTS) == Counts(40_000, 0, 0)
        assert len(ledger.rows(ids, "p")) == 40_000


def test_configuration_id_sees_what_matters_and_nothing_else() -> None:
    numbers, xyz = [8, 1, 1], np.array([[0.0, 0.0, 0.1], [0.0, 0.76, -0.5], [0.0, -0.76, -0.5]])
    base = configuration_id(numbers, xyz, 0, 1)
    negative_zero = xyz.copy()
    negative_zero[0, 0] = -0.0
    assert base == configuration_id(np.array(numbers, dtype=np.int32), negative_zero + 1e-10, 0, 1)
    others = [
        configuration_id(numbers, xyz + 2e-8, 0, 1),
        configuration_id([8, 1, 2], xyz, 0, 1),
        configuration_id(numbers, xyz[[0, 2, 1]], 0, 1),
        configuration_id(numbers, xyz, 1, 1),
        configuration_id(numbers, xyz, 0, 3),
        configuration_id(numbers, xyz, 0, 1, [(1, 0), (2, 0)]),
        configuration_id(numbers, xyz, 0, 1, [(2, 0), (1, 0)]),
        configuration_id(numbers, xyz, 0, 1, [(1, -1), (2, 1)]),
    ]
    assert len({base, *others}) == 9
    with pytest.raises(InputError, match="finite"):
        configuration_id(numbers, xyz * np.nan, 0, 1)


def test_protocol_id_ignores_the_flags_only() -> None:
    base = protocol_id(Labelling(), {"pyscf": "2.14.0"})
    assert base == protocol_id(
        Labelling(max_t1=0.5, max_t2=0.5, max_d1=0.5, keep_flagged=True, reference="none"), {"pyscf": "2.14.0"}
    )
    # a store of the first release has its labels under this id
    assert base.startswith("b0602fc2ea88c913")
    changed = [
        *({"method": "MP2"}, {"basis": "cc-pVDZ"}, {"counterpoise": False}, {"frozen_core": False}),
        *({"scf_tolerance": 1e-9}, {"cc_tolerance": 1e-7}, {"lno_threshold": 1e-4}),
        *({"density_fitting": True}, {"mp2_basis": "aug-cc-pVQZ", "density_fitting": True}),
        {"engine": "pyscf-lno", "method": "LNO-CCSD(T)"},
    ]
    ids = [protocol_id(Labelling(**change), {"pyscf": "2.14.0"}) for change in changed]  # type: ignore[arg-type]
    assert len({base, *ids, protocol_id(Labelling(), {"pyscf": "2.14.1"})}) == len(changed) + 2
