"""The bias buffer of one segment, extended by space for the frames and hills that the kernel stores."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from tasks.bias import kernel


class Recording:
    """A bias buffer followed by space for frames and for hills; its `buffer` is passed to the kernel.

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

    Attributes
    ----------
    complaint
        Error of an engine other than the kernel that stops the segment; empty if there is none.
    """

    def __init__(self, bias: Floats, step: int, atoms: int, frames: int, variables: int, depositions: int) -> None:
        self._size = len(bias)
        self._shape = frames, atoms, 3
        self._row = 1 + 2 * variables
        hills = self._size + frames * atoms * 3
        self.buffer: Floats = np.concatenate([bias, np.zeros(hills - self._size + depositions * self._row)])
        self.buffer[kernel.LENGTH] = len(self.buffer)
        self.buffer[kernel.OFFSET] = step
        self.buffer[[kernel.HILL_RING, kernel.HILL_CAPACITY, kernel.LOGGED]] = hills, depositions, 0
        self.complaint = ""

    def keep_frames(self, skipped: int, stride: int) -> None:
        """Store every `stride`-th frame from now on; `skipped` steps have been run since the segment's start."""
        self.buffer[kernel.OFFSET] += skipped
        self.buffer[[kernel.STRIDE, kernel.RING, kernel.CAPACITY]] = stride, self._size, self._shape[0]

    def take_hills(self, hills: Floats) -> None:
        """Store hills that an engine other than the kernel has deposited, in the form of `hills`."""
        start = int(self.buffer[kernel.HILL_RING])
        self.buffer[start : start + hills.size] = hills.ravel()
        self.buffer[kernel.LOGGED] = len(hills)

    @property
    def step_before(self) -> int:
        """Number of steps before LAMMPS' step 0 of the present run."""
        return int(self.buffer[kernel.OFFSET])

    @property
    def problem(self) -> str:
        """Error of the bias that stops the segment; empty if there is none."""
        if self.complaint or not self.buffer[kernel.ERROR]:
            return self.complaint
        not_finite = self.buffer[kernel.ERROR] == kernel.NOT_FINITE
        return "a collective variable is not finite" if not_finite else "LAMMPS lost atoms"

    @property
    def positions(self) -> Floats:
        """The stored frames, (frames, atoms, 3), Angstrom."""
        frames, atoms, _ = self._shape
        return self.buffer[self._size : self._size + frames * atoms * 3].reshape(self._shape)

    @property
    def hills(self) -> Floats:
        """The hills, (depositions, 1 + 2 variables): step, then centre and height (kcal/mol) of each variable."""
        start, count = int(self.buffer[kernel.HILL_RING]), int(self.buffer[kernel.LOGGED])
        return self.buffer[start : start + count * self._row].reshape(count, self._row).copy()

    @property
    def bias(self) -> Floats:
        """The bias buffer at the segment's end, without the frames and hills."""
        bias = self.buffer[: self._size].copy()
        bias[kernel.OFFSET : kernel.LOGGED + 1] = 0.0
        bias[kernel.LENGTH] = len(bias)
        return bias
