"""V_phys' n-body energy of an n-mer: the baseline of a fit, and what a potential adds to its PIP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from potentials.arrays import Floats
from potentials.energy_function import EnergyFunction
from potentials.errors import InputError
from potentials.evaluation import Evaluation
from potentials.nmers.capping import pieces
from potentials.nmers.nmer import NMer
from potentials.physics.model import PhysicsPotential
from potentials.physics.parameters import PhysicsParameters
from potentials.physics.topology import Topology


@dataclass(frozen=True, eq=False)
class PhysicsOfNMer(EnergyFunction):
    """V_phys' n-body energy of an n-mer, on its real atoms, minus a constant: a function of all its atoms.

    Caps have no charge, polarizability, or dispersion, so their gradient is zero.

    Parameters
    ----------
    nmer
        The n-mer.
    types
        Type of each atom; empty for a cap.
    parameters
        Parameters of V_phys.
    reference
        The same n-body energy at the minima that the labels are relative to, kcal/mol; it is subtracted.

    Raises
    ------
    InputError
        If a type has no parameters, or the types are not one a real atom and none a cap.
    """

    nmer: NMer
    types: tuple[str, ...]
    parameters: PhysicsParameters
    reference: float = 0.0

    def __post_init__(self) -> None:
        caps = {cap for cap, _, _ in self.nmer.caps}
        if len(self.types) != self.nmer.natoms or any(bool(t) == (n in caps) for n, t in enumerate(self.types)):
            raise InputError(
                f"n-mer '{self.nmer.name}' needs a type for each real atom, and none for a cap; given are: "
                f"{' '.join(t or '-' for t in self.types)}"
            )
        self.parameters.rows([t for t in self.types if t])

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom, caps included."""
        return self.nmer.symbols

    @cached_property
    def groups(self) -> tuple[tuple[tuple[int, ...], int], ...]:
        """The real atoms of each group of bodies, and its factor in the n-body energy."""
        caps = {cap for cap, _, _ in self.nmer.caps}
        found = [
            (tuple(a for a in atoms if a not in caps), factor) for atoms, factor in _groups(self.nmer) if factor
        ]
        return tuple((atoms, factor) for atoms, factor in found if len(atoms) > 1)

    @cached_property
    def _members(self) -> tuple[tuple[list[int], int, PhysicsPotential], ...]:
        whole = Topology(self.nmer.natoms, self.nmer.bonds, onemers_of(self.nmer))
        return tuple(
            (
                list(atoms),
                factor,
                PhysicsPotential(
                    [self.symbols[a] for a in atoms],
                    whole.part(atoms),
                    [self.types[a] for a in atoms],
                    self.parameters,
                ),
            )
            for atoms, factor in self.groups
        )

    def evaluate(self, positions: Floats) -> Evaluation:
        """Return the energies and gradients of (n, atoms, 3) in Angstrom."""
        energy, gradient = np.full(len(positions), -self.reference), np.zeros_like(positions)
        for atoms, factor, model in self._members:
            found = model.evaluate(np.ascontiguousarray(positions[:, atoms]))
            energy += factor * found.energy
            gradient[:, atoms] += factor * found.gradient
        return Evaluation(energy, gradient)


def onemers_of(nmer: NMer) -> tuple[int, ...]:
    """Return the 1-mer of each atom of an n-mer, caps included; an undivided fragment is one 1-mer."""
    found: list[int] = []
    for fragment in nmer.fragments:
        first = max(found, default=-1) + 1
        owner = {a: n for n, atoms in enumerate(fragment.parts) for a in atoms}
        found += [first + owner.get(a, 0) for a in range(fragment.natoms)]
    return tuple(found)


def _groups(nmer: NMer) -> Sequence[tuple[tuple[int, ...], int]]:
    """Return the atoms of each group of bodies with its factor: connected pieces, or sets of whole fragments."""
    if len(nmer.fragments) == 1:
        if len(nmer.fragments[0].parts) < 2:
            return [(tuple(range(nmer.natoms)), 1)]
        return [(piece.atoms, factor) for piece, factor in pieces(nmer)]
    atoms = [tuple(range(s.start, s.stop)) for s in nmer.slices]
    return [
        (tuple(a for f in chosen for a in f), (-1) ** (len(atoms) - size))
        for size in range(1, len(atoms) + 1)
        for chosen in combinations(atoms, size)
    ]
