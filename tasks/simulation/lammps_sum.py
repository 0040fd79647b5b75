"""A sum in LAMMPS: all of its energy, forces and virial through ``fix external``."""

from __future__ import annotations

import ctypes
from typing import Any, Protocol, runtime_checkable

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError, NmerError, StageError
from potentials.evaluation import Evaluable
from potentials.systems.periodicity import check_box, evaluate_in_box
from potentials.units import EV
from tasks.simulation import lammps_callback as kernel

UNITS = {"real": 1.0, "metal": EV}
"""Unit of energy of LAMMPS' units that have lengths in Angstrom, kcal/mol."""

ORDER = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""LAMMPS' order of a virial."""


@runtime_checkable
class WithAddress(Protocol):
    """A potential that C can evaluate."""

    def c_address(self) -> tuple[int, int]:
        """Return the addresses of a function and of its data; raises InputError if it has none.

        ``double f(void *data, const double *positions, double *gradient, double *virial)`` of (n, 3), (n, 3) and
        (3, 3) in Angstrom and kcal/mol returns the energy, or NaN where it has none.
        """


class Attached:
    """A potential in LAMMPS, as `attach_to_lammps` returns it; LAMMPS' object keeps it, as C has its addresses.

    Attributes
    ----------
    compiled
        Whether LAMMPS calls compiled code alone; else it calls Python at every step.
    """

    def __init__(self, program: Any, potential: Evaluable, name: str, unit: float, periodic: bool) -> None:
        self._program, self._potential, self._name, self._unit = program, potential, name, unit
        self._periodic = periodic
        self._error: Exception | None = None
        self._memory: Ints = kernel.shared_memory(len(potential.symbols))
        self._bytes = ctypes.create_string_buffer(name.encode())
        address = None if periodic else _address_of(potential)
        self.compiled = address is not None
        program.command(f"fix {name} all external pf/callback 1 1")
        program.command(f"fix_modify {name} energy yes virial yes")
        if address is not None:
            self._install(address)
        else:
            program.set_fix_external_callback(name, self._evaluate, None)
        program.__dict__.setdefault("potentials", {})[name] = self  # it lives as long as LAMMPS calls it

    def check(self) -> None:
        """Raise the error of the step that could not be evaluated, if there was one; call it after every run.

        LAMMPS takes no error from a callback: such a step has an energy and forces that are not numbers, and so
        have all later ones.

        Raises
        ------
        NmerError
            The error.
        """
        if self._error is not None:
            raise self._error
        status = int(self._memory[kernel.STATUS])
        if status == kernel.LOST:
            raise StageError(
                "LAMMPS divided the atoms among several processes, or lost some; allowed: all atoms in one"
            )
        if status:
            evaluate_in_box(self._potential, kernel.positions_of(self._memory)[None], None)  # raises the reason
            raise StageError(
                "the potential has no energy at a step of LAMMPS: the geometry is outside of its range"
            )

    @property
    def failed_at(self) -> int | None:
        """LAMMPS' step whose error `check` raises; None if there is none."""
        if self._error is None and not self._memory[kernel.STATUS]:
            return None
        return int(self._memory[kernel.STEP])

    def _install(self, address: tuple[int, int]) -> None:
        """Give LAMMPS the compiled callback, and that the addresses which it needs."""
        program, memory, library = self._program, self._memory, self._program.lib
        memory[kernel.FUNCTION], memory[kernel.DATA] = address
        memory[kernel.PROGRAM] = _address(program.lmp)
        memory[kernel.NAME] = ctypes.addressof(self._bytes)
        for place, function in (
            (kernel.SET_ENERGY, library.lammps_fix_external_set_energy_global),
            (kernel.SET_VIRIAL, library.lammps_fix_external_set_virial_global),
        ):
            memory[place] = _address(function)
        memory[kernel.TAG_BYTES] = program.extract_setting("tagint")
        kernel.unit_of(memory)[0] = self._unit
        install = library.lammps_set_fix_external_callback
        kinds = install.argtypes
        install.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]
        try:
            install(program.lmp, self._name.encode(), kernel.callback.address, memory.ctypes.data)
        finally:
            install.argtypes = kinds

    def _evaluate(self, _caller: Any, step: int, nlocal: int, tag: Ints, x: Floats, f: Floats) -> None:
        """Evaluate in Python."""
        n = len(self._potential.symbols)
        energy, virial = np.nan, np.full((3, 3), np.nan)
        f[:nlocal] = np.nan
        try:
            failed = self.failed_at is not None
            if not failed and nlocal != n:
                self._memory[kernel.STATUS], self._memory[kernel.STEP] = kernel.LOST, step
            elif not failed:
                atoms = np.ravel(tag)[:n].astype(np.int64) - 1
                positions = np.empty((1, n, 3))
                positions[0, atoms] = x[:n]
                found = evaluate_in_box(self._potential, positions, self._vectors() if self._periodic else None)
                energy = float(found.energy[0]) / self._unit
                f[:n] = -found.gradient[0, atoms] / self._unit
                if found.virial is not None:
                    virial = -(found.virial[0] + found.virial[0].T) / (2 * self._unit)
        except Exception as error:  # whatever it is, LAMMPS would ignore it
            self._memory[kernel.STEP] = step
            self._error = error if isinstance(error, NmerError) else StageError(f"potential: {error!r}")
        self._program.fix_external_set_energy_global(self._name, energy)
        self._program.fix_external_set_virial_global(self._name, [virial[a, b] for a, b in ORDER])

    def _vectors(self) -> Floats:
        """Return LAMMPS' box as cell vectors, one a row."""
        low, high, xy, yz, xz, *_ = self._program.extract_box()
        x, y, z = np.subtract(high, low)
        return np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]])


def _address_of(potential: Evaluable) -> tuple[int, int] | None:
    """Return the addresses of a potential; None if it is evaluated by Python."""
    if not isinstance(potential, WithAddress):
        return None
    try:
        return potential.c_address()
    except InputError:
        return None


def _address(thing: Any) -> int:
    """Return the address of a function or object of a C library."""
    return int(ctypes.cast(thing, ctypes.c_void_p).value or 0)


def attach_to_lammps(program: Any, potential: Evaluable, name: str = "potential") -> Attached:
    """Make LAMMPS move atoms with a potential: its energy, forces and virial are added by a ``fix external``.

    The atom with the id k in LAMMPS is atom k - 1 of the potential, in whatever order LAMMPS keeps them.

    Parameters
    ----------
    program
        ``lammps.lammps()`` of one process, with units real or metal, its box and all atoms, and a pair style.
    potential
        The potential. One in vacuum with a ``c_address()`` is called by compiled code; others by Python, which
        takes some 20 microseconds more a step. A periodic one takes LAMMPS' box at every step.
    name
        The name of the fix.

    Raises
    ------
    InputError
        If the atoms, their ids, the units or the boundaries do not fit, or there are several processes.
    """
    units = str(program.extract_global("units"))
    if units not in UNITS:
        raise InputError(f"LAMMPS has units {units}; allowed: {', '.join(UNITS)}")
    if not name.replace("_", "").isalnum() or not name.isascii():
        raise InputError(f"the name of a fix is {name!a}; allowed: letters, digits and underscores")
    if program.extract_setting("world_size") > 1:
        raise InputError("LAMMPS runs in several processes; allowed: one, because the potential needs all atoms")
    have, wanted = int(program.get_natoms()), len(potential.symbols)
    if have != wanted:
        raise InputError(f"LAMMPS has {have} atoms; the potential has {wanted}")
    ids = np.array(program.numpy.extract_atom("id")[:have])
    if not np.array_equal(np.sort(ids), np.arange(1, have + 1)):
        raise InputError(f"the ids of LAMMPS' atoms are not 1 to {have}; allowed: these, in the potential's order")
    box = program.extract_box()[5]
    periodic = check_box(potential, [bool(p) for p in box], "boundary f f f or s s s", "boundary p p p")
    return Attached(program, potential, name, UNITS[units], periodic)
