"""The fitting section: the terms of a PIP, and how its parameters are found."""

from __future__ import annotations

from collections.abc import Mapping
from math import comb
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, WrapValidator, field_validator, model_validator

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis, BasisOptions
from potentials.pip.rules import EXAMPLES, parse_rules
from potentials.pip.sites import LonePairs
from potentials.pip.variables import Forms
from recipes.schema.patterns import PhysicsName, RuleText
from recipes.schema.section import Atom, Section

MOST_MONOMIALS = 5_000_000
"""Largest number of monomials that are enumerated to find the terms; the papers' largest n-mer has 85,000."""

Form = Literal["exp", "exp0", "coul", "coul0", "gau", "gau0"]


def _key(value: Any, _: object) -> int | tuple[int, ...]:
    """Return the key of a body, an atom or several; raises ValueError if it is neither."""
    several = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if not several or any(not isinstance(a, int) or isinstance(a, bool) or a < 0 for a in several):
        raise ValueError(f"{value!r} is not an atom, counted from 0, or a list of atoms that exchange: [0, 1]")
    return several if isinstance(value, (list, tuple)) else several[0]


Key = Annotated[int | tuple[int, ...], WrapValidator(_key)]


class SwitchingModel(Section):
    """Cosine switching of an intermolecular potential: the product of s(R) over all pairs of fragments."""

    atoms: tuple[Key, ...] = Field(
        min_length=2,
        max_length=3,
        description="for each fragment the atom that R is measured from, from 0 in the n-mer; a list: their mean",
    )
    r_in: float = Field(ge=0, le=100, description="full potential up to here (A)")
    r_out: float = Field(gt=0, le=100, description="no potential from here on (A)")

    @model_validator(mode="after")
    def _buildable(self) -> Self:
        if self.r_in >= self.r_out:
            raise ValueError(f"r_in = {self.r_in:g} A must be less than r_out = {self.r_out:g} A")
        self.build()
        return self

    def build(self) -> Switching:
        """Return the switching."""
        return Switching(self.atoms, self.r_in, self.r_out)

    def check(self, nmer: NMer) -> None:
        """Raise InputError unless every fragment has its key, and exchanges of equivalent atoms change nothing."""
        switching = self.build()
        count = len(nmer.fragments)
        if switching.highest >= nmer.natoms:
            raise InputError(f"fitting.switching.atoms must be atoms from 0 to {nmer.natoms - 1}")
        home = [n for n, fragment in enumerate(nmer.fragments) for _ in range(fragment.natoms)]
        homes = [sorted({home[atom] for atom in key}) for key in switching.keys]
        if sorted(homes) != [[n] for n in range(count)]:
            raise InputError(
                f"fitting.switching.atoms = {_written(self.atoms)} must have one key in each of the {count} "
                "fragments: an atom of each, or a list of atoms of it"
            )
        blocks, known = nmer.symmetry.split("_"), dict[str, set[str]]()
        for (number,), key in zip(homes, switching.keys, strict=True):
            letters = {nmer.classes[atom] for atom in key}
            own = nmer.slices[number]
            alike = [atom for atom in range(own.start, own.stop) if nmer.classes[atom] in letters]
            if sorted(key) != alike:
                raise InputError(
                    f"fitting.switching.atoms = {_written(self.atoms)} tells equivalent atoms of fragment "
                    f"'{nmer.fragments[number].name}' apart; allowed: {alike}, all of them, or an atom that is "
                    "the only one of its letter"
                )
            if known.setdefault(blocks[number], letters) != letters:
                raise InputError(
                    f"fitting.switching.atoms = {_written(self.atoms)} tells fragments {blocks[number]}, which "
                    "are alike, apart; allowed: the same atom of each"
                )


def _written(atoms: tuple[int | tuple[int, ...], ...]) -> str:
    """Return keys as a recipe has them: ``[0, [5, 6]]``."""
    return str([list(key) if isinstance(key, tuple) else key for key in atoms])


def _of_each(basis: Basis, k: Any, d: Any) -> Floats:
    """Return a value for each non-linear parameter of a basis: that of every k, then that of every d."""
    kinds = len(basis.pair_names)
    return np.array([k] * kinds + [d] * (len(basis.parameter_names) - kinds))


class VariableForms(Section):
    """Functions of distance: exp(-k R), coul exp(-k R)/R, gau exp(-k R^2); exp0, coul0, gau0: R - d in exp()."""

    intra: Form = Field("exp", description="of distances within fragments")
    inter: Form = Field("exp", description="of distances between fragments")


class LonePairSites(Section):
    """Two virtual sites at r_O + along (u + v)/2 +- across (u x v); u and v lead from O to its two H."""

    atoms: tuple[Atom, Atom, Atom] = Field(description="O, H, H, counted from 0 in the n-mer")
    along: float = Field(-0.09721486914088159, ge=-5, le=5, description="along the bisector; MB-pol's value")
    across: float = Field(0.0985927207840615, gt=0, le=5, description="across the plane (1/A); MB-pol's value")

    @model_validator(mode="after")
    def _three_atoms(self) -> Self:
        LonePairs(self.atoms)
        return self


class Fitting(Section):
    """A PIP in Morse variables exp(-k R), or others, fitted by weighted ridge regression."""

    LATER: ClassVar[Mapping[str, Any]] = {
        "variables": {"intra": "exp", "inter": "exp"},
        "rules": [],
        "lone_pairs": [],
        "max_terms": None,
        "k": 1.0,
        "d": 1.0,
        "d_bounds": [0.0, 7.0],
        "gradient_weight": 0.1,
        "start_configurations": 5000,
        "ensemble": 32,
        "baseline": None,
    }

    degree: int = Field(3, ge=1, le=8, description="highest degree of a monomial")
    terms: Literal["all", "intermolecular"] = Field(
        "intermolecular",
        description="intermolecular: the intermolecular distances of every monomial join all fragments",
    )
    rules: tuple[RuleText, ...] = Field(
        (), max_length=100, description=f"further rules that all terms must obey, such as: {EXAMPLES}"
    )
    variables: VariableForms = VariableForms()
    lone_pairs: tuple[LonePairSites, ...] = Field(
        (),
        max_length=20,
        description="pairs of virtual sites whose intermolecular distances are variables as well",
    )
    gamma: float = Field(5e-4, ge=0, le=10, description="ridge parameter Gamma")
    delta_e: float = Field(40.0, gt=0, le=10_000, description="energy scale dE of the weights (kcal/mol)")
    max_terms: int | None = Field(
        None, ge=1, le=40_000, description="largest number of terms; those that lower the error most are kept"
    )
    optimizer: Literal["variable-projection", "simplex", "fixed"] = Field(
        "variable-projection", description="how the k are found; fixed: they keep the value of k"
    )
    k: Annotated[float, Field(gt=0, le=20)] = Field(
        1.0, description="all k of the first start (1/A); optimizer 'fixed' leaves them there"
    )
    k_bounds: tuple[Annotated[float, Field(gt=0, le=20)], Annotated[float, Field(gt=0, le=20)]] = Field(
        (0.1, 4.0), description="bounds of the non-linear parameters k (1/A)"
    )
    d: Annotated[float, Field(ge=0, le=20)] = Field(
        1.0, description="all d of the first start (A), where a variable's form has one"
    )
    d_bounds: tuple[Annotated[float, Field(ge=0, le=20)], Annotated[float, Field(gt=0, le=20)]] = Field(
        (0.0, 7.0), description="bounds of the d (A)"
    )
    starts: int = Field(5, ge=1, le=1000, description="starting points of the k")
    max_iterations: int = Field(100, ge=1, le=100_000, description="optimizer iterations per start")
    validation_fraction: float = Field(
        0.1, gt=0, lt=0.5, description="fraction of the training set that selects the best start"
    )
    start_configurations: int = Field(
        5000,
        ge=2,
        le=1_000_000,
        description="training configurations that the starts are compared on; the best is refined on all",
    )
    gradient_weight: float = Field(
        0.1,
        ge=0,
        le=1e4,
        description="weight of a gradient's squared error against an energy's (A^2), where known",
    )
    ensemble: int = Field(
        32, ge=0, le=1000, description="ensemble members for the uncertainty of a prediction; 0: none"
    )
    switching: SwitchingModel | None = None
    baseline: PhysicsName | None = Field(
        None, description="parameters of V_phys, whose n-body energy is subtracted: physics:polyalanine@1"
    )
    seed: int = Field(2025, ge=0, le=2**32 - 1)

    def content(self) -> dict[str, Any]:
        """Return the values that determine the content of the stage; the baseline counts by its digest alone."""
        found = super().content()
        found.pop("baseline", None)
        return found

    @model_validator(mode="after")
    def _bounds_rise(self) -> Self:
        for name, (lower, upper), unit in (("k_bounds", self.k_bounds, "1/A"), ("d_bounds", self.d_bounds, "A")):
            if lower >= upper:
                raise ValueError(f"{name} [{lower}, {upper}] ({unit}) must rise")
        return self

    @field_validator("rules")
    @classmethod
    def _known_rules(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        parse_rules(value)
        return value

    def basis_options(self) -> BasisOptions:
        """Return the options of the basis besides its degree."""
        return BasisOptions(
            rules=self.rules,
            forms=Forms(self.variables.intra, self.variables.inter),
            lone_pairs=tuple(LonePairs(pair.atoms, pair.along, pair.across) for pair in self.lone_pairs),
        )

    def build_basis(self, nmer: NMer) -> Basis:
        """Return the terms, before any are chosen among them.

        Raises
        ------
        InputError
            If the rules or the lone pairs do not apply to the n-mer.
        """
        return Basis.build(nmer, self.degree, self.terms, self.basis_options())

    def first_start(self, basis: Basis) -> Floats:
        """Return the first start of the non-linear parameters of a basis, (parameters,)."""
        start = _of_each(basis, self.k, self.d)
        return start if self.optimizer == "fixed" else np.clip(start, *self.parameter_bounds(basis).T)

    def parameter_bounds(self, basis: Basis) -> Floats:
        """Return the bounds of each non-linear parameter of a basis, (parameters, 2)."""
        return _of_each(basis, self.k_bounds, self.d_bounds)

    def check(self, nmer: NMer) -> None:
        """Raise InputError if the degree, the rules or the lone pairs do not apply to an n-mer."""
        least = max(1, len(nmer.fragments) - 1)  # rules that leave no terms here leave none at higher degrees
        distances = comb(nmer.natoms + 2 * len(self.lone_pairs), 2)
        if (count := comb(distances + least, least)) > MOST_MONOMIALS:
            raise InputError(
                f"{distances:,} distances make {count:,} products of degree {least}; allowed: up to "
                f"{MOST_MONOMIALS:,}: fewer atoms"
            )
        if self.rules or self.lone_pairs or (self.terms == "intermolecular" and self.degree < least):
            Basis.build(nmer, min(self.degree, least), self.terms, self.basis_options())
