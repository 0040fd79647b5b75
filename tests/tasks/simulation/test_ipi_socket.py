"""A potential behind i-PI's protocol: with a server of bytes alone, with ASE's, and with i-PI itself."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.socketio import SocketIOCalculator

from potentials.errors import InputError, StageError
from potentials.systems.cell import Cell
from tasks.simulation.ipi_socket import serve_to_ipi
from tests.conftest import until
from tests.potentials.toys import Wells

Floats = np.ndarray

BOHR, HARTREE = 0.529177210903, 627.5094740631
"""Angstrom and kcal/mol, CODATA 2018; ASE has older ones, which differ by 1e-8."""

SKEWED = np.array([[8.4, 0.0, 0.0], [0.9, 8.2, 0.0], [-0.7, 1.1, 8.6]])
CRYSTAL = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) / 3 @ SKEWED
CRYSTAL += np.random.default_rng(1).normal(scale=0.08, size=CRYSTAL.shape)


def wells(periodic: bool = True) -> Wells:
    cell = Cell(tuple(map(tuple, SKEWED.tolist())), (True, True, True))
    return Wells(("Ar",) * len(CRYSTAL), cell if periodic else None)


class Server:
    """A server that listens on a port of its own and writes i-PI's messages byte by byte."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("localhost", 0))
        self.port = self.listening.getsockname()[1]

    def accept(self) -> None:
        self.listening.settimeout(60)
        self.link, _ = self.listening.accept()
        self.link.settimeout(60)

    def say(self, word: str, *more: bytes) -> None:
        self.link.sendall(word.encode().ljust(12) + b"".join(more))

    def hear(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            found += self.link.recv(length - len(found)) or pytest.fail("the client went away")
        return found

    def word(self) -> str:
        return self.hear(12).decode().strip()

    def ask(self, positions: Floats, vectors: Floats) -> tuple[float, Floats, Floats]:
        """Return energy, forces and virial in hartree and Bohr of positions and cell vectors in Angstrom."""
        self.say("STATUS")
        assert self.word() == "READY"
        inverse = np.linalg.inv(vectors / BOHR).T
        cell = (vectors / BOHR).T.tobytes() + inverse.T.tobytes()
        self.say("POSDATA", cell, struct.pack("i", len(positions)), (positions / BOHR).tobytes())
        self.say("STATUS")
        assert self.word() == "HAVEDATA"
        self.say("GETFORCE")
        assert self.word() == "FORCEREADY"
        energy, atoms = struct.unpack("=di", self.hear(12))
        forces = np.frombuffer(self.hear(24 * atoms)).reshape(-1, 3)
        virial = np.frombuffer(self.hear(72)).reshape(3, 3).T
        (more,) = struct.unpack("i", self.hear(4))
        self.hear(more)
        return energy, forces, virial


def in_thread(function: Any, *values: Any, **options: Any) -> tuple[threading.Thread, list[Any]]:
    """Start a function in a thread; return it, and a list that gets the result or the error."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(function(*values, **options))
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, found


@pytest.mark.parametrize("periodic", [True, False])
def test_a_server_gets_energy_forces_and_virial(periodic: bool) -> None:
    server, model = Server(), wells(periodic)
    thread, served = in_thread(serve_to_ipi, model, port=server.port)
    server.accept()
    for scale in (1.0, 0.97):
        vectors, positions = scale * SKEWED, scale * CRYSTAL
        found = model.evaluate(positions[None], vectors if periodic else None)
        energy, forces, virial = server.ask(positions, vectors if periodic else 100 * np.eye(3))
        assert energy * HARTREE == pytest.approx(found.energy[0], rel=1e-6)
        np.testing.assert_allclose(forces * HARTREE / BOHR, -found.gradient[0], rtol=0, atol=1e-5)
        assert found.virial is not None
        expected = -found.virial[0] if periodic else np.zeros((3, 3))
        np.testing.assert_allclose(virial * HARTREE, expected, rtol=0, atol=1e-4)
    server.say("EXIT")
    thread.join(timeout=60)
    assert served == [2]


def test_ase_is_a_server_too(tmp_path: Path) -> None:
    name = f"nmer-{time.time_ns()}"
    atoms = Atoms("Ar27", positions=CRYSTAL, cell=SKEWED, pbc=True)
    with SocketIOCalculator(unixsocket=name, timeout=60) as server:
        thread, served = in_thread(serve_to_ipi, wells(), unix=name)
        atoms.calc = server
        energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
        atoms.rattle(0.01, seed=1)
        assert atoms.get_potential_energy() != energy
    thread.join(timeout=60)
    assert served == [2]
    alone = Atoms("Ar27", positions=CRYSTAL, cell=SKEWED, pbc=True)
    alone.calc = wells().calculator()
    assert energy == pytest.approx(alone.get_potential_energy(), rel=1e-10)
    np.testing.assert_allclose(forces, alone.get_forces(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(stress, alone.get_stress(), rtol=0, atol=1e-9)


INPUT = """<simulation verbosity='low'>
  <output prefix='simulation'>
    <properties stride='5' filename='out'>
      [ step, conserved{electronvolt}, potential{electronvolt}, volume{angstrom3} ]
    </properties>
  </output>
  <total_steps>100</total_steps>
  <prng><seed>4711</seed></prng>
  <ffsocket name='driver' mode='unix' pbc='false'><address>NAME</address><latency>1e-4</latency></ffsocket>
  <system>
    <initialize nbeads='1'>
      <file mode='xyz'>init.xyz</file>
      <velocities mode='thermal' units='kelvin'>60</velocities>
    </initialize>
    <forces><force forcefield='driver'></force></forces>
    <motion mode='dynamics'>
      <dynamics mode='npt'>
        <timestep units='femtosecond'>0.5</timestep>
        <barostat mode='isotropic'><tau units='femtosecond'>200</tau></barostat>
      </dynamics>
    </motion>
    <ensemble><temperature units='kelvin'>60</temperature><pressure units='megapascal'>100</pressure></ensemble>
  </system>
</simulation>
"""


def test_i_pi_compresses_a_crystal_with_it(tmp_path: Path) -> None:
    """Its conserved quantity says whether virial, cell and forces fit together."""
    program = shutil.which("i-pi", path=str(Path(sys.executable).parent)) or shutil.which("i-pi")
    if program is None:
        pytest.skip("i-PI is missing: pip install ipi")
    name = f"nmer-{time.time_ns()}"
    side = 8.4
    places = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) * side / 3
    lines = [f"Ar {x:.8f} {y:.8f} {z:.8f}" for x, y, z in places]
    cell = f"# CELL(abcABC): {side} {side} {side} 90.0 90.0 90.0 cell{{angstrom}} positions{{angstrom}}"
    (tmp_path / "init.xyz").write_text("\n".join(["27", cell, *lines, ""]))
    (tmp_path / "input.xml").write_text(INPUT.replace("NAME", name))
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen([program, "input.xml"], cwd=tmp_path, stdout=log, stderr=log)
        try:
            path = Path(f"/tmp/ipi_{name}")
            until(lambda: path.exists() or server.poll() is not None)
            box = Cell(((side, 0.0, 0.0), (0.0, side, 0.0), (0.0, 0.0, side)), (True, True, True))
            served = serve_to_ipi(Wells(("Ar",) * 27, box), unix=name)
            assert server.wait(timeout=60) == 0, (tmp_path / "log").read_text()
        finally:
            server.kill()
    conserved, potential, volume = np.loadtxt(tmp_path / "simulation.out")[:, 1:].T
    assert served == 101 and volume[-1] < 0.97 * volume[0]
    assert np.ptp(conserved) < 5e-3 * np.ptp(potential)


def test_servers_that_do_not_fit_are_told() -> None:
    server = Server()
    thread, found = in_thread(serve_to_ipi, wells(), port=server.port)
    server.accept()
    server.say("POSDATA", bytes(144), struct.pack("i", 2), bytes(48))
    thread.join(timeout=60)
    assert isinstance(found[0], StageError) and "for 27 atoms" in str(found[0])
    server = Server()
    thread, found = in_thread(serve_to_ipi, wells(), port=server.port)
    server.accept()
    server.say("HELLO")
    thread.join(timeout=60)
    assert isinstance(found[0], StageError) and "does not speak i-PI's protocol" in str(found[0])
    server.listening.close()
    with pytest.raises(InputError, match=rf"no server answers at localhost:{server.port} .*start i-PI first"):
        serve_to_ipi(wells(), port=server.port)
    with pytest.raises(InputError, match=r"no server answers at the Unix socket /tmp/ipi_none-of-it"):
        serve_to_ipi(wells(), unix="none-of-it")
    for options, said in (({"unix": "../x"}, "name of a Unix socket"), ({"port": 0}, "the port is 0")):
        with pytest.raises(InputError, match=said):
            serve_to_ipi(wells(), **options)  # type: ignore[arg-type]
