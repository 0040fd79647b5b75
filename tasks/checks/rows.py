"""Every gate and check of a subject as plain rows, with name, value, limit, and whether it passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recipes.schema.gates import GATES
from tasks.checks.run import Outcome
from tasks.checks.subject import Subject
from tasks.validation.gates.interface import Verdict

Row = dict[str, Any]


def member_rows(subject: Subject) -> list[Row]:
    """Return the gates of the subject's potentials from their stored validations, ``ch@1: gradient`` and so on.

    A potential whose gates were never measured has one row, which did not pass.
    """
    rows = []
    for nmer, version in subject.versions().items():
        verdict = subject.store.verdict(version)
        gates = [] if verdict is None else verdict.attributes()["facts"].get("gates", [])
        for gate in gates:
            about = {name: gate.get(name) for name in ("value", "limit", "passed", "meaning")}
            about["at_least"] = Verdict.of_stored(gate).at_least
            advice = "" if gate.get("passed") else gate.get("advice") or f"see the report of {version.ref}"
            rows.append(_row(f"{version.ref}: {gate['name']}", True, **about, advice=advice))
        not_measured = {} if verdict is None else verdict.attributes()["facts"].get("not_measured", {})
        for name, why in not_measured.items():
            meaning = GATES.get(name).title if name in GATES else name
            rows.append(_row(f"{version.ref}: {name}", True, meaning=meaning, why=why))
        if not gates:
            why = "its gates were not measured"
            advice = f"measure them: nmer run {nmer} --until validation"
            rows.append(
                _row(version.ref, True, meaning="gates of the n-mer", passed=False, why=why, advice=advice)
            )
    return rows


def outcome_rows(outcome: Outcome) -> list[Row]:
    """Return a row for each figure of a check; one row that says why if it was not measured."""
    check, findings = outcome.check, outcome.findings
    if findings is None:
        passed = False if check.gate else None
        return [_row(check.name, check.gate, meaning=check.title, passed=passed, why=outcome.why)]
    rows = []
    for one in findings.results:
        about = {k: v for k, v in one.as_dict().items() if k not in ("name", "at_least", "advice")}
        advice = one.advice if one.passed is False else ""
        name = f"{check.name}: {one.name}"
        rows.append(
            _row(name, check.gate and one.limit is not None, at_least=one.at_least, **about, advice=advice)
        )
    return rows


def verdict_document(
    subject: Subject, outcomes: Sequence[Outcome], files: Mapping[str, Sequence[str]] | None = None
) -> Row:
    """Return everything that is known of a subject, as ``nmer check --json`` prints it.

    Parameters
    ----------
    subject
        The subject.
    outcomes
        What its checks gave.
    files
        Plots and tables of each check by its name.

    Returns
    -------
    ``gates`` and ``checks`` have a row for each figure with ``name``, ``value``, ``limit``, ``at_least``,
    ``passed``, ``meaning``, ``advice`` and ``why``; ``measured`` has one for each check with its version, time,
    notes and files; ``status`` and ``verdict`` are those of the sums.
    """
    rows = [row for outcome in outcomes for row in outcome_rows(outcome)]
    status = subject.status()
    return {
        "subject": subject.name,
        "family": subject.family,
        "molecules": list(subject.molecules),
        "system": None if subject.system is None else subject.system.name,
        "water": subject.water,
        "potentials": {nmer: version.ref for nmer, version in subject.versions().items()},
        "status": status.status,
        "verdict": status.sentence,
        "gates": [*member_rows(subject), *(row for row in rows if row["gate"])],
        "checks": [row for row in rows if not row["gate"]],
        "measured": [summary(one, (files or {}).get(one.check.name, ())) for one in outcomes],
    }


def summary(outcome: Outcome, files: Sequence[str] = ()) -> Row:
    """Return what is said of a check as a whole: its version, time, notes, and files."""
    check, findings = outcome.check, outcome.findings
    return {
        "name": check.name,
        "title": check.title,
        "meaning": check.meaning,
        "gate": check.gate,
        "passed": outcome.passed,
        "measured": findings is not None,
        "why": outcome.why,
        "stored": outcome.stored,
        "version": None if outcome.version is None else outcome.version.ref,
        "options": outcome.options.model_dump(mode="json"),
        "seconds": None if findings is None else findings.seconds,
        "notes": [] if findings is None else list(findings.notes),
        "facts": {} if findings is None else dict(findings.facts),
        "files": list(files),
    }


def _row(
    name: str,
    gate: bool,
    *,
    meaning: str = "",
    value: float | None = None,
    limit: float | None = None,
    at_least: bool | None = None,
    passed: bool | None = None,
    advice: str = "",
    why: str = "",
) -> Row:
    return {
        "name": name,
        "gate": gate,
        "value": value,
        "limit": limit,
        "at_least": at_least,
        "passed": passed,
        "meaning": meaning,
        "advice": advice,
        "why": why,
    }
