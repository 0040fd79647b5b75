"""How a simulation begins: atoms, masses, a geometry of lower energy, and velocities of a temperature.

The masses are those of the elements in ASE (IUPAC 2016), as everywhere in nmer. Temperatures follow from the
kinetic energy with the constants of `potentials.units` (CODATA 2018).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from potentials.arrays import Floats
from potentials.errors import InputError, NmerError, StageError
from potentials.evaluation import Evaluable
from potentials.systems.periodicity import evaluate_in_box, is_periodic
from potentials.systems.system import System
from potentials.units import KB, KCAL
from recipes.chemistry.molecules import Molecule

LARGEST_GRADIENT = 0.1
"""A geometry is minimized until no component of the gradient is larger, kcal/mol/Angstrom."""

MOST_ITERATIONS = 500
"""Largest number of iterations of a minimization."""

LINEAR = 1e-6
"""Moment of inertia below which, as a share of the largest, atoms are on one line."""


@dataclass(frozen=True, eq=False)
class Start:
    """The atoms of a simulation and where they begin.

    Attributes
    ----------
    symbols, bonds
        Element of each atom; pairs of bonded atoms, counted from 0.
    positions
        (replicas or 1, atoms, 3), Angstrom.
    vectors
        (3, 3), the cell's vectors, one a row, Angstrom; None in vacuum.
    constraints
        Number of degrees of freedom that the potential holds, such as those of rigid waters.
    """

    symbols: tuple[str, ...]
    bonds: tuple[tuple[int, int], ...]
    positions: Floats
    vectors: Floats | None = None
    constraints: int = 0

    @classmethod
    def of(cls, model: Evaluable, given: System | Molecule | Floats, replicas: int = 1) -> Start:
        """Return the start of a model's atoms.

        Parameters
        ----------
        model
            The potential.
        given
            A system; a molecule with a geometry; or positions, (atoms, 3), or (replicas, atoms, 3), Angstrom,
            which have no bonds.
        replicas
            Number of replicas.

        Raises
        ------
        InputError
            If the atoms are not those of the model, there is no geometry, or a cell is needed, or not allowed.
        """
        vectors = None
        if isinstance(given, (System, Molecule)):
            if given.positions is None:
                raise InputError(f"molecule '{given.name}' has no geometry; give one, for example .embedded()")
            if tuple(given.symbols) != tuple(model.symbols):
                raise InputError(
                    f"{given.name} has other atoms than the potential; allowed: the {len(model.symbols)} of the "
                    "potential in its order"
                )
            whole = given.whole() if isinstance(given, System) else given
            positions, bonds = np.array(whole.positions, dtype=np.float64)[None], given.bonds
            vectors = given.vectors if isinstance(given, System) else None
        else:
            positions = np.asarray(given, dtype=np.float64)
            positions, bonds = positions[None] if positions.ndim == 2 else positions, ()
        n = len(model.symbols)
        if positions.ndim != 3 or positions.shape[1:] != (n, 3) or len(positions) not in (1, replicas):
            raise InputError(
                f"a simulation begins at positions of shape {positions.shape}; allowed: ({n}, 3), or "
                f"({replicas}, {n}, 3) of its replicas"
            )
        if not np.isfinite(positions).all():
            raise InputError("a simulation begins at positions that are not finite numbers")
        if is_periodic(model):
            vectors = np.array(model.cell.vectors) if vectors is None else vectors  # type: ignore[attr-defined]
            _check_lower(vectors)
        elif vectors is not None:
            raise InputError("the system has a cell, and the potential is for a molecule in vacuum")
        held = int(getattr(model, "constraints", 0))
        return cls(tuple(model.symbols), tuple(bonds), positions, vectors, held)

    def at(self, positions: Floats) -> Start:
        """Return the same atoms at other positions, (replicas or 1, atoms, 3), Angstrom.

        Raises
        ------
        InputError
            If their shape is another, or they are not finite.
        """
        if positions.ndim != 3 or positions.shape[1:] != self.positions.shape[1:]:
            raise InputError(
                f"a simulation begins at positions of shape {positions.shape}; allowed: (replicas, "
                f"{self.positions.shape[1]}, 3)"
            )
        if not np.isfinite(positions).all():
            raise InputError("a simulation begins at positions that are not finite numbers")
        return replace(self, positions=np.array(positions, dtype=np.float64))

    @property
    def masses(self) -> Floats:
        """(atoms,), amu."""
        return np.asarray(atomic_masses[[atomic_numbers[s] for s in self.symbols]], dtype=np.float64)

    def of_replica(self, replica: int) -> Floats:
        """Return the positions of a replica, (atoms, 3), Angstrom."""
        found: Floats = self.positions[replica if len(self.positions) > 1 else 0]
        return found


def _check_lower(vectors: Floats) -> None:
    """Raise InputError unless LAMMPS takes the cell's vectors as they are."""
    upper = vectors[np.triu_indices(3, 1)]
    if np.abs(upper).max() > 1e-9 * np.abs(vectors).max() or (np.diag(vectors) <= 0).any():
        raise InputError(
            "the first vector of the cell is not along x, or the second not in the plane of x and y, with "
            "positive lengths; allowed in a simulation: cells in this orientation"
        )


def seed_of(*words: object) -> int:
    """Return a seed between 1 and 900,000,000, as LAMMPS allows it, that depends only on the words."""
    text = ":".join(str(word) for word in words)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % 899_999_999 + 1


def degrees_of_freedom(positions: Floats, periodic: bool, bath: bool) -> int:
    """Return the number of degrees of freedom that share the kinetic energy.

    A Langevin thermostat acts on all 3 n. Without one the total momentum remains zero, and in vacuum the angular
    momentum too.

    Parameters
    ----------
    positions
        (atoms, 3), Angstrom.
    periodic, bath
        Whether there is a cell, and a Langevin thermostat.
    """
    every = 3 * len(positions)
    if bath:
        return every
    return max(every - 3 - (0 if periodic else _rotations(positions)), 1)


def _rotations(positions: Floats) -> int:
    """Return the number of rotations: 3, of atoms on a line 2, of one atom 0."""
    apart = positions - positions.mean(axis=0)
    sizes = np.linalg.svd(apart, compute_uv=False) ** 2
    if sizes[0] < 1e-12:
        return 0
    return 2 if len(sizes) < 2 or sizes[1] < LINEAR * sizes[0] else 3


def kinetic_energy(masses: Floats, velocities: Floats) -> float:
    """Return the kinetic energy of velocities (atoms, 3) in Angstrom/fs, kcal/mol."""
    return float(0.5 * np.sum(masses[:, None] * velocities**2) / KCAL)


def temperature_of(kinetic: Floats | float, freedom: int) -> Floats:
    """Return the temperature of kinetic energies (kcal/mol), K."""
    return np.asarray(2.0 * np.asarray(kinetic) / (freedom * KB))


def first_velocities(
    positions: Floats, masses: Floats, temperature: float, freedom: int, periodic: bool, seed: int
) -> Floats:
    """Return velocities of Maxwell's distribution without total momentum, scaled to the temperature.

    In vacuum there is no angular momentum either.

    Parameters
    ----------
    positions, masses
        (atoms, 3), Angstrom, and (atoms,), amu.
    temperature
        K.
    freedom
        As `degrees_of_freedom`; more than those that are left if a Langevin thermostat warms the rest.
    periodic
        Whether there is a cell.
    seed
        Seed of the random numbers.

    Returns
    -------
    (atoms, 3), Angstrom/fs.
    """
    rng = np.random.default_rng(seed)
    v = rng.normal(size=positions.shape) * np.sqrt(KB * temperature * KCAL / masses)[:, None]
    v -= np.average(v, axis=0, weights=masses)
    left = 3 * len(masses) - 3
    if not periodic:
        x = positions - np.average(positions, axis=0, weights=masses)
        inertia = np.einsum(
            "a,aij->ij", masses, np.einsum("ak,ak,ij->aij", x, x, np.eye(3)) - x[:, :, None] * x[:, None]
        )
        spin = np.linalg.pinv(inertia, rcond=LINEAR, hermitian=True) @ (masses[:, None] * np.cross(x, v)).sum(
            axis=0
        )
        v -= np.cross(spin, x)
        left -= _rotations(positions)
    now = kinetic_energy(masses, v)
    if left < 1 or now <= 0:
        return np.zeros_like(v)
    wanted = 0.5 * min(freedom, left) * KB * temperature
    return np.asarray(v * np.sqrt(wanted / now))


def minimized(model: Evaluable, positions: Floats, vectors: Floats | None) -> Floats:
    """Return positions of a lower energy, (atoms, 3), by L-BFGS with the cell as it is.

    It ends when no component of the gradient is above `LARGEST_GRADIENT`, or after `MOST_ITERATIONS`.

    Raises
    ------
    StageError
        If the potential has no energy on the way, or the atoms fall together.
    """
    from scipy.optimize import minimize

    along = model.trajectory() if hasattr(model, "trajectory") else model

    def energy(flat: Floats) -> tuple[float, Floats]:
        found = evaluate_in_box(along, flat.reshape(1, -1, 3), vectors)
        if not np.isfinite(found.energy[0]) or not np.isfinite(found.gradient).all():
            raise StageError("the energy is not a finite number")
        return float(found.energy[0]), found.gradient.ravel()

    options = {"gtol": LARGEST_GRADIENT, "ftol": 0.0, "maxiter": MOST_ITERATIONS, "maxfun": 2 * MOST_ITERATIONS}
    try:
        done = minimize(energy, positions.ravel(), jac=True, method="L-BFGS-B", options=options)
    except NmerError as error:
        raise StageError(f"the energy of the start could not be minimized: {error}") from None
    return np.asarray(done.x, dtype=np.float64).reshape(positions.shape)
