"""Commands about the versions in the store: versions, lineage, get, cite."""

from __future__ import annotations

import errno
import shutil
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath
from nmer.cli.output import Column, kilobytes, print_json, print_rows
from potentials.errors import InputError
from storage.attributes import KIND_OF
from storage.durable import replacing
from storage.index import DamagedWarning, Unreadable
from storage.lineage import lineage as lineage_of
from storage.lineage import lineage_text
from storage.store import Store
from storage.tags import Tag, read_tags, tags_of
from storage.version import Version

Ref = Annotated[
    str, Parameter(help="For example ch3-water@1, ch3-water@latest, ch3-water@a-tag, dataset:ch3-water@1.")
]


def versions(nmer: str | None = None, *, store: StorePath = None, json: Json = False) -> int:
    """List the versions in the store; those of one n-mer with the level of theory of each dataset.

    A file that cannot be read is left out and named on standard error; with --json it is a row with the status
    damaged. The exit code is 2 if a version has the format of a newer nmer.

    Parameters
    ----------
    nmer
        Only those of this n-mer.

    Examples
    --------
    nmer versions ch3-water
    """
    opened = Store(store)
    tags = _tags(opened)
    rows: list[dict[str, Any]] = [
        {
            "ref": v.ref,
            "kind": v.kind,
            "created": v.created,
            "key": v.key,
            "status": opened.status(v) if v.kind == "potential" else "",
            "size_bytes": v.path.stat().st_size,
            "tags": tags_of(v, tags),
        }
        for v in opened.versions(nmer=nmer)
    ]
    if nmer is not None:
        for row in rows:
            row["labels"] = _level_of_labels(opened, row)
    bad = opened.unreadable(nmer=nmer)
    if json:
        print_json(rows + [_unreadable_row(opened, each) for each in bad])
    else:
        columns: dict[str, Column] = {"version": "ref", "kind": "kind", "created": "created", "status": "status"}
        columns |= {"labels": "labels"} if nmer is not None else {}
        print_rows(rows, columns | {"kB": kilobytes, "key": "key:.12", "tags": lambda r: ", ".join(r["tags"])})
    return 2 if any(each.newer for each in bad) else 0


def _level_of_labels(store: Store, row: dict[str, Any]) -> str:
    """Return the level of theory of a dataset; empty for other versions and for a file that cannot be read."""
    if row["kind"] != "dataset":
        return ""
    try:
        return str(store.resolve(row["ref"]).attributes()["facts"].get("protocol", ""))
    except InputError as error:
        warnings.warn(f"{error}", DamagedWarning, stacklevel=2)
        return ""


def _tags(store: Store) -> tuple[Tag, ...]:
    """Return a store's tags; none, with a warning, if their file is damaged."""
    try:
        return read_tags(store.path)
    except InputError as error:
        warnings.warn(f"{error}; tags are left out", DamagedWarning, stacklevel=2)
        return ()


def _unreadable_row(store: Store, bad: Unreadable) -> dict[str, Any]:
    """Return the row of a file that cannot be read: it has no key, and the reason in `damage`."""
    folder, nmer, number = (*bad.path.relative_to(store.path).with_suffix("").parts, "", "")[:3]
    kind = KIND_OF.get(folder, folder)
    return {
        "ref": Version(kind, nmer, 0, "", "", bad.path).ref.removesuffix("0") + number,
        "kind": kind,
        "created": "",
        "key": "",
        "status": "newer" if bad.newer else "damaged",
        "size_bytes": bad.path.stat().st_size if bad.path.is_file() else 0,
        "tags": [],
        "damage": bad.why,
    }


def lineage(
    ref: Ref,
    *,
    labels: Annotated[bool, Parameter(help="List every label too: its configuration, frame, and walker.")] = False,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Show everything a version was made from: versions, keys, engines, settings, labels, seeds.

    Examples
    --------
    nmer lineage ch3-water@1
    """
    opened = Store(store)
    tree = lineage_of(opened, opened.resolve(ref), labels)
    if json:
        return print_json(tree)
    print(lineage_text(tree))
    names = ("configuration", "split", "frame", "source", "seed", "temperature", "window", "energy")
    units = {"temperature": "temperature (K)", "energy": "energy (kcal/mol)"}
    for node in _datasets(tree) if labels else ():
        print(f"\nlabels of {node['ref']}")
        print_rows(node["label_list"], {units.get(name, name): name for name in names})
    return 0


def _datasets(node: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the nodes of a tree that list labels, each version once."""
    found = {node["ref"]: node} if "label_list" in node else {}
    for child in node["inputs"]:
        found |= {each["ref"]: each for each in _datasets(child)}
    return list(found.values())


def get(
    ref: Ref,
    *,
    out: Annotated[Path, Parameter(help="Folder to copy into.")] = Path(),
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Copy a version out of the store; with a potential come its report, plot, and recipe.

    Examples
    --------
    nmer get ch3-water@latest --out my-potential
    """
    opened = Store(store)
    version = opened.resolve(ref)
    files = {version.path: out / f"{version.ref.replace(':', '-')}.h5"}
    if version.kind == "potential":
        files |= {path: out / path.name for path in _files(opened.report(version))}
    taken = [str(target) for target in files.values() if target.exists()]
    if taken:
        raise InputError(f"'{taken[0]}' exists already; give another folder with --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for source, target in files.items():
            with replacing(target) as temporary:
                shutil.copyfile(source, temporary)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        readable = error.filename not in map(str, files)
        what = f"cannot write into '{out}'" if readable else f"'{error.filename}' cannot be read"
        raise InputError(f"{what}: {error.strerror}") from None
    written = [str(target) for target in files.values()]
    if json:
        return print_json({"ref": version.ref, "key": version.key, "files": written})
    print("\n".join([f"{version.ref} is in:", *written]))
    return 0


def _files(folder: Path) -> list[Path]:
    """Return the files of a report; links are left out, since one could lead to a private file of the reader."""
    try:
        return sorted(path for path in folder.glob("*") if path.is_file() and not path.is_symlink())
    except OSError as error:
        raise InputError(f"'{folder}' cannot be read: {error.strerror}") from None


def cite(
    ref: Annotated[str, Parameter(help="ch3-water@1, dataset:ch3-water@1, or the .h5 file of a version.")],
    *,
    bibtex: Annotated[bool, Parameter(name="--bibtex", help="Print them as entries of BibTeX.")] = False,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """List the papers of every method, basis set, engine, and functional form of a version.

    For a version in a store, those of everything it was made from are included; for a file, only its own.

    Examples
    --------
    nmer cite ch3-water@latest
    nmer cite ch3-water@latest --bibtex
    """
    from storage.bibtex import bibtex as entries_of
    from storage.citations import citations
    from storage.foreign import read_foreign

    if ref.endswith(".h5"):
        found = citations(read_foreign(Path(ref), "give the file of a version, or NAME@NUMBER of a store"))
    else:
        opened = Store(store)
        found = citations(opened.resolve(ref), opened.find)
    if bibtex:
        entries = entries_of(found)
        if json:
            return print_json({"bibtex": entries})
        print(entries)
        return 0
    if json:
        return print_json([asdict(citation) for citation in found])
    for citation in found:
        print(citation.line())
    return 0
