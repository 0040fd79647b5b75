"""The bias buffer of one segment, with room behind it for the frames and hills that the kernel keeps."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from tasks.sampling.bias.kernel import (
    CAPACITY,
    ERROR,
    HILL_CAPACITY,
    HILL_RING,
    LENGTH,
    LOGGED,
    NOT_FINITE,
    OFFSET,
    RING,
    STRIDE,
)


class Recording:
    """A bias buffer that grew by a ring of frames and a ring of hills; give its `buffer` to the kernel.

    Parameters
    ----------
    bias
        The bias buffer at the segment's start.
    step
        Steps before the segment.
    atoms, frames
        Number of atoms, and of frames to keep.
    variables, depositions
        Number of collective variables, and largest number of depositions.
    """

    def __init__(self, bias: Floats, step: int, atoms: int, frames: int, variables: int, depositions: int) -> None:
        self._size = len(bias)
        self._shape = frames, atoms, 3
        self._row = 1 + 2 * variables
        hills = self._size + frames * atoms * 3
        self.buffer: Floats = np.concatenate([bias, np.zeros(hills - self._size + depositions * self._row)])
        self.buffer[LENGTH] = len(self.buffer)
        self.buffer[OFFSET] = step
        self.buffer[[HILL_RING, HILL_CAPACITY, LOGGED]] = hills, depositions, 0
        self._complaint = ""

    def keep_frames(self, skipped: int, stride: int) -> None:
        """From here on keep every `stride`-th frame; `skipped` steps have been run since the segment's start."""
        self.buffer[OFFSET] += skipped
        self.buffer[[STRIDE, RING, CAPACITY]] = stride, self._size, self._shape[0]

    def take_hills(self, hills: Floats) -> None:
        """Keep hills that another engine than the kernel has deposited, as `hills` gives them."""
        start = int(self.buffer[HILL_RING])
        self.buffer[start : start + hills.size] = hills.ravel()
        self.buffer[LOGGED] = len(hills)

    def complain(self, complaint: str) -> None:
        """Keep what another engine than the kernel cannot go on from; empty if nothing."""
        self._complaint = complaint

    @property
    def step_before(self) -> int:
        """What to add to LAMMPS' step of the present run."""
        return int(self.buffer[OFFSET])

    @property
    def problem(self) -> str:
        """What the bias met that it cannot go on from; empty if nothing."""
        if self._complaint or not self.buffer[ERROR]:
            return self._complaint
        if self.buffer[ERROR] == NOT_FINITE:
            return "a collective variable is not finite"
        return "LAMMPS lost atoms"

    @property
    def positions(self) -> Floats:
        """The frames kept, (frames, atoms, 3), Angstrom."""
        frames, atoms, _ = self._shape
        return self.buffer[self._size : self._size + frames * atoms * 3].reshape(self._shape)

    @property
    def hills(self) -> Floats:
        """The hills, (depositions, 1 + 2 variables): step, then centre and height (kcal/mol) of each variable."""
        start, count = int(self.buffer[HILL_RING]), int(self.buffer[LOGGED])
        return self.buffer[start : start + count * self._row].reshape(count, self._row).copy()

    @property
    def bias(self) -> Floats:
        """The bias buffer at the segment's end, without the rings."""
        bias = self.buffer[: self._size].copy()
        bias[[OFFSET, STRIDE, RING, CAPACITY, HILL_RING, HILL_CAPACITY, LOGGED]] = 0.0
        bias[LENGTH] = len(bias)
        return bias
