"""The minimum of an n-mer's force field, and its normal modes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize
from threadpoolctl import threadpool_limits

from potentials.arrays import Floats
from potentials.errors import StageError
from potentials.nmers.nmer import NMer
from potentials.units import KCAL, SPEED_OF_LIGHT
from tasks.sampling.engine import ExplosionError
from tasks.sampling.force_field import ForceFunction

WAVENUMBER = 2.0 * np.pi * SPEED_OF_LIGHT * 1e-8
"""1 cm^-1 as an angular frequency, rad/fs."""

STEP = 0.005
"""Displacement of one coordinate in the central differences of the Hessian, Angstrom."""

CONVERGED = 1e-6
"""Largest force at which the search ends, kcal/mol/Angstrom."""

ACCEPTED = 1e-2
"""Largest force of a minimum if rounding in the force field prevents `CONVERGED`, kcal/mol/Angstrom."""

IMAGINARY = 5.0
"""Largest imaginary frequency that counts as rounding, cm^-1; above it the point is a saddle."""

BOX = 0.3
"""Largest change of a coordinate in one round of L-BFGS, Angstrom."""

ROUNDS = 200
"""Rounds of L-BFGS before Newton's method."""

TRIES = 10
"""Largest number of saddles from which the search continues."""

NUDGE = 0.1
"""Largest displacement of an atom when the search leaves a saddle, and in one Newton step, Angstrom."""

CONTACT = 1.5
"""Fragments with atoms nearer to each other than this are first moved apart, Angstrom."""


@dataclass(frozen=True)
class Modes:
    """Normal modes: Q = L sqrt(m) (x - x0), without translations and rotations.

    Attributes
    ----------
    curvature
        (modes,), eigenvalues of the mass-weighted Hessian, ascending, kcal/mol/Angstrom^2/u.
    vectors
        (modes, atoms, 3), orthonormal rows L.
    """

    curvature: Floats
    vectors: Floats

    @property
    def omega(self) -> Floats:
        """(modes,), angular frequencies in rad/fs; an imaginary one is negative."""
        return np.asarray(np.sign(self.curvature) * np.sqrt(np.abs(self.curvature) * KCAL))

    @property
    def wavenumbers(self) -> Floats:
        """(modes,), frequencies in cm^-1; an imaginary one is negative."""
        return np.asarray(self.omega / WAVENUMBER)


@dataclass(frozen=True)
class Minimum:
    """A minimum of a force field.

    Attributes
    ----------
    positions
        (atoms, 3), Angstrom, centred at the origin; caps at the force field's bond lengths.
    energy
        kcal/mol.
    force
        Largest component of the remaining forces, kcal/mol/Angstrom.
    modes
        Its vibrations.
    """

    positions: Floats
    energy: float
    force: float
    modes: Modes


def find_minimum(nmer: NMer, surface: ForceFunction) -> Minimum:
    """Find the nearest minimum from the recipe's geometry.

    The search uses L-BFGS and then Newton's method; from a saddle, to which a symmetric geometry may lead, it
    continues along the mode of the most negative curvature.

    Parameters
    ----------
    nmer
        The n-mer.
    surface
        Its force field.

    Raises
    ------
    StageError
        If LAMMPS loses atoms, the forces do not vanish, or every point found is a saddle.
    """
    try:
        # at this size threads of BLAS save no time, and the sums would depend on their number
        with threadpool_limits(limits=1, user_api="blas"):
            return _search(nmer, surface)
    except ExplosionError as error:
        raise StageError(
            f"sampling: the search for the force field's minimum of {nmer.name} failed: {error}; give a better "
            "geometry in nmer.fragments"
        ) from None


def _search(nmer: NMer, surface: ForceFunction) -> Minimum:
    x = _apart(nmer)
    lowest = 0.0
    for _ in range(TRIES):
        x, energy, force, modes = _newton(nmer, surface, _descend(surface, x))
        if force > ACCEPTED:
            raise StageError(
                f"sampling: the force field's minimum of {nmer.name} was not found, a force of {force:.2g} "
                "kcal/mol/A remains; give a better geometry in nmer.fragments"
            )
        lowest = float(modes.wavenumbers.min(initial=0.0))
        if lowest > -IMAGINARY:
            return Minimum(x - x.mean(axis=0), energy, force, modes)
        down = modes.vectors[0] / np.sqrt(nmer.masses)[:, None]
        x = x + down * NUDGE / np.abs(down).max()
    raise StageError(
        f"sampling: no minimum of {nmer.name} was found: after {TRIES} searches there is an imaginary mode of "
        f"{-lowest:.0f} cm^-1; give a better geometry in nmer.fragments, or another force_field"
    )


def find_modes(nmer: NMer, surface: ForceFunction, positions: Floats) -> Modes:
    """Return the normal modes about a geometry, by central differences of the forces.

    Parameters
    ----------
    nmer
        The n-mer.
    surface
        Its force field.
    positions
        (atoms, 3), Angstrom.
    """
    x = positions.copy()
    rows = []
    for index in np.ndindex(x.shape):
        value = x[index]
        x[index] = value + STEP
        forward = surface(x)[1]
        x[index] = value - STEP
        rows.append((surface(x)[1] - forward).ravel() / (2.0 * STEP))
        x[index] = value
    return modes_of(np.array(rows), nmer.masses, positions)


def modes_of(hessian: Floats, masses: Floats, positions: Floats) -> Modes:
    """Return the normal modes of a Hessian.

    The rigid motions are projected out of the mass-weighted Hessian (Miller, Handy, Adams, J. Chem. Phys. 72, 99
    (1980), Eq. 2.13).

    Parameters
    ----------
    hessian
        (3 atoms, 3 atoms), kcal/mol/Angstrom^2.
    masses
        (atoms,), u.
    positions
        (atoms, 3), Angstrom.
    """
    root = np.sqrt(np.repeat(masses, 3))
    weighted = hessian / np.outer(root, root)
    inner = _vibrating_space(masses, positions)
    curvature, vectors = np.linalg.eigh(inner @ (0.5 * (weighted + weighted.T)) @ inner.T)
    return Modes(curvature, (vectors.T @ inner).reshape(-1, len(masses), 3))


def _vibrating_space(masses: Floats, positions: Floats) -> Floats:
    """Return an orthonormal basis of all mass-weighted motions but the rigid ones, (modes, 3 atoms)."""
    root = np.sqrt(masses)[:, None]
    arms = positions - np.average(positions, axis=0, weights=masses)
    rigid = [root * axis for axis in np.eye(3)] + [root * np.cross(axis, arms) for axis in np.eye(3)]
    flat = np.array([motion.ravel() for motion in rigid])
    _, sizes, rows = np.linalg.svd(flat)
    # a linear molecule has five rigid motions, an atom three
    return np.asarray(rows[int((sizes > 1e-6 * sizes[0]).sum()) :])


def _descend(surface: ForceFunction, x: Floats) -> Floats:
    """Minimize by L-BFGS; the bounds of each round keep a long first step from separating the fragments."""

    def value(flat: Floats) -> tuple[float, Floats]:
        energy, forces = surface(flat.reshape(x.shape))
        return energy, -forces.ravel()

    flat = x.ravel()
    options = {"maxiter": 2_000, "maxfun": 4_000, "maxcor": 30, "ftol": 0.0, "gtol": 1e-4}
    for _ in range(ROUNDS):
        bounds = optimize.Bounds(flat - BOX, flat + BOX)
        found = optimize.minimize(value, flat, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        inside = np.abs(found.x - flat).max() < 0.999 * BOX
        flat = np.asarray(found.x)
        if inside:
            break
    return np.asarray(flat.reshape(x.shape))


def _newton(nmer: NMer, surface: ForceFunction, x: Floats) -> tuple[Floats, float, float, Modes]:
    """Return the end point of Newton's method, with its energy, largest force, and modes."""
    root = np.sqrt(nmer.masses)[:, None]
    floor = WAVENUMBER**2 / KCAL
    energy, forces = surface(x)
    modes = find_modes(nmer, surface, x)
    for _ in range(20):
        largest = float(np.abs(forces).max())
        if largest < CONVERGED:
            break
        pull = np.einsum("max,ax->m", modes.vectors, forces / root)
        move = np.einsum("m,max->ax", pull / np.maximum(np.abs(modes.curvature), floor), modes.vectors) / root
        trial = x + move * min(1.0, NUDGE / np.abs(move).max())
        there, left = surface(trial)
        if np.abs(left).max() >= largest:
            break
        x, energy, forces = trial, there, left
        modes = find_modes(nmer, surface, x)
    return x, energy, float(np.abs(forces).max()), modes


def _apart(nmer: NMer) -> Floats:
    """Return the recipe's geometry centred at the origin, with overlapping fragments moved apart."""
    x = nmer.positions - nmer.positions.mean(axis=0)
    for part in nmer.slices[1:]:
        before = x[: part.start]
        away = x[part].mean(axis=0) - before.mean(axis=0)
        length = float(np.linalg.norm(away))
        away = away / length if length > 1e-6 else np.array([0.0, 0.0, 1.0])
        while np.linalg.norm(x[part][:, None] - before[None], axis=2).min() < CONTACT:
            x[part] += 0.1 * away
    return np.asarray(x)
