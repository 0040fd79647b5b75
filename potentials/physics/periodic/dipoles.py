"""Induced dipoles of a periodic system, or of a part of it alone, by conjugate gradients over pairs and mesh."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.physics.periodic.induced import add_product
from potentials.physics.periodic.listing import Rows
from potentials.physics.periodic.mesh import NONE, Mesh
from potentials.physics.periodic.threads import Runner
from potentials.physics.solver import (
    DEPTH,
    DIRECTION,
    MOST,
    NEGATIVE,
    PRODUCT,
    SLOW,
    advance,
    predict,
    start,
)


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
    """

    def __init__(self, charge: Floats, alpha: Floats, inner: bool, run: Runner) -> None:
        n = len(charge)
        self.charge, self.alpha, self._inner, self._run = charge, alpha, inner, run
        self.stiffness = np.divide(1.0, alpha, out=np.zeros(n), where=alpha > 0)
        self.soft: Ints = np.flatnonzero(alpha > 0)
        self.field, self.dipole, self.vectors = np.zeros(3 * n), np.zeros(3 * n), np.zeros((4, 3 * n))
        self.past, self.known, self.iterations = np.zeros((DEPTH, 3 * n)), 0, 0
        self._potential = np.zeros((4, n))
        self._products = np.zeros((0, 3 * n))

    def product(self, rows: list[Rows], mesh: Mesh, dipole: Floats, result: Floats) -> None:
        """Write the field of dipoles at the atoms of the set, all images included, without the own dipole's."""
        mine = [r for r in rows if r.inner or not self._inner]
        if len(self._products) != len(mine):
            self._products = np.zeros((len(mine), len(dipole)))
        self._products[:] = 0.0
        self._run(add_product, [(r.first, r.last, r.near, dipole, self._products[k]) for k, r in enumerate(mine)])
        mesh.potential(NONE, dipole, self._potential)
        self._products.sum(axis=0, out=result)
        result -= self._potential[1:].ravel()
        result += mesh.own * dipole

    def solve(self, rows: list[Rows], mesh: Mesh, tolerance: float, *, remember: bool) -> int:
        """Write the dipoles in `field`; return the number of iterations, or `NEGATIVE` or `SLOW`."""
        alpha, stiffness, vectors = self.alpha, self.stiffness, self.vectors
        enough = tolerance * tolerance * 3 * len(self.soft)
        predict(self.past, self.known, self.field, alpha, self.dipole)
        self.product(rows, mesh, self.dipole, vectors[PRODUCT])
        descent, size = start(self.field, alpha, stiffness, self.dipole, vectors)
        steps = 0
        while descent > 0 and not size <= enough:
            if steps == MOST:
                return SLOW
            self.product(rows, mesh, vectors[DIRECTION], vectors[PRODUCT])
            curvature, descent, size = advance(alpha, stiffness, descent, self.dipole, vectors)
            if not curvature > 0:
                return NEGATIVE
            steps += 1
        if remember:
            self.past[1:] = self.past[:-1]
            self.past[0] = self.dipole
            self.known = min(self.known + 1, DEPTH)
        self.iterations = steps
        return steps
