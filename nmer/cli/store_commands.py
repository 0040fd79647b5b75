"""Commands about the versions in the store: versions, lineage, get."""

from __future__ import annotations

import errno
import shutil
import warnings
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath
from nmer.cli.output import print_json, print_table
from potentials.errors import InputError
from storage.attributes import KIND_OF
from storage.durable import replacing
from storage.index import DamagedWarning, Unreadable
from storage.lineage import lineage as lineage_of
from storage.lineage import lineage_text
from storage.store import Store
from storage.tags import Tag, read_tags, tags_of
from storage.version import Version


def versions(nmer: str | None = None, *, store: StorePath = None, json: Json = False) -> int:
    """List the versions in the store.

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
    bad = opened.unreadable(nmer=nmer)
    if json:
        print_json(rows + [_unreadable_row(opened, each) for each in bad])
    else:
        print_table(
            ("version", "kind", "created", "status", "kB", "key", "tags"),
            [
                (
                    str(r["ref"]),
                    str(r["kind"]),
                    str(r["created"]),
                    str(r["status"]),
                    f"{int(str(r['size_bytes'])) / 1000:.0f}",
                    str(r["key"])[:12],
                    ", ".join(r["tags"]),
                )
                for r in rows
            ],
        )
    return 2 if any(each.newer for each in bad) else 0


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
    ref: str,
    *,
    labels: Annotated[bool, Parameter(help="List every label too: its configuration, frame, and walker.")] = False,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Show everything a version was made from: versions, keys, engines, settings, labels, seeds.

    Parameters
    ----------
    ref
        For example ch3-water@1, ch3-water@latest, ch3-water@a-tag, dataset:ch3-water@1.

    Examples
    --------
    nmer lineage ch3-water@1
    """
    opened = Store(store)
    tree = lineage_of(opened, opened.resolve(ref), labels)
    if json:
        print_json(tree)
        return 0
    print(lineage_text(tree))
    for node in _datasets(tree) if labels else ():
        print(f"\nlabels of {node['ref']}")
        names = ("configuration", "split", "frame", "source", "seed", "temperature", "window", "energy")
        units = {"temperature": "temperature (K)", "energy": "energy (kcal/mol)"}
        print_table(
            [units.get(name, name) for name in names],
            [["-" if row[name] is None else str(row[name]) for name in names] for row in node["label_list"]],
        )
    return 0


def _datasets(node: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the nodes of a tree that list labels, each version once."""
    found = {node["ref"]: node} if "label_list" in node else {}
    for child in node["inputs"]:
        found |= {each["ref"]: each for each in _datasets(child)}
    return list(found.values())


def get(
    ref: str,
    *,
    out: Annotated[Path, Parameter(help="Folder to copy into.")] = Path(),
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Copy a version out of the store; with a potential come its report, plot, and recipe.

    Parameters
    ----------
    ref
        For example ch3-water@1, ch3-water@latest, ch3-water@a-tag, dataset:ch3-water@1.

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
        at = (
            f"'{error.filename}' cannot be read"
            if error.filename in map(str, files)
            else f"cannot write into '{out}'"
        )
        raise InputError(f"{at}: {error.strerror}") from None
    written = [str(target) for target in files.values()]
    if json:
        print_json({"ref": version.ref, "key": version.key, "files": written})
    else:
        print(f"{version.ref} is in:")
        print("\n".join(written))
    return 0


def _files(folder: Path) -> list[Path]:
    """Return the files of a report; links are left out, since one could lead to a private file of the reader."""
    try:
        return sorted(path for path in folder.glob("*") if path.is_file() and not path.is_symlink())
    except OSError as error:
        raise InputError(f"'{folder}' cannot be read: {error.strerror}") from None
