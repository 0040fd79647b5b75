"""The PBMetaD sampler: all walkers of a recipe, in parallel, each with its own bias."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

from distributed import CancelledError, Client, KilledWorker
from distributed.scheduler import NoValidWorkerError

from potentials.errors import StageError, StoppedError
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Sampling
from storage.durable import replacing
from tasks.bias.plumed_output import plumed_input, write_hill_files
from tasks.sampling.frames import Frames
from tasks.sampling.samplers.pbmetad.segments import frames_so_far, read_frames, read_hills
from tasks.sampling.samplers.pbmetad.walker import Walker, bias_spec, run_walker


def walkers(nmer: NMer, settings: Sampling, scratch: Path) -> list[Walker]:
    """Return the walkers of a recipe, with the frames distributed evenly among them.

    A single fragment has no centre-of-mass distance and is sampled in window 0 only.
    """
    windows = len(settings.windows) if len(nmer.fragments) > 1 else 1
    cells = list(
        product(settings.force_fields, settings.temperatures, range(windows), range(settings.seeds_per_window))
    )
    share, rest = divmod(settings.shares["pbmetad"], len(cells))
    return [
        Walker(
            nmer,
            settings,
            force_field,
            temperature,
            window,
            seed=settings.seed + number,
            frames=share + (number < rest),
            folder=scratch / f"walker-{number:04d}",
        )
        for number, (force_field, temperature, window, _) in enumerate(cells)
    ]


def run_walkers(
    nmer: NMer,
    settings: Sampling,
    scratch: Path,
    client: Client | None = None,
    show: Callable[[], None] = lambda: None,
) -> list[Frames]:
    """Run all walkers to their end; segments that an earlier, killed call finished are not sampled again.

    Parameters
    ----------
    nmer
        The n-mer.
    settings
        The recipe's sampling section.
    scratch
        Folder of the walkers' segments; an absolute path that every worker sees.
    client
        Dask client; without one the walkers run in this process, one after the other.
    show
        Called whenever there may be more frames.

    Raises
    ------
    StageError
        If a walker failed; the others ran to their end, and a rerun continues from their segments.
    """
    every = walkers(nmer, settings, scratch)
    if client is None:
        failures = [run_walker(walker, show) for walker in every]
    else:
        failures = _run_on_cluster(client, every, scratch, show)
    reasons = [reason for reason in failures if reason]
    if reasons:
        raise StageError(f"sampling: {len(reasons)} of {len(every)} walkers failed. {'. '.join(reasons)}")
    return [
        Frames(f"pbmetad {w.force_field}", *read_frames(w.folder, nmer.natoms), w.temperature, w.seed, w.window)
        for w in every
    ]


def _run_on_cluster(client: Client, every: list[Walker], scratch: Path, show: Callable[[], None]) -> list[str]:
    """Run walkers on a cluster; after the death of workers they are run again as long as there are new frames."""
    while True:
        before = frames_so_far(scratch)
        futures = client.map(_try_walker, every, pure=False)
        while any(not f.done() for f in futures):
            time.sleep(0.2)
            show()
        try:
            outcomes = client.gather(futures)
        except (KilledWorker, CancelledError, NoValidWorkerError) as error:
            if isinstance(error, KilledWorker) and frames_so_far(scratch) > before:
                continue
            raise StoppedError(
                "sampling: the workers of a walker died several times, there are no workers, or the cluster was "
                "lost; check that it runs"
            ) from None
        for outcome in outcomes:
            if isinstance(outcome, OSError):
                raise outcome
        return list(outcomes)


def _try_walker(walker: Walker) -> str | OSError:
    """Run a walker; return an error of the disk, since Dask would print the traceback of an exception."""
    try:
        return run_walker(walker)
    except OSError as error:
        return error


def write_runs(folder: Path, walkers: list[Walker]) -> None:
    """Write every walker's ``plumed.dat`` and HILLS files, one folder per walker; all of them or none.

    Parameters
    ----------
    folder
        Folder to write; an existing one is replaced.
    walkers
        Walkers that ran to their end.
    """
    with replacing(folder) as unfinished:
        unfinished.mkdir()
        for walker in walkers:
            one = unfinished / walker.name.replace(", ", "_").replace(" ", "")
            one.mkdir()
            spec = bias_spec(walker)
            stride = max(1, round(walker.settings.stride / walker.settings.timestep))
            (one / "plumed.dat").write_text(plumed_input(spec, stride))
            write_hill_files(one, spec, read_hills(walker.folder, spec))
        shutil.rmtree(folder, ignore_errors=True)
