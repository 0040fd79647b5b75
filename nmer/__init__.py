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
from pathlib import Path

from potentials.errors import InputError, StageError
from potentials.potential import Potential
from storage.contents import potential_of_file
from storage.store import Store

__version__ = version("nmer")
__all__ = ["InputError", "Potential", "StageError", "Store", "__version__", "load"]


def load(ref: str | Path, store: str | Path | None = None) -> Potential:
    """Return a fitted potential.

    Parameters
    ----------
    ref
        ``ch3-water@1``, ``ch3-water@latest``, or ``ch3-water@released``; or the path of a potential's file, as
        `nmer fit --out` and `nmer get` write it.
    store
        Folder of the store; by default ``NMER_STORE``, else ``nmer-store`` in the working directory.

    Raises
    ------
    InputError
        If there is no such store or no such potential in it.
    """
    if str(ref).endswith(".h5"):
        return potential_of_file(Path(ref))
    return Store(store).potential(str(ref))
