"""Gate ``train_rmsd``: the error on the training set."""

from __future__ import annotations

from tasks.validation.gates.interface import Candidate, Gate


def advice(candidate: Candidate) -> str:
    """Return which setting to change: that of the fit, or with levels that of the fit with the largest error."""
    if candidate.training is None:
        return "allow more terms: raise fitting.max_terms or fitting.degree"
    return (
        "allow more terms in the fit whose RMSD is the largest among the levels: raise its fitting.degree or "
        "fitting.max_terms"
    )


GATE = Gate(
    name="train_rmsd",
    title="RMSD on the training set (kcal/mol)",
    measure=lambda candidate: candidate.train.rmsd,
    limit=0.5,
    absent=None,
    advise=advice,
    error_of="train",
    order=1,
)
