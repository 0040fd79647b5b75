"""What every exporter is, and how its files come to be: all of them or none."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import Generic, TypeVar

from potentials.errors import InputError
from storage.durable import temporary_for
from storage.exchange.subject import DatasetSubject, PotentialSubject

Subject = TypeVar("Subject", PotentialSubject, DatasetSubject)

Files = dict[str, str]
"""Text of each file, by its name in the folder; an exporter of one file has one."""


@dataclass(frozen=True)
class Exporter(Generic[Subject]):
    """A format.

    Attributes
    ----------
    name
        What ``--format`` calls it.
    about
        One phrase.
    takes
        The kind of subject: ``PotentialSubject`` or ``DatasetSubject``.
    folder
        Whether ``--out`` is a folder; else it is one file.
    files
        Makes the texts; it reads and writes nothing else.
    check
        Shell command that checks the export, run in the folder, or with ``{file}`` for the file; it ends with
        exit code 0 where the export is right.
    read_back
        Compares what is in the written file with the subject; returns a phrase for people, raises InputError
        where they differ. It is called after every writing.
    """

    name: str
    about: str
    takes: type[Subject]
    folder: bool
    files: Callable[[Subject], Files]
    check: str = ""
    read_back: Callable[[Path, Subject], str] | None = None

    @property
    def kind(self) -> str:
        """The kind of version it takes: ``potential`` or ``dataset``."""
        return "potential" if self.takes is PotentialSubject else "dataset"


def write_export(exporter: Exporter[Subject], subject: Subject, out: Path) -> tuple[list[Path], str]:
    """Write an export; return its files, and what reading it back said.

    Raises
    ------
    InputError
        If the path exists or cannot be written, the format cannot express the subject, or what is read back
        differs; then nothing is left behind.
    """
    if out.exists():
        raise InputError(f"'{out}' exists already; give another path with --out")
    texts = exporter.files(subject)
    temporary = temporary_for(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _write(temporary, texts if exporter.folder else next(iter(texts.values())))
        said = exporter.read_back(temporary, subject) if exporter.read_back else ""
        temporary.rename(out)
    except OSError as error:
        raise InputError(f"'{out}' cannot be written: {error.strerror}") from None
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
    return ([out / name for name in texts] if exporter.folder else [out]), said


def template(name: str, values: Mapping[str, str]) -> str:
    """Return the text of a file in ``templates/`` with each ``@NAME@`` replaced; those in values stay."""
    text = (package_files("storage.exchange") / "templates" / name).read_text(encoding="utf-8")
    return re.sub(r"@([A-Z][A-Z_]*)@", lambda match: values[match[1]], text)


def _write(path: Path, content: Files | str) -> None:
    if isinstance(content, str):
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
        return
    path.mkdir()
    for name, text in content.items():
        (path / name).write_text(text, encoding="utf-8")
