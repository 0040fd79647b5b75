"""Gate ``uncertainty``: the errors on held-out data are about as large as the potential says."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.switching import MOSTLY_ON
from potentials.pip.potential import Potential
from storage.records import TEST, Dataset
from tasks.validation.gates.interface import Candidate, Gate


def error_over_uncertainty(potential: Potential, data: Dataset, predicted: Floats) -> float | None:
    """Return the root mean square of error over uncertainty on the test set: 1 if the uncertainty is right.

    Over V_phys only configurations count where the PIP is mostly switched on: elsewhere the error is that of
    V_phys, of which the ensemble knows nothing. None if the potential has no ensemble, or no configuration counts.
    """
    test = data.split == TEST
    if potential.ensemble is None or not test.any():
        return None
    spread = np.asarray(potential.uncertainty(data.positions[test]))
    error, known = np.abs(predicted - data.energy)[test], spread > 0.0
    if potential.physics is not None and potential.switching is not None:
        known &= potential.switching.evaluate(data.positions[test])[0] >= MOSTLY_ON
    return float(np.sqrt(np.mean(np.square(error[known] / spread[known])))) if known.any() else None


def ratio(candidate: Candidate) -> float | None:
    """Return error over uncertainty of a candidate, or None if there is none."""
    if candidate.dataset is None or candidate.predicted is None:
        return None
    return error_over_uncertainty(candidate.potential, candidate.dataset, candidate.predicted)


def factor(candidate: Candidate) -> float:
    """Return the factor by which the uncertainty is too small or too large."""
    found = ratio(candidate)
    assert found is not None
    return max(found, 1.0 / found) if found > 0.0 else float("inf")


def applies(candidate: Candidate) -> str:
    """Return why there is nothing to compare; empty if there is."""
    if candidate.potential.ensemble is None:
        return "it has no ensemble, and so no uncertainty"
    return "" if ratio(candidate) is not None else "there are no held-out labels where it is switched on"


def advice(candidate: Candidate) -> str:
    """Return what to do about an uncertainty that is wrong."""
    found, name = ratio(candidate) or 0.0, candidate.potential.nmer.name
    if found > 1.0:
        return (
            f"errors are {found:.2g} times what it says: add labels of {name}, or allow fewer terms "
            "(fitting.max_terms) for the labels that there are"
        )
    return f"errors are {found:.2g} times what it says, which is too much: add held-out labels of {name}"


GATE = Gate(
    name="uncertainty",
    title="factor between the errors on the test set and their uncertainties (root mean square, either way)",
    measure=factor,
    limit=2.0,
    absent=1e9,
    smoke=10.0,
    applies=applies,
    advise=advice,
    order=11,
)
