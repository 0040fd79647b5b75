"""The simulations of a turn: each molecule at each temperature, by the sum as it is; all are in the store."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from potentials.arrays import Floats
from storage.durable import make_folder, write_bytes
from storage.store import Store
from storage.trajectories import Trajectory
from storage.version import Version
from tasks.checks.contacts import Contacts, Floors
from tasks.checks.own_simulation import relaxed_starts
from tasks.checks.targets import Target
from tasks.improving.settings import ImproveSettings
from tasks.simulation.settings import SimulationSettings
from tasks.simulation.stored import simulate_in_store

Told = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Simulation:
    """The replicas of one molecule at one temperature.

    Attributes
    ----------
    target
        The molecule or system, with its sum.
    temperature
        Of the thermostat, K.
    version
        The trajectory in the store.
    trajectories
        Its replicas.
    stopped
        Number of replicas that the potential has stopped: it had no energy.
    """

    target: Target
    temperature: float
    version: Version
    trajectories: list[Trajectory]
    stopped: int


def simulate_targets(
    store: Store,
    chosen: Sequence[Target],
    floors: Floors,
    settings: ImproveSettings,
    number: int,
    folder: Path,
    told: Told = lambda done, total: None,
) -> list[Simulation]:
    """Simulate molecules; what the store has is read, and what was killed goes on from its last segment.

    Parameters
    ----------
    store
        The store; its writer lock is taken at the end of each simulation.
    chosen
        The molecules and systems.
    floors
        Distances at which atoms are too near.
    settings, number
        The settings, and the number of the turn.
    folder
        Of the turn, where the starts are kept while it runs.
    told
        Called with the number of steps done, and of all.
    """
    plan = []
    for target in chosen:
        periodic = target.system.cell is not None
        for temperature in settings.temperatures:
            plan.append((target, settings.simulation(number, temperature, periodic)))
    total, done, found = sum(s.steps * s.replicas for _, s in plan), 0, []
    for target, one in plan:
        begin = _starts(target, one, floors, folder)
        ran = simulate_in_store(
            store,
            target.word,
            target.model,
            target.system,
            one,
            starts=begin,
            told=lambda steps, _, before=done: told(before + steps, total),  # type: ignore[misc]
        )
        stopped = sum(1 for why in ran.stopped if why)
        found.append(Simulation(target, one.temperature, ran.version, ran.trajectories, stopped))
        done += one.steps * one.replicas
        told(done, total)
    return found


def _starts(target: Target, settings: SimulationSettings, floors: Floors, folder: Path) -> Floats:
    """Return where the replicas begin, (replicas, atoms, 3), Angstrom: found once, then read.

    The minimization is not repeated after an interruption: the trajectory's key depends on where it ends.
    """
    path = folder / f"starts-{target.word}-{settings.replicas}.npy"
    if path.exists():
        return np.asarray(np.load(path, allow_pickle=False))
    contacts = Contacts.of(target.system.symbols, target.system.bonds, floors)
    found = relaxed_starts(target, settings, contacts)
    content = io.BytesIO()
    np.save(content, found)
    make_folder(folder)
    write_bytes(path, content.getvalue())
    return found
