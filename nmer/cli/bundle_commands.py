"""Commands that copy versions from one store to another in one file: bundle, unbundle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath
from nmer.cli.output import print_json, print_table

if TYPE_CHECKING:
    from storage.bundle import Bundle, Progress


def bundle(
    ref: Annotated[str, Parameter(help="ch3-water@1, ch3-water@latest, dataset:ch3-water@1.")],
    *,
    out: Annotated[Path, Parameter(help="File to write; it must not exist yet.")],
    without_pool: Annotated[bool, Parameter(help="Leave out the sampled frames, the largest part.")] = False,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Write a version and all it was made from into one file that can be read into another store.

    A potential comes with its verdict, report, dataset, selection, pool, and the ledger's rows of its labels.

    Examples
    --------
    nmer bundle ch3-water@latest --out ch3-water.zip
    """
    from storage.bundle import family_of, write_bundle
    from storage.store import Store

    opened = Store(store)
    version = opened.resolve(ref)
    family, _ = family_of(opened, version, not without_pool)
    with _progress("bundle", sum(v.path.stat().st_size for v in family)) as progress:
        made = write_bundle(opened, version, out, not without_pool, progress)
    _print(made, [v.ref for v in made.versions], ["" for _ in made.versions], json)
    return 0


def unbundle(
    file: Annotated[Path, Parameter(help="A bundle.")],
    *,
    listing: Annotated[bool, Parameter(name="--list", help="Only check it and list its contents.")] = False,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Read a bundle into a store after a check of every byte; a missing store is created.

    Keys stay the same; a version whose number is in use gets the next free one.

    Examples
    --------
    nmer unbundle ch3-water.zip --store my-store
    """
    from storage.bundle import read_bundle
    from storage.store import Store, default_store
    from storage.unbundle import take_in

    with _progress("checking", file.stat().st_size if file.is_file() else 0) as progress:
        found = read_bundle(file, progress)
    if listing:
        _print(found, ["-" for _ in found.versions], ["" for _ in found.versions], json)
        return 0
    opened = Store(store or default_store(), create=True)
    with opened.writing():
        taken = take_in(found, opened)
    states = ["new" if one.new else "was there" for one in taken]
    _print(found, [one.now.ref for one in taken], states, json)
    return 0


QUICK = 20_000_000
"""Bytes that are read and written within a second."""


@contextmanager
def _progress(stage: str, size: int) -> Iterator[Progress]:
    """Show how many MB are done, if the file is large enough to take more than a second."""
    from tasks.progress import ProgressLine

    if size < QUICK:
        yield lambda more: None
        return
    done = 0
    with ProgressLine(stage, round(size / 1e6), "MB") as line:

        def update(more: int) -> None:
            nonlocal done
            done += more
            line.update(min(round(done / 1e6), line.total))

        yield update
        line.update(line.total)


def _print(found: Bundle, here: list[str], states: list[str], json: bool) -> None:
    rows = [
        {"bundled": v.ref, "ref": ref, "key": v.key, "state": state, "size_bytes": found.files[v.member][0]}
        for v, ref, state in zip(found.versions, here, states, strict=True)
    ]
    if json:
        print_json(
            {
                "file": str(found.path),
                "ref": found.ref,
                "size_bytes": found.path.stat().st_size,
                "versions": rows,
                "missing": list(found.missing),
            }
        )
        return
    print_table(
        ("in the bundle", "in the store", "", "kB", "key"),
        [
            (
                str(r["bundled"]),
                str(r["ref"]),
                str(r["state"]),
                f"{int(str(r['size_bytes'])) / 1e3:.0f}",
                str(r["key"])[:12],
            )
            for r in rows
        ],
    )
    for ref in found.missing:
        print(f"not in it: {ref}")
    print(f"{found.path}, {found.path.stat().st_size / 1e6:.1f} MB")
