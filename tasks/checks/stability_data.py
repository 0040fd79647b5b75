"""The tables of the gate of stability: all frames, the minima below some, and geometries for other checks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from potentials.arrays import Floats
from storage.version import Column
from tasks.checks.stability_figures import Held


def tables_of(found: Sequence[Held], kept: int) -> dict[str, Column]:
    """Return the frames, the minima, and the geometries that are kept of each molecule."""
    return _frames(found) | _minima_table(found) | _kept(found, kept)


def _frames(found: Sequence[Held]) -> dict[str, Column]:
    """Return the table of all frames."""
    rows = [(one, number, watched) for one in found for number, watched in enumerate(one.replicas)]
    count = [len(watched.trajectory) for _, _, watched in rows]
    pairs = [
        "-".join(one.target.atom(int(atom)) for atom in pair)
        for one, _, watched in rows
        for pair in watched.contact_atoms
    ]

    def joined(values: Sequence[Floats]) -> Floats:
        return np.concatenate(values) if values else np.empty(0)

    unknown = [np.full(n, np.nan) for n in count]
    outside = [
        none if watched.outside is None else watched.outside.astype(np.float64)
        for (_, _, watched), none in zip(rows, unknown, strict=True)
    ]
    return {
        "frames.molecule": Column(
            tuple(one.target.name for (one, _, _), n in zip(rows, count, strict=True) for _ in range(n)),
            "1",
            "name of the molecule or system",
        ),
        "frames.temperature": Column(np.repeat([one.temperature for one, _, _ in rows], count), "K", "thermostat"),
        "frames.replica": Column(np.repeat([number for _, number, _ in rows], count), "1", "replica, from 0"),
        "frames.time": Column(joined([w.trajectory.times for _, _, w in rows]) / 1000.0, "ps", "time"),
        "frames.energy": Column(
            joined([w.trajectory.energy - one.zero for one, _, w in rows]),
            "kcal/mol",
            "potential energy above the lowest whole minimum at this temperature",
        ),
        "frames.contact": Column(joined([w.contact for _, _, w in rows]), "1", "smallest distance over its floor"),
        "frames.pair": Column(tuple(pairs), "1", "atoms of this distance"),
        "frames.stretch": Column(
            joined([w.stretch for _, _, w in rows]), "1", "largest bond length over that of a broken bond"
        ),
        "frames.outside": Column(
            joined(outside), "1", "1 outside of the training range, 0 inside, nan where that is not known"
        ),
    }


def _minima_table(found: Sequence[Held]) -> dict[str, Column]:
    """Return the table of relaxed geometries."""
    rows = np.concatenate([one.minima for one in found])
    count = [len(one.minima) for one in found]
    zero = np.repeat([one.zero for one in found], count)
    return {
        "minima.molecule": Column(
            tuple(one.target.name for one, n in zip(found, count, strict=True) for _ in range(n)), "1", "molecule"
        ),
        "minima.temperature": Column(np.repeat([one.temperature for one in found], count), "K", "thermostat"),
        "minima.replica": Column(rows[:, 0].astype(np.int64), "1", "replica, from 0"),
        "minima.frame": Column(rows[:, 1].astype(np.int64), "1", "frame that was relaxed"),
        "minima.energy": Column(
            rows[:, 2] - zero,
            "kcal/mol",
            "above the lowest whole minimum; -inf where it falls without end",
        ),
        "minima.whole": Column(
            rows[:, 3].astype(np.int64), "1", "1 if no atoms are too near and no bond is broken, else 0"
        ),
    }


def _kept(found: Sequence[Held], wanted: int) -> dict[str, Column]:
    """Return frames of each molecule, spread evenly over temperatures, replicas and time, after a minimum."""
    rows = []
    for name in dict.fromkeys(one.target.name for one in found):
        mine = [one for one in found if one.target.name == name]
        every = [
            (name, one.temperature, watched.trajectory, number, frame)
            for one in mine
            for number, watched in enumerate(one.replicas)
            for frame in range(1, len(watched.trajectory))
        ]
        chosen = np.unique(np.round(np.linspace(0, len(every) - 1, min(wanted, len(every)))).astype(int))
        whole = [number for number, watched in enumerate(mine[0].replicas) if not watched.broken[0]]
        number = whole[0] if whole else 0
        start = (name, mine[0].temperature, mine[0].replicas[number].trajectory, number, 0)
        rows += [start, *(every[n] for n in chosen)]
    atoms = [row[2].natoms for row in rows]
    where = np.concatenate([row[2].positions[row[4]] for row in rows])
    return {
        "kept.molecule": Column(
            tuple(row[0] for row, n in zip(rows, atoms, strict=True) for _ in range(n)), "1", "molecule"
        ),
        "kept.temperature": Column(np.repeat([row[1] for row in rows], atoms), "K", "thermostat"),
        "kept.replica": Column(np.repeat([row[3] for row in rows], atoms), "1", "replica, from 0"),
        "kept.frame": Column(np.repeat([row[4] for row in rows], atoms), "1", "frame; 0: a minimum"),
        "kept.x": Column(where[:, 0], "Angstrom", "x of each atom, in the molecule's order"),
        "kept.y": Column(where[:, 1], "Angstrom", "y"),
        "kept.z": Column(where[:, 2], "Angstrom", "z"),
    }
