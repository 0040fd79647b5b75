"""Small potentials with exact derivatives, for tests of what drives a potential."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from potentials.compiled import carray, cfunc
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


@cfunc("float64(voidptr, CPointer(float64), CPointer(float64), CPointer(float64))")
def wells_in_c(data, positions, gradient, virial):  # type: ignore[no-untyped-def]
    """The same in C, in vacuum; the data are the number of atoms. Atoms nearer than 0.5 A have no energy."""
    n = int(carray(data, (1,), np.float64)[0])
    x, g, v = carray(positions, (n, 3)), carray(gradient, (n, 3)), carray(virial, (3, 3))
    g[:] = 0.0
    v[:] = 0.0
    energy = 0.0
    for i in range(n):
        for j in range(i + 1, n):
            dx, dy, dz = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1], x[i, 2] - x[j, 2]
            r2 = dx * dx + dy * dy + dz * dz
            if r2 < 0.25:
                return np.nan
            for height, reach in WELLS:
                rest = 1 - r2 / reach**2
                if rest > 0:
                    energy += height * rest**4
                    slope = -8 * height / reach**2 * rest**3
                    arrow = (dx, dy, dz)
                    for a in range(3):
                        g[i, a] += slope * arrow[a]
                        g[j, a] -= slope * arrow[a]
                        for b in range(3):
                            v[a, b] += slope * arrow[a] * arrow[b]
    return energy


class WellsInC(Wells):
    """Wells that C can evaluate."""

    def __init__(self, symbols: Sequence[str]) -> None:
        super().__init__(symbols)
        self._data = np.array([float(len(symbols))])

    def c_address(self) -> tuple[int, int]:
        return wells_in_c.address, self._data.ctypes.data
