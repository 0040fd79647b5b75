"""The stages of a recipe and the groups of them that can run alone; all lists of stages are derived from these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

StageName = Literal["sampling", "selection", "labelling", "fitting", "validation"]
PartName = Literal["sample", "label", "fit", "validate"]


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes
    ----------
    name
        Name in commands, keys and progress lines; ``tasks/NAME/task.py`` holds its function, ``NAME_task``.
    title
        What it does, in a few words.
    makes
        Kind of the version that it adds to the store.
    unit
        What is counted, in the plural.
    sections
        Sections of the recipe that decide its key, besides the keys of its inputs.
    format
        Number of the format of its content; see `storage.keys.stage_format`.
    takes
        Arguments of its function besides the plan and the store: ``scheduler`` (returns the address of the Dask
        scheduler), ``compute`` (calls a function where the fit runs), ``source`` (key of the version that the
        previous stage made), ``learning`` (returns the learning curve of a stored potential).
    """

    name: StageName
    title: str
    makes: str
    unit: str
    sections: tuple[str, ...]
    format: int
    takes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """Stages that can run alone, with ``nmer run --only``; their inputs must be in the store.

    Attributes
    ----------
    first, last
        Its first and its last stage.
    title
        What it does.
    """

    first: StageName
    last: StageName
    title: str


STAGE: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("sampling", "sample a pool", "pool", "frames", ("nmer", "sampling"), 2, ("scheduler",)),
        Stage("selection", "choose configurations", "selection", "configurations", ("selection",), 2),
        Stage("labelling", "label them", "dataset", "labels", ("labelling",), 1, ("scheduler",)),
        Stage("fitting", "fit a potential", "potential", "terms", ("fitting",), 3, ("source", "compute")),
        Stage("validation", "judge the potential", "validation", "errors", ("gates",), 4, ("source", "learning")),
    )
}
"""Every stage by its name, in the order in which they run."""

STAGES: tuple[StageName, ...] = get_args(StageName)
"""Names of the stages in the order in which they run."""

PARTS: dict[PartName, Part] = {
    "sample": Part("sampling", "selection", "Sample an n-mer's pool and choose configurations from it"),
    "label": Part("labelling", "labelling", "Label the configurations of an n-mer"),
    "fit": Part("fitting", "fitting", "Fit a potential to an n-mer's labels"),
    "validate": Part("validation", "validation", "Judge an n-mer's potential and write its report"),
}
"""Every part by its name."""


def stages_until(last: str, first: str = STAGES[0]) -> tuple[StageName, ...]:
    """Return the names of the stages from one to another, both included."""
    return STAGES[STAGES.index(first) : STAGES.index(last) + 1]
