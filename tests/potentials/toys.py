"""Small potentials with exact derivatives, for tests of what drives a potential."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from potentials.energy_function import EnergyFunction
from potentials.errors import InputError
from potentials.evaluation import Evaluation
from potentials.systems.cell import Cell

Floats = np.ndarray

WELLS = ((200.0, 2.8), (-25.0, 3.4))
"""Height (kcal/mol) and reach (Angstrom) of a (1 - r^2 / reach^2)^4 between two atoms: a repulsion and a well."""


class Wells(EnergyFunction):
    """Pairs of atoms at their nearest images, in a cell or in vacuum."""

    def __init__(self, symbols: Sequence[str], cell: Cell | None = None) -> None:
        self._symbols, self.cell = tuple(symbols), cell

    @property
    def symbols(self) -> tuple[str, ...]:
        return self._symbols

    def evaluate(self, positions: Floats, vectors: Floats | None = None) -> Evaluation:
        m, n, _ = positions.shape
        i, j = np.triu_indices(n, 1)
        arrows = positions[:, i] - positions[:, j]
        if self.cell is not None:
            rows = np.array(self.cell.vectors) if vectors is None else vectors
            rows = np.broadcast_to(rows, (m, 3, 3))
            if (1 / np.linalg.norm(np.linalg.inv(rows), axis=1) < 2 * WELLS[1][1]).any():
                raise InputError("the cell is shorter than twice the cut-off of 3.4 A")
            arrows = arrows - np.einsum("npi,nij->npj", np.round(arrows @ np.linalg.inv(rows)), rows)
        r2 = np.square(arrows).sum(axis=2)
        energy, slope = np.zeros(m), np.zeros_like(r2)
        for height, reach in WELLS:
            rest = np.maximum(1 - r2 / reach**2, 0.0)
            energy += height * (rest**4).sum(axis=1)
            slope -= 8 * height / reach**2 * rest**3
        pulls = slope[:, :, None] * arrows
        gradient = np.zeros_like(positions)
        for axis in range(3):
            for c in range(m):
                gradient[c, :, axis] = np.bincount(i, pulls[c, :, axis], n) - np.bincount(j, pulls[c, :, axis], n)
        return Evaluation(energy, gradient, {"wells": energy}, np.einsum("npi,npj->nij", pulls, arrows))
