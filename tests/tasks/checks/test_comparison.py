"""Figures of several sides: each in one row, force fields once, what is about one side left out of its title."""

from __future__ import annotations

import csv
import io

import pytest

from tasks.checks.comparison import (
    Figure,
    Side,
    comparison_csv,
    comparison_page,
    rows_of,
    settings_that_differ,
    tables_of,
)
from tests.tasks.pages.looks import check_page, text_of


def side(label: str, contact: float, word: str = "", **settings: object) -> Side:
    passed = contact >= 1.0
    return Side(
        label, "candidate", "bad", f"Not released {word}.",
        [
            Figure("stability", "contact", f"smallest distance: O2 and H18 at {contact} A", contact, 1.0, passed),
            Figure("ramachandran", "rmsd", f"RMSD {word}", contact / 2, others={"ff14SB": 2.92} if passed else {}),
        ],
        settings,
    )  # fmt: skip


SIDES = [side("a", 0.2, preset="smoke", seed=1), side("b", 1.5, preset="laptop", seed=1, more=2)]


def test_a_figure_of_every_side_is_one_row() -> None:
    contact, rmsd = rows_of(SIDES)
    assert contact.meaning == "smallest distance" and contact.values == (0.2, 1.5)
    assert contact.passed == (False, True) and contact.limits == (1.0, 1.0)
    assert rmsd.others == {"ff14SB": 2.92} and rmsd.as_dict(["a", "b"])["force_fields"] == {"ff14SB": 2.92}
    assert rows_of([SIDES[0], Side("c", "", "", "")])[0].values == (0.2, None)


def test_tables_have_a_column_for_each_side_and_force_field() -> None:
    first, second = tables_of(SIDES)
    assert first.title == "stability" and first.heads == ["figure", "a", "b"]
    assert first.rows == [["smallest distance", "0.2 (failed)", 1.5]]
    assert second.heads == ["figure", "a", "b", "ff14SB"] and second.rows[0][1:] == [0.1, 0.75, 2.92]
    rows = list(csv.DictReader(io.StringIO(comparison_csv(SIDES))))
    assert [row["ff14SB"] for row in rows] == ["", "2.92"] and rows[0]["b"] == "1.5"


def test_settings_that_are_the_same_are_left_out() -> None:
    assert settings_that_differ(SIDES) == [("preset", ("smoke", "laptop")), ("more", (None, 2))]
    assert settings_that_differ(SIDES[:1] * 2) == []


@pytest.mark.parametrize("word", ["<script>", "{{ 1 }}"])
def test_the_page_escapes_every_text(word: str) -> None:
    html = comparison_page(
        [side(f"{n} {word}", 0.2, word, preset=f"{n} {word}") for n in "ab"], word, "compare.csv"
    )
    assert "<script" not in html and check_page(html) == {"compare.csv"}
    assert text_of(html).count(word) > 8
