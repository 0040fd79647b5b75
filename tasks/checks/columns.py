"""The columns of a table: the sum, and the force fields beside it, with the colours of their lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from potentials.arrays import Floats
from potentials.errors import InputError, MissingProgramError
from potentials.systems.system import System
from recipes.chemistry.molecules import Molecule
from tasks.checks.subject import Subject
from tasks.simulation.amber import PROTEIN, amber_potential
from tasks.simulation.amber_parameters import WATER
from tasks.simulation.settings import SimulationSettings

SUM = "sum"

FORCE_FIELDS = tuple(PROTEIN)


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [name for name in names if name not in FORCE_FIELDS]:
        raise ValueError(f"'{unknown[0][:40]}' is not a force field; allowed: {', '.join(FORCE_FIELDS)}")
    return tuple(dict.fromkeys(names))


ForceFields = Annotated[
    tuple[str, ...],
    AfterValidator(_known),
    Field(description=f"force fields beside it: {', '.join(FORCE_FIELDS)}"),
]
"""An option of checks."""

REFERENCE_COLOUR = "#000000"

COLOURS = dict(zip((SUM, *FORCE_FIELDS), ("#0072B2", "#D55E00", "#009E73", "#CC79A7"), strict=False))
"""Colours that are told apart by everybody (Okabe and Ito)."""

MARKERS = dict(zip((SUM, *FORCE_FIELDS), "os^v", strict=False))

LINES = dict(zip((SUM, *FORCE_FIELDS), ("-", "--", ":", "-."), strict=False))


def key_of(model: str) -> str:
    """Return the name of a model in names of figures and columns: ``ff14sb``."""
    return model.lower()


def models_beside(
    subject: Subject, whole: Molecule | System, force_fields: Sequence[str], water: str | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Return the sum and the force fields of a molecule or system by their names, and notes on those left out.

    Parameters
    ----------
    subject
        What is checked.
    whole
        The molecule, in vacuum; or a system.
    force_fields
        Names of force fields.
    water
        The model of water of the sum of a system; see `sum_potential`. That of a force field is TIP3P in vacuum.

    Returns
    -------
    Models with ``energy_and_gradient`` of (n, atoms, 3), and sentences.

    Raises
    ------
    InputError
        If the sum cannot be made.
    """
    models: dict[str, Any] = {SUM: subject.sum_of(whole, water)}
    notes = []
    for name in force_fields:
        try:
            models[name] = amber_potential(whole, name)
        except (InputError, MissingProgramError) as error:
            notes.append(f"{name} is left out: {error}")
    return models, notes


def models_in_water(
    subject: Subject, system: System, force_fields: Sequence[str], settings: SimulationSettings
) -> tuple[dict[str, Any], list[str]]:
    """Return the models of a system in a cell as `models_beside`, without those that the settings do not allow.

    Parameters
    ----------
    subject
        What is checked.
    system
        The system.
    force_fields
        Names of force fields; each has its own model of water, see `water_of`.
    settings
        Of the simulation.

    Raises
    ------
    InputError
        If the sum cannot be made.
    """
    models, notes = models_beside(subject, system, force_fields)
    for name in [one for one in models if one != SUM]:
        try:
            models[name].check_settings(settings, None)
        except InputError as error:
            notes.append(f"{name} is left out: {error}")
            del models[name]
    return models, notes


def water_of(force_field: str) -> str:
    """Return the name of the model of water that a force field has in a cell: ``TIP3P``."""
    return PurePath(WATER[force_field]).stem.upper()


def beginning(model: str) -> str:
    """Return how the names of a model's figures begin: nothing for the sum, ``ff14sb-``."""
    return "" if model == SUM else f"{key_of(model)}-"


def of_model(model: str) -> str:
    """Return how meanings of a model's figures end: nothing for the sum, ``, ff14SB with TIP3P``."""
    return "" if model == SUM else f", {model} with {water_of(model)}"


def energies(model: Any, positions: Floats) -> Floats:
    """Return a model's energies of (n, atoms, 3) in Angstrom, (n,), kcal/mol."""
    return np.asarray(model.energy_and_gradient(positions)[0], dtype=np.float64)
