"""The fitting section: the terms of a PIP, and how its parameters are found."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from recipes.section import Pair, Section


class Switching(Section):
    """Cosine switching of an intermolecular potential."""

    atoms: Pair = Field(description="the two atoms whose distance switches, counted from 0 in the n-mer")
    r_in: float = Field(ge=0, le=100, description="full potential up to here (A)")
    r_out: float = Field(gt=0, le=100, description="no potential from here on (A)")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.r_in >= self.r_out:
            raise ValueError(f"r_in = {self.r_in:g} A must be less than r_out = {self.r_out:g} A")
        return self


class Fitting(Section):
    """A PIP in Morse variables exp(-k R), fitted by weighted ridge regression."""

    LATER: ClassVar[frozenset[str]] = frozenset(
        {"max_terms", "k", "gradient_weight", "start_configurations", "ensemble"}
    )

    degree: int = Field(3, ge=1, le=8, description="highest degree of a monomial")
    terms: Literal["all", "intermolecular"] = Field(
        "intermolecular",
        description="intermolecular: every monomial holds at least one intermolecular variable",
    )
    gamma: float = Field(5e-4, ge=0, le=10, description="ridge parameter Gamma")
    delta_e: float = Field(40.0, gt=0, le=10_000, description="energy scale dE of the weights (kcal/mol)")
    max_terms: int | None = Field(
        None, ge=1, le=40_000, description="keep the terms that lower the error most, at most so many"
    )
    optimizer: Literal["variable-projection", "simplex", "fixed"] = Field(
        "variable-projection", description="how the k are found; fixed: they stay as k says"
    )
    k: Annotated[float, Field(gt=0, le=20)] = Field(
        1.0, description="all k of the first start (1/A); optimizer 'fixed' leaves them there"
    )
    k_bounds: tuple[Annotated[float, Field(gt=0, le=20)], Annotated[float, Field(gt=0, le=20)]] = Field(
        (0.1, 4.0), description="bounds of the non-linear parameters k (1/A)"
    )
    starts: int = Field(5, ge=1, le=1000, description="starting points of the k")
    max_iterations: int = Field(100, ge=1, le=100_000, description="optimizer iterations per start")
    validation_fraction: float = Field(
        0.1, gt=0, lt=0.5, description="part of the training set that picks the start"
    )
    start_configurations: int = Field(
        8000,
        ge=2,
        description="training configurations that the starts are compared on; the best is refined on all",
    )
    gradient_weight: float = Field(
        0.1,
        ge=0,
        le=1e4,
        description="weight of a gradient's squared error against an energy's (A^2), where known",
    )
    ensemble: int = Field(
        32, ge=0, le=1000, description="members that tell the uncertainty of a prediction; 0: none"
    )
    switching: Switching | None = None
    seed: int = Field(2025, ge=0, le=2**32 - 1)

    @model_validator(mode="after")
    def _bounds_rise(self) -> Self:
        if self.k_bounds[0] >= self.k_bounds[1]:
            raise ValueError(f"k_bounds {list(self.k_bounds)} (1/A) must rise")
        return self
