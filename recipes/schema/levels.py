"""The levels of a recipe: a cheap protocol for all configurations, and better ones for nested subsets of them.

The potential of levels is a sum: a fit to the labels of the first level, and for each further level a fit to the
difference between its labels and those of the level before it, at the configurations of its own, smaller subset.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from recipes.schema.fitting import Fitting
from recipes.schema.labelling import Labelling
from recipes.schema.named import find_protocol
from recipes.schema.patterns import PresetName
from recipes.schema.section import Section

FEWEST = 2
"""Smallest number of levels: one alone is what [labelling] is for."""

MOST = 6
"""Largest number of levels."""


class LevelFit(Section):
    """The fit of the difference between a level's energies and those of the level before it.

    Its forms, rules, variables, weights and k are those of [fitting].
    """

    degree: int = Field(2, ge=1, le=8, description="highest degree of a monomial of the difference")
    max_terms: int | None = Field(
        None, ge=1, le=40_000, description="largest number of terms; those that lower the error most are kept"
    )
    gamma: float | None = Field(None, ge=0, le=10, description="ridge parameter Gamma; absent: that of fitting")
    validation_fraction: float = Field(
        0.1,
        gt=0,
        lt=0.5,
        description="fraction of the level's training set that measures its validation error",
    )


class Level(Section):
    """One level: a protocol, how many configurations it labels, and the fit of its difference.

    The protocol is given by name, by its settings, or by a name and settings that replace some of it. Once read, a
    level has the settings alone.
    """

    protocol: PresetName = Field(
        "",
        exclude=True,
        description="name of a protocol, as nmer protocols lists them; labelling replaces parts of it",
    )
    labelling: Labelling = Field(description="the protocol's settings")
    train: int = Field(
        ge=2, le=1_000_000, description="training configurations; at most as many as the level before"
    )
    test: int = Field(ge=1, le=1_000_000, description="test configurations; at most as many as the level before")
    fitting: LevelFit | None = Field(
        None, description="fit of the difference from the level before; that of the first level is [fitting]"
    )

    @model_validator(mode="before")
    @classmethod
    def _settings_of_protocol(cls, values: Any) -> Any:
        """Put the settings of a named protocol in the place of its name."""
        if not isinstance(values, dict):
            return values
        name, given = values.get("protocol", ""), values.get("labelling", {})
        if not name and "labelling" not in values:
            raise ValueError(
                "protocol is missing; give the name of one (nmer protocols lists them), or its settings as the "
                "table labelling"
            )
        if not name or not isinstance(name, str) or not isinstance(given, dict):
            return values
        return {**values, "protocol": "", "labelling": find_protocol(name).model_dump() | given}

    @model_validator(mode="after")
    def _one_protocol(self) -> Self:
        if self.protocol:
            raise ValueError("labelling beside protocol must be a table of what it replaces of the protocol")
        return self

    @property
    def title(self) -> str:
        """The usual name of the level of theory."""
        return self.labelling.level

    @property
    def counts(self) -> tuple[int, int]:
        """Number of training and of test configurations."""
        return self.train, self.test


def filled(values: dict[str, Any], defaults: tuple[int, int]) -> dict[str, Any]:
    """Return a recipe's values completed from its levels.

    The first level has the size of the selection, whichever of the two is given, every further one a fit, and the
    labelling section is that of the last.

    Parameters
    ----------
    values
        The recipe as read.
    defaults
        Training and test configurations of a selection that does not say how many.
    """
    levels, selection = values.get("levels"), values.get("selection", {})
    if not isinstance(levels, (list, tuple)) or not levels:
        return values
    levels = [one.model_dump() if isinstance(one, Level) else one for one in levels]
    if not all(isinstance(one, dict) for one in levels):
        return values
    first, found = dict(levels[0]), dict(values)
    if isinstance(selection, dict):
        found["selection"] = selection = dict(selection)
        for name, default in zip(("train", "test"), defaults, strict=True):
            if name not in first:
                first[name] = selection.get(name, default)
            selection.setdefault(name, first[name])
    else:
        first = {"train": selection.train, "test": selection.test} | first
    further = [{"fitting": {}} | one for one in levels[1:]]
    found["levels"] = [first, *further]
    if "labelling" not in values:
        try:
            found["labelling"] = Level.model_validate(levels[-1] | {"train": 2, "test": 1}).labelling
        except ValueError:
            return found  # the validation of the fields reports the error
    return found


def check_levels(levels: Sequence[Level], labelling: Labelling, selection: tuple[int, int]) -> None:
    """Raise ValueError unless levels fit together, with the labelling section, and with the selection's size.

    Parameters
    ----------
    levels
        The first, which labels all configurations, first.
    labelling
        The recipe's labelling section.
    selection
        Training and test configurations of the recipe's selection.
    """
    if not FEWEST <= len(levels) <= MOST:
        one = "; for one protocol give [labelling] without levels" if len(levels) < FEWEST else ""
        raise ValueError(f"levels has {len(levels)}; allowed: {FEWEST} to {MOST}{one}")
    if labelling != levels[-1].labelling:
        raise ValueError(
            "labelling is given beside levels, with other settings than those of the last level, whose energies "
            "are the potential's; leave labelling out"
        )
    if levels[0].fitting is not None:
        raise ValueError("levels.0.fitting does not apply: the fit of the first level is the section fitting")
    for name, mine, own in zip(("train", "test"), levels[0].counts, selection, strict=True):
        if mine != own:
            raise ValueError(
                f"levels.0.{name} = {mine} and selection.{name} = {own} must be the same: the first level labels "
                f"every configuration; leave levels.0.{name} out"
            )
    for number in range(1, len(levels)):
        _check_step(number, levels[number], levels[number - 1])


def _check_step(number: int, level: Level, below: Level) -> None:
    for name, mine, before in zip(("train", "test"), level.counts, below.counts, strict=True):
        if mine > before:
            raise ValueError(
                f"levels.{number}.{name} = {mine} is more than levels.{number - 1}.{name} = {before}; allowed: at "
                "most as many, because each level labels some of the configurations of the level before"
            )
    if level.labelling == below.labelling:
        raise ValueError(
            f"levels.{number} has the same protocol as levels.{number - 1}, {level.title}: there is no difference "
            "to fit; give another protocol"
        )
    if level.labelling.reference != below.labelling.reference:
        raise ValueError(
            f"levels.{number}.labelling.reference = '{level.labelling.reference}' must be that of the other "
            f"levels, '{below.labelling.reference}'"
        )


def fitting_of(levels: Sequence[Level], number: int, first: Fitting) -> Fitting:
    """Return the complete settings of a level's fit.

    A difference is fitted with the k of the first level's fit, and without a baseline: the sum then is one
    polynomial.

    Parameters
    ----------
    levels
        All levels.
    number
        Which, from 0.
    first
        The recipe's fitting section, which is the fit of the first level.
    """
    if number == 0:
        return first
    own = levels[number].fitting or LevelFit()
    return first.model_copy(
        update={
            "degree": own.degree,
            "max_terms": own.max_terms,
            "gamma": first.gamma if own.gamma is None else own.gamma,
            "validation_fraction": own.validation_fraction,
            "optimizer": "fixed",
            "baseline": None,
        }
    )
