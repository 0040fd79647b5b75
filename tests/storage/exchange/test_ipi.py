"""The exported driver with a real i-PI, where there is one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from recipes.load import load_recipe
from storage.exchange.exporter import FORMATS, write_export
from storage.exchange.subject import PotentialSubject
from tests.conftest import until


def test_i_pi_runs_dynamics_with_it(tmp_path: Path) -> None:
    program = shutil.which("i-pi", path=str(Path(sys.executable).parent)) or shutil.which("i-pi")
    if program is None:
        pytest.skip("i-PI is missing: pip install ipi")
    nmer = load_recipe("ch3-water").build_nmer()
    basis = Basis.build(nmer, 1, "intermolecular")
    k = np.full(len(basis.pair_names), 1.0)
    coefficients = np.full(basis.n_terms, 5.0)  # repulsive everywhere
    potential = Potential(nmer, 1, "intermolecular", k, coefficients, Switching((0, 5), 5.0, 7.0))
    folder, name = tmp_path / "ipi", f"nmer-{tmp_path.name}-{time.time_ns()}"
    write_export(FORMATS.get("ipi"), PotentialSubject(potential, {}), folder)
    source = (folder / "input.xml").read_text()
    source = source.replace("mode='inet'", "mode='unix'").replace("localhost", name)
    (folder / "input.xml").write_text(source.replace("<port>31415</port>", ""))
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([program, "input.xml"], cwd=folder, stdout=log, stderr=log)
        try:
            socket = Path(f"/tmp/ipi_{name}")
            until(lambda: socket.exists() or server.poll() is not None)
            words = [sys.executable, "ipi_driver.py", "--unix", name, "--springs"]
            done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0 and "401 energies" in done.stdout, (
                folder / "log"
            ).read_text() + done.stderr
            assert server.wait(timeout=60) == 0
        finally:
            server.kill()
    conserved = np.loadtxt(folder / "simulation.out")[:, 2]  # eV
    assert len(conserved) == 41 and np.ptp(conserved) < 2e-3
