"""The compiled function that LAMMPS' ``fix external`` calls: it calls a potential's C function for all atoms.

All that it needs is in one array of 64-bit numbers: first whole numbers, at the places below, then floating-point
numbers: a unit of energy, positions (3 n), gradient (3 n), virial (9) and its six components in LAMMPS' order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import AtAddress, carray, cfunc

FUNCTION, DATA, PROGRAM, NAME, SET_ENERGY, SET_VIRIAL, ATOMS, TAG_BYTES, STATUS, STEP, SELF, HEADER = range(12)
"""Places of the whole numbers: addresses, the number of atoms, bytes of a tag, what went wrong, and at which step.

After an error nothing is evaluated any more, so that the positions remain those of that step.
"""

LOST, NOT_FINITE = 1, 2
"""What can go wrong: not all atoms are in this process; the energy is not a number."""

evaluate: Any = AtAddress("float64(intp, intp, intp, intp)")
"""``double f(void *data, const double *positions, double *gradient, double *virial)``."""
set_energy: Any = AtAddress("none(intp, intp, float64)")
set_virial: Any = AtAddress("none(intp, intp, intp)")


def shared_memory(natoms: int) -> Ints:
    """Return the array for a number of atoms; the address is valid for as long as it exists."""
    memory = np.zeros(HEADER + 1 + 6 * natoms + 9 + 6, dtype=np.int64)
    memory[ATOMS], memory[SELF] = natoms, memory.ctypes.data
    return memory


def positions_of(memory: Ints) -> Floats:
    """Return the positions that were evaluated last, (n, 3), Angstrom."""
    n = int(memory[ATOMS])
    return memory[HEADER + 1 : HEADER + 1 + 3 * n].view(np.float64).reshape(n, 3).copy()


def unit_of(memory: Ints) -> Floats:
    """Return a view of the unit of energy of the program, kcal/mol."""
    return memory[HEADER : HEADER + 1].view(np.float64)


@cfunc(
    "void(voidptr, int64, int32, voidptr, CPointer(CPointer(float64)), CPointer(CPointer(float64)))", cache=True
)
def callback(pointer, step, nlocal, tags, x, f):  # type: ignore[no-untyped-def]
    """LAMMPS' callback; `pointer` is the address of the array."""
    header = carray(pointer, (HEADER,), np.int64)
    n = header[ATOMS]
    numbers = carray(pointer, (HEADER + 1 + 6 * n + 15,), np.float64)
    unit, at = numbers[HEADER], HEADER + 1
    energy = math.nan
    if header[STATUS] == 0 and nlocal != n:
        header[STATUS], header[STEP] = LOST, step
    if header[STATUS] == 0:
        small, large = carray(tags, (n,), np.int32), carray(tags, (n,), np.int64)
        places = carray(x[0], (nlocal, 3))
        for i in range(n):
            atom = (np.int64(small[i]) if header[TAG_BYTES] == 4 else large[i]) - 1
            for axis in range(3):
                numbers[at + 3 * atom + axis] = places[i, axis]
        first = header[SELF] + 8 * at
        energy = evaluate(header[FUNCTION], (header[DATA], first, first + 24 * n, first + 48 * n)) / unit
        if not math.isfinite(energy):
            header[STATUS], header[STEP] = NOT_FINITE, step
        forces, slopes, virial = carray(f[0], (nlocal, 3)), at + 3 * n, at + 6 * n
        for i in range(n):
            atom = (np.int64(small[i]) if header[TAG_BYTES] == 4 else large[i]) - 1
            for axis in range(3):
                forces[i, axis] = -numbers[slopes + 3 * atom + axis] / unit
        place = virial + 9
        for a in range(3):
            numbers[place + a] = -numbers[virial + 4 * a] / unit
            for b in range(a + 1, 3):
                both = numbers[virial + 3 * a + b] + numbers[virial + 3 * b + a]
                numbers[place + 2 + a + b] = -both / (2 * unit)
        set_virial(header[SET_VIRIAL], (header[PROGRAM], header[NAME], header[SELF] + 8 * place))
    if header[STATUS] != 0:
        energy = math.nan
        lost = carray(f[0], (nlocal, 3))
        for i in range(nlocal):
            for axis in range(3):
                lost[i, axis] = math.nan
    set_energy(header[SET_ENERGY], (header[PROGRAM], header[NAME], energy))
