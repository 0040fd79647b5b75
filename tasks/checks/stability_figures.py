"""What the gate of stability found of one target at one temperature, and its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Bools, Floats
from tasks.checks.interface import Result
from tasks.checks.own_simulation import Watched, advice_of
from tasks.checks.targets import Target

OUTSIDE = 1.0
"""Largest share of frames outside of the training range, %."""

BELOW = 0.1
"""Depth below the lowest whole minimum at which a broken geometry is a hole, kcal/mol: minima agree to this."""

SHOWN = 100
"""Frames outside of the training range whose n-mers are named."""


@dataclass(frozen=True, eq=False)
class Held:
    """What was found of one target at one temperature.

    Attributes
    ----------
    target, temperature
        The target, K.
    replicas
        Its trajectories.
    zero
        Energy of the lowest whole minimum, kcal/mol; of the lowest frame if none is whole.
    minima
        (minima, 4): replica, its frame that was relaxed, energy of the minimum (kcal/mol; -inf: without end), and
        1 if it is whole or 0.
    asked
        Length of each simulation, ps.
    """

    target: Target
    temperature: float
    replicas: Sequence[Watched]
    zero: float
    minima: Floats
    asked: float

    @property
    def ending(self) -> str:
        """The end of the names of its results."""
        return f"{self.target.word}-{self.temperature:g}k"

    def results(self) -> list[Result]:
        """Return its figures."""
        name, kelvin = self.target.name, f"{self.temperature:g} K"
        found = [self._held(name, kelvin), self._contact(name, kelvin)]
        outside = [one.outside for one in self.replicas if one.outside is not None]
        share = 100.0 * float(np.concatenate(outside).mean()) if outside else None
        found.append(
            Result(
                f"outside-{self.ending}",
                f"{name}, {kelvin}: frames outside of the training range of an n-mer (%)",
                share,
                OUTSIDE,
                advice=self._advice([one.outside for one in self.replicas]) if share and share > OUTSIDE else "",
            )
        )
        depth, advice = self.depth(), ""
        if depth > BELOW:
            advice = self._advice([one.broken for one in self.replicas])
            advice = advice or self._advice([one.outside for one in self.replicas])
        found.append(
            Result(
                f"below-{self.ending}",
                f"{name}, {kelvin}: how far a frame, or a broken geometry relaxed from one, is below the lowest "
                "minimum that is whole (kcal/mol)",
                depth,
                BELOW,
                advice=advice,
            )
        )
        return found

    def depth(self) -> float:
        """Return how far the lowest frame or broken minimum is below the lowest whole one, kcal/mol."""
        frames = [float(one.trajectory.energy.min()) for one in self.replicas if len(one.trajectory)]
        deep = min([*frames, *self.minima[:, 2].tolist()], default=self.zero)
        return max(0.0, self.zero - deep)

    def _held(self, name: str, kelvin: str) -> Result:
        times = [self._time(one) for one in self.replicas]
        first = int(np.argmin(times))
        failed = [one for one in self.replicas if one.failure is not None]
        meaning = f"{name}, {kelvin}: shortest time before atoms are too near, a bond is broken, or it ends (ps)"
        if failed:
            worst = self.replicas[first]
            i, j = worst.atoms_of_failure()
            frame = worst.failure or 0
            distance = worst.distance(frame, i, j)
            what = "" if worst.broken.any() else "it cannot continue with "
            meaning += (
                f"; {len(failed)} of {len(self.replicas)} simulations fail, the first at {times[first]:.2f} ps: "
                f"{what}{self.target.atom(i)} and {self.target.atom(j)} at {distance:.2f} A"
            )
        advice = ""
        if failed:
            before = [self._before(one) for one in self.replicas]
            advice = self._advice(before) or self._inside(self.replicas[first], self.replicas[first].failure or 0)
        return Result(f"held-{self.ending}", meaning, times[first], self.asked, True, advice)

    def _contact(self, name: str, kelvin: str) -> Result:
        each = [float(one.contact.min()) for one in self.replicas]
        worst = self.replicas[int(np.argmin(each))]
        frame = int(np.argmin(worst.contact))
        i, j = (int(atom) for atom in worst.contact_atoms[frame])
        distance, advice = worst.distance(frame, i, j), ""
        if min(each) < 1.0:
            advice = self._advice([one.broken for one in self.replicas]) or self._inside(worst, frame)
        return Result(
            f"contact-{self.ending}",
            f"{name}, {kelvin}: smallest distance over its floor: {self.target.atom(i)} and {self.target.atom(j)} "
            f"at {distance:.2f} A, {worst.trajectory.times[frame] / 1000:.2f} ps",
            min(each),
            1.0,
            True,
            advice,
        )

    def _time(self, one: Watched) -> float:
        """Return the time at which a simulation fails, or its length, ps."""
        frame = one.failure
        return self.asked if frame is None else float(one.trajectory.times[frame]) / 1000.0

    def _before(self, one: Watched) -> Bools | None:
        """Return the frames up to the failure that are outside: how the simulation came there."""
        frame = one.failure
        if one.outside is None or frame is None:
            return None
        found: Bools = one.outside & (np.arange(len(one.outside)) <= frame)
        return found

    def _inside(self, one: Watched, frame: int) -> str:
        """Return which n-mer to label where a contact is too short though it is inside of the training range."""
        i, j = (int(atom) for atom in one.contact_atoms[frame])
        x, vectors = one.trajectory.positions[frame], one.trajectory.vectors_of(frame)
        found = [
            (of.atoms.shape[1], of.nmer)
            for of in self.target.model.occurrences(x[None], vectors)
            for atoms, caps in zip(of.atoms, of.caps, strict=True)
            if {i, j} <= set(atoms[~caps].tolist())
        ]
        if not found:
            return ""
        return (
            f"label {min(found)[1]} from own frames in which {self.target.atom(i)} and {self.target.atom(j)} are "
            f"near {one.distance(frame, i, j):.2f} A, and fit it again: they are inside of its training range"
        )

    def _advice(self, chosen: Sequence[Bools | None]) -> str:
        """Return what to sample, from up to `SHOWN` frames that are chosen."""
        if any(one.outside is None for one in self.replicas):
            return ""
        rows = [
            (one, frame)
            for one, frames in zip(self.replicas, chosen, strict=True)
            if frames is not None
            for frame in np.flatnonzero(frames).tolist()
        ]
        rows = rows[:: max(1, len(rows) // SHOWN)]
        if not rows:
            return ""
        positions = np.array([one.trajectory.positions[frame] for one, frame in rows])
        vectors = rows[0][0].trajectory.vectors
        if vectors is not None:
            vectors = np.array([one.trajectory.vectors_of(frame) for one, frame in rows])
        found = self.target.model.extrapolations(positions, vectors=vectors)
        return advice_of(self.target, found, len(rows))
