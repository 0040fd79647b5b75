"""Format ``xtc``: a trajectory as GROMACS writes it, compressed to 0.001 nm, with its topology."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from potentials.errors import InputError, MissingProgramError
from storage.exchange.exporter import Contents, Format
from storage.exchange.mdtraj_frames import MDTRAJ, NANOMETRE, PICOSECOND
from storage.exchange.trajectory_subject import TOPOLOGY, TrajectorySubject

PRECISION = 0.01
"""Positions are rounded to this, Angstrom."""


def xtc_files(subject: TrajectorySubject) -> Contents:
    """Return the topology, and one XTC file for each replica with frames.

    Raises
    ------
    InputError
        If mdtraj, which writes the files, is missing.
    """
    if lack := MDTRAJ.lack():
        raise MissingProgramError(f"format 'xtc' {lack}")
    from mdtraj.formats import XTCTrajectoryFile

    found: dict[str, str | bytes] = {TOPOLOGY: subject.topology()}
    with TemporaryDirectory(prefix="nmer-xtc-") as folder:
        for one in subject.written:
            positions, vectors = subject.frames(one)
            path = Path(folder) / f"replica-{one.replica}.xtc"
            with XTCTrajectoryFile(str(path), "w") as file:
                file.write(
                    np.asarray(positions / NANOMETRE, dtype=np.float32),
                    time=np.asarray(one.times / PICOSECOND, dtype=np.float32),
                    step=np.asarray(one.steps % 2**31, dtype=np.int32),
                    box=None if vectors is None else np.asarray(vectors / NANOMETRE, dtype=np.float32),
                )
            found[path.name] = path.read_bytes()
    return found


def _read_back(folder: Path, subject: TrajectorySubject) -> str:
    from mdtraj.formats import XTCTrajectoryFile

    largest, frames = 0.0, 0
    for one in subject.written:
        positions, vectors = subject.frames(one)
        with XTCTrajectoryFile(str(folder / f"replica-{one.replica}.xtc")) as file:
            found, _, _, box = file.read()
        if found.shape != positions.shape:
            raise InputError(f"replica-{one.replica}.xtc read back has other frames or atoms")
        off = np.abs(NANOMETRE * found - positions) - 1e-6 * np.abs(positions)
        largest, frames = max(largest, float(off.max(initial=0.0))), frames + len(one)
        if vectors is not None and np.abs(NANOMETRE * box - vectors).max(initial=0.0) > 1e-4:
            raise InputError(f"replica-{one.replica}.xtc read back has another cell")
    if not largest <= 0.51 * PRECISION:
        raise InputError(f"what is read back differs by {largest:.1e} A from the trajectory")
    return f"read back: {frames} frames, largest deviation {largest:.1e} A"


FORMAT = Format(
    name="xtc",
    title="XTC files, rounded to 0.001 nm, with a PDB file of residues, bonds and the cell",
    takes=TrajectorySubject,
    files=xtc_files,
    read_back=_read_back,
    needs=(MDTRAJ,),
)
