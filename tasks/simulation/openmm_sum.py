"""A sum in OpenMM: a force that Python computes, with the units and the box of OpenMM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from potentials.arrays import Floats
from potentials.errors import MissingProgramError
from potentials.evaluation import Evaluable
from potentials.systems.periodicity import evaluate_in_box, is_periodic
from potentials.units import KCAL_IN_KJ
from recipes.registry import Need

OPENMM = Need("openmm", "pip install 'nmer[run]'")

NANOMETRE = 10.0
"""Angstrom."""


class Computation:
    """What OpenMM calls at every step.

    Parameters
    ----------
    potential
        The potential.
    """

    def __init__(self, potential: Evaluable) -> None:
        self.potential, self.periodic = potential, is_periodic(potential)

    def __call__(self, state: Any) -> tuple[float, Floats]:
        """Return the energy (kJ/mol) and the forces (kJ/mol/nm) of an ``openmm.State``."""
        positions = NANOMETRE * state.getPositions(asNumpy=True)._value
        vectors = NANOMETRE * state.getPeriodicBoxVectors(asNumpy=True)._value if self.periodic else None
        found = evaluate_in_box(self.potential, positions[None], vectors)
        return KCAL_IN_KJ * float(found.energy[0]), -KCAL_IN_KJ * NANOMETRE * found.gradient[0]


def openmm_force(potential: Evaluable) -> Any:
    """Return an ``openmm.PythonForce`` of a potential, for a system whose particles are its atoms in their order.

    It takes the box of the context at every step if the potential is periodic, so that OpenMM's barostats work.

    Parameters
    ----------
    potential
        The potential; for dynamics its ``trajectory()``, where it has one.

    Raises
    ------
    InputError
        If OpenMM is missing, or too old.
    """
    if lack := OPENMM.lack():
        raise MissingProgramError(f"a force of OpenMM {lack}")
    import openmm

    if not hasattr(openmm, "PythonForce"):
        raise MissingProgramError(
            f"OpenMM {openmm.__version__} has no PythonForce; install a later one with: pip install -U openmm"
        )
    computation = Computation(potential)
    force = openmm.PythonForce(computation)
    force.setUsesPeriodicBoundaryConditions(computation.periodic)
    return force


def openmm_system(potential: Evaluable, masses: Sequence[float] | None = None) -> Any:
    """Return an ``openmm.System`` of the potential's atoms, with its force and, if it is periodic, its cell.

    Parameters
    ----------
    potential
        The potential.
    masses
        (atoms,), u; default: those of the elements.

    Raises
    ------
    InputError
        As `openmm_force`.
    """
    force = openmm_force(potential)
    import openmm

    system = openmm.System()
    for mass in atomic_masses[[atomic_numbers[s] for s in potential.symbols]] if masses is None else masses:
        system.addParticle(float(mass))
    if force.usesPeriodicBoundaryConditions():
        vectors = np.array(potential.cell.vectors) / NANOMETRE  # type: ignore[attr-defined]
        system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*row) for row in vectors.tolist()))
    system.addForce(force)
    return system
