"""The file of a sum as something to export: the sum, and a geometry to check the export at."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from recipes.chemistry.molecules import CHAIN, Molecule, chain
from storage.exchange.sum_subject import SumSubject, check_listed
from tasks.sums.files import load_sum, molecule_of_sum
from tasks.sums.geometries import read_geometries


def sum_subject(path: Path, store: str | Path | None, at: Path | None) -> SumSubject:
    """Return the sum of a file of `nmer sum` for an exporter.

    Parameters
    ----------
    path
        The file.
    store
        Folder of the store that has the potentials, as for `nmer.load`.
    at
        xyz file whose first frame is a geometry of the molecule; None: a chain's is made from its name.

    Raises
    ------
    InputError
        If the sum cannot be loaded or exported, or no geometry is known.
    """
    model = load_sum(path, store)
    check_listed(model)
    molecule = molecule_of_sum(path)
    geometry = _embedded(path, molecule) if at is None else next(read_geometries(at, molecule))[1]
    return SumSubject(model, path.stem, geometry)


def _embedded(path: Path, molecule: Molecule) -> Floats:
    """Return the geometry that the name of a chain stands for."""
    if CHAIN.fullmatch(molecule.name):
        made = chain(molecule.name)
        if (made.symbols, made.bonds) == (molecule.symbols, molecule.bonds):
            return np.array(made.embedded().positions)
    raise InputError(f"'{path}' has no geometry of its molecule; give an xyz file with --at")
