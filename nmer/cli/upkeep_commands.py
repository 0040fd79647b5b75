"""Commands that name, remove, and check versions: tag, remove, gc, verify."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath
from nmer.cli.output import print_json, print_table
from potentials.errors import InputError

Refs = Annotated[list[str], Parameter(help="One or more, for example ch3-water@2 or dataset:ch3-water@1.")]


def tag(
    ref: Annotated[str, Parameter(help="For example ch3-water@3, dataset:ch3-water@latest, ch3-water@draft.")],
    name: Annotated[str | None, Parameter(help="The tag: lowercase letters, digits, and dashes.")] = None,
    *,
    remove: Annotated[bool, Parameter(help="Remove the tag; needs --force.")] = False,
    force: Annotated[bool, Parameter(help="Move a tag from another version, or remove one.")] = False,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Give a version a name that can be used in place of its number.

    Examples
    --------
    nmer tag ch3-water@1 paper-draft
    nmer tag ch3-water@1 paper-draft --remove --force
    """
    from storage.store import Store
    from storage.tags import read_tags, remove_tag, set_tag, tags_of

    named = ref.rpartition("@")[2]
    if name is None and (not remove or named.isdigit()):
        raise InputError(f"give the tag after the reference: nmer tag {ref} NAME{' --remove' if remove else ''}")
    name = name or named
    opened = Store(store)
    if remove and not force:
        raise InputError(f"a tag may be cited in a paper; add --force to remove '{name}' from {ref}")
    opened.resolve(ref)  # before the lock, whose files are written
    with opened.writing():
        version = opened.resolve(ref)
        if remove:
            remove_tag(opened.path, version, name)
            message = f"{version.ref} is no longer tagged {name}"
        else:
            new = set_tag(opened.path, version, name, force)
            message = f"{version.ref} is {'now' if new else 'already'} {version.ref.rpartition('@')[0]}@{name}"
    if json:
        tags = tags_of(version, read_tags(opened.path))
        return print_json({"ref": version.ref, "key": version.key, "tags": tags})
    print(message)
    return 0


def remove(refs: Refs, *, store: StorePath = None, json: Json = False) -> int:
    """Remove versions that nothing depends on; a potential is removed with its verdict and its report.

    A version from which another was made, or which has a tag, cannot be removed. Numbers of removed versions are
    not used again. Labels are never removed.

    Examples
    --------
    nmer remove ch3-water@2
    """
    from storage.removal import remove as remove_versions
    from storage.store import Store

    opened = Store(store)
    for ref in refs:
        opened.resolve(ref)  # before the lock, whose files are written
    with opened.writing():
        gone = remove_versions(opened, [opened.resolve(ref) for ref in refs])
    if json:
        return print_json({"removed": [_row(opened.path, each) for each in gone]})
    for each in gone:
        print(f"removed {each.what}  {_megabytes(each.size)}")
    return 0


def gc(
    *,
    yes: Annotated[bool, Parameter(help="Remove what is listed.")] = False,
    dry_run: Annotated[bool, Parameter(help="Only list, as without any option.")] = False,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """List leftover files of the store, and with --yes remove them.

    These are scratch of finished versions, files of killed processes, and reports of removed potentials. Versions
    and labels are kept; versions that nothing depends on are listed.

    Examples
    --------
    nmer gc
    """
    from storage.removal import clear, leftovers, unused
    from storage.store import Store

    if yes and dry_run:
        raise InputError("--yes removes and --dry-run only lists; give one of them")
    opened = Store(store)
    with opened.writing():
        gone = leftovers(opened)
        idle = unused(opened)
        if yes:
            clear(gone)
    total = sum(each.size for each in gone)
    if json:
        unused_versions = [{"ref": v.ref, "size_bytes": v.path.stat().st_size} for v in idle]
        rows = [_row(opened.path, each) for each in gone]
        return print_json(
            {"removed": yes, "size_bytes": total, "leftovers": rows, "unused_versions": unused_versions}
        )
    places = [(_megabytes(each.size), str(each.path.relative_to(opened.path)), f"({each.what})") for each in gone]
    print_table((), places)
    if not gone:
        print("nothing is left over")
    elif yes:
        print(f"removed {_megabytes(total)}")
    else:
        print(f"{_megabytes(total)} can be removed with nmer gc --yes; nothing was removed")
    if idle:
        print("versions that nothing depends on (kept; nmer remove REF removes one):")
        print_table((), [(_megabytes(version.path.stat().st_size), version.ref) for version in idle])
    return 0


def verify(
    ref: Annotated[str | None, Parameter(help="Verify this version and all it was made from.")] = None,
    *,
    all: Annotated[bool, Parameter(help="Verify the whole store, as without a reference.")] = False,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Recompute every checksum and key, and print a line for each damage, also during a run.

    Also checked: that inputs exist, configurations equal their frames, ids match the geometries, datasets have the
    ledger's energies, potentials reproduce the stored predictions and the energies of some frames of trajectories,
    hills their bias, velocities the kinetic energy, and every line of the labels. With damage, the exit code is 1.

    Examples
    --------
    nmer verify
    """
    from potentials.nmers.nmer import NMer
    from storage.apart import Apart
    from storage.store import Store
    from storage.verify.whole import NO_CHECKSUM, files_of
    from storage.verify.whole import verify as verify_versions
    from tasks.labelling.collect import ledger_gradient
    from tasks.labelling.plan import plan_label
    from tasks.progress import ProgressLine
    from tasks.simulation.recomputed import recomputed

    if all and ref is not None:
        raise InputError(f"give either a reference or --all, not both '{ref}' and --all")

    def factors(nmer: NMer, counterpoise: bool) -> dict[str, int]:
        return {part.name: part.coefficient for part in plan_label(nmer, counterpoise)}

    opened = Store(store)
    with Apart() as reader:
        paths = files_of(opened, ref, reader)
        with ProgressLine("verify", len(paths), "files") as progress:
            found = verify_versions(opened, factors, paths, reader, progress.update, recomputed, ledger_gradient)
    if json:
        return print_json(found.as_dict(), 1 if found.damages else 0)
    for damage in found.damages:
        print(f"damaged: {damage}")
    for note in found.notes:
        print(f"note: {note}")
    without = [name for name, state in found.files.items() if state == NO_CHECKSUM]
    if without:
        more = f", and {len(without) - 3} more (--json names them)" if len(without) > 3 else ""
        print(f"no checksum, written by an early release: {', '.join(without[:3])}{more}")
    if found.damages:
        print(f"{len(found.damages)} damages in {len({d.file for d in found.damages})} files")
        return 1
    print(f"{len(found.files)} versions and the labels are unchanged")
    return 0


def _row(store: Any, each: Any) -> dict[str, Any]:
    return {"what": each.what, "path": str(each.path.relative_to(store)), "size_bytes": each.size}


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2f} MB"
