"""The options of the sampler 'normal-modes'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from recipes.schema.sampling import MOST_FRAMES
from recipes.schema.tables import Options


class NormalModesOptions(Options):
    """Frames displaced along the normal modes of the force field's minimum."""

    TABLE: ClassVar[str] = "normal_modes"
    ABSENT: ClassVar[Mapping[str, Any] | None] = {"frames": 0, "statistics": "quantum"}

    frames: int = Field(
        0, ge=0, le=MOST_FRAMES, description="frames, if other samplers run too; alone it makes all frames"
    )
    statistics: Literal["quantum", "classical"] = Field(
        "quantum", description="harmonic distribution of the displacements at each temperature"
    )
