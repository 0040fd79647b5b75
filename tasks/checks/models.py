"""Energies of one molecule with their gradients, whatever computes them: the reference, the sum, force fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field

from potentials.arrays import Floats
from potentials.errors import MissingProgramError
from potentials.evaluation import Contribution
from recipes.chemistry.molecules import Molecule
from tasks.checks.reference import Atoms, Reference
from tasks.checks.subject import Subject
from tasks.simulation.amber import PROTEIN, amber_potential

Batch = Callable[[Floats], tuple[Floats, Floats]]
"""(m, atoms, 3) in Angstrom -> energies (m,) in kcal/mol and gradients (m, atoms, 3) in kcal/mol/Angstrom."""

REFERENCE = "reference"
"""Key of the reference."""

SUM = "sum"
"""Key of the sum of n-mers."""

FORCE_FIELDS = tuple(PROTEIN)

COLOURS = {REFERENCE: "#000000", SUM: "#0072B2", "ff14sb": "#D55E00", "ff19sb": "#009E73"}
"""Colours by key, which most people who confuse colours tell apart (Okabe and Ito)."""

MARKERS = {REFERENCE: "D", SUM: "o", "ff14sb": "s", "ff19sb": "^"}


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [name for name in names if name not in FORCE_FIELDS]:
        raise ValueError(f"'{unknown[0][:40]}' is not a force field; allowed: {', '.join(FORCE_FIELDS)}")
    return tuple(dict.fromkeys(names))


ForceFields = Annotated[
    tuple[str, ...],
    AfterValidator(_known),
    Field(description=f"force fields beside the sum: {', '.join(FORCE_FIELDS)}"),
]
"""An option of checks."""


@dataclass(frozen=True)
class Model:
    """An energy of one molecule.

    Attributes
    ----------
    key
        In lower case, for names of figures and columns: ``reference``, ``sum``, ``ff14sb``.
    name
        For plots and tables.
    evaluate
        Energies and gradients of several geometries.
    """

    key: str
    name: str
    evaluate: Batch

    def surface(self, x: Floats) -> tuple[float, Floats]:
        """Return the energy and the gradient of one geometry."""
        energy, gradient = self.evaluate(x[None])
        return float(energy[0]), np.asarray(gradient[0])


def reference_model(reference: Reference, molecule: Atoms) -> Model:
    """Return a reference as a model; raises InputError if it has no gradients."""
    surface = reference.surface(molecule)

    def evaluate(positions: Floats) -> tuple[Floats, Floats]:
        found = [surface(x) for x in positions]
        return np.array([energy for energy, _ in found]), np.array([gradient for _, gradient in found])

    return Model(REFERENCE, reference.name, evaluate)


def compared_models(
    subject: Subject, molecule: Molecule, force_fields: Sequence[str]
) -> tuple[list[Model], list[str]]:
    """Return the sum and the force fields of a molecule in vacuum, and notes on those left out.

    Raises
    ------
    InputError
        If the sum cannot be made.
    """
    models = [Model(SUM, "sum of n-mers", _batch(subject.sum_of(molecule)))]
    notes = []
    for name in force_fields:
        try:
            potential = amber_potential(molecule, name)
        except MissingProgramError as error:
            notes.append(f"{name} is left out: {error}")
        else:
            models.append(Model(name.lower(), name, _batch(potential)))
    return models, notes


def _batch(potential: Contribution) -> Batch:
    def evaluate(positions: Floats) -> tuple[Floats, Floats]:
        energy, gradient = potential.energy_and_gradient(positions)
        return np.asarray(energy, dtype=np.float64), gradient

    return evaluate
