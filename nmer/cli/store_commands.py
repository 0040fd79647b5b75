"""Commands about what the store keeps: versions, lineage, get."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from nmer.cli.output import Json, StorePath, print_json, print_table
from potentials.errors import InputError
from storage.lineage import lineage as lineage_of
from storage.lineage import lineage_text
from storage.store import Store
from storage.tags import read_tags, tags_of


def versions(nmer: str | None = None, *, store: StorePath = None, json: Json = False) -> int:
    """List the versions in the store.

    Example: nmer versions ch3-water

    Parameters
    ----------
    nmer
        Only those of this n-mer.
    """
    opened = Store(store)
    tags = read_tags(opened.path)
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
    if json:
        print_json(rows)
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
    return 0


def lineage(
    ref: str,
    *,
    labels: Annotated[
        bool, Parameter(negative="", help="List every label too: its configuration, frame, and walker.")
    ] = False,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Show everything a version was made from: versions, keys, engines, settings, labels, seeds.

    Example: nmer lineage ch3-water@1

    Parameters
    ----------
    ref
        For example ch3-water@1, ch3-water@latest, ch3-water@a-tag, dataset:ch3-water@1.
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

    Example: nmer get ch3-water@latest --out my-potential

    Parameters
    ----------
    ref
        For example ch3-water@1, ch3-water@latest, ch3-water@a-tag, dataset:ch3-water@1.
    """
    opened = Store(store)
    version = opened.resolve(ref)
    files = {version.path: out / f"{version.ref.replace(':', '-')}.h5"}
    if version.kind == "potential":
        files |= {path: out / path.name for path in sorted(opened.report(version).glob("*"))}
    taken = [str(target) for target in files.values() if target.exists()]
    if taken:
        raise InputError(f"'{taken[0]}' exists already; give another folder with --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for source, target in files.items():
            shutil.copyfile(source, target)
    except OSError as error:
        raise InputError(f"cannot write into '{out}': {error.strerror}") from None
    written = [str(target) for target in files.values()]
    if json:
        print_json({"ref": version.ref, "key": version.key, "files": written})
    else:
        print(f"{version.ref} is in:")
        print("\n".join(written))
    return 0


COMMANDS = (versions, lineage, get)
