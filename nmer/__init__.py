"""nmer: coupled-cluster training data and PIP potentials, one n-mer at a time.

Examples
--------
>>> import nmer
>>> potential = nmer.load("ch3-water@latest")
>>> energy, gradient = potential.energy_and_gradient(positions)  # Angstrom, kcal/mol
>>> atoms.calc = potential.calculator()  # ASE, eV
"""

from __future__ import annotations

from importlib.metadata import version

from nmer.loading import load
from nmer.sums import sum_potential
from potentials.errors import InputError, StageError
from potentials.pip.potential import Potential
from storage.store import Store

__version__ = version("nmer")
__all__ = ["InputError", "Potential", "StageError", "Store", "__version__", "load", "sum_potential"]
