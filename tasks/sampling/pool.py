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
    """Sample a recipe's pool; frames of an earlier, killed call in the scratch folder are not sampled again.

    Samplers that keep nothing there run first: they take seconds to minutes, so that errors appear early.

    Parameters
    ----------
    nmer
        The n-mer.
    settings
        The recipe's sampling section.
    scratch
        Folder of unfinished work; an absolute path that every worker sees.
    client
        Dask client; without one everything runs in this process.
    progress
        Shows the number of frames.

    Raises
    ------
    InputError
        If a sampler cannot be used as the recipe says.
    StageError
        If a sampler failed; other walkers ran to their end, and a rerun continues from their segments.
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
    found: dict[str, list[Frames]] = {}
    for sampler in sorted(samplers, key=lambda sampler: sampler.frames_kept is not None):
        found[sampler.name] = sampler.sample(work)
    return gather(nmer, settings, [frames for name in settings.samplers for frames in found[name]])
