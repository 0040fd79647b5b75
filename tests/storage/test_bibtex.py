"""Papers as BibTeX: every paper that is known here has its fields, and nothing of LaTeX comes through."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from nmer.cli.main import main
from storage.bibtex import bibtex
from storage.citations import Citation
from tests.storage.family import family

PAPERS = tomllib.loads((files("storage") / "papers.toml").read_text(encoding="utf-8"))


def test_an_article_has_its_fields() -> None:
    text = "J. A. Maier et al., J. Chem. Theory Comput. 11, 3696 (2015)"
    assert bibtex([Citation("a", text, "10.1021/acs.jctc.5b00255"), Citation("b", text)]) == (
        "@article{Maier2015,\n  author = {J. A. Maier and others},\n  journal = {J. Chem. Theory Comput.},\n"
        "  volume = {11},\n  pages = {3696},\n  year = {2015},\n  doi = {10.1021/acs.jctc.5b00255}\n}"
    )


def test_every_paper_becomes_an_entry_of_its_own() -> None:
    found = bibtex([Citation(key, paper["text"], paper.get("doi", "")) for key, paper in PAPERS.items()])
    names = re.findall(r"^@(\w+)\{(\w+),$", found, re.MULTILINE)
    texts = {paper["text"] for paper in PAPERS.values()}
    assert len(names) == len(texts) == len({name for _, name in names})
    assert "note = {" not in found and found.count("{") == found.count("}")
    assert [kind for kind, _ in names].count("article") > 0.9 * len(texts)
    assert found.count("year = {") == len(texts) and found.count("doi = {") > 0.8 * len(texts)


@pytest.mark.parametrize("text", [r"\input{/etc/passwd}", "A. B, \\write18{x} J. 1, 2 (2000)", "100% $x^2$ & {"])
def test_no_command_of_latex_comes_through(text: str) -> None:
    found = bibtex([Citation("a", text)])
    assert not re.search(r"[\\$&%^]", found) and found.count("{") == found.count("}")


def test_the_command_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = family(tmp_path / "store")
    assert main(["cite", "tiny-water@1", "--bibtex", "--store", str(store.path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("@article{Braams2009,")
    assert main(["cite", "tiny-water@1", "--bibtex", "--json", "--store", str(store.path)]) == 0
    assert json.loads(capsys.readouterr().out) == {"bibtex": printed.strip()}
