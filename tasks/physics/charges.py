"""Charges of V_phys by linear least squares: each 1-mer neutral, equal on equivalent atoms.

What they are fitted to, the electrostatic potential around molecules or their dipoles, is linear in them, own
induced dipoles included. Constraints are met exactly, in the space of charges that they leave; in directions that
the data do not decide the charges stay what they are in a prior (Bayly et al., J. Phys. Chem. 97, 10269 (1993)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.linalg import null_space
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from potentials.physics.topology import Topology
from potentials.units import COULOMB
from tasks.physics.induction import Induction, isotropic

DEBYE = 4.803204713
"""1 e Angstrom (CODATA 2018)."""

THRESHOLD = 3e-2
"""Directions whose singular value is smaller than this times the largest are left to the prior.

Without it a formamide 1e-4 Angstrom from planar gets charges of 5 e.
"""

SOFT = 1.0
"""Weight of a dipole's error of 1 D against a potential's error of its own rms; their squares are added up.

Groups that V_phys alone joins are 4 A and more apart, where dipoles count. With 0.3, the potential near a peptide
is wrong by 0.19 of its rms, not by 0.32, but by charges of 0.15 e on hydrocarbon H that spoil the chain's energies
(docs/physics.md).
"""

STIFFNESS = 1e-2
"""Weight of a squared deviation of 1 e from the prior."""

STIFFNESS_OF_DIPOLES = 1 / 3
"""The same where dipoles alone are known: they hardly decide how a charge is spread over neighbouring atoms."""

EXACT = 1e-10
"""Largest charge of a 1-mer that is round-off, e."""

LARGEST = 1.5
"""Largest charge of an atom, e; a larger one is an error."""


@dataclass(frozen=True, eq=False)
class Observed:
    """What one geometry's charges are fitted to and compared with.

    Attributes
    ----------
    name
        Of the molecule and geometry.
    types
        (atoms,), type of each atom.
    topology
        Bonds and 1-mers.
    positions
        (atoms, 3), Angstrom.
    dipole
        (3,), e Angstrom.
    quadrupole
        (3, 3), traceless, at the origin of the positions, e Angstrom^2.
    points, potential
        (p, 3) in Angstrom and (p,) in e/Angstrom: the potential around the molecule; empty: the dipole only.
    prior
        (atoms,), charges from a population analysis, e.
    charge
        Total charge, e: not 0 only of an ion that is one 1-mer.
    polarizability
        (3, 3), of the molecule, Angstrom^3; None: not known.
    """

    name: str
    types: tuple[str, ...]
    topology: Topology
    positions: Floats
    dipole: Floats
    quadrupole: Floats
    prior: Floats
    points: Floats = field(default_factory=lambda: np.zeros((0, 3)))
    potential: Floats = field(default_factory=lambda: np.zeros(0))
    charge: int = 0
    polarizability: Floats | None = None


@dataclass(frozen=True, eq=False)
class Charges:
    """Charges of types and their residuals.

    Attributes
    ----------
    values
        Charge of each type, e.
    residuals
        Errors of each geometry: ``dipole`` and ``dipole_error`` (D), ``quadrupole_error`` (Frobenius norm, D
        Angstrom), ``potential_error`` (rms relative to the rms of the potential, where that is known); and its
        isotropic ``polarizability`` in V_phys and, where that is known, ``polarizability_of_level`` (Angstrom^3).
    undecided
        Number of directions that are left to the prior.
    """

    values: dict[str, float]
    residuals: tuple[dict[str, Any], ...]
    undecided: int


def fit_charges(
    observed: Sequence[Observed], polarizability: dict[str, float], factors: tuple[float, float, float]
) -> Charges:
    """Return the charges of the types of some geometries.

    Parameters
    ----------
    observed
        The geometries with what is known of them.
    polarizability
        Of each type, Angstrom^3.
    factors
        Of `Induction`.

    Raises
    ------
    InputError
        If a charge is larger than `LARGEST`, or a molecule that is divided into 1-mers has a charge.
    """
    models = [
        Induction(one.topology, one.positions, np.array([polarizability[t] for t in one.types]), factors)
        for one in observed
    ]
    names = sorted({t for one in observed for t in one.types})
    row = {name: n for n, name in enumerate(names)}
    values, undecided = np.zeros(len(names)), 0
    for members in blocks(observed):
        found, left = _solve([observed[n] for n in members], [models[n] for n in members])
        undecided += left
        for name, value in found.items():
            values[row[name]] = value
    charges = dict(zip(names, values.tolist(), strict=True))
    residuals = tuple(_residual(o, m, charges) for o, m in zip(observed, models, strict=True))
    largest = max(charges, key=lambda t: abs(charges[t]))
    if abs(charges[largest]) > LARGEST:
        raise InputError(
            f"the charge of '{largest}' is {charges[largest]:.2f} e; allowed: up to {LARGEST:g}; more geometries "
            "decide it better"
        )
    return Charges(charges, residuals, undecided)


def blocks(observed: Sequence[Observed]) -> list[list[int]]:
    """Return the geometries that share types, in blocks: those of other blocks are independent."""
    if not observed:
        return []
    row = {name: n for n, name in enumerate(sorted({t for one in observed for t in one.types}))}
    pairs = np.array([(n, len(observed) + row[t]) for n, one in enumerate(observed) for t in set(one.types)])
    size = len(observed) + len(row)
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(size, size))
    count, label = connected_components(graph, directed=False)
    return [[n for n in range(len(observed)) if label[n] == block] for block in range(count)]


def _solve(observed: Sequence[Observed], models: Sequence[Induction]) -> tuple[dict[str, float], int]:
    """Return the charges of one block, and how many directions are left to the prior."""
    names = sorted({t for one in observed for t in one.types})
    row = {name: n for n, name in enumerate(names)}
    rules: dict[tuple[float, ...], float] = {}
    prior, seen = np.zeros(len(names)), np.zeros(len(names))
    matrix, target = [], []
    for one, model in zip(observed, models, strict=True):
        spread = np.eye(len(names))[[row[t] for t in one.types]]  # (atoms, types)
        prior += one.prior @ spread
        seen += spread.sum(axis=0)
        owners: Ints = np.array(one.topology.onemers)
        if one.charge and len(set(one.topology.onemers)) > 1:
            raise InputError(
                f"'{one.name}' has the charge {one.charge:+d} and is divided into 1-mers, which are "
                "neutral; allowed: neutral molecules, and ions that are one 1-mer"
            )
        for owner in sorted(set(one.topology.onemers)):
            rules[tuple(spread[owners == owner].sum(axis=0))] = one.charge
        weight = 1 / np.sqrt(len(observed))
        matrix.append(weight * SOFT * DEBYE * model.dipole @ spread)
        target.append(weight * SOFT * DEBYE * one.dipole)
        if len(one.points):
            weight /= np.linalg.norm(one.potential)
            matrix.append(weight * model.potential(one.points) @ spread)
            target.append(weight * one.potential)
    prior /= seen
    constraints, totals = np.array(list(rules)), np.array(list(rules.values()))
    free = null_space(constraints)
    fixed = prior + np.linalg.pinv(constraints) @ (totals - constraints @ prior)
    design, wanted = np.concatenate(matrix), np.concatenate(target)
    u, s, vt = np.linalg.svd(design @ free, full_matrices=False)
    stiffness = STIFFNESS if any(len(one.points) for one in observed) else STIFFNESS_OF_DIPOLES
    kept = s > THRESHOLD * s.max(initial=0.0)
    along = np.where(kept, s / (s**2 + stiffness), 0.0) * (u.T @ (wanted - design @ fixed))
    values = fixed + free @ (vt.T @ along)
    if (charged := np.abs(constraints @ values - totals).max(initial=0.0)) > EXACT:
        raise InputError(f"the charges of its types leave a 1-mer with {charged:.1g} e; allowed: neutral 1-mers")
    return dict(zip(names, values.tolist(), strict=True)), int(free.shape[1] - kept.sum())


def _residual(one: Observed, model: Induction, charges: dict[str, float]) -> dict[str, Any]:
    q = np.array([charges[t] for t in one.types])
    found: dict[str, Any] = {
        "geometry": one.name,
        "dipole": float(DEBYE * np.linalg.norm(one.dipole)),
        "dipole_error": float(DEBYE * np.linalg.norm(model.dipole @ q - one.dipole)),
        "quadrupole_error": float(DEBYE * np.linalg.norm(model.quadrupole @ q - one.quadrupole)),
        "polarizability": isotropic(model.molecular_polarizability),
    }
    if one.polarizability is not None:
        found["polarizability_of_level"] = isotropic(one.polarizability)
    if len(one.points):
        difference = model.potential(one.points) @ q - one.potential
        found["potential_error"] = float(np.linalg.norm(difference) / np.linalg.norm(one.potential))
        found["potential_rms"] = float(COULOMB * np.sqrt(np.mean(one.potential**2)))
    return found
