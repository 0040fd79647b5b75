"""V_phys = V_elec + V_disp + V_rep of a system without periodicity, with its exact gradient and virial."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from potentials.arrays import Floats
from potentials.energy_function import EnergyFunction
from potentials.errors import InputError
from potentials.evaluation import Evaluation
from potentials.physics.isolated import DIRECT, SHARES, Isolated
from potentials.physics.parameters import PhysicsParameters
from potentials.physics.topology import Topology
from potentials.physics.trajectory import ALONG, Trajectory

__all__ = ["SHARES", "TOLERANCE", "PhysicsPotential"]

TOLERANCE = 1e-10
"""Root mean square of the dipoles' residual at which the iterations of one configuration end, e Angstrom."""


class PhysicsPotential(EnergyFunction):
    """V_phys of real atoms: one function of the whole system.

    The dipoles of up to `DIRECT` polarizable atoms are solved for directly, those of more by conjugate gradients.
    Intermediate results take 16 bytes a pair of atoms: 0.2 GB for 5,000 atoms.

    Parameters
    ----------
    symbols
        Element of each atom.
    topology
        Bonds and 1-mers, which decide the pairs without charges, dispersion, or repulsion.
    types
        Type of each atom.
    parameters
        Their parameters.

    Raises
    ------
    InputError
        If the numbers of atoms differ, or a type has no parameters.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        topology: Topology,
        types: Sequence[str],
        parameters: PhysicsParameters,
    ) -> None:
        if not len(symbols) == topology.natoms == len(types):
            raise InputError(
                f"V_phys of {len(symbols)} atoms with {len(types)} types and a topology of {topology.natoms}; one "
                "type an atom is allowed"
            )
        self._symbols, self.topology, self.types = tuple(symbols), topology, tuple(types)
        self.parameters = parameters
        self.system = Isolated(symbols, topology, types, parameters)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom."""
        return self._symbols

    def evaluate(self, positions: Floats) -> Evaluation:
        """Return the energies, gradients and virials of (n, atoms, 3) in Angstrom; `shares` has the contributions.

        The shares are ``electrostatics`` (of fixed charges), ``polarization``, ``dispersion``, ``repulsion``.

        Raises
        ------
        InputError
            If two atoms are in one place.
        PolarizationError
            If the induced dipoles of a configuration have no stable solution.
        """
        work = self.system.work(direct=len(self.system.soft) <= DIRECT)
        return self.system.evaluate(positions, work, TOLERANCE, np.zeros((0, 0)), 0)[0]

    def trajectory(self, tolerance: float = ALONG) -> Trajectory:
        """Return V_phys of configurations that follow one another; see `Trajectory`."""
        return Trajectory(self.system, tolerance)
