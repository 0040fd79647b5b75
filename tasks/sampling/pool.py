"""Sample a recipe's pool with each of its samplers."""

from __future__ import annotations

from pathlib import Path

from distributed import Client

from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Sampling
from storage.records import Pool
from tasks.progress import ProgressLine
from tasks.sampling.samplers.frames import Frames, gather
from tasks.sampling.samplers.normal_modes import sample_normal_modes
from tasks.sampling.samplers.pbmetad import frames_so_far, run_walkers
from tasks.sampling.samplers.scan import sample_scan


def sample_pool(
    nmer: NMer,
    settings: Sampling,
    scratch: Path,
    client: Client | None = None,
    progress: ProgressLine | None = None,
) -> Pool:
    """Sample a recipe's pool; what an earlier, killed call's walkers finished is not sampled again.

    Scans and normal modes come first: a mistake there shows before the walkers take their time. They take seconds
    to minutes and are made again by every call, each time the same.

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
    parts: dict[str, list[Frames]] = {}

    made = 0  # by the other samplers
    walked = frames_so_far(scratch)

    def show() -> None:
        nonlocal walked
        walked = frames_so_far(scratch)
        count(0)

    def count(fresh: int) -> None:
        nonlocal made
        made += fresh
        if progress is not None:
            progress.update(made + walked)

    if "scan" in settings.samplers:
        parts["scan"] = sample_scan(nmer, settings, count)
    if "normal-modes" in settings.samplers:
        parts["normal-modes"] = sample_normal_modes(nmer, settings, count)
    if "pbmetad" in settings.samplers:
        parts["pbmetad"] = run_walkers(nmer, settings, scratch, client, show)
        show()
    return gather(nmer, settings, [part for name in settings.samplers for part in parts[name]])
