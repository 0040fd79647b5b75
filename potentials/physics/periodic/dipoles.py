"""Induced dipoles of a periodic system, or of a part of it alone, by conjugate gradients over pairs and mesh."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.physics.periodic.induced import add_product
from potentials.physics.periodic.listing import Rows
from potentials.physics.periodic.mesh import NONE, Mesh
from potentials.physics.periodic.prediction import KEPT, extrapolate
from potentials.physics.periodic.threads import Runner
from potentials.physics.solver import (
    DIRECTION,
    MOST,
    NEGATIVE,
    PRODUCT,
    RESIDUAL,
    SLOW,
    STEP,
    advance,
    predict,
    start,
)

ROUGH = 0.95
"""With the coarse mesh the iterations end at this part of the tolerance, because its error is added."""

KNOWN = 3
"""Steps that must be known for the coarse mesh."""

FINEST = 1e-8
"""Tolerance below which the coarse mesh is of no use, e Angstrom."""


class Dipoles:
    """The induced dipoles of one set of sources; not shared between threads.

    Parameters
    ----------
    charge, alpha
        (n,), of the atoms; 0 for atoms that are not in the set.
    inner
        Whether only pairs of the part whose own energy is subtracted are in the set.
    run
        Runs a function for several parts.

    Attributes
    ----------
    field
        (3 n,), the field of the charges of near pairs; to be set before `solve`.
    dipole
        (3 n,).
    potential
        (4, n), the reciprocal sum's potential of charges and dipoles, and its gradient.
    gradient, virial
        (3 n,) and (3, 3), of the reciprocal sum's energy at fixed dipoles, e^2/Angstrom.
    """

    def __init__(self, charge: Floats, alpha: Floats, inner: bool, run: Runner) -> None:
        n = len(charge)
        self.charge, self.alpha, self._inner, self._run = charge, alpha, inner, run
        self.stiffness = np.divide(1.0, alpha, out=np.zeros(n), where=alpha > 0)
        self.soft: Ints = np.flatnonzero(alpha > 0)
        self.field, self.dipole, self.vectors = np.zeros(3 * n), np.zeros(3 * n), np.zeros((4, 3 * n))
        self.past, self.known, self.iterations = np.zeros((KEPT, 3 * n)), 0, 0
        self.potential, self.gradient, self.virial = np.zeros((4, n)), np.zeros(3 * n), np.zeros((3, 3))
        self._near, self._change = np.zeros(3 * n), np.zeros(3 * n)
        self._products = np.zeros((0, 3 * n))

    def product(self, rows: list[Rows], mesh: Mesh, dipole: Floats, result: Floats) -> None:
        """Write the field of dipoles at the atoms of the set, of all images; T mu, all x, all y, all z."""
        self._near_product(rows, dipole, self._change)
        mesh.potential(NONE, dipole, self.potential)
        self._add_up(mesh, dipole, self._change, result)

    def solve(self, rows: list[Rows], mesh: Mesh, coarse: Mesh, tolerance: float, *, remember: bool) -> int:
        """Write dipoles, potential, gradient and virial; return how many iterations, or `NEGATIVE` or `SLOW`.

        The residual at the beginning and at the end is that of the fine mesh. In between, the fields of changes of
        the dipoles are computed on the coarse one, unless the tolerance is small or the past is not known; if the
        residual at the end is too large, the iterations go on with the fine one.
        """
        alpha, stiffness, vectors = self.alpha, self.stiffness, self.vectors
        enough = tolerance * tolerance * 3 * len(self.soft)
        rough = self.known >= KNOWN and tolerance >= FINEST
        if self.known < KEPT or not extrapolate(self.past, self.dipole):
            predict(self.past, self.known, self.field, alpha, self.dipole)
        self._near_product(rows, self.dipole, self._near)
        mesh.potential(self.charge, self.dipole, self.potential)
        steps = 0
        while True:
            self._add_up(mesh, self.dipole, self._near, vectors[PRODUCT])
            descent, size = start(self.field, alpha, stiffness, self.dipole, vectors)
            while descent > 0 and not size <= enough * (ROUGH * ROUGH if rough else 1):
                if steps == MOST:
                    return SLOW
                self.product(rows, coarse if rough else mesh, vectors[DIRECTION], vectors[PRODUCT])
                before = descent
                curvature, descent, size = advance(alpha, stiffness, descent, self.dipole, vectors)
                if not curvature > 0:
                    return NEGATIVE
                self._change *= before / curvature
                self._near += self._change
                steps += 1
            self.gradient[:], self.virial[:] = 0.0, 0.0
            mesh.pull(self.charge, self.dipole, 1.0, self.potential, self.gradient, self.virial)
            if not rough:
                break
            self._add_up(mesh, self.dipole, self._near, vectors[PRODUCT])
            if start(self.field, alpha, stiffness, self.dipole, vectors)[1] <= enough:
                break
            rough = False
        if remember:
            self.past[1:] = self.past[:-1].copy()
            self.past[0] = self.dipole
            self.known = min(self.known + 1, len(self.past))
        self.iterations = steps
        return steps

    def energy(self) -> float:
        """Return the energy of polarization and that of the charges in the reciprocal sum, e^2/Angstrom.

        It is -1/2 mu (E + r), wrong only by the square of the dipoles' error; the field E of the reciprocal sum's
        charges at the dipoles is replaced by the dipoles' potential at the charges.
        """
        near = self.field + self.vectors[RESIDUAL]
        return 0.5 * float(self.charge @ self.potential[0] - self.dipole @ near)

    @property
    def direction(self) -> Floats:
        """The direction of the last step, for the search of an eigenvector."""
        return np.array(self.vectors[STEP])

    def _near_product(self, rows: list[Rows], dipole: Floats, result: Floats) -> None:
        mine = [r for r in rows if r.inner or not self._inner]
        if len(self._products) != len(mine):
            self._products = np.zeros((len(mine), len(dipole)))
        self._products[:] = 0.0
        self._run(add_product, [(r.first, r.last, r.near, dipole, self._products[k]) for k, r in enumerate(mine)])
        self._products.sum(axis=0, out=result)

    def _add_up(self, mesh: Mesh, dipole: Floats, near: Floats, result: Floats) -> None:
        """Write the field of near pairs, of the reciprocal sum, and minus that of a dipole at its own place."""
        np.subtract(near, self.potential[1:].ravel(), out=result)
        result += mesh.own * dipole
