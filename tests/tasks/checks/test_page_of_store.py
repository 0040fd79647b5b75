"""The page of a family is written from the store: findings of exactly its potentials, and files of its links."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.checks.interface import chosen_checks
from tasks.checks.page_of_store import page_of, write_family_page
from tasks.checks.run import run_checks
from tasks.checks.subject import Subject
from tests.tasks.checks.plugins import plug, registry
from tests.tasks.checks.smoke import smoke_store
from tests.tasks.pages.looks import check_page, text_of

__all__ = ["registry"]


@pytest.mark.usefixtures("registry")
def test_a_page_is_written_when_checks_were_measured_and_again_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(monkeypatch, tmp_path / "plugins", name="low", limit=-1e6)
    plug(monkeypatch, tmp_path / "plugins", name="other", gate=False, limit=None)
    plug(monkeypatch, tmp_path / "plugins", name="absent", why="it has no water")
    subject = Subject.of_family("polyalanine", smoke_store(tmp_path / "store"), ("AceAlaNme",)).pinned()
    outcomes = list(run_checks(subject, chosen_checks()))
    page = write_family_page(subject, outcomes)
    html = page.read_text()
    links = check_page(html)
    assert {"low-energies.csv", "other-energies.png", "tables/low-energies.csv"} <= links
    own = [link for link in links if not link.startswith("../")]
    assert all((page.parent / link).is_file() for link in own)
    text = text_of(html)
    for words in (
        "Not released: do not use the sum in a simulation. 1 of 2 gates failed: low.", "it has no water",
        "Made by a smoke run, not for science: all 15 potentials.", "largest energy (kcal/mol)",
        "What to do: sample ch", "a note of the check",
        "check:polyalanine@1", "15 of 15 released", "0 of 2 passed",
    ):  # fmt: skip
        assert words in text, words
    again = page_of(subject)
    assert [one.version for one in again.measured if one.findings] == [
        one.version.ref for one in outcomes if one.version is not None
    ]
    assert [one.why for one in again.measured if one.findings is None] == ["not measured yet"]
