"""The sampler 'normal-modes': frames displaced along the vibrations about a minimum."""

from __future__ import annotations

from tasks.sampling.frames import Frames
from tasks.sampling.sampler import LAMMPS, PACKAGES, Sampler, Work, evaluations_from_minimum
from tasks.sampling.samplers.normal_modes.options import NormalModesOptions


def _sample(work: Work) -> list[Frames]:
    from tasks.sampling.samplers.normal_modes.displacements import sample_normal_modes

    return sample_normal_modes(work.nmer, work.settings, work.count)


SAMPLER = Sampler(
    name="normal-modes",
    title="harmonic displacements, quantum or classical, about the force field's minimum",
    needs=LAMMPS,
    packages=PACKAGES,
    papers=("wigner",),
    options=NormalModesOptions,
    frames=lambda settings: settings.options(NormalModesOptions).frames,
    evaluations=evaluations_from_minimum,
    sample=_sample,
)
