"""The sampler 'normal-modes': frames displaced along the vibrations about a minimum."""

from __future__ import annotations

from potentials.nmers.nmer import NMer
from recipes.schema.sampling import Sampling
from tasks.sampling.frames import Frames
from tasks.sampling.sampler import LAMMPS, PACKAGES, Sampler, Work, minimum_evaluations
from tasks.sampling.samplers.normal_modes.options import NormalModesOptions


def _sample(work: Work) -> list[Frames]:
    from tasks.sampling.samplers.normal_modes.displacements import sample_normal_modes

    return sample_normal_modes(work.nmer, work.settings, work.count)


def _own_frames(settings: Sampling) -> int:
    return settings.options(NormalModesOptions).frames


def _evaluations(settings: Sampling, nmer: NMer, frames: float) -> float:
    return frames + minimum_evaluations(nmer)


SAMPLER = Sampler(
    name="normal-modes",
    title="harmonic displacements, quantum or classical, about the force field's minimum",
    needs=LAMMPS,
    packages=PACKAGES,
    papers=("wigner",),
    options=NormalModesOptions,
    frames=_own_frames,
    evaluations=_evaluations,
    sample=_sample,
)
