"""What text output is shown on: a terminal with its width and styles, or plain lines for files and scripts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 1_000_000
"""Columns where the output is not a terminal: there a line is never broken."""


def console_of(stream: TextIO) -> Console:
    """Return rich's console for a stream; plain text if it is not a terminal, and no styles with NO_COLOR."""
    from rich.console import Console

    terminal = stream.isatty()
    return Console(
        file=stream,
        force_terminal=terminal,
        color_system="auto" if terminal and not os.environ.get("NO_COLOR") else None,
        width=None if terminal else PLAIN_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
    )
