"""The command that puts potentials, sums, or checks beside each other: compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from nmer.cli.options import Json
from nmer.cli.output import check_folder, print_json, print_table
from potentials.errors import InputError

if TYPE_CHECKING:
    from storage.store import Store
    from tasks.checks.comparison import Side

PAGE, FIGURES = "compare.html", "compare.csv"


def compare(
    refs: Annotated[
        list[str],
        Parameter(
            help="Two or more of one kind: potentials (ch3-water@1), families or systems as for nmer check, or "
            "checks (check:polyalanine@1)."
        ),
    ],
    *,
    out: Annotated[Path | None, Parameter(help="Folder for a page with the plots beside each other.")] = None,
    molecule: Annotated[
        list[str] | None,
        Parameter(consume_multiple=True, help="Test molecules as for nmer check; default: all of the family."),
    ] = None,
    water: Annotated[
        str | None, Parameter(help="Model of the waters of systems: own, q-TIP4P/F, or none.")
    ] = None,
    store: Annotated[
        tuple[str, ...],
        Parameter(
            help="Folder of the store: once, or once for each reference. Default: NMER_STORE, else ./nmer-store."
        ),
    ] = (),
    json: Json = False,
) -> int:
    """Compare potentials, sums or checks: figures of gates and checks, errors, costs, and options that differ.

    Figures of force fields are further columns where a check has them. Nothing is measured: see nmer check. What
    differs in data, parameters and terms of two versions is shown by nmer diff.

    Examples
    --------
    nmer compare ch3-water@1 ch3-water@2 --out comparison
    nmer compare polyalanine polyalanine --store smoke-store --store laptop-store
    """
    from tasks.checks.comparison import comparison_csv, comparison_page, rows_of, settings_that_differ, tables_of

    if len(refs) < 2:
        raise InputError("give two or more references, for example: nmer compare ch3-water@1 ch3-water@2")
    if len(store) > 1 and len(store) != len(refs):
        raise InputError(
            f"--store is given {len(store)} times for {len(refs)} references; give it once, or for each"
        )
    if out is not None:
        check_folder(out)
    places = store if len(store) > 1 else (store[0] if store else None,) * len(refs)
    pairs = list(zip(refs, places, strict=True))
    if len(set(pairs)) < len(pairs):
        raise InputError("two references name the same; give another version, or another --store for each")
    sides = _sides(pairs, _labels(pairs), molecule or (), water)
    labels = [side.label for side in sides]
    files: list[str] = []
    if out is not None:
        files = _write(out, comparison_page(sides, " and ".join(labels), FIGURES), comparison_csv(sides))
    differing = settings_that_differ(sides)
    if json:
        return print_json(
            {
                "sides": [{"label": side.label, "status": side.status, "answer": side.answer} for side in sides],
                "figures": [row.as_dict(labels) for row in rows_of(sides)],
                "settings": [{"key": key, "values": dict(zip(labels, v, strict=True))} for key, v in differing],
                "files": files,
            }
        )
    print_table(("", "status"), [(side.label, side.status) for side in sides])
    for table in tables_of(sides):
        print()
        print_table([table.title, *table.heads[1:]], [[_cell(value) for value in row] for row in table.rows])
    print()
    if differing:
        print_table(("settings that differ", *labels), [(key, *map(_cell, values)) for key, values in differing])
    else:
        print("all settings are the same")
    print("\n".join(["", *files]) if files else "", end="\n" if files else "")
    return 0


def _sides(
    pairs: list[tuple[str, str | None]], labels: list[str], molecules: Sequence[str], water: str | None
) -> list[Side]:
    """Return what the references name; raises InputError if they are not of one kind."""
    from nmer.cli.check_command import subject_of
    from storage.store import Store
    from tasks.checks.compare import side_of_check, side_of_potential, side_of_sum

    opened: dict[str | None, Store] = {place: Store(place) for _, place in pairs}
    kinds = [_kind(ref, opened[place]) for ref, place in pairs]
    if len(set(kinds)) > 1:
        said = ", ".join(f"{ref} is a {kind}" for (ref, _), kind in zip(pairs, kinds, strict=True))
        raise InputError(f"{said}; give references of one kind: potentials, sums, or checks")
    found = []
    for (ref, place), label, kind in zip(pairs, labels, kinds, strict=True):
        here = opened[place]
        if kind == "potential":
            found.append(side_of_potential(label, here, here.resolve(ref)))
        elif kind == "check":
            found.append(side_of_check(label, here.resolve(ref)))
        else:
            found.append(side_of_sum(label, subject_of(ref, here, molecules, water, None, ())))
    return found


def _kind(ref: str, store: Store) -> str:
    if "@" not in ref:
        return "sum"
    kind = store.resolve(ref).kind
    if kind not in ("potential", "check"):
        raise InputError(
            f"'{ref}' is a {kind}; allowed: potentials, checks, families, and systems (see nmer diff)"
        )
    return kind


def _labels(pairs: list[tuple[str, str | None]]) -> list[str]:
    """Return the names of the references; of one that occurs twice, with the end of its store's path."""
    refs = [ref for ref, _ in pairs]
    found = []
    for ref, place in pairs:
        twins = [other for one, other in pairs if one == ref]
        if refs.count(ref) == 1 or place is None:
            found.append(ref)
            continue
        parts = Path(place).parts
        for count in range(1, len(parts) + 1):
            ends = [Path(other or "").parts[-count:] for other in twins]
            if len(set(ends)) == len(ends):
                break
        found.append(f"{ref} ({'/'.join(parts[-count:])})")
    return found


def _cell(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value


def _write(out: Path, page: str, figures: str) -> list[str]:
    from storage.durable import write_text

    try:
        write_text(out / PAGE, page)
        write_text(out / FIGURES, figures)
    except OSError as error:
        raise InputError(f"cannot write into '{out}': {error.strerror}; give another folder with --out") from None
    return [str(out / PAGE), str(out / FIGURES)]
