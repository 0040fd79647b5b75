"""The numbers of a potential in the form that evaluation kernels use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.nmers.switching import Key
from potentials.pip.evaluation import Polynomial
from potentials.pip.potential import Potential


@dataclass(frozen=True, eq=False)
class Tables:
    """A potential as arrays.

    Attributes
    ----------
    symbols
        Element of each atom.
    pairs
        (variables, 2), the points of each distance: atoms, then two sites for each pair of lone pairs.
    k, d
        (variables,): 1/Angstrom (of a Gaussian 1/Angstrom^2), and Angstrom.
    flags
        (variables, 2), whether each is Gaussian, and whether it is divided by its distance.
    site_atoms, site_numbers
        (lone pairs, 3), centre and two neighbours; (lone pairs, 2), along and across (1/Angstrom).
    parents, factors, begins
        Each monomial is an earlier one times a variable; where those of degree 0, 1, ... begin, and the end.
    slopes
        (monomials, variables), kcal/mol: the gradient's coefficients of the degree above each monomial's.
    switch_atoms, switch_radii
        The key of each body, an atom or several, and r_in and r_out in Angstrom; None where nothing is switched.
    cap_atoms, cap_lengths
        (caps, 2), a cap and its anchor; (caps,), Angstrom. Caps are put at their length before all else.
    """

    symbols: tuple[str, ...]
    pairs: Ints
    k: Floats
    d: Floats
    flags: Ints
    site_atoms: Ints
    site_numbers: Floats
    parents: Ints
    factors: Ints
    begins: Ints
    slopes: Floats
    switch_atoms: tuple[Key, ...] | None
    switch_radii: tuple[float, float] | None
    cap_atoms: Ints
    cap_lengths: Floats

    @classmethod
    def of(cls, potential: Potential) -> Tables:
        """Return the tables of a potential."""
        variables = potential.basis.variables
        polynomial = Polynomial.build(potential.basis, potential.coefficients)
        k, d = variables.spread(potential.parameters)
        switching = potential.switching
        return cls(
            symbols=potential.nmer.symbols,
            pairs=variables.pairs,
            k=k,
            d=d,
            flags=variables.flags,
            site_atoms=variables.sites.atoms,
            site_numbers=variables.sites.numbers,
            parents=polynomial.parents,
            factors=polynomial.factors,
            begins=polynomial.begins,
            slopes=polynomial.stacked,
            switch_atoms=None if switching is None else switching.atoms,
            switch_radii=None if switching is None else (switching.r_in, switching.r_out),
            cap_atoms=np.array([(c, a) for c, a, _ in potential.nmer.caps], dtype=np.int64).reshape(-1, 2),
            cap_lengths=np.array([length for _, _, length in potential.nmer.caps], dtype=np.float64),
        )

    @property
    def switch_keys(self) -> tuple[tuple[int, ...], ...]:
        """The atoms of each key; none where nothing is switched."""
        return tuple(key if isinstance(key, tuple) else (key,) for key in self.switch_atoms or ())

    def plain(self) -> dict[str, Any]:
        """Return the tables as JSON allows them."""
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(self).items()}
