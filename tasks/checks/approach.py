"""A rigid water that approaches a peptide group along the axis of a hydrogen bond."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.systems.system import System
from recipes.chemistry.molecules import Molecule

OH, HOH = 0.9572, 104.52
"""Bond length and angle of the rigid water, Angstrom and degrees: those of the molecule, and of TIP3P."""

NEAR = 2.0
"""Length of the hydrogen bond at which its direction is chosen, Angstrom."""

TILTS = (0.0, 30.0, 60.0)
"""Angles between the direction of the hydrogen bond and the bond of the site that are tried, degrees."""

AZIMUTHS = 6
"""Number of directions that are tried at each angle above zero."""

TURNS = 12
"""Number of turns of the water about the hydrogen bond that are tried."""

FEW_TURNS = 3
"""Number of turns that are tried with each direction."""

NEAREST = 1.4
"""Directions in which another atom is nearer to the water than this are not tried, Angstrom."""

Energies = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Site:
    """An atom of a peptide group that a water binds to.

    Attributes
    ----------
    name
        ``O1-Hw``: the oxygen of the first peptide group and a hydrogen of the water; ``H1-Ow``: the amide's
        hydrogen and the oxygen of the water.
    atom, bonded
        The oxygen or hydrogen, and the carbon or nitrogen that it is bonded to.
    beside
        Another atom that this one is bonded to, from which azimuths count.
    """

    name: str
    atom: int
    bonded: int
    beside: int

    @property
    def accepts(self) -> bool:
        """Whether it is an oxygen, which accepts the hydrogen bond."""
        return self.name.startswith("O")


@dataclass(frozen=True)
class Approach:
    """The line along which a water approaches, and how it is turned.

    Attributes
    ----------
    site
        The site.
    direction
        (3,), unit vector from the site outwards.
    across
        (3,), unit vector at right angles to it, in the plane of the water.
    """

    site: Site
    direction: Floats
    across: Floats

    def water(self, molecule: Floats, distance: float) -> Floats:
        """Return the water (O, H, H; 3) at a distance of the two atoms of the hydrogen bond, Angstrom."""
        contact = molecule[self.site.atom] + distance * self.direction
        angle = np.radians(HOH)
        if self.site.accepts:  # the bond O-H lies on the line
            oxygen = contact + OH * self.direction
            other = oxygen + OH * (-np.cos(angle) * self.direction + np.sin(angle) * self.across)
            return np.array([oxygen, contact, other])
        along, wide = OH * np.cos(angle / 2) * self.direction, OH * np.sin(angle / 2) * self.across
        return np.array([contact, contact + along + wide, contact + along - wide])

    def positions(self, molecule: Floats, distances: Floats) -> Floats:
        """Return the molecule and the water at some distances, (distances, atoms + 3, 3), Angstrom."""
        return np.array([np.concatenate([molecule, self.water(molecule, float(d))]) for d in distances])


def sites(molecule: Molecule) -> list[Site]:
    """Return the sites of all peptide groups in the order of the atoms: O1-Hw, H1-Ow, O2-Hw, H2-Ow, ...

    Raises
    ------
    InputError
        If the molecule has no peptide group with a hydrogen on nitrogen.
    """
    symbols, near = molecule.symbols, molecule.neighbours
    found = []
    for nitrogen in (a for a, s in enumerate(symbols) if s == "N"):
        hydrogens = [a for a in near[nitrogen] if symbols[a] == "H"]
        carbonyls = [
            (c, o)
            for c in near[nitrogen]
            if symbols[c] == "C"
            for o in near[c]
            if symbols[o] == "O" and len(near[o]) == 1
        ]
        if len(hydrogens) == 1 and len(carbonyls) == 1:
            found.append((nitrogen, hydrogens[0], *carbonyls[0]))
    if not found:
        raise InputError(f"molecule '{molecule.name}' has no peptide group -CO-NH-")
    both = []
    for number, (nitrogen, hydrogen, carbon, oxygen) in enumerate(found, 1):
        both.append(Site(f"O{number}-Hw", oxygen, carbon, nitrogen))
        both.append(Site(f"H{number}-Ow", hydrogen, nitrogen, carbon))
    return both


def with_water(molecule: Molecule, positions: Floats) -> System:
    """Return a molecule and one water after its atoms as a system in vacuum.

    Parameters
    ----------
    molecule
        The molecule.
    positions
        (atoms + 3, 3), Angstrom.
    """
    n = molecule.natoms
    return System(
        (*molecule.symbols, "O", "H", "H"),
        positions,
        (*molecule.bonds, (n, n + 1), (n, n + 2)),
        name=f"{molecule.name} and a water",
    )


def best_approach(site: Site, molecule: Floats, energies: Energies) -> Approach:
    """Return the approach of the lowest energy at a hydrogen bond of `NEAR`, among a grid of directions and turns.

    Parameters
    ----------
    site
        The site.
    molecule
        (atoms, 3), Angstrom.
    energies
        Energies of the molecule and the water, of (n, atoms + 3, 3) in Angstrom.
    """
    axis = _unit(molecule[site.atom] - molecule[site.bonded])
    first = _unit(_without(molecule[site.beside] - molecule[site.bonded], axis))
    second = np.cross(axis, first)
    directions = []
    for tilt in np.radians(TILTS):
        for azimuth in np.radians(np.arange(AZIMUTHS) * 360.0 / AZIMUTHS if tilt else [0.0]):
            sideways = np.cos(azimuth) * first + np.sin(azimuth) * second
            directions.append(np.cos(tilt) * axis + np.sin(tilt) * sideways)
    tried = [_turned(site, u, turn, axis, first) for u in directions for turn in _turns(FEW_TURNS)]
    best = _lowest(tried, molecule, energies)
    return _lowest(
        [_turned(site, best.direction, turn, axis, first) for turn in _turns(TURNS)], molecule, energies
    )


def _turns(count: int) -> Floats:
    return np.asarray(np.arange(count) * 2 * np.pi / count)


def _turned(site: Site, direction: Floats, turn: float, axis: Floats, first: Floats) -> Approach:
    """Return the approach along a direction, the water turned about it."""
    start = _unit(_without(first if abs(direction @ first) < 0.9 else axis, direction))
    return Approach(site, direction, np.cos(turn) * start + np.sin(turn) * np.cross(direction, start))


def _lowest(tried: list[Approach], molecule: Floats, energies: Energies) -> Approach:
    placed = np.array([approach.positions(molecule, np.array([NEAR]))[0] for approach in tried])
    n, site = len(molecule), tried[0].site
    others = [a for a in range(n) if a not in (site.atom, site.bonded)]
    apart = np.linalg.norm(placed[:, others, None] - placed[:, None, n:], axis=3).min(axis=(1, 2))
    free = np.flatnonzero(apart >= min(NEAREST, apart.max()))
    return tried[int(free[np.argmin(energies(placed[free]))])]


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector))


def _without(vector: Floats, axis: Floats) -> Floats:
    return np.asarray(vector - (vector @ axis) * axis)
