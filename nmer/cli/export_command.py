"""The command that writes potentials and datasets in formats of other programs: export."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath
from nmer.cli.output import print_json
from storage.exchange.exporter import FORMATS, format_for


def export(
    ref: Annotated[str, Parameter(help="ch3-water@1, dataset:ch3-water@1, or the .h5 file of either.")],
    *,
    format: Annotated[str, Parameter(help=f"One of {', '.join(sorted(FORMATS.names()))}; see docs/exchange.md.")],
    out: Annotated[Path, Parameter(help="Folder or file to write; it must not exist yet.")],
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Write a potential or a dataset in a format of other programs.

    A potential comes with 100 reference energies and gradients and a check that compares with them.

    Examples
    --------
    nmer export ch3-water@latest --format c --out ch3-water-c
    """
    from storage.exchange.exporter import write_export
    from storage.exchange.subject import subject_of

    subject = subject_of(ref, store)
    form = format_for(format, subject)
    written, report = write_export(form, subject, out)
    check = form.check.format(file=quote(str(out)))
    if json:
        print_json(
            {
                "ref": ref,
                "format": format,
                "files": [str(path) for path in written],
                "check": check,
                "check_in": str(out) if form.folder else ".",
                "read_back": report,
            }
        )
        return 0
    print("\n".join(str(path) for path in written))
    if report:
        print(report)
    if check:
        print(f"check: cd {quote(str(out))} && {check}" if form.folder else f"check: {check}")
    return 0
