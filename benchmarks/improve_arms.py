"""The arms of `benchmarks.improve`: turns on own frames, and as many labels from the pools."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.improve_family import FAMILY, frozen
from potentials.arrays import Floats, Ints
from potentials.pip.potential import Potential
from storage.contents import PoolFile, potential_from_version, selection_from_version
from storage.durable import write_text
from storage.origins import strata
from storage.records import TRAIN
from storage.store import Store
from storage.version import Version
from tasks.checks.contacts import Contacts, Floors
from tasks.checks.own_labels import Frames, cut
from tasks.checks.own_simulation import simulated
from tasks.checks.subject import Subject
from tasks.checks.targets import targets
from tasks.fitting.refit import refit_potential
from tasks.improving.labels import Order, here, read_labels
from tasks.improving.record import read_turns
from tasks.improving.refitted import refitted
from tasks.improving.settings import ImproveSettings
from tasks.improving.sources import FamilySource
from tasks.improving.training import Training, training_of
from tasks.improving.turn import Means, run_turn
from tasks.plan import resolve
from tasks.selection.descriptor import checked_descriptor
from tasks.selection.kmeans import representatives
from tasks.selection.table import Scratch, Table
from tasks.simulation.settings import SimulationSettings

TURNS = 2


@dataclass(frozen=True)
class Size:
    """How much is simulated and labelled.

    Attributes
    ----------
    picks, judged
        Labels of each n-mer that a turn adds, and by which it is judged, at most.
    replicas, picoseconds
        Simulations of the molecule at each temperature of a turn, and at the end, and their length.
    compared
        Geometries of each n-mer that are compared at the end.
    """

    picks: int = 60
    judged: int = 20
    replicas: int = 4
    picoseconds: float = 2.0
    compared: int = 40

    def turn(self, seed: int) -> ImproveSettings:
        """Return the settings of the turns, at 300 and 500 K."""
        return ImproveSettings(
            replicas=self.replicas,
            picoseconds=self.picoseconds,
            picks=self.picks,
            judged=self.judged,
            among=1500,
            seed=seed,
        )

    def end(self) -> SimulationSettings:
        """Return the simulation of every arm at the end: 300 K from different folds, frames every 50 fs."""
        frames = round(self.picoseconds * 20)
        return SimulationSettings(
            temperature=300.0, steps=100 * frames, every=100, segment=2000, replicas=self.replicas, seed=77
        )


@dataclass
class Trials(FamilySource):
    """A family whose kept trials count as its potentials though no gates were measured."""

    kept: Mapping[str, str] | None = None

    def subject(self) -> Subject:
        """Return the family with these potentials."""
        return Subject.of_family(self.name, self.store, self.chosen, use=dict(self.kept or {}))


def train(store: Store, training: Training, selection: Version, refit: str) -> Version:
    """Return the trial of a selection, with coefficients that are fitted again; without Prefect."""
    plan = replace(resolve(training.recipe, store), pool=training.pool.key, selection=selection.key)
    with store.writing():
        key = frozen(store, plan, selection_from_version(selection).positions)
        return refitted(store, training, store.get("dataset", key))


def improved(store: Store, base: Mapping[str, str], molecule: str, seed: int, size: Size) -> dict[str, Any]:
    """Run the turns, and return the potentials and the labels of each n-mer."""

    def trial(training: Training, selection: Version, refit: str) -> Version:
        return train(store, training, selection, refit)

    def judged(version: Version) -> None:
        raise RuntimeError("the benchmark measures no gates")

    def now() -> dict[str, str]:
        return dict(base) | {store.resolve(ref).nmer: ref for turn in turns for ref in turn.accepted}

    turns = read_turns(store, FAMILY)
    while len(turns) < TURNS:
        source = Trials(FAMILY, store, (molecule,), kept=now())
        turns.append(run_turn(store, source, size.turn(seed), Means(here, trial, judged)))
    counts: dict[str, int] = {}
    for turn in turns:
        for row in turn.facts["nmers"]:
            counts[row["nmer"]] = counts.get(row["nmer"], 0) + row["picked"] + row["fresh"]["count"]
    return {
        "potentials": now(),
        "labels": counts,
        "turns": [
            {key: turn.facts[key] for key in ("kept", "own", "held", "picked", "seconds")} for turn in turns
        ],
    }


def by_chance(training: Training, positions: Floats, count: int, seed: int) -> Ints:
    """Return rows of a pool drawn at random."""
    return np.random.default_rng([seed, *training.recipe.name.encode()]).choice(
        len(positions), count, replace=False
    )


def by_clusters(training: Training, positions: Floats, count: int, seed: int) -> Ints:
    """Return the rows of a pool nearest to K-means centres in the descriptor."""
    settings, nmer = training.recipe.selection, training.recipe.build_nmer()
    features = checked_descriptor(settings).make(nmer, settings, positions)(positions)
    with Scratch() as scratch:
        table = Table.of(np.asarray(features - features.mean(axis=0), dtype=np.float32))
        return representatives(table, count, seed, scratch).chosen


def from_pools(
    store: Store,
    base: Mapping[str, str],
    labels: Mapping[str, int],
    choose: Callable[[Training, Floats, int, int], Ints],
    seed: int,
) -> dict[str, Potential]:
    """Return the potentials with as many further labels of frames of their own pools, by n-mer."""
    found: dict[str, Potential] = {}
    for name, ref in base.items():
        before = store.resolve(ref)
        found[name] = potential_from_version(before, "candidate")
        training = training_of(store, before)
        if not labels.get(name) or isinstance(training, str):
            continue
        positions = PoolFile(training.pool).rows("positions", 0, training.pool.length("positions"))
        free = np.setdiff1d(np.arange(len(positions)), training.selection.column("frame"))
        rows = free[choose(training, positions[free], labels[name], seed)]
        order = Order.of(training, positions[rows])
        here(store, [order])
        labelled = read_labels(store, training, order)
        energy, good = labelled.energy, np.isfinite(labelled.energy)
        data, groups = training.data.part(TRAIN), strata(store, training.dataset)
        pool = training.pool
        if groups is not None:
            more = np.stack([pool.column(c)[rows[good]] for c in ("temperature", "window")], axis=1)
            groups = np.concatenate([groups[training.data.split == TRAIN], more.astype(np.float64)])
        gradient = None
        if data.gradient is not None and labelled.gradient is not None:
            gradient = np.concatenate([data.gradient, labelled.gradient[good]])
        found[name] = refit_potential(
            found[name],
            np.concatenate([data.positions, positions[rows[good]]]),
            np.concatenate([data.energy, energy[good]]),
            training.recipe.fitting,
            groups,
            gradient,
        ).potential
    return found


def own_frames(
    store: Store, base: Mapping[str, str], use: Mapping[str, Any], molecule: str, size: Size
) -> dict[str, Any]:
    """Simulate a molecule by the fixed protocol, and return the errors of its n-mers against the labels."""
    subject = Subject.of_family(FAMILY, store, (molecule,), use=dict(use))
    target = targets(subject)[0]
    contacts = Contacts.of(target.system.symbols, target.system.bonds, Floors.of(subject.potentials().values()))
    settings = size.end()
    ran = simulated(target, settings, contacts=contacts)
    frames = np.concatenate([one.positions[1:] for one in ran])
    each = np.zeros(len(frames) + 1, dtype=np.int64)
    whole = Frames(target, np.concatenate([ran[0].positions[:1], frames]), each.astype(np.float64), each, each)
    rows: dict[str, Any] = {}
    for one in cut([whole], size.compared, settings.seed):
        training = training_of(store, store.resolve(base[one.name]))
        assert isinstance(training, Training)
        order = Order.of(training, one.positions)
        here(store, [order])
        label = read_labels(store, training, order).energy
        error = (np.asarray(one.potential.energy(one.positions)) - label)[np.isfinite(label)]
        rows[one.name] = {
            "labels": len(error),
            "failed": int(len(label) - len(error)),
            "rms": float(np.sqrt(np.mean(error**2))) if len(error) else None,
            "median": float(np.median(np.abs(error))) if len(error) else None,
            "outside": float(np.mean(np.asarray(one.potential.extrapolates(one.positions)))),
        }
    squares = [row["rms"] ** 2 for row in rows.values() if row["rms"] is not None]
    closest = [contacts.closest(one.positions)[0].min() for one in ran]
    return {
        "rms": float(np.sqrt(np.mean(squares))),
        "median": float(np.median([row["median"] for row in rows.values() if row["median"] is not None])),
        "failed": sum(row["failed"] for row in rows.values()),
        "frames": len(frames),
        "wanted": settings.replicas * settings.steps // settings.every,
        "closest_over_floor": float(min(closest)),
        "nmers": rows,
    }


def cpu_seconds() -> float:
    """Return the processor time of this process and of those that it has waited for, s."""
    return sum(os.times()[:4])


def arm(
    store: Store, base: Mapping[str, str], folder: Path, name: str, molecule: str, seed: int, size: Size
) -> dict[str, Any]:
    """Return the figures of one arm, computed unless its file is there."""
    path = folder / f"{name}.json"
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text())
        return found
    began, made, use = cpu_seconds(), dict[str, Any](labels={}), dict[str, Any](base)
    if name == "improve":
        made = improved(store, base, molecule, seed, size)
        use = made["potentials"]
    elif name != "start":
        made["labels"] = arm(store, base, folder, "improve", molecule, seed, size)["labels"]
        use = from_pools(store, base, made["labels"], by_chance if name == "random" else by_clusters, seed)
    prepared = cpu_seconds() - began
    found = made | {"own": own_frames(store, base, use, molecule, size)}
    found |= {"cpu_seconds": cpu_seconds() - began, "cpu_seconds_of_labels_and_fits": prepared}
    write_text(path, json.dumps(found, indent=1) + "\n")
    return found
