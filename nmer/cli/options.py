"""Options of several commands."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from potentials.errors import InputError

Json = Annotated[bool, Parameter(name="--json", help="Print one JSON document for scripts.")]
StorePath = Annotated[
    str | None, Parameter(name="--store", help="Folder of the store; default: NMER_STORE, else ./nmer-store.")
]
RecipeName = Annotated[str, Parameter(help="Name of a shipped recipe, or path of a TOML file.")]
Yes = Annotated[bool, Parameter(name="--yes", help="Start whatever the cost; see --max-core-hours.")]
MaxCoreHours = Annotated[
    float | None,
    Parameter(
        name="--max-core-hours",
        help="Largest cost (core-hours) that starts without --yes; default: that of the machine's profile, "
        "NMER_MAX_CORE_HOURS, or 100 if no preset is given.",
    ),
]
Preset = Annotated[str | None, Parameter(name="--preset", help="A preset of the recipe: smoke, laptop, or paper.")]


def numbers_of(option: str, text: str) -> list[int]:
    """Read whole numbers separated by commas.

    Raises
    ------
    InputError
        If the text is something else.
    """
    try:
        return [int(word) for word in text.split(",")] if text else []
    except ValueError:
        raise InputError(
            f"{option} is '{text}'; it takes whole numbers separated by commas, for example 5,3"
        ) from None


def pair_of(text: str) -> tuple[str, str]:
    """Return the n-mer and the reference of a text such as ``ch=ch@2``.

    Raises
    ------
    InputError
        If it is something else.
    """
    name, equals, ref = text.partition("=")
    if not (name and equals and ref) or ref.endswith((".h5", ".json")):
        raise InputError(f"--use is '{text}'; it takes N-MER=REFERENCE of the store, for example ch=ch@2")
    return name, ref
