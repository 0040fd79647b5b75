"""A finding of a check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Damage:
    """Something that is damaged or inconsistent.

    Attributes
    ----------
    file
        The file, within the store.
    what
        The array, attribute, line, or row in it; empty for the whole file.
    problem
        What is wrong with it.
    """

    file: str
    what: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}{f', {self.what}' if self.what else ''}: {self.problem}"


def in_words(error: BaseException) -> str:
    """Return an error's message on one line; errors without one are named by their kind."""
    return " ".join(str(error).split()) or type(error).__name__
