"""Metadynamics in LAMMPS, by a ``fix external`` of its own."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError, StageError
from tasks.bias import metad_kernel as kernel
from tasks.bias.metad import MetaDBias
from tasks.bias.plumed_metad_engine import PlumedMetaDBias


class AttachedBias:
    """A bias in LAMMPS, as `attach_bias` returns it; LAMMPS' object keeps it, as C has its addresses."""

    def __init__(self, program: Any, bias: MetaDBias, plumed: PlumedMetaDBias | None, name: str) -> None:
        self._program, self._bias, self._plumed, self._name = program, bias, plumed, name
        self._buffer = bias.buffer
        program.command(f"fix {name} all external pf/callback 1 1")
        program.__dict__.setdefault("biases", {})[name] = self  # it lives as long as LAMMPS calls it

    def install(self, steps: int, before: int = 0) -> None:
        """Prepare a run; call it before every one.

        Parameters
        ----------
        steps
            Most steps of the run.
        before
            What to add to LAMMPS' step for the step of the bias.
        """
        self._bias.reserve(steps // self._bias.settings.pace + 1)
        self._buffer = self._bias.buffer
        self._buffer[kernel.OFFSET] = before
        if self._plumed is not None:
            self._before = before
            self._program.set_fix_external_callback(self._name, self._evaluate, None)
            return
        install = self._program.lib.lammps_set_fix_external_callback
        kinds = install.argtypes
        install.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]
        try:
            install(
                self._program.lmp, self._name.encode(), kernel.lammps_callback.address, self._buffer.ctypes.data
            )
        finally:
            install.argtypes = kinds

    def check(self) -> None:
        """Raise StageError if the bias has met an error, or the box is another; call it after every run."""
        if self._plumed is not None and self._plumed.problem:
            raise StageError(self._plumed.problem)
        if self._buffer is not self._bias.buffer:
            raise StageError("hills were added to the bias after `install`, which is needed before every run")
        self._bias.check()
        if _edges(self._program) != self._bias.box:
            raise StageError("the box of LAMMPS has changed; metadynamics needs one that stays as it is")

    def _evaluate(self, _caller: Any, step: int, nlocal: int, tag: Ints, x: Floats, f: Floats) -> None:
        """Call PLUMED, with the atoms in the order of their ids."""
        assert self._plumed is not None
        f[:nlocal] = 0.0
        if nlocal != len(self._plumed.masses):
            self._plumed.problem = "LAMMPS divided the atoms among several processes, or lost some"
            return
        atoms = np.ravel(tag)[:nlocal].astype(np.int64) - 1
        positions = np.empty((nlocal, 3))
        positions[atoms] = x[:nlocal]
        f[:nlocal] = self._plumed(step + self._before, positions)[atoms]


def attach_bias(
    program: Any, bias: MetaDBias, plumed: PlumedMetaDBias | None = None, name: str = "bias"
) -> AttachedBias:
    """Add the forces of a bias to LAMMPS; its energy and virial are not part of LAMMPS' own.

    The atom with the id k in LAMMPS is atom k - 1 of the bias, in whatever order LAMMPS keeps them.

    Parameters
    ----------
    program
        ``lammps.lammps()`` of one process with units real, and all atoms in it.
    bias
        The bias, computed by compiled code alone.
    plumed
        PLUMED with this bias, if it is to compute it: Python is then called at every step.
    name
        The name of the fix.

    Raises
    ------
    InputError
        If the units, the number of atoms or the box do not fit.
    """
    units = str(program.extract_global("units"))
    if units != "real":
        raise InputError(f"LAMMPS has units {units}; metadynamics needs units real")
    if not name.replace("_", "").isalnum() or not name.isascii():
        raise InputError(f"the name of a fix is {name!a}; allowed: letters, digits and underscores")
    if program.extract_setting("world_size") > 1:
        raise InputError("LAMMPS runs in several processes; metadynamics needs all atoms in one")
    if int(program.get_natoms()) != bias.natoms:
        raise InputError(f"LAMMPS has {int(program.get_natoms())} atoms; the bias has {bias.natoms}")
    edges = _edges(program)
    if edges != bias.box:
        raise InputError(f"the box of LAMMPS has the edges {edges}, and the bias was made for {bias.box}")
    bias.buffer[kernel.TAG_BYTES] = program.extract_setting("tagint")
    return AttachedBias(program, bias, plumed, name)


def _edges(program: Any) -> tuple[float, float, float] | None:
    """Return the edges of LAMMPS' rectangular box, Angstrom; None if it is not periodic.

    Raises
    ------
    InputError
        If it is tilted, or periodic along some edges only.
    """
    low, high, xy, yz, xz, periodic, _ = program.extract_box()
    if not any(periodic):
        return None
    if not all(periodic) or xy or yz or xz:
        raise InputError(
            "the box of LAMMPS is tilted, or periodic along some edges only; metadynamics needs a rectangular box "
            "that is periodic along all edges, or none"
        )
    x, y, z = (float(b) - float(a) for a, b in zip(low, high, strict=True))
    return x, y, z
