"""The command that lists the papers to cite for a version: cite."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath
from nmer.cli.output import print_json


def cite(
    ref: Annotated[str, Parameter(help="ch3-water@1, dataset:ch3-water@1, or the .h5 file of a version.")],
    *,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """List the papers of every method, basis set, engine, and functional form of a version.

    For a version in a store, those of everything it was made from are included; for a file, only its own.

    Examples
    --------
    nmer cite ch3-water@latest
    """
    from storage.citations import citations
    from storage.foreign import read_foreign
    from storage.store import Store

    if ref.endswith(".h5"):
        found = citations(read_foreign(Path(ref), "give the file of a version, or NAME@NUMBER of a store"))
    else:
        opened = Store(store)
        found = citations(opened.resolve(ref), opened.find)
    if json:
        print_json([asdict(citation) for citation in found])
        return 0
    for citation in found:
        print(citation.line())
    return 0
