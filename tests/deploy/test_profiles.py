"""Profiles of machines: those that come with nmer, a user's own, and what is said of wrong ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from deploy.machine import BatchMachine, KubernetesMachine, LabelJobs, LocalMachine, clock, seconds_of
from deploy.needs import check_machine, what_is_missing
from deploy.profiles import load_machine, machine_files
from nmer.cli.main import main
from potentials.errors import InputError

SHIPPED = ["kubernetes", "local", "lsf", "pbs", "scheduler", "sge", "slurm"]


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the tests a folder of their own for profiles, and no batch system's programs."""
    monkeypatch.setenv("NMER_MACHINES", str(tmp_path / "machines"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    (tmp_path / "machines").mkdir()
    return tmp_path / "machines"


def test_every_shipped_profile_is_sound() -> None:
    assert sorted(machine_files()) == SHIPPED
    for name in SHIPPED:
        machine = load_machine(name)
        assert machine.system == name and machine.title
    slurm = load_machine("slurm")
    assert isinstance(slurm, BatchMachine) and slurm.fit is not None and slurm.fit.cores == 8
    with pytest.raises(ValidationError):
        slurm.interface = "eth0"  # type: ignore[misc]


def test_own_profiles_go_before_shipped_ones(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own / "slurm.toml").write_text('system = "slurm"\ntitle = "mine"\n')
    (own / "fat.toml").write_text('system = "local"\n')
    assert load_machine("slurm").title == "mine"
    assert isinstance(load_machine("fat"), LocalMachine)
    assert load_machine(str(own / "slurm.toml")).title == "mine"
    monkeypatch.delenv("NMER_MACHINES")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(own / "config"))
    (own / "config" / "nmer" / "machines").mkdir(parents=True)
    (own / "config" / "nmer" / "machines" / "tiny.toml").write_text('system = "local"\n')
    assert isinstance(load_machine("tiny"), LocalMachine) and load_machine("slurm").title != "mine"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("system = ", "not valid TOML"),
        ("title = 'x'", "key 'system' is missing; allowed: local, scheduler, slurm"),
        ("system = 'slrm'", "key 'system' is 'slrm'; allowed: local"),
        (
            "system = 'slurm'\ninterfaces = 'x'",
            "key 'interfaces' is unknown (did you mean 'interface'?); allowed: ",
        ),
        ("system = 'slurm'\n[labels]\nque = 'x'", "key 'labels.que' is unknown (did you mean 'queue'?)"),
        ("system = 'slurm'\n[labels]\nqueue = 'a b'", "key 'labels.queue' is 'a b'"),
        ("system = 'slurm'\n[labels]\nqueue = 'x;reboot'", "key 'labels.queue' is 'x;reboot'"),
        ("system = 'slurm'\n[labels]\njobs = 0", "key 'labels.jobs' is 0"),
        ("system = 'slurm'\n[labels]\nwalltime = '4h'", "key 'labels.walltime': '4h' must be a time"),
        ("system = 'slurm'\n[fit]\ncors = 4", "key 'fit.cors' is unknown (did you mean 'cores'?)"),
        ("system = 'slurm'\ndirectives = ['x']", "key 'directives' is unknown"),
        ('system = "slurm"\nprologue = ["a\\nb"]', "must be one line"),
        ("system = 'slurm'\nscratch = 'tmp'", "key 'scratch': 'tmp' must be a whole path"),
        ("system = 'slurm'\nconda = 'a'\ncontainer = '/b.sif'", "give conda or container, not both"),
        ("system = 'slurm'\nscheduler_interface = 'ib0'", "needs interface"),
        ("system = 'scheduler'\naddress = 'node:1'", "must be tcp://host:port"),
        ("system = 'scheduler'\naddress = 'tls://node:1'", "needs a table [tls]"),
        ("system = 'scheduler'\n[tls]\nca = '/a'\ncert = '/b'", "key 'tls.key' is missing"),
        ("system = 'kubernetes'\nnamespace = 'A B'", "key 'namespace' is 'A B'"),
        ("system = 'local'\nformat = 2", "key 'format' is 2"),
    ],
)
def test_a_wrong_profile_is_one_sentence(
    own: Path, text: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own.parent)
    path = own.parent / "wrong.toml"
    path.write_text(text)
    assert main(["run", "ch3-water", "--preset", "smoke", "--on", str(path)]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("nmer: wrong.toml: ") and said in shown and shown.count("\n") == 1
    assert not (own.parent / "nmer-store").exists()


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ("slrm", "machine 'slrm' is unknown (did you mean 'slurm'?); allowed: "),
        ("none.toml", "machine file 'none.toml' does not exist"),
        ("slurm", "machine 'slurm' needs sbatch and scancel on the PATH; run nmer where jobs are submitted"),
        ("pbs", "machine 'pbs' needs qsub and qdel on the PATH"),
        ("lsf", "machine 'lsf' needs bsub and bkill on the PATH"),
        ("sge", "machine 'sge' needs qsub and qdel on the PATH"),
        ("scheduler", "machine 'scheduler' needs an address: set DASK_SCHEDULER_ADDRESS"),
    ],
)
def test_a_machine_that_cannot_be_had_is_one_sentence(
    own: Path, on: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own.parent)
    for words in (["run", "ch3-water"], ["run", "--all", "polyalanine-water"], ["retry", "ch3-water", "--list"]):
        assert main([*words, "--preset", "smoke", "--on", on]) == 2
        shown = capsys.readouterr().err
        assert said in shown and shown.count("\n") == 1
    assert not (own.parent / "nmer-store").exists()


def test_machines_are_listed(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own / "broken.toml").write_text("system = 1")
    assert main(["machines", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert sorted(rows) == sorted([*SHIPPED, "broken"])
    assert [name for name, row in rows.items() if row["runs_here"]] == ["local"]
    assert rows["broken"]["needs"].startswith("has an invalid profile: broken.toml: key 'system'")
    assert rows["slurm"]["size"] == "4 jobs of 1 core, 4:00:00" and rows["slurm"]["file"].endswith("slurm.toml")
    assert main(["machines"]) == 0
    shown = capsys.readouterr().out
    assert "pbs needs qsub and qdel" in shown and "broken has an invalid profile" in shown


def test_what_machines_need(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("qsub", "qdel"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert what_is_missing(BatchMachine(system="pbs")) is None
    wrong = what_is_missing(BatchMachine(system="pbs", interface="ib7"))
    assert wrong is not None and "'ib7', which is not on this machine; it has" in wrong and "lo" in wrong
    assert what_is_missing(BatchMachine(system="pbs", interface="ib7", scheduler_interface="lo")) is None
    with pytest.raises(InputError, match="machine 'x' has interface 'ib7'"):
        check_machine("x", BatchMachine(system="pbs", interface="ib7"))
    assert "nmer" in str(what_is_missing(KubernetesMachine()))


def test_times() -> None:
    assert seconds_of("4:00:00") == 14400 and seconds_of("2-12:00:30") == 216030
    assert clock(216030) == "60:00:30"
    assert LabelJobs(walltime="1-00:00:00").seconds == 86400
