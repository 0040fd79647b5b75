"""The compiled loop of the sum: every occurrence of every n-mer, caps, switching, polynomials, the chain rule.

Occurrences of one kind of n-mer are evaluated eight at a time, of one or of several configurations; one or two are
evaluated singly, which is faster. What lies beyond its switching is left out before anything else is computed.
"""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.pip.program_kernels import (
    OPTIONS,
    WIDTH,
    program_of_eight,
    program_of_one,
    variables_of_eight,
    variables_of_one,
)
from potentials.systems.kernel_atoms import gather, is_near, scatter, switch_off
from potentials.systems.occurrences import ATOMS, LEAVES, NODES, VARIABLES, Kinds, Places, Room, places_of

SINGLY = 2
"""Up to this number of occurrences are evaluated one at a time."""


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def add_corrections(
    positions: Floats,
    vectors: Floats,
    inverse: Floats,
    kinds: Kinds,
    places: Places,
    jobs: Ints,
    room: Room,
    energy: Floats,
    gradient: Floats,
    virial: Floats,
) -> int:
    """Add the corrections of some occurrences; return how many have two atoms in one place.

    Parameters
    ----------
    positions
        (m, n, 3), Angstrom, molecules whole.
    vectors, inverse
        (m or 1, 3, 3), the cell's vectors and their inverse; (0, 3, 3) without a cell.
    kinds, places
        The kinds of n-mers, and where they occur.
    jobs
        (jobs, 3): a kind, and the first and the end of its occurrences, numbered through all configurations.
    room
        Intermediate results.
    energy, gradient, virial
        (m, kinds), (m, n, 3) and (m, 3, 3); they are added to.
    """
    touching = 0
    for job in range(len(jobs)):
        kind = jobs[job, 0]
        count = places.counts[kind]
        waiting = 0
        for item in range(jobs[job, 1], jobs[job, 2]):
            c = item // count
            where = places_of(kinds, kind, item - c * count)
            if is_near(positions[c], _of(vectors, c), _of(inverse, c), kinds, places, kind, where, room, waiting):
                room.items[waiting] = item
                waiting += 1
            if waiting == WIDTH:
                touching += _evaluate(positions, kinds, places, kind, waiting, room, energy, gradient, virial)
                waiting = 0
        if waiting:
            touching += _evaluate(positions, kinds, places, kind, waiting, room, energy, gradient, virial)
    return touching


@njit(inline="always", **OPTIONS)  # type: ignore[untyped-decorator]
def _of(cells: Floats, c: int) -> Floats:
    """Return the matrix of a configuration; all share the first if there is only one."""
    return cells[c : c + 1] if len(cells) > 1 else cells


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _evaluate(
    positions: Floats,
    kinds: Kinds,
    places: Places,
    kind: int,
    waiting: int,
    room: Room,
    energy: Floats,
    gradient: Floats,
    virial: Floats,
) -> int:
    """Add the corrections of up to eight occurrences of a kind."""
    count = places.counts[kind]
    starts, ends = kinds.starts[kind], kinds.starts[kind + 1]
    low, high = starts[VARIABLES], ends[VARIABLES]
    points, numbers, forms = kinds.points[low:high], kinds.numbers[low:high], kinds.forms[low:high]
    low, high = starts[NODES], ends[NODES]
    parents, factors, own = kinds.parents[low:high], kinds.factors[low:high], kinds.own[low:high]
    begins = kinds.begins[low + kind : high + kind + 1]
    low, high = starts[LEAVES], ends[LEAVES]
    leaves, coefficients = kinds.leaves[low:high], kinds.coefficients[low:high]
    variables, nodes = len(points), len(parents)
    natoms = ends[ATOMS] - starts[ATOMS]
    at, pull, value = room.at[: 3 * natoms], room.pull[: 3 * natoms], room.value
    touching = 0
    for lane in range(waiting):
        c = room.items[lane] // count
        where = places_of(kinds, kind, room.items[lane] - c * count)
        gather(positions[c], kinds.bodies, starts[ATOMS], places, where, natoms, room.shifts[lane], at, lane)
    if waiting <= SINGLY:
        r, chain, slopes = room.one[0, :variables], room.one[1, :variables], room.one[2, :variables]
        x = room.x.reshape(-1)[:variables]
        product, adjoint = room.one[3], room.one[4]
        for lane in range(waiting):
            variables_of_one(at, lane, points, numbers, forms, r, room.x, chain)
            value[0, lane] = program_of_one(
                x, parents, factors, own, begins, leaves, coefficients, product, adjoint, slopes
            )
            for row in range(3 * natoms):
                pull[row, lane] = 0.0
            for v in range(variables):
                i, j = 3 * points[v, 0], 3 * points[v, 1]
                along = slopes[v] * chain[v]
                for axis in range(3):
                    part = along * (at[i + axis, lane] - at[j + axis, lane])
                    pull[i + axis, lane] += part
                    pull[j + axis, lane] -= part
    else:
        for lane in range(waiting, WIDTH):  # copies, whose results are not used
            for row in range(3 * natoms):
                at[row, lane] = at[row, 0]
        x, chain, slopes = room.x[:variables], room.chain[:variables], room.slopes[:variables]
        variables_of_eight(at, points, numbers, forms, x, chain)
        program_of_eight(
            x, parents, factors, own, begins, leaves, coefficients, room.product[:nodes], room.adjoint[:nodes],
            value, slopes,
        )  # fmt: skip
        _pull_of_eight(at, points, chain, slopes, pull)
    for lane in range(waiting):
        c = room.items[lane] // count
        where = places_of(kinds, kind, room.items[lane] - c * count)
        energy[c, kind] += room.switch[lane] * value[0, lane]
        total = value[0, lane]
        for row in range(3 * natoms):
            total += pull[row, lane]
            pull[row, lane] *= room.switch[lane]
        touching += not np.isfinite(total)  # the slope of a distance of 0 is not a number
        switch_off(kinds, kind, value[0, lane], room.key_pull[lane], pull, lane)
        scatter(
            positions[c], kinds.bodies, starts[ATOMS], places, where, natoms, room.shifts[lane], pull, lane,
            gradient[c], virial[c],
        )  # fmt: skip
    return touching


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _pull_of_eight(at: Floats, points: Ints, chain: Floats, slopes: Floats, pull: Floats) -> None:
    """Write the gradients on the placed atoms."""
    pull[:] = 0.0
    for v in range(len(points)):
        i, j = 3 * points[v, 0], 3 * points[v, 1]
        for lane in range(WIDTH):
            slopes[v, lane] *= chain[v, lane]
        for axis in range(3):
            for lane in range(WIDTH):
                part = slopes[v, lane] * (at[i + axis, lane] - at[j + axis, lane])
                pull[i + axis, lane] += part
                pull[j + axis, lane] -= part
