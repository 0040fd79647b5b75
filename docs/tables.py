"""Write the tables of these pages that are derived from declarations: ``python -m docs.tables``.

A table stands between ``<!-- NAME: written by python -m docs.tables -->`` and ``<!-- end of NAME -->``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from recipes.engines import ENGINES, engine_table, find_method
from recipes.schema.tables import Declaration
from tasks.checks.interface import checks
from tasks.sampling.force_field import FORCE_FIELDS
from tasks.sampling.sampler import SAMPLERS
from tasks.selection.descriptor import DESCRIPTORS


def _declared(what: str, declared: Declaration) -> dict[str, str]:
    needs = "; ".join(f"{need.name}: {need.install}" for need in declared.needs)
    table = f"`[{what.split('.')[0]}.{declared.options.TABLE}]`" if declared.options else "none"
    return {
        what.split(".")[1]: f"`{declared.name}`",
        "what it is": declared.title,
        "its own table": table,
        "needs": needs or "nothing more",
    }


def sampler_table() -> list[dict[str, str]]:
    """Return what each sampler declares."""
    return [
        _declared(SAMPLERS.what, one)
        | {
            "frames": "those that the others leave" if one.frames is None else "its own number, or those left",
            "temperatures": "the recipe's" if one.thermal else "none",
            "after a kill": "goes on" if one.frames_kept else "starts afresh",
        }
        for one in SAMPLERS
    ]


def force_field_table() -> list[dict[str, str]]:
    """Return what each force field declares."""
    return [
        {key: cell for key, cell in _declared(FORCE_FIELDS.what, one).items() if key != "its own table"}
        | {"types": "yes" if one.typed else "no"}
        for one in FORCE_FIELDS
    ]


def method_table() -> list[dict[str, str]]:
    """Return what each method is and which engines have it, one dictionary of columns per row."""
    titles = {method.name: method.title for engine in ENGINES for method in engine.methods}
    return [
        {
            "method": name,
            "what it is": title,
            "engines": ", ".join(engine.name for engine in ENGINES if find_method(engine.name, name)),
        }
        for name, title in titles.items()
    ]


def descriptor_table() -> list[dict[str, str]]:
    """Return what each descriptor declares."""
    return [_declared(DESCRIPTORS.what, one) for one in DESCRIPTORS]


def check_table() -> list[dict[str, str]]:
    """Return what each gate and check of a family declares."""
    return [
        {
            "check": f"`{one.name}`",
            "kind": "gate" if one.gate else "check",
            "what is measured": one.title,
            "needs": "; ".join(f"{need.name}: {need.install}" for need in one.needs) or "nothing more",
        }
        for one in checks()
    ]


TABLES: dict[tuple[str, str], Callable[[], Sequence[Mapping[str, str]]]] = {
    ("checks.md", "checks"): check_table,
    ("labelling.md", "engines"): engine_table,
    ("labelling.md", "methods"): method_table,
    ("sampling.md", "samplers"): sampler_table,
    ("sampling.md", "force fields"): force_field_table,
    ("selection.md", "descriptors"): descriptor_table,
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
