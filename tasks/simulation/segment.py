"""One segment of one replica: a new LAMMPS instance that goes on from the state at the end of the one before.

All that could remember earlier steps begins anew with it, in a run that is not interrupted too: the potential's
neighbour lists and the prediction of its dipoles, and the random numbers, whose seed follows from the numbers of
the replica and the segment. Thermostat and barostat variables, positions, velocities and the box are in LAMMPS'
restart file. A segment is thus a function of its state alone.

Kinetic energies of frames are computed here, from masses, velocities and the constants of `potentials.units`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import numpy as np

from potentials.arrays import Bools, Floats
from potentials.errors import InputError, NmerError, StageError
from potentials.evaluation import Evaluable
from tasks.simulation.lammps_state import ALONE, end_of, lammps_at, motion, moved
from tasks.simulation.lammps_sum import attach_to_lammps
from tasks.simulation.settings import SimulationSettings
from tasks.simulation.start import Start, kinetic_energy
from tasks.simulation.states import Segment, State


class Bias(Protocol):
    """What a segment asks of a bias."""

    def attach(self, program: Any) -> None:
        """Add the bias to LAMMPS and prepare for a segment."""

    def install(self, start: int, steps: int) -> None:
        """Prepare for some steps from the step `start` on, before they are run."""

    def frame(self, step: int) -> tuple[float, int]:
        """Return the energy of the bias at the last step (kcal/mol), and the number of hills it is made of."""

    def check(self) -> None:
        """Raise the error of the bias, if there was one."""

    def finish(self) -> None:
        """End the segment; all of its hills are then in the bias."""


def run_segment(
    model: Evaluable,
    start: Start,
    settings: SimulationSettings,
    replica: int,
    number: int,
    state: State,
    bias: Bias | None = None,
    told: Callable[[int], None] = lambda steps: None,
) -> Segment:
    """Run a segment.

    Parameters
    ----------
    model
        The potential.
    start
        The atoms.
    settings
        The settings.
    replica, number
        Of the replica and of the segment, from 0.
    state
        The end of the segment before, or the beginning.
    bias
        A bias.
    told
        Called with the number of steps done in this segment.

    Raises
    ------
    InputError
        If LAMMPS is missing, or potential, box or bias do not fit.
    """
    frames = _Frames(start, settings)
    stopped, end = "", None
    along = model.trajectory() if hasattr(model, "trajectory") else model
    with ALONE, lammps_at(start, settings, state) as program:
        held = attach_to_lammps(program, along)
        if bias is not None:
            bias.attach(program)
        program.commands_list(motion(settings, start, replica, number, state))
        step = state.step
        try:
            for frame in range(settings.frames_in(number) + 1):
                if bias is not None:
                    bias.install(step, settings.every if frame else 0)
                _run(program, settings.every if frame else 0, first=not frame)
                step += settings.every if frame else 0
                held.check()
                if bias is not None:
                    bias.check()
                if frame or not number:
                    frames.add(program, step, bias)
                told(step - state.step)
        except (NmerError, _LammpsError) as error:
            at = held.failed_at
            stopped = _reason(error, held.check, at if at is not None else step, settings, at is not None)
        if bias is not None:
            try:
                bias.finish()
            except StageError as error:
                stopped = stopped or _reason(error, held.check, step, settings, False)
        if not stopped:
            end = end_of(program, start, step)
    return frames.segment(model, end, stopped)


class _LammpsError(StageError):
    """LAMMPS has raised an error of its own."""


def _run(program: Any, steps: int, first: bool) -> None:
    """Run some steps, beside other threads: their results are taken under the lock again."""
    ALONE.release()
    try:
        program.command(f"run {steps} pre {'yes' if first else 'no'} post no")
    except Exception as error:  # LAMMPS raises plain Exception for every failure of its own
        raise _LammpsError(" ".join(str(error).split())) from None
    finally:
        ALONE.acquire()


def _reason(
    error: Exception, check: Callable[[], None], step: int, settings: SimulationSettings, exact: bool
) -> str:
    """Return where a segment was stopped, and why: the potential's error rather than what follows from it."""
    try:
        check()
    except NmerError as cause:
        error = cause
    where = f"step {step}" if exact else f"a step after {step}"
    return f"{where} ({step * settings.timestep / 1000:.4g} ps): {error}"


class _Frames:
    """Collects the frames of a segment."""

    def __init__(self, start: Start, settings: SimulationSettings) -> None:
        self._start, self._masses = start, start.masses
        self.steps: list[int] = []
        self.positions: list[Floats] = []
        self.vectors: list[Floats] = []
        self.energy: list[float] = []
        self.kinetic: list[float] = []
        self.bias: list[tuple[float, int]] = []

    def add(self, program: Any, step: int, bias: Bias | None) -> None:
        """Add the frame at which LAMMPS is; raises StageError if a number of it is not finite."""
        x, v, vectors = moved(program, self._start)
        energy, kinetic = float(program.get_thermo("pe")), kinetic_energy(self._masses, v)
        if not (np.isfinite(x).all() and np.isfinite(energy) and np.isfinite(kinetic)):
            raise StageError("the energy, a position or a velocity is not a finite number")
        self.steps.append(step)
        self.positions.append(x)
        self.energy.append(energy)
        self.kinetic.append(kinetic)
        if vectors is not None:
            self.vectors.append(vectors)
        if bias is not None:
            self.bias.append(bias.frame(step))

    def segment(self, model: Evaluable, end: State | None, stopped: str) -> Segment:
        """Return the segment, with what the potential says of its frames."""
        n = len(self._start.symbols)
        positions = np.array(self.positions).reshape(-1, n, 3)
        vectors = np.array(self.vectors).reshape(-1, 3, 3)
        try:
            shares = _shares(model, positions, vectors)
        except NmerError:
            count, why = _before_error(model, positions, vectors)
            end, stopped = None, f"step {self.steps[count]}: {why}"
            positions, vectors = positions[:count], vectors[:count]
            shares = _shares(model, positions, vectors)
        count = len(positions)
        bias = self.bias[:count]
        return Segment(
            np.array(self.steps[:count], dtype=np.int64),
            positions,
            vectors,
            np.array(self.energy[:count], dtype=np.float64),
            np.array(self.kinetic[:count], dtype=np.float64),
            np.array([energy for energy, _ in bias], dtype=np.float64),
            np.array([hills for _, hills in bias], dtype=np.int64),
            shares,
            _outside(model, positions, vectors),
            end,
            stopped,
        )


def _shares(model: Evaluable, positions: Floats, vectors: Floats) -> dict[str, Floats]:
    """Return the contributions to the energy of frames, (frames,) each, kcal/mol."""
    if not len(positions):
        return {}
    if hasattr(model, "trajectory") and (len(vectors) or getattr(model, "near", None) is not None):
        model = model.trajectory()  # the order of sums depends on when neighbour lists were made
    found = model.evaluate(positions, vectors) if len(vectors) else model.evaluate(positions)  # type: ignore[call-arg]
    return {name: np.asarray(values, dtype=np.float64) for name, values in found.shares.items()}


def _before_error(model: Evaluable, positions: Floats, vectors: Floats) -> tuple[int, NmerError]:
    """Return how many frames have an energy before the first that has none, and its error.

    The dynamics had one, from the dipoles of the steps before.
    """
    for frame in range(len(positions)):
        try:
            _shares(model, positions[frame : frame + 1], vectors[frame : frame + 1])
        except NmerError as error:
            return frame, error
    raise StageError("frames have an energy one by one, but not together")


def _outside(model: Evaluable, positions: Floats, vectors: Floats) -> Bools:
    """Return whether the potential extrapolates in frames, (frames,); empty if it does not know."""
    if len(positions) and hasattr(model, "extrapolates"):
        with suppress(InputError):  # of a potential without the range of its training data
            return np.asarray(
                model.extrapolates(positions, vectors=vectors if len(vectors) else None), dtype=np.bool_
            )
    return np.zeros(0, dtype=np.bool_)
