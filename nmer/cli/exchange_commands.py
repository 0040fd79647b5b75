"""Commands that write versions for other programs and other stores: export, bundle, unbundle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath
from nmer.cli.output import Column, kilobytes, print_json, print_rows
from potentials.errors import InputError
from storage.exchange.exporter import FORMATS, format_for

if TYPE_CHECKING:
    from storage.bundle import Bundle, Progress

QUICK = 20_000_000
"""Bytes that are read and written within a second."""


def export(
    ref: Annotated[
        str,
        Parameter(
            help="ch3-water@1, dataset:ch3-water@1, trajectory:alanine@1, a version's .h5, or a sum's .toml file."
        ),
    ],
    *,
    format: Annotated[str, Parameter(help=f"One of {', '.join(sorted(FORMATS.names()))}; see docs/exchange.md.")],
    out: Annotated[Path, Parameter(help="Folder or file to write; it must not exist yet.")],
    at: Annotated[
        Path | None,
        Parameter(help="xyz file with a geometry of a sum's molecule; a chain needs none."),
    ] = None,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Write a potential, a sum, a dataset or a trajectory in a format of other programs.

    A potential or sum comes with reference energies and gradients and a check that compares with them; a
    trajectory with its topology.

    Examples
    --------
    nmer export ch3-water@latest --format c --out ch3-water-c
    nmer export ala9.toml --format c --out ala9-c
    nmer export trajectory:alanine@latest --format dcd --out alanine-dcd
    """
    from storage.exchange.exporter import AnySubject, write_export
    from storage.exchange.subject import subject_of
    from storage.exchange.sum_subject import SumSubject

    subject: AnySubject
    if ref.endswith(".toml"):
        from tasks.sums.export import sum_subject

        format_for(format, SumSubject)
        subject = sum_subject(Path(ref), store, at)
    elif at is not None:
        raise InputError("--at is for the file of a sum, which has no geometry; allowed: --at with a .toml file")
    else:
        subject = subject_of(ref, store)
    form = format_for(format, type(subject))
    written, report = write_export(form, subject, out)
    check = form.check.format(file=quote(str(out)))
    if json:
        files, place = [str(path) for path in written], str(out) if form.folder else "."
        found = {"ref": ref, "format": format, "files": files, "check": check, "check_in": place}
        return print_json(found | {"read_back": report})
    print("\n".join(str(path) for path in written))
    if report:
        print(report)
    if check:
        print(f"check: cd {quote(str(out))} && {check}" if form.folder else f"check: {check}")
    return 0


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
    return _print(made, [(v.ref, "") for v in made.versions], json)


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
        return _print(found, [("-", "")] * len(found.versions), json)
    opened = Store(store or default_store(), create=True)
    with opened.writing():
        taken = take_in(found, opened)
    return _print(found, [(one.now.ref, "new" if one.new else "was there") for one in taken], json)


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


def _print(found: Bundle, here: list[tuple[str, str]], json: bool) -> int:
    """Print a bundle's versions, each with its reference in the store and whether it is new there."""
    size = found.path.stat().st_size
    rows = [
        {"bundled": v.ref, "ref": ref, "key": v.key, "state": state, "size_bytes": found.files[v.member][0]}
        for v, (ref, state) in zip(found.versions, here, strict=True)
    ]
    if json:
        about = {"file": str(found.path), "ref": found.ref, "size_bytes": size}
        return print_json(about | {"versions": rows, "missing": list(found.missing)})
    columns: dict[str, Column] = {"in the bundle": "bundled", "in the store": "ref", "": "state"}
    print_rows(rows, columns | {"kB": kilobytes, "key": "key:.12"})
    for ref in found.missing:
        print(f"not in it: {ref}")
    print(f"{found.path}, {size / 1e6:.1f} MB")
    return 0
