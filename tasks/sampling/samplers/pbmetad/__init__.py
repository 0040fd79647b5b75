"""The sampler 'pbmetad': biased molecular dynamics."""

from __future__ import annotations

from pathlib import Path

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.schema.sampling import Sampling
from tasks.sampling.frames import Frames
from tasks.sampling.sampler import LAMMPS, PACKAGES, Sampler, Work
from tasks.sampling.samplers.pbmetad.segments import frames_so_far

SPARE = 1.1
"""Frames generated for each frame kept: some lie beyond a window's walls."""


def _sample(work: Work) -> list[Frames]:
    from tasks.sampling.samplers.pbmetad.walkers import run_walkers

    known = frames_so_far(work.scratch)

    def show() -> None:
        nonlocal known
        before, known = known, frames_so_far(work.scratch)
        work.count(known - before)

    frames = run_walkers(work.nmer, work.settings, work.scratch, work.client, show)
    show()
    return frames


def _walkers(settings: Sampling) -> int:
    cells = len(settings.temperatures) * len(settings.windows) * settings.seeds_per_window
    return cells * len(settings.force_fields)


def _evaluations(settings: Sampling, nmer: NMer, frames: float) -> float:
    """Return the steps of one force field's walkers."""
    windows = len(settings.windows) if len(nmer.fragments) > 1 else 1
    cells = len(settings.temperatures) * windows * settings.seeds_per_window
    return (SPARE * frames * settings.stride + cells * 1000 * settings.equilibration) / settings.timestep


def _check(nmer: NMer, settings: Sampling) -> None:
    from tasks.bias.cvs import cv_families
    from tasks.bias.plumed_engine import check_plumed

    if not cv_families(nmer, settings.bias.families):
        raise InputError(
            "sampling.bias.families: the n-mer has no collective variables by the rule; give families"
        )
    if settings.engine == "plumed":
        check_plumed(nmer, settings)


def _write_files(nmer: NMer, settings: Sampling, scratch: Path, folder: Path) -> None:
    from tasks.sampling.samplers.pbmetad.walkers import walkers, write_runs

    write_runs(folder, walkers(nmer, settings, scratch))


SAMPLER = Sampler(
    name="pbmetad",
    title="molecular dynamics biased by well-tempered parallel-bias metadynamics with partitioned families; one "
    "walker for each force field, temperature, window of the centre-of-mass distance, and seed",
    needs=LAMMPS,
    packages=PACKAGES,
    papers=("pbmetad", "well-tempered", "families"),
    walkers=_walkers,
    biased=True,
    evaluations=_evaluations,
    sample=_sample,
    check=_check,
    frames_kept=frames_so_far,
    write_files=_write_files,
    windowed=True,
)
