"""The frames of a sampler, and the pool of the frames of several samplers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Sampling
from storage.records import Pool
from tasks.bias.cvs import cv_families, cv_values, representatives_first


@dataclass(frozen=True)
class Frames:
    """The frames of one sampler with one force field at one temperature.

    Attributes
    ----------
    source
        Sampler and force field, for example ``pbmetad ff14SB``.
    positions
        (frames, atoms, 3), Angstrom, caps at their length.
    energy
        (frames,), force-field energy without a bias, kcal/mol.
    temperature
        K; 0 for a scan and for conformations.
    seed
        Seed of the walker or of the sampler.
    window
        Index of the window that it was made for; None for the window in which each frame lies.
    """

    source: str
    positions: Floats
    energy: Floats
    temperature: float
    seed: int
    window: int | None = None


def com_distance(nmer: NMer, positions: Floats) -> Floats:
    """Return the distance between two fragments' centres of mass, Angstrom; for three the mean over their pairs.

    Zero for a single fragment.
    """
    if len(nmer.fragments) < 2:
        return np.zeros(len(positions))
    centres = [np.average(positions[:, atoms], axis=1, weights=nmer.masses[atoms]) for atoms in nmer.slices]
    distances = [np.linalg.norm(other - one, axis=1) for one, other in combinations(centres, 2)]
    return np.asarray(distances[0] if len(distances) == 1 else np.mean(distances, axis=0))


def gather(nmer: NMer, settings: Sampling, found: list[Frames]) -> Pool:
    """Join the samplers' frames, in their order, into one pool.

    Parameters
    ----------
    nmer
        The n-mer.
    settings
        The recipe's sampling section.
    found
        The frames of the samplers.
    """
    sources = tuple(dict.fromkeys(frames.source for frames in found))
    counts = [len(frames.positions) for frames in found]
    positions = np.concatenate([frames.positions for frames in found])
    distance = com_distance(nmer, positions)
    made_for = np.repeat([-2 if frames.window is None else frames.window for frames in found], counts)
    cvs = [cv for cv, _ in representatives_first(cv_families(nmer, settings.bias.families))]
    return Pool(
        positions=positions,
        temperature=np.repeat([float(frames.temperature) for frames in found], counts),
        window=np.where(made_for < -1, window_of(distance, settings), made_for),
        seed=np.repeat([frames.seed for frames in found], counts),
        energy=np.concatenate([frames.energy for frames in found]),
        com_distance=distance,
        cvs=cv_values(cvs, positions),
        cv_names=tuple(f"{cv.kind} {'-'.join(str(a) for a in cv.atoms)}" for cv in cvs),
        source=np.repeat([sources.index(frames.source) for frames in found], counts),
        sources=sources,
    )


def window_of(distance: Floats, settings: Sampling) -> Ints:
    """Return the first window that contains each centre-of-mass distance (Angstrom), -1 for none."""
    window = np.full(len(distance), -1, dtype=np.int64)
    for number, (lower, upper) in reversed(list(enumerate(settings.windows))):
        window[(distance >= lower) & (distance < upper)] = number
    return window
