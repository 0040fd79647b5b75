"""`nmer check`: every gate and check with name, value, limit, passed; the exit code; the list; mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from storage.store import Store
from tests.conftest import call
from tests.tasks.checks.plugins import plug, registry
from tests.tasks.checks.smoke import smoke_store

__all__ = ["registry"]

pytestmark = pytest.mark.usefixtures("registry")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return smoke_store(tmp_path / "store")


def test_every_gate_and_check_is_printed_with_its_verdict(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = plug(monkeypatch, tmp_path / "plugins")
    words = ("check", "polyalanine", "--molecule", "AceAlaNme", "--store", store.path)
    code, out, err = call(capsys, *words, "--out", tmp_path / "copy", "--json")
    found = json.loads(out)
    assert code == 0 and "polyalanine: expected: 3 s on two cores (spread 3 s)" in err and "1 of 1 parts" in err
    gates = {row["name"]: row for row in found["gates"]}
    names = list(gates)
    assert (
        names[0] == "ch3@1: train_rmsd" and names[-1] == "spread: largest" and "conh-ch-conh@1: gradient" in gates
    )
    assert all({"value", "limit", "passed", "meaning", "advice"} <= set(row) for row in found["gates"])
    assert gates["ch3@1: labels"]["at_least"] is True and gates["ch3@1: gradient"]["limit"] == 1e-5
    assert gates["spread: largest"]["passed"] is True and gates["spread: largest"]["value"] < 1e5
    assert [row["name"] for row in found["checks"]] == ["spread: mean", "spread: unknown"]
    assert found["checks"][1]["value"] is None and found["checks"][1]["passed"] is None
    (measured,) = found["measured"]
    assert measured["version"] == "check:polyalanine@1" and measured["notes"] == ["a note of the check"]
    assert found["status"] == "released" and found["potentials"]["ch"] == "ch@1"
    copied = {path.name for path in (tmp_path / "copy").rglob("*.*")}
    there = {path.name for path in (store.path / "reports" / "polyalanine").rglob("*.*")}
    assert copied == there - {"report.html"} == {"spread-energies.png", "spread-energies.csv"}
    assert Path(found["report"]).name == "report.html"
    code, out, err = call(capsys, *words)
    assert code == 0 and runs.read_text() == "spread\n" and "expected: no time (spread in the store)" in err
    for word in (
        "ch3@1: labels",
        ">= 0.95",
        "spread: largest",
        "<= 100000",
        "spread-energies.png",
        "a note of the",
    ):
        assert word in out
    assert out.splitlines()[-1].startswith("polyalanine: released: all of its n-mers are")


def test_a_failed_gate_exits_with_1_and_says_what_to_sample(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plug(monkeypatch, tmp_path / "plugins", limit=-1e9)
    words = ("check", "polyalanine", "--molecule", "AceAlaNme", "--store", store.path, "--quick")
    code, out, _ = call(capsys, *words)
    assert code == 1 and "spread: largest: sample ch" in out
    assert "spread: measured with other options than the default: points 2 instead of 6" in out
    verdict = (
        "polyalanine: candidate: measured of polyalanine with other options than the default: spread (failed)"
    )
    assert out.splitlines()[-1].startswith(verdict)
    row = json.loads(call(capsys, *words, "--json")[1])["gates"][-1]
    assert row["passed"] is False and row["advice"] == "sample ch"


def test_what_was_not_measured_has_not_passed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plug(monkeypatch, tmp_path / "plugins", name="first", why="it is too large")
    plug(monkeypatch, tmp_path / "plugins", name="second", gate=False, limit=None, why="it is too small")
    (validation,) = (store.path / "validations" / "ch").glob("*.h5")
    validation.unlink()
    words = ("check", "polyalanine", "--molecule", "AceAlaNme", "--store", store.path)
    code, out, _ = call(capsys, *words, "--json")
    found = json.loads(out)
    rows = {row["name"]: row for row in (*found["gates"], *found["checks"])}
    assert code == 1 and rows["first"]["passed"] is False and rows["first"]["why"] == "it is too large"
    assert rows["second"]["passed"] is None and rows["second"]["why"] == "it is too small"
    assert rows["ch@1"]["passed"] is False and "nmer run ch --until validation" in rows["ch@1"]["advice"]
    code, out, _ = call(capsys, *words, "--skip", "first")
    assert code == 1 and "ch@1: not measured: its gates were not measured" in out
    assert "candidate: not released are the n-mers ch; see nmer check polyalanine" in out


def test_a_system_is_checked_like_a_family(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plug(monkeypatch, tmp_path / "plugins")
    file = tmp_path / "My_Chain.xyz"
    assert call(capsys, "system", "AceAlaNme", "--out", file)[0] == 0
    code, out, _ = call(capsys, "check", file, "--store", store.path, "--use", "ch=ch@1", "--json")
    found = json.loads(out)
    assert code == 0 and found["subject"] == "my-chain" and found["molecules"] == []
    assert found["measured"][0]["version"] == "check:my-chain@1" and found["status"] == "released"
    code, out, _ = call(capsys, "sum", file, "--water", "own", "--store", store.path)
    assert out.splitlines()[-1].startswith("released: all of its n-mers are, and all gates of my-chain passed")


def test_the_list_has_checks_and_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plug(monkeypatch, tmp_path / "plugins")
    code, out, _ = call(capsys, "check", "--list")
    assert code == 0 and "spread.points" in out and "standard deviation of the coordinates (A)" in out
    (row,) = json.loads(call(capsys, "check", "--list", "--quick", "--json")[1])
    assert row["name"] == "spread" and row["kind"] == "gate" and row["needs"] == [] and row["missing"] is None
    assert row["options"][0] == {"name": "points", "value": 2, "meaning": "number of geometries of each molecule"}


def test_mistakes_are_told_in_one_sentence_and_nothing_is_written(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plug(monkeypatch, tmp_path / "plugins")
    here, before = ("--store", str(store.path)), sorted(store.path.rglob("*.h5"))
    (tmp_path / "afile").write_text("not a folder")
    cases = {
        ("check", *here): "give a family (polyalanine, polyalanine-water, water) or a system, or --list",
        ("check", "polyalanin", *here): "water (did you mean 'polyalanine'?)",
        ("check", "Polyalanine", *here): "families: polyalanine, polyalanine-water, water (did you mean",
        ("check", "polyalanine", "--only", "sprea", *here): "check 'sprea' is unknown; allowed: spread",
        ("check", "polyalanine", "--set", "spread.points=0", *here): "allowed: greater than or equal to 2",
        ("check", "polyalanine", "--molecule", "AceFooNme", *here): "residue 'Foo' is unknown",
        ("check", "AceAlaNme", "--molecule", "AceAlaNme", *here): "--molecule is for a family",
        ("check", "polyalanine", "--family", "water", *here): "--family is for a system",
        ("check", "polyalanine", "--use", "ch", *here): "--use is 'ch'",
        (
            "check",
            "polyalanine",
            "--use",
            "ch-water=ch-water@1",
            *here,
        ): "--use names ch-water, which polyalanine does",
        ("check", "polyalanine", "--out", tmp_path / "afile", *here): "cannot write into",
        ("check", "polyalanine", "--store", tmp_path / "none"): "there is no store at",
        ("check", "water", *here): "the store at",
    }
    for words, expected in cases.items():
        code, out, err = call(capsys, *words)
        assert code == 2 and out == "", (words, out, err)
        assert expected in err and err.startswith("nmer: ") and err.count("\n") == 1, (words, err)
    assert sorted(store.path.rglob("*.h5")) == before and not (store.path / "checks").exists()
