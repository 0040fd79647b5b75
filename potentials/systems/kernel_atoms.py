"""Atoms of an occurrence in the compiled sum: switching, images, caps, and the gradients back on the atoms."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.pip.program_kernels import OPTIONS
from potentials.systems.occurrences import KEY_ATOMS, KEYS, Kinds, Places, Room


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def is_near(
    x: Floats,
    vectors: Floats,
    inverse: Floats,
    kinds: Kinds,
    places: Places,
    kind: int,
    where: int,
    room: Room,
    lane: int,
) -> bool:
    """Write switching, its slopes and the images of the bodies of an occurrence; False if it is switched off."""
    first, end = kinds.starts[kind, KEYS], kinds.starts[kind + 1, KEYS]
    count = end - first
    room.switch[lane] = 1.0
    if count == 0:
        room.shifts[lane] = 0.0
        return True
    shifts, pull = room.shifts[lane], room.key_pull[lane]
    r_in, r_out = kinds.radii[kind, 0], kinds.radii[kind, 1]
    points = room.one  # (5, ...), rows 0 to 2 hold the keys' coordinates
    start = kinds.starts[kind, KEY_ATOMS]
    for key in range(count):
        low, high = kinds.key_begins[first + kind + key], kinds.key_begins[first + kind + key + 1]
        for axis in range(3):
            total = 0.0
            for n in range(low, high):
                total += x[places.atoms[where + kinds.key_atoms[start + n]], axis]
            points[axis, key] = total / (high - low)
            shifts[key, axis] = 0.0
            pull[key, axis] = 0.0
    if len(vectors):
        for key in range(1, count):  # the image nearest to the first body
            for row in range(3):
                turns = 0.0
                for axis in range(3):
                    turns += (points[axis, key] - points[axis, 0]) * inverse[0, axis, row]
                turns = np.rint(turns)
                for axis in range(3):
                    shifts[key, axis] -= turns * vectors[0, row, axis]
            for axis in range(3):
                points[axis, key] += shifts[key, axis]
    value = 1.0
    for i in range(count):
        for j in range(i + 1, count):
            dx = points[0, i] - points[0, j]
            dy = points[1, i] - points[1, j]
            dz = points[2, i] - points[2, j]
            r2 = dx * dx + dy * dy + dz * dz
            if r2 >= r_out * r_out:
                return False
            if r2 <= r_in * r_in:
                continue
            r = np.sqrt(r2)
            phase = np.pi * (r - r_in) / (r_out - r_in)
            s = (1.0 + np.cos(phase)) / 2.0
            slope = -np.sin(phase) * np.pi / (2.0 * (r_out - r_in)) / r * value
            for key in range(count):  # the product rule, one factor at a time
                for axis in range(3):
                    pull[key, axis] *= s
            value *= s
            for axis, d in enumerate((dx, dy, dz)):
                pull[i, axis] += slope * d
                pull[j, axis] -= slope * d
    room.switch[lane] = value
    return value > 0.0


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def switch_off(kinds: Kinds, kind: int, value: float, slopes: Floats, pull: Floats, lane: int) -> None:
    """Add the gradient of the switching on the atoms of the keys."""
    first, end = kinds.starts[kind, KEYS], kinds.starts[kind + 1, KEYS]
    start = kinds.starts[kind, KEY_ATOMS]
    for key in range(end - first):
        low, high = kinds.key_begins[first + kind + key], kinds.key_begins[first + kind + key + 1]
        for n in range(low, high):
            atom = 3 * kinds.key_atoms[start + n]
            for axis in range(3):
                pull[atom + axis, lane] += value * slopes[key, axis] / (high - low)


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def gather(
    x: Floats,
    bodies: Ints,
    first: int,
    places: Places,
    where: int,
    natoms: int,
    shifts: Floats,
    at: Floats,
    lane: int,
) -> None:
    """Write the atoms of an occurrence into a column: bodies at the images next to the first, caps placed."""
    for a in range(natoms):
        body = bodies[first + a]
        atom, anchor, length = places.atoms[where + a], places.anchors[where + a], places.lengths[where + a]
        if atom == anchor:
            for axis in range(3):
                at[3 * a + axis, lane] = x[atom, axis] + shifts[body, axis]
            continue
        dx, dy, dz = x[atom, 0] - x[anchor, 0], x[atom, 1] - x[anchor, 1], x[atom, 2] - x[anchor, 2]
        scale = length / np.sqrt(dx * dx + dy * dy + dz * dz)
        at[3 * a, lane] = x[anchor, 0] + shifts[body, 0] + scale * dx
        at[3 * a + 1, lane] = x[anchor, 1] + shifts[body, 1] + scale * dy
        at[3 * a + 2, lane] = x[anchor, 2] + shifts[body, 2] + scale * dz


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def scatter(
    x: Floats,
    bodies: Ints,
    first: int,
    places: Places,
    where: int,
    natoms: int,
    shifts: Floats,
    pull: Floats,
    lane: int,
    gradient: Floats,
    virial: Floats,
) -> None:
    """Add the gradients of an occurrence to those of the molecule's atoms, those of caps by the chain rule.

    A cap at a + L u moves with the outer atom by L / d (1 - u u^T), and with its anchor a by the rest.
    """
    for a in range(natoms):
        body = bodies[first + a]
        atom, anchor, length = places.atoms[where + a], places.anchors[where + a], places.lengths[where + a]
        gx, gy, gz = pull[3 * a, lane], pull[3 * a + 1, lane], pull[3 * a + 2, lane]
        if atom != anchor:
            dx, dy, dz = x[atom, 0] - x[anchor, 0], x[atom, 1] - x[anchor, 1], x[atom, 2] - x[anchor, 2]
            d2 = dx * dx + dy * dy + dz * dz
            along, scale = (dx * gx + dy * gy + dz * gz) / d2, length / np.sqrt(d2)
            ox, oy, oz = scale * (gx - along * dx), scale * (gy - along * dy), scale * (gz - along * dz)
            _add(atom, ox, oy, oz, x, shifts[body], gradient, virial)
            _add(anchor, gx - ox, gy - oy, gz - oz, x, shifts[body], gradient, virial)
        else:
            _add(atom, gx, gy, gz, x, shifts[body], gradient, virial)


@njit(inline="always", **OPTIONS)  # type: ignore[untyped-decorator]
def _add(
    atom: int, gx: float, gy: float, gz: float, x: Floats, shift: Floats, gradient: Floats, virial: Floats
) -> None:
    """Add a gradient to an atom's, and its part of the virial at the atom's image."""
    gradient[atom, 0] += gx
    gradient[atom, 1] += gy
    gradient[atom, 2] += gz
    for axis in range(3):
        place = x[atom, axis] + shift[axis]
        virial[0, axis] += gx * place
        virial[1, axis] += gy * place
        virial[2, axis] += gz * place
