"""Errors of a potential on a set of labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from storage.records import Floats


@dataclass(frozen=True)
class Errors:
    """Errors of predicted against reference energies, kcal/mol.

    Attributes
    ----------
    count
        Number of configurations.
    rmsd, mae, largest
        Root mean square, mean absolute, and largest absolute error; nan for an empty set.
    """

    count: int
    rmsd: float
    mae: float
    largest: float

    def as_dict(self) -> dict[str, float | int | None]:
        """Return plain values for JSON, where a missing number is null."""
        return {k: None if v != v else v for k, v in asdict(self).items()}


def errors(predicted: Floats, reference: Floats) -> Errors:
    """Return the errors of predicted energies.

    Parameters
    ----------
    predicted, reference
        (configurations,), kcal/mol.
    """
    if not len(reference):
        return Errors(0, float("nan"), float("nan"), float("nan"))
    difference = np.abs(predicted - reference)
    return Errors(
        len(reference),
        float(np.sqrt(np.mean(difference**2))),
        float(difference.mean()),
        float(difference.max()),
    )
