"""Pieces of a covalent n-mer, closed with caps where bonds are cut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.graph import connected_sets, neighbours
from potentials.nmers.caps import CAP_LENGTHS, carry_gradient, place_cap
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer


@dataclass(frozen=True)
class Piece:
    """Some 1-mers of a covalent n-mer, as a molecule of their own.

    Attributes
    ----------
    whole
        The n-mer's only fragment; its `parts` are its 1-mers.
    parts
        Which of them belong to the piece, rising.
    """

    whole: Fragment
    parts: tuple[int, ...]

    @cached_property
    def atoms(self) -> tuple[int, ...]:
        """The piece's atoms in the n-mer's numbers, the n-mer's own caps included."""
        return tuple(sorted(a for p in self.parts for a in self.whole.parts[p]))

    @cached_property
    def cuts(self) -> tuple[tuple[int, int], ...]:
        """(atom of the piece, atom outside) of each bond that is cut; a cap closes each."""
        inside = set(self.atoms)
        return tuple(
            (i, j) if i in inside else (j, i) for i, j in self.whole.bonds if (i in inside) != (j in inside)
        )

    @cached_property
    def fragment(self) -> Fragment:
        """The piece as a fragment: its atoms in the n-mer's order, then its new caps."""
        place = {a: n for n, a in enumerate(self.atoms)}
        bonds = [(place[i], place[j]) for i, j in self.whole.bonds if i in place and j in place]
        caps = [place[c] for c in self.whole.caps if c in place]
        for number, (anchor, _) in enumerate(self.cuts, len(place)):
            bonds.append((place[anchor], number))
            caps.append(number)
        positions = self.positions(np.array(self.whole.positions))
        return Fragment(
            name="-".join(str(p) for p in self.parts),
            symbols=(*(self.whole.symbols[a] for a in self.atoms), *("H" for _ in self.cuts)),
            positions=tuple((float(x), float(y), float(z)) for x, y, z in positions),
            bonds=tuple(bonds),
            caps=tuple(caps),
            charge=self.charge,
        )

    @property
    def charge(self) -> int:
        """The n-mer's charge if the piece is all of it, else 0: `pieces` refuses a charged n-mer."""
        return self.whole.charge if len(self.parts) == len(self.whole.parts) else 0

    def positions(self, whole: Floats) -> Floats:
        """Return the piece's geometry: its atoms unchanged, each new cap on its cut bond at the fixed length.

        Parameters
        ----------
        whole
            (..., atoms, 3), Angstrom, of the n-mer.

        Returns
        -------
        (..., atoms of the piece and new caps, 3), Angstrom.
        """
        placed = [whole[..., list(self.atoms), :]]
        for anchor, outside in self.cuts:
            length = CAP_LENGTHS[self.whole.symbols[anchor]]
            placed.append(place_cap(whole[..., anchor, :], whole[..., outside, :], length)[..., None, :])
        return np.concatenate(placed, axis=-2)

    def carry(self, whole: Floats, gradient: Floats) -> Floats:
        """Return a gradient of the piece as one of the n-mer, by the chain rule.

        A new cap moves with both atoms of its cut bond, as `positions` places it.

        Parameters
        ----------
        whole
            (..., atoms, 3), Angstrom, of the n-mer.
        gradient
            (..., atoms of the piece and new caps, 3), with respect to what `positions` returns.

        Returns
        -------
        (..., atoms, 3); zero for atoms that the piece does not depend on.
        """
        carried = np.zeros(whole.shape)
        carried[..., list(self.atoms), :] = gradient[..., : len(self.atoms), :]
        for number, (anchor, outside) in enumerate(self.cuts, len(self.atoms)):
            length, on_cap = CAP_LENGTHS[self.whole.symbols[anchor]], gradient[..., number, :]
            ends = whole[..., anchor, :], whole[..., outside, :]
            on_outside, on_anchor = carry_gradient(*ends, length, on_cap)
            carried[..., outside, :] += on_outside
            carried[..., anchor, :] += on_anchor
        return carried


def pieces_of(whole: Fragment) -> tuple[Piece, ...]:
    """Return every connected piece of a fragment that is divided into 1-mers, small ones first, the whole last."""
    owner = {atom: number for number, atoms in enumerate(whole.parts) for atom in atoms}
    joined = neighbours(len(whole.parts), ((owner[i], owner[j]) for i, j in whole.bonds))
    return tuple(Piece(whole, parts) for parts in connected_sets(joined, len(whole.parts)))


def pieces(nmer: NMer) -> tuple[tuple[Piece, int], ...]:
    """Return the covalently connected pieces of a covalent n-mer, each with its factor in the n-body energy.

    The n-body energy of a set S of 1-mers is V(S) = E(S) - sum of V(T) over the connected proper subsets T of S;
    the factors are those of the energies E after every V is expanded. Pieces with factor 0 are left out. In a
    3-mer A-B-C the pair A, C with B between them is not connected: its energy is part of the 3-body energy (Zhou,
    Bull-Vulpe, Pan, Paesani 2025).

    Parameters
    ----------
    nmer
        A single fragment with its 1-mers in `Fragment.parts`.

    Raises
    ------
    InputError
        If the n-mer has several fragments or a charge.
    """
    if len(nmer.fragments) != 1 or nmer.charge:
        raise InputError(f"n-mer '{nmer.name}' must be one uncharged molecule to be divided into its 1-mers")
    whole = nmer.fragments[0]
    connected = [piece.parts for piece in pieces_of(whole)]
    factors: dict[tuple[int, ...], dict[tuple[int, ...], int]] = {}
    for group in connected:  # small ones first
        mine = {group: 1}
        for other in connected:
            if set(other) < set(group):
                for member, factor in factors[other].items():
                    mine[member] = mine.get(member, 0) - factor
        factors[group] = mine
    found = factors[tuple(range(len(whole.parts)))]
    largest_first = sorted(connected, key=lambda group: (-len(group), group))
    return tuple((Piece(whole, group), found[group]) for group in largest_first if found.get(group))
