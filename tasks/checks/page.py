"""The page of a family or a system: whether its sum can be simulated, its members, and what each check found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from storage.quality import Purpose
from tasks.checks.files import prefix_of, tables_of
from tasks.checks.interface import Check, Findings, Result
from tasks.pages.render import Made, Picture, Snippet, Table, Tile, figure, render, sentence
from tasks.progress import duration

_OF_SUM = re.compile(r" of (?:the )?sum\b(?: of n-mers)?")

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
    shortened
        The options that are not the defaults, as ``steps 1000 instead of 10000``.
    """

    check: Check
    findings: Findings | None = None
    version: str = ""
    why: str = ""
    shortened: Sequence[str] = ()


MISSING = Purpose("missing", "bad", ())
"""Of an n-mer that the store has no potential of."""


@dataclass(frozen=True)
class Member:
    """A potential of a sum.

    Attributes
    ----------
    nmer, ref
        Its n-mer, and its reference; empty where the store has none.
    purpose
        Its status, and what it is good for.
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
    purpose: Purpose = MISSING
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
        gates=[_gate(one) for one in gates],
        sections=[_section(one) for one in (*gates, *checks) if one.findings is not None],
        shorter=[f"{one.check.name}: {'; '.join(one.shortened)}" for one in page.measured if one.shortened],
        left_out=[f"{one.check.name} ({one.check.title}): {one.why}" for one in page.measured if not one.findings],
    )


def _results(one: Measured) -> tuple[Result, ...]:
    return one.findings.results if one.findings is not None else ()


def _gate(one: Measured) -> dict[str, Any]:
    """Return what the table of gates shows of one: how many of its figures passed, and the first that did not."""
    limited = [result for result in _results(one) if result.limit is not None]
    failed = [result for result in limited if not result.passed]
    return {
        "name": one.check.name,
        "title": sentence(one.check.title),
        "measured": one.findings is not None,
        "why": one.why,
        "passed": len(limited) - len(failed),
        "total": len(limited),
        "first": failed[0] if failed else None,
    }


def _rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return what a table shows of figures with limits; advice is given once."""
    said: set[str] = set()
    found = []
    for result in results:
        if result.limit is not None:
            found.append(
                vars(result) | {"passed": result.passed, "advice": "" if result.advice in said else result.advice}
            )
            said |= {result.advice} if result.passed is False else set()
    return found


def _section(one: Measured) -> dict[str, Any]:
    """Return what the section of a check shows: its figures beside those of other models, and its plots."""
    findings, check = one.findings, one.check
    assert findings is not None
    about = f"Reference: {findings.facts['reference']}. " if "reference" in findings.facts else ""
    files = [(f"tables/{check.name}-{name}.csv", name) for name, text in tables_of(findings).items() if text]
    return {
        "check": check,
        "about": f"{about}Measured in {duration(findings.seconds)}{f', {one.version}' if one.version else ''}.",
        "title": sentence(check.title),
        "rows": _rows(findings.results),
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
            title = neutral(known.meaning) if models else sentence(known.meaning)
            rows.append([title, *(one.value if one is not None else None for one in every)])
    heads = ["figure", *(["sum of n-mers", *models.values()] if models else ["value"])]
    return Table(heads, rows, "", len(heads) - 1) if rows else None


def neutral(meaning: str) -> str:
    """Return what was measured without the words that say that it was measured of the sum."""
    return sentence(_OF_SUM.sub("", meaning, count=1))


def _tiles(page: FamilyPage, gates: Sequence[Measured]) -> list[Tile]:
    results = [result for one in gates for result in _results(one) if result.limit is not None]
    passed = sum(one.findings is not None and one.findings.passed is True for one in gates)
    failed = any(result.passed is False for result in results)
    missing = sum(one.findings is None for one in gates)
    figures = f"{sum(bool(result.passed) for result in results)} of {len(results)} figures"
    have = [member for member in page.members if member.ref]
    released = sum(member.purpose.badge.startswith("released") for member in have)
    tones = {member.purpose.tone for member in page.members}
    reservations = dict.fromkeys(m.purpose.reservation for m in page.members if m.purpose.reservation)
    worst = max((m for m in have if m.test_rmsd is not None), key=lambda m: m.test_rmsd or 0.0, default=None)
    labels = [member.labels for member in have if member.labels is not None]
    levels = list(dict.fromkeys(member.level for member in have if member.level))
    return [
        Tile(
            "gates of the sum",
            f"{passed} of {len(gates)} passed" if results else "not measured",
            "; ".join([*([figures] if results else []), *([f"{missing} not measured"] if missing else [])]),
            "bad" if failed else "warn" if missing or not results else "good",
        ),
        Tile(
            "potentials",
            f"{released} of {len(page.members)} released",
            "; ".join(reservations),
            next((tone for tone in ("bad", "warn") if tone in tones), "good"),
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
