"""The sides of a comparison from stores: potentials, sums of families and systems, and single checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recipes.load import flattened
from storage.diff import settings_of
from storage.store import Store
from storage.version import Version
from tasks.checks.comparison import Figure, Side
from tasks.checks.interface import CHECKS, Findings
from tasks.checks.page import SUM, Measured, figures_of, models_of, neutral
from tasks.checks.page_of_store import page_of
from tasks.checks.stored import read_findings
from tasks.checks.subject import Subject
from tasks.pages.render import sentence
from tasks.plot import Plot
from tasks.validation.of_store import CAPTIONS, draw_report, report_of
from tasks.validation.report import Report

LEFT_OUT = ("nmer.", "name", "title", "resources.", "format")
"""Begin of the settings that are no choice."""

SHOWN = 4
"""Most values of a setting of a family's members that are listed."""


def side_of_potential(label: str, store: Store, version: Version) -> Side:
    """Return a potential as a side of a comparison."""
    report, plots = report_of(store, version), draw_report(store, version)
    drawn: dict[tuple[str, str], Plot] = {}
    for plot in plots:
        drawn[plot.name, CAPTIONS[plot.name].format(level="its labels")] = plot
    purpose, settings = report.purpose, _chosen(settings_of(version))
    figures = list(_of_report(report, store, version))
    return Side(label, purpose.badge, purpose.tone, purpose.sentences[0], figures, settings, drawn)


def side_of_sum(label: str, subject: Subject) -> Side:
    """Return the sum of a family or a system as a side of a comparison."""
    page = page_of(subject)
    figures = [
        Figure("potentials: test RMSD (kcal/mol)", f"member {one.nmer}", one.nmer, one.test_rmsd)
        for one in page.members
        if one.ref
    ]
    labels = [one.labels for one in page.members if one.labels is not None]
    released = sum(one.purpose.badge.startswith("released") for one in page.members)
    counts = [
        Figure("potentials", "labels", "labels of all potentials", sum(labels)),
        Figure("potentials", "released", "released", released),
        Figure("potentials", "missing", "missing", sum(not one.ref for one in page.members)),
    ]
    for measured in page.measured:
        figures += _of_check(measured)
    plots: dict[tuple[str, str], Plot] = {}
    for measured in page.measured:
        plots |= _drawn(measured)
    settings = _of_members([subject.store.resolve(one.ref) for one in page.members if one.ref])
    for measured in page.measured:
        if measured.version:
            settings |= _options(subject.store.resolve(measured.version), f"{measured.check.name}.")
    purpose = page.purpose
    answer = " ".join(purpose.sentences)
    return Side(label, purpose.badge, purpose.tone, answer, [*counts, *figures], settings, plots)


def side_of_check(label: str, version: Version) -> Side:
    """Return the stored findings of a check as a side of a comparison."""
    facts, findings = version.attributes()["facts"], read_findings(version)
    name = str(facts["decided_by"]["check"])
    measured = Measured(CHECKS.get(name), findings, version.ref)
    passed = findings.passed
    status = "no limits" if passed is None else "passed" if passed else "failed"
    tone = "" if passed is None else "good" if passed else "bad"
    answer = f"{sentence(measured.check.title)}, of {version.nmer}."
    return Side(label, status, tone, answer, _of_check(measured), _options(version, ""), _drawn(measured))


def _of_report(report: Report, store: Store, version: Version) -> Iterator[Figure]:
    """Yield the figures of a potential: errors, gates, size and cost."""
    for name, errors in (("test", report.test), ("training", report.train)):
        group = "errors (kcal/mol)"
        yield Figure(group, f"{name} rmsd", f"{name} RMSD", errors.rmsd)
        yield Figure(group, f"{name} mae", f"{name} mean absolute error", errors.mae)
        yield Figure(group, f"{name} largest", f"{name} largest error", errors.largest)
    for window in report.by_energy:
        high = "and more" if window.high is None else f"to {window.high:g}"
        name = f"test RMSD, {window.low:g} {high} kcal/mol above the lowest"
        yield Figure("errors (kcal/mol)", name, name, window.errors.rmsd)
    for gate in report.gates:
        yield Figure(
            "gates", f"gate {gate['name']}", str(gate["meaning"]), gate["value"], gate["limit"], gate["passed"]
        )
    dataset = store.input(version, "dataset")
    facts: Mapping[str, Any] = dataset.attributes()["facts"] if dataset is not None else {}
    yield Figure("size and cost", "labels", "labels", report.labels)
    yield Figure("size and cost", "terms", "terms", report.terms)
    for key, meaning in (("cpu_hours", "CPU-hours of the labels"), ("cpu_seconds", "CPU-seconds of a label")):
        yield Figure("size and cost", key, meaning, facts.get("cost", {}).get(key))


def _of_check(measured: Measured) -> list[Figure]:
    """Return the figures of a check, those of force fields beside those of the sum."""
    check, findings = measured.check, measured.findings
    if findings is None:
        return []
    names, figures = models_of(findings), figures_of(findings)
    group = f"{check.name}{_against(findings)}"
    found = []
    for name in dict.fromkeys(name for values in figures.values() for name in values):
        own = figures[SUM].get(name)
        others = {title: figures[key].get(name) for key, title in names.items()}
        known = own or next(one for one in others.values() if one is not None)
        found.append(
            Figure(
                group,
                f"{check.name}: {name}",
                neutral(known.meaning),
                own.value if own else None,
                own.limit if own else None,
                own.passed if own else None,
                {title: one.value for title, one in others.items() if one is not None},
            )
        )
    return found


def _drawn(measured: Measured) -> dict[tuple[str, str], Plot]:
    if measured.findings is None:
        return {}
    title = sentence(measured.check.title)
    return {(f"{measured.check.name}-{plot.name}", title): plot for plot in measured.check.draw(measured.findings)}


def _against(findings: Findings) -> str:
    reference = findings.facts.get("reference")
    return f", against {reference}" if reference else ""


def _options(version: Version, prefix: str) -> dict[str, Any]:
    return {f"{prefix}{k}": v for k, v in flattened(version.attributes()["facts"].get("options", {})).items()}


def _chosen(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if not key.startswith(LEFT_OUT)}


def _of_members(versions: Sequence[Version]) -> dict[str, Any]:
    """Return the settings of several potentials: each value once, in the order of the potentials."""
    found: dict[str, list[str]] = {}
    for version in versions:
        for key, value in _chosen(settings_of(version)).items():
            text = str(value)
            if text not in found.setdefault(key, []):
                found[key].append(text)
    return {
        key: ", ".join(values[:SHOWN]) + (f", ... ({len(values)} values)" if len(values) > SHOWN else "")
        for key, values in found.items()
    }
