"""Energies of one molecule with their gradients, whatever computes them: the reference, the sum, force fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats
from potentials.evaluation import Contribution
from recipes.chemistry.molecules import Molecule
from tasks.checks.columns import COLOURS, MARKERS, REFERENCE_COLOUR, SUM, key_of, models_beside
from tasks.checks.reference import Atoms, Reference
from tasks.checks.subject import Subject

Batch = Callable[[Floats], tuple[Floats, Floats]]
"""(m, atoms, 3) in Angstrom -> energies (m,) in kcal/mol and gradients (m, atoms, 3) in kcal/mol/Angstrom."""

REFERENCE = "reference"
"""Key of the reference."""

TITLES = {SUM: "sum of n-mers"}
"""Names for plots and tables of models that are not called so themselves."""


def look(key: str) -> dict[str, str]:
    """Return the colour and the marker of a model by its key, as matplotlib takes them."""
    if key == REFERENCE:
        return {"color": REFERENCE_COLOUR, "marker": "D"}
    name = next(name for name in COLOURS if key_of(name) == key)
    return {"color": COLOURS[name], "marker": MARKERS[name]}


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
    found, notes = models_beside(subject, molecule, force_fields)
    return [Model(key_of(name), TITLES.get(name, name), _batch(one)) for name, one in found.items()], notes


def _batch(potential: Contribution) -> Batch:
    def evaluate(positions: Floats) -> tuple[Floats, Floats]:
        energy, gradient = potential.energy_and_gradient(positions)
        return np.asarray(energy, dtype=np.float64), gradient

    return evaluate
