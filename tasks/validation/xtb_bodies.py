"""GFN2-xTB's n-body energies of sub-n-mers that have no potential, relative to their minima."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from potentials.arrays import Floats
from potentials.nmers.caps import CAP_LENGTHS, carry_gradient, place_cap
from potentials.nmers.nmer import NMer
from tasks.validation.whole import Body, bodies_of
from tasks.xtb import METHOD, Xtb


class XtbBodies:
    """The sum of the n-body energies of some sub-n-mers, by GFN2-xTB.

    It is a sum of total energies of sub-n-mers with whole factors, each relative to the minimum that is found from
    the first configuration.

    Parameters
    ----------
    nmer
        The n-mer.
    bodies
        The sub-n-mers.
    positions
        (n, atoms, 3), configurations of the n-mer, Angstrom.

    Raises
    ------
    MissingProgramError
        If tblite is missing.
    """

    share = METHOD

    def __init__(self, nmer: NMer, bodies: Sequence[Body], positions: Floats) -> None:
        self._members = [(factor, _Whole(nmer, body)) for body, factor in factors(nmer, bodies).items() if factor]
        with threadpool_limits(limits=1):
            for _, member in self._members:
                member.relax(positions[0])

    def energy_and_gradient(self, positions: ArrayLike) -> tuple[float | Floats, Floats]:
        """Return the energy (kcal/mol) and the gradient (kcal/mol/Angstrom) of (n, atoms, 3) in Angstrom."""
        x = np.asarray(positions, dtype=np.float64)
        energy, gradient = np.zeros(len(x)), np.zeros_like(x)
        with threadpool_limits(limits=1):  # more threads than one make a small molecule slower
            for n, one in enumerate(x):
                for factor, member in self._members:
                    value, slope = member.energy_and_gradient(one)
                    energy[n] += factor * value
                    gradient[n] += factor * slope
        return energy, gradient


def factors(nmer: NMer, bodies: Sequence[Body]) -> dict[Body, int]:
    """Return the factor of each sub-n-mer's total energy in the sum of the n-body energies of some of them."""
    every = sorted(bodies_of(nmer), key=lambda body: len(body.real))
    of: dict[Body, dict[Body, int]] = {}
    for body in every:
        mine = {body: 1}
        for other in every:
            if other.real < body.real:
                for member, factor in of[other].items():
                    mine[member] = mine.get(member, 0) - factor
        of[body] = mine
    found: dict[Body, int] = {}
    for body in bodies:
        for member, factor in of[body].items():
            found[member] = found.get(member, 0) + factor
    return found


class _Whole:
    """GFN2-xTB's total energy of one sub-n-mer as a function of the n-mer's atoms."""

    def __init__(self, nmer: NMer, body: Body) -> None:
        self._natoms, self._atoms = nmer.natoms, list(body.atoms)
        self._nmer = NMer("body", body.fragments)
        self._caps = [
            (n, a, body.atoms[n], CAP_LENGTHS[nmer.symbols[a]]) for n, a in enumerate(body.anchors) if a >= 0
        ]
        self._surface, self._zero = Xtb(self._nmer), 0.0

    def _placed(self, x: Floats) -> Floats:
        found = x[self._atoms]
        for cap, anchor, outer, length in self._caps:
            found[cap] = place_cap(x[anchor], x[outer], length)
        return found

    def relax(self, x: Floats) -> None:
        """Find the minimum from a configuration of the n-mer; its energy is the zero from then on."""
        nmer = self._nmer

        def energy(flat: Floats) -> tuple[float, Floats]:
            here = flat.reshape(-1, 3)
            placed = nmer.place_caps(here)
            value, force = self._surface(placed)
            return value, nmer.carry_caps(here, -force).ravel()

        start = self._placed(x)
        found = minimize(energy, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200})
        self._zero = float(found.fun)

    def energy_and_gradient(self, x: Floats) -> tuple[float, Floats]:
        """Return the energy and the gradient on the n-mer's atoms (atoms, 3)."""
        value, force = self._surface(self._placed(x))
        slope, gradient = -force, np.zeros((self._natoms, 3))
        caps = {cap for cap, *_ in self._caps}
        for n, atom in enumerate(self._atoms):
            if n not in caps:
                gradient[atom] += slope[n]
        for cap, anchor, outer, length in self._caps:
            on_outer, on_anchor = carry_gradient(x[anchor], x[outer], length, slope[cap])
            gradient[outer] += on_outer
            gradient[anchor] += on_anchor
        return value - self._zero, gradient
