"""Gate ``train_rmsd``: the error on the training set."""

from __future__ import annotations

from tasks.validation.gates.interface import Gate

GATE = Gate(
    name="train_rmsd",
    title="RMSD on the training set (kcal/mol)",
    measure=lambda candidate: candidate.train.rmsd,
    limit=0.5,
    absent=None,
    advise=lambda candidate: "allow more terms: raise fitting.max_terms or fitting.degree",
    error_of="train",
    order=1,
)
