"""Split a PLUMED input into its actions, and read their numbers and atoms."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from potentials.errors import InputError

MOST_ATOMS = 1_000_000
"""Largest number of atoms in one range."""

_NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_PLAIN = re.compile(rf"[+-]?{_NUMBER}")
_PI = re.compile(rf"([+-]?)({_NUMBER})?\*?pi(?:/({_NUMBER}))?")
_ATOMS = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9})(?::([0-9]{1,9}))?)?")
_WORD = re.compile(r"[^\s{]*\{[^}]*\}|\S+")
_LABEL = re.compile(r"[\w+-]+")


@dataclass
class Action:
    """One action of a file.

    Attributes
    ----------
    where
        File and line, for messages.
    name
        The action in capitals: ``DISTANCE``.
    label
        Its label in the file; ``@N`` for the N-th action if it has none.
    values
        The value of each keyword (in capitals); empty for a flag.
    """

    where: str
    name: str
    label: str
    values: dict[str, str] = field(default_factory=dict)

    def fail(self, message: str) -> InputError:
        """Return an error that begins with file and line."""
        return InputError(f"{self.where}: {message}")

    def word(self, key: str) -> str:
        """Return the value of a required keyword."""
        if key not in self.values:
            raise self.fail(f"{self.name} needs {key}")
        return self.values[key]

    def words(self, key: str) -> list[str]:
        """Return the words of a required keyword, separated by commas or, within braces, by spaces."""
        text = self.word(key)
        inner = text[1:-1] if text.startswith("{") and text.endswith("}") else text
        words = inner.split(",") if inner is text else inner.replace(",", " ").split()
        if not words or "" in words:
            raise self.fail(f"{key}={short(text)} has an empty value")
        return words

    def numbers(self, key: str, count: int, default: str | None = None) -> list[float]:
        """Return the `count` numbers of a keyword; as in PLUMED, one number never applies to several variables."""
        if key not in self.values and default is not None:
            return [float(default)] * count
        words = self.words(key)
        if len(words) != count:
            raise self.fail(f"{key}={short(self.values[key])} has {len(words)} values; {count} are needed")
        return [self.number(key, word) for word in words]

    def number(self, key: str, word: str) -> float:
        """Return a finite number; pi, 2pi, 0.5*pi and pi/2 are numbers too."""
        value = math.nan
        if _PLAIN.fullmatch(word):
            value = float(word)
        elif match := _PI.fullmatch(word):
            sign, times, over = match.groups()
            divisor = float(over or 1)
            value = math.copysign(float(times or 1) * math.pi, -1 if sign == "-" else 1)
            value = value / divisor if divisor else math.nan
        if not math.isfinite(value):
            raise self.fail(f"{key}={short(word)} is not a number; allowed: 1.5, 2e-3, pi, 0.5*pi, pi/2")
        return value

    def whole(self, key: str, word: str) -> int:
        """Return a whole number of at least 1."""
        value = self.number(key, word)
        if value != round(value) or value < 1:
            raise self.fail(f"{key}={short(word)} must be a whole number of at least 1")
        return round(value)

    def atoms(self, words: list[str]) -> tuple[int, ...]:
        """Return atoms, counted from 0, from words that count from 1: ``3``, ``1-5``, ``1-9:2``."""
        atoms: list[int] = []
        for word in words:
            match = _ATOMS.fullmatch(word)
            first, last, stride = (int(digits or 0) for digits in match.groups()) if match else (0, 0, 0)
            last, stride = (last, stride or 1) if match and match[2] else (first, 1)
            if first < 1 or last < first or (match and match[3] == "0") or last - first > MOST_ATOMS:
                raise self.fail(
                    f"ATOMS={short(word)} cannot be read; allowed: numbers from 1 and ascending ranges, "
                    "for example 1,3-5,7-11:2"
                )
            atoms += range(first - 1, last, stride)
        return tuple(atoms)


def short(text: str) -> str:
    """Return text for a message: on one line, printable, and not longer than 60 characters."""
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return plain if len(plain) <= 60 else plain[:57] + "..."


def number_text(value: float) -> str:
    """Return a number as PLUMED reads it, with all digits; the ends of a torsion's grid must be -pi and pi."""
    if abs(value) == math.pi:
        return "pi" if value > 0 else "-pi"
    return repr(float(value))


def split_actions(text: str, name: str, keys: dict[str, set[str]], flags: set[str]) -> Iterator[Action]:
    """Yield the actions of a file.

    Parameters
    ----------
    text
        The file's content.
    name
        Its name, for messages.
    keys
        The keywords of each supported action; ``PF`` for PF0, PF1, ...
    flags
        Keywords without a value.

    Raises
    ------
    InputError
        If an action or a keyword is not supported, or a line is not valid; the message names the line.
    """
    seen: set[str] = set()
    for order, (number, line) in enumerate(_lines(text, name), start=1):
        words = _WORD.findall(line)
        action = Action(f"{name}, line {number}", "", "")
        labels = []
        if words[0].endswith(":"):
            labels.append(words.pop(0)[:-1])
        action.name = words[0].upper() if words else ""
        if action.name not in keys:
            raise action.fail(
                f"action '{short(words[0] if words else '')}' is not supported; allowed: {', '.join(keys)}"
            )
        for word in words[1:]:
            key, equals, value = word.partition("=")
            key = key.upper()
            known = "PF" if re.fullmatch(r"PF[0-9]+", key) else key
            if key != "LABEL" and (known not in keys[action.name] or key == "PF"):
                allowed = sorted("PF0, PF1, ..." if k == "PF" else k for k in keys[action.name])
                raise action.fail(
                    f"keyword '{short(word.partition('=')[0])}' of {action.name} is not supported; "
                    f"allowed: {', '.join(allowed)}"
                )
            if key in action.values or (key == "LABEL" and labels):
                raise action.fail(f"{key} is given twice")
            if bool(equals and value) == (key in flags):
                raise action.fail(f"{key} {'takes no value' if key in flags else 'needs a value'}")
            if key == "LABEL":
                labels.append(value)
            else:
                action.values[key] = value
        action.label = labels[0] if labels else f"@{order}"
        if labels and not _LABEL.fullmatch(action.label):
            raise action.fail(f"label '{short(action.label)}' must have only letters, digits, _, + and -")
        if action.label in seen:
            raise action.fail(f"label '{short(action.label)}' is given to two actions")
        seen.add(action.label)
        yield action


def _lines(text: str, name: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of each action, with `...` blocks joined and comments removed."""
    block: list[str] | None = None
    start, first = 0, ""
    for number, line in enumerate(text.splitlines(), start=1):
        kept = line.partition("#")[0].strip()
        words = kept.split()
        if not words:
            continue
        if words[0] == "ENDPLUMED" and block is None:
            return
        if words[0] == "...":
            if block is None or len(words) > 2 or words[1:] not in ([], [first]):
                what = "no block is open" if block is None else f"allowed: '...' alone, or '... {short(first)}'"
                raise InputError(f"{name}, line {number}: '{short(kept)}' ends no block; {what}")
            yield start, " ".join(block)
            block = None
        elif block is not None:
            block.append(kept)
        elif words[-1] == "...":
            block, start, first = [kept[:-3]], number, words[0]
        else:
            yield number, kept
    if block is not None:
        raise InputError(f"{name}, line {start}: the block that begins here does not end with '...'")
