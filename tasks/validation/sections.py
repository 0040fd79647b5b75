"""How a potential was made, for its page: sampling, selection, labels and their cost, and the fit."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from storage.version import Version
from tasks.holes import DEPTH
from tasks.pages.origins import licence
from tasks.pages.render import Table, sentence
from tasks.validation.report import Section

STATUSES = {
    "flagged_labels": "flagged",
    "failed_labels": "failed",
    "timeout_labels": "ran into the time limit",
    "out_of_memory_labels": "ran into the memory limit",
}
"""Facts of a dataset, and their names in the report."""

Facts = Mapping[str, Any]


def sections(versions: Mapping[str, Version]) -> list[Section]:
    """Return the steps on which a potential was made, as far as the store has their versions.

    Parameters
    ----------
    versions
        The potential and what it was made from, by kind.
    """
    found = []
    for kind, section in _SECTIONS:
        if kind in versions:
            attributes = versions[kind].attributes()
            found.append(section(attributes["facts"], tomllib.loads(attributes["recipe"]), attributes))
    return found


def _recipe(facts: Facts, recipe: Facts, attributes: Facts) -> Section:
    nmer = recipe.get("nmer", facts.get("nmer", {}))
    parts = [fragment.get("name", "") for fragment in nmer.get("fragments", ())]
    pairs = [
        ("recipe", recipe.get("name", attributes["nmer"])),
        ("preset", recipe.get("preset") or "none"),
        ("fragments", ", ".join(filter(None, parts))),
        ("symmetry", nmer.get("symmetry", "")),
        ("licence of the data", licence(dict(attributes))),
    ]
    return Section("Recipe", _known(pairs))


def _sampling(facts: Facts, recipe: Facts, attributes: Facts) -> Section:
    of = recipe.get("sampling", {})
    windows = ", ".join(f"{low:g} to {high:g}" for low, high in of.get("windows", ()))
    pairs = [
        ("sampler", _listed(of.get("sampler", ""))),
        ("force field", _listed(of.get("force_field", ""))),
        ("engine of the bias", of.get("engine", "")),
        ("temperatures (K)", _listed(of.get("temperatures", ()))),
        ("windows of the distance (A)", windows),
        ("time step (fs)", of.get("timestep")),
        ("walkers", facts.get("walkers")),
        ("frames", facts.get("frames")),
    ]
    return Section("Sampling", _known(pairs))


def _selection(facts: Facts, recipe: Facts, attributes: Facts) -> Section:
    of = recipe.get("selection", {})
    pairs = [
        ("method", of.get("method", "")),
        ("descriptor", of.get("descriptor", "")),
        ("training configurations", facts.get("train")),
        ("test configurations", facts.get("test")),
        ("separately for each", _listed(of.get("stratify", ()))),
        ("of these picked by their uncertainty", facts.get("picked")),
        ("frames inside the range of the potential that picked them", facts.get("frames_inside")),
        ("their mean uncertainty (kcal/mol)", facts.get("uncertainty_inside")),
        ("mean uncertainty of the picks (kcal/mol)", facts.get("uncertainty_picked")),
    ]
    rows = coverage_of(facts)
    title = "Coverage: distance of the pool's frames from the nearest chosen one (A)"
    tables = [Table(["distance", "chosen", "random"], rows, title, 2)] if rows else []
    return Section("Selection", _known(pairs), tables=tables)


def _labels(facts: Facts, recipe: Facts, attributes: Facts) -> Section:
    of = recipe.get("labelling", {})
    pairs = [
        ("level of theory", facts.get("protocol", "")),
        ("engine", of.get("engine", "")),
        ("counterpoise correction", of.get("counterpoise")),
        ("frozen core", of.get("frozen_core")),
        ("labels", facts.get("labels")),
        ("imported from", _listed(facts.get("imported", ()))),
    ]
    rows, source = cost_rows(facts), str(facts.get("cost", {}).get("expected_from", ""))
    title = f"Cost; expected: {source}" if source else "Cost"
    said = [label_sentence(facts)] if "labels" in facts else []
    if recipe.get("levels"):
        said.append("These are the labels of the last level; the table of the levels has those of all.")
    return Section(
        "Labels", _known(pairs), said, [Table(["cost", "expected", "measured"], rows, title, 2)] if rows else []
    )


def _fit(facts: Facts, recipe: Facts, attributes: Facts) -> Section:
    of, switching = recipe.get("fitting", {}), facts.get("switching")
    off = f"from {switching['r_in']:g} to {switching['r_out']:g} A" if switching else "none"
    pairs = [
        ("polynomial", f"degree {facts.get('degree', '?')}, terms: {facts.get('filter', '?')}"),
        ("terms", facts.get("number_of_terms")),
        ("ridge parameter Gamma", of.get("gamma")),
        ("energy scale of the weights dE (kcal/mol)", of.get("delta_e")),
        ("non-linear parameters", of.get("optimizer", "")),
        ("starts", of.get("starts")),
        ("switched off", off),
        ("largest leverage of a training configuration", facts.get("largest_leverage")),
        ("scale of the uncertainty (kcal/mol)", facts.get("sigma")),
    ]
    said = [baseline_sentence(facts)]
    if facts.get("levels"):
        said.append(
            "The non-linear parameters, the starts, the ridge and the scale of the uncertainty are those of the "
            "first level's fit; each difference is fitted with these parameters, and the terms are those of all."
        )
    return Section("Fit", _known(pairs), [one for one in said if one])


_SECTIONS = (
    ("potential", _recipe),
    ("pool", _sampling),
    ("selection", _selection),
    ("dataset", _labels),
    ("potential", _fit),
)


def coverage_of(facts: Facts) -> list[tuple[str, float, float]]:
    """Return how well a selection represents the pool, and how well a random one would, from its facts."""
    names = {"rms": "root mean square", "p99": "99th percentile", "max": "largest"}
    return [
        (meaning, facts[f"coverage_{name}"], facts[f"random_{name}"])
        for name, meaning in names.items()
        if f"random_{name}" in facts  # selections of the first release have no random one beside them
    ]


def baseline_sentence(facts: Facts) -> str:
    """Return what a potential was fitted over; empty for one without V_phys."""
    physics = facts.get("physics")
    if not physics:
        return ""
    return (
        f"Baseline: V_phys of {physics['name']} (digest {physics['digest'][:12]}); energies are n-body energies, "
        "V_phys' part included."
    )


def label_sentence(facts: Facts) -> str:
    """Return how many labels of a dataset were flagged or failed, in one sentence, from the dataset's facts."""
    counts = {name: int(facts[fact]) for fact, name in STATUSES.items() if facts.get(fact)}
    total = facts.get("cost", {}).get("labels")
    text = f"{facts['labels']} {f'of {total} ' if total else ''}labels are in the dataset"
    if not counts:
        return f"{text}; none was flagged or failed."
    kept = "kept" if facts.get("flagged_kept") else "left out"
    ends = [f"{n} {name}{f' ({kept})' if name == 'flagged' else ''}" for name, n in counts.items()]
    return f"{text}; {', '.join(ends)}."


def cost_rows(facts: Facts) -> list[tuple[str, float | None, float | None]]:
    """Return (what, expected, measured) of the labels' cost; nothing for datasets of the first release."""
    cost = facts.get("cost")
    if not cost:
        return []
    names = {
        "cpu_hours": "CPU-hours of all labels",
        "cpu_seconds": "CPU-seconds of a label (median)",
        "memory": "largest memory of a process (GiB)",
    }
    return [(what, cost[f"expected_{name}"], cost[name]) for name, what in names.items()]


def trust_sentences(facts: Facts) -> list[str]:
    """Return what a verdict tells about predictions away from the data, from its facts."""
    found = []
    uncertainty, ratio = facts.get("uncertainty"), facts.get("error_over_uncertainty")
    if uncertainty is not None and ratio is not None:
        found.append(
            f"The median uncertainty of the test set is {uncertainty:.3g} kcal/mol; its errors are "
            f"{ratio:.2g} times their uncertainties (root mean square; 1 if the uncertainty is right)."
        )
    holes, whole = facts.get("holes", ()), facts.get("whole") or {}
    if holes and "what" in holes[0]:
        worst = max(holes, key=lambda hole: float(hole["below"]))
        where, end = "below" if worst["below"] > 0 else "above", f", {worst['what']}" if worst["what"] else ""
        found.append(
            f"The worst place that a simulation of the whole n-mer at 700 K reaches ({worst['search']}{end}) "
            f"is {abs(worst['below']):.3g} kcal/mol {where} the energy that it has at least."
        )
        if bodies := whole.get("bodies"):
            found.append(f"Energies of its sub-n-mers there are those of {', '.join(map(str, bodies.values()))}.")
    elif holes:
        deepest = max(holes, key=lambda hole: float(hole["below"]))
        where = "below" if deepest["below"] > 0 else "above"
        advice = "; it is a hole: sample there, or lower fitting.degree" if deepest["below"] > DEPTH else ""
        found.append(
            f"The lowest place that a search near the data found ({deepest['search']}) is "
            f"{abs(deepest['below']):.3g} kcal/mol {where} the lowest training energy{advice}."
        )
    if whole.get("note"):
        found.append(sentence(f"{whole['note']}."))
    found += [f"The gate {name} was not measured: {why}." for name, why in facts.get("not_measured", {}).items()]
    return found


def _known(pairs: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return the pairs whose value is known."""
    return [(name, value) for name, value in pairs if value is not None and value != ""]


def _listed(value: Any) -> str:
    values = [value] if isinstance(value, str | int | float) else list(value)
    return ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in values)
