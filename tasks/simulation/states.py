"""What is kept of one segment of a simulation: its frames, and the state at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from potentials.arrays import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class State:
    """Where a segment ends and the next begins.

    Attributes
    ----------
    step
        Number of the step.
    positions, velocities
        (atoms, 3), Angstrom, not wrapped into the cell, and Angstrom/fs.
    vectors
        (3, 3), the cell's vectors, Angstrom; None in vacuum.
    restart
        LAMMPS' restart file, (bytes,); empty at the beginning.
    """

    step: int
    positions: Floats
    velocities: Floats
    vectors: Floats | None
    restart: Any = field(default_factory=lambda: np.zeros(0, dtype=np.uint8))


@dataclass(frozen=True, eq=False)
class Segment:
    """The frames of a segment, and its end.

    Attributes
    ----------
    steps
        (frames,); the first segment of a replica begins with step 0, all others after the end of the one before.
    positions, vectors
        (frames, atoms, 3), Angstrom; (frames, 3, 3), or (0, 3, 3) in vacuum.
    energy, kinetic
        (frames,), kcal/mol.
    bias, counted
        (frames,), energy of the bias (kcal/mol), and the number of hills that it is made of; empty without a bias.
    shares
        Contributions to the energy by name, (frames,), kcal/mol.
    outside
        (frames,), whether the potential extrapolates; empty if it does not know.
    end
        The state at the end; None of a segment that was stopped.
    stopped
        Why it was stopped, with the step; empty if it was not.
    hills, read
        The hills that were added to the bias since the segment before, and what `SharedHills.read` was then.
    """

    steps: Ints
    positions: Floats
    vectors: Floats
    energy: Floats
    kinetic: Floats
    bias: Floats
    counted: Ints
    shares: Mapping[str, Floats]
    outside: Bools
    end: State | None
    stopped: str = ""
    hills: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    read: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
