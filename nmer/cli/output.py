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
from typing import Annotated, Any, TextIO, TypeVar, cast

from cyclopts import Parameter

from potentials.errors import InputError, printable
from storage.index import DamagedWarning

Result = TypeVar("Result")

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document for scripts.")]
StorePath = Annotated[
    str | None,
    Parameter(name="--store", help="Folder of the store; default: NMER_STORE, else ./nmer-store."),
]
ProtocolName = Annotated[
    str | None,
    Parameter(name="--protocol", help="Label with a protocol of nmer protocols in place of the recipe's own."),
]
Yes = Annotated[
    bool,
    Parameter(name="--yes", negative="", help="Start however much it costs; see --max-core-hours."),
]
MaxCoreHours = Annotated[
    float | None,
    Parameter(
        name="--max-core-hours",
        help="Core-hours that start without --yes; default: what the machine's profile or NMER_MAX_CORE_HOURS "
        "says, else 100 where no preset is named.",
    ),
]
Preset = Annotated[str | None, Parameter(name="--preset", help="A preset of the recipe: smoke, laptop, or paper.")]


def check_folder(out: Path) -> None:
    """Raise InputError if files cannot be written into a folder, which may not exist yet; call it before working.

    Nothing is written.
    """
    there = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists() or path.is_symlink())
    if not there.is_dir():
        raise InputError(f"cannot write into '{out}': '{there}' is not a folder; give another folder with --out")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"cannot write into '{out}': no permission; give another folder with --out")


class _Printable:
    """A stream that `printable` text goes to."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(printable(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def printing_printable(command: Callable[..., Result]) -> Callable[..., Result]:
    """Return a command that prints `printable` text alone, wherever what it prints comes from."""

    @wraps(command)
    def run(*values: Any, **options: Any) -> Result:
        with redirect_stdout(cast(TextIO, _Printable(sys.stdout))):
            return command(*values, **options)

    return run


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, allow_nan=False))


@contextmanager
def remarks() -> Iterator[None]:
    """Name each file of a store that cannot be read on standard error, once, as long as the block lasts."""
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
    """Print rows in aligned columns; a column of numbers is aligned right."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    numeric = [_is_numeric([row[i] for row in cells[1:]]) for i in range(len(head))]
    for row in cells:
        print(
            "  ".join(
                text.rjust(width) if right else text.ljust(width)
                for text, width, right in zip(row, widths, numeric, strict=True)
            ).rstrip()
        )


def _is_numeric(column: Sequence[str]) -> bool:
    """Return whether a column holds numbers, with '-' where one is not known."""
    known = [text for text in column if text != "-"]
    try:
        return bool([float(text) for text in known])
    except ValueError:
        return False
