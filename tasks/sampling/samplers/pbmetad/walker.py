"""One walker: one temperature, one window, one seed, run in segments from which it can be resumed.

A segment is a new LAMMPS instance with a fixed number of frames. At its end the whole state (positions,
velocities, bias, frames) is written atomically, and every segment's seeds follow from the walker's seed and the
segment's number, so that a killed and resumed walker gives bitwise the same frames as an uninterrupted one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from potentials.units import KB_2010, KCAL
from recipes.schema.recipe import Sampling
from tasks.bias.recording import Recording
from tasks.bias.specification import BiasSpec, window_bias
from tasks.sampling.biasing import biased
from tasks.sampling.engine import ExplosionError, run, run_recorded, simulation
from tasks.sampling.frames import com_distance
from tasks.sampling.samplers.pbmetad.segments import (
    Segment,
    State,
    read_hills,
    read_state,
    segments,
    write_segment,
)

SEGMENT = 500
"""Largest number of frames generated in one segment."""

SPARE = 1.15
"""A walker's last segment generates this many times the missing frames, since some lie beyond a wall."""

PATIENCE = 6
"""A walker fails after generating this many times the frames that it is to keep."""

TRIES = 3
"""Largest number of tries of a segment, each with a new seed and half the time step."""


@dataclass(frozen=True)
class Walker:
    """The settings of one walker.

    Attributes
    ----------
    nmer
        The n-mer.
    settings
        The recipe's sampling section.
    force_field
        One of the settings' force fields.
    temperature
        K.
    window
        Index of the window.
    seed
        Seed of this walker.
    frames
        Number of frames to keep.
    folder
        Where its segments are written; a rerun resumes from them.
    """

    nmer: NMer
    settings: Sampling
    force_field: str
    temperature: float
    window: int
    seed: int
    frames: int
    folder: Path

    @property
    def name(self) -> str:
        """Its name in messages."""
        words = [f"{self.temperature:g} K"]
        if len(self.nmer.fragments) > 1:
            words.append("{:g}-{:g} A".format(*self.settings.windows[self.window]))
        if len(self.settings.force_fields) > 1:
            words.append(self.force_field)
        return ", ".join([*words, f"seed {self.seed}"])


def run_walker(walker: Walker, after_segment: Callable[[], None] | None = None) -> str:
    """Run a walker to its end from its last segment; return the reason if it fails, otherwise an empty string.

    Parameters
    ----------
    walker
        The walker.
    after_segment
        Called after each segment is written, for a progress line in the same process.
    """
    walker.folder.mkdir(parents=True, exist_ok=True)
    done = segments(walker.folder)
    kept = sum(count for _, count in done)
    while kept < walker.frames:
        number = len(done)
        state = read_state(done[-1][0]) if done else start_state(walker)
        if state.looked >= PATIENCE * walker.frames + SEGMENT:
            return (
                f"{walker.name}: only {kept} of {walker.frames} frames lie in the window after {state.looked} "
                "were generated; raise sampling.bias.wall_kappa, widen the window, or lower sampling.frames"
            )
        try:
            segment = segment_with_retries(walker, number, state, walker.frames - kept)
        except ExplosionError as error:
            return f"{walker.name}: exploded {TRIES} times, the last time with: {error}; lower sampling.timestep"
        state = segment.end
        count = min(len(segment.positions), walker.frames - kept)
        path = walker.folder / f"segment-{number:05d}-{count}.npz"
        write_segment(path, segment, count)
        done.append((path, count))
        kept += count
        if after_segment is not None:
            after_segment()
    return ""


def bias_spec(walker: Walker) -> BiasSpec:
    """Return the specification of a walker's bias."""
    window = walker.settings.windows[walker.window]
    return window_bias(walker.nmer, walker.settings.bias, walker.temperature, window)


def start_state(walker: Walker) -> State:
    """Return the first state: the recipe's geometry with the fragments moved into the window."""
    nmer, window = walker.nmer, walker.settings.windows[walker.window]
    x = nmer.positions - nmer.positions.mean(axis=0)
    target = max(window[1] - 0.3, 0.5 * (window[0] + window[1]))
    if len(nmer.fragments) > 2:
        _spread(nmer, x, target)
    elif len(nmer.fragments) == 2:
        first = nmer.slices[0].stop
        here = com_distance(nmer, x[None])[0]
        if here > 1e-6:
            centres = [
                np.average(x[p], axis=0, weights=nmer.masses[p]) for p in (slice(0, first), slice(first, None))
            ]
            x[first:] += (centres[1] - centres[0]) * (target / here - 1.0)
        else:  # both are centred at the origin: any direction can be used
            x[first:, 2] += target
    rng = np.random.default_rng(_seed(walker.seed, "velocities"))
    speed = np.sqrt(KB_2010 * walker.temperature * KCAL / nmer.masses)  # sqrt(kT/m), Angstrom/fs
    v = rng.normal(size=x.shape) * speed[:, None]
    bias = bias_spec(walker).buffer()
    return State(x, v, bias, 0, 0, 1.0, 0.0)


def _spread(nmer: NMer, x: Floats, target: float) -> None:
    """Move three fragments, in place, away from their common centre until their mean distance is the target.

    If two centres of mass coincide, for example because both fragments are centred at the origin, all are moved to
    the corners of a triangle.
    """
    centres = np.array([np.average(x[atoms], axis=0, weights=nmer.masses[atoms]) for atoms in nmer.slices])
    wanted = centres - centres.mean(axis=0)
    apart = np.linalg.norm(centres[:, None] - centres, axis=2)[np.triu_indices(len(centres), 1)]
    if apart.min() < 1e-6:
        angles = 2.0 * np.pi * np.arange(len(centres)) / len(centres)
        wanted = np.stack([np.cos(angles), np.sin(angles), np.zeros(len(angles))], axis=1)
        apart = np.full(1, np.linalg.norm(wanted[0] - wanted[1]))
    for atoms, centre, place in zip(nmer.slices, centres, wanted * (target / apart.mean()), strict=True):
        x[atoms] += place - centre


def segment_with_retries(walker: Walker, number: int, state: State, missing: int) -> Segment:
    """Run a segment, and if it explodes, run it again with a shorter time step."""
    for attempt in range(TRIES - 1):
        with suppress(ExplosionError):
            return _segment(walker, number, attempt, state, missing)
    return _segment(walker, number, TRIES - 1, state, missing)


def _segment(walker: Walker, number: int, attempt: int, state: State, missing: int) -> Segment:
    """Run one segment and return its end, with the frames in the window and their energies."""
    settings, nmer = walker.settings, walker.nmer
    scale = state.scale / 2**attempt
    timestep = settings.timestep * scale
    stride = max(1, round(settings.stride / timestep))
    skipped = 0 if state.looked else round(settings.equilibration * 1000 / timestep)
    looked = min(SEGMENT, math.ceil(SPARE * missing), PATIENCE * walker.frames + SEGMENT - state.looked)
    with simulation(
        nmer,
        walker.folder / "atoms.data",
        force_field=walker.force_field,
        atom_types=settings.atom_types,
        temperature=walker.temperature,
        timestep=timestep,
        damping=settings.damping,
        seed=_seed(walker.seed, number, attempt),
    ) as program:
        program.numpy.extract_atom("x")[: nmer.natoms] = state.x
        program.numpy.extract_atom("v")[: nmer.natoms] = state.v
        spec = bias_spec(walker)
        room = (skipped + looked * stride) // spec.pace + 2
        recording = Recording(state.bias, state.step, nmer.natoms, looked, len(spec.cvs), room)
        with biased(program, settings.engine, spec, recording, timestep, lambda: read_hills(walker.folder, spec)):
            run(program, skipped, first=True)
            recording.keep_frames(skipped, stride)
            energy = run_recorded(program, looked, stride)
        if recording.problem:
            raise ExplosionError(recording.problem)
        if not np.isfinite(recording.positions).all():
            raise ExplosionError("a coordinate is not finite")
        x, v = (np.array(program.numpy.extract_atom(name)[: nmer.natoms]) for name in "xv")
    steps = skipped + looked * stride
    counters = state.step + steps, state.looked + looked, scale, state.time + steps * timestep
    end = State(x, v, recording.bias, *counters)
    hills = recording.hills
    hills[:, 0] = state.time + (hills[:, 0] - state.step) * timestep
    positions = nmer.place_caps(recording.positions)
    if len(nmer.fragments) > 1:
        lower, upper = settings.windows[walker.window]
        distance = com_distance(nmer, positions)
        inside = (distance >= lower) & (distance < upper)
        positions, energy = positions[inside], energy[inside]
    return Segment(end, positions, energy, hills)


def _seed(*words: object) -> int:
    """Return a seed between 1 and 900,000,000 that depends only on the words."""
    text = ":".join(str(word) for word in words)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % 899_999_999 + 1
