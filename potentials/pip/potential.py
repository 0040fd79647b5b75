"""A fitted potential: energies and exact gradients of an n-mer."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from potentials.arrays import Bools, Floats
from potentials.energy_function import EnergyFunction
from potentials.errors import InputError
from potentials.evaluation import Evaluation
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.physics.nbody import PhysicsOfNMer
from potentials.physics.parameters import PhysicsParameters
from potentials.pip.basis import Basis, BasisOptions
from potentials.pip.evaluation import Polynomial, morse, polynomials
from potentials.pip.held import CAP_SPRING, HeldCaps
from potentials.pip.ranges import MARGIN, Ranges, check_ranges

if TYPE_CHECKING:
    from potentials.calculator import PotentialCalculator


@dataclass(frozen=True, eq=False, repr=False)
class Potential(EnergyFunction):
    """V = S * PIP(x) + V_phys, x = exp(-k r) or of another form, S the switching: the n-body energy of one n-mer.

    `energy` and `evaluate` give the n-body energy. `correction` gives S * PIP(x) alone, which is what a sum over a
    molecule adds to V_phys of the whole. Without V_phys both are the same.

    It is defined where every cap is at its fixed length, `NMer.caps`, as in the data it was fitted to; elsewhere
    its value is meaningless. `held` keeps caps there, as `calculator`, the sum over a molecule, and exported
    potentials do.

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
        The switching of an intermolecular potential; None if it has none.
    selected
        Which terms of the basis have a coefficient, in ascending order; None: all of them.
    ensemble
        (members, n_terms), other coefficients that fit nearly as well, kcal/mol; None where there are none.
    options
        Rules for the terms, forms of the variables, and virtual sites.
    d
        Shift of each kind of distance whose form has one, Angstrom.
    name, status
        The version it was read from, and ``candidate`` or ``released``.
    remarks
        Further facts about its quality, such as the level of its labels and its RMSDs; one phrase each.
    physics
        V_phys' n-body energy, the baseline of the fit, which is not switched; None if it was fitted without.
    ranges
        (2, distances), the range of the training data, Angstrom, of `training_ranges`; None where it is not known.

    Raises
    ------
    InputError
        If the numbers of k, coefficients or ranges do not match, one is not finite, a switching atom does not
        exist, or V_phys is that of other atoms.
    """

    nmer: NMer
    degree: int
    terms: str
    k: Floats
    coefficients: Floats
    switching: Switching | None = None
    name: str = ""
    status: str = "candidate"
    selected: tuple[int, ...] | None = None
    ensemble: Floats | None = None
    options: BasisOptions = field(default_factory=BasisOptions)
    d: Floats = field(default_factory=lambda: np.empty(0))
    remarks: tuple[str, ...] = ()
    physics: PhysicsOfNMer | None = None
    ranges: Floats | None = None

    def __post_init__(self) -> None:
        for name in ("k", "d", "coefficients", "ensemble", "ranges"):
            if getattr(self, name) is None:
                continue
            values = np.array(getattr(self, name), dtype=np.float64)
            values.flags.writeable = False  # read-only, because values derived from it are cached
            object.__setattr__(self, name, values)
            if not np.isfinite(values).all():
                raise InputError(f"a potential's {name} hold a number that is not finite")
        if self.switching is not None and self.switching.highest >= self.nmer.natoms:
            raise InputError(
                f"switching atoms are {self.switching.atoms}; allowed: atoms from 0 to {self.nmer.natoms - 1}"
            )
        if self.physics is not None and self.physics.symbols != self.symbols:
            raise InputError(
                f"V_phys is that of the atoms {' '.join(self.physics.symbols)}; the n-mer's are "
                f"{' '.join(self.symbols)}"
            )
        shifts = len(self.basis.variables.shifted)
        if self.d.shape != (shifts,):
            raise InputError(
                f"a potential with forms {self.options.forms} has {shifts} d; {self.d.size} were given"
            )
        if self.ranges is not None:
            check_ranges(self.nmer, self.ranges)
        if self.k.shape != (len(self.basis.pair_names),) or self.coefficients.shape != (self.basis.n_terms,):
            raise InputError(
                f"a potential of {self.nmer.symmetry}, degree {self.degree}, has {len(self.basis.pair_names)} k "
                f"and {self.basis.n_terms} coefficients; {self.k.size} and {self.coefficients.size} were given"
            )

    def __repr__(self) -> str:
        """Return three lines: the n-mer, the polynomial, the quality."""
        switching = self.switching
        forms = ", ".join(dict.fromkeys(self.basis.variables.forms))
        polynomial = [
            f"{len(self.coefficients)} terms ({self.terms}) up to degree {self.degree}",
            f"{len(self.basis.variables)} variables ({forms}) of {len(self.k)} kinds",
            *([] if switching is None else [f"switched off from {switching.r_in:g} to {switching.r_out:g} A"]),
            *([] if self.physics is None else [f"over V_phys of {_named(self.physics.parameters)}"]),
        ]
        quality = [self.status, *self.remarks]
        if self.ensemble is not None:
            quality.append(f"uncertainty from {len(self.ensemble)} fits")
        return (
            f"Potential {self.name or 'without a name'} of n-mer {self.nmer.name}: {' '.join(self.symbols)} "
            f"({self.nmer.symmetry})\n  {', '.join(polynomial)}\n  {'; '.join(quality)}"
        )

    @cached_property
    def basis(self) -> Basis:
        """The terms."""
        whole = Basis.build(self.nmer, self.degree, self.terms, self.options)
        return whole if self.selected is None else whole.select(self.selected)

    @cached_property
    def parameters(self) -> Floats:
        """All non-linear parameters: the k, then the d."""
        return np.concatenate([self.k, self.d])

    @cached_property
    def _polynomial(self) -> Polynomial:
        return Polynomial.build(self.basis, self.coefficients)

    @cached_property
    def _spread(self) -> tuple[Floats, Floats]:
        return self.basis.variables.spread(self.parameters)

    @cached_property
    def _deviations(self) -> Floats:
        """(n_terms, members), how far each member's coefficients are from the potential's."""
        ensemble = self.coefficients[None] if self.ensemble is None else self.ensemble
        return np.ascontiguousarray((ensemble - self.coefficients).T)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom."""
        return self.nmer.symbols

    @property
    def physics_digest(self) -> str:
        """Digest of the parameters of V_phys that it was fitted over; empty if it was fitted without."""
        return "" if self.physics is None else self.physics.parameters.digest

    def evaluate(self, positions: Floats) -> Evaluation:
        """Return the n-body energies and gradients of (n, atoms, 3) in Angstrom.

        With V_phys, the shares are ``correction`` and ``physics``. Raises InputError if a distance is 0.
        """
        found = self._correction(positions)
        if self.physics is None:
            return found
        below = self.physics.evaluate(positions)
        shares = {"correction": found.energy, "physics": below.energy}
        return Evaluation(found.energy + below.energy, found.gradient + below.gradient, shares)

    def correction(self, positions: ArrayLike) -> Evaluation:
        """Return the energies and gradients of the switched PIP alone.

        Parameters
        ----------
        positions
            (atoms, 3) or (n, atoms, 3), Angstrom.

        Returns
        -------
        (n,) in kcal/mol and (n, atoms, 3) in kcal/mol/Angstrom, n = 1 for a single configuration.

        Raises
        ------
        InputError
            If the positions are not valid for `energy`.
        """
        return self._correction(self.as_batch(positions)[0])

    def _correction(self, positions: Floats) -> Evaluation:
        if self.switching is None:
            return Evaluation(*self._unswitched(positions, np.arange(len(positions))))
        factor, slope = self.switching.evaluate(positions)
        inside = np.flatnonzero(factor)  # outside nothing is evaluated
        if len(inside) == len(positions):
            value, gradient = self._unswitched(positions, inside)
        else:
            value, gradient = np.zeros(len(positions)), np.zeros(positions.shape)
            value[inside], gradient[inside] = self._unswitched(positions[inside], inside)
        gradient *= factor[:, None, None]
        gradient += value[:, None, None] * slope
        return Evaluation(value * factor, gradient)

    def uncertainty(self, positions: ArrayLike) -> float | Floats:
        """Return the uncertainty of the energy: the spread of an ensemble of fits.

        It is scaled to match the errors on data held back from the fit. It grows far from all training data, but
        it reflects this basis alone.

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
            If the potential has no ensemble, or the positions are not valid for `energy`.
        """
        batch, single = self.as_batch(positions)
        spread = np.sqrt(np.mean(np.square(self.deviations(batch)), axis=1))
        return float(spread[0]) if single else spread

    def deviations(self, positions: ArrayLike) -> Floats:
        """Return how far the energy of each member of the ensemble is from the potential's.

        A member's coefficients are the same at all occurrences of the n-mer: its deviations add up with their
        signs. `uncertainty` is the root mean square over the members. The errors raised are the same.

        Parameters
        ----------
        positions
            (atoms, 3) or (n, atoms, 3), Angstrom.

        Returns
        -------
        (n, members), kcal/mol.
        """
        if self.ensemble is None:
            raise InputError(
                "this potential has no ensemble of coefficients; set fitting.ensemble and fit it again"
            )
        batch, _ = self.as_batch(positions)
        factor = np.ones(len(batch)) if self.switching is None else self.switching.evaluate(batch)[0]
        off = np.zeros((len(batch), len(self.ensemble)))
        inside = np.flatnonzero(factor)
        x, _ = morse(self.basis, self.parameters, batch[inside])
        off[inside] = factor[inside, None] * polynomials(self.basis, x, self._deviations)
        return off

    def extrapolates(self, positions: ArrayLike, margin: float = MARGIN) -> bool | Bools:
        """Return whether a geometry is outside of the range of the training data.

        It is outside if a distance, or the mean of several of one kind, is shorter or longer than in all training
        configurations by more than a margin (`potentials.pip.ranges`). Inside, see `uncertainty`.

        Parameters
        ----------
        positions
            (atoms, 3) or (n, atoms, 3), Angstrom.
        margin
            A distance may be outside by the factor (longest / shortest)^margin, at least by 1 %, at most by 15 %.

        Returns
        -------
        A bool, or (n,).

        Raises
        ------
        InputError
            If the range is not known, as for older potentials, or the positions are not valid for `energy`.
        """
        batch, single = self.as_batch(positions)
        outside = self.training.extrapolates(batch, margin)
        return bool(outside[0]) if single else outside

    @cached_property
    def training(self) -> Ranges:
        """The range of the training data; raises InputError if it is not known."""
        if self.ranges is None:
            raise InputError("this potential does not have the range of its training data; fit it again")
        return Ranges(self.nmer, self.switching, self.ranges)

    def held(self, spring: float = 0.0) -> HeldCaps:
        """Return the potential with held caps, with a spring (kcal/mol/Angstrom^2) or none; see `HeldCaps`."""
        return HeldCaps(self, spring)

    def calculator(self, cap_spring: float = CAP_SPRING) -> PotentialCalculator:
        """Return an ASE calculator of this potential (eV, eV/Angstrom), its caps held at their fixed length.

        Parameters
        ----------
        cap_spring
            K of the energy K (r - L)^2 between each cap and its anchor, kcal/mol/Angstrom^2. It is part of the
            energy, zero at the length, and in ``calculator.results["cap_energy"]`` (eV). With 0 the energy does
            not depend on a cap's distance at all: for atoms whose caps have a constraint,
            ``FixBondLengths([(cap, anchor) for cap, anchor, _ in potential.nmer.caps])``.

        Raises
        ------
        InputError
            If the spring is negative or not finite.
        """
        return self.held(cap_spring).calculator() if self.nmer.caps else super().calculator()

    def _unswitched(self, positions: Floats, numbers: NDArray[np.intp]) -> tuple[Floats, Floats]:
        value, gradient, touching = self._polynomial.value_and_gradient(*self._spread, positions)
        if touching:
            where, variable = np.argwhere(self.basis.variables.distances(positions) == 0.0)[0]
            i, j = self.basis.variables.pairs[variable]
            raise InputError(f"atoms {i} and {j} are in one place (configuration {numbers[where]} of those given)")
        return value, gradient


def _named(parameters: PhysicsParameters) -> str:
    digest = parameters.digest[:12]
    return f"{parameters.name} ({digest})" if parameters.name else f"parameters {digest}"
