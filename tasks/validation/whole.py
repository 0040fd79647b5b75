"""The whole capped n-mer: its n-body energy plus those of all its sub-n-mers, and V_phys of all of it.

A simulation moves on this sum. The n-body energy alone, the largest for three bodies and the smallest part of the
sum, says little about where a simulation comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, permutations

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.evaluation import Contribution, Evaluation
from potentials.graph import same_graph
from potentials.nmers.capping import Piece, pieces_of
from potentials.nmers.caps import CAP_LENGTHS
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.physics.model import PhysicsPotential
from potentials.physics.nbody import onemers_of
from potentials.physics.parameters import PhysicsParameters
from potentials.physics.topology import Topology
from potentials.pip.potential import Potential
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.placement import Placement, Placements
from potentials.systems.subset import Subset


@dataclass(frozen=True)
class Body:
    """A sub-n-mer of an n-mer: some of its fragments, or some bonded 1-mers of one of them.

    Attributes
    ----------
    fragments
        Its fragments, closed with caps.
    atoms
        For each atom, caps included, the n-mer's atom; for a new cap the atom outside whose bond was cut.
    anchors
        -1; for a new cap the n-mer's atom that it is bonded to.
    """

    fragments: tuple[Fragment, ...]
    atoms: tuple[int, ...]
    anchors: tuple[int, ...]

    @property
    def real(self) -> frozenset[int]:
        """The n-mer's atoms that belong to it."""
        return frozenset(a for a, anchor in zip(self.atoms, self.anchors, strict=True) if anchor < 0)

    @property
    def title(self) -> str:
        """What it is called in sentences: its elements and the number of its caps."""
        parts = []
        for fragment in self.fragments:
            caps = set(fragment.caps)
            parts.append("".join(s for n, s in enumerate(fragment.symbols) if n not in caps) + "-" * len(caps))
        return " with ".join(parts)

    def in_order_of(self, nmer: NMer) -> tuple[int, ...] | None:
        """Return which of its atoms each atom of an n-mer stands for; None if the n-mer is another."""
        if len(nmer.fragments) != len(self.fragments):
            return None
        starts = np.cumsum([0, *(f.natoms for f in self.fragments)])
        for order in permutations(range(len(self.fragments))):
            found: list[int] = []
            for number, other in zip(order, nmer.fragments, strict=True):
                mine = self.fragments[number]
                if mine.charge != other.charge:
                    break
                same = same_graph(_labels(mine), mine.bonds, _labels(other), other.bonds)
                if same is None:
                    break
                found += [int(starts[number]) + a for a in same]
            else:
                return tuple(found)
        return None


def _labels(fragment: Fragment) -> list[tuple[str, bool]]:
    caps = set(fragment.caps)
    return [(symbol, n in caps) for n, symbol in enumerate(fragment.symbols)]


def bodies_of(nmer: NMer) -> Iterator[Body]:
    """Yield every sub-n-mer of an n-mer whose n-body energy is part of the whole, the n-mer itself excepted.

    Those of a fragment that is divided into 1-mers are its connected pieces; of several fragments, every group.
    """
    starts = [part.start for part in nmer.slices]
    for fragment, start in zip(nmer.fragments, starts, strict=True):
        alone = len(nmer.fragments) == 1
        if len(fragment.parts) > 1:
            every = len(fragment.parts)
            for piece in pieces_of(fragment):
                if not (alone and len(piece.parts) == every):
                    yield _of_piece(piece, start)
        elif not alone:
            atoms = tuple(range(start, start + fragment.natoms))
            yield Body((fragment,), atoms, (-1,) * len(atoms))
    for size in range(2, len(nmer.fragments)):
        for chosen in combinations(range(len(nmer.fragments)), size):
            atoms = tuple(a for n in chosen for a in range(nmer.slices[n].start, nmer.slices[n].stop))
            yield Body(tuple(nmer.fragments[n] for n in chosen), atoms, (-1,) * len(atoms))


def _of_piece(piece: Piece, start: int) -> Body:
    outside = tuple(start + b for _, b in piece.cuts)
    anchors = (*(-1 for _ in piece.atoms), *(start + a for a, _ in piece.cuts))
    return Body((piece.fragment,), (*(start + a for a in piece.atoms), *outside), anchors)


class _OfRealAtoms(Subset):
    """V_phys of the atoms that are not caps."""

    def __init__(self, physics: PhysicsPotential, atoms: Sequence[int]) -> None:
        super().__init__(physics, atoms, share="V_phys")
        self.parameters: PhysicsParameters = physics.parameters


@dataclass(frozen=True, eq=False)
class Whole:
    """The energy of a whole capped n-mer, relative to the minima to which its potentials are relative.

    Attributes
    ----------
    potential
        The n-mer's own potential.
    bodies
        Its sub-n-mers with the potential of each.
    others
        Further energies of the n-mer's atoms, such as those of sub-n-mers that have no potential.
    """

    potential: Potential
    bodies: tuple[tuple[Body, Potential], ...] = ()
    others: tuple[Contribution, ...] = ()

    @property
    def nmer(self) -> NMer:
        """The n-mer."""
        return self.potential.nmer

    @cached_property
    def _sum(self) -> tuple[ManyBodyPotential, float]:
        nmer, own = self.nmer, self.potential
        names = {id(p): f"{n} {p.nmer.name}" for n, (_, p) in enumerate(self.bodies)}  # one for each potential
        placements = [Placement("itself", tuple(range(nmer.natoms)), (-1,) * nmer.natoms, (0.0,) * nmer.natoms)]
        potentials = {"itself": own}
        reference = own.physics.reference if own.physics is not None else 0.0
        for body, potential in self.bodies:
            placements.append(self._placement(names[id(potential)], body, potential))
            potentials[names[id(potential)]] = potential
            reference += potential.physics.reference if potential.physics is not None else 0.0
        physics = self._physics()
        single = [name for name, p in potentials.items() if _is_onemer(p.nmer)]
        summed = ManyBodyPotential(nmer.symbols, placements, potentials, (*physics, *self.others), onemers=single)
        return summed, reference

    def _placement(self, name: str, body: Body, potential: Potential) -> Placement:
        """Return where a sub-n-mer is, in the order of its potential's atoms."""
        order = body.in_order_of(potential.nmer)
        if order is None:
            raise InputError(f"n-mer '{potential.nmer.name}' is no part of '{self.nmer.name}'")
        atoms, anchors = (tuple(values[n] for n in order) for values in (body.atoms, body.anchors))
        lengths = tuple(CAP_LENGTHS[self.nmer.symbols[a]] if a >= 0 else 0.0 for a in anchors)
        return Placement(name, atoms, anchors, lengths)

    def body_energy(self, body: Body, potential: Potential, positions: Floats) -> Floats:
        """Return the n-body energy of a sub-n-mer in configurations (n, atoms, 3), (n,), kcal/mol."""
        place = Placements.of([self._placement(potential.nmer.name, body, potential)])
        return np.asarray(potential.energy(place.positions(positions)[:, 0]))

    def _physics(self) -> list[Contribution]:
        below = self.potential.physics
        if below is None:
            return []
        real = [n for n, kind in enumerate(below.types) if kind]
        topology = Topology(self.nmer.natoms, self.nmer.bonds, onemers_of(self.nmer)).part(real)
        symbols, types = [self.nmer.symbols[n] for n in real], [below.types[n] for n in real]
        return [_OfRealAtoms(PhysicsPotential(symbols, topology, types, below.parameters), real)]

    def evaluate(self, positions: Floats) -> Evaluation:
        """Return energies and gradients of (n, atoms, 3) in Angstrom, after every cap is put to its length.

        The gradient of a cap has no component along its bond. Shares are those of the sum.
        """
        summed, reference = self._sum
        found = summed.evaluate(self.nmer.place_caps(positions))
        gradient = self.nmer.carry_caps(positions, found.gradient)
        return Evaluation(found.energy - reference, gradient, found.shares)


def _is_onemer(nmer: NMer) -> bool:
    return len(nmer.fragments) == 1 and len(nmer.fragments[0].parts) < 2
