"""The words of an xyz file: elements and numbers in their common spellings."""

from __future__ import annotations

import math
import re
from functools import cache

from ase.data import atomic_numbers, chemical_symbols

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?\d*,\d+([eEdD][+-]?\d+)?", re.ASCII)
_SYMBOL = re.compile(r"([A-Za-z]{1,2})_?(\d*)", re.ASCII)
_ISOTOPES = re.compile(r"(D|T|\d+[A-Za-z]{1,2}|\[\d+[A-Za-z]{1,2}\])\d*", re.ASCII)
_DUMMIES = re.compile(r"(X|XX|DU|BQ|Q|GH|LP|EP|MW|0)(\W.*|\d*)|@.*|Gh\(.*", re.ASCII | re.IGNORECASE)
_NO_ATOM_NAMES = ("CL", "SI")


@cache
def element(word: str) -> str:
    """Return the symbol of an element from the first word of an atom's line.

    Symbols in upper or lower case, followed by a number or not (``O1``, ``H_2``), and atomic numbers are accepted.

    Raises
    ------
    ValueError
        If it is not an element, or an isotope, or a dummy or ghost atom; the message says which.
    """
    if _DUMMIES.fullmatch(word):
        raise ValueError(f"'{word}' is a dummy or ghost atom; take it out of the file")
    if re.fullmatch(r"\d{1,3}", word, re.ASCII) and 1 <= int(word) < len(chemical_symbols):
        return str(chemical_symbols[int(word)])
    if _ISOTOPES.fullmatch(word):
        raise ValueError(
            f"'{word}' is an isotope, and a potential knows elements only; write H for hydrogen of any mass"
        )
    match = _SYMBOL.fullmatch(word)
    letters, digits = (match[1], match[2]) if match else ("", "")
    symbol = letters.capitalize()
    if symbol not in atomic_numbers:
        raise ValueError(f"'{word[:20]}' is not the symbol of an element")
    names_atom = len(letters) == 2 and letters.isupper() and letters[0] in "CHNOPS"
    if digits and names_atom and letters not in _NO_ATOM_NAMES:
        raise ValueError(f"'{word}' may be {symbol} or an atom name of {word[0]}; write the element alone")
    return symbol


def number_of(word: str) -> float:
    """Return the number in a word; Fortran exponents are accepted.

    Raises
    ------
    ValueError
        If it is not a number or not finite; the message says which.
    """
    if _NOT_FINITE.fullmatch(word):
        raise ValueError(f"a number is not finite: '{word}'")
    if not NUMBER.fullmatch(word):
        comma = "; write a decimal point, not a comma" if _COMMA.fullmatch(word) else ""
        raise ValueError(f"'{word[:30]}' is not a number{comma}")
    value = float(word.lower().replace("d", "e"))
    if not math.isfinite(value):
        raise ValueError(f"a number is not finite: '{word[:30]}'")
    return value
