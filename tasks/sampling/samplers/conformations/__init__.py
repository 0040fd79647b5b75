"""The sampler 'conformations': the n-mer cut from conformations of molecules."""

from __future__ import annotations

from potentials.nmers.nmer import NMer
from recipes.registry import Need
from recipes.schema.sampling import Sampling
from tasks.sampling.frames import Frames
from tasks.sampling.sampler import LAMMPS, PACKAGES, Sampler, Work
from tasks.sampling.samplers.conformations.options import ConformationsOptions


def _sample(work: Work) -> list[Frames]:
    from tasks.sampling.samplers.conformations.cutting import sample_conformations

    return sample_conformations(work.nmer, work.settings, work.count)


def _check_settings(settings: Sampling) -> None:
    molecules = settings.options(ConformationsOptions).molecules
    if not molecules:
        raise ValueError("sampler 'conformations' needs the names of molecules in conformations.molecules")
    if len(set(molecules)) != len(molecules):
        raise ValueError("conformations.molecules names a molecule twice")
    if 0 < (frames := settings.shares["conformations"]) < len(molecules):
        raise ValueError(
            f"'conformations' makes {frames} frames of {len(molecules)} molecules; allowed: one or more of each"
        )


def _check(nmer: NMer, settings: Sampling) -> None:
    from tasks.sampling.samplers.conformations.cutting import places

    places(nmer, settings)


SAMPLER = Sampler(
    name="conformations",
    title="the n-mer, or the pair of 1-mers, cut from conformations of whole molecules: folds of peptides with "
    "their torsions held, otherwise distance geometry, both relaxed by MMFF94",
    needs=(*LAMMPS, Need("rdkit", "pip install 'nmer[run]'")),
    packages=(*PACKAGES, "rdkit"),
    papers=("mmff94",),
    options=ConformationsOptions,
    frames=lambda settings: settings.options(ConformationsOptions).frames,
    check_settings=_check_settings,
    sample=_sample,
    check=_check,
    thermal=False,
)
