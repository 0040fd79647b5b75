"""A fitted potential: energies and exact gradients of an n-mer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from potentials.basis import Basis
from potentials.errors import InputError
from potentials.molecule import NMer
from potentials.pip import Polynomial, morse
from potentials.switching import Switching

if TYPE_CHECKING:
    from potentials.calculator import PotentialCalculator

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Potential:
    """V = s(R) * PIP(exp(-k r)), the n-body energy of one n-mer.

    Parameters
    ----------
    nmer
        The n-mer; positions are given in its atom order.
    degree, terms
        Highest degree, and which monomials: ``all`` or ``intermolecular``.
    k
        Non-linear parameter of each kind of distance, 1/Angstrom.
    coefficients
        (n_terms,), kcal/mol.
    switching
        How an intermolecular potential ends; None where it does not.
    name, status
        The version it was read from, and ``candidate`` or ``released``.
    """

    nmer: NMer
    degree: int
    terms: str
    k: Floats
    coefficients: Floats
    switching: Switching | None = None
    name: str = ""
    status: str = "candidate"

    def __post_init__(self) -> None:
        if len(self.k) != len(self.basis.pair_names) or len(self.coefficients) != self.basis.n_terms:
            raise InputError(
                f"a potential of {self.nmer.symmetry}, degree {self.degree}, has {len(self.basis.pair_names)} k "
                f"and {self.basis.n_terms} coefficients; {len(self.k)} and {len(self.coefficients)} were given"
            )

    @cached_property
    def basis(self) -> Basis:
        """The terms."""
        return Basis.build(self.nmer, self.degree, self.terms)

    @cached_property
    def _polynomial(self) -> Polynomial:
        return Polynomial.build(self.basis, np.asarray(self.coefficients))

    @cached_property
    def _incidence(self) -> Floats:
        """(atoms, distances): +1 for a distance's first atom, -1 for its second."""
        pairs = self.basis.variables.pairs
        matrix = np.zeros((self.nmer.natoms, len(pairs)))
        matrix[pairs[:, 0], np.arange(len(pairs))] = 1.0
        matrix[pairs[:, 1], np.arange(len(pairs))] = -1.0
        return matrix

    def energy(self, positions: ArrayLike) -> float | Floats:
        """Return the energy.

        Parameters
        ----------
        positions
            (atoms, 3) or (n, atoms, 3), Angstrom.

        Returns
        -------
        A float, or (n,), kcal/mol.

        Raises
        ------
        InputError
            If the shape is another or a coordinate is not finite.
        """
        batch, single = self._batch(positions)
        value = self._evaluate(batch)[0]
        return float(value[0]) if single else value

    def energy_and_gradient(self, positions: ArrayLike) -> tuple[float | Floats, Floats]:
        """Return the energy and its exact gradient.

        Parameters
        ----------
        positions
            (atoms, 3) or (n, atoms, 3), Angstrom.

        Returns
        -------
        energy, gradient
            A float or (n,) in kcal/mol; the shape of the positions in kcal/mol/Angstrom.

        Raises
        ------
        InputError
            If the shape is another or a coordinate is not finite.
        """
        batch, single = self._batch(positions)
        value, gradient = self._evaluate(batch)
        return (float(value[0]), gradient[0]) if single else (value, gradient)

    def calculator(self) -> PotentialCalculator:
        """Return an ASE calculator of this potential (eV, eV/Angstrom)."""
        from potentials.calculator import PotentialCalculator

        return PotentialCalculator(self)

    def _batch(self, positions: ArrayLike) -> tuple[Floats, bool]:
        batch = np.asarray(positions, dtype=np.float64)
        expected = (self.nmer.natoms, 3)
        if batch.ndim not in (2, 3) or batch.shape[-2:] != expected:
            raise InputError(
                f"positions have shape {batch.shape}; allowed: {expected} or (n, {expected[0]}, 3) in Angstrom, "
                f"atoms in the order {' '.join(self.nmer.symbols)}"
            )
        if not np.isfinite(batch).all():
            raise InputError("positions hold a number that is not finite")
        return batch.reshape(-1, *expected), batch.ndim == 2

    def _evaluate(self, positions: Floats) -> tuple[Floats, Floats]:
        energy, gradient = np.zeros(len(positions)), np.zeros_like(positions)
        if self.switching is None:
            energy[:], gradient[:] = self._unswitched(positions)
            return energy, gradient
        factor, slope = self.switching.evaluate(positions)
        inside = np.flatnonzero(factor)  # outside nothing is evaluated
        value, arrow = self._unswitched(positions[inside])
        energy[inside] = factor[inside] * value
        gradient[inside] = factor[inside, None, None] * arrow
        first, second = self.switching.atoms
        turn = value[:, None] * slope[inside]
        gradient[inside, first] += turn
        gradient[inside, second] -= turn
        return energy, gradient

    def _unswitched(self, positions: Floats) -> tuple[Floats, Floats]:
        pairs = self.basis.variables.pairs
        x, distances = morse(self.basis, self.k, positions)
        value, slopes = self._polynomial.value_and_slopes(x)
        k = self.k[self.basis.variables.kind]
        arrow = positions[:, pairs[:, 0]] - positions[:, pairs[:, 1]]
        force = (-k * x * slopes / distances)[:, :, None] * arrow
        return value, self._incidence @ force
