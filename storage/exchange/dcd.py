"""Format ``dcd``: a trajectory as CHARMM and NAMD write it, with its topology, for mdtraj, MDAnalysis and VMD.

A file is a sequence of Fortran records: the length in bytes before and after each. Positions are float32. The cell
of each frame is stored by its lengths and angles, which is why the first vector is put along x.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from storage.exchange.exporter import Contents, Format
from storage.exchange.trajectory_subject import TOPOLOGY, TrajectorySubject, lengths_and_angles

AKMA = 48.88821291
"""CHARMM's unit of time, fs."""

VERSION = 24
"""CHARMM's version whose layout this is."""

AXES = ("x", "y", "z")

CELL = (0, 5, 1, 4, 3, 2)
"""Order of a, b, c, alpha, beta and gamma in a frame: a, gamma, b, beta, alpha, c."""

TITLE = 80
"""Bytes of a line of the title."""


def dcd_files(subject: TrajectorySubject) -> Contents:
    """Return the topology, and one DCD file for each replica with frames."""
    found: dict[str, str | bytes] = {TOPOLOGY: subject.topology()}
    for one in subject.written:
        every, step = subject.spacing(one)
        positions, vectors = subject.frames(one)
        first = int(one.steps[0])
        found[f"replica-{one.replica}.dcd"] = dcd_bytes(positions, vectors, first, every, step, subject.title)
    return found


def dcd_bytes(positions: Floats, vectors: Floats | None, first: int, every: int, step: float, title: str) -> bytes:
    """Return the bytes of a DCD file.

    Parameters
    ----------
    positions, vectors
        (frames, atoms, 3) and (frames, 3, 3), Angstrom, the first vector along x; None in vacuum.
    first, every, step
        Step of the first frame, steps between frames, length of a step (fs).
    title
        One line.
    """
    frames, atoms = positions.shape[:2]
    whole = np.zeros(20, dtype="<i4")
    whole[:4] = frames, first % 2**31, every, (every * frames) % 2**31
    whole[9:10] = np.array([step / AKMA], dtype="<f4").view("<i4")
    whole[10], whole[19] = vectors is not None, VERSION
    parts = [
        _record(b"CORD" + whole.tobytes()),
        _record(struct.pack("<i", 1) + title.encode("ascii", "replace")[:TITLE].ljust(TITLE)),
        _record(struct.pack("<i", atoms)),
    ]
    rows = np.zeros(frames, dtype=_frame(atoms, vectors is not None))
    for name in rows.dtype.names or ():
        if name.startswith("length"):
            rows[name] = rows.dtype.fields[name.rpartition(" ")[2]][0].itemsize  # type: ignore[index]
    for axis, name in enumerate(AXES):
        rows[name] = positions[:, :, axis]
    if vectors is not None:
        rows["cell"] = lengths_and_angles(vectors)[:, CELL]
    return b"".join([*parts, rows.tobytes()])


def _frame(atoms: int, cell: bool) -> np.dtype[np.void]:
    """Return the layout of a frame: its records, each with its length before and after."""
    fields: list[tuple[str, str] | tuple[str, str, int]] = []
    for name, kind, count in [("cell", "<f8", 6)] * cell + [(axis, "<f4", atoms) for axis in AXES]:
        fields += [(f"length before {name}", "<i4"), (name, kind, count), (f"length after {name}", "<i4")]
    return np.dtype(fields)


def _record(content: bytes) -> bytes:
    length = struct.pack("<i", len(content))
    return length + content + length


def read_dcd(content: bytes) -> tuple[Floats, Floats | None]:
    """Return positions (frames, atoms, 3) in Angstrom and lengths and angles (frames, 6) of what `dcd_bytes` gave.

    Raises
    ------
    InputError
        If its length is not that of its frames.
    """
    at, heads = 0, []
    for _ in range(3):
        (length,) = struct.unpack_from("<i", content, at)
        heads.append(content[at + 4 : at + 4 + length])
        at += 8 + length
    whole, atoms = np.frombuffer(heads[0][4:], dtype="<i4"), struct.unpack("<i", heads[2])[0]
    layout = _frame(atoms, bool(whole[10]))
    if len(content) - at != layout.itemsize * whole[0]:
        raise InputError(
            f"it has {len(content) - at} bytes of frames, and says {whole[0]} frames of {atoms} atoms"
        )
    rows = np.frombuffer(content, dtype=layout, offset=at)
    positions = np.stack([rows[name] for name in AXES], axis=2).astype(np.float64)
    return positions, np.array(rows["cell"][:, np.argsort(CELL)]) if whole[10] else None


def _read_back(folder: Path, subject: TrajectorySubject) -> str:
    largest, frames = 0.0, 0
    for one in subject.written:
        positions, vectors = subject.frames(one)
        found, cells = read_dcd((folder / f"replica-{one.replica}.dcd").read_bytes())
        if found.shape != positions.shape or (cells is None) != (vectors is None):
            raise InputError(f"replica-{one.replica}.dcd read back has other frames or atoms")
        off = np.abs(found - positions) / np.maximum(np.abs(positions), 1.0)
        largest, frames = max(largest, float(off.max(initial=0.0))), frames + len(one)
        if vectors is not None and cells is not None:
            largest = max(largest, float(np.abs(cells - lengths_and_angles(vectors)).max(initial=0.0)))
    if not largest <= 1e-6:
        raise InputError(f"what is read back differs by {largest:.1e} from the trajectory")
    return f"read back: {frames} frames, largest relative deviation {largest:.1e}"


FORMAT = Format(
    name="dcd",
    title="DCD files, float32, with a PDB file of residues, bonds and the cell",
    takes=TrajectorySubject,
    files=dcd_files,
    read_back=_read_back,
)
