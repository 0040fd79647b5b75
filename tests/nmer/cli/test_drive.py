"""nmer drive: the sum of a file behind i-PI's protocol."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nmer.cli.main import main
from recipes.chemistry.molecules import read_molecule
from tasks.sums.files import contents_of, write_sum
from tasks.sums.make import sum_potential
from tests.nmer.polyalanine import store_of
from tests.tasks.simulation.test_ipi_socket import BOHR, HARTREE, Server, in_thread


def test_a_server_gets_the_energies_of_the_sum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain, store = read_molecule("AceAla1Nme").embedded(), store_of(tmp_path / "store")
    model = sum_potential(chain, family="polyalanine", store=store.path)
    write_sum(tmp_path / "ala1.toml", contents_of(model, chain, 0, store))
    server = Server()
    words = [
        "drive",
        str(tmp_path / "ala1.toml"),
        "--port",
        str(server.port),
        "--store",
        str(store.path),
        "--json",
    ]
    thread, code = in_thread(main, words)
    server.accept()
    positions = np.array(chain.positions)
    energy, gradient = model.energy_and_gradient(positions)
    found, forces, virial = server.ask(positions, 50 * np.eye(3))
    server.say("EXIT")
    thread.join(timeout=60)
    assert found * HARTREE == pytest.approx(energy, rel=1e-6) and not virial.any()
    np.testing.assert_allclose(forces * HARTREE / BOHR, -gradient, rtol=0, atol=1e-4)  # dipoles of a trajectory
    assert code == [0] and json.loads(capsys.readouterr().out)["energies"] == 1


def test_without_a_file_or_a_server_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drive", str(tmp_path / "none.toml")]) == 2
    assert "No such file" in capsys.readouterr().err
