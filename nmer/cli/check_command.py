"""The command that measures gates and checks of a family or a system: check."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath, pair_of
from nmer.cli.output import Column, check_folder, print_json, print_rows
from potentials.errors import InputError
from recipes.families import FAMILIES
from recipes.schema.patterns import suggestion

if TYPE_CHECKING:
    from tasks.checks.interface import Check, Options
    from tasks.checks.run import Outcome
    from tasks.checks.subject import Subject


def check(
    subject: Annotated[
        str,
        Parameter(
            help=f"A family ({', '.join(FAMILIES)}), or a system: its .pdb, .xyz, .mol or .sdf file, or name."
        ),
    ] = "",
    *,
    only: Annotated[
        list[str] | None, Parameter(consume_multiple=True, help="Measure these checks only, by their names.")
    ] = None,
    skip: Annotated[list[str] | None, Parameter(consume_multiple=True, help="Leave these checks out.")] = None,
    molecule: Annotated[
        list[str] | None,
        Parameter(consume_multiple=True, help="Test molecules in place of the family's own, such as AceAla3Nme."),
    ] = None,
    water: Annotated[str | None, Parameter(help="Model of the waters: own, q-TIP4P/F, or none.")] = None,
    family: Annotated[str | None, Parameter(help="Family that the n-mers of a system must belong to.")] = None,
    use: Annotated[
        tuple[str, ...],
        Parameter(help="A potential in place of the newest: --use ch=ch@2; may be given several times."),
    ] = (),
    settings: Annotated[
        tuple[str, ...],
        Parameter(
            name="--set", help="An option of a check: --set ramachandran.step=30; may be given several times."
        ),
    ] = (),
    quick: Annotated[
        bool, Parameter(help="Shorter options: to see that all checks run; such gates release nothing.")
    ] = False,
    out: Annotated[Path | None, Parameter(help="Folder for a copy of the plots and tables.")] = None,
    listed: Annotated[bool, Parameter(name="--list", help="List the checks and their options.")] = False,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Measure the gates and checks of the sum of a family or a system, and say whether it is released.

    What was measured before is read from the store. Plots and tables are written into reports/ of the store. The
    exit code is 1 if a gate failed or could not be measured.

    Examples
    --------
    nmer check polyalanine --quick
    nmer check dipeptide.pdb --water own --only stability conservation
    nmer check --list
    """
    from storage.store import Store
    from tasks.checks.interface import chosen_checks
    from tasks.checks.rows import verdict_document
    from tasks.checks.run import run_checks
    from tasks.checks.settings import all_options, read_settings

    chosen = chosen_checks(only or (), skip or ())
    options = all_options(chosen, read_settings(settings), quick)
    if listed:
        return _list(chosen, options, json)
    if not subject:
        raise InputError(f"give a family ({', '.join(FAMILIES)}) or a system, or --list")
    if out is not None:
        check_folder(out)
    opened = Store(store)
    opened.check_writable()
    checked = subject_of(subject, opened, molecule or (), water, family, use).pinned()
    _tell_times(checked, chosen, options)
    outcomes, files = [], {}
    for outcome in run_checks(checked, chosen, options):
        outcomes.append(outcome)
        files[outcome.check.name] = _save(checked, outcome, out)
    document = verdict_document(checked, outcomes, files) | {"report": _write_page(checked, outcomes)}
    code = 1 if any(row["passed"] is False for row in document["gates"]) else 0
    if json:
        return print_json(document, code)
    _print(document)
    return code


def subject_of(
    text: str, store: Any, molecules: Sequence[str], water: str | None, family: str | None, use: Sequence[str]
) -> Subject:
    """Return the family or the system that a command names.

    Raises
    ------
    InputError
        If it is neither, or an option does not belong to it.
    """
    from recipes.chemistry.systems import read_system
    from tasks.checks.subject import Subject

    chosen = dict(pair_of(one) for one in use)
    if text in FAMILIES:
        if family is not None:
            raise InputError(f"--family is for a system, and '{text}' is a family; leave it out")
        found = Subject.of_family(text, store, molecules, water=water, use=chosen)
    else:
        if molecules:
            raise InputError(f"--molecule is for a family ({', '.join(FAMILIES)}); '{text}' is a system")
        try:
            system = read_system(text)
        except InputError as error:
            if close := suggestion(text.lower(), FAMILIES):
                raise InputError(f"{error}; families: {', '.join(FAMILIES)}{close}") from None
            raise
        found = Subject.of_system(system, store, water=water, family=family, use=chosen)
    if strange := [name for name in chosen if name not in found.potentials()]:
        have = ", ".join(found.potentials())
        raise InputError(f"--use names {', '.join(strange)}, which {text} does not have; it has: {have}")
    return found


def _list(chosen: Iterable[Check], options: Mapping[str, Options], as_json: bool) -> int:
    """Print what each check measures, how long it takes for alanine dipeptide, what it needs, and its options."""
    from recipes.registry import missing

    rows: list[dict[str, Any]] = []
    for one in chosen:
        given = options[one.name].model_dump(mode="json")
        about = {name: field.description or "" for name, field in one.options.model_fields.items()}
        rows.append(
            {
                "name": one.name,
                "kind": "gate" if one.gate else "check",
                "title": one.title,
                "meaning": one.meaning,
                "needs": [need.name for need in one.needs],
                "missing": missing(one),
                "options": [{"name": n, "value": v, "meaning": about[n]} for n, v in given.items()],
            }
        )
    if as_json:
        return print_json(rows)
    needs: Column = lambda row: ", ".join(row["needs"]) or "nothing more"  # noqa: E731
    print_rows(rows, {"name": "name", "kind": "kind", "needs": needs, "what is measured": "title"})
    print()
    every = [{"option": f"{row['name']}.{one['name']}", **one} for row in rows for one in row["options"]]
    print_rows(every, {"option": "option", "value": lambda row: str(row["value"]), "meaning": "meaning"})
    for row in rows:
        if row["missing"]:
            print(f"{row['name']} {row['missing']}")
    return 0


def _tell_times(subject: Subject, chosen: Sequence[Check], options: Mapping[str, Options]) -> None:
    """Print on standard error how long the checks will take."""
    from tasks.checks.run import expected_seconds
    from tasks.progress import duration

    times = expected_seconds(subject, chosen, options)
    each = ", ".join(f"{name} {duration(time) if time else 'in the store'}" for name, time in times.items())
    total = (
        f"expected: {duration(sum(times.values()))} on two cores" if sum(times.values()) else "expected: no time"
    )
    print(f"{subject.name}: {total}{f' ({each})' if each else ''}", file=sys.stderr)


def _save(subject: Subject, outcome: Outcome, out: Path | None) -> list[str]:
    """Write the plots and tables of a check into the store, and into a folder if one is given."""
    from tasks.checks.files import report_folder, write_files

    if outcome.findings is None:
        return []
    files = []
    for folder in (report_folder(subject.store, subject.name), *([out] if out else [])):
        try:
            files = write_files(outcome.check, outcome.findings, folder)
        except OSError as error:
            raise InputError(f"cannot write into '{folder}': {error.strerror}") from None
    return [str(file) for file in files]


def _write_page(subject: Subject, outcomes: Sequence[Outcome]) -> str:
    """Write the page of the subject into the store, and return its path."""
    from tasks.checks.page_of_store import write_family_page

    try:
        return str(write_family_page(subject, outcomes))
    except OSError as error:
        raise InputError(f"cannot write into '{subject.store.path}': {error.strerror}") from None


def _print(document: Mapping[str, Any]) -> None:
    columns: dict[str, Column] = {
        "value": lambda row: _figure(row["value"]),
        "limit": lambda row: _limit(row),
        "passed": lambda row: row["passed"],
        "what": "meaning",
    }
    print_rows(document["gates"], {"gate": "name"} | columns)
    if document["checks"]:
        print()
        checks = {name: column for name, column in columns.items() if name not in ("limit", "passed")}
        print_rows(document["checks"], {"check": "name"} | checks)
    told = [f"{row['name']}: not measured: {row['why']}" for row in _all(document) if row["why"]]
    told += [f"{row['name']}: {row['advice']}" for row in _all(document) if row["advice"]]
    told += [f"{one['name']}: {note}" for one in document["measured"] for note in one["notes"]]
    told += [file for one in document["measured"] for file in one["files"] if file.endswith(".png")]
    told += [f"report {document['report']}"]
    print("\n".join(["", *told, f"{document['subject']}: {document['verdict']}"]))


def _all(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*document["gates"], *document["checks"]]


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"


def _limit(row: Mapping[str, Any]) -> str | None:
    if row["limit"] is None:
        return None
    return f"{'>=' if row['at_least'] else '<='} {row['limit']:g}"
