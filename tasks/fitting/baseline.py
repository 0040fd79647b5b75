"""The baseline of a fit: physics that is subtracted from the labels and added when a potential is evaluated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError


@dataclass(frozen=True)
class Baseline:
    """Energies and gradients of the physics that a PIP is added to.

    Attributes
    ----------
    energy
        (n,), kcal/mol.
    gradient
        (n, atoms, 3), kcal/mol/Angstrom; needed where gradients are fitted.
    """

    energy: Floats
    gradient: Floats | None = None


def remainder(
    energy: Floats, gradient: Floats | None, baseline: Baseline | Floats | None
) -> tuple[Floats, Floats | None]:
    """Return energies and gradients minus a baseline.

    Parameters
    ----------
    energy, gradient
        (n,) in kcal/mol, and (n, atoms, 3) in kcal/mol/Angstrom where they are fitted.
    baseline
        The baseline; an array is its energies.

    Raises
    ------
    InputError
        If an array has another shape or a number that is not finite, or gradients are fitted and the baseline has
        none.
    """
    if baseline is None:
        return energy, gradient
    if not isinstance(baseline, Baseline):
        baseline = Baseline(baseline)
    checked("baseline", baseline.energy, energy.shape)
    if gradient is None:
        return energy - baseline.energy, None
    if baseline.gradient is None:
        raise InputError(
            "a baseline without its gradient cannot be subtracted from gradients; give it, or leave gradients out"
        )
    checked("baseline's gradient", baseline.gradient, gradient.shape)
    return energy - baseline.energy, gradient - baseline.gradient


def checked(name: str, values: Floats, shape: tuple[int, ...]) -> None:
    """Raise InputError unless an array of a training set has the shape that is wanted and finite numbers."""
    if values.shape != shape or not np.isfinite(values).all():
        raise InputError(f"the training set's {name} has shape {values.shape}; allowed: finite, {shape}")
