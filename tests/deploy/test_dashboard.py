"""Dask's dashboard: served on loopback where somebody is told of it, and otherwise not there."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from distributed import Client, LocalCluster

from deploy.cluster import local_cluster
from deploy.machine import BatchMachine, SchedulerMachine
from deploy.opening import open_machine
from deploy.script import Work, job_options
from tests.conftest import ROOT


def page(link: str) -> str:
    with urllib.request.urlopen(link, timeout=30) as answer:
        return str(answer.read().decode())


def test_a_local_cluster_has_one_on_loopback(tmp_path: Path) -> None:
    told: list[str] = []
    with local_cluster(1, tmp_path, told.append):
        (link,) = told
        assert link.startswith("http://127.0.0.1:") and link.endswith("/status")
        assert "Bokeh" in page(link)
        listening = [c.laddr.ip for c in psutil.Process().net_connections("tcp") if c.status == "LISTEN"]
        assert set(listening) == {"127.0.0.1"}
    with pytest.raises(urllib.error.URLError):
        page(link)


def test_nobody_told_means_none(tmp_path: Path) -> None:
    with local_cluster(1, tmp_path) as address, Client(address) as client, pytest.raises(urllib.error.HTTPError):
        page(client.dashboard_link)


def test_without_bokeh_there_is_none() -> None:
    code = f"import sys; sys.path = [{str(ROOT)!r}, *sys.path]; from deploy.dashboard import has_pages; "
    code += "print(has_pages(print), has_pages(None))"
    for flags, says in ((["-I"], "True False"), (["-I", "-S"], "False False")):  # -S: nothing installed is seen
        done = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == says


def test_that_of_somebody_else_is_found(tmp_path: Path) -> None:
    work = Work("x", tmp_path, workers=0, memory=1.0, seconds=None, timeout=60.0)
    told: list[str] = []
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            host="127.0.0.1",
            protocol="tcp",
            dashboard_address="127.0.0.1:0",
        ) as theirs,
        open_machine(SchedulerMachine(address=theirs.scheduler_address), work, told.append),
    ):
        assert told == [theirs.dashboard_link] and "Bokeh" in page(told[0])


def test_jobs_are_asked_for_none_of_their_own() -> None:
    machine = BatchMachine(system="slurm", interface="lo")
    work = Work("x", Path("/store/scratch/dask"), workers=0, memory=1.0, seconds=None, timeout=60.0)
    for dashboard in (False, True):
        options = job_options(machine, machine.labels, work, None, "python", dashboard)
        assert options["scheduler_options"]["dashboard"] is dashboard
        assert options["scheduler_options"]["dashboard_address"] == "127.0.0.1:0"
        assert "--no-dashboard" in options["worker_extra_args"]
