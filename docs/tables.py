"""Write the tables of these pages that are derived from declarations: ``python -m docs.tables``.

A table stands between ``<!-- NAME: written by python -m docs.tables -->`` and ``<!-- end of NAME -->``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from recipes.engines import engine_table, method_table

TABLES: dict[tuple[str, str], Callable[[], Sequence[Mapping[str, str]]]] = {
    ("labelling.md", "engines"): engine_table,
    ("labelling.md", "methods"): method_table,
}
"""The page and the name of each table, and what gives its rows."""


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows of the same columns as a table in Markdown."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *(list(row.values()) for row in rows)]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


def with_table(text: str, name: str, table: str) -> str:
    """Return a page with a table between its markers; raise ValueError if the page has none."""
    begin, end = f"<!-- {name}: written by python -m docs.tables -->\n", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ValueError(f"the page has no markers of the table '{name}'")
    return f"{before}{begin}\n{table}\n{end}{after}"


def main() -> None:
    """Write every table into its page."""
    for (page, name), rows in TABLES.items():
        path = Path(__file__).parent / page
        path.write_text(with_table(path.read_text(encoding="utf-8"), name, markdown(rows())), encoding="utf-8")


if __name__ == "__main__":
    main()
