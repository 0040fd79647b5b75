"""The compiled kernel: well-tempered PBMetaD with partitioned CV families, and walls.

It reproduces PLUMED's PBMETAD (with PF): values and derivatives on a grid, cubic interpolation, Gaussians cut off
at (s-c)^2/(2 sigma^2) = 6.25, one hill per variable at each deposition with a weight from the softmax over all
variables, none at the first step, and values computed before the hills of the same step are added.

The buffer: header, masses, table of variables, table of families, grid values, grid derivatives, and work space of
16 numbers per variable (value, derivative of the bias, bias, derivatives by the atoms, weight).
"""

from __future__ import annotations

import math

import numpy as np

from potentials.compiled import carray, cfunc, njit
from tasks.bias.kernel_variables import inlined, variable

HEADER, CV_ROW, FAMILY_ROW = 32, 6, 6
LENGTH = 13
"""Index in the header of the length of the buffer."""

ERROR, BIAS, WALL, COM, HILLS = 14, 15, 16, 17, 18
"""Indices in the header that the kernel writes: error flag, bias, wall energy (kcal/mol), centre-of-mass distance
(Angstrom; for three fragments the mean over their pairs), number of hills."""

NOT_FINITE, ATOMS_LOST = 1.0, 2.0
"""Values of the error flag: a variable's bias is not finite; LAMMPS has a different number of atoms."""

OFFSET, STRIDE, RING, CAPACITY = 19, 20, 21, 22
"""Indices in the header that LAMMPS' callback reads: what to add to LAMMPS' step, and where every STRIDE-th frame
is stored (0: none): index of the first number in the buffer, and number of frames."""

HILL_RING, HILL_CAPACITY, LOGGED = 23, 24, 25
"""Indices in the header for stored hills: index of the first number in the buffer, number of depositions that
fit, and number of depositions stored so far."""

SECOND = 26
"""Index in the header of the number of atoms of the first two of three fragments; 0 unless there are three."""

CUT = 6.25
"""Largest (s-c)^2/(2 sigma^2) at which a hill is not zero."""

TINY = 1e-7
"""As in PLUMED, the derivative at a grid point does not count where the value there is smaller than this."""

compiled = njit(cache=True, error_model="numpy", fastmath=False)


@inlined
def interpolate(grid, slope, families, family, s):  # type: ignore[no-untyped-def]
    """Return the value and the derivative of a family's bias at s; beyond a grid's end the force is zero."""
    lower, spacing, points = families[family, 0], families[family, 1], int(families[family, 2])
    periodic, start = families[family, 3] != 0.0, int(families[family, 5])
    if not periodic:
        if s <= lower:
            return grid[start], 0.0
        if s >= lower + spacing * (points - 1):
            return grid[start + points - 1], 0.0
    place = (s - lower) / spacing
    low = int(math.floor(place))
    if not periodic and low > points - 2:
        low = points - 2
    t = place - low
    left, right = start + low, start + low + 1
    if periodic:
        left, right = start + low % points, start + (low + 1) % points
    f, g = grid[left], grid[right]
    df = 0.0 if abs(f) < TINY else slope[left] * spacing
    dg = 0.0 if abs(g) < TINY else slope[right] * spacing
    u = 1.0 - t
    value = f * (1.0 + 2.0 * t) * u * u + df * t * u * u + g * (1.0 + 2.0 * u) * t * t - dg * u * t * t
    derivative = 6.0 * (g - f) * t * u + df * (1.0 - 3.0 * t) * u + dg * (1.0 - 3.0 * u) * t
    return value, derivative / spacing


@compiled
def add_hill(grid, slope, families, family, centre, height):  # type: ignore[no-untyped-def]
    """Add one Gaussian to a family's grid."""
    lower, spacing, points = families[family, 0], families[family, 1], int(families[family, 2])
    periodic, sigma, start = families[family, 3] != 0.0, families[family, 4], int(families[family, 5])
    reach = int(math.ceil(math.sqrt(2.0 * CUT) * sigma / spacing))
    middle = int(math.floor((centre - lower) / spacing))
    first, last = middle - reach, middle + reach
    if periodic and 2 * reach + 1 > points:  # the whole period, each point once; PLUMED adds some twice
        first, last = 0, points - 1
    for place in range(first, last + 1):
        index = place
        if periodic:
            index = place % points
        elif place < 0 or place >= points:
            continue
        distance = lower + index * spacing - centre
        if periodic:
            period = spacing * points
            distance -= period * math.floor(distance / period + 0.5)
        z = distance / sigma
        if 0.5 * z * z < CUT:
            value = height * math.exp(-0.5 * z * z)
            grid[start + index] += value
            slope[start + index] -= value * z / sigma


@inlined
def beyond_wall(buffer, distance):  # type: ignore[no-untyped-def]
    """Write the centre-of-mass distance into the header and return how far it is beyond a wall, with sign."""
    lower, upper = buffer[8], buffer[9]
    buffer[COM] = distance
    if distance > upper:
        return distance - upper
    if lower > 0.0 and distance < lower:
        return distance - lower
    return 0.0


@inlined
def add_walls(buffer, masses, x, force):  # type: ignore[no-untyped-def]
    """Add the walls' forces and return their energy; the centre-of-mass distance goes into the header."""
    kappa, first = buffer[10], int(buffer[11])
    one = two = 0.0
    for a in range(len(masses)):
        if a < first:
            one += masses[a]
        else:
            two += masses[a]
    ux = uy = uz = 0.0
    for a in range(len(masses)):
        share = -masses[a] / one if a < first else masses[a] / two
        ux += share * x[a, 0]
        uy += share * x[a, 1]
        uz += share * x[a, 2]
    distance = math.sqrt(ux * ux + uy * uy + uz * uz)
    beyond = beyond_wall(buffer, distance)
    if beyond != 0.0:
        pull = -2.0 * kappa * beyond / distance
        for a in range(len(masses)):
            share = pull * (-masses[a] / one if a < first else masses[a] / two)
            force[a, 0] += share * ux
            force[a, 1] += share * uy
            force[a, 2] += share * uz
    return kappa * beyond**2


@compiled
def add_walls_of_three(buffer, masses, x, force):  # type: ignore[no-untyped-def]
    """Apply `add_walls` to the mean of the three distances between three fragments' centres of mass."""
    ends = (int(buffer[11]), int(buffer[SECOND]), len(masses))
    centres, total, pull = np.zeros((3, 3)), np.zeros(3), np.zeros((3, 3))
    start = 0
    for body in range(3):
        for a in range(start, ends[body]):
            total[body] += masses[a]
            for axis in range(3):
                centres[body, axis] += masses[a] * x[a, axis]
        for axis in range(3):
            centres[body, axis] /= total[body]
        start = ends[body]
    mean = 0.0
    for i in range(3):
        for j in range(i + 1, 3):
            ux, uy = centres[i, 0] - centres[j, 0], centres[i, 1] - centres[j, 1]
            uz = centres[i, 2] - centres[j, 2]
            r = math.sqrt(ux * ux + uy * uy + uz * uz)
            mean += r / 3.0
            for axis, u in enumerate((ux, uy, uz)):
                pull[i, axis] += u / r / 3.0
                pull[j, axis] -= u / r / 3.0
    kappa, beyond = buffer[10], beyond_wall(buffer, mean)
    if beyond != 0.0:
        start = 0
        for body in range(3):
            for a in range(start, ends[body]):
                share = -2.0 * kappa * beyond * masses[a] / total[body]
                for axis in range(3):
                    force[a, axis] += share * pull[body, axis]
            start = ends[body]
    return kappa * beyond**2


@compiled
def apply_bias(buffer, step, x, force):  # type: ignore[no-untyped-def]
    """Compute the bias and its forces at one step, and deposit hills at every `pace`-th step.

    Parameters
    ----------
    buffer
        The state.
    step
        Number of the step.
    x
        (atoms, 3), Angstrom.
    force
        (atoms, 3), overwritten, kcal/mol/Angstrom.

    Returns
    -------
    The total bias, kcal/mol.
    """
    n_cv, n_family, atoms = int(buffer[0]), int(buffer[1]), int(buffer[2])
    pace, height, kt, gamma, points = int(buffer[3]), buffer[4], buffer[5], buffer[6], int(buffer[7])
    at = HEADER
    masses = buffer[at : at + atoms]
    at += atoms
    table = buffer[at : at + n_cv * CV_ROW].reshape(n_cv, CV_ROW)
    at += n_cv * CV_ROW
    families = buffer[at : at + n_family * FAMILY_ROW].reshape(n_family, FAMILY_ROW)
    at += n_family * FAMILY_ROW
    grid, slope = buffer[at : at + points], buffer[at + points : at + 2 * points]
    at += 2 * points
    work = buffer[at : at + 3 * n_cv].reshape(3, n_cv)
    s, ds, v = work[0], work[1], work[2]
    d = buffer[at + 3 * n_cv : at + 15 * n_cv].reshape(n_cv, 4, 3)
    weight = buffer[at + 15 * n_cv : at + 16 * n_cv]

    for a in range(atoms):
        for axis in range(3):
            force[a, axis] = 0.0
    lowest = math.inf
    finite = True
    for i in range(n_cv):
        s[i] = variable(x, table, i, d)
        v[i], ds[i] = interpolate(grid, slope, families, int(table[i, 1]), s[i])
        lowest = min(lowest, v[i])
        finite = finite and math.isfinite(v[i])  # for each variable, since min() ignores nan
    if not finite:
        buffer[ERROR] = NOT_FINITE
        return 0.0
    norm = 0.0
    for i in range(n_cv):
        weight[i] = math.exp(-(v[i] - lowest) / kt)
        norm += weight[i]
    bias = lowest - kt * (math.log(norm) - math.log(n_cv))
    for i in range(n_cv):
        weight[i] /= norm
        push = -weight[i] * ds[i]
        for k in range(int(table[i, 0])):
            atom = int(table[i, 2 + k])
            for axis in range(3):
                force[atom, axis] += push * d[i, k, axis]
    wall = 0.0
    if buffer[10] > 0.0:
        wall = (
            add_walls_of_three(buffer, masses, x, force)
            if buffer[SECOND] > 0.0
            else add_walls(buffer, masses, x, force)
        )

    if step > 0 and step % pace == 0 and step != int(buffer[12]):
        at = -1
        if buffer[LOGGED] < buffer[HILL_CAPACITY]:
            at = int(buffer[HILL_RING]) + int(buffer[LOGGED]) * (1 + 2 * n_cv)
            buffer[at] = step
            buffer[LOGGED] += 1
        for i in range(n_cv):
            tempered = height * weight[i] * math.exp(-v[i] / (kt * (gamma - 1.0)))
            add_hill(grid, slope, families, int(table[i, 1]), s[i], tempered)
            if at >= 0:
                buffer[at + 1 + 2 * i], buffer[at + 2 + 2 * i] = s[i], tempered
        buffer[12] = step
        buffer[HILLS] += n_cv
    buffer[BIAS], buffer[WALL] = bias, wall
    return bias + wall


@compiled
def record(buffer, step, x):  # type: ignore[no-untyped-def]
    """Store every STRIDE-th frame in the buffer, but not that of step 0."""
    stride = int(buffer[STRIDE])
    if stride == 0 or step == 0 or step % stride != 0 or step // stride > int(buffer[CAPACITY]):
        return
    at = int(buffer[RING]) + (step // stride - 1) * x.size
    for a in range(x.shape[0]):
        for axis in range(3):
            buffer[at + 3 * a + axis] = x[a, axis]


@cfunc(
    "void(voidptr, int64, int32, voidptr, CPointer(CPointer(float64)), CPointer(CPointer(float64)))", cache=True
)
def lammps_callback(pointer, step, nlocal, tags, x, f):  # type: ignore[no-untyped-def]
    """LAMMPS' ``fix external`` callback; `pointer` is the buffer's address, and the atoms are in tag order."""
    length = int(carray(pointer, (HEADER,), np.float64)[LENGTH])
    buffer = carray(pointer, (length,), np.float64)
    if nlocal != int(buffer[2]):
        buffer[ERROR] = ATOMS_LOST
        return
    positions = carray(x[0], (nlocal, 3))
    apply_bias(buffer, step + int(buffer[OFFSET]), positions, carray(f[0], (nlocal, 3)))
    record(buffer, step, positions)
