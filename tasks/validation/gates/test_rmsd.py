"""Gate ``test_rmsd``: the error on the test set."""

from __future__ import annotations

from storage.records import TEST
from tasks.metrics import errors_by_energy
from tasks.validation.gates.interface import Candidate, Gate


def advice(candidate: Candidate) -> str:
    """Return where the errors are largest, and that labels are needed there."""
    data, predicted = candidate.dataset, candidate.predicted
    if data is None or predicted is None:
        return "add labels, or raise fitting.gamma if the error on the training set is much smaller"
    test = data.split == TEST
    windows = errors_by_energy(predicted[test], data.energy[test], float(data.energy.min()))
    worst = max(windows, key=lambda window: window.errors.rmsd, default=None)
    if worst is None:
        return "add test labels"
    to = "and more" if worst.high is None else f"to {worst.high:g}"
    return (
        f"add labels of {candidate.potential.nmer.name} {worst.low:g} {to} kcal/mol above the lowest, where the "
        f"RMSD is {worst.errors.rmsd:.2g} kcal/mol"
    )


GATE = Gate(
    name="test_rmsd",
    title="RMSD on the test set (kcal/mol)",
    measure=lambda candidate: candidate.test.rmsd,
    limit=0.5,
    absent=None,
    advise=advice,
    error_of="test",
    order=2,
)
