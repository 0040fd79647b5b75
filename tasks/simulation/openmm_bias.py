"""A bias in OpenMM: forces on some atoms that Python computes at every geometry and sets before the next step.

They are those of an energy that is linear in the positions. So they are right for an integrator that asks for the
forces once in a step, at its beginning, as the Langevin middle scheme does; velocity Verlet also needs them at the
end of the step, where these would be of the geometry before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from potentials.arrays import Floats, Ints
from potentials.units import KCAL_IN_KJ

if TYPE_CHECKING:
    from tasks.simulation.metadynamics import Walker

NANOMETRE = 10.0
"""Angstrom."""

GROUP = 1
"""Force group of the bias, so that its energy is not part of the potential's."""


class BiasForce:
    """The forces of a walker's bias in one OpenMM system.

    Parameters
    ----------
    walker
        The walker.
    particles
        (atoms,), OpenMM's particle of each atom.
    """

    def __init__(self, walker: Walker, particles: Ints) -> None:
        import openmm

        self._walker, self._particles = walker, particles
        self._atoms = walker.atoms
        self.force = openmm.CustomExternalForce("-(fx*x+fy*y+fz*z)")
        for name in ("fx", "fy", "fz"):
            self.force.addPerParticleParameter(name)
        for atom in self._atoms:
            self.force.addParticle(int(particles[atom]), [0.0, 0.0, 0.0])
        self.force.setForceGroup(GROUP)

    def update(self, context: Any, step: int) -> None:
        """Set the forces of the geometry of a context, which is at a step.

        Raises
        ------
        StageError
            If a variable is not a finite number, or is outside of its grid.
        """
        state = context.getState(getPositions=True)
        positions: Floats = NANOMETRE * state.getPositions(asNumpy=True)._value[self._particles]
        forces = self._walker.forces(step, positions) * (KCAL_IN_KJ * NANOMETRE)
        for number, atom in enumerate(self._atoms):
            self.force.setParticleParameters(number, int(self._particles[atom]), forces[atom].tolist())
        self.force.updateParametersInContext(context)

    def advance(self, context: Any, step: int, steps: int) -> None:
        """Move a context, whose forces are those of a step, by some steps; raises StageError as `update`."""
        integrator = context.getIntegrator()
        for number in range(1, steps + 1):
            integrator.step(1)
            self.update(context, step + number)
