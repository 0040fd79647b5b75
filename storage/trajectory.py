"""The record of a trajectory: the frames of one replica of a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from potentials.arrays import Bools, Floats, Ints
from potentials.errors import InputError


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The frames of one replica of a simulation.

    Attributes
    ----------
    symbols
        Element of each atom.
    bonds
        Pairs of atoms, counted from 0.
    masses
        (atoms,), amu.
    steps, times
        (frames,): number of the step of each frame, ascending, from 0 at the start, and its time, fs.
    positions
        (frames, atoms, 3), Angstrom; in a cell not wrapped, so that molecules are whole and diffusion can be seen.
    velocities, velocity_steps
        (segment ends, atoms, 3), Angstrom/fs, and the step of each, ascending.
    energy
        (frames,), potential energy without the bias, kcal/mol.
    kinetic, temperature
        (frames,), kinetic energy, kcal/mol, and temperature, K.
    vectors
        The cell's vectors, one a row, Angstrom: (frames, 3, 3), or (1, 3, 3) of a cell that stays as it is; None
        in vacuum.
    bias
        (frames,), energy of the bias that acts on each frame, kcal/mol; None without a bias.
    hills
        (hills, 3 + variables): the hills in the order in which they were added to the bias of this replica, those
        of other walkers included: number of the walker, time (fs), centre (Angstrom or rad), height (kcal/mol), as
        `tasks.bias.metad.MetaDBias.hills`. None without metadynamics.
    hill_counts
        (frames,), of how many of the hills, from the first on, the bias of each frame is made; None without
        metadynamics.
    outside
        (frames,), whether the potential extrapolates: a part of the frame is outside of the range of its training
        data. None if it does not know.
    contributions
        Parts of the potential energy by name, (frames,), kcal/mol.
    replica, seed
        Number of the replica from 0, and the seed of its random numbers.

    Raises
    ------
    InputError
        If numbers of frames or of atoms differ, steps do not ascend, or a number is not finite: a simulation that
        has diverged keeps the frames before.
    """

    symbols: tuple[str, ...]
    bonds: tuple[tuple[int, int], ...]
    masses: Floats
    steps: Ints
    times: Floats
    positions: Floats
    velocities: Floats
    velocity_steps: Ints
    energy: Floats
    kinetic: Floats
    temperature: Floats
    vectors: Floats | None = None
    bias: Floats | None = None
    hills: Floats | None = None
    contributions: Mapping[str, Floats] = field(default_factory=dict)
    replica: int = 0
    seed: int = 0
    hill_counts: Ints | None = None
    outside: Bools | None = None

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise InputError(f"replica {self.replica} of a trajectory: {problem}")

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def natoms(self) -> int:
        """Number of atoms."""
        return len(self.symbols)

    def vectors_of(self, frame: int) -> Floats | None:
        """Return the cell's vectors of one frame, (3, 3), Angstrom; None in vacuum."""
        if self.vectors is None:
            return None
        found: Floats = self.vectors[frame if len(self.vectors) > 1 else 0]
        return found


def _problems(one: Trajectory) -> list[str]:
    """Return what is wrong with the arrays of a trajectory, at most one sentence for each."""
    n, frames, ends = one.natoms, len(one.steps), len(one.velocity_steps)
    shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
        "masses": (one.masses, (n,)),
        "times": (one.times, (frames,)),
        "positions": (one.positions, (frames, n, 3)),
        "velocities": (one.velocities, (ends, n, 3)),
        "energy": (one.energy, (frames,)),
        "kinetic": (one.kinetic, (frames,)),
        "temperature": (one.temperature, (frames,)),
        **{f"contribution '{name}'": (values, (frames,)) for name, values in one.contributions.items()},
    }
    if one.vectors is not None:
        shapes["vectors"] = (one.vectors, (1 if len(one.vectors) == 1 else frames, 3, 3))
    for name in ("bias", "hill_counts", "outside"):
        if (values := getattr(one, name)) is not None:
            shapes[name] = (values, (frames,))
    found = [
        f"{name} has the shape {np.shape(values)}; allowed: {shape}"
        for name, (values, shape) in shapes.items()
        if np.shape(values) != shape
    ]
    if one.hills is not None:
        shapes["hills"] = (one.hills, ())
        if one.hills.ndim != 2 or one.hills.shape[1] < 4:
            found.append(f"hills has the shape {one.hills.shape}; allowed: (hills, 3 + variables)")
    found += [
        f"{name} holds a number that is not finite"
        for name, (values, _) in shapes.items()
        if not np.isfinite(values).all()
    ]
    for name, steps in (("steps", one.steps), ("velocity_steps", one.velocity_steps)):
        if len(steps) and (steps[0] < 0 or (np.diff(steps) <= 0).any()):
            found.append(f"{name} do not ascend from 0 or more")
    if strange := [s for s in one.symbols if not 1 <= atomic_numbers.get(s, 0) <= 118]:
        found.append(f"{strange[0][:20]!a} is not an element")
    if any(not 0 <= i < n or not 0 <= j < n for i, j in one.bonds):
        found.append(f"a bond is not between two of its {n} atoms")
    if one.replica < 0 or one.seed < 0:
        found.append("replica and seed must be 0 or more")
    return found


def upright(trajectory: Trajectory) -> tuple[Floats, Floats | None]:
    """Return positions and cells as file formats store them: the first vector along x, the second in the xy plane.

    Parameters
    ----------
    trajectory
        The trajectory.

    Returns
    -------
    Positions (frames, atoms, 3) and vectors (frames, 3, 3), Angstrom; no vectors in vacuum.

    Raises
    ------
    InputError
        If the vectors of a cell are left-handed.
    """
    if trajectory.vectors is None:
        return trajectory.positions, None
    vectors = np.broadcast_to(trajectory.vectors, (len(trajectory), 3, 3))
    size = np.abs(vectors).max(initial=0.0)
    if (
        np.abs(vectors[:, [0, 0, 1], [1, 2, 2]]).max(initial=0.0) <= 1e-9 * size
        and (vectors[:, range(3), range(3)] > 0).all()
    ):
        return trajectory.positions, vectors
    if (np.linalg.det(vectors) <= 0).any():
        raise InputError("the vectors of the cell are left-handed; allowed in a file: right-handed ones")
    turn, upper = np.linalg.qr(np.swapaxes(vectors, 1, 2))  # columns are vectors: turn @ upper
    signs = np.sign(np.diagonal(upper, axis1=1, axis2=2))
    turn, upper = turn * signs[:, None, :], upper * signs[:, :, None]
    return trajectory.positions @ turn, np.swapaxes(upper, 1, 2)
