"""The options of the sampler 'scan'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from recipes.schema.section import Atom, Section
from recipes.schema.tables import Options


class ScanAxis(Section):
    """One variable of a scan, with evenly spaced values."""

    atoms: tuple[Atom, ...] = Field(
        (),
        max_length=4,
        description="2 (distance), 3 (angle) or 4 (torsion) atoms; none: the distance of the fragments' centres",
    )
    lower: float = Field(ge=-360, le=360, description="first value (A or degrees)")
    upper: float = Field(ge=-360, le=360, description="last value (A or degrees)")
    points: int = Field(ge=1, le=1_000_000, description="number of values, both ends among them")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if len(self.atoms) == 1 or len(set(self.atoms)) != len(self.atoms):
            raise ValueError(f"atoms {list(self.atoms)} must be none, or 2, 3, or 4 different atoms")
        if self.points > 1 and self.lower >= self.upper:
            raise ValueError(f"lower = {self.lower:g} must be less than upper = {self.upper:g}")
        if len(self.atoms) in (0, 2) and self.lower <= 0:
            raise ValueError(f"lower = {self.lower:g} A must be above 0: it is a distance")
        return self


class ScanOptions(Options):
    """Frames on a grid of variables about the force field's minimum."""

    TABLE: ClassVar[str] = "scan"
    ABSENT: ClassVar[Mapping[str, Any] | None] = {"axes": [], "orientations": 1}

    axes: tuple[ScanAxis, ...] = Field((), max_length=4, description="the variables of the grid")
    orientations: int = Field(
        1, ge=1, le=1_000_000, description="random orientations of the second fragment at each point; 1: none"
    )

    @property
    def frames(self) -> int:
        """Number of frames: points of the grid times orientations."""
        total = self.orientations if self.axes else 0
        for axis in self.axes:
            total *= axis.points
        return total
