"""Gates: what a candidate must show before it is released."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from potentials.potential import Potential
from recipes.schema import Gates
from storage.records import Floats
from tasks.validation.metrics import Errors

PROBES = 20
"""Configurations on which invariance and gradient are measured."""

STEP = 5e-4
"""Displacement of the finite differences, Angstrom; of fourth order, so that steep walls count as well."""


@dataclass(frozen=True)
class Gate:
    """One measured figure against its limit.

    Attributes
    ----------
    name
        Which gate; the key in the recipe's ``[gates]``.
    meaning
        What was measured, with its unit.
    value, limit
        The figure and its limit.
    passed
        Whether the figure is on the right side of the limit.
    """

    name: str
    meaning: str
    value: float
    limit: float
    passed: bool

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def judge(
    potential: Potential, train: Errors, test: Errors, usable_labels: float, probes: Floats, limits: Gates
) -> list[Gate]:
    """Measure every gate.

    Parameters
    ----------
    potential
        The candidate.
    train, test
        Its errors.
    usable_labels
        The part of the selected configurations whose label is in the dataset, 0 to 1.
    probes
        (configurations, atoms, 3), Angstrom; the first `PROBES` are used.
    limits
        The recipe's limits.
    """
    probes = probes[:PROBES]
    below = [
        ("train_rmsd", "RMSD on the training set (kcal/mol)", train.rmsd, limits.train_rmsd),
        ("test_rmsd", "RMSD on the test set (kcal/mol)", test.rmsd, limits.test_rmsd),
        (
            "permutation",
            "largest energy change when equivalent atoms change places (kcal/mol)",
            permutation_error(potential, probes),
            limits.permutation,
        ),
        (
            "gradient",
            "largest difference of the gradient from finite differences (kcal/mol/A)",
            gradient_error(potential, probes),
            limits.gradient,
        ),
    ]
    gates = [Gate(name, meaning, value, limit, value <= limit) for name, meaning, value, limit in below]
    meaning = "part of the labels that are usable"
    gates.append(Gate("labels", meaning, usable_labels, limits.labels, usable_labels >= limits.labels))
    return gates


def permutation_error(potential: Potential, positions: Floats) -> float:
    """Return the largest energy change under random permutations of equivalent atoms (kcal/mol)."""
    rng = np.random.default_rng(0)
    classes = np.array(potential.nmer.classes)
    reference = potential.energy(positions)
    largest = 0.0
    for _ in range(5):
        order = np.arange(len(classes))
        for part in potential.nmer.slices:
            for letter in np.unique(classes[part]):
                atoms = np.flatnonzero(classes == letter)
                atoms = atoms[(atoms >= part.start) & (atoms < part.stop)]
                order[atoms] = rng.permutation(atoms)
        largest = max(largest, float(np.abs(potential.energy(positions[:, order]) - reference).max()))
    return largest


def gradient_error(potential: Potential, positions: Floats) -> float:
    """Return the largest difference between the gradient and central finite differences (kcal/mol/A)."""
    gradient = potential.energy_and_gradient(positions)[1]
    largest = 0.0
    for atom in range(positions.shape[1]):
        for axis in range(3):
            step = np.zeros_like(positions)
            step[:, atom, axis] = STEP
            one, two = (
                np.asarray(potential.energy(positions + n * step))
                - np.asarray(potential.energy(positions - n * step))
                for n in (1, 2)
            )
            slope = (8 * one - two) / (12 * STEP)
            largest = max(largest, float(np.abs(slope - gradient[:, atom, axis]).max()))
    return largest
