"""The tables of the documentation say what is declared."""

from __future__ import annotations

import pytest

from docs import tables
from tests.test_house import ROOT


@pytest.mark.parametrize(("page", "name"), tables.TABLES, ids="-".join)
def test_a_table_is_up_to_date(page: str, name: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    table = tables.markdown(tables.TABLES[page, name]())
    assert tables.with_table(text, name, table) == text, "write it anew: python -m docs.tables"


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="no markers of the table 'engines'"):
        tables.with_table("# A page\n", "engines", "")
