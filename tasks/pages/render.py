"""How pages are made: templates in which every text is escaped, numbers as they are printed, pictures inside."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tasks.plot import DPI, Plot

MISSING = "–"
"""Shown in place of a figure that is not known."""

SHRINKS = 0.62
"""A picture becomes no smaller than this fraction of its size; its box scrolls on a narrower screen."""


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Attributes
    ----------
    heads
        Names of the columns, with units.
    rows
        Their values, which are printed as `figure` does.
    title
        Above the table.
    numbers
        Columns from the right that hold numbers.
    link
        File with the same figures beside the page; empty where there is none.
    note
        A sentence below the table.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[Any]]
    title: str = ""
    numbers: int = 0
    link: str = ""
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """A plot in a page.

    Attributes
    ----------
    plot
        The plot.
    caption
        One sentence that says what it shows, and which reference.
    prefix
        Begin of the names of its files beside the page; None: there are no files.
    """

    plot: Plot
    caption: str
    prefix: str | None = ""

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.plot.png).decode()}"

    @property
    def width(self) -> int:
        """Width on a screen in pixels: 100 for each inch of the figure; of an unreadable picture 600."""
        head = self.plot.png[:24]
        if len(head) < 24 or not head.startswith(b"\x89PNG"):
            return 600
        return round(int(struct.unpack(">I", head[16:20])[0]) / DPI * 100)

    @property
    def least(self) -> int:
        """Width in pixels below which its box scrolls."""
        return min(round(self.width * SHRINKS), 620)

    @property
    def files(self) -> list[str]:
        """The names of its files beside the page: the picture, and its numbers."""
        return [] if self.prefix is None else [f"{self.prefix}{self.plot.name}.{kind}" for kind in ("png", "csv")]


@dataclass(frozen=True)
class Tile:
    """A figure that is shown at the top.

    Attributes
    ----------
    name, value, note
        What it is with its unit, the figure, and a few words on it.
    tone
        ``good``, ``warn``, ``bad``, or empty.
    """

    name: str
    value: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Snippet:
    """A few lines that a reader can copy.

    Attributes
    ----------
    title, text
        For which program, and the lines.
    """

    title: str
    text: str


@dataclass(frozen=True)
class Made:
    """What a page says about where its figures come from.

    Attributes
    ----------
    lineage
        (kind, reference, key, date, programs) of every version, newest first.
    citations
        (what is cited, paper, DOI) of each; the paper is empty where none is known.
    bibtex
        The same papers for LaTeX.
    programs
        Programs and their versions, in one line.
    created
        Date of the newest version, UTC.
    files
        (name of a file beside the page, what it holds).
    """

    lineage: Sequence[tuple[str, str, str, str, str]] = ()
    citations: Sequence[tuple[str, str, str]] = ()
    bibtex: str = ""
    programs: str = ""
    created: str = ""
    files: Sequence[tuple[str, str]] = field(default_factory=tuple)


def render(template: str, **values: Any) -> str:
    """Return a page; every text is escaped.

    Parameters
    ----------
    template
        Name of its file in ``tasks/pages/templates``.
    values
        What it shows.
    """
    return _environment().get_template(template).render(**values)


def figure(value: Any, digits: int = 3) -> str:
    """Return a value as a page prints it: numbers with some digits, `MISSING` for what is not known."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    if math.isinf(value):
        return "infinite"
    plain = value == 0.0 or 1e-3 <= abs(value) < 1e6
    if not plain:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        short = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{short}e{int(exponent)}".replace("-", "−")
    text = f"{value:.{digits}g}"
    return (f"{float(text):,.0f}" if "e" in text else text).replace("-", "−")


def sentence(text: str) -> str:
    """Return a text that begins with a capital letter, unless its first word is a name such as ``ch3:``."""
    first = text.split(" ")[0]
    return text[:1].upper() + text[1:] if first.isalpha() and first.islower() else text


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tasks.pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["figure"] = figure
    return environment
