"""How commands print: tables for people, one JSON document for scripts."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar, cast

from potentials.errors import InputError, printable
from tasks.console import PLAIN_WIDTH, console_of

if TYPE_CHECKING:
    from tasks.plot import Plot

Result = TypeVar("Result")

Column = str | Callable[[Any], object]
"""A column of a table: the key of its values, with a format as in ``energy:.3f``, or a function of the row."""


def check_folder(out: Path, option: str = "--out") -> None:
    """Raise InputError if files cannot be written into a folder, which may not exist yet; call it first.

    Nothing is written.
    """
    there = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists() or path.is_symlink())
    advice = f"give another folder with {option}"
    if not there.is_dir():
        raise InputError(f"cannot write into '{out}': '{there}' is not a folder; {advice}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"cannot write into '{out}': no permission; {advice}")


def save_plots(plots: Iterable[Plot], out: Path, prefix: str = "") -> list[str]:
    """Write plots into a folder, and return their files; raises InputError if they cannot be written."""
    from tasks.plot import write_plots

    try:
        return [str(path) for path in write_plots(plots, out, prefix)]
    except OSError as error:
        raise InputError(f"cannot write into '{out}': {error.strerror}; give another folder with --out") from None


def check_new(out: Path) -> None:
    """Raise InputError if a file is at a path already, or its folder cannot be written to."""
    if out.exists() or out.is_symlink():
        raise InputError(f"'{out}' exists already; give another path with --out")
    check_folder(out.parent)


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


def print_json(value: Any, code: int = 0) -> int:
    """Print a value as JSON, and return the exit code."""
    print(json.dumps(value, indent=2, allow_nan=False))
    return code


@contextmanager
def remarks() -> Iterator[None]:
    """Within the block, name each unreadable file of a store once on standard error."""
    from storage.index import DamagedWarning

    said: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", DamagedWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, DamagedWarning):
                usual(message, category, *where, **more)
            elif str(message) not in said:
                said.add(str(message))
                print(f"nmer: note: {printable(' '.join(str(message).split()))}", file=sys.stderr)

        warnings.showwarning = show
        yield


def print_rows(rows: Iterable[Any], columns: Mapping[str, Column]) -> None:
    """Print a table of mappings, or of other objects if every column is a function.

    Parameters
    ----------
    rows
        The rows.
    columns
        Each column by its head.
    """
    print_table(tuple(columns), [[_value(row, column) for column in columns.values()] for row in rows])


def kilobytes(row: Mapping[str, Any]) -> str:
    """Return a row's ``size_bytes`` in kB."""
    return f"{row['size_bytes'] / 1e3:.0f}"


def _value(row: Any, column: Column) -> object:
    if not isinstance(column, str):
        return column(row)
    key, _, form = column.partition(":")
    return format(row[key], form) if form and row[key] is not None else row[key]


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows in aligned columns; a column of numbers is aligned right.

    On a terminal, long texts are wrapped at spaces to its width. Elsewhere a row is one line of any length,
    without styles.

    Parameters
    ----------
    head
        Names of the columns; empty: the table has no head.
    rows
        Values: None is printed as '-', True and False as yes and no; unprintable characters are escaped.
    """
    if not head and not rows:
        return
    from rich.table import Table
    from rich.text import Text

    stream = getattr(sys.stdout, "raw", sys.stdout)
    console = console_of(stream)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=bool(head))
    texts = [[_one_line(value) for value in row] for row in rows]
    for number, name in enumerate(head or ("",) * len(texts[0])):
        numeric = _is_numeric([row[number] for row in texts])
        no_wrap = numeric or not console.is_terminal
        table.add_column(Text(_one_line(name)), justify="right" if numeric else "left", no_wrap=no_wrap)
    for row in texts:
        table.add_row(*map(Text, row))
    needed = console.measure(table, options=console.options.update(max_width=PLAIN_WIDTH)).minimum
    console.width = max(console.width, needed)  # a narrower table would cut values off
    with console.capture() as shown:
        console.print(table)
    stream.write("".join(f"{line.rstrip()}\n" for line in shown.get().splitlines()))


def _one_line(value: object) -> str:
    text = "-" if value is None else str(value)
    if isinstance(value, bool):
        text = "yes" if value else "no"
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _is_numeric(column: Sequence[str]) -> bool:
    """Return whether a column holds numbers, with '-' where one is not known."""
    known = [text for text in column if text != "-"]
    try:
        return bool([float(text) for text in known])
    except ValueError:
        return False
