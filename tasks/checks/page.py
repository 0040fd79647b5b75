"""The page of a family or a system: whether its sum can be simulated, its members, and what each check found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from storage.quality import Purpose
from tasks.checks.files import prefix_of, tables_of
from tasks.checks.interface import Check, Findings, Result
from tasks.pages.render import Made, Picture, Snippet, Table, Tile, figure, render
from tasks.progress import duration

SUM = "sum"
"""Key of the sum among the models that a check measures."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A check with what it found.

    Two facts of findings are shown if they are there: ``reference``, the name of the method that the sum is
    compared with, and ``models``, the names of the models that were measured, or these by their keys. A figure of
    a force field has its key among the words of its name: ``ff14sb-rmsd`` stands beside ``rmsd``.

    Attributes
    ----------
    check
        The check.
    findings
        What it found; None where it was not measured.
    version
        Reference of the stored findings.
    why
        Why it was not measured, as one clause.
    """

    check: Check
    findings: Findings | None = None
    version: str = ""
    why: str = ""


@dataclass(frozen=True)
class Member:
    """A potential of a sum.

    Attributes
    ----------
    nmer, ref, status
        Its n-mer, its reference, and ``released`` or ``candidate``; reference and status are empty where the store
        has none.
    level, labels
        Level of theory, and number, of its labels.
    test_rmsd
        RMSD on its test set, kcal/mol; None where it is not known.
    passed, gates
        How many of how many gates it passed.
    link
        Its own page, seen from this one.
    """

    nmer: str
    ref: str = ""
    status: str = ""
    level: str = ""
    labels: int | None = None
    test_rmsd: float | None = None
    passed: int = 0
    gates: int = 0
    link: str = ""


@dataclass(frozen=True, eq=False)
class FamilyPage:
    """What the page of a family or a system shows.

    Attributes
    ----------
    name, kind
        Its name, and ``family`` or ``system``.
    purpose
        Its status, and what the sum is good for.
    members
        Its potentials, in the order of the family.
    measured
        Gates and checks, in the order of the report.
    molecules
        Names of the test molecules.
    physics
        V_phys of the sum, one phrase; empty where it has none.
    tables
        Tables over several checks, as that of alanine dipeptide in the papers.
    usage
        How to use the sum.
    made
        Where the figures come from.
    """

    name: str
    kind: str
    purpose: Purpose
    members: Sequence[Member]
    measured: Sequence[Measured]
    molecules: Sequence[str] = ()
    physics: str = ""
    tables: Sequence[Table] = ()
    usage: Sequence[Snippet] = ()
    made: Made = field(default_factory=Made)


def family_page(page: FamilyPage) -> str:
    """Return the page; every text is escaped."""
    gates = [one for one in page.measured if one.check.gate]
    checks = [one for one in page.measured if not one.check.gate and one.findings is not None]
    return render(
        "family.html",
        heading=page.name,
        badge=page.purpose.badge,
        tone=page.purpose.tone,
        subheading=_subheading(page),
        footer=f"{page.made.programs}. Figures of {page.made.created or 'an unknown date'}.",
        page=page,
        tiles=_tiles(page, gates),
        failed=[_row(one.check, result) for one in gates for result in _results(one) if result.passed is False],
        gates=[_row(one.check, result) for one in gates for result in _results(one)],
        sections=[_section(one) for one in (*gates, *checks) if one.findings is not None],
        notes=[
            f"{one.check.title}: {note}" for one in page.measured if one.findings for note in one.findings.notes
        ],
        left_out=[f"{one.check.title}: {one.why}" for one in page.measured if one.findings is None],
    )


def _results(one: Measured) -> tuple[Result, ...]:
    return one.findings.results if one.findings is not None else ()


def _row(check: Check, result: Result) -> dict[str, Any]:
    """Return what a table of gates shows of a figure."""
    return {
        "name": f"{check.name}: {result.name}",
        "meaning": result.meaning,
        "value": result.value,
        "limit": result.limit,
        "at_least": result.at_least,
        "passed": result.passed,
        "advice": result.advice,
    }


def _section(one: Measured) -> dict[str, Any]:
    """Return what the section of a check shows: its figures beside those of other models, and its plots."""
    findings, check = one.findings, one.check
    assert findings is not None
    about = f"Reference: {findings.facts['reference']}. " if "reference" in findings.facts else ""
    files = [(f"tables/{check.name}-{name}.csv", name) for name, text in tables_of(findings).items() if text]
    return {
        "check": check,
        "about": f"{about}Measured in {duration(findings.seconds)}{f', {one.version}' if one.version else ''}.",
        "rows": [_row(check, r) | {"name": r.name} for r in findings.results if r.limit is not None],
        "figures": beside(findings),
        "pictures": [
            Picture(plot, f"{sentence(check.title)}{_against(findings)}.", prefix_of(check, plot))
            for plot in check.draw(findings)
        ],
        "files": files,
        "notes": findings.notes,
    }


def _against(findings: Findings) -> str:
    reference = findings.facts.get("reference")
    return f", against {reference}" if reference else ""


def models_of(findings: Findings) -> dict[str, str]:
    """Return the names of the models that stand beside the sum, by their keys in names of figures."""
    told = findings.facts.get("models", {})
    pairs = told.items() if isinstance(told, Mapping) else ((str(name).lower(), name) for name in told)
    return {str(key): str(name) for key, name in pairs if key != SUM}


def figures_of(findings: Findings) -> dict[str, dict[str, Result]]:
    """Return the figures of each model by the name that the sum's figure has; the key of the sum is `SUM`."""
    keys = models_of(findings)
    found: dict[str, dict[str, Result]] = {key: {} for key in (SUM, *keys)}
    for result in findings.results:
        words = result.name.split("-")
        key = next((key for key in keys if key in words), SUM)
        found[key]["-".join(word for word in words if word != key)] = result
    return found


def beside(findings: Findings) -> Table | None:
    """Return the figures without limits as a table with a column for each model; None where there are none."""
    figures, models = figures_of(findings), models_of(findings)
    rows = []
    for name in dict.fromkeys(name for values in figures.values() for name in values):
        every = [values.get(name) for values in figures.values()]
        known = next(one for one in every if one is not None)
        if known.limit is None:
            rows.append([sentence(known.meaning), *(one.value if one is not None else None for one in every)])
    heads = ["figure", *(["sum of n-mers", *models.values()] if models else ["value"])]
    return Table(heads, rows, "", len(heads) - 1) if rows else None


def sentence(text: str) -> str:
    """Return a text that begins with a capital letter, unless its first word has others, as a name."""
    return text if text.split(" ")[0][1:] != text.split(" ")[0][1:].lower() else text[:1].upper() + text[1:]


def _tiles(page: FamilyPage, gates: Sequence[Measured]) -> list[Tile]:
    results = [result for one in gates for result in _results(one) if result.limit is not None]
    passed, missing = sum(bool(result.passed) for result in results), sum(one.findings is None for one in gates)
    have = [member for member in page.members if member.ref]
    released = sum(member.status == "released" for member in have)
    worst = max((m for m in have if m.test_rmsd is not None), key=lambda m: m.test_rmsd or 0.0, default=None)
    labels = [member.labels for member in have if member.labels is not None]
    levels = list(dict.fromkeys(member.level for member in have if member.level))
    return [
        Tile(
            "gates of the sum",
            f"{passed} of {len(results)} passed" if results else "not measured",
            f"{missing} not measured" if missing else "",
            "good"
            if results and passed == len(results) and not missing
            else "bad"
            if passed < len(results)
            else "warn",
        ),
        Tile(
            "potentials",
            f"{released} of {len(page.members)} released",
            "",
            "good" if released == len(page.members) else "bad",
        ),
        Tile(
            "largest test RMSD (kcal/mol)",
            figure(worst.test_rmsd if worst else None),
            f"of {worst.nmer}" if worst else "",
        ),
        Tile("labels", figure(sum(labels)), ", ".join(levels)),
    ]


def _subheading(page: FamilyPage) -> str:
    words = [f"Sum of the potentials of a {page.kind}"]
    words += [f"test molecules: {', '.join(page.molecules)}"] if page.molecules else []
    words += [page.physics] if page.physics else []
    return "; ".join(words) + "."
