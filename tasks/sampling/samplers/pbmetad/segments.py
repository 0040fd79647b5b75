"""The segments of walkers in their folders: their frames and hills, and the state for the next segment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from potentials.arrays import Floats
from storage.durable import replacing

if TYPE_CHECKING:
    from tasks.bias.specification import BiasSpec


@dataclass(frozen=True)
class State:
    """The end of a segment.

    Attributes
    ----------
    x, v
        (atoms, 3), Angstrom and Angstrom/fs.
    bias
        The bias buffer.
    step
        Steps so far.
    looked
        Frames generated so far, kept or not.
    scale
        Factor on the time step; halved by every explosion.
    time
        Time so far, fs.
    """

    x: Floats
    v: Floats
    bias: Floats
    step: int
    looked: int
    scale: float
    time: float


@dataclass(frozen=True)
class Segment:
    """The result of a segment.

    Attributes
    ----------
    end
        The state from which the next segment starts.
    positions
        (frames, atoms, 3), Angstrom: the frames in the window.
    energy
        (frames,), force-field energy without the bias, kcal/mol.
    hills
        (depositions, 1 + 2 variables): time in fs, then centre and height (kcal/mol) of each variable's hill.
    """

    end: State
    positions: Floats
    energy: Floats
    hills: Floats


def segments(folder: Path) -> list[tuple[Path, int]]:
    """Return a walker's finished segments in order, each with the number of frames it kept."""
    paths = sorted(folder.glob("segment-*.npz"))
    return [(path, int(path.stem.split("-")[2])) for path in paths]


def read_frames(folder: Path, natoms: int) -> tuple[Floats, Floats]:
    """Return the kept frames (frames, atoms, 3) in Angstrom and their force-field energies in kcal/mol."""
    return _read(folder, "positions", natoms, 3), _read(folder, "energy")


def read_hills(folder: Path, spec: BiasSpec) -> Floats:
    """Return a walker's hills so far, as `Segment.hills`."""
    return _read(folder, "hills", 1 + 2 * len(spec.cvs))


def _read(folder: Path, name: str, *shape: int) -> Floats:
    """Return an array of all segments together; `shape` is that of one row."""
    arrays = [np.empty((0, *shape))]
    for path, _ in segments(folder):
        with np.load(path) as saved:
            arrays.append(saved[name])
    return np.concatenate(arrays)


def frames_so_far(scratch: Path) -> int:
    """Return how many frames the walkers of a scratch folder have kept so far."""
    return sum(count for folder in scratch.glob("walker-*") for _, count in segments(folder))


def write_segment(path: Path, segment: Segment, count: int) -> None:
    """Write a segment with its first `count` frames, completely or not at all."""
    end = segment.end
    # a worker that Dask has given up may write the same segment
    with replacing(path) as temporary, temporary.open("xb") as file:
        np.savez(
            file,
            positions=segment.positions[:count],
            energy=segment.energy[:count],
            hills=segment.hills,
            x=end.x,
            v=end.v,
            bias=end.bias,
            counters=np.array([end.step, end.looked]),
            scale=np.array([end.scale, end.time]),
        )


def read_state(path: Path) -> State:
    """Return the state at the end of a written segment."""
    with np.load(path) as saved:
        step, looked = (int(n) for n in saved["counters"])
        scale, time = (float(v) for v in saved["scale"])
        return State(saved["x"], saved["v"], saved["bias"], step, looked, scale, time)
