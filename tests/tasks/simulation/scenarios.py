"""Small simulations of every kind, run by a process that tests kill: ``python -m ... FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from potentials.systems.cell import Cell
from storage.trajectories import Trajectory
from tasks.bias.cvs import CV
from tasks.bias.metad import MetaD
from tasks.simulation.dynamics import simulate
from tasks.simulation.metadynamics import Metadynamics
from tasks.simulation.settings import SimulationSettings
from tests.potentials.toys import Wells, WellsInC

ARGON = ("Ar",) * 8
PLACES = 2.9 * np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)], dtype=float)
PLACES += np.random.default_rng(3).normal(scale=0.1, size=PLACES.shape)
CELL = Cell(((9.9, 0.0, 0.0), (0.0, 9.8, 0.0), (0.0, 0.0, 10.1)), (True, True, True))
METADYNAMICS = Metadynamics(
    MetaD((0.2, 0.3), (False, True), 0.05, 20, 5.0, 60.0), (CV((0, 7)), CV((0, 1, 3, 2))), ("far", "turn")
)
SHORT = {"temperature": 60.0, "timestep": 2.0, "every": 20, "segment": 200, "seed": 5}

SCENARIOS = {
    "nve": SimulationSettings(ensemble="nve", steps=2000, **SHORT),
    "langevin": SimulationSettings(steps=2000, replicas=3, minimize=True, **SHORT),
    "nose-hoover": SimulationSettings(steps=2000, thermostat="nose-hoover", **SHORT),
    "walkers": SimulationSettings(steps=2000, replicas=3, **SHORT),
    "cell": SimulationSettings(steps=400, **SHORT),
    "npt": SimulationSettings(ensemble="npt", thermostat="nose-hoover", steps=1000, pressure=100.0, **SHORT),
    "npt-langevin": SimulationSettings(ensemble="npt", steps=400, pressure=100.0, replicas=2, **SHORT),
}


def run(name: str, folder: Path) -> list[Trajectory]:
    """Run one, or continue it."""
    periodic = name.startswith("npt") or name == "cell"
    model = Wells(ARGON, CELL) if periodic else WellsInC(ARGON)
    bias = METADYNAMICS if name == "walkers" else None
    return simulate(model, PLACES + 3.0 * periodic, SCENARIOS[name], folder=folder / name, bias=bias)


if __name__ == "__main__":
    for each in SCENARIOS:
        run(each, Path(sys.argv[1]))
