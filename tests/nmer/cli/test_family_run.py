"""`nmer run --all`: a family in one store, past a member that fails, with one table at the end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nmer.cli.main import main

PROGRAM = """
import sys
from recipes.families import FAMILIES, PUBLISHED, Published
FAMILIES["toys"] = tuple(sys.argv[1].split(","))
PUBLISHED["tiny-water"] = Published(0.07, 0.08)
from nmer.cli.main import main
sys.exit(main(["run", "--all", "toys", *sys.argv[2:]]))
"""


def run(recipes: list[Path], *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    names = ",".join(str(path) for path in recipes)
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, names, *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def test_a_family_goes_on_past_a_member_that_failed(tiny_recipe: Path, tmp_path: Path) -> None:
    text = tiny_recipe.read_text()
    narrow = tmp_path / "narrow.toml"
    narrow.write_text(text.replace("[[0, 4], [4, 7]]", "[[5.0, 5.0001]]").replace("tiny-water", "narrow"))
    words = ("--until", "sampling", "--store", "store")
    done = run([narrow, tiny_recipe], *words, "--workers", "1", "--json", cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    result = json.loads(done.stdout)
    assert result["family"] == "toys" and not result["passed"]
    failed, made = result["members"]
    assert made["passed"] and not failed["passed"]
    assert made["seconds"]["sampling"] > 0 and made["failure"] is None
    assert failed["failure"].startswith("sampling: 2 of 2 walkers failed")
    assert failed["seconds"]["sampling"] is None
    assert (
        made["atoms"] == 8 and made["published"] == {"train": 0.07, "test": 0.08} and failed["published"] is None
    )

    again = run([tiny_recipe], *words, cwd=tmp_path)
    assert again.returncode == 0 and "everything is there already" in again.stderr
    head, one, *_ = again.stdout.splitlines()
    assert head.split()[:3] == ["n-mer", "atoms", "terms"] and "paper train" in head
    assert one.split()[0] == "tiny-water" and "200" in one.split()


def test_bad_input_is_said_before_anything_runs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, expected in (
        ((), "give a recipe, or --all and a family (polyalanine, polyalanine-water, water), and not both"),
        (("ch", "--all", "polyalanine"), "and not both"),
        (("--all", "polyglycine"), "is unknown; allowed: polyalanine, polyalanine-water, water"),
        (("--all", "polyalanine", "--preset", "huge"), "preset 'huge' is unknown"),
        (("--all", "polyalanine", "--protocol", "magic"), "protocol 'magic' is unknown"),
        (("--all", "polyalanine", "--workers", "0"), "--workers 0 must be from 1 to 10,000"),
    ):
        code = main(["run", *words])
        captured = capsys.readouterr()
        assert code == 2 and not captured.out and expected in captured.err and captured.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_dimers_with_water_by_gfn2_xtb(tmp_path: Path) -> None:
    pytest.importorskip("tblite")
    words = ("--preset", "smoke", "--protocol", "gfn2-xtb", "--store", "store", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "nmer.cli.main", "run", "--all", "polyalanine-water", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    result = json.loads(done.stdout)
    assert [m["recipe"] for m in result["members"]] == ["ch-water", "ch3-water", "conh-water"]
    assert all(m["failure"] is None and m["test"]["count"] == 20 for m in result["members"])
