"""Densities of molecules by PySCF, and what V_phys takes from them; each is kept in a file once it is computed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError, MissingProgramError, StageError
from potentials.units import BOHR
from recipes.registry import Need
from storage.durable import replacing
from tasks.physics.induction import traceless
from tasks.physics.xdm import Atoms, atoms_in_molecule

PYSCF = Need("pyscf", "pip install 'nmer[run]'")

FORMAT = 1
"""Changes when the same level gives other numbers."""

SHELLS = (1.4, 1.6, 1.8, 2.0)
"""Distances of the points from the atoms, in van der Waals radii (Singh and Kollman, J. Comput. Chem. 5, 129
(1984))."""

PER_AREA = 1.0
"""Points per Angstrom^2."""

RADII = {"H": 1.20, "B": 1.92, "C": 1.70, "N": 1.55, "O": 1.52, "F": 1.47, "Si": 2.10, "P": 1.80, "S": 1.80,
         "Cl": 1.75, "Br": 1.85}  # fmt: skip
"""Van der Waals radii, Angstrom (Bondi 1964; Mantina et al. 2009)."""

ANGULAR = 110
"""Directions over which a free atom's density is averaged."""

BLOCK = 64
"""Points whose integrals are in memory at a time."""


@dataclass(frozen=True)
class Level:
    """A density functional with its basis set and grid.

    Attributes
    ----------
    functional, basis
        As PySCF names them.
    grid
        PySCF's level of the grid, of the Kohn-Sham equations and of XDM.
    """

    functional: str = "PBE0"
    basis: str = "aug-cc-pVDZ"
    grid: int = 3

    @property
    def name(self) -> str:
        """As it is written in reports."""
        return f"{self.functional}/{self.basis}"


@dataclass(frozen=True, eq=False)
class Density:
    """What V_phys takes from the density of one geometry.

    Attributes
    ----------
    dipole, quadrupole
        (3,) in e Angstrom, (3, 3) traceless, at the origin, in e Angstrom^2.
    points, potential
        (p, 3) in Angstrom, (p,) in e/Angstrom.
    population, volume, moments
        (atoms,), (atoms,), (atoms, 3): Hirshfeld's and XDM's, of `Atoms`, atomic units.
    orbitals
        (functions, occupied), the occupied orbitals.
    energy
        hartree.
    """

    dipole: Floats
    quadrupole: Floats
    points: Floats
    potential: Floats
    population: Floats
    volume: Floats
    moments: Floats
    orbitals: Floats
    energy: Floats


def density_key(symbols: Sequence[str], positions: Floats, charge: int, level: Level) -> str:
    """Return the sha256 of what decides a density."""
    content = [FORMAT, list(symbols), np.asarray(positions).round(9).tolist(), charge, asdict(level)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def density_of(symbols: Sequence[str], positions: Floats, charge: int, level: Level, folder: Path) -> Density:
    """Return the density of a geometry from its file, or compute it and write the file.

    Parameters
    ----------
    symbols
        Element of each atom.
    positions
        (atoms, 3), Angstrom.
    charge
        Total charge, e.
    level
        How it is computed.
    folder
        Folder of the files.

    Raises
    ------
    InputError
        If the number of electrons is odd, or PySCF has no basis functions for an element.
    MissingProgramError
        If pyscf is missing.
    StageError
        If the Kohn-Sham equations do not converge.
    """
    path = folder / f"{density_key(symbols, positions, charge, level)}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as found:
            return Density(**{f.name: found[f.name] for f in fields(Density)})
    made = compute_density(symbols, positions, charge, level)
    with replacing(path) as temporary, temporary.open("xb") as file:
        content: dict[str, Any] = {f.name: np.asarray(getattr(made, f.name)) for f in fields(Density)}
        np.savez_compressed(file, **content)
    return made


def _mole(symbols: Sequence[str], positions: Floats, charge: int, spin: int, level: Level) -> Any:
    if lack := PYSCF.lack():
        raise MissingProgramError(f"the density {lack}")
    from pyscf import gto
    from pyscf.lib.exceptions import BasisNotFoundError

    atoms = list(zip(symbols, np.asarray(positions).tolist(), strict=True))
    try:
        return gto.M(atom=atoms, basis=level.basis, charge=charge, spin=spin, verbose=0, unit="Angstrom")
    except BasisNotFoundError as error:
        raise InputError(f"basis '{level.basis}': {error}") from None


def compute_density(symbols: Sequence[str], positions: Floats, charge: int, level: Level) -> Density:
    """Return the density of a geometry, computed; see `density_of`, which keeps it."""
    from ase.data import atomic_numbers
    from pyscf import dft

    if (sum(atomic_numbers[s] for s in symbols) - charge) % 2:
        raise InputError(f"V_phys: a molecule of {''.join(symbols)} has an odd number of electrons; allowed: even")
    mole = _mole(symbols, positions, charge, 0, level)
    field = dft.RKS(mole, xc=level.functional).density_fit()
    field.grids.level = level.grid
    field.kernel()
    if not field.converged:
        raise StageError(f"{level.name}: the Kohn-Sham equations of {''.join(symbols)} do not converge")
    matrix, occupied = field.make_rdm1(), field.mo_coeff[:, field.mo_occ > 0]
    with mole.with_common_origin((0, 0, 0)):
        first = -np.einsum("xij,ji->x", mole.intor_symmetric("int1e_r", comp=3), matrix)
        second = -np.einsum("xij,ji->x", mole.intor_symmetric("int1e_rr", comp=9), matrix).reshape(3, 3)
    z, x = mole.atom_charges(), mole.atom_coords()
    points = surface(symbols, np.asarray(positions))
    atoms = exchange_holes(mole, field.grids, occupied, field.mo_occ[field.mo_occ > 0], symbols, level)
    return Density(
        dipole=(first + z @ x) * BOHR,
        quadrupole=traceless(second + np.einsum("a,ai,aj->ij", z, x, x)) * BOHR**2,
        points=points,
        potential=_potential(mole, matrix, points / BOHR) / BOHR,
        population=atoms.population,
        volume=atoms.volume,
        moments=atoms.moments,
        orbitals=occupied,
        energy=np.array(field.e_tot),
    )


def exchange_holes(
    mole: Any, grids: Any, orbitals: Floats, occupation: Floats, symbols: Sequence[str], level: Level
) -> Atoms:
    """Return XDM's properties of the atoms of a closed-shell PySCF molecule on its grid."""
    from pyscf.dft import numint

    free = [free_atom(symbol, level).density for symbol in symbols]
    volume, population, moments = np.zeros(mole.natm), np.zeros(mole.natm), np.zeros((mole.natm, 3))
    for start in range(0, len(grids.weights), 20_000):
        points, weights = grids.coords[start : start + 20_000], grids.weights[start : start + 20_000]
        values = numint.eval_ao(mole, points, deriv=2)
        density = numint.eval_rho2(mole, values, orbitals, occupation, xctype="MGGA", with_lapl=True)
        part = atoms_in_molecule(points, weights, density, mole.atom_coords(), free)
        volume += part.volume
        population += part.population
        moments += part.moments
    return Atoms(volume, population, moments)


@dataclass(frozen=True, eq=False)
class FreeAtom:
    """A free atom, averaged over directions.

    Attributes
    ----------
    volume
        Integral of r^3, bohr^3.
    density
        Density (bohr^-3) as a function of the distance from the nucleus (bohr).
    """

    volume: float
    density: Callable[[Floats], Floats]


@cache
def free_atom(symbol: str, level: Level) -> FreeAtom:
    """Return a free atom by unrestricted Kohn-Sham, in the multiplicity of its ground state."""
    from ase.data import atomic_numbers, ground_state_magnetic_moments
    from pyscf import dft
    from pyscf.dft import LebedevGrid, numint
    from scipy.interpolate import CubicSpline

    spin = round(float(ground_state_magnetic_moments[atomic_numbers[symbol]]))
    mole = _mole([symbol], np.zeros((1, 3)), 0, spin, level)
    field = dft.UKS(mole, xc=level.functional)
    field.grids.level = level.grid
    field.kernel()
    if not field.converged:
        field = field.newton()
        field.kernel()
    if not field.converged:
        raise StageError(f"{level.name}: the Kohn-Sham equations of a free atom of {symbol} do not converge")
    matrix = sum(field.make_rdm1())
    r = np.geomspace(1e-3, 25.0, 600)
    angular = np.asarray(LebedevGrid.MakeAngularGrid(ANGULAR))
    directions, weights = angular[:, :3], angular[:, 3]
    points = (r[:, None, None] * directions[None]).reshape(-1, 3)
    rho = numint.eval_rho(mole, numint.eval_ao(mole, points), matrix).reshape(len(r), -1) @ weights
    spline = CubicSpline(np.log(r), np.log(np.maximum(rho, 1e-200)))
    fine = np.geomspace(1e-4, 25.0, 20_000)

    def density(distance: Floats) -> Floats:
        return np.where(distance > r[-1], 0.0, np.exp(spline(np.log(np.clip(distance, r[0], r[-1])))))

    volume = np.trapezoid(4 * np.pi * fine**6 * density(fine), np.log(fine))
    return FreeAtom(float(volume), density)


def surface(symbols: Sequence[str], positions: Floats) -> Floats:
    """Return points on `SHELLS` around a molecule, (p, 3), Angstrom; none is nearer to an atom than its shell.

    Raises
    ------
    InputError
        If the van der Waals radius of an element is not known.
    """
    if unknown := sorted(set(symbols) - set(RADII)):
        raise InputError(
            f"V_phys: the van der Waals radius of {', '.join(unknown)} is not known; allowed: {', '.join(RADII)}"
        )
    radii = np.array([RADII[s] for s in symbols])
    found = []
    for factor in SHELLS:
        for n, centre in enumerate(positions):
            radius = factor * radii[n]
            points = centre + radius * _sphere(max(12, round(4 * np.pi * radius**2 * PER_AREA)))
            d = np.linalg.norm(points[:, None] - positions[None], axis=2)
            found.append(points[(d >= factor * radii - 1e-9).all(axis=1)])
    return np.concatenate(found)


def _sphere(count: int) -> Floats:
    """Return points on a sphere of radius 1, evenly by Fibonacci's spiral, (count, 3)."""
    k = np.arange(count) + 0.5
    z, angle = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    width = np.sqrt(1 - z**2)
    return np.array([width * np.cos(angle), width * np.sin(angle), z]).T


def _potential(mole: Any, matrix: Floats, points: Floats) -> Floats:
    """Return the electrostatic potential at points (bohr), hartree/e."""
    r = np.linalg.norm(points[:, None] - mole.atom_coords()[None], axis=2)
    found = (mole.atom_charges() / r).sum(axis=1)
    for start in range(0, len(points), BLOCK):
        chosen = slice(start, start + BLOCK)
        found[chosen] -= np.einsum("pij,ij->p", mole.intor("int1e_grids", grids=points[chosen]), matrix)
    return np.asarray(found)
