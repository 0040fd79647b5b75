"""Plausibility of the numbers of an xyz file: signs of a wrong unit, column, or zero of energy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers, covalent_radii

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.units import BOHR, ENERGY
from recipes.xyz_frames import Frame
from storage.xyz_energies import Energies

HARTREE_SPREAD, HARTREE_FAR, HARTREE_RATIO = 1.0, 10.0, 20.0
"""Total energies in hartree: a spread below 1, all beyond 10; or all beyond 20 times their spread."""

TOTAL_FAR, TOTAL_RATIO = 500.0, 3.0
"""Total energies: all below -500 kcal/mol (H2 has -730), and farther from 0 than three times their spread."""

NARROW, NARROW_FAR = 3.0, 50.0
"""Suspicious energies: all beyond 50 kcal/mol and three times their spread."""

TOUCHING = 0.01
"""Atoms closer than this count as being in one place, Angstrom."""


def refuse_hartree(path: Path, values: Floats) -> None:
    """Raise InputError if plain numbers without a unit look like total energies in hartree."""
    near, spread = float(np.abs(values).min()), float(np.ptp(values))
    one_side = bool((values < 0).all() or (values > 0).all())
    close = spread < HARTREE_SPREAD or (bool((values < 0).all()) and near > HARTREE_RATIO * spread)
    if len(values) > 1 and one_side and near > HARTREE_FAR and close:
        raise InputError(
            f"the energies of '{path}', {values.min():.8g} to {values.max():.8g}, are far from 0 and close to "
            "each other, as total energies in hartree are and n-body energies in kcal/mol are not; give --unit "
            "hartree, or --unit kcal/mol if that is what they are"
        )


def looks_at_energies(path: Path, energies: Energies, energy: Floats) -> list[str]:
    """Return a sentence where energies (kcal/mol) may be total energies or in another unit."""
    values, unit = energies.values, energies.unit
    near, spread = float(np.abs(values).min()), float(np.ptp(values))
    negative = bool((values < 0).all())
    span = f"the energies of '{path.name}', {values.min():.8g} to {values.max():.8g} {unit}"
    free = energies.guessed or "--unit says otherwise" in " ".join(energies.notes)
    if free and negative and len(values) > 1 and spread < HARTREE_SPREAD and near > max(0.4, 3 * spread):
        return [f"{span}, are far from 0 and close to each other: if they are in hartree, give --unit hartree"]
    nearest = ENERGY[unit] * near
    if (
        len(values) > 1
        and nearest > max(NARROW_FAR, NARROW * ENERGY[unit] * spread)
        and not total_energies(energy)
    ):
        return [f"{span}, are far from 0 compared with their spread: if they are total energies, give --zero"]
    return []


def total_energies(energy: Floats) -> bool:
    """Return whether energies (kcal/mol) look like total energies of molecules."""
    near = -float(energy.max())
    return near > TOTAL_FAR and near > TOTAL_RATIO * float(np.ptp(energy))


def looks_at_test(path: Path, train: Floats, test: Floats) -> list[str]:
    """Return a sentence where all energies of a test set are far from those of the training set (kcal/mol)."""
    spread = max(float(np.ptp(train)), 1.0)
    if test.min() > train.max() + spread or test.max() < train.min() - spread:
        return [
            f"the energies of '{path.name}', {test.min():.6g} to {test.max():.6g} kcal/mol, are far from those of "
            f"the training set, {train.min():.6g} to {train.max():.6g}: they may have another unit or another zero"
        ]
    return []


def looks_at_positions(frames: Sequence[Frame], positions: Floats) -> list[str]:
    """Return a sentence where positions (n, atoms, 3) of frames of the same atoms look like bohr or nm.

    Raises
    ------
    InputError
        If two atoms of a configuration are in one place.
    """
    path, symbols = frames[0].path, frames[0].symbols
    if len(symbols) < 2:
        return []
    radii = covalent_radii[[atomic_numbers[s] for s in symbols]]
    i, j = np.triu_indices(len(symbols), 1)
    nearest = np.full((len(positions), len(symbols)), np.inf)
    for a, b in zip(i, j, strict=True):
        distance = np.linalg.norm(positions[:, a] - positions[:, b], axis=1)
        if distance.min() < TOUCHING:
            where = frames[int(distance.argmin())].where
            raise InputError(f"{where}: atoms {a + 1} and {b + 1} are in one place")
        for atom in (a, b):
            nearest[:, atom] = np.minimum(nearest[:, atom], distance / (radii[a] + radii[b]))
    hydrogen = np.array(symbols) == "H"
    bonds = float(np.median(nearest[:, hydrogen])) if hydrogen.any() else 1.0
    if 0.85 / BOHR < bonds < 1.25 / BOHR and len(symbols) > 2:
        return [f"bonds of H in '{path.name}' are {bonds:.2g} times the usual: positions in bohr, not Angstrom?"]
    if np.median(nearest) < 0.3:
        return [
            f"bonds in '{path.name}' are {np.median(nearest):.2g} times the usual: positions in nm, not Angstrom?"
        ]
    return []
