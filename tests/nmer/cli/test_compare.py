"""nmer compare: potentials, sums of stores, and checks beside each other; what cannot be compared is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from nmer.cli.main import main
from tests.storage.family import family, tiny, two_potentials
from tests.tasks.pages.looks import check_page, text_of

ONE, TWO = "tiny-water@1", "tiny-water@2"


def compared(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["compare", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_potentials_are_beside_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, out = str(two_potentials(tmp_path / "store").path), tmp_path / "out"
    found = compared(capsys, ONE, TWO, "--store", store, "--out", str(out))
    assert [side["label"] for side in found["sides"]] == [ONE, TWO]
    settings = {row["key"]: row["values"] for row in found["settings"]}
    assert list(settings) == ["fitting.gamma"] and settings["fitting.gamma"][TWO] == 0.01
    figures = {row["name"]: row for row in found["figures"]}
    assert {"test rmsd", "training rmsd", "labels", "terms"} <= set(figures)
    assert set(figures["labels"]["values"]) == {ONE, TWO} and figures["labels"]["values"][ONE] > 0
    assert any(row["group"] == "gates" for row in found["figures"])
    assert sorted(path.name for path in out.iterdir()) == ["compare.csv", "compare.html"]
    page = (out / "compare.html").read_text()
    assert check_page(page) == {"compare.csv"}
    assert "fitting.gamma" in text_of(page) and text_of(page).count("tiny-water@2") >= 4
    rows = list(csv.DictReader((out / "compare.csv").open()))
    assert [row["name"] for row in rows] == list(figures) and rows[0][TWO]


def test_one_potential_of_two_stores_is_named_by_its_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [tmp_path / "a" / "store", tmp_path / "b" / "store"]
    family(places[0])
    family(places[1], tiny(fitting={"gamma": 0.02}), passed=False)
    stores = [word for place in places for word in ("--store", str(place))]
    found = compared(capsys, ONE, ONE, *stores)
    assert [side["label"] for side in found["sides"]] == [f"{ONE} (a/store)", f"{ONE} (b/store)"]
    assert [side["status"].partition(":")[0] for side in found["sides"]] == ["released", "candidate"]
    assert [row["key"] for row in found["settings"]] == ["fitting.gamma"]
    assert str(tmp_path) not in json.dumps(found)
    assert main(["compare", ONE, ONE, *stores]) == 0
    printed = capsys.readouterr().out
    assert "settings that differ" in printed and "(failed)" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((ONE,), "give two or more references"),
        ((ONE, ONE), "two references name the same"),
        ((ONE, "polyalanine"), "give references of one kind"),
        ((ONE, "dataset:tiny-water@1"), "is a dataset; allowed: potentials, checks, families, and"),
        ((ONE, "other@1"), "is not in the store"),
        ((ONE, TWO, "--store", "x", "--store", "y", "--store", "z"), "--store is given 3 times for 2 references"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("NMER_STORE", str(two_potentials(tmp_path / "store").path))
    out = tmp_path / "out"
    assert main(["compare", *words, "--out", str(out)]) == 2
    assert message in capsys.readouterr().err and not out.exists()
