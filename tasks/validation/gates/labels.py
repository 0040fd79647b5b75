"""Gate ``labels``: whether enough of the selected configurations have a label that is used."""

from __future__ import annotations

from tasks.validation.gates.interface import Gate

GATE = Gate(
    name="labels",
    title="fraction of the labels that are usable",
    measure=lambda candidate: candidate.usable_labels,
    limit=0.95,
    absent=None,
    advise=lambda candidate: "run it again: labels that failed are computed anew; the ledger has their reasons",
    at_least=True,
    highest=1.0,
    order=6,
)
