"""What would cost more than a user expects starts only when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nmer.cli.main import main
from potentials.errors import InputError
from recipes.load import load_recipe
from recipes.protocols import find_protocol
from tasks.plan import resolve
from tasks.run.costs import CostLeft, Limit, cost_by_hand, cost_left, cost_limit, cost_of_labels, is_above

Words = tuple[str, ...]


@pytest.fixture(autouse=True)
def _nobody_has_set_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NMER_MAX_CORE_HOURS", raising=False)


@pytest.fixture
def refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Return a function that runs a command which must refuse, in one sentence, writing nothing."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        code = main(list(words))
        captured = capsys.readouterr()
        assert (code, captured.out) == (2, ""), captured
        assert captured.err.startswith("nmer: ") and captured.err.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before
        return captured.err

    return run


def test_a_recipe_without_a_preset_does_not_start_by_itself(refused: Callable[..., str]) -> None:
    """45,000 canonical CCSD(T)/aug-cc-pVTZ labels, 8,285 core-hours, started without a word."""
    said = refused("run", "ch3-water")
    assert "ch3-water would take about 8,28" in said and "100 core-hours" in said
    for word in ("--preset smoke", "--yes", "--max-core-hours", "NMER_MAX_CORE_HOURS"):
        assert word in said
    assert "polyalanine-water would take about" in refused("run", "--all", "polyalanine-water")
    assert "8,28" in refused("deploy", "ch3-water", "--file-only")
    assert "polyalanine-water" in refused("deploy", "--all", "polyalanine-water", "--file-only")


def test_plan_says_that_it_would_not_start(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    store = str(tmp_path / "none")
    assert main(["plan", "ch3-water", "--store", store]) == 0
    out = capsys.readouterr().out
    assert "about 8285 core-hours in all" in out
    assert "nmer run does not start this by itself: about 8,285 core-hours" in out and "--yes" in out
    assert main(["plan", "ch3-water", "--preset", "smoke", "--store", store]) == 0
    assert "by itself" not in capsys.readouterr().out
    for preset, asks in (((), True), (("--preset", "paper"), False)):
        assert main(["plan", "ch3-water", *preset, "--store", store, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["needs_yes"], found["max_core_hours"]) == (asks, 100)


@pytest.mark.parametrize(
    "words",
    [
        ("--yes",),
        ("--max-core-hours", "10000"),
        ("--preset", "smoke"),
    ],
)
def test_what_is_asked_for_starts(
    words: Words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["deploy", "ch3-water", *words, "--file-only"]) == 0
    assert "ch3-water" in capsys.readouterr().out and (tmp_path / "prefect.yaml").exists()


def test_a_limit_that_a_user_has_set_holds_for_presets_too(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refused("run", "ch3-water", "--preset", "paper", "--max-core-hours", "20")
    assert "ch3-water, preset paper, would take" in said and "20 core-hours of --max-core-hours" in said
    monkeypatch.setenv("NMER_MAX_CORE_HOURS", "0.01")
    assert "0.01 core-hours of NMER_MAX_CORE_HOURS" in refused("run", "ch3-water", "--preset", "smoke")
    profile = tmp_path / "mine.toml"
    profile.write_text('system = "local"\nmax_core_hours = 0.02\n')
    said = refused("run", "ch3-water", "--preset", "smoke", "--on", str(profile))
    assert "0.02 core-hours of max_core_hours of the machine" in said


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "many", "1e999", "\x1b[31m9"])
def test_a_limit_that_is_none_is_refused(
    text: str, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if text != "many" and "\x1b" not in text:
        assert "--max-core-hours" in refused("run", "ch3-water", "--max-core-hours", text)
    monkeypatch.setenv("NMER_MAX_CORE_HOURS", text)
    said = refused("run", "ch3-water", "--preset", "smoke")
    assert "NMER_MAX_CORE_HOURS" in said and "core-hours, 0 or more" in said and "\x1b" not in said


def test_where_a_limit_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cost_limit() == Limit(100.0, "")
    monkeypatch.setenv("NMER_MAX_CORE_HOURS", "5")
    assert cost_limit(None, None) == Limit(5.0, "NMER_MAX_CORE_HOURS")
    assert cost_limit(None, 7) == Limit(7.0, "max_core_hours of the machine")
    assert cost_limit(3.0, 7) == Limit(3.0, "--max-core-hours")
    with pytest.raises(InputError, match=r"--max-core-hours is nan"):
        cost_limit(float("nan"))


def test_labels_of_unknown_cost_count_by_their_number() -> None:
    """A method without a formula: ORCA's DLPNO."""
    recipe = load_recipe("ch3-water")
    dlpno = recipe.model_copy(update={"labelling": find_protocol("orca-dlpno-aug-cc-pvtz")})
    left = cost_left(resolve(dlpno), None)
    assert left.unknown == 45_000 and left.core_hours < 1
    assert is_above(left, Limit(), preset=False) and not is_above(left, Limit(), preset=True)
    assert not is_above(CostLeft(1.0, 1000), Limit(), preset=False)
    assert cost_left(resolve(dlpno), None, until="selection").unknown == 0


def test_only_what_is_left_counts() -> None:
    recipe = load_recipe("ch3-water")
    whole, some = cost_left(resolve(recipe), None), cost_left(resolve(recipe), None, until="sampling")
    assert whole.core_hours == pytest.approx(8285, rel=0.01) and some.core_hours < 1
    assert cost_left(resolve(recipe), None, "fitting", "fitting").core_hours < 10


def test_labels_by_hand_and_again_are_counted(refused: Callable[..., str], tmp_path: Path) -> None:
    """A hundred methane dimers with water at CCSD(T)/aug-cc-pVTZ are more than an hour."""
    nmer = load_recipe("ch3-water").build_nmer()
    lines = [f"{s} {x:.6f} {y:.6f} {z:.6f}" for s, (x, y, z) in zip(nmer.symbols, nmer.positions, strict=True)]
    (tmp_path / "many.xyz").write_text("\n".join(["8", "", *lines] * 100) + "\n")
    hand = ("label", "many.xyz", "--fragments", "5,3", "--protocol", "ccsd-t-aug-cc-pvdz")
    said = refused(*hand, "--max-core-hours", "0.1")
    assert "labelling the 100 configurations of 'many.xyz' would take about" in said
    left = cost_by_hand([nmer] * 100, find_protocol("ccsd-t-aug-cc-pvdz"))
    assert left.core_hours > 0.1 and left.unknown == 0
    assert cost_of_labels(4, None) == CostLeft(0.0, 4)
