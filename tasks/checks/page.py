"""The page of a family or a system: whether its sum can be simulated, its members, and what each check found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.checks.interface import Check, Findings, Result
from tasks.pages.render import Made, Picture, Snippet, Table, Tile, figure, render


@dataclass(frozen=True, eq=False)
class Measured:
    """A check with what it found.

    Two facts of findings are shown if they are there: ``reference``, the name of the method that the sum is
    compared with, and ``others``, figures of other models: ``{"ff14SB": {"rmsd": 2.92}}`` by the names of results.

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
    status
        ``released``, ``candidate``, or ``not checked``.
    sentences
        What the status means, and what the sum is good for; the first is the answer.
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
    status: str
    sentences: Sequence[str]
    members: Sequence[Member]
    measured: Sequence[Measured]
    molecules: Sequence[str] = ()
    physics: str = ""
    tables: Sequence[Table] = ()
    usage: Sequence[Snippet] = ()
    made: Made = field(default_factory=Made)


TONES = {"released": "good", "candidate": "bad", "not checked": "warn"}


def family_page(page: FamilyPage) -> str:
    """Return the page; every text is escaped."""
    gates = [one for one in page.measured if one.check.gate]
    checks = [one for one in page.measured if not one.check.gate and one.findings is not None]
    return render(
        "family.html",
        heading=page.name,
        badge=page.status,
        tone=TONES.get(page.status, "warn"),
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
    others = {str(name): dict(values) for name, values in dict(findings.facts.get("others", {})).items()}
    about = f"Reference: {findings.facts['reference']}. " if "reference" in findings.facts else ""
    return {
        "check": check,
        "about": f"{about}Measured in {_duration(findings.seconds)}{f', {one.version}' if one.version else ''}.",
        "rows": [_row(check, result) | {"name": result.name} for result in findings.results],
        "others": _beside(findings.results, others),
        "pictures": [
            Picture(plot, f"{check.title}{_against(findings)}.", f"{check.name}-") for plot in check.draw(findings)
        ],
        "notes": findings.notes,
    }


def _against(findings: Findings) -> str:
    reference = findings.facts.get("reference")
    return f", against {reference}" if reference else ""


def _beside(results: Sequence[Result], others: dict[str, dict[str, Any]]) -> Table | None:
    """Return the figures of the sum beside those of other models; None where there are no others."""
    rows = [
        [result.meaning, result.value, *(other.get(result.name) for other in others.values())]
        for result in results
        if any(result.name in other for other in others.values())
    ]
    return Table(["figure", "this sum", *others], rows, "Beside other models", 1 + len(others)) if rows else None


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


def _duration(seconds: float) -> str:
    if seconds < 120.0:
        return f"{seconds:.3g} s"
    return f"{seconds / 60.0:.3g} min" if seconds < 7200.0 else f"{seconds / 3600.0:.3g} h"
