"""The command that lets i-PI move a molecule with a sum: drive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath
from nmer.cli.output import print_json


def drive(
    file: Annotated[Path, Parameter(help="File of a sum: .toml of `nmer sum`, or .json of `nmer export`.")],
    *,
    host: Annotated[str, Parameter(help="Host where i-PI listens.")] = "localhost",
    port: Annotated[int, Parameter(help="Port where i-PI listens.")] = 31415,
    unix: Annotated[
        str | None, Parameter(help="Name of i-PI's Unix socket, /tmp/ipi_NAME, in the place of host and port.")
    ] = None,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Serve a sum to i-PI, or another program that speaks its protocol, until that program ends.

    Energy and forces are those of the sum, whose atoms the server must have in the same order. For path integrals
    start as many of these commands as beads are to be evaluated at the same time.

    Examples
    --------
    nmer drive ala9.toml --unix ala9
    """
    from tasks.simulation.ipi_socket import serve_to_ipi
    from tasks.sums.files import load_sum

    served = serve_to_ipi(load_sum(file, store).trajectory(), host, port, unix)
    if json:
        return print_json({"file": str(file), "energies": served})
    print(f"{served} energies and forces served")
    return 0
