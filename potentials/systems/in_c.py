"""A sum in vacuum as a C function: LAMMPS and other programs call it without Python.

The function gets the address of a table that has a row for each array of the sum: its address and its shape. What
V_phys knows of the steps before is in one of these arrays, so that the table belongs to one trajectory.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import carray, cfunc, njit, pointer
from potentials.evaluation import Evaluation
from potentials.physics.isolated import SHARES, Isolated, Work, evaluate
from potentials.physics.solver import DEPTH
from potentials.physics.trajectory import ALONG
from potentials.pip.program_kernels import OPTIONS
from potentials.systems.corrections import NO_CELL, Corrections
from potentials.systems.kernel import add_corrections
from potentials.systems.occurrences import Kinds, Places, Room

SIGNATURE = "float64(voidptr, CPointer(float64), CPointer(float64), CPointer(float64))"
"""``double f(void *data, const double *positions, double *gradient, double *virial)``, NaN where it has none."""

PHYSICS_SHARES = tuple(f"V_phys {share}" for share in SHARES)
"""Names of the contributions to V_phys among those to a sum."""

ROWS = 64
"""Rows of the table, each an address and up to three lengths."""

_KINDS, _PLACES, _ROOM, _SYSTEM, _WORK = 8, 22, 26, 39, 49  # where the arrays of each begin


@njit(inline="always", **OPTIONS)  # type: ignore[untyped-decorator]
def _floats1(table: Ints, row: int) -> Any:
    return carray(pointer(table[row, 0]), (table[row, 1],), np.float64)


@njit(inline="always", **OPTIONS)  # type: ignore[untyped-decorator]
def _floats2(table: Ints, row: int) -> Any:
    return carray(pointer(table[row, 0]), (table[row, 1], table[row, 2]), np.float64)


@njit(inline="always", **OPTIONS)  # type: ignore[untyped-decorator]
def _floats3(table: Ints, row: int) -> Any:
    return carray(pointer(table[row, 0]), (table[row, 1], table[row, 2], table[row, 3]), np.float64)


@njit(inline="always", **OPTIONS)  # type: ignore[untyped-decorator]
def _ints1(table: Ints, row: int) -> Any:
    return carray(pointer(table[row, 0]), (table[row, 1],), np.int64)


@njit(inline="always", **OPTIONS)  # type: ignore[untyped-decorator]
def _ints2(table: Ints, row: int) -> Any:
    return carray(pointer(table[row, 0]), (table[row, 1], table[row, 2]), np.int64)


@njit(inline="always", **OPTIONS)  # type: ignore[untyped-decorator]
def _small1(table: Ints, row: int) -> Any:
    return carray(pointer(table[row, 0]), (table[row, 1],), np.uint32)


@njit(inline="always", **OPTIONS)  # type: ignore[untyped-decorator]
def _small2(table: Ints, row: int) -> Any:
    return carray(pointer(table[row, 0]), (table[row, 1], table[row, 2]), np.uint32)


@njit(inline="always", **OPTIONS)  # type: ignore[untyped-decorator]
def _bytes2(table: Ints, row: int) -> Any:
    return carray(pointer(table[row, 0]), (table[row, 1], table[row, 2]), np.uint8)


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _corrections(t: Ints, x: Floats, gradient: Floats, virial: Floats) -> float:
    """Add the corrections, and return their energy; NaN if two atoms are in one place."""
    k, p, r = _KINDS, _PLACES, _ROOM
    kinds = Kinds(
        _ints2(t, k), _ints1(t, k + 1), _small2(t, k + 2), _floats2(t, k + 3), _bytes2(t, k + 4),
        _small1(t, k + 5), _small1(t, k + 6), _floats1(t, k + 7), _ints1(t, k + 8), _small1(t, k + 9),
        _floats1(t, k + 10), _ints1(t, k + 11), _ints1(t, k + 12), _floats2(t, k + 13),
    )  # fmt: skip
    places = Places(_ints1(t, p), _ints1(t, p + 1), _ints1(t, p + 2), _floats1(t, p + 3))
    room = Room(
        _floats2(t, r), _floats2(t, r + 1), _floats2(t, r + 2), _floats2(t, r + 3), _floats2(t, r + 4),
        _floats2(t, r + 5), _floats2(t, r + 6), _floats2(t, r + 7), _floats2(t, r + 8), _ints1(t, r + 9),
        _floats1(t, r + 10), _floats3(t, r + 11), _floats3(t, r + 12),
    )  # fmt: skip
    energy, none = _floats2(t, 3), _floats3(t, 4)
    energy[:] = 0.0
    touching = add_corrections(x, none, none, kinds, places, _ints2(t, 1), room, energy, gradient, virial)
    return np.nan if touching else energy.sum()


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _physics(t: Ints, x: Floats, gradient: Floats, virial: Floats) -> float:
    """Write V_phys' gradient and virial, and return its energy; NaN where the dipoles have no solution."""
    s, w = _SYSTEM, _WORK
    state, numbers, shares = _ints1(t, 0), _floats1(t, 2), _floats2(t, 5)
    work = Work(
        _floats1(t, w), _floats1(t, w + 1), _floats1(t, w + 2), _floats1(t, w + 3), _floats2(t, w + 4),
        _floats2(t, w + 5), _floats1(t, w + 6), _floats2(t, w + 7),
    )  # fmt: skip
    status, _, known = evaluate(
        x, _floats2(t, s), _ints1(t, s + 1), _floats3(t, s + 2), (_ints1(t, s + 3), _ints1(t, s + 4)),
        (_ints1(t, s + 5), _ints1(t, s + 6)), (_ints1(t, s + 7), _ints1(t, s + 8)), _ints1(t, s + 9),
        (numbers[0], numbers[1], numbers[2]), numbers[3], _floats2(t, 7), state[2], work, shares, gradient, virial,
    )  # fmt: skip
    state[2] = known if status >= 0 else 0
    return shares.sum() if status >= 0 else np.nan


@cfunc(SIGNATURE, cache=True)
def sum_in_c(data, positions, gradient, virial):  # type: ignore[no-untyped-def]
    """Write the gradient (n, 3) and the virial (3, 3), and return the energy, in Angstrom and kcal/mol."""
    table = carray(data, (ROWS, 4), np.int64)
    state = _ints1(table, 0)
    x, g, v = carray(positions, (1, state[0], 3)), carray(gradient, (1, state[0], 3)), carray(virial, (1, 3, 3))
    energy = 0.0
    if state[1] != 0:
        energy = _physics(table, x, g, v)
    else:
        g[:] = 0.0
        v[:] = 0.0
    return energy + _corrections(table, x, g, v)


class InC:
    """The arrays of a sum as C gets them; they must exist for as long as C calls the function.

    Parameters
    ----------
    natoms
        Number of atoms.
    corrections
        The corrections of the n-mers.
    names
        Their names.
    physics
        V_phys; None if there is none.
    """

    def __init__(
        self, natoms: int, corrections: Corrections, names: Sequence[str], physics: Isolated | None
    ) -> None:
        kinds, places, jobs, room = corrections.arrays
        system = (np.zeros((4, 0)), *(np.zeros(0, dtype=np.int64),) * 9) if physics is None else physics.arrays
        numbers = np.zeros(4) if physics is None else np.array([*physics.factors, ALONG])
        work = (np.zeros(0),) * 8 if physics is None else tuple(physics.work())
        self._natoms, self._names, self._physics = natoms, tuple(names), physics is not None
        state = np.array([natoms, physics is not None, 0], dtype=np.int64)
        past = np.zeros((DEPTH, 3 * natoms))
        self._arrays: tuple[np.ndarray, ...] = (
            state, jobs, numbers, np.zeros((1, len(places.counts))), NO_CELL, np.zeros((1, 4)), np.zeros(0), past,
            *kinds, *places, *room, *system, *work,
        )  # fmt: skip
        self._table: Ints = np.zeros((ROWS, 4), dtype=np.int64)
        for row, array in zip(self._table, self._arrays, strict=False):
            row[0] = array.ctypes.data
            row[1 : 1 + array.ndim] = array.shape

    @property
    def address(self) -> tuple[int, int]:
        """The addresses of the function and of its data."""
        return sum_in_c.address, self._table.ctypes.data

    def evaluate(self, positions: Floats) -> Evaluation | None:
        """Return the energy of a configuration, (atoms, 3), as the next step; None where C has none."""
        x = np.ascontiguousarray(positions, dtype=np.float64)
        gradient, virial = np.empty((1, self._natoms, 3)), np.empty((1, 3, 3))
        given = (self._table, x, gradient, virial)
        energy = self._function(*(array.ctypes.data for array in given))
        if not math.isfinite(energy):
            return None
        shares = dict(zip(self._names, self._arrays[3].T.copy(), strict=True))
        if self._physics:
            shares |= zip(PHYSICS_SHARES, self._arrays[5].T.copy(), strict=True)
        return Evaluation(np.array([energy]), gradient, shares, virial)

    @cached_property
    def _function(self) -> Any:
        return ctypes.CFUNCTYPE(ctypes.c_double, *(ctypes.c_void_p,) * 4)(sum_in_c.address)
