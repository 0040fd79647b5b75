"""The sub-calculations of a label, and the sums of their energies and of their gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from string import ascii_uppercase

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.capping import Piece, pieces
from potentials.nmers.nmer import NMer
from potentials.units import HARTREE


@dataclass(frozen=True)
class SubCalculation:
    """One energy calculation of a label.

    Attributes
    ----------
    name
        Its fragments by letter, and the n-mer in whose basis they are computed: ``AB``, ``A in AB``; ``A`` alone
        is fragment A in its own basis.
    coefficient
        Factor of its energy in the n-body energy.
    atoms
        Atoms with nuclei and electrons, counted from 0 in the n-mer.
    ghosts
        Atoms with basis functions alone.
    charge
        Charge of the atoms with nuclei, e.
    piece
        The piece of a covalent n-mer that is computed, its cut bonds closed with caps; None for whole fragments.
    """

    name: str
    coefficient: int
    atoms: tuple[int, ...]
    ghosts: tuple[int, ...]
    charge: int
    piece: Piece | None = None

    @property
    def present(self) -> tuple[int, ...]:
        """The n-mer's atoms that it has, ghosts included, in the order of its positions; new caps follow them."""
        return tuple(sorted((*self.atoms, *self.ghosts)))

    @property
    def size(self) -> int:
        """Number of rows of its positions and its gradient: atoms, ghosts, and new caps."""
        return len(self.present) + (len(self.piece.cuts) if self.piece is not None else 0)

    def carry(self, positions: Floats, gradient: Floats) -> Floats:
        """Return its gradient as one with respect to the n-mer's atoms.

        Parameters
        ----------
        positions
            (..., atoms, 3) of the n-mer, Angstrom.
        gradient
            (..., size, 3), with respect to its own atoms: ghosts are as any other atom, because their basis
            functions move.

        Returns
        -------
        (..., atoms, 3), in the gradient's unit.
        """
        if self.piece is not None:
            return self.piece.carry(positions, gradient)
        carried = np.zeros(positions.shape)
        carried[..., list(self.present), :] = gradient
        return carried


def plan_label(nmer: NMer, counterpoise: bool) -> tuple[SubCalculation, ...]:
    """Return the sub-calculations of one label of an n-mer, the most expensive first.

    The n-body energy is the sum over all groups S of fragments of (-1)^(n - |S|) E(S), each E(S) in the basis
    of the whole n-mer where the label is counterpoise-corrected (Boys and Bernardi, Mol. Phys. 19, 553, 1970;
    Wells and Wilson, Chem. Phys. Lett. 101, 429, 1983). For two fragments that is
    E(AB) - E(A in AB) - E(B in AB).

    For a covalent n-mer (one fragment with `parts`) the sub-calculations are its connected pieces, each closed
    with caps in its own basis; see `potentials.nmers.capping.pieces`. A single fragment without parts has one,
    ``A``. Their energies are relative to those of `tasks.labelling.reference`.

    Parameters
    ----------
    nmer
        The n-mer.
    counterpoise
        Whether every fragment is computed in the basis of the whole n-mer.
    """
    if len(nmer.fragments[0].parts) > 1 and len(nmer.fragments) == 1:
        return tuple(
            SubCalculation("".join(ascii_uppercase[p] for p in one.parts), factor, one.atoms, (), one.charge, one)
            for one, factor in pieces(nmer)
        )
    count = len(nmer.fragments)
    whole = ascii_uppercase[:count]
    plan = []
    for size in range(count, 0, -1):
        for group in combinations(range(count), size):
            atoms = tuple(a for f in group for a in range(nmer.slices[f].start, nmer.slices[f].stop))
            with_ghosts = counterpoise and size < count
            name = "".join(whole[f] for f in group)
            plan.append(
                SubCalculation(
                    name=f"{name} in {whole}" if with_ghosts else name,
                    coefficient=(-1) ** (count - size),
                    atoms=atoms,
                    ghosts=tuple(sorted(set(range(nmer.natoms)) - set(atoms))) if with_ghosts else (),
                    charge=sum(nmer.fragments[f].charge for f in group),
                )
            )
    return tuple(plan)


def nbody_energy(plan: Sequence[SubCalculation], energies: Mapping[str, float]) -> float:
    """Return the n-body energy of one configuration.

    Parameters
    ----------
    plan
        Its sub-calculations.
    energies
        Total energy of each sub-calculation by name, hartree.

    Returns
    -------
    float
        kcal/mol.

    Raises
    ------
    KeyError
        If an energy is missing.
    """
    return HARTREE * sum(part.coefficient * energies[part.name] for part in plan)


def nbody_gradient(plan: Sequence[SubCalculation], positions: Floats, gradients: Mapping[str, Floats]) -> Floats:
    """Return the gradient of the n-body energy of one or of many configurations.

    Parameters
    ----------
    plan
        The sub-calculations.
    positions
        (..., atoms, 3), Angstrom.
    gradients
        Of each sub-calculation by name, (..., its size, 3), hartree/Angstrom.

    Returns
    -------
    (..., atoms, 3), kcal/mol/Angstrom. Each cap of a piece is carried to the two atoms of its cut bond.

    Raises
    ------
    KeyError
        If a gradient is missing.
    """
    total = np.zeros(positions.shape)
    for part in plan:
        total += part.coefficient * part.carry(positions, gradients[part.name])
    return HARTREE * total
