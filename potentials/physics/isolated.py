"""V_phys of configurations of a system without periodicity in one compiled call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.errors import InputError
from potentials.evaluation import Evaluation
from potentials.physics.catastrophe import catastrophe, unstable_pair
from potentials.physics.pairs import ALPHA, COLUMNS, STIFFNESS, add_induced, permanent, tensor_product
from potentials.physics.parameters import PhysicsParameters
from potentials.physics.solver import (
    DEPTH,
    MOST,
    NEGATIVE,
    PRODUCT,
    RESIDUAL,
    SLOW,
    STEP,
    advance,
    energy_of,
    factorize,
    predict,
    start,
    substitute,
)
from potentials.physics.thole import OPTIONS, WIDEST
from potentials.physics.topology import Topology
from potentials.units import COULOMB

TOUCHING = -3
"""Result of a configuration with two atoms in one place."""

DIRECT = 30
"""Most polarizable atoms whose dipoles are solved for directly where no past is known."""

SHARES = ("electrostatics", "polarization", "dispersion", "repulsion")
"""Names of the contributions to V_phys."""


class Work(NamedTuple):
    """Arrays for intermediate results of one configuration after the other; never shared between threads."""

    x: Floats
    field: Floats
    dipole: Floats
    gradient: Floats
    vectors: Floats
    tensor: Floats
    block: Floats
    matrix: Floats

    @classmethod
    def of(cls, natoms: int, unknowns: int = 0) -> Work:
        """Return the arrays for a number of atoms: 16 bytes a pair, and the matrix of a direct solution."""
        n = 3 * natoms
        return cls(
            np.zeros(n),
            np.zeros(n),
            np.zeros(n),
            np.zeros(n),
            np.zeros((4, n)),
            np.zeros((2, max(natoms * (natoms - 1) // 2, 1))),
            np.zeros(COLUMNS),
            np.zeros((unknowns, unknowns)),
        )


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def evaluate(
    positions: Floats,
    atoms: Floats,
    kind: Ints,
    tables: Floats,
    uncharged: tuple[Ints, Ints],
    scaled: tuple[Ints, Ints],
    unrepelled: tuple[Ints, Ints],
    soft: Ints,
    factors: tuple[float, float, float],
    tolerance: float,
    past: Floats,
    known: int,
    work: Work,
    shares: Floats,
    gradient: Floats,
    virial: Floats,
) -> tuple[int, int, int]:
    """Write energies, gradients and virials.

    Parameters
    ----------
    positions
        (m, n, 3), Angstrom.
    atoms, kind, tables, uncharged, scaled, unrepelled
        The system; see `pairs.permanent`.
    soft
        Atoms with a polarizability.
    factors
        Thole's a of charges and of dipoles, and the factor of the charges of the scaled pairs.
    tolerance
        Root mean square of the dipoles' residual at which the iterations end, e Angstrom.
    past, known
        (DEPTH, 3 n), dipoles of the steps before, the latest first, and how many are known; the configurations are
        the next ones. (0, 0) if they do not follow one another: each then starts without a past.
    work
        Of `Work.of`; with a matrix (3 soft, 3 soft) the dipoles are solved for directly.
    shares, gradient, virial
        (m, 4), (m, n, 3) and (m, 3, 3), written.

    Returns
    -------
    status, last, known
        Most iterations of a configuration, or why one failed (`NEGATIVE`, `SLOW`, `TOUCHING`); the last
        configuration; how many steps of the past are known.
    """
    n = len(kind)
    alpha, stiffness = atoms[ALPHA], atoms[STIFFNESS]
    enough = tolerance * tolerance * 3 * len(soft)
    x, field, dipole, slope, vectors = work.x, work.field, work.dipole, work.gradient, work.vectors
    most = 0
    for c in range(len(positions)):
        for a in range(n):
            for axis in range(3):
                x[axis * n + a] = positions[c, a, axis]
        touching = permanent(
            x, atoms, kind, tables, uncharged, scaled, unrepelled, factors[2], factors[0], factors[1],
            work.block, work.tensor, field, slope, shares[c],
        )  # fmt: skip
        if touching:
            return TOUCHING, c, known
        if len(work.matrix):
            if not _solve(x, work.tensor, field, stiffness, soft, work.matrix, dipole):
                return NEGATIVE, c, known
        else:
            predict(past, known, field, alpha, dipole)
        tensor_product(x, work.tensor, dipole, vectors[PRODUCT])
        descent, size = start(field, alpha, stiffness, dipole, vectors)
        steps = 0
        while len(work.matrix) == 0 and descent > 0 and not size <= enough:
            if steps == MOST:
                return SLOW, c, known
            tensor_product(x, work.tensor, vectors[2], vectors[PRODUCT])
            curvature, descent, size = advance(alpha, stiffness, descent, dipole, vectors)
            if not curvature > 0:
                return NEGATIVE, c, known
            steps += 1
        most = max(most, steps)
        shares[c, 1] = COULOMB * energy_of(field, dipole, vectors[RESIDUAL], soft)
        add_induced(
            x, atoms, uncharged, scaled, factors[2], factors[0], factors[1], dipole, work.block, slope
        )  # fmt: skip
        if len(past):
            for step in range(DEPTH - 1, 0, -1):
                past[step] = past[step - 1]
            past[0] = dipole
            known = min(known + 1, DEPTH)
        virial[c] = 0.0
        for a in range(n):
            for axis in range(3):
                g = slope[axis * n + a]
                gradient[c, a, axis] = g
                for other in range(3):
                    virial[c, axis, other] += g * positions[c, a, other]
    return most, len(positions) - 1, known


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _solve(
    x: Floats, tensor: Floats, field: Floats, stiffness: Floats, soft: Ints, matrix: Floats, dipole: Floats
) -> bool:
    """Write the dipoles, solved for directly; False if the matrix is not positive definite."""
    n, m = len(stiffness), len(soft)
    for a in range(m):
        i = soft[a]
        for u in range(3):
            for v in range(3):
                matrix[3 * a + u, 3 * a + v] = stiffness[i] if u == v else 0.0
        for b in range(a):
            j = soft[b]  # smaller than i
            k = j * n - j * (j + 1) // 2 + i - j - 1
            for u in range(3):
                for v in range(3):
                    du, dv = x[u * n + i] - x[u * n + j], x[v * n + i] - x[v * n + j]
                    matrix[3 * a + u, 3 * b + v] = (tensor[0, k] if u == v else 0.0) - tensor[1, k] * du * dv
    if not factorize(matrix):
        return False
    vector = np.empty(3 * m)
    for a in range(m):
        for u in range(3):
            vector[3 * a + u] = field[u * n + soft[a]]
    substitute(matrix, vector)
    dipole[:] = 0.0
    for a in range(m):
        for u in range(3):
            dipole[u * n + soft[a]] = vector[3 * a + u]
    return True


class Isolated:
    """The arrays of a system without periodicity; nothing in it changes, so that threads may share it.

    Parameters
    ----------
    symbols
        Element of each atom.
    topology
        Bonds and 1-mers, which decide the pairs without charges, dispersion, or repulsion.
    types
        Type of each atom.
    parameters
        Their parameters.

    Raises
    ------
    InputError
        If a type has no parameters.
    """

    def __init__(
        self, symbols: Sequence[str], topology: Topology, types: Sequence[str], parameters: PhysicsParameters
    ) -> None:
        self.symbols = tuple(symbols)
        row = parameters.rows(types)
        used, kind = np.unique(row, return_inverse=True)
        alpha = parameters.polarizability[row]
        with np.errstate(divide="ignore"):
            stiffness, width = np.where(alpha > 0, 1 / alpha, 0.0), np.where(alpha > 0, alpha ** (-2 / 3), WIDEST)
        tables = (parameters.pair_c6, parameters.pair_damping, parameters.pair_r12)
        self.soft: Ints = np.flatnonzero(alpha > 0)
        self._system = (
            np.array([parameters.charge[row], alpha, stiffness, width]),
            np.ascontiguousarray(kind, dtype=np.int64),
            np.array([table[np.ix_(used, row)] for table in tables]),
            topology.uncharged,
            topology.one_five,
            topology.unrepelled,
            self.soft,
            (parameters.thole_charge, parameters.thole_dipole, parameters.scale_15),
        )

    @property
    def arrays(self) -> tuple[Floats | Ints, ...]:
        """The arrays that `evaluate` takes, from ``atoms`` to ``soft``, pairs of arrays one after the other."""
        atoms, kind, tables, *excluded, soft, _ = self._system
        return (atoms, kind, tables, *(one for pair in excluded for one in pair), soft)

    @property
    def factors(self) -> tuple[float, float, float]:
        """Thole's a of charges and of dipoles, and the factor of scaled pairs."""
        return self._system[-1]

    def work(self, *, direct: bool = False) -> Work:
        """Return arrays for `evaluate`; with `direct`, for a direct solution."""
        return Work.of(len(self.symbols), 3 * len(self.soft) if direct else 0)

    def evaluate(
        self, positions: Floats, work: Work, tolerance: float, past: Floats, known: int
    ) -> tuple[Evaluation, int, int]:
        """Return energies, gradients, shares and virials, the iterations, and how many past steps are known.

        The parameters are those of the compiled function; positions (m, atoms, 3).

        Raises
        ------
        InputError
            If two atoms are in one place, or an energy is not finite.
        PolarizationError
            If the induced dipoles have no stable solution.
        """
        m = len(positions)
        shares, gradient, virial = np.empty((m, 4)), np.empty(positions.shape), np.empty((m, 3, 3))
        status, last, known = evaluate(
            np.ascontiguousarray(positions), *self._system, tolerance, past, known, work, shares, gradient, virial
        )
        if status < 0:
            self._refuse(status, last, positions[last], work)
        energy = shares.sum(axis=1)
        if not np.isfinite(energy).all():
            raise InputError("V_phys of these positions is not a finite number; atoms are too near or too far")
        return Evaluation(energy, gradient, dict(zip(SHARES, shares.T, strict=True)), virial), status, known

    def _refuse(self, status: int, number: int, positions: Floats, work: Work) -> None:
        """Raise the error of a configuration that failed."""
        if status == TOUCHING:
            for i in range(len(positions)):
                same = np.flatnonzero((positions[i + 1 :] == positions[i]).all(axis=1))
                if len(same):
                    raise InputError(f"atoms {i} and {i + 1 + same[0]} are in one place")
            raise InputError("two atoms are in one place")

        def product(dipole: Floats, field: Floats) -> None:
            tensor_product(work.x, work.tensor, dipole, field)

        found = unstable_pair(product, self._system[0][ALPHA], work.vectors[STEP], positions)
        raise catastrophe(self.symbols, number, found, slow=status == SLOW)
