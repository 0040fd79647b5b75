"""Where an n-mer occurs in a molecule: its atoms, its caps on cut bonds, and the gradients of caps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Bools, Floats, Ints
from potentials.nmers.caps import carry_gradient, place_cap


@dataclass(frozen=True)
class Placement:
    """One occurrence of an n-mer in a molecule.

    Attributes
    ----------
    nmer
        Name of the n-mer.
    atoms
        For each of the n-mer's atoms, in the n-mer's order, the molecule's atom; for a cap, the atom outside the
        n-mer whose bond was cut.
    anchors
        -1 for a real atom; for a cap the molecule's atom that it is bonded to.
    lengths
        Length of a cap's bond, Angstrom; 0 for a real atom.
    """

    nmer: str
    atoms: tuple[int, ...]
    anchors: tuple[int, ...]
    lengths: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Placements:
    """Several occurrences of one n-mer, as arrays.

    Attributes
    ----------
    atoms
        (occurrences, atoms of the n-mer), the molecule's atoms.
    anchors
        Likewise, the anchors of caps; for a real atom, the atom itself.
    lengths
        Likewise, Angstrom; 0 for a real atom.
    """

    atoms: Ints
    anchors: Ints
    lengths: Floats

    @classmethod
    def of(cls, placements: Sequence[Placement]) -> Placements:
        """Return the arrays of occurrences of one n-mer."""
        atoms = np.array([p.atoms for p in placements], dtype=np.int64)
        anchors = np.array([p.anchors for p in placements], dtype=np.int64)
        lengths = np.array([p.lengths for p in placements], dtype=np.float64)
        return cls(atoms, np.where(anchors < 0, atoms, anchors), lengths)

    @classmethod
    def none(cls, natoms: int) -> Placements:
        """Return no occurrences of an n-mer with so many atoms."""
        nobody = np.zeros((0, natoms), dtype=np.int64)
        return cls(nobody, nobody, np.zeros((0, natoms)))

    @classmethod
    def together(cls, bodies: Sequence[Placements]) -> Placements:
        """Return the placements of n-mers whose bodies are at the given placements, in their order."""
        return cls(
            np.concatenate([one.atoms for one in bodies], axis=1),
            np.concatenate([one.anchors for one in bodies], axis=1),
            np.concatenate([one.lengths for one in bodies], axis=1),
        )

    def rows(self, which: Ints) -> Placements:
        """Return some of the occurrences."""
        return Placements(self.atoms[which], self.anchors[which], self.lengths[which])

    def columns(self, which: Sequence[int]) -> Placements:
        """Return some of the atoms of every occurrence."""
        chosen = list(which)
        return Placements(self.atoms[:, chosen], self.anchors[:, chosen], self.lengths[:, chosen])

    @property
    def caps(self) -> Bools:
        """Which of `atoms` are caps."""
        return np.asarray(self.atoms != self.anchors)

    def positions(self, molecule: Floats) -> Floats:
        """Return the geometries of all occurrences: real atoms unchanged, each cap on its bond.

        Parameters
        ----------
        molecule
            (n, atoms of the molecule, 3), Angstrom.

        Returns
        -------
        (n, occurrences, atoms of the n-mer, 3), Angstrom.
        """
        placed = molecule[:, self.atoms]
        caps = self.caps
        if caps.any():
            anchor, length = molecule[:, self.anchors[caps]], self.lengths[caps][:, None]
            placed[:, caps] = place_cap(anchor, placed[:, caps], length)
        return np.asarray(placed)

    def add_on_atoms(self, molecule: Floats, gradient: Floats, total: Floats) -> None:
        """Add the occurrences' gradients to the molecule's, those of caps by the chain rule.

        Parameters
        ----------
        molecule
            (n, atoms of the molecule, 3), Angstrom.
        gradient
            (n, occurrences, atoms of the n-mer, 3), kcal/mol/Angstrom.
        total
            (n, atoms of the molecule, 3), kcal/mol/Angstrom; it is added to.
        """
        caps = self.caps
        on_atoms, on_anchors = gradient, None
        if caps.any():
            anchor, outer = molecule[:, self.anchors[caps]], molecule[:, self.atoms[caps]]
            on_atoms = gradient.copy()
            on_atoms[:, caps], on_anchors = carry_gradient(
                anchor, outer, self.lengths[caps][:, None], gradient[:, caps]
            )
        for configuration in range(len(molecule)):
            np.add.at(total[configuration], self.atoms, on_atoms[configuration])
            if on_anchors is not None:
                np.add.at(total[configuration], self.anchors[caps], on_anchors[configuration])
