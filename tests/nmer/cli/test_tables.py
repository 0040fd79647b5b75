"""Tables and progress on a terminal and elsewhere: widths, styles, and texts that mean something to a terminal."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from rich.cells import cell_len

from nmer.cli.output import print_table, reported
from tasks.progress import ProgressLine

LONG = "a word and [red]another[/red] " * 8
ROWS = [("CH4", "1.5", LONG.strip()), ("水\x1b[2J\n", "-", "x"), ("b", "22.25", "")]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, head: tuple[str, ...] = ("name", "n", "what")
) -> str:
    monkeypatch.setattr(sys, "stdout", stream)
    reported(print_table)(head, ROWS)
    return stream.getvalue()


def test_elsewhere_a_row_is_one_plain_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    lines = shown(io.StringIO(), monkeypatch).splitlines()
    assert lines == [
        "name             n  what",
        f"CH4            1.5  {LONG.strip()}",
        "水\\x1b[2J\\n      -  x",
        "b            22.25",
    ]
    assert shown(io.StringIO(), monkeypatch, ()).splitlines() == lines[1:]


def test_on_a_terminal_texts_are_folded_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for width in (60, 30, 5):
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("NO_COLOR", "1")
        text = shown(Terminal(), monkeypatch)
        assert "\x1b" not in text and "22.25" in text
        folded = "".join(line[20:] for line in text.splitlines()[1:])
        assert "".join(folded.split()).startswith("".join(LONG.split()))
        assert max(map(cell_len, text.splitlines())) <= max(width, 41), "words are not broken"
        monkeypatch.delenv("NO_COLOR")
        assert "\x1b[1m" in shown(Terminal(), monkeypatch) and "\x1b[2J" not in shown(Terminal(), monkeypatch)


def test_progress_is_drawn_in_place_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    with ProgressLine("labelling", 4, "labels", stream) as line:
        line.update(1, 1)
        with ProgressLine("choosing", 2, "terms", stream) as other:
            other.update(2)
        line.update(3, 1)
    last = stream.getvalue().rsplit("\x1b[2K", 1)[1]
    assert "labelling        3 of 4 labels, 1 failed, 0 left" in last and last.endswith("\n\x1b[?25h")
    assert "choosing         2 of 2 terms" in last
    with ProgressLine("fitting", 4, "k", stream):
        pass
    assert "fitting          0 of 4 k" in stream.getvalue(), "a display that has ended is opened again"


def test_elsewhere_progress_is_a_line_now_and_then() -> None:
    stream = io.StringIO()
    with ProgressLine("labelling", 4, "labels", stream) as line:
        for done in range(5):
            line.update(done)
    first, last = stream.getvalue().splitlines()
    assert first.endswith("0 of 4 labels, 0 failed, 4 left") and last.endswith("4 of 4 labels, 0 failed, 0 left")


def test_rich_is_loaded_only_where_a_table_is_printed() -> None:
    code = "import sys, nmer, tasks.progress, tasks.console; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
