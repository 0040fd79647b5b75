"""Commands about what the store keeps: versions, lineage, get."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nmer.cli.output import Json, StorePath, print_json, print_table
from potentials.errors import InputError
from storage.lineage import lineage as lineage_of
from storage.lineage import lineage_text
from storage.store import Store


def versions(nmer: str | None = None, *, store: StorePath = None, json: Json = False) -> int:
    """List the versions in the store.

    Example: nmer versions ch3-water

    Parameters
    ----------
    nmer
        Only those of this n-mer.
    """
    opened = Store(store)
    rows = [
        {
            "ref": v.ref,
            "kind": v.kind,
            "created": v.created,
            "key": v.key,
            "status": opened.status(v) if v.kind == "potential" else "",
            "size_bytes": v.path.stat().st_size,
        }
        for v in opened.versions(nmer=nmer)
    ]
    if json:
        print_json(rows)
    else:
        print_table(
            ("version", "kind", "created", "status", "kB", "key"),
            [
                (
                    str(r["ref"]),
                    str(r["kind"]),
                    str(r["created"]),
                    str(r["status"]),
                    f"{int(str(r['size_bytes'])) / 1000:.0f}",
                    str(r["key"])[:12],
                )
                for r in rows
            ],
        )
    return 0


def lineage(ref: str, *, store: StorePath = None, json: Json = False) -> int:
    """Show everything a version was made from: versions, keys, engines.

    Example: nmer lineage ch3-water@1

    Parameters
    ----------
    ref
        For example ch3-water@1, ch3-water@latest, dataset:ch3-water@1.
    """
    opened = Store(store)
    tree = lineage_of(opened, opened.resolve(ref))
    if json:
        print_json(tree)
    else:
        print(lineage_text(tree))
    return 0


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
        For example ch3-water@1, ch3-water@latest, dataset:ch3-water@1.
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
