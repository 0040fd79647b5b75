"""LAMMPS as a library: an n-mer in vacuum with a Langevin thermostat and a compiled bias."""

from __future__ import annotations

import contextlib
import ctypes
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from potentials.arrays import Floats
from potentials.errors import StageError
from potentials.nmers.nmer import NMer
from recipes.schema.sampling import AtomType
from tasks.bias.kernel import lammps_callback
from tasks.mpi import load_mpi
from tasks.sampling.force_field import FORCE_FIELDS, ForceFunction, nmer_parameters
from tasks.sampling.force_fields.lammps_input import force_field_commands, lammps_data, motion_commands
from tasks.sampling.force_fields.parameters import Parameters


class ExplosionError(StageError):
    """LAMMPS lost atoms, a number is not finite, or a calculator gave no forces."""


@contextlib.contextmanager
def simulation(
    nmer: NMer,
    data_file: Path,
    *,
    force_field: str = "ff14SB",
    atom_types: Sequence[AtomType] = (),
    temperature: float,
    timestep: float,
    damping: float,
    seed: int,
) -> Iterator[Any]:
    """Open LAMMPS with an n-mer at its starting geometry and the thermostat, without a bias.

    Parameters
    ----------
    nmer
        The n-mer.
    data_file
        LAMMPS' data file, which is written.
    force_field
        The force field, computed by LAMMPS from its parameters or by its own calculator.
    atom_types
        Types and charges that the recipe gives.
    temperature
        K.
    timestep, damping
        fs.
    seed
        Seed of the thermostat.

    Raises
    ------
    InputError
        If a library is missing, or the force field has no parameters for the n-mer.
    """
    load_mpi()
    from lammps import lammps

    declared = FORCE_FIELDS.get(force_field)
    calculator = declared.calculator(nmer) if declared.calculator else None
    parameters = (
        Parameters(charges=[0.0] * nmer.natoms) if calculator else nmer_parameters(nmer, force_field, atom_types)
    )
    data_file.write_text(lammps_data(nmer, parameters))
    program = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    try:
        with data_file.open() as source:
            # LAMMPS accepts only ASCII, and a path may have other characters
            path = Path(f"/dev/fd/{source.fileno()}")
            commands = force_field_commands(nmer, parameters, declared.conventions, path)
            program.commands_list([*commands, *motion_commands(temperature, timestep, damping, seed)])
        _check_order(program)
        if calculator is None:
            yield program
        else:
            # more than one thread is slower for a small molecule, and sums depend on the number of threads
            with threadpool_limits(limits=1):
                _install_forces(program, force_field, calculator)
                yield program
    finally:
        program.close()


def _install_forces(program: Any, name: str, calculator: ForceFunction) -> None:
    """Take the forces from a calculator; its energy is LAMMPS' potential energy.

    LAMMPS ignores exceptions of a callback: an error is stored for `run`, and the forces are zero from then on.
    """
    program.complaint = ""

    def callback(_caller: Any, _step: int, nlocal: int, _tag: Any, x: Floats, f: Floats) -> None:
        f[:] = 0.0
        if program.complaint:
            return
        try:
            energy, f[:nlocal] = calculator(x[:nlocal])
            program.fix_external_set_energy_global("forces", energy)
        except Exception as error:
            program.complaint = f"{name}: {' '.join(str(error).split())}"

    program.command("fix forces all external pf/callback 1 1")
    program.command("fix_modify forces energy yes")
    program.set_fix_external_callback("forces", callback, None)


def _check_order(program: Any) -> None:
    """Raise RuntimeError unless LAMMPS has the atoms in the order of the data file, which the bias requires."""
    atoms = int(program.get_natoms())
    if not np.array_equal(program.numpy.extract_atom("id")[:atoms], np.arange(1, atoms + 1)):
        raise RuntimeError("LAMMPS reordered the atoms; the bias requires the order of the data file")


def install_bias(program: Any, buffer: Floats) -> None:
    """Add the compiled kernel's forces at every step; the buffer must outlive the simulation."""
    program.command("fix bias all external pf/callback 1 1")
    set_callback = program.lib.lammps_set_fix_external_callback
    set_callback.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]
    set_callback(program.lmp, b"bias", lammps_callback.address, buffer.ctypes.data)


def install_python_bias(program: Any, bias: Callable[[int, Floats], Floats]) -> None:
    """Add the forces of a Python function (step, positions) -> forces at every step, which is slow."""

    def callback(_caller: Any, step: int, _nlocal: int, _tag: Any, x: Floats, f: Floats) -> None:
        f[:] = bias(step, x)

    program.command("fix bias all external pf/callback 1 1")
    program.set_fix_external_callback("bias", callback, None)


def run(program: Any, steps: int, first: bool = False) -> None:
    """Run some steps; the first run of an instance needs `first`, which sets it up.

    Raises
    ------
    ExplosionError
        If LAMMPS stops, a coordinate is not finite, or a calculator gives no energy.
    """
    try:
        program.command(f"run {steps} pre {'yes' if first else 'no'} post no")
    except Exception as error:  # LAMMPS raises plain Exception for every failure of its own
        raise ExplosionError(_take_complaint(program) or " ".join(str(error).split())) from None
    if complaint := _take_complaint(program):
        raise ExplosionError(complaint)
    if not np.isfinite(program.numpy.extract_atom("x")).all():
        raise ExplosionError("a coordinate is not finite")


def _take_complaint(program: Any) -> str:
    """Return the error of a calculator since the last call; empty if there is none, or no calculator."""
    complaint: str = getattr(program, "complaint", "")
    program.complaint = ""
    return complaint


def run_recorded(program: Any, frames: int, stride: int) -> Floats:
    """Run `frames` times `stride` steps, counted from 0, and return the energy at the end of each stride.

    This is one long run, because starting a run takes as long as seventy steps of a small dimer.

    Returns
    -------
    (frames,), potential energy without the bias, kcal/mol.

    Raises
    ------
    ExplosionError
        As `run`.
    """
    program.command("reset_timestep 0")
    program.command(f"fix energies all vector {stride} c_thermo_pe")
    run(program, frames * stride, first=True)
    _check_order(program)
    every = [program.extract_fix("energies", 0, 1, row) for row in range(frames + 1)]
    return np.array(every[1:], dtype=np.float64)  # the first is that of step 0


@contextlib.contextmanager
def force_function(nmer: NMer, force_field: str, atom_types: Sequence[AtomType] = ()) -> Iterator[ForceFunction]:
    """Open the force field of an n-mer as a function of its positions, without a bias.

    Parameters
    ----------
    nmer
        The n-mer.
    force_field
        One of the recipe's force fields.
    atom_types
        Types and charges that the recipe gives.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        simulation(
            nmer,
            Path(folder) / "atoms.data",
            force_field=force_field,
            atom_types=atom_types,
            temperature=300.0,
            timestep=0.5,
            damping=100.0,
            seed=1,
        ) as program,
    ):
        program.commands_list(["unfix move", "unfix bath", "unfix centre"])

        def evaluate(x: Floats) -> tuple[float, Floats]:
            program.numpy.extract_atom("x")[: nmer.natoms] = x
            run(program, 0, first=True)
            forces = np.array(program.numpy.extract_atom("f")[: nmer.natoms])
            return float(program.get_thermo("pe")), forces

        yield evaluate
