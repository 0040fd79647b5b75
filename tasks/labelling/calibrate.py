"""Estimates of the cost of labels from the measured cost of earlier ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from potentials.nmers.nmer import NMer
from recipes.engines import JobSize, LabelCost
from recipes.estimate import cost_of_jobs, job_sizes, label_cost
from recipes.schema.recipe import Labelling
from storage.configuration import protocol_settings
from storage.ledger import LabelRow, Ledger
from tasks.labelling.collect import LabelTable
from tasks.labelling.engines.interface import OK
from tasks.labelling.plan import plan_label

MIN_LABELS = 3
"""Smallest number of labels that an estimate is calibrated from."""

MAX_ROWS = 6000
"""Largest number of sub-calculations read from the ledger."""


def expected_cost(
    nmer: NMer, labelling: Labelling, ledger: Ledger, excluded: Collection[str] = ()
) -> LabelCost | None:
    """Return the expected cost of a label, from the best information there is.

    The median CPU time and the largest memory of labels of the same fragments under the same settings, whatever
    the versions of the programs; without such labels the formula, scaled by the median ratio of measured to
    predicted cost of labels with the same engine and method; without these the bare formula; None where there is
    no formula.

    Parameters
    ----------
    nmer
        The n-mer.
    labelling
        The protocol.
    ledger
        Open for reading or writing.
    excluded
        Configurations that are left out, for a prediction that is to be checked against them.
    """
    return measured_cost(nmer, labelling, ledger, excluded) or _scaled(nmer, labelling, ledger, excluded)


def expected_cost_in(folder: Path, nmer: NMer, labelling: Labelling) -> LabelCost | None:
    """Return the expected cost of a label, from the ledger of a folder."""
    with Ledger.read(folder) as ledger:
        return expected_cost(nmer, labelling, ledger)


def label_costs(table: LabelTable, expected: LabelCost | None) -> dict[str, Any]:
    """Return the measured and the expected cost of labels, as plain values; None where it is not known.

    Parameters
    ----------
    table
        The labels, failed ones included.
    expected
        Cost of one label, from other labels or by formula.
    """
    seconds, memory = table.cpu_seconds[table.usable], table.memory[np.isfinite(table.memory)]
    return {
        "labels": len(table),
        "cpu_hours": round(float(table.cpu_seconds.sum()) / 3600, 6),
        "cpu_seconds": round(float(np.median(seconds)), 4) if len(seconds) else None,
        "memory": round(float(memory.max()), 4) if len(memory) else None,
        "expected_cpu_hours": None if expected is None else round(expected.cpu_seconds * len(table) / 3600, 6),
        "expected_cpu_seconds": None if expected is None else round(expected.cpu_seconds, 4),
        "expected_memory": None if expected is None else round(expected.memory, 4),
        "expected_from": "" if expected is None else expected.source,
    }


def system_of(nmer: NMer) -> str:
    """Return the formulas of an n-mer's fragments; labels of equal formulas cost the same."""
    formulas = []
    for fragment in nmer.fragments:
        counts = Counter(fragment.symbols)
        order = sorted(counts, key=lambda symbol: (symbol != "C", symbol != "H" or "C" not in counts, symbol))
        formula = "".join(f"{symbol}{counts[symbol] if counts[symbol] > 1 else ''}" for symbol in order)
        charge = f"({fragment.charge:+d})" if fragment.charge else ""
        pieces = f" in {len(fragment.parts)}" if len(fragment.parts) > 1 else ""
        formulas.append(f"{formula}{charge}{pieces}")
    return " + ".join(formulas)


def measured_cost(
    nmer: NMer, labelling: Labelling, ledger: Ledger, excluded: Collection[str] = ()
) -> LabelCost | None:
    """Return the cost of a label as those of the same fragments and settings had; None with too few of them.

    The parameters are those of `expected_cost`.
    """
    mine = protocol_settings(labelling, {})["labelling"]
    same = [name for name, known in ledger.protocols().items() if known["labelling"] == mine]
    parts = {part.name for part in plan_label(nmer, labelling.counterpoise)}
    electrons = sorted((size.functions, size.occupied + size.frozen) for size in job_sizes(nmer, labelling) or ())
    labels = []
    for _, rows in _good_labels(ledger, same, excluded, system_of(nmer)):
        here = sorted((size.functions, size.occupied + size.frozen) for size in _sizes(rows))
        # labels of the first release have no system recorded and are recognized by their sizes
        if {row.part for row in rows} == parts and (rows[0].system is not None or here == electrons):
            labels.append(rows)
    if len(labels) < MIN_LABELS:
        return None
    return LabelCost(
        median(_seconds(rows) for rows in labels),
        max(_memory(rows) for rows in labels),
        f"calibrated from {len(labels)} labels like these",
    )


def _scaled(nmer: NMer, labelling: Labelling, ledger: Ledger, excluded: Collection[str]) -> LabelCost | None:
    plain = label_cost(nmer, labelling)
    if plain is None:
        return None
    alike = {name: known["labelling"] for name, known in ledger.protocols().items()}
    mine: Any = protocol_settings(labelling, {})["labelling"]
    for field in ("engine", "method", "density_fitting", "single_precision"):
        alike = {name: known for name, known in alike.items() if known.get(field) == mine.get(field)}
    seconds, memory = [], []
    for protocol, rows in _good_labels(ledger, list(alike), excluded):
        sizes = _sizes(rows)
        formula = cost_of_jobs(Labelling.model_construct(**alike[protocol]), sizes) if sizes else None
        if formula is not None:
            seconds.append(_seconds(rows) / formula.cpu_seconds)
            memory.append(_memory(rows) / formula.memory)
    if len(seconds) < MIN_LABELS:
        return plain
    return LabelCost(
        plain.cpu_seconds * median(seconds),
        plain.memory * median(memory),
        f"formula times {median(seconds):.2g}, calibrated from {len(seconds)} labels of the same method",
    )


def _good_labels(
    ledger: Ledger, protocols: Sequence[str], excluded: Collection[str], system: str | None = None
) -> list[tuple[str, list[LabelRow]]]:
    """Return the labels whose known sub-calculations are all ok, each with its protocol."""
    found = ledger.sample(protocols, MAX_ROWS, system)
    if sum(len(rows) for rows in found.values()) == MAX_ROWS:
        found.popitem()  # it may be incomplete
    left_out = frozenset(excluded)
    return [
        (protocol, rows)
        for (protocol, configuration), rows in found.items()
        if configuration not in left_out and all(row.status == OK for row in rows)
    ]


def _seconds(rows: Sequence[LabelRow]) -> float:
    return sum(row.cpu_seconds for row in rows)


def _memory(rows: Sequence[LabelRow]) -> float:
    return max(row.memory or 0.0 for row in rows)


def _sizes(rows: Sequence[LabelRow]) -> list[JobSize]:
    """Return the sizes of a label's calculations; none unless every row has them."""
    sizes = []
    for row in rows:
        if row.basis_functions is None or row.electrons is None or row.frozen_orbitals is None:
            return []
        occupied = row.electrons // 2 - row.frozen_orbitals
        sizes.append(JobSize(row.basis_functions, occupied, row.frozen_orbitals))
    return sizes
