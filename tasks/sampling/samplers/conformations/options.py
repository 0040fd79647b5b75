"""The options of the sampler 'conformations'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from recipes.schema.patterns import matching
from recipes.schema.sampling import MOST_FRAMES
from recipes.schema.tables import Options

MoleculeText = Annotated[
    str,
    AfterValidator(
        matching(
            r"[A-Za-z\[][A-Za-z0-9@+()\[\]=#%/:-]*",
            "the name of a chain, such as AceAla4Nme, or SMILES of one molecule without dots and backslashes",
        )
    ),
]
"""A molecule by its name or SMILES; a file is none, because the recipe's key would not stand for what is in it."""


class ConformationsOptions(Options):
    """The n-mer cut from conformations of molecules."""

    TABLE: ClassVar[str] = "conformations"
    ABSENT: ClassVar[Mapping[str, Any] | None] = {"molecules": [], "frames": 0, "noise": 0.04}

    molecules: tuple[MoleculeText, ...] = Field(
        (),
        max_length=100,
        description="molecules that contain the n-mer: names of chains or SMILES; each gives equally many frames",
    )
    frames: int = Field(
        0, ge=0, le=MOST_FRAMES, description="frames, if other samplers run too; alone it makes all frames"
    )
    noise: float = Field(
        0.04, ge=0, le=0.5, description="standard deviation that is added to each coordinate of a molecule (A)"
    )
