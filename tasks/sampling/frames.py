"""What a sampler gives, and how the frames of several samplers become one pool."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Sampling
from storage.records import Pool
from tasks.sampling.bias.cvs import cv_families, cv_values, representatives_first


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
        K; 0 for a scan.
    seed
        Seed of the walker or of the sampler.
    window
        Index of the window it was made for; None: the window each frame lies in.
    """

    source: str
    positions: Floats
    energy: Floats
    temperature: float
    seed: int
    window: int | None = None


def com_distance(nmer: NMer, positions: Floats) -> Floats:
    """Return the distance between two fragments' centres of mass, Angstrom; of three the mean over their pairs.

    Zero for a single fragment.
    """
    if len(nmer.fragments) < 2:
        return np.zeros(len(positions))
    centres = [np.average(positions[:, part], axis=1, weights=nmer.masses[part]) for part in nmer.slices]
    distances = [np.linalg.norm(other - one, axis=1) for one, other in combinations(centres, 2)]
    return np.asarray(distances[0] if len(distances) == 1 else np.mean(distances, axis=0))


def gather(nmer: NMer, settings: Sampling, parts: list[Frames]) -> Pool:
    """Join the samplers' frames, in their order, into one pool.

    Parameters
    ----------
    nmer
        The n-mer.
    settings
        The recipe's sampling section.
    parts
        What the samplers gave.
    """
    sources = tuple(dict.fromkeys(part.source for part in parts))
    counts = [len(part.positions) for part in parts]
    positions = np.concatenate([part.positions for part in parts])
    distance = com_distance(nmer, positions)
    made_for = np.repeat([-2 if p.window is None else p.window for p in parts], counts)
    cvs = [cv for cv, _ in representatives_first(cv_families(nmer, settings.bias.families))]
    return Pool(
        positions=positions,
        temperature=np.repeat([part.temperature for part in parts], counts).astype(np.float64),
        window=np.where(made_for < -1, window_of(distance, settings), made_for),
        seed=np.repeat(np.array([part.seed for part in parts], dtype=np.int64), counts),
        energy=np.concatenate([part.energy for part in parts]),
        com_distance=distance,
        cvs=cv_values(cvs, positions),
        cv_names=tuple(f"{cv.kind} {'-'.join(str(a) for a in cv.atoms)}" for cv in cvs),
        source=np.repeat(np.array([sources.index(p.source) for p in parts], dtype=np.int64), counts),
        sources=sources,
    )


def window_of(distance: Floats, settings: Sampling) -> Ints:
    """Return the first window each centre-of-mass distance (Angstrom) lies in, -1 for none."""
    window = np.full(len(distance), -1, dtype=np.int64)
    for number, (lower, upper) in reversed(list(enumerate(settings.windows))):
        window[(distance >= lower) & (distance < upper)] = number
    return window
