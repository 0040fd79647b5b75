"""Text that comes from files of other people, as it may stand in a generated file of any language.

What is read is checked where it is read; this is a second safeguard. A text that reaches a comment, a title, or a
string of C, Python, XML, LAMMPS or Markdown has nothing in it that could end that comment or string.
"""

from __future__ import annotations

import re

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.schema.graph import ELEMENTS

LONGEST = 200
"""Characters of a line."""

_UNSAFE = re.compile(r"[^A-Za-z0-9 ,.:;()@+_=-]")


def plain(text: str) -> str:
    """Return a text as one line of letters, digits and marks that mean nothing anywhere; others become ``_``."""
    line = _UNSAFE.sub("_", " ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def xml_comment(text: str) -> str:
    """Return a plain text for a comment of XML, which may not have two dashes in a row."""
    return re.sub(r"-(?=-)", "- ", plain(text))


def check_elements(nmer: NMer) -> None:
    """Raise InputError unless all symbols of an n-mer are those of elements."""
    for symbol in nmer.symbols:
        if symbol not in ELEMENTS:
            name = plain(nmer.name)
            raise InputError(f"n-mer '{name}' has the atom {symbol[:20]!a}; allowed: symbols of elements")
