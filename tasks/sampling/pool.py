"""Sample a recipe's pool with each of its samplers."""

from __future__ import annotations

from pathlib import Path

from distributed import Client

from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Sampling
from storage.records import Pool
from tasks.progress import ProgressLine
from tasks.sampling.frames import Frames, gather
from tasks.sampling.sampler import SAMPLERS, Work, frames_kept


def sample_pool(
    nmer: NMer,
    settings: Sampling,
    scratch: Path,
    client: Client | None = None,
    progress: ProgressLine | None = None,
) -> Pool:
    """Sample a recipe's pool; what an earlier, killed call kept in the scratch folder is not sampled again.

    Samplers that keep nothing there come first: they take seconds to minutes, and a mistake shows early.

    Parameters
    ----------
    nmer
        The n-mer.
    settings
        The recipe's sampling section.
    scratch
        Folder of unfinished work; an absolute path that every worker sees.
    client
        Dask client; without one everything runs here.
    progress
        Counts frames.

    Raises
    ------
    InputError
        If a sampler cannot do what the recipe asks of it.
    StageError
        If a sampler failed; other walkers ran to their end, and a rerun starts from what they have.
    """
    scratch = scratch.resolve()
    made = frames_kept(scratch)

    def count(fresh: int) -> None:
        nonlocal made
        made += fresh
        if progress is not None:
            progress.update(made)

    work = Work(nmer, settings, scratch, client, count)
    samplers = [SAMPLERS.get(name) for name in settings.samplers]
    parts: dict[str, list[Frames]] = {}
    for sampler in sorted(samplers, key=lambda sampler: sampler.frames_kept is not None):
        parts[sampler.name] = sampler.sample(work)
    return gather(nmer, settings, [part for name in settings.samplers for part in parts[name]])
