"""Run all walkers of a recipe and gather their frames into a pool."""

from __future__ import annotations

import time
from itertools import product
from pathlib import Path

import numpy as np
from distributed import Client

from potentials.errors import StageError
from potentials.molecule import NMer
from recipes.schema import Sampling
from storage.records import Pool
from tasks.progress import ProgressLine
from tasks.sampling.bias import window_bias
from tasks.sampling.cvs import cv_values
from tasks.sampling.walker import Walker, com_distance, read_frames, run_walker, segments


def walkers(nmer: NMer, settings: Sampling, scratch: Path) -> list[Walker]:
    """Return the walkers of a recipe; the frames are shared out evenly among them.

    A single fragment has no centre-of-mass distance: it is sampled once a temperature and seed, as window 0.
    """
    windows = len(settings.windows) if len(nmer.fragments) > 1 else 1
    cells = list(product(settings.temperatures, range(windows), range(settings.seeds_per_window)))
    share, rest = divmod(settings.frames, len(cells))
    return [
        Walker(
            nmer,
            settings,
            temperature,
            window,
            seed=settings.seed + number,
            frames=share + (number < rest),
            folder=scratch / f"walker-{number:04d}",
        )
        for number, (temperature, window, _) in enumerate(cells)
    ]


def sample_pool(
    nmer: NMer,
    settings: Sampling,
    scratch: Path,
    client: Client | None = None,
    progress: ProgressLine | None = None,
) -> Pool:
    """Sample a recipe's pool; what an earlier, killed call finished is not sampled again.

    Parameters
    ----------
    nmer
        The n-mer.
    settings
        The recipe's sampling section.
    scratch
        Folder of the walkers' segments; an absolute path that every worker sees.
    client
        Dask client; without one the walkers run here, one after the other.
    progress
        Counts frames.

    Raises
    ------
    StageError
        If a walker failed; the others ran to their end, and a rerun starts from what they have.
    """
    every = walkers(nmer, settings, scratch.resolve())

    def show() -> None:
        if progress is not None:
            progress.update(frames_so_far(scratch))

    if client is None:
        failures = []
        for walker in every:
            failures.append(run_walker(walker, show))
    else:
        futures = client.map(run_walker, every, pure=False)
        while any(not f.done() for f in futures):
            time.sleep(0.2)
            show()
        failures = client.gather(futures)
    show()
    reasons = [reason for reason in failures if reason]
    if reasons:
        raise StageError(f"sampling: {len(reasons)} of {len(every)} walkers failed. {'. '.join(reasons)}")
    return _gather(nmer, settings, every)


def frames_so_far(scratch: Path) -> int:
    """Return how many frames the walkers of a scratch folder have kept so far."""
    return sum(count for folder in scratch.glob("walker-*") for _, count in segments(folder))


def _gather(nmer: NMer, settings: Sampling, every: list[Walker]) -> Pool:
    frames = [read_frames(w.folder, nmer.natoms) for w in every]
    counts = [len(positions) for positions, _ in frames]
    positions = np.concatenate([p for p, _ in frames])
    cvs = list(window_bias(nmer, settings.bias, 300.0, settings.windows[0]).cvs)
    return Pool(
        positions=positions,
        temperature=np.repeat([w.temperature for w in every], counts),
        window=np.repeat(np.array([w.window for w in every], dtype=np.int64), counts),
        seed=np.repeat(np.array([w.seed for w in every], dtype=np.int64), counts),
        energy=np.concatenate([e for _, e in frames]),
        com_distance=com_distance(nmer, positions),
        cvs=cv_values(cvs, positions),
        cv_names=tuple(f"{cv.kind} {'-'.join(str(a) for a in cv.atoms)}" for cv in cvs),
    )
