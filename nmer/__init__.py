"""nmer: coupled-cluster training data and PIP potentials, one n-mer at a time.

Examples
--------
>>> import nmer
>>> potential = nmer.load("ch3-water@latest")
>>> energy, gradient = potential.energy_and_gradient(positions)  # Angstrom, kcal/mol
>>> atoms.calc = potential.calculator()  # ASE, eV
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from potentials.errors import InputError, StageError
    from potentials.pip.potential import Potential
    from potentials.systems.system import System
    from recipes.chemistry.systems import read_system
    from storage.store import Store
    from tasks.simulation.dynamics import SimulationStoppedError, simulate
    from tasks.simulation.ipi_socket import serve_to_ipi
    from tasks.simulation.lammps_sum import attach_to_lammps
    from tasks.simulation.openmm_sum import openmm_force, openmm_system
    from tasks.simulation.settings import SimulationSettings
    from tasks.sums.files import load_sum
    from tasks.sums.loading import load
    from tasks.sums.make import sum_potential

    __version__: str

__all__ = [
    "InputError",
    "Potential",
    "SimulationSettings",
    "SimulationStoppedError",
    "StageError",
    "Store",
    "System",
    "__version__",
    "attach_to_lammps",
    "load",
    "load_sum",
    "openmm_force",
    "openmm_system",
    "read_system",
    "serve_to_ipi",
    "simulate",
    "sum_potential",
]

_WHERE = {
    "InputError": "potentials.errors",
    "Potential": "potentials.pip.potential",
    "SimulationSettings": "tasks.simulation.settings",
    "SimulationStoppedError": "tasks.simulation.dynamics",
    "StageError": "potentials.errors",
    "Store": "storage.store",
    "System": "potentials.systems.system",
    "attach_to_lammps": "tasks.simulation.lammps_sum",
    "load": "tasks.sums.loading",
    "load_sum": "tasks.sums.files",
    "openmm_force": "tasks.simulation.openmm_sum",
    "openmm_system": "tasks.simulation.openmm_sum",
    "read_system": "recipes.chemistry.systems",
    "serve_to_ipi": "tasks.simulation.ipi_socket",
    "simulate": "tasks.simulation.dynamics",
    "sum_potential": "tasks.sums.make",
}
"""The module of each name, imported at the first use, so that `import nmer` and `nmer --help` are fast."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        found: Any = version("nmer")
    elif name in _WHERE:
        from importlib import import_module

        found = getattr(import_module(_WHERE[name]), name)
    else:
        raise AttributeError(f"module 'nmer' has no attribute '{name}'")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
