"""Trajectories of simulations as versions of the store: all replicas of one simulation in one version."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from storage.attributes import of_version
from storage.canonical import digest
from storage.store import Store
from storage.trajectory import Trajectory as Trajectory
from storage.version import Column, Version

KIND = "trajectory"

TRAJECTORY_FORMAT = 1
"""Increase it when the same settings give another trajectory."""

_PER_FRAME = {
    "steps": ("1", "number of the step of each frame, from 0 at the start"),
    "times": ("fs", "time of each frame"),
    "positions": ("Angstrom", "Cartesian coordinates (frame, atom, xyz), not wrapped into the cell"),
    "energy": ("kcal/mol", "potential energy of each frame, without the bias"),
    "kinetic": ("kcal/mol", "kinetic energy of each frame"),
    "temperature": ("K", "temperature of each frame, from its kinetic energy"),
}
"""Arrays with a row for each frame: unit and meaning."""


def start_digest(
    symbols: Sequence[str],
    positions: Floats,
    bonds: Sequence[tuple[int, int]] = (),
    vectors: Floats | None = None,
    velocities: Floats | None = None,
) -> str:
    """Return the digest of what a simulation is given to begin with, which is part of its key.

    Parameters
    ----------
    symbols, positions, bonds
        The atoms, (atoms, 3) in Angstrom, and the pairs that are bonded.
    vectors
        (3, 3), the cell's vectors, Angstrom; None in vacuum.
    velocities
        (atoms, 3), Angstrom/fs; None: drawn by the seed.
    """
    given = [positions, vectors, velocities]
    numbers = [None if a is None else np.asarray(a, dtype=np.float64).tolist() for a in given]
    return digest({"symbols": list(symbols), "bonds": [list(bond) for bond in bonds], "numbers": numbers})


def trajectory_key(settings_toml: str, inputs: Sequence[str], start: str) -> str:
    """Return the key of a simulation: the digest of what decides its frames.

    Parameters
    ----------
    settings_toml
        All settings as TOML, in any sections: those of the simulation with the number of replicas and the seed, of
        the bias, and of the model beyond `inputs`, such as the model of water or the force field.
    inputs
        Keys of the potentials, and of anything else in the store that the model is made of; in any order.
    start
        As `start_digest` returns it.
    """
    settings = tomllib.loads(settings_toml)
    return digest(
        {"trajectory": TRAJECTORY_FORMAT, "settings": settings, "inputs": sorted(inputs), "start": start}
    )


def write_trajectory(
    store: Store,
    name: str,
    key: str,
    trajectories: Sequence[Trajectory],
    settings_toml: str,
    inputs: Sequence[Version],
    engines: Mapping[str, str],
    facts: Mapping[str, Any],
) -> Version:
    """Write the replicas of a simulation as one version, or return the one that has this key already.

    Parameters
    ----------
    store
        The store; the caller holds its writer lock.
    name
        The name of the system or the family, as a store allows names: in lower case, with dashes.
    key
        `trajectory_key` of the settings, the inputs' keys and the start.
    trajectories
        The replicas: the same atoms and arrays; they may have different numbers of frames.
    settings_toml
        All settings, see `trajectory_key`; it becomes the ``recipe`` of the version.
    inputs
        The potentials, and the physics parameters if they are versions.
    engines
        Name and version of every program and library that decides the numbers, such as ``lammps``.
    facts
        Small values that belong to the content, as JSON allows them, with ``start``, as `start_digest` returns it.
        ``papers`` is the list of keys of ``storage/papers.toml`` that the method rests on, besides the engines.

    Raises
    ------
    InputError
        If the name is not allowed, or the replicas are not of the same atoms.
    ValueError
        If the key is not that of the content.
    """
    if key != trajectory_key(settings_toml, [v.key for v in inputs], facts["start"]):
        raise ValueError("the key of a trajectory is not that of its settings, its inputs and its start")
    columns = trajectory_columns(trajectories, ", ".join(f"{n} {v}" for n, v in engines.items()))
    own = {"replicas": len(trajectories), "frames": sum(map(len, trajectories)), "atoms": trajectories[0].natoms}
    return store.add(
        KIND,
        name,
        key,
        columns=columns,
        recipe=settings_toml,
        inputs=list(inputs),
        engines=engines,
        facts=own | dict(facts),
    )


def trajectory_columns(trajectories: Sequence[Trajectory], source: str) -> dict[str, Column]:
    """Return the arrays of a version: the frames of all replicas one after the other.

    Parameters
    ----------
    trajectories
        The replicas.
    source
        What made them, ``lammps 2025.7.22``.

    Raises
    ------
    InputError
        If there is none, or they are not of the same atoms, or one has arrays that another lacks.
    """
    if not trajectories:
        raise InputError("a trajectory has no replica; allowed: one or more")
    first = trajectories[0]
    fixed = {len(one.vectors) == 1 for one in trajectories if one.vectors is not None and len(one) > 1}
    for one in trajectories:
        if _kind_of(one) != _kind_of(first) or not np.array_equal(one.masses, first.masses) or len(fixed) > 1:
            raise InputError(
                f"replica {one.replica} of a trajectory has other atoms, bonds or arrays than replica "
                f"{first.replica}; allowed: replicas of one system by the same method"
            )
    source = f"simulation with {source}"

    def whole(name: str, unit: str, meaning: str) -> Column:
        return Column(np.concatenate([getattr(one, name) for one in trajectories]), unit, meaning, source)

    def counts(name: str, what: str) -> Column:
        many = np.array([len(getattr(one, name)) for one in trajectories], dtype=np.int64)
        return Column(many, "1", f"{what} of each replica, one after the other", source)

    numbers = np.array([(one.replica, one.seed) for one in trajectories], dtype=np.int64)
    bonds = np.array(first.bonds, dtype=np.int64).reshape(-1, 2)
    found = {
        "symbols": Column(first.symbols, "1", "element of each atom", "the system"),
        "bonds": Column(bonds, "1", "pairs of bonded atoms", "the system"),
        "masses": Column(np.asarray(first.masses, dtype=np.float64), "amu", "mass of each atom", "the system"),
        "replica": Column(numbers[:, 0], "1", "number of each replica", "settings"),
        "seed": Column(numbers[:, 1], "1", "seed of the random numbers of each replica", "settings"),
        "replica_frames": counts("steps", "frames"),
        "replica_ends": counts("velocity_steps", "velocities"),
        "velocities": whole("velocities", "Angstrom/fs", "velocities at the ends of segments (end, atom, xyz)"),
        "velocity_steps": whole("velocity_steps", "1", "number of the step of each velocity"),
    }
    found |= {name: whole(name, *said) for name, said in _PER_FRAME.items()}
    if names := tuple(first.contributions):
        values = np.concatenate([np.stack([one.contributions[n] for n in names], 1) for one in trajectories])
        found["contributions"] = Column(values, "kcal/mol", "parts of the energy (frame, part)", source)
        found["contribution_names"] = Column(names, "1", "name of each part of the energy", "settings")
    if first.vectors is not None:
        found["vectors"] = whole("vectors", "Angstrom", "the cell's vectors, one a row, of each frame or replica")
    if first.bias is not None:
        found["bias"] = whole("bias", "kcal/mol", "energy of the bias that acts on each frame")
    if first.hill_counts is not None:
        found["hill_counts"] = whole("hill_counts", "1", "number of hills that the bias of each frame is made of")
    if first.outside is not None:
        flags = np.concatenate([np.asarray(one.outside, dtype=np.int64) for one in trajectories])
        found["outside"] = Column(flags, "1", "whether the potential extrapolates in each frame, 0 or 1", source)
    if first.hills is not None:
        meaning = "walker, time, centre along each variable, height; in the order in which they were added"
        found["hills"] = whole("hills", "1, fs, Angstrom or rad, kcal/mol", f"each hill: {meaning}")
        found["replica_hills"] = counts("hills", "hills")
    return found


def _kind_of(one: Trajectory) -> tuple[Any, ...]:
    variables = None if one.hills is None else one.hills.shape[1]
    without = one.bias is None, one.hill_counts is None, one.outside is None
    return one.symbols, one.bonds, tuple(one.contributions), one.vectors is None, without, variables


@of_version
def read_trajectories(version: Version) -> list[Trajectory]:
    """Return the replicas of a version.

    Raises
    ------
    InputError
        If the version is of another kind, or is damaged.
    """
    if version.kind != KIND:
        raise InputError(f"{version.ref} is a {version.kind}, not a trajectory; give {KIND}:NAME@NUMBER")
    optional = ("vectors", "bias", "hills", "hill_counts", "outside", "contributions")
    there = {name: version.column(name) for name in optional if version.has_column(name)}
    there |= {name: version.column(name) for name in (*_PER_FRAME, "velocities", "velocity_steps")}
    names = [str(name) for name in version.column("contribution_names")] if "contributions" in there else []
    replicas, seeds = version.column("replica").tolist(), version.column("seed").tolist()
    symbols = tuple(str(symbol) for symbol in version.column("symbols"))
    bonds = tuple((int(i), int(j)) for i, j in version.column("bonds"))
    frames, ends = _parts(version, "frames", there["steps"]), _parts(version, "ends", there["velocity_steps"])
    hills = _parts(version, "hills", there["hills"]) if "hills" in there else frames
    fixed = "vectors" in there and len(there["vectors"]) == len(replicas) != len(there["steps"])
    cells = [slice(n, n + 1) for n in range(len(replicas))] if fixed else frames
    masses, found = version.column("masses"), []
    for replica, seed, rows, end, hill, cell in zip(replicas, seeds, frames, ends, hills, cells, strict=True):
        found.append(
            Trajectory(
                symbols,
                bonds,
                masses,
                **{name: there[name][rows] for name in _PER_FRAME},
                velocities=there["velocities"][end],
                velocity_steps=there["velocity_steps"][end],
                vectors=there["vectors"][cell] if "vectors" in there else None,
                bias=there["bias"][rows] if "bias" in there else None,
                hills=there["hills"][hill] if "hills" in there else None,
                hill_counts=there["hill_counts"][rows] if "hill_counts" in there else None,
                outside=there["outside"][rows].astype(np.bool_) if "outside" in there else None,
                contributions={name: there["contributions"][rows, k] for k, name in enumerate(names)},
                replica=int(replica),
                seed=int(seed),
            )
        )
    return found


def _parts(version: Version, what: str, rows: Any) -> list[slice]:
    """Return the rows of each replica; raises InputError if they are not all the rows there are."""
    counts = version.column(f"replica_{what}")
    if (counts < 0).any() or counts.sum() != len(rows):
        raise InputError(f"replica_{what} adds up to {counts.sum()}, and there are {len(rows)} rows")
    stops = np.cumsum(counts).tolist()
    return [slice(start, stop) for start, stop in zip([0, *stops[:-1]], stops, strict=True)]
