"""Virtual sites: points without an atom whose distances are variables, such as the lone pairs of MB-pol's water.

Babin, Leforestier, and Paesani, J. Chem. Theory Comput. 9, 5395 (2013), page 5396.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.errors import InputError


@dataclass(frozen=True)
class LonePairs:
    """Two sites at r_O + along (u + v) / 2 +- across (u x v); u and v lead from the centre O to two neighbours.

    The sites are exchanged when the neighbours are, and when the fragment is reflected; they are equivalent in the
    PIP.

    Attributes
    ----------
    atoms
        The centre and its two equivalent neighbours, in the n-mer's numbers: O, H, H of water.
    along
        Along the bisector; negative is away from the neighbours. The default is MB-pol's.
    across
        Across the plane, 1/Angstrom. The default is MB-pol's.

    Raises
    ------
    InputError
        If they are not three different atoms.
    """

    atoms: tuple[int, int, int]
    along: float = -0.09721486914088159
    across: float = 0.0985927207840615

    def __post_init__(self) -> None:
        if len(self.atoms) != 3 or len(set(self.atoms)) != 3 or min(self.atoms) < 0:
            raise InputError(
                f"atoms of lone pairs are {self.atoms}; allowed: a centre and two neighbours, counted from 0"
            )


@dataclass(frozen=True, eq=False)
class Sites:
    """The virtual sites of an n-mer as arrays, two for each pair of lone pairs.

    Attributes
    ----------
    atoms
        (lone pairs, 3).
    numbers
        (lone pairs, 2), along and across.
    """

    atoms: Ints
    numbers: Floats

    @classmethod
    def of(cls, pairs: Sequence[LonePairs]) -> Sites:
        """Return the arrays of lone pairs, in order."""
        atoms = np.array([p.atoms for p in pairs], dtype=np.int64).reshape(-1, 3)
        return cls(atoms, np.array([(p.along, p.across) for p in pairs], dtype=np.float64).reshape(-1, 2))

    def points(self, positions: Floats) -> Floats:
        """Return the atoms followed by the sites.

        Parameters
        ----------
        positions
            (n, atoms, 3), Angstrom.

        Returns
        -------
        (n, atoms + sites, 3), Angstrom; the positions themselves where there are no sites.
        """
        if not len(self.atoms):
            return np.ascontiguousarray(positions)
        points = np.empty((len(positions), positions.shape[1] + 2 * len(self.atoms), 3))
        points[:, : positions.shape[1]] = positions
        _place(points, self.atoms, self.numbers)
        return points

    def on_atoms(self, points: Floats, gradient: Floats) -> Floats:
        """Return the gradient with respect to the atoms alone, by the chain rule.

        Parameters
        ----------
        points
            (n, atoms + sites, 3), Angstrom.
        gradient
            (n, atoms + sites, 3), derivatives with respect to the points; it is overwritten.

        Returns
        -------
        (n, atoms, 3).
        """
        if not len(self.atoms):
            return gradient
        _collect(points, self.atoms, self.numbers, gradient)
        return np.ascontiguousarray(gradient[:, : gradient.shape[1] - 2 * len(self.atoms)])


@njit(cache=True)  # type: ignore[untyped-decorator]
def _place(points: Floats, atoms: Ints, numbers: Floats) -> None:
    """Write the sites after the atoms."""
    first = points.shape[1] - 2 * len(atoms)
    for n in range(len(points)):
        at = points[n]
        for s in range(len(atoms)):
            (o, h1, h2), (along, across), site = atoms[s], numbers[s], first + 2 * s
            for x in range(3):
                y, z = (x + 1) % 3, (x + 2) % 3
                cross = (at[h1, y] - at[o, y]) * (at[h2, z] - at[o, z])
                cross -= (at[h1, z] - at[o, z]) * (at[h2, y] - at[o, y])
                middle = at[o, x] + along * (0.5 * (at[h1, x] + at[h2, x]) - at[o, x])
                at[site, x] = middle + across * cross
                at[site + 1, x] = middle - across * cross


@njit(cache=True)  # type: ignore[untyped-decorator]
def _collect(points: Floats, atoms: Ints, numbers: Floats, gradient: Floats) -> None:
    """Add the sites' gradient to the atoms that define them; w . (u x v) has the gradients v x w and w x u."""
    first = points.shape[1] - 2 * len(atoms)
    for n in range(len(points)):
        at, pull = points[n], gradient[n]
        for s in range(len(atoms)):
            (o, h1, h2), (along, across), site = atoms[s], numbers[s], first + 2 * s
            for x in range(3):
                y, z = (x + 1) % 3, (x + 2) % 3
                both = pull[site, x] + pull[site + 1, x]
                w_y = across * (pull[site, y] - pull[site + 1, y])
                w_z = across * (pull[site, z] - pull[site + 1, z])
                on_first = 0.5 * along * both + (at[h2, y] - at[o, y]) * w_z - (at[h2, z] - at[o, z]) * w_y
                on_second = 0.5 * along * both + w_y * (at[h1, z] - at[o, z]) - w_z * (at[h1, y] - at[o, y])
                pull[h1, x] += on_first
                pull[h2, x] += on_second
                pull[o, x] += both - on_first - on_second
