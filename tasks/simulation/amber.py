"""Amber's ff14SB and ff19SB of a peptide, to compare a sum with: compiled in vacuum, by OpenMM in a cell.

OpenMM assigns the parameters, and `tasks.simulation.amber_kernel` computes the energy. Residues are found by their
graphs (`recipes.chemistry.topology`), so that atoms may be in any order. With a ``c_address`` the force fields run
in LAMMPS as a sum does, with the same thermostats, bias, replicas and restarts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.evaluation import Evaluation
from potentials.graph import members
from potentials.systems.system import System
from recipes.chemistry.molecules import Molecule, read_molecule
from storage.trajectory import Trajectory
from tasks.simulation import amber_kernel as kernel
from tasks.simulation.amber_cell import AmberInCell
from tasks.simulation.amber_parameters import FLEXIBLE_WATER, kernel_data, papers_of
from tasks.simulation.amber_parameters import PROTEIN as PROTEIN
from tasks.simulation.amber_parameters import openmm_topology as openmm_topology
from tasks.simulation.dynamics import simulate
from tasks.simulation.settings import SimulationSettings

MOST_ATOMS = 5000
"""Largest molecule; all pairs are evaluated."""


class AmberPotential:
    """A force field of one molecule in vacuum.

    Parameters
    ----------
    name
        ``ff14SB``.
    symbols, bonds
        Elements, and pairs of atoms counted from 0.
    data
        The parameters, as `tasks.simulation.amber_kernel` takes them.

    Attributes
    ----------
    papers
        Keys of ``storage/papers.toml``.
    """

    cell = None
    programs = ("lammps", "openmm")
    """Packages that decide a trajectory's numbers."""

    def __init__(self, name: str, symbols: Sequence[str], bonds: Sequence[tuple[int, int]], data: Floats) -> None:
        self.name, self.symbols, self.bonds = name, tuple(symbols), tuple(bonds)
        self.papers = papers_of(name, "tip3p" if len(members(len(symbols), bonds)) > 1 else "")
        self._data = np.ascontiguousarray(data, dtype=np.float64)

    def evaluate(self, positions: Floats) -> Evaluation:
        """Return energies, gradients, virials and contributions of (m, atoms, 3) in Angstrom."""
        x = np.ascontiguousarray(positions, dtype=np.float64)
        n = len(self.symbols)
        if x.ndim != 3 or x.shape[1:] != (n, 3):
            raise InputError(f"positions have the shape {x.shape}; allowed for {self.name}: (m, {n}, 3)")
        energy, gradient, shares = np.empty(len(x)), np.empty(x.shape), np.empty((len(x), len(kernel.SHARES)))
        kernel.energies_of(self._data, x, energy, gradient, shares)
        virial = np.einsum("mai,maj->mij", gradient, x)
        return Evaluation(energy, gradient, dict(zip(kernel.SHARES, shares.T.copy(), strict=True)), virial)

    def energy_and_gradient(self, positions: ArrayLike) -> tuple[Any, Floats]:
        """Return energies (kcal/mol) and gradients (kcal/mol/Angstrom) of (m, atoms, 3), or of one (atoms, 3)."""
        x = np.asarray(positions, dtype=np.float64)
        found = self.evaluate(x[None] if x.ndim == 2 else x)
        return (float(found.energy[0]), found.gradient[0]) if x.ndim == 2 else (found.energy, found.gradient)

    def energy(self, positions: ArrayLike) -> Any:
        """Return energies as `energy_and_gradient` does."""
        return self.energy_and_gradient(positions)[0]

    def c_address(self) -> tuple[int, int]:
        """Return the addresses of a C function and its data; see `tasks.simulation.lammps_sum.WithAddress`."""
        return kernel.amber_in_c.address, self._data.ctypes.data


def amber_potential(molecule: str | Molecule | System, force_field: str) -> AmberPotential | AmberInCell:
    """Return ff14SB or ff19SB of a molecule or a system, with its atoms in their order.

    Parameters
    ----------
    molecule
        The name of a chain (``AceAla9Nme``), a molecule, or a system: amino acids between Ace and Nme, charged
        ones included, and waters; atoms in any order. Waters in vacuum are flexible TIP3P; in a cell they are
        rigid, TIP3P with ff14SB and OPC with ff19SB, as the force fields are used.
    force_field
        ``ff14SB`` or ``ff19SB``.

    Raises
    ------
    InputError
        If OpenMM is missing, the force field is unknown, there is something else than such residues, or the cell
        is too small.
    """
    whole = read_molecule(molecule) if isinstance(molecule, str) else molecule
    if isinstance(whole, System) and whole.cell is not None:
        return AmberInCell(whole, force_field)
    if len(whole.symbols) > MOST_ATOMS:
        raise InputError(f"{whole.name} has {len(whole.symbols)} atoms; allowed in vacuum: up to {MOST_ATOMS}")
    topology, order = openmm_topology(whole.symbols, whole.bonds, whole.name, force_field)
    from openmm import app

    system = app.ForceField(PROTEIN[force_field], FLEXIBLE_WATER).createSystem(
        topology, nonbondedMethod=app.NoCutoff, constraints=None, rigidWater=False, removeCMMotion=False
    )
    return AmberPotential(force_field, whole.symbols, whole.bonds, kernel_data(system, order))


def simulate_amber(
    molecule: str | Molecule | System, force_field: str, settings: SimulationSettings, **more: Any
) -> list[Trajectory]:
    """Simulate a molecule or a system with a force field, and return a trajectory for each replica.

    Parameters
    ----------
    molecule
        As for `amber_potential`, with a geometry; one that is only named gets it from distance geometry.
    force_field
        ``ff14SB`` or ``ff19SB``.
    settings
        The settings.
    more
        As for `tasks.simulation.dynamics.simulate`: ``folder``, ``bias``, ``told``, ``threads``.

    Raises
    ------
    InputError
        As `amber_potential` and `simulate`; also for a bias in a cell.
    """
    whole = read_molecule(molecule).embedded() if isinstance(molecule, str) else molecule
    return simulate(amber_potential(whole, force_field), whole, settings, **more)
