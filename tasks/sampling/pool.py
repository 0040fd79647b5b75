"""Sample a recipe's pool with each of its samplers."""

from __future__ import annotations

from pathlib import Path

from distributed import Client

from potentials.molecule import NMer
from recipes.schema import Sampling
from storage.records import Pool
from tasks.progress import ProgressLine
from tasks.sampling.frames import Frames, gather
from tasks.sampling.pbmetad import frames_so_far, run_walkers


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
        Folder of unfinished work; an absolute path that every worker sees.
    client
        Dask client; without one everything runs here.
    progress
        Counts frames.

    Raises
    ------
    StageError
        If a walker failed; the others ran to their end, and a rerun starts from what they have.
    """
    scratch = scratch.resolve()
    parts: list[Frames] = []

    made = 0  # by the other samplers

    def show() -> None:
        if progress is not None:
            progress.update(made + frames_so_far(scratch))

    if "pbmetad" in settings.samplers:
        parts += run_walkers(nmer, settings, scratch, client, show)
        show()
    return gather(nmer, settings, parts)
