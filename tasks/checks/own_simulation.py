"""A simulation of a target by its own sum, and what is looked at in each frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from potentials.arrays import Bools, Floats, Ints
from potentials.errors import InputError, StageError
from potentials.neighbours import nearest_images
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.trust import Extrapolation
from storage.trajectories import Trajectory
from tasks.checks.contacts import Contacts
from tasks.checks.interface import Told, nobody
from tasks.checks.targets import Target
from tasks.simulation.dynamics import SimulationStoppedError, simulate
from tasks.simulation.settings import SimulationSettings
from tasks.simulation.start import minimized

CHUNK = 200
"""Frames that are examined together."""


@dataclass(frozen=True, eq=False)
class Watched:
    """A trajectory with what was looked at in each frame.

    Attributes
    ----------
    trajectory
        The trajectory; shorter than was asked for if the simulation could not continue.
    contact, contact_atoms
        (frames,) and (frames, 2): the smallest distance over its floor, and its atoms.
    stretch, stretch_atoms
        Likewise the largest bond length over that of a broken bond.
    outside
        (frames,), whether a potential extrapolates; None where ranges are not known.
    complete
        Whether it is as long as was asked for.
    least
        Smallest distance over its floor of atoms that are not too near.
    """

    trajectory: Trajectory
    contact: Floats
    contact_atoms: Ints
    stretch: Floats
    stretch_atoms: Ints
    outside: Bools | None
    complete: bool
    least: float = 1.0

    @cached_property
    def broken(self) -> Bools:
        """(frames,), whether atoms are nearer than their floor or a bond is broken."""
        return np.asarray((self.contact < self.least) | (self.stretch > 1.0))

    @property
    def failure(self) -> int | None:
        """The first broken frame; the last one if the simulation could not continue; None if it held."""
        if self.broken.any():
            return int(np.argmax(self.broken))
        return None if self.complete else len(self.trajectory) - 1

    def distance(self, frame: int, i: int, j: int) -> float:
        """Return the distance of two atoms in a frame, of their nearest images, Angstrom."""
        between = self.trajectory.positions[frame, i] - self.trajectory.positions[frame, j]
        return float(np.linalg.norm(nearest_images(between, self.trajectory.vectors_of(frame))))

    def atoms_of_failure(self) -> tuple[int, int]:
        """Return the two atoms that are too near or torn apart in the first broken frame."""
        frame = self.failure
        assert frame is not None
        near = self.contact[frame] < self.least or self.stretch[frame] <= 1.0
        i, j = (self.contact_atoms if near else self.stretch_atoms)[frame]
        return int(i), int(j)


def watch(
    target: Target,
    trajectory: Trajectory,
    contacts: Contacts,
    complete: bool,
    ranged: bool,
    least: float = 1.0,
) -> Watched:
    """Look at every frame of a trajectory.

    Parameters
    ----------
    target
        What was simulated.
    trajectory
        The trajectory.
    contacts
        Of its atoms.
    complete
        Whether it is as long as was asked for.
    ranged
        Whether the ranges of the training data are known.
    least
        Smallest distance over its floor of atoms that are not too near.
    """
    positions, vectors = trajectory.positions, trajectory.vectors
    contact, near = contacts.closest(positions, vectors)
    stretch, torn = contacts.stretched(positions, vectors)
    outside = outside_of(target.model, positions, vectors) if ranged else None
    return Watched(trajectory, contact, near, stretch, torn, outside, complete, least)


def outside_of(model: ManyBodyPotential, positions: Floats, vectors: Floats | None) -> Bools:
    """Return whether a potential extrapolates in each frame, (frames,).

    Raises
    ------
    InputError
        If a potential does not have the range of its training data.
    """
    found = []
    for start in range(0, len(positions), CHUNK):
        chosen = slice(start, start + CHUNK)
        cells = vectors if vectors is None or len(vectors) == 1 else vectors[chosen]
        cells = cells[0] if cells is not None and len(cells) == 1 else cells
        found.append(np.asarray(model.extrapolates(positions[chosen], vectors=cells)))
    return np.concatenate(found) if found else np.zeros(0, dtype=np.bool_)


def part_of(told: Told, number: int, parts: int) -> Told:
    """Return what tells the progress of one of several equal parts, counted from 0, as that of all in percent."""
    return lambda done, total: told(round(100 * (number + done / max(total, 1)) / parts), 100)


def simulated(
    target: Target,
    settings: SimulationSettings,
    start: Floats | None = None,
    told: Told = nobody,
    contacts: Contacts | None = None,
) -> list[Trajectory]:
    """Return the trajectories of a target; a replica at whose geometry the sum has no energy has those before.

    Parameters
    ----------
    target
        What is simulated.
    settings
        Of the simulation.
    start
        (replicas, atoms, 3), Angstrom; None: each replica has its own start, whose energy is minimized before.
    told
        Called with the number of steps done, and of all.
    contacts
        A start that falls into a hole when its energy is minimized, so that atoms are too near, is taken as it is.

    Raises
    ------
    StageError
        If the sum has no energy at a start.
    """
    begin = relaxed_starts(target, settings, contacts) if start is None else start
    try:
        found: list[Trajectory] = simulate(target.model, begin, settings, told=told)
    except SimulationStoppedError as stopped:
        found = stopped.trajectories
    if not all(len(one) for one in found):
        raise StageError(f"the sum has no energy at a geometry from which {target.name} is simulated")
    return found


def relaxed_starts(target: Target, settings: SimulationSettings, contacts: Contacts | None = None) -> Floats:
    """Return the geometries from which replicas start, (replicas, atoms, 3), Angstrom, their energies minimized.

    One that falls into a hole, so that the minimization fails or atoms are too near, is taken as it is.
    """
    starts = []
    vectors = target.system.vectors
    for x in target.starts(settings.replicas, settings.seed):
        try:
            relaxed = minimized(target.model, x, vectors)
        except StageError:  # a hole: the simulation from the start itself will show it
            relaxed = x
        cells = None if vectors is None else vectors[None]
        fallen = contacts is not None and contacts.closest(relaxed[None], cells)[0][0] < 1.0
        starts.append(x if fallen else relaxed)
    return np.array(starts)


def lowest(model: ManyBodyPotential, x: Floats, vectors: Floats | None) -> tuple[Floats, float]:
    """Return the minimum below a geometry and its energy, kcal/mol; -inf where the energy falls without end."""
    try:
        relaxed = minimized(model, x, vectors)
        energy = float(model.evaluate(relaxed[None], vectors).energy[0])
    except (InputError, StageError):
        return x, -np.inf
    return relaxed, energy


def advice_of(target: Target, extrapolations: Sequence[Extrapolation], frames: int) -> str:
    """Return which n-mer to sample and where, from where potentials extrapolate; empty if they do nowhere.

    Parameters
    ----------
    target
        What was simulated.
    extrapolations
        In some of its frames.
    frames
        Number of these frames.
    """
    if not extrapolations:
        return ""
    by_nmer: dict[str, list[Extrapolation]] = {}
    for one in extrapolations:
        by_nmer.setdefault(one.nmer, []).append(one)
    counts = {name: len({one.configuration for one in found}) for name, found in by_nmer.items()}
    parts = []
    for name in sorted(counts, key=lambda n: (-counts[n], n))[:3]:
        kinds = Counter(_elements(target, one) for one in by_nmer[name])
        elements, short = kinds.most_common(1)[0][0]
        means = [one.mean for one in by_nmer[name] if _elements(target, one) == (elements, short)]
        limits = [one.limit for one in by_nmer[name] if _elements(target, one) == (elements, short)]
        span = f"{min(means):.2f}" if max(means) - min(means) < 0.005 else f"{min(means):.2f} to {max(means):.2f}"
        side = f"the training data begin at {max(limits):.2f}" if short else f"they end at {min(limits):.2f}"
        parts.append(
            f"{name} where {elements} is {span} A ({side} A; in {100 * counts[name] / frames:.3g} % of the frames)"
        )
    return f"sample {'; '.join(parts)}"


def _elements(target: Target, one: Extrapolation) -> tuple[str, bool]:
    """Return the elements of the first pair that is outside, and whether it is too short."""
    i, j = one.pairs[0]
    names = "..".join(sorted((target.system.symbols[i], target.system.symbols[j])))
    return names, one.mean < one.limit
