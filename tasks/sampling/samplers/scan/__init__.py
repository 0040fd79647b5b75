"""The sampler 'scan': frames on a grid of variables."""

from __future__ import annotations

from potentials.nmers.nmer import NMer
from recipes.schema.sampling import Sampling, check_atoms
from tasks.sampling.frames import Frames
from tasks.sampling.sampler import LAMMPS, PACKAGES, Sampler, Work, evaluations_from_minimum
from tasks.sampling.samplers.scan.options import ScanOptions


def _sample(work: Work) -> list[Frames]:
    from tasks.sampling.samplers.scan.grid import sample_scan

    return sample_scan(work.nmer, work.settings, work.count)


def _check_settings(settings: Sampling) -> None:
    if not settings.options(ScanOptions).axes:
        raise ValueError("sampler 'scan' needs at least one [[sampling.scan.axes]]")


def _check_nmer(nmer: NMer, settings: Sampling) -> None:
    scan, count = settings.options(ScanOptions), len(nmer.fragments)
    check_atoms("scan.axes", [axis.atoms for axis in scan.axes], nmer)
    if count != 2 and not all(axis.atoms for axis in scan.axes):
        raise ValueError(
            f"sampling.scan.axes: an axis without atoms is for two fragments, and here are {count}; give the "
            "atoms whose distance is scanned"
        )
    if count != 2 and scan.orientations > 1:
        raise ValueError(
            f"sampling.scan.orientations turns the second of two fragments, and here are {count}; allowed: 1, or "
            "another sampler"
        )


def _check(nmer: NMer, settings: Sampling) -> None:
    from tasks.sampling.samplers.scan.grid import scan_axes

    scan_axes(nmer, settings.options(ScanOptions))


SAMPLER = Sampler(
    name="scan",
    title="a rigid grid over distances, angles and torsions from the minimum of the first force field, with "
    "random orientations of the second fragment",
    needs=LAMMPS,
    packages=PACKAGES,
    options=ScanOptions,
    frames=lambda settings: settings.options(ScanOptions).frames,
    evaluations=evaluations_from_minimum,
    check_settings=_check_settings,
    check_nmer=_check_nmer,
    sample=_sample,
    check=_check,
    thermal=False,
)
