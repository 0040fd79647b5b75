"""A real Slurm on this machine: its jobs' workers, lost jobs, and whole runs that give what a local run gives."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import dask
import numpy as np
import pytest
from distributed import Client

from deploy.machine import BatchMachine, FitJob, LabelJobs
from deploy.needs import what_is_missing
from deploy.opening import open_fit, open_machine
from deploy.script import Work
from potentials.errors import InputError, StageError
from recipes.load import load_recipe
from recipes.protocols import with_protocol
from recipes.schema.recipe import Recipe
from storage.spool import read_spool, spool_files
from storage.store import Store
from tasks.labelling.engines.registry import get_engine
from tasks.labelling.protocol import protocol_of
from tasks.sampling.pool import sample_pool
from tests.conftest import until

Slurm = Callable[..., str]
HOSTILE = "a b'c\"d$(touch hacked);`touch hacked`&*"


def work(folder: Path) -> Work:
    return Work(name="ch3-water", folder=folder, workers=0, memory=1.0, seconds=1.0, timeout=600.0)


def environment() -> dict[str, str]:
    return dict(os.environ) | {"cwd": os.getcwd(), "path": str(sys.flags.safe_path)}


def running(slurm: Slurm) -> list[str]:
    return slurm("squeue", "--noheader", "--format=%i").split()


class Counter:
    """A progress line that remembers."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def update(self, done: int, failed: int = 0) -> None:
        self.seen.append(done)


def square(values: list[int], progress: Counter) -> tuple[list[int], str]:
    progress.update(len(values))
    return [v * v for v in values], os.environ["OMP_NUM_THREADS"]


def test_lost_jobs_are_replaced_and_only_who_has_the_key_comes_in(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS")
    machine = BatchMachine(system="slurm", labels=LabelJobs(jobs=2, cores=2), fit=FitJob(cores=3, memory=2.0))
    folder = tmp_path / HOSTILE / "scratch" / "dask"
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}):
        pages: list[str] = []
        with open_machine(machine, work(folder), pages.append) as address:
            assert address.startswith("tls://127.0.0.1:")
            assert [urllib.request.urlopen(page, timeout=30).status for page in pages] == [200]
            (keys,) = folder.glob("tls-*")
            assert keys.stat().st_mode & 0o077 == 0
            with Client(address) as client:
                client.wait_for_workers(4, timeout=90)
                assert set(client.nthreads().values()) == {1}
                found = client.submit(environment).result(timeout=60)
                before = running(slurm)
                assert len(before) == 2
                slurm("scancel", before[0])
                assert until(lambda: len(set(running(slurm)) - set(before)) == 1), running(slurm)
                client.wait_for_workers(4, timeout=90)
                assert before[1] in running(slurm)
            assert found["OMP_NUM_THREADS"] == "1" and found["path"] == "True"
            with (
                dask.config.set({"distributed.comm.require-encryption": False}),
                pytest.raises(OSError, match=r"(?i)timed out|connect|in: "),
            ):
                Client(address.replace("tls", "tcp"), timeout=3)
        assert until(lambda: not running(slurm)), "the jobs end with the run"
        counter = Counter()
        with open_fit(machine, work(folder)) as compute:
            assert len(running(slurm)) == 1
            assert compute(square, [2, 3], progress=counter) == ([4, 9], "3")
        assert until(lambda: counter.seen == [2], 5)
    assert until(lambda: not running(slurm))
    assert not list(folder.glob("tls-*")) and len(list((folder / "logs").glob("job-*.log"))) == 4
    assert not list(tmp_path.rglob("hacked")) and not list(tmp_path.glob("slurm-*"))


def test_what_slurm_refuses_is_one_sentence(slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = BatchMachine(system="slurm", labels=LabelJobs(queue="nowhere"))
    with pytest.raises(StageError) as caught, open_machine(machine, work(tmp_path)):
        pass
    assert "slurm rejected the job: " in str(caught.value) and "Invalid partition" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert what_is_missing(machine) is None
    settings = Path(os.environ["SLURM_CONF"]).read_text()
    (tmp_path / "nobody.conf").write_text(re.sub(r"SlurmctldPort=\d+", "SlurmctldPort=1", settings))
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "nobody.conf"))
    assert "Slurm controller" in str(what_is_missing(machine))


def test_jobs_on_other_machines_need_an_interface(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "login")
    machine = BatchMachine(system="slurm")
    with pytest.raises(InputError, match="give interface in its profile"), open_machine(machine, work(tmp_path)):
        pass


def rows(store: Path) -> int:
    with sqlite3.connect(store / "labels" / "ledger.sqlite") as ledger:
        count, distinct = ledger.execute(
            "SELECT count(*), count(DISTINCT configuration || protocol || part) FROM labels WHERE status = 'ok'"
        ).fetchone()
        assert ledger.execute("SELECT count(*) FROM labels WHERE status != 'ok'").fetchone() == (0,)
    assert count == distinct
    return int(count)


def spooled(store: Path) -> int:
    return sum(len(read_spool(path).entries) for path in spool_files(store / "labels" / "spool"))


def check_same(one: Path, other: Path) -> None:
    for kind in ("pool", "selection", "dataset", "potential", "validation"):
        (left,), (right,) = Store(one).versions(kind), Store(other).versions(kind)
        assert left.key == right.key, kind
        if kind == "dataset":
            for column in ("positions", "energy", "sub_energies"):
                np.testing.assert_allclose(left.column(column), right.column(column), rtol=0, atol=1e-9)


def run_and_cancel(slurm: Slurm, words: list[str], store: Path, labels: int, kill: str) -> None:
    """Run, cancel half of the jobs once some labels are there but not all, and see that the run ends well."""
    program = str(Path(sys.executable).with_name("nmer"))
    process = subprocess.Popen([program, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        assert until(lambda: spooled(store) > 0 or process.poll() is not None, 300)
        jobs = running(slurm)
        slurm("scancel", *([f"--signal={kill}", "--full"] if kill else []), *jobs[: len(jobs) // 2])
        assert 0 < spooled(store) < labels, "midway"
        shown = process.communicate(timeout=500)[1]
    finally:
        process.kill()
    assert process.returncode == 0, shown
    assert len(jobs) == 4, jobs
    assert "Traceback" not in shown and "failed, 0 left" in shown
    assert until(lambda: not running(slurm))


def check_here(recipe: Recipe, store: Store, scratch: Path) -> None:
    """Sample and label in this process what a run did in its jobs, and see that it is the same."""
    (pool,), (dataset,) = store.versions("pool"), store.versions("dataset")
    nmer, labelling = recipe.build_nmer(), recipe.labelling
    frames = sample_pool(nmer, recipe.sampling, scratch)
    np.testing.assert_array_equal(pool.column("positions"), frames.positions)
    engine, protocol = get_engine(labelling.engine), protocol_of(nmer, labelling)
    energies = [
        [engine.run(job).energy for job in protocol.jobs(positions, protocol.parts, 1.0)]
        for positions in dataset.column("positions")
    ]
    np.testing.assert_allclose(dataset.column("sub_energies"), energies, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kill", ["", pytest.param("KILL", marks=pytest.mark.slow)])
def test_the_smoke_preset_with_half_of_its_jobs_cancelled_midway(slurm: Slurm, tmp_path: Path, kill: str) -> None:
    pytest.importorskip("tblite")
    store, local = tmp_path / HOSTILE, tmp_path / "local"
    words = ["run", "ch3-water", "--preset", "smoke", "--protocol", "gfn2-xtb", "--json", "--store"]
    run_and_cancel(slurm, [*words, str(store), "--on", "slurm"], store, 360, kill)
    assert rows(store) == 360 <= spooled(store) <= 360 + 2 * 3, "but for the labels at hand none is computed twice"
    assert not list(tmp_path.rglob("hacked"))
    recipe = with_protocol(load_recipe("ch3-water", "smoke"), "gfn2-xtb")
    check_here(recipe, Store(store), tmp_path / "here")
    if kill:
        program = str(Path(sys.executable).with_name("nmer"))
        subprocess.run([program, *words, str(local)], check=True, capture_output=True, timeout=500)
        check_same(local, store)
