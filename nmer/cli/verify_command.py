"""The command that checks the store: verify."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath
from nmer.cli.output import print_json
from potentials.errors import InputError


def verify(
    ref: Annotated[str | None, Parameter(help="Verify this version and all it was made from.")] = None,
    *,
    all: Annotated[bool, Parameter(help="Verify the whole store, as without a reference.")] = False,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Recompute every checksum and key, and print a line for each damage, also during a run.

    Also checked: that inputs exist, configurations equal their frames, ids match the geometries, datasets have the
    ledger's energies, potentials reproduce the stored predictions, and every line of the labels. With damage, the
    exit code is 1.

    Examples
    --------
    nmer verify
    """
    from potentials.nmers.nmer import NMer
    from storage.apart import Apart
    from storage.store import Store
    from storage.verify.whole import NO_CHECKSUM, files_of
    from storage.verify.whole import verify as verify_versions
    from tasks.labelling.plan import plan_label
    from tasks.progress import ProgressLine

    if all and ref is not None:
        raise InputError(f"give either a reference or --all, not both '{ref}' and --all")

    def factors(nmer: NMer, counterpoise: bool) -> dict[str, int]:
        return {part.name: part.coefficient for part in plan_label(nmer, counterpoise)}

    opened = Store(store)
    with Apart() as reader:
        paths = files_of(opened, ref, reader)
        with ProgressLine("verify", len(paths), "files") as progress:
            found = verify_versions(opened, factors, paths, reader, progress.update)
    if json:
        print_json(found.as_dict())
        return 1 if found.damages else 0
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
