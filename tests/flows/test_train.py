"""The whole way of the data, with real engines at a toy level: run, run again, kill, resume, retrieve."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest

import nmer
from nmer.cli.main import main
from recipes.load import load_recipe
from storage.spool import spool_files
from storage.store import Store
from tests.conftest import until

Run = tuple[Path, subprocess.CompletedProcess[str]]


def test_a_run_makes_every_version(tiny_run: Run) -> None:
    store, done = tiny_run
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["potential"] == "tiny-water@1" and result["status"] == "released" and result["passed"]
    assert result["train"]["count"] == 18 and result["test"]["count"] == 4
    versions = Store(store).versions()
    assert [v.kind for v in versions] == ["pool", "selection", "dataset", "potential", "validation"]
    report = store / "reports" / "tiny-water@1"
    pictures = ("error-by-energy", "learning-curve", "parity")
    plots = {f"{name}.{kind}" for name in pictures for kind in ("csv", "png")}
    assert {p.name for p in report.iterdir()} == {"recipe.toml", "report.html", *plots}
    assert load_recipe(str(report / "recipe.toml")).selection.train == 18
    for stage in ("sampling", "selection", "labelling", "fitting", "validation"):
        assert stage in done.stderr
    assert "Traceback" not in done.stderr


def test_datasets_tell_what_they_are(tiny_run: Run) -> None:
    version = Store(tiny_run[0]).resolve("dataset:tiny-water@1")
    with h5py.File(version.path) as file:
        assert file["energy"].attrs["unit"] == "kcal/mol"
        assert file["positions"].shape == (22, 8, 3)
        assert json.loads(file.attrs["engines"])["pyscf"]
        sub, energy = file["sub_energies"][()], file["energy"][()]
        np.testing.assert_allclose(627.5094740631 * (sub[:, 0] - sub[:, 1] - sub[:, 2]), energy, atol=1e-9)


def test_running_again_computes_nothing(
    tiny_run: Run, tiny_recipe: Path, nmer_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    store, first = tiny_run
    again = nmer_command("run", str(tiny_recipe), "--store", str(store), "--json", cwd=store.parent)
    assert again.returncode == 0 and "everything is there already" in again.stderr
    assert json.loads(again.stdout) == json.loads(first.stdout)
    assert len(Store(store).versions()) == 5


def test_another_degree_reuses_the_labels(
    tiny_run: Run, tiny_recipe: Path, tmp_path: Path, nmer_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    store = tiny_run[0]
    before = len(spool_files(store / "labels" / "spool"))
    other = tmp_path / "tiny-water.toml"
    other.write_text(tiny_recipe.read_text().replace("degree = 1", "degree = 1\ngamma = 0.01"))
    done = nmer_command("run", str(other), "--store", str(store), "--until", "fitting", "--json", cwd=store.parent)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["potential"] == "tiny-water@2"
    assert len(spool_files(store / "labels" / "spool")) == before
    assert len(Store(store).versions("dataset")) == 1
    assert nmer.load("tiny-water@latest", store=store).status == "candidate"
    assert nmer.load("tiny-water@released", store=store).name == "tiny-water@1"


def test_a_potential_is_retrieved_and_is_what_was_fitted(tiny_run: Run) -> None:
    potential = nmer.load("tiny-water@1", store=tiny_run[0])
    assert nmer.Store(tiny_run[0]).potential("tiny-water@1").status == potential.status == "released"
    dataset = Store(tiny_run[0]).resolve("dataset:tiny-water@1")
    verdict = Store(tiny_run[0]).resolve("validation:tiny-water@1")
    energy, gradient = potential.energy_and_gradient(dataset.column("positions"))
    np.testing.assert_allclose(energy, verdict.column("predicted"), atol=1e-12)
    assert gradient.shape == (22, 8, 3)
    one = potential.energy(dataset.column("positions")[0])
    assert isinstance(one, float) and one == pytest.approx(energy[0], abs=1e-12)


def test_failed_gates_end_with_1(
    tiny_run: Run, tiny_recipe: Path, tmp_path: Path, nmer_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    strict = tmp_path / "tiny-water.toml"
    strict.write_text(tiny_recipe.read_text().replace("test_rmsd = 50", "test_rmsd = 1e-9"))
    done = nmer_command("run", str(strict), "--store", str(tiny_run[0]), cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "tiny-water@1 is candidate" in done.stdout
    assert "gate not passed: RMSD on the test set (kcal/mol)" in done.stdout


def test_ctrl_c_ends_with_one_sentence_and_leaves_nothing_behind(tiny_recipe: Path, tmp_path: Path) -> None:
    words = [
        str(Path(sys.executable).with_name("nmer")),
        "run",
        str(tiny_recipe),
        "--store",
        str(tmp_path / "store"),
    ]
    process = subprocess.Popen(
        words,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )
    assert until((tmp_path / "store" / "labels" / "spool").exists)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    shown = process.communicate(timeout=120)[1]
    outlived = psutil.wait_procs(children, timeout=30)[1]
    for child in outlived:
        child.kill()
    assert process.returncode == 130
    assert "Traceback" not in shown
    last = shown.strip().splitlines()[-1]
    assert last.startswith("nmer: interrupted; ") and "same command again" in last
    assert children and not outlived


def test_a_part_says_what_it_needs(tiny_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> tuple[int, str]:
        code = main(["run", str(tiny_recipe), "--store", str(tmp_path / "store"), *words])
        return code, capsys.readouterr().err

    code, said = run("--only", "fit")
    assert code == 1 and "fitting needs what sampling makes, which is not complete" in said
    assert "(0 of 200)" in said
    code, said = run("--only", "fit", "--until", "labelling")
    assert code == 2 and "leave out --all and --until" in said
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
def test_parts_run_one_after_the_other_make_what_a_run_makes(
    tiny_run: Run, tiny_recipe: Path, tmp_path: Path, nmer_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    store, made = tmp_path / "store", []
    for part in ("sample", "label", "fit", "validate"):
        done = nmer_command("run", str(tiny_recipe), "--store", str(store), "--only", part, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        made.append([v.kind for v in Store(store).versions()])
    kinds = ["pool", "selection", "dataset", "potential", "validation"]
    assert made == [kinds[:2], kinds[:3], kinds[:4], kinds]
    assert {v.key for v in Store(store).versions()} == {v.key for v in Store(tiny_run[0]).versions()}
