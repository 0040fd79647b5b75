"""The formats of `nmer export`: what each declares, and how its files are written, all of them or none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, Generic, TypeVar

from potentials.errors import InputError
from recipes.registry import Need, Registry
from recipes.schema.patterns import shown
from storage.durable import replacing
from storage.exchange.subject import DatasetSubject, PotentialSubject
from storage.exchange.sum_subject import SumSubject
from storage.exchange.trajectory_subject import TrajectorySubject

Subject = TypeVar("Subject", PotentialSubject, DatasetSubject, TrajectorySubject)

AnySubject = PotentialSubject | DatasetSubject | SumSubject | TrajectorySubject
"""What can be exported."""

Files = dict[str, str]
"""Text of each file, by its name in the folder; a format of one file has one."""

Contents = Mapping[str, str | bytes]
"""The same, of formats that are not text as well."""


@dataclass(frozen=True, kw_only=True)
class Format(Generic[Subject]):
    """A format, as a file of this folder declares it: ``FORMAT = Format(...)``.

    Attributes
    ----------
    name
        What ``--format`` calls it.
    title
        One phrase that says what it is.
    takes
        The kind of subject: ``PotentialSubject``, ``DatasetSubject`` or ``TrajectorySubject``.
    files
        Makes the texts; it leaves nothing else behind.
    suffix
        Ending of the one file that it writes; empty where ``--out`` is a folder.
    check
        Shell command that checks the export, run in the folder, or with ``{file}`` for the file; it ends with
        exit code 0 where the export is right.
    read_back
        Compares what is in the written file with the subject; returns a phrase for people, raises InputError where
        they differ. It is called after every export.
    needs, papers
        Packages and programs without which the check does not run; keys of ``storage/papers.toml``.
    carries_physics
        Whether it can express the V_phys that a potential was fitted over; other formats refuse such a potential.
    of_sum
        Makes the texts of a sum over a molecule; None: the format is not for sums.
    of_trajectory
        Makes the files of a trajectory, in a format that takes something else as well.
    """

    name: str
    title: str
    takes: type[Subject]
    files: Callable[[Subject], Contents]
    suffix: str = ""
    check: str = ""
    read_back: Callable[[Path, Subject], str] | None = None
    needs: tuple[Need, ...] = ()
    papers: tuple[str, ...] = ()
    carries_physics: bool = False
    of_sum: Callable[[SumSubject], Files] | None = None
    of_trajectory: Callable[[TrajectorySubject], Contents] | None = None

    @property
    def folder(self) -> bool:
        """Whether ``--out`` is a folder; else it is one file."""
        return not self.suffix

    @property
    def kind(self) -> str:
        """The kind of version it takes: ``potential``, ``dataset`` or ``trajectory``."""
        return kind_of(self.takes)

    @property
    def kinds(self) -> tuple[str, ...]:
        """All kinds of subjects that it takes."""
        found = [self.kind]
        found += [kind_of(SumSubject)] if self.of_sum is not None else []
        found += [kind_of(TrajectorySubject)] if self.of_trajectory is not None else []
        return tuple(found)


def kind_of(subject: type[AnySubject]) -> str:
    """Return the kind of a subject, as messages call it."""
    return {
        PotentialSubject: "potential",
        DatasetSubject: "dataset",
        SumSubject: "sum",
        TrajectorySubject: "trajectory",
    }[subject]


FORMATS: Registry[Format[Any]] = Registry("format", "storage.exchange", "FORMAT")
"""The formats that the files of this folder declare, by name."""


def format_for(name: str, takes: type[AnySubject]) -> Format[Any]:
    """Return the format of a name for a kind of subject.

    Raises
    ------
    InputError
        If there is no such format, or it is not for such a subject.
    """
    kind = kind_of(takes)
    of_kind = {form.name: form for form in FORMATS if kind in form.kinds}
    if name in of_kind:
        return of_kind[name]
    what = f"is for a {FORMATS.get(name).kind}, not a {kind}" if name in FORMATS else "is unknown"
    raise InputError(f"format {shown(name)} {what}; allowed for a {kind}: {', '.join(of_kind)}")


def write_export(form: Format[Any], subject: AnySubject, out: Path) -> tuple[list[Path], str]:
    """Write an export; return its files, and the result of reading it back.

    Raises
    ------
    InputError
        If the path exists or cannot be written, the format cannot express the subject, or what is read back
        differs; then nothing is left behind.
    """
    if out.exists():
        raise InputError(f"'{out}' exists already; give another path with --out")
    if isinstance(subject, PotentialSubject) and subject.potential.physics and not form.carries_physics:
        able = ", ".join(sorted(one.name for one in FORMATS if one.carries_physics))
        raise InputError(
            f"format '{form.name}' cannot carry V_phys, over which {subject.potential.name or 'the potential'} "
            f"was fitted, and without it the numbers are not energies; allowed: {able}"
        )
    makes, read_back = form.files, form.read_back
    if not isinstance(subject, form.takes):
        other = form.of_sum if isinstance(subject, SumSubject) else form.of_trajectory
        assert other is not None
        makes, read_back = other, None
    texts = makes(subject)
    try:
        with replacing(out) as temporary:
            if form.folder:
                temporary.mkdir()
            for name, text in texts.items():
                content = text if isinstance(text, bytes) else text.encode()
                (temporary / name if form.folder else temporary).write_bytes(content)
            said = read_back(temporary, subject) if read_back else ""
    except OSError as error:
        raise InputError(f"'{out}' cannot be written: {error.strerror}") from None
    return ([out / name for name in texts] if form.folder else [out]), said


def template(name: str, values: Mapping[str, str]) -> str:
    """Return the text of a file in ``templates/`` with each ``@NAME@`` replaced; those in values stay."""
    text = (package_files("storage.exchange") / "templates" / name).read_text(encoding="utf-8")
    return re.sub(r"@([A-Z][A-Z_]*)@", lambda match: values[match[1]], text)
