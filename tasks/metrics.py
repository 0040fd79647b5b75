"""Errors of a potential on a set of labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

from potentials.arrays import Bools, Floats


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


WINDOWS = (10.0, 30.0, 60.0, 100.0)
"""Edges of the energy windows above the lowest energy, kcal/mol."""


@dataclass(frozen=True)
class WindowErrors:
    """Errors of the configurations in one window of energy above the lowest of a set.

    Attributes
    ----------
    low, high
        Edges, kcal/mol above the lowest energy; the last window has no upper edge.
    errors
        The errors.
    """

    low: float
    high: float | None
    errors: Errors

    def as_dict(self) -> dict[str, float | int | None]:
        """Return plain values for JSON."""
        return {"low": self.low, "high": self.high, **self.errors.as_dict()}


@dataclass(frozen=True)
class LearningPoint:
    """Errors of a fit to a part of a training set.

    Attributes
    ----------
    configurations
        Number of configurations in the part.
    train, test
        Errors on the part, and on the test set.
    """

    configurations: int
    train: Errors
    test: Errors


def errors_by_energy(predicted: Floats, reference: Floats, lowest: float | None = None) -> list[WindowErrors]:
    """Return the errors window by window; empty windows are left out.

    Parameters
    ----------
    predicted, reference
        (configurations,), kcal/mol.
    lowest
        Lower edge of the first window, kcal/mol; by default the lowest reference energy.
    """
    if not len(reference):
        return []
    above = reference - (reference.min() if lowest is None else lowest)
    found = []
    for low, high in pairwise((-np.inf, *WINDOWS, np.inf)):
        inside = (above >= low) & (above < high)
        if inside.any():
            edges = max(low, 0.0), None if high == np.inf else high
            found.append(WindowErrors(*edges, errors(predicted[inside], reference[inside])))
    return found


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


def gradient_errors(predicted: Floats, reference: Floats, chosen: Bools) -> Errors:
    """Return the errors of the components of some configurations' gradients, kcal/mol/Angstrom.

    Parameters
    ----------
    predicted, reference
        (configurations, atoms, 3), kcal/mol/Angstrom.
    chosen
        (configurations,), which of them count.
    """
    return errors(predicted[chosen].ravel(), reference[chosen].ravel())
