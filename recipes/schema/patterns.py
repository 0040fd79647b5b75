"""Patterns of the texts of a recipe, and checks whose messages say in words what is allowed.

The texts are passed to files, programs, and terminals. None may be long or have control characters; all but title
and licence have a narrow form.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, Field

LONGEST_NAME = 80
"""Largest number of characters of a recipe's name, which begins the names of folders and files."""

LONGEST_LINE = 200

LONGEST_GEOMETRY = 50_000
"""Largest number of characters: a thousand lines of one atom each."""

NAME = r"^[a-z0-9][a-z0-9-]*$"


def shown(value: Any, most: int = 60) -> str:
    """Return a value for a message, with unprintable characters escaped, at most `most` characters long."""
    try:
        text = repr(value[: most + 1] if isinstance(value, str) else value)
    except (ValueError, RecursionError):  # an integer of more digits than Python prints, or too deep a nesting
        return f"a {type(value).__name__} that is too long to show"
    return text if len(text) <= most + 2 else f"{text[:most]}..."


PLAIN = (
    ("a valid integer", "a whole number"),
    ("a valid number", "a number"),
    ("a valid boolean", "true or false"),
    ("a valid string", "a text"),
    ("a valid tuple", "values in brackets, [300, 500]"),
)
"""How messages of pydantic begin that are told in other words."""


def allowed(message: str) -> str:
    """Return a message of pydantic as the rest of a sentence that says what is allowed."""
    text = message.removeprefix("Value error, ")
    rest = text.removeprefix("Input should be ")
    if rest == text:
        return text[:1].lower() + text[1:]
    return f"allowed: {next((plain for begin, plain in PLAIN if rest.startswith(begin)), rest)}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return a hint for a message, with the known name that is most like an unknown one; empty if none is."""
    close = difflib.get_close_matches(name[:LONGEST_NAME], list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def matching(pattern: str, allowed: str, most: int = LONGEST_LINE) -> Callable[[str], str]:
    """Return a check of a text against a pattern; it raises ValueError with what is allowed.

    Parameters
    ----------
    pattern
        Pattern of the whole text.
    allowed
        The same in words.
    most
        Largest number of characters.
    """
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if len(text) > most:
            raise ValueError(f"{shown(text, 30)} has {len(text)} characters; allowed: up to {most}")
        if not compiled.fullmatch(text):
            raise ValueError(f"{shown(text)} must be {allowed}")
        return text

    return check


def printable_line(text: str) -> str:
    """Return a text that is one line of printable characters; raise ValueError for any other."""
    if len(text) > LONGEST_LINE:
        raise ValueError(f"{shown(text, 30)} has {len(text)} characters; allowed: up to {LONGEST_LINE}")
    if not text.isprintable():
        raise ValueError(f"{shown(text)} must be one line of printable text")
    return text


FreeLine = Annotated[str, AfterValidator(printable_line)]
"""One line of printable text: the only free text of a recipe."""

RecipeName = Annotated[
    str, Field(pattern=NAME, max_length=LONGEST_NAME, description="lowercase letters, digits and dashes")
]

_PRESET = r"(?:[A-Za-z0-9](?:[A-Za-z0-9_+. -]*[A-Za-z0-9_+-])?)?"
_PRESET_HAS = "letters, digits, and _ + - . or a blank between them"

PresetName = Annotated[str, AfterValidator(matching(_PRESET, _PRESET_HAS, 60))]

_LABEL = r"[\w+(\[-](?:[\w+()\[\], .:*-]*[\w+()\[\]:*-])?"
_LABEL_HAS = "letters, digits, blanks, and + - _ . , : * ( ) [ ], for example CH3-"

Label = Annotated[str, AfterValidator(matching(_LABEL, _LABEL_HAS, 60))]
"""Displayed name of a fragment."""

OptionalLabel = Annotated[str, AfterValidator(matching(f"(?:{_LABEL})?", _LABEL_HAS, 60))]
"""Displayed name of a CV family, or nothing."""

_TYPE = r"[A-Za-z0-9][A-Za-z0-9_*+-]*"

TypeName = Annotated[str, AfterValidator(matching(_TYPE, "the name of a type, such as protein-H1 or 140", 40))]

_SYMMETRY = r"(?:[A-Za-z0-9]+(?:_[A-Za-z0-9]+){0,9})?"
_SYMMETRY_HAS = "letters with counts, fragments joined by '_', for example A1B1C3_D1E2"

Symmetry = Annotated[str, AfterValidator(matching(_SYMMETRY, _SYMMETRY_HAS, 1000))]

_RULE = r"[A-Za-z0-9<= -]+"

RuleText = Annotated[str, AfterValidator(matching(_RULE, "a rule of letters, digits, blanks, - and <=", 500))]

_PHYSICS = r"physics:[a-z0-9][a-z0-9-]{0,99}(?:@(?:[1-9][0-9]{0,17}|[a-z][a-z0-9-]{0,99}))?"
_PHYSICS_HAS = "physics:NAME, physics:NAME@NUMBER, physics:NAME@latest, or physics:NAME@TAG"

PhysicsName = Annotated[str, AfterValidator(matching(_PHYSICS, _PHYSICS_HAS))]
"""A set of parameters of V_phys in a store, or among those that are shipped."""

_POTENTIAL = (
    r"(?:[a-z0-9][a-z0-9-]{0,99}@(?!(?:latest|released)$)(?:[1-9][0-9]{0,17}|[a-z][a-z0-9-]{0,99})|[0-9a-f]{64})?"
)
_POTENTIAL_HAS = (
    "NAME@NUMBER or NAME@TAG of a potential, for example ch3-water@1; @latest and @released will name another one "
    "after the run"
)

PotentialRef = Annotated[str, AfterValidator(matching(_POTENTIAL, _POTENTIAL_HAS))]
"""A potential in a store, by a reference that keeps its meaning, or by its key; or nothing."""

_FOLDER = r"(?!.*/\.\.(?:/|$))(?:(?:/|~/)[\w/ .,:=@%+~-]*|~)?"
_FOLDER_HAS = (
    "a whole path, from / or ~/ on, without .. in it, of letters, digits, blanks, and _ - . , : = @ % + ~"
)

Folder = Annotated[str, AfterValidator(matching(_FOLDER, _FOLDER_HAS, 1000))]

_BASIS = r"[A-Za-z0-9][A-Za-z0-9+*(),._@-]*"
_BASIS_HAS = (
    "the name of a basis set: letters, digits, and + - * ( ) , . _ @, for example aug-cc-pVTZ or 6-31G(d,p)"
)

check_basis_name = matching(_BASIS, _BASIS_HAS, 64)

BasisName = Annotated[str, AfterValidator(check_basis_name)]
"""A basis set, by its name in the engine."""

OptionalBasisName = Annotated[str, AfterValidator(matching(f"(?:{_BASIS})?", _BASIS_HAS, 64))]
"""A basis set, or nothing."""

_FUNCTIONAL = r"(?:[A-Za-z0-9.][A-Za-z0-9+*(),._ -]*)?"
_FUNCTIONAL_HAS = "the name of a functional: letters, digits, blanks, and + - * ( ) , . _, for example wb97m-v"

check_functional_name = matching(_FUNCTIONAL, _FUNCTIONAL_HAS)

FunctionalName = Annotated[str, AfterValidator(check_functional_name)]
"""A density functional by its name in the engine, or nothing."""
