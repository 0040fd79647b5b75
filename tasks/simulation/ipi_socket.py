"""A potential as a client of i-PI, or of another server that speaks its protocol, such as ASE's."""

from __future__ import annotations

import re
import socket

from ase import Atoms
from ase.calculators.socketio import SocketClient

from potentials.calculator import PotentialCalculator
from potentials.errors import InputError, StageError
from potentials.evaluation import Evaluable
from potentials.systems.periodicity import is_periodic

PORT = 31415
"""i-PI's default."""

UNIX = re.compile(r"[A-Za-z0-9_.-]{1,90}")
"""Names of Unix sockets, which are files ``/tmp/ipi_NAME``."""


def serve_to_ipi(potential: Evaluable, host: str = "localhost", port: int = PORT, unix: str | None = None) -> int:
    """Answer a server with energies, forces and, in a cell, the virial until it ends; return how many times.

    The server's atoms must be the potential's in their order; the protocol does not carry elements. The cell is
    that of the server at every step. A molecule in vacuum has a virial of zero: it has no pressure.

    Parameters
    ----------
    potential
        The potential; for dynamics its ``trajectory()``, where it has one.
    host, port
        Where the server listens.
    unix
        Name of the server's Unix socket, in the place of host and port.

    Raises
    ------
    InputError
        If there is no server, or its atoms are not those of the potential in number.
    StageError
        If the server speaks another protocol.
    """
    if unix is not None and not UNIX.fullmatch(unix):
        raise InputError(
            f"the name of a Unix socket is {unix[:100]!a}; allowed: letters, digits, '_', '-' and '.'"
        )
    if not 0 < port < 65536:
        raise InputError(f"the port is {port}; allowed: 1 to 65535")
    where = f"at {host}:{port}" if unix is None else f"at the Unix socket /tmp/ipi_{unix}"
    try:
        client = SocketClient(host=host, port=port, unixsocket=unix)
    except OSError as error:
        raise InputError(f"no server answers {where} ({error.strerror or error}); start i-PI first") from None
    if unix is None:
        client.protocol.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    periodic = is_periodic(potential)
    atoms = Atoms(potential.symbols, positions=[(0.0, 0.0, 0.0)] * len(potential.symbols), pbc=periodic)
    atoms.calc = PotentialCalculator(potential)
    try:
        return sum(1 for _ in client.irun(atoms, use_stress=periodic))
    except InputError:
        raise
    except ConnectionError:
        raise StageError(f"the server {where} went away") from None
    except (AssertionError, KeyError, ValueError) as error:
        raise StageError(
            f"the server {where} does not speak i-PI's protocol for {len(atoms)} atoms: {repr(error)[:200]}"
        ) from None
    finally:
        client.close()
