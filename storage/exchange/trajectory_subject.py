"""The input of an exporter of trajectories: the replicas of one simulation, and its topology as a PDB file.

Files for programs of molecular dynamics have the atoms residue by residue, as a PDB file needs them; the serial
number of an atom there is its number in the system, counted from 1.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from recipes.chemistry.topology import UNKNOWN, Residue, residues_of
from storage.exchange.text import plain
from storage.trajectory import Trajectory, upright

TOPOLOGY = "topology.pdb"
"""Name of the file with the topology."""

MOST_ATOMS = 99_999
"""Largest number of atoms of a PDB file, whose numbers have five digits."""

CHAINS = [letter for letter in string.ascii_uppercase + string.ascii_lowercase if letter != "W"]
"""Names of chains; all waters are in W."""

_BONDS = 4
"""Bonds in one CONECT record."""


@dataclass(frozen=True, eq=False)
class TrajectorySubject:
    """A trajectory to export.

    Attributes
    ----------
    trajectories
        Its replicas.
    attributes
        Its version's: ``recipe``, ``key``, ``inputs``, ``engines``, ``facts``, ``created``.
    ref
        ``trajectory:alanine@1``.
    """

    trajectories: tuple[Trajectory, ...]
    attributes: dict[str, Any]
    ref: str

    @property
    def title(self) -> str:
        """One line that says what it is, fit for a comment of any language."""
        engines = ", ".join(f"{name} {number}" for name, number in sorted(self.attributes["engines"].items()))
        return plain(f"{self.ref}, key {str(self.attributes.get('key', ''))[:12]}, {engines}")

    @property
    def written(self) -> list[Trajectory]:
        """The replicas that get a file: those that have frames.

        Raises
        ------
        InputError
            If there is none.
        """
        found = [one for one in self.trajectories if len(one)]
        if not found:
            raise InputError(f"{self.ref} has no frames; allowed: a trajectory with at least one")
        return found

    @cached_property
    def residues(self) -> tuple[Residue, ...]:
        """The residues of the system."""
        first = self.trajectories[0]
        return residues_of(first.symbols, first.bonds)

    @cached_property
    def order(self) -> Ints:
        """The atom of the system at each place of a file."""
        return np.array([atom for one in self.residues for atom in one.atoms], dtype=np.int64)

    def frames(self, trajectory: Trajectory) -> tuple[Floats, Floats | None]:
        """Return positions (frames, atoms, 3) in the order of a file, and cells (frames, 3, 3); see `upright`."""
        positions, vectors = upright(trajectory)
        return positions[:, self.order], vectors

    def spacing(self, trajectory: Trajectory) -> tuple[int, float]:
        """Return the steps between two frames, and the length of a step, fs.

        Raises
        ------
        InputError
            If the frames are not equally spaced.
        """
        steps, times = np.diff(trajectory.steps), np.diff(trajectory.times)
        if len(steps) == 0:
            return 1, 1.0
        if (steps != steps[0]).any():
            raise InputError(
                f"the frames of replica {trajectory.replica} of {self.ref} are not equally spaced, as a DCD file "
                "needs them; allowed for such a trajectory: xtc, extxyz"
            )
        return int(steps[0]), float(times[0] / steps[0])

    def topology(self) -> str:
        """Return the first frame as a PDB file, with residues, names, bonds and the cell.

        Raises
        ------
        InputError
            If there is no frame, there are too many atoms, or one is farther out than its columns allow.
        """
        first = self.trajectories[0]
        if first.natoms > MOST_ATOMS:
            raise InputError(f"{self.ref} has {first.natoms} atoms; allowed in a PDB file: {MOST_ATOMS}")
        positions, vectors = self.frames(self.written[0])
        x = positions[0]
        if not ((x > -999.9995) & (x < 9999.9995)).all():
            raise InputError(f"{self.ref} has an atom beyond -999 to 9999 A, which a PDB file cannot hold")
        lines = [
            f"REMARK   1 {self.title}"[:80],
            "REMARK   1 THE NUMBER OF AN ATOM IS ITS NUMBER IN THE SYSTEM, COUNTED FROM 1",
        ]
        if vectors is not None:
            a, b, c, alpha, beta, gamma = lengths_and_angles(vectors[:1])[0]
            lines.append(f"CRYST1{a:9.3f}{b:9.3f}{c:9.3f}{alpha:7.2f}{beta:7.2f}{gamma:7.2f} P 1           1")
        place = 0
        for number, residue in enumerate(self.residues, 1):
            record = "HETATM" if residue.name in (UNKNOWN, "HOH") else "ATOM  "
            for atom, name in zip(residue.atoms, residue.names, strict=True):
                symbol = first.symbols[atom]
                label = f" {name:<3}" if len(symbol) == 1 and len(name) < 4 else f"{name:<4}"
                at = "".join(f"{value:8.3f}" for value in x[place])
                lines.append(
                    f"{record}{atom + 1:>5} {label} {residue.name:>3} {self._chain(residue)}{number % 10000:>4}"
                    f"    {at}{1.0:6.2f}{0.0:6.2f}          {symbol.upper():>2}"
                )
                place += 1
        return "\n".join([*lines, *_connections(first.bonds), "END", ""])

    def _chain(self, residue: Residue) -> str:
        return "W" if residue.name == "HOH" else CHAINS[residue.molecule % len(CHAINS)]


def _connections(bonds: Sequence[tuple[int, int]]) -> list[str]:
    """Return the CONECT records of bonds."""
    joined: dict[int, list[int]] = {}
    for i, j in bonds:
        joined.setdefault(i, []).append(j)
        joined.setdefault(j, []).append(i)
    return [
        f"CONECT{atom + 1:>5}" + "".join(f"{other + 1:>5}" for other in others[start : start + _BONDS])
        for atom, others in sorted(joined.items())
        for start in range(0, len(others), _BONDS)
    ]


def lengths_and_angles(vectors: Floats) -> Floats:
    """Return a, b, c (Angstrom), alpha, beta and gamma (degrees) of cells (frames, 3, 3), as (frames, 6)."""
    lengths = np.linalg.norm(vectors, axis=2)
    unit = vectors / lengths[:, :, None]
    cosines = np.stack(
        [np.einsum("fi,fi->f", unit[:, i], unit[:, j]) for i, j in ((1, 2), (0, 2), (0, 1))], axis=1
    )
    angles = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    angles[np.abs(cosines) < 1e-12] = 90.0
    return np.concatenate([lengths, angles], axis=1)
