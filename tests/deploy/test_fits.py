"""What does not fit a machine is refused before anything is submitted, with the numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy import fits
from deploy.machine import (
    AnyMachine,
    BatchMachine,
    FitJob,
    KubernetesMachine,
    LabelJobs,
    LocalMachine,
    Pods,
    scratch_of,
)
from deploy.script import Work
from nmer.cli.main import main
from potentials.errors import InputError
from recipes.engines import LabelCost
from recipes.load import load_recipe
from recipes.schema.recipe import Recipe
from tasks.run.needs import needs, with_scratch

RECIPE = load_recipe("ch3-water", "smoke")  # label_memory = 3
COST = LabelCost(100.0, 2.0, "formula")


def check_fits(recipe: Recipe, machine: AnyMachine, cost: LabelCost | None, until: str = "validation") -> None:
    fits.check_fits(machine, Work(**needs(recipe, Path("store"), cost, until)))


def machine(memory: float = 0.0, cores: int = 1, walltime: str = "4:00:00") -> BatchMachine:
    return BatchMachine(system="slurm", labels=LabelJobs(memory=memory, cores=cores, walltime=walltime))


def test_what_fits() -> None:
    for one in (LocalMachine(), machine(), machine(3.5), machine(14.0, 4), machine(walltime="0:05:00")):
        check_fits(RECIPE, one, COST)
    check_fits(RECIPE, machine(), None)
    check_fits(RECIPE, machine(1.0), COST, "selection")


def test_labels_that_are_too_long() -> None:
    with pytest.raises(InputError) as caught:
        check_fits(RECIPE, machine(walltime="0:04:59"), COST)
    assert str(caught.value) == (
        "ch3-water: a label is expected to take 1e+02 s (formula), at most 0:05:00 with a spread of 3, and "
        "labels.walltime of the machine is 0:04:59; raise it"
    )


def test_labels_that_are_too_large() -> None:
    with pytest.raises(
        InputError, match=r"2 labels at once of 3 GiB and 0.5 GiB for each worker need 7 GiB, and .* 6 G"
    ):
        check_fits(RECIPE, machine(6.0, 2), COST)
    with pytest.raises(InputError, match=r"1 label at once of 3 GiB .* need 3.5 GiB"):
        check_fits(RECIPE, KubernetesMachine(labels=Pods(memory=3.0)), COST)
    with pytest.raises(
        InputError, match=r"expected to need 3.5 GiB \(formula\), and resources.label_memory .* 3 GiB"
    ):
        check_fits(RECIPE, machine(), LabelCost(1.0, 3.5, "formula"))


def test_fits_that_are_too_large_or_too_long() -> None:
    small = machine().model_copy(update={"fit": FitJob(memory=0.5)})
    with pytest.raises(
        InputError, match=r"the fit is expected to need .* GiB, and fit.memory of the machine is 0.5"
    ):
        check_fits(RECIPE, small, COST)
    check_fits(RECIPE, small, COST, "labelling")
    paper = load_recipe("ch3-water", "paper")
    short = machine().model_copy(update={"fit": FitJob(memory=64.0, cores=1, walltime="0:01:00")})
    with pytest.raises(
        InputError, match=r"the fit is expected to take at most .* on 1 cores, .* is 0:01:00; raise"
    ):
        check_fits(paper, short, None)


def test_a_machine_brings_its_scratch_folder() -> None:
    one = BatchMachine(system="slurm", scratch="/local/x")
    assert with_scratch(RECIPE, scratch_of(one)).resources.scratch == "/local/x"
    own = RECIPE.model_copy(update={"resources": RECIPE.resources.model_copy(update={"scratch": "/mine"})})
    assert with_scratch(own, scratch_of(one)).resources.scratch == "/mine"
    assert with_scratch(RECIPE, scratch_of(LocalMachine())) is RECIPE


def test_the_command_refuses_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("qsub", "qdel"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text('system = "pbs"\n[labels]\nmemory = 3.4\n')
    for words in (["ch3-water"], ["--all", "polyalanine-water"]):
        assert main(["run", *words, "--preset", "smoke", "--on", "small.toml"]) == 2
        shown = capsys.readouterr().err
        assert "need 3.5 GiB, and labels.memory of the machine gives a job 3.4 GiB" in shown
        assert shown.count("\n") == 1
    assert not (tmp_path / "nmer-store").exists()
