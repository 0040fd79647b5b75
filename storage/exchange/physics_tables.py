"""The numbers of V_phys of an n-mer in the form that evaluation kernels use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.physics.isolated import DIRECT
from potentials.physics.model import PhysicsPotential
from potentials.physics.nbody import PhysicsOfNMer, onemers_of
from potentials.physics.parameters import PhysicsParameters
from potentials.physics.thole import WIDEST
from potentials.physics.topology import Topology
from potentials.units import COULOMB

EXPONENTIAL = 1e-13
"""Relative error of the compiled exponential function, see `potentials.physics.thole.decay`."""

ITERATED = 1e-7
"""kcal/mol/Angstrom, error of a gradient where the iterations of the dipoles end at 1e-10 e Angstrom."""


@dataclass(frozen=True, eq=False)
class Group:
    """Some real atoms of an n-mer, whose V_phys has a factor in the n-body energy.

    Attributes
    ----------
    atoms
        Their numbers in the n-mer.
    factor
        The factor.
    on
        (atoms, atoms), factor of the charge-charge and charge-dipole terms of each pair, from 0 to 1.
    c6, b, r12
        (atoms, atoms), C6 (kcal/mol Angstrom^6), Tang and Toennies' b (1/Angstrom), and coefficient of R^-12
        (kcal/mol Angstrom^12) of each pair; 0 where it has no such term.
    """

    atoms: tuple[int, ...]
    factor: int
    on: Floats
    c6: Floats
    b: Floats
    r12: Floats


@dataclass(frozen=True, eq=False)
class PhysicsTables:
    """V_phys' n-body energy of an n-mer, or V_phys of a molecule, as arrays.

    Attributes
    ----------
    digest
        Digest of the parameters.
    reference
        What is subtracted, kcal/mol.
    coulomb
        Energy of two charges of 1 e at a distance of 1 Angstrom, kcal/mol.
    thole_charge, thole_dipole
        Thole's a of charges with charges and dipoles, and of dipoles with dipoles.
    charge, polarizability, width
        (atoms,), e, Angstrom^3, and the polarizability's power -2/3 (`WIDEST` if it is 0); caps have none.
    groups
        The groups whose V_phys is not exactly 0.
    """

    digest: str
    reference: float
    coulomb: float
    thole_charge: float
    thole_dipole: float
    charge: Floats
    polarizability: Floats
    width: Floats
    groups: tuple[Group, ...]

    @classmethod
    def of(cls, physics: PhysicsOfNMer) -> PhysicsTables:
        """Return the tables of V_phys of an n-mer."""
        nmer = physics.nmer
        whole = Topology(nmer.natoms, nmer.bonds, onemers_of(nmer))
        groups = [(atoms, factor, whole.part(atoms)) for atoms, factor in physics.groups]
        return cls._of(physics.types, groups, physics.parameters, physics.reference)

    @classmethod
    def of_systems(
        cls, natoms: int, systems: Sequence[tuple[Sequence[int], int, PhysicsPotential]]
    ) -> PhysicsTables:
        """Return the tables of a sum of V_phys of some of a molecule's atoms, each with a factor.

        Parameters
        ----------
        natoms
            Number of the molecule's atoms.
        systems
            The atoms, the factor, and V_phys of these atoms; all have the same parameters.
        """
        types = [""] * natoms
        for atoms, _, model in systems:
            for atom, name in zip(atoms, model.types, strict=True):
                types[atom] = name
        groups = [(tuple(atoms), factor, model.topology) for atoms, factor, model in systems]
        return cls._of(types, groups, systems[0][2].parameters, 0.0)

    @classmethod
    def _of(
        cls,
        types: Sequence[str],
        chosen: Sequence[tuple[tuple[int, ...], int, Topology]],
        parameters: PhysicsParameters,
        reference: float,
    ) -> PhysicsTables:
        natoms = len(types)
        real = np.flatnonzero([bool(t) for t in types])
        row = np.zeros(natoms, dtype=np.int64)
        row[real] = parameters.rows([types[a] for a in real])
        charge, polarizability, width = np.zeros(natoms), np.zeros(natoms), np.full(natoms, WIDEST)
        charge[real], polarizability[real] = parameters.charge[row[real]], parameters.polarizability[row[real]]
        soft = polarizability > 0
        width[soft] = polarizability[soft] ** (-2 / 3)
        groups = []
        for atoms, factor, topology in chosen:
            pairs = np.ix_(row[list(atoms)], row[list(atoms)])
            on = np.where(topology.scaled, parameters.scale_15, 1.0) * topology.charged
            c6 = np.where(topology.charged, parameters.pair_c6[pairs], 0.0)
            r12 = np.where(topology.repelling, parameters.pair_r12[pairs], 0.0)
            if _acts(on, c6, r12):
                b = np.where(c6 > 0, parameters.pair_damping[pairs], 0.0)
                groups.append(Group(atoms, factor, on, c6, b, r12))
        return cls(
            parameters.digest,
            reference,
            COULOMB,
            parameters.thole_charge,
            parameters.thole_dipole,
            charge,
            polarizability,
            width,
            tuple(groups),
        )

    def round_off(self, positions: Floats) -> float:
        """Return by how much two right evaluations of (n, atoms, 3) may differ, kcal/mol and kcal/mol/Angstrom.

        Compiled exponentials have a relative error of 1e-13, and the dipoles of large groups are iterated.
        """
        largest = 0.0
        for group in self.groups:
            atoms = list(group.atoms)
            i, j = np.triu_indices(len(atoms), 1)
            r = np.linalg.norm(positions[:, atoms][:, i] - positions[:, atoms][:, j], axis=2)
            q = self.charge[atoms]
            charges = self.coulomb * np.abs(q[i] * q[j]) * group.on[i, j]
            terms = charges / r + group.c6[i, j] / r**6 + group.r12[i, j] / r**12
            largest = max(largest, float(terms.sum(axis=1).max()))
        iterated = any((self.polarizability[list(group.atoms)] > 0).sum() > DIRECT for group in self.groups)
        return max(EXPONENTIAL * largest, ITERATED if iterated else 0.0)

    def plain(self) -> dict[str, Any]:
        """Return the tables as JSON allows them."""
        return _plain(vars(self) | {"groups": [_plain(vars(group)) for group in self.groups]})


def _acts(*tables: Floats) -> bool:
    """Return whether a group has terms besides those of dipoles with dipoles, which nothing induces then."""
    return any(table.any() for table in tables)


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in found.items()}
