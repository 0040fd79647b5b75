"""Gate ``test_rmsd``: the error on the test set."""

from __future__ import annotations

from tasks.validation.gates.interface import Gate

GATE = Gate(
    name="test_rmsd",
    title="RMSD on the test set (kcal/mol)",
    measure=lambda candidate: candidate.test.rmsd,
    limit=0.5,
    absent=None,
    error_of="test",
    order=2,
)
