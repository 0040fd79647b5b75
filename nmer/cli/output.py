"""How commands print: tables for people, one JSON document for scripts."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import wraps
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

from potentials.errors import InputError, printable
from tasks.console import PLAIN_WIDTH, console_of

Result = TypeVar("Result")


def check_folder(out: Path) -> None:
    """Raise InputError if files cannot be written into a folder, which may not exist yet; call it first.

    Nothing is written.
    """
    there = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists() or path.is_symlink())
    if not there.is_dir():
        raise InputError(f"cannot write into '{out}': '{there}' is not a folder; give another folder with --out")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"cannot write into '{out}': no permission; give another folder with --out")


class _Printable:
    """A stream that passes only `printable` text on."""

    def __init__(self, stream: TextIO) -> None:
        self.raw = stream

    def write(self, text: str) -> int:
        self.raw.write(printable(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


def reported(command: Callable[..., Result]) -> Callable[..., Result]:
    """Return a command that prints `printable` text only, and names each damaged file of the store once."""

    @wraps(command)
    def run(*values: Any, **options: Any) -> Result:
        with remarks(), redirect_stdout(cast(TextIO, _Printable(sys.stdout))):
            return command(*values, **options)

    return run


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, allow_nan=False))


@contextmanager
def remarks() -> Iterator[None]:
    """Within the block, name each unreadable file of a store once on standard error."""
    from storage.index import DamagedWarning

    said: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", DamagedWarning)
        usual = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if not issubclass(category, DamagedWarning):
                usual(message, category, filename, lineno, file, line)
            elif str(message) not in said:
                said.add(str(message))
                print(f"nmer: note: {printable(' '.join(str(message).split()))}", file=sys.stderr)

        warnings.showwarning = show
        yield


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in aligned columns; a column of numbers is aligned right.

    On a terminal, long texts are wrapped at spaces to its width. Elsewhere a row is one line of any length,
    without styles.

    Parameters
    ----------
    head
        Names of the columns; empty: the table has no head.
    rows
        Texts; unprintable characters are escaped.
    """
    if not head and not rows:
        return
    from rich.table import Table
    from rich.text import Text

    stream = getattr(sys.stdout, "raw", sys.stdout)
    console, table = (
        console_of(stream),
        Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=bool(head)),
    )
    for number, name in enumerate(head or ("",) * len(rows[0] if rows else ())):
        numeric = _is_numeric([row[number] for row in rows])
        table.add_column(
            Text(_one_line(name)),
            justify="right" if numeric else "left",
            no_wrap=numeric or not console.is_terminal,
        )
    for row in rows:
        table.add_row(*(Text(_one_line(text)) for text in row))
    needed = console.measure(table, options=console.options.update(max_width=PLAIN_WIDTH)).minimum
    console.width = max(console.width, needed)  # a narrower table would cut values off
    with console.capture() as shown:
        console.print(table)
    stream.write("".join(f"{line.rstrip()}\n" for line in shown.get().splitlines()))


def _one_line(text: str) -> str:
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _is_numeric(column: Sequence[str]) -> bool:
    """Return whether a column holds numbers, with '-' where one is not known."""
    known = [text for text in column if text != "-"]
    try:
        return bool([float(text) for text in known])
    except ValueError:
        return False
