"""nmer report: pages of potentials and of sums are written again from an old store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nmer.cli.main import main
from tests.storage.family import family
from tests.tasks.pages.looks import check_page, text_of

REF = "tiny-water@1"


def test_an_older_page_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = family(tmp_path / "store")
    folder = store.report(store.resolve(REF))
    assert (folder / "report.html").read_text() == "<p>a report"
    assert main(["report", REF, "--store", str(store.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"pages": [str(folder / "report.html")]}
    html = (folder / "report.html").read_text()
    links = check_page(html)
    assert "recipe.toml" in links and all((folder / link).is_file() for link in links)
    text = text_of(html)
    for words in ("Released", "How it was made", "selection:tiny-water@1", "Papers to cite", "nmer.load("):
        assert words in text, words


def test_the_page_of_a_family_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = family(tmp_path / "store")
    assert main(["report", "polyalanine", "--store", str(store.path)]) == 0
    page = store.path / "reports" / "polyalanine" / "report.html"
    assert str(page) in capsys.readouterr().out
    text = text_of(page.read_text())
    assert "Not released: do not use the sum in a simulation" in text
    assert text.count("missing in the store") == 15 and "0 of 15 released" in text
    check_page(page.read_text())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dataset:tiny-water@1"], "is a dataset; pages are of potentials, families, and systems"),
        (
            ["tiny-water@1", "--molecule", "AceAlaNme"],
            "--molecule is of families and systems",
        ),
        (["tiny-water@1", "--water", "none"], "--water is of families and systems"),
        (["tiny-water@7"], "is not in the store"),
        (["tiny-water"], "tiny-water"),
    ],
)
def test_what_has_no_page_is_refused(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = family(tmp_path / "store")
    assert main(["report", *words, "--store", str(store.path)]) == 2
    assert message in capsys.readouterr().err
