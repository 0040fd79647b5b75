"""The geometries of each n-mer that a turn has to choose from, and those that are set apart to judge it.

Whole replicas are set apart: frames of one replica follow each other in time, and those near a judged frame would
tell what it holds. Draws take as many geometries of each molecule, so that a long chain does not decide alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from potentials.arrays import Bools, Floats, Ints
from potentials.pip.potential import Potential
from storage.version import Version
from tasks.improving.settings import ImproveSettings
from tasks.improving.simulations import Simulation


@dataclass(frozen=True, eq=False)
class Geometries:
    """Geometries of one n-mer with where they come from.

    Attributes
    ----------
    positions
        (geometries, atoms, 3), caps in place, Angstrom.
    source
        (geometries,), which of the sources of the material, from 0.
    replica, frame
        (geometries,), where in the source; of a pool, replica -1 and the frame's number.
    temperature
        (geometries,), K.
    """

    positions: Floats
    source: Ints
    replica: Ints
    frame: Ints
    temperature: Floats

    def __len__(self) -> int:
        return len(self.positions)

    def rows(self, chosen: Ints | Bools) -> Geometries:
        """Return some of them."""
        return replace(self, **{one.name: getattr(self, one.name)[chosen] for one in fields(self)})

    @classmethod
    def together(cls, parts: Sequence[Geometries]) -> Geometries:
        """Return all of several; there must be one."""
        return cls(**{f.name: np.concatenate([getattr(one, f.name) for one in parts]) for f in fields(cls)})


@dataclass(frozen=True, eq=False)
class Material:
    """What a turn has of one n-mer.

    Attributes
    ----------
    potential
        Its present potential.
    candidates
        Among which picks are chosen.
    judged
        Set apart to judge; never picked.
    """

    potential: Potential
    candidates: Geometries
    judged: Geometries


@dataclass(frozen=True, eq=False)
class Gathered:
    """The material of a turn.

    Attributes
    ----------
    nmers
        Of each n-mer.
    sources
        The versions that the geometries come from.
    names
        What each source is called in tables: the molecule and the temperature.
    stopped, replicas
        Number of simulations that the potential has stopped, and of all.
    """

    nmers: dict[str, Material]
    sources: list[Version]
    names: list[str]
    stopped: int = 0
    replicas: int = 0


def gather(simulations: Sequence[Simulation], settings: ImproveSettings, number: int) -> Gathered:
    """Return the n-mers of simulations, drawn at random.

    Geometries at which a switched potential is zero are left out.

    Parameters
    ----------
    simulations
        Those of the turn.
    settings, number
        The settings, and the number of the turn.
    """
    found: dict[str, list[tuple[Geometries, Bools]]] = {}
    potentials: dict[str, Potential] = {}
    for source, one in enumerate(simulations):
        apart = settings.set_apart(number, len(one.trajectories))
        for order, trajectory in enumerate(one.trajectories):
            cells = trajectory.vectors
            if cells is not None and len(cells) == len(trajectory):
                cells = cells[1:]
            frames = trajectory.positions[1:]  # the first is the start, from which each replica has to move away
            if not len(frames):
                continue
            for of in one.target.model.occurrences(frames, cells if cells is None or len(cells) > 1 else cells[0]):
                if not isinstance(of.potential, Potential):
                    continue
                potentials[of.nmer] = of.potential
                count = len(of.geometries)
                geometries = Geometries(
                    of.geometries,
                    np.full(count, source),
                    np.full(count, trajectory.replica),
                    of.configuration + 1,
                    np.full(count, one.temperature),
                )
                on = np.arange(count)
                if of.potential.switching is not None:
                    on = np.flatnonzero(of.potential.switching.evaluate(of.geometries)[0])
                found.setdefault(of.nmer, []).append((geometries.rows(on), np.full(len(on), order in apart)))
    made = {}
    for name, parts in found.items():
        whole = Geometries.together([geometries for geometries, _ in parts])
        apart_of = np.concatenate([flags for _, flags in parts])
        rng = np.random.default_rng([settings.seed, number, *name.encode()])
        molecules = np.array([simulations[s].target.name for s in range(len(simulations))])[whole.source]
        judged, rest = whole.rows(apart_of), whole.rows(~apart_of)
        made[name] = Material(
            potentials[name],
            rest.rows(drawn(molecules[~apart_of], settings.among, rng)),
            judged.rows(drawn(molecules[apart_of], settings.judged, rng)),
        )
    return Gathered(
        made,
        [one.version for one in simulations],
        [f"{one.target.name} {one.temperature:g} K" for one in simulations],
        sum(one.stopped for one in simulations),
        sum(len(one.trajectories) for one in simulations),
    )


def drawn(groups: np.ndarray, count: int, rng: np.random.Generator) -> Ints:
    """Return up to so many rows, as many of each group as there are, in ascending order.

    Parameters
    ----------
    groups
        (rows,), the group of each row.
    count
        How many.
    rng
        Decides which.
    """
    rank = np.empty(len(groups), dtype=np.int64)
    for group in np.unique(groups):
        mine = rng.permutation(np.flatnonzero(groups == group))
        rank[mine] = np.arange(len(mine))
    tie = rng.random(len(groups))
    return np.sort(np.lexsort((tie, rank))[:count]).astype(np.int64)
