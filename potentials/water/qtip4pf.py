"""q-TIP4P/F, a flexible model of water (Habershon, Markland and Manolopoulos 2009, J. Chem. Phys. 131, 024501)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from potentials.evaluation import Evaluation
from potentials.neighbours import pairs_within
from potentials.physics.periodic.mesh import Mesh
from potentials.physics.periodic.threads import Runner
from potentials.systems.cell import Cell
from potentials.units import COULOMB
from potentials.water.molecules import bonds, place
from potentials.water.pairs import near, pairs

CHARGE = 1.1128
"""Minus the charge of M, e."""

GAMMA = 0.73612
"""M is at O times this, and the middle of the hydrogens times the rest."""

LENNARD_JONES = (0.1852, 3.1589)
"""epsilon, kcal/mol, and sigma, Angstrom, of two oxygens."""

STRETCH = (116.09, 2.287, 0.9419)
"""D, kcal/mol, a, 1/Angstrom, and r, Angstrom, of D [(a dr)^2 - (a dr)^3 + 7/12 (a dr)^4]."""

BEND = (87.85, math.radians(107.4))
"""k, kcal/mol/rad^2, and angle, rad, of k/2 (dangle)^2."""

FADING = 1.0
"""Width of the region below the cut-off in which Lennard-Jones is switched off, Angstrom."""

PRECISION = 3.8
"""Product of Ewald's kappa and the cut-off: erfc of it is 8e-8."""

SPACING = 0.22
"""Product of Ewald's kappa and the largest distance of mesh points."""

SHARES = ("intramolecular", "electrostatics", "Lennard-Jones")
"""Names of the contributions to the energy."""

_NARROW = 1e-9
"""Round-off of a width, relative."""


@dataclass(frozen=True, eq=False)
class _Near:
    """A list of near pairs, and where the sites were.

    Attributes
    ----------
    begins, others
        Water k is paired with ``others[begins[k]:begins[k + 1]]``.
    fractions
        (3, sites), fractional coordinates.
    vectors
        (3, 3), the cell's, Angstrom.
    """

    begins: Ints
    others: Ints
    fractions: Floats
    vectors: Floats


class QTip4pF:
    """The energy of all waters of a system by q-TIP4P/F, with its exact gradient and virial.

    Without a cell all pairs are counted. In a cell the charges are summed by Ewald's method; Lennard-Jones is
    switched off in the last `FADING` before the cut-off, and the mean energy beyond is that of a uniform density.

    Parameters
    ----------
    waters
        (waters, 3), the atoms of each water in the order O, H, H. All other atoms of the system are left out.
    natoms
        Number of the system's atoms.
    cell
        The cell, which repeats along all three vectors; None: the system is not periodic.
    cutoff
        Angstrom; the cell must be at least twice as wide.
    skin
        Distance beyond the cut-off up to which pairs are listed, Angstrom.

    Raises
    ------
    InputError
        If the waters are not atoms of the system, or share one; or the cell is not periodic along all vectors.
    """

    share = "q-TIP4P/F"

    def __init__(
        self, waters: ArrayLike, natoms: int, cell: Cell | None = None, *, cutoff: float = 9.0, skin: float = 1.0
    ) -> None:
        self.waters: Ints = np.ascontiguousarray(np.asarray(waters, dtype=np.int64).reshape(-1, 3))
        self.natoms = natoms
        used = self.waters.ravel()
        if len(used) and (used.min() < 0 or used.max() >= natoms or len(np.unique(used)) < len(used)):
            raise InputError(
                f"{self.share}: the atoms of the waters must be different ones of the system's {natoms}, from 0"
            )
        if cell is not None and not all(cell.periodic):
            raise InputError(f"{self.share}: the cell must repeat along all three vectors, or there is none")
        if not (0 < FADING < cutoff < math.inf and 0 <= skin < math.inf):
            raise InputError(f"{self.share}: the cut-off is {cutoff} A and the skin {skin} A; allowed: above "
                             f"{FADING:g} A, and 0 or more")  # fmt: skip
        self.vectors = None if cell is None else np.array(cell.vectors, dtype=np.float64)
        self.cutoff, self.skin = cutoff, skin
        self.kappa = 0.0 if cell is None else PRECISION / cutoff
        self._charges = np.array([0.5, 0.5, -1.0]) * CHARGE
        self._start()

    def _start(self) -> None:
        """Begin without a neighbour list and a mesh."""
        self._near: _Near | None = None
        self._mesh: Mesh | None = None
        self._lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Return what defines the model, for copies and other processes."""
        return {name: value for name, value in vars(self).items() if name not in ("_near", "_mesh", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def __repr__(self) -> str:
        """Return the number of waters, and whether they are periodic."""
        where = "in vacuum" if self.vectors is None else f"in a cell, cut-off {self.cutoff:g} A"
        return f"{self.share} of {len(self.waters)} waters among {self.natoms} atoms, {where}"

    def energy_and_gradient(self, positions: ArrayLike) -> tuple[float | Floats, Floats]:
        """Return the energy (kcal/mol) and the gradient (kcal/mol/Angstrom) of (n, atoms, 3) in Angstrom."""
        x = np.asarray(positions, dtype=np.float64)
        found = self.evaluate(x.reshape(-1, self.natoms, 3))
        return (float(found.energy[0]), found.gradient[0]) if x.ndim == 2 else (found.energy, found.gradient)

    def evaluate(self, positions: Floats, vectors: Floats | None = None) -> Evaluation:
        """Return the energies, gradients and virials of configurations; `shares` has the contributions.

        Parameters
        ----------
        positions
            (n, atoms, 3), Angstrom: all atoms of the system. The gradient of an atom of no water is zero. In a
            cell each atom may be in any image.
        vectors
            (3, 3) or (n, 3, 3), Angstrom, one vector a row: cells in place of the model's.

        Raises
        ------
        InputError
            If the shape is wrong, there are cells for a system without one, a cell is not at least twice the
            cut-off wide, or an energy is not finite.
        """
        if positions.ndim != 3 or positions.shape[1:] != (self.natoms, 3):
            raise InputError(
                f"{self.share}: positions have shape {positions.shape}; allowed: (n, {self.natoms}, 3) in Angstrom"
            )
        cells = self._cells(vectors, len(positions))
        shares = np.zeros((len(positions), 3))
        gradient, virial = np.zeros(positions.shape), np.zeros((len(positions), 3, 3))
        for n, place_of in enumerate(positions):
            cell = None if cells is None else cells[n]
            self._add(np.ascontiguousarray(place_of), cell, shares[n], gradient[n], virial[n])
        if not np.isfinite(shares).all():
            raise InputError(
                f"the {self.share} energy of these positions is not a finite number; atoms are too near"
            )
        return Evaluation(shares.sum(axis=1), gradient, dict(zip(SHARES, shares.T, strict=True)), virial)

    def _cells(self, vectors: Floats | None, count: int) -> Floats | None:
        """Return the cell of each configuration, (n, 3, 3); None without a cell."""
        if self.vectors is None:
            if vectors is not None:
                raise InputError(f"{self.share}: there are cell vectors for a system that was made without a cell")
            return None
        given = self.vectors if vectors is None else np.asarray(vectors, dtype=np.float64)
        if given.shape not in ((3, 3), (count, 3, 3)):
            raise InputError(
                f"{self.share}: cell vectors have shape {given.shape}; allowed: (3, 3) or ({count}, 3, 3)"
            )
        return np.broadcast_to(given, (count, 3, 3))

    def _add(
        self, positions: Floats, vectors: Floats | None, shares: Floats, gradient: Floats, virial: Floats
    ) -> None:
        """Add the energies, gradient and virial of one configuration."""
        n = len(self.waters)
        rows: Floats = np.zeros((3, 3)) if vectors is None else np.ascontiguousarray(vectors)
        inverse = rows if vectors is None else np.asarray(np.linalg.inv(rows), dtype=np.float64)
        oxygens, sites = np.empty((3, n)), np.empty((3, 3 * n))
        farthest = place(positions, self.waters, GAMMA, rows, inverse, oxygens, sites)
        on_oxygens, on_sites = np.zeros_like(oxygens), np.zeros_like(sites)
        cutoff, again = math.inf, False
        begins, ends, others = np.arange(1, n + 1), np.full(n, n), np.arange(n)
        if vectors is not None:
            width = float((1 / np.linalg.norm(inverse, axis=0)).min())
            cutoff, again = self.cutoff, width < 2 * (self.cutoff + 2 * farthest)
            if width < 2 * cutoff * (1 - _NARROW):
                raise InputError(
                    f"the cell is {width:.3f} A wide, and {self.share} ends at {cutoff:g} A; allowed: cells at "
                    "least twice as wide between opposite faces"
                )
            if width >= 2 * (cutoff + self.skin):
                listed = self._listed(oxygens, sites, rows, inverse, farthest, width)
                begins, ends, others = listed.begins[:-1], listed.begins[1:], listed.others
        totals = np.zeros(3)
        bonds(oxygens, sites, STRETCH, BEND, self._charges, self.kappa, on_oxygens, on_sites, virial, totals)
        pairs(
            oxygens, sites, begins, ends, others, rows, inverse, farthest, again, cutoff, self.kappa,
            self._charges, LENNARD_JONES, FADING, on_oxygens, on_sites, virial, totals,
        )  # fmt: skip
        if vectors is not None and n:
            tail = n * n / abs(float(np.linalg.det(rows))) * self._tail
            totals[2] += tail
            virial -= tail * np.eye(3)
            charges = np.tile(self._charges, n)
            totals[1] -= COULOMB * self.kappa / math.sqrt(math.pi) * float(charges @ charges)
            totals[1] += self._reciprocal(charges, (sites.T @ inverse).T, rows, on_sites, virial)
        shares += totals
        middle = on_sites[:, 2::3]
        gradient[self.waters[:, 0]] = (on_oxygens + GAMMA * middle).T
        for h in range(2):
            gradient[self.waters[:, 1 + h]] = (on_sites[:, h::3] + 0.5 * (1 - GAMMA) * middle).T

    def _reciprocal(
        self, charges: Floats, fractions: Floats, vectors: Floats, gradient: Floats, virial: Floats
    ) -> float:
        """Return the energy of the reciprocal sum, kcal/mol, and add its gradient and virial."""
        lengths = np.linalg.norm(vectors, axis=1)
        a, b, c = (fft.next_fast_len(math.ceil(length * self.kappa / SPACING), real=True) for length in lengths)
        with self._lock:
            if self._mesh is None or tuple(self._mesh.points) != (a, b, c):
                self._mesh = Mesh(len(charges), (a, b, c), self.kappa, Runner(1))
            self._mesh.place(np.ascontiguousarray(fractions), vectors)
            slope, strain = np.zeros_like(gradient), np.zeros((3, 3))
            energy = self._mesh.of_charges(charges, slope, strain)
        gradient += COULOMB * slope
        virial += COULOMB * strain
        return COULOMB * energy

    @cached_property
    def _tail(self) -> float:
        """What is missing of the mean Lennard-Jones energy, times volume and over the number of pairs.

        2 pi times the integral of (1 - s) V r^2 from where the switching s begins on.
        """
        epsilon, sigma = LENNARD_JONES
        end, start = self.cutoff, self.cutoff - FADING
        nodes, weights = np.polynomial.legendre.leggauss(40)
        x = 0.5 * (nodes + 1)
        r = start + FADING * x
        off = x**3 * (10 - x * (15 - 6 * x))
        inner = 0.5 * FADING * (weights * off * 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6) * r * r).sum()
        outer = 4 * epsilon * (sigma**12 / (9 * end**9) - sigma**6 / (3 * end**3))
        return float(2 * math.pi * (inner + outer))

    def _listed(
        self, oxygens: Floats, sites: Floats, vectors: Floats, inverse: Floats, farthest: float, width: float
    ) -> _Near:
        """Return the list of near pairs: the last one as long as no pair outside it can have come near.

        A pair outside was farther apart than the cut-off and the skin. A strain shortens it by at most its own
        largest stretch, and a motion of two sites by twice the largest motion.
        """
        reach = self.cutoff + self.skin
        fractions = (sites.T @ inverse).T
        last = self._near
        if last is not None:
            moved = fractions - last.fractions
            moved = (moved - np.rint(moved)).T @ vectors
            strain = float(np.linalg.norm(np.linalg.inv(last.vectors) @ vectors - np.eye(3), 2))
            if 2 * math.sqrt(float((moved**2).sum(axis=1).max())) + reach * strain <= self.skin:
                return last
        n, apart = oxygens.shape[1], reach + 2 * farthest
        i, j = pairs_within(oxygens.T, vectors, apart) if width >= 2 * apart else np.triu_indices(n, 1)
        close = near(i, j, oxygens, sites, vectors, inverse, reach)
        found = _Near(np.searchsorted(i[close], np.arange(n + 1)), j[close], fractions, vectors.copy())
        self._near = found
        return found
