"""The command line: what it prints, as JSON and for people, and every message of bad input."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import call

Run = tuple[Path, subprocess.CompletedProcess[str]]

AMMONIA = """
name = "ammonia"
[nmer]
symmetry = "A1B3"
[[nmer.fragments]]
name = "ammonia"
bonds = [[0, 1], [0, 2], [0, 3]]
geometry = '''
N 0.0 0.0 0.1
H 0.0 0.94 -0.28
H 0.81 -0.47 -0.28
H -0.81 -0.47 -0.28
'''
[selection]
train = 20
test = 4
[fitting]
terms = "all"
"""


def test_recipes_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "recipes", "--json")
    assert code == 0
    first = next(r for r in json.loads(out) if r["name"] == "ch3-water")
    assert first["symmetry"] == "A1B1C3_D1E2" and first["presets"] == ["laptop", "levels", "paper", "smoke"]
    assert "ch3-water" in call(capsys, "recipes")[1]
    shown = json.loads(call(capsys, "show", "ch3-water", "--preset", "paper", "--json")[1])
    assert shown["sampling"]["frames"] == 600_000
    assert 'preset = "smoke"' in call(capsys, "show", "ch3-water", "--preset", "smoke")[1]


def test_plan_counts_before_anything_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    store = tmp_path / "none"
    code, out, _ = call(capsys, "plan", "ch3-water", "--preset", "paper", "--store", str(store), "--json")
    assert code == 0 and not store.exists()
    stages = {s["stage"]: s for s in json.loads(out)["stages"]}
    assert stages["labelling"]["count"] == 45_000 and stages["fitting"]["count"] == 710
    assert stages["labelling"]["core_hours"] > 10 and stages["sampling"]["disk"] > 10
    assert "core-hours" in call(capsys, "plan", "ch3-water", "--preset", "smoke", "--store", str(store))[1]


def test_an_unknown_basis_has_no_estimate(
    capsys: pytest.CaptureFixture[str], tiny_recipe: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(tiny_recipe.read_text().replace("sto-3g", "6-311g"))
    code, out, _ = call(capsys, "plan", str(path), "--store", str(tmp_path / "s"))
    assert code == 0 and "unknown" in out and "not in the total" in out


def test_plan_has_a_row_for_each_level(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ("plan", "conh", "--preset", "levels", "--store", str(tmp_path / "s"))
    code, out, _ = call(capsys, *words, "--json")
    found = json.loads(out)
    first, middle, large, top = found["levels"]
    assert code == 0 and top["labels"] == large["derived"] == middle["derived"]  # a composite holds both
    assert top["labels"] < large["labels"] < middle["labels"] <= first["labels"]
    assert first["derived"] == top["derived"] == 0
    computed = (middle["labels"] - middle["derived"]) * middle["cpu_seconds"] / 3600
    assert middle["core_hours_left"] == pytest.approx(computed)
    assert first["cpu_seconds"] < 0.01 < middle["cpu_seconds"] < top["cpu_seconds"]
    labelling = next(s for s in found["stages"] if s["stage"] == "labelling")
    assert labelling["count"] == sum(level["labels"] for level in found["levels"])
    parts = [level[name] for level in found["levels"] for name in ("core_hours_left", "minima_core_hours")]
    assert labelling["core_hours_left"] == pytest.approx(sum(parts))
    code, out, _ = call(capsys, *words)
    assert code == 0 and all(level["level"] in out for level in found["levels"]) and "4 minima" in out


def test_plan_adds_up_recipes_and_families(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    end = ("--preset", "smoke", "--store", str(tmp_path / "s"))
    code, out, _ = call(capsys, "plan", "polyalanine-water", *end, "--json")
    whole = json.loads(out)
    assert code == 0 and [row["recipe"] for row in whole["recipes"]] == ["ch-water", "ch3-water", "conh-water"]
    alone = json.loads(call(capsys, "plan", "ch-water", *end, "--json")[1])
    mine = sum(stage["core_hours_left"] for stage in alone["stages"])
    assert whole["recipes"][0]["core_hours_left"] == pytest.approx(mine)
    each = [row["core_hours_left"] for row in whole["recipes"]]
    assert whole["core_hours_left"] == pytest.approx(sum(each))
    code, out, _ = call(capsys, "plan", "--all", "polyalanine-water", "ch-water", *end)
    assert code == 0 and "3 recipes" in out and f"about {whole['core_hours_left']:.2g} core-hours in all" in out
    alone = json.loads(call(capsys, "plan", "water", *end, "--json")[1])
    assert alone["recipe"] == "water"  # the recipe, not the family
    code, _, said = call(capsys, "plan", *end)
    assert code == 2 and "give a recipe, or --all and a family" in said


def test_status_versions_lineage(capsys: pytest.CaptureFixture[str], tiny_run: Run, tiny_recipe: Path) -> None:
    store = str(tiny_run[0])
    code, out, _ = call(capsys, "status", str(tiny_recipe), "--store", store, "--json")
    assert code == 0
    labelling = next(s for s in json.loads(out)["stages"] if s["stage"] == "labelling")
    assert (labelling["done"], labelling["failed"], labelling["left"]) == (22, 0, 0)
    refs = {v["ref"]: v for v in json.loads(call(capsys, "versions", "--store", store, "--json")[1])}
    assert refs["tiny-water@1"]["kind"] == "potential"
    tree = json.loads(call(capsys, "lineage", "tiny-water@1", "--store", store, "--json")[1])
    chain = []
    while tree["inputs"]:
        chain.append(tree["kind"])
        tree = tree["inputs"][0]
    assert [*chain, tree["kind"]] == ["potential", "dataset", "selection", "pool"]
    assert "lammps" in tree["engines"]
    assert "└─ dataset:tiny-water@1" in call(capsys, "lineage", "tiny-water@1", "--store", store)[1]
    assert "tiny-water@1" in call(capsys, "versions", "tiny-water", "--store", store)[1]


def test_get_copies_and_never_overwrites(
    capsys: pytest.CaptureFixture[str], tiny_run: Run, tmp_path: Path
) -> None:
    store, out = str(tiny_run[0]), tmp_path / "mine"
    code, text, _ = call(capsys, "get", "tiny-water@1", "--out", str(out), "--store", store, "--json")
    assert code == 0
    names = {Path(f).name for f in json.loads(text)["files"]}
    plots = {
        f"{name}.{kind}" for name in ("parity", "error-by-energy", "learning-curve") for kind in ("csv", "png")
    }
    assert names == {"tiny-water@1.h5", "recipe.toml", "report.html"} | plots
    assert names == {p.name for p in out.iterdir()}
    code, _, err = call(capsys, "get", "tiny-water@1", "--out", str(out), "--store", store)
    assert code == 2 and "exists already; give another folder" in err


def test_bad_input_is_one_sentence_and_writes_nothing(
    capsys: pytest.CaptureFixture[str],
    tiny_run: Run,
    tiny_recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = str(tiny_run[0])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.toml").write_text(tiny_recipe.read_text().replace("train = 18", "trian = 18"))
    (tmp_path / "basis.toml").write_text(tiny_recipe.read_text().replace("sto-3g", "cc-pVDX"))
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "letter.txt").write_text("dear")
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "nmer-store.json").write_text('{"nmer_store_format": 7}')
    (tmp_path / "afile").write_text("not a folder")
    (tmp_path / "ammonia.toml").write_text(AMMONIA)
    before = sorted(tmp_path.rglob("*"))
    cases = [
        (("run", "ammonia.toml"), "fragment 'ammonia' has no ff14SB types here; allowed: CH3-"),
        (("run", str(tiny_recipe), "--store", "afile/store"), "no store can be made at 'afile/store'"),
        (("run", "ch3-watr"), "recipe 'ch3-watr' is unknown (did you mean 'ch3-water'?)"),
        (
            ("run", "ch3-water", "--preset", "huge"),
            "'huge' is unknown; allowed: laptop, levels, paper, smoke",
        ),
        (("run", "wrong.toml"), "wrong.toml: key 'selection.trian' is unknown (did you mean 'train'?)"),
        (("run", "basis.toml"), "labelling.basis 'cc-pVDX'"),
        (("run", "none.toml"), "recipe file 'none.toml' does not exist"),
        (("run", str(tiny_recipe), "--store", "foreign"), "'foreign' is not a store of ours"),
        (("run", str(tiny_recipe), "--store", "newer"), "newer format 7; allowed: nmer_store_format up to 1"),
        (("run", str(tiny_recipe), "--until", "lunch"), "sampling"),
        (("versions",), "there is no store at 'nmer-store'"),
        (("lineage", "tiny-water", "--store", store), "NAME@NUMBER"),
        (("get", "ch3-water@4", "--store", store), "'ch3-water@4' is not in the store"),
        (("frobnicate",), "frobnicate"),
        (("plan", str(tiny_recipe), "--store", "foreign"), "'foreign' is not a store of ours"),
    ]
    for words, expected in cases:
        code, out, err = call(capsys, *words)
        assert code == 2 and out == "", (words, out, err)
        assert expected in err and err.startswith("nmer: ") and err.count("\n") == 1, (words, err)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_engine_is_named_with_the_way_to_install_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.util import find_spec

    if find_spec("pyscf") is not None:
        try:
            if find_spec("pyscf.lno") is not None:
                pytest.skip("pyscf-forge is installed: nothing is missing")
        except ModuleNotFoundError:
            pass
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capsys, "run", "ch3-water", "--preset", "smoke", "--protocol", "lno-aug-cc-pvtz")
    assert code == 2 and "labelling.engine 'pyscf-lno'" in err and "pip install 'nmer[lno]'" in err
    assert not list(tmp_path.iterdir())


def test_the_installed_command_has_no_traceback_for_bad_input(
    nmer_command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = nmer_command("run", "nothing-like-it", cwd=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr and not list(tmp_path.iterdir())
    assert nmer_command("--version", cwd=tmp_path).stdout.strip().count(".") == 2


@pytest.mark.parametrize(
    "command",
    ["recipes", "show", "plan", "run", "status", "versions", "lineage", "get", "bias", "export", "cite"],
)
def test_every_help_has_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = call(capsys, command, "--help")
    assert code == 0 and "Example: nmer" in out and "--json" in out


def test_a_stage_that_cannot_deliver_says_what_to_change(
    nmer_command: Callable[..., subprocess.CompletedProcess[str]], tiny_recipe: Path, tmp_path: Path
) -> None:
    path = tmp_path / "narrow.toml"
    text = tiny_recipe.read_text().replace("frames = 200", "frames = 40")
    path.write_text(text.replace("[[0, 4], [4, 7]]", "[[5.0, 5.0001]]"))
    done = nmer_command("run", str(path), "--until", "sampling", cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("nmer: sampling: 2 of 2 walkers failed.") and "widen the window" in last
