"""The conformations sampler: an n-mer cut from conformations of molecules, with caps on the bonds that are cut.

Free n-mers rarely have the geometries of a fold, such as the -CONH- of a helix, which are stacked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError, StageError
from potentials.nmers.nmer import NMer
from potentials.systems.placement import Placements
from recipes.chemistry.conformations import conformations
from recipes.chemistry.molecules import Molecule, read_molecule
from recipes.chemistry.occurrences import occurrences
from recipes.schema.recipe import Sampling
from tasks.sampling.engine import ExplosionError, force_function
from tasks.sampling.frames import Frames, com_distance, window_of
from tasks.sampling.samplers.conformations.options import ConformationsOptions

MOST_ATOMS = 300
"""Largest number of atoms of a molecule: relaxing many conformations of a larger one takes hours."""

PATIENCE = 50
"""Conformations in a row that contain no frame within the windows, after which there is an error."""


def sample_conformations(
    nmer: NMer, settings: Sampling, count: Callable[[int], None] = lambda fresh: None
) -> list[Frames]:
    """Cut an n-mer from conformations of molecules, equally many frames from each molecule.

    Every occurrence in a conformation is a frame; of two fragments those within the recipe's windows of the
    distance between their centres of mass. Normal deviations are added to the molecule's coordinates before it is
    cut, so that caps keep their length. The temperature is 0. Energies are those of the first of the recipe's
    force fields.

    Parameters
    ----------
    nmer
        The n-mer.
    settings
        The recipe's sampling section; its `shares` give the number of frames.
    count
        Called with the number of frames made since its last call.

    Raises
    ------
    InputError
        If a molecule cannot be read or does not contain the n-mer.
    StageError
        If no occurrence is within the windows, or a frame has no energy.
    """
    found, force_field = places(nmer, settings), settings.force_fields[0]
    share, rest = divmod(settings.shares["conformations"], len(found))
    made: list[Frames] = []
    with force_function(nmer, force_field, settings.atom_types) as evaluate:
        for number, (molecule, placements) in enumerate(found):
            source, seed = f"conformations {force_field} of {molecule.name}", settings.seed + number
            wanted = share + (number < rest)
            positions = np.array(list(islice(_cut(nmer, settings, molecule, placements, seed), wanted)))
            try:
                energy = np.array([evaluate(x)[0] for x in positions])
            except ExplosionError as error:
                raise StageError(f"sampling: a frame of {source} has no energy: {error}") from None
            if not np.isfinite(energy).all():
                raise StageError(f"sampling: a frame of {source} has no finite energy")
            made.append(Frames(source, positions, energy, 0.0, seed))
            count(wanted)
    return made


def places(nmer: NMer, settings: Sampling) -> list[tuple[Molecule, Placements]]:
    """Return the molecules of the recipe and where the n-mer occurs in each; raises InputError if it does not."""
    found = []
    for text in settings.options(ConformationsOptions).molecules:
        try:
            molecule = read_molecule(text)
            if molecule.natoms > MOST_ATOMS:
                raise InputError(f"'{text}' has {molecule.natoms} atoms; allowed: up to {MOST_ATOMS}")
            found.append((molecule, occurrences(nmer, molecule)))
        except InputError as error:
            raise InputError(f"sampling.conformations.molecules: {error}") from None
    return found


def _cut(
    nmer: NMer, settings: Sampling, molecule: Molecule, placements: Placements, seed: int
) -> Iterator[Floats]:
    """Yield the frames of one molecule without end, (atoms, 3), Angstrom, about their centre."""
    noise, rng, empty = settings.options(ConformationsOptions).noise, np.random.default_rng([seed, 1]), 0
    for _, x in conformations(molecule, seed):
        cut = placements.positions((x + rng.normal(scale=noise, size=x.shape))[None])[0]
        if len(nmer.fragments) > 1:
            cut = cut[window_of(com_distance(nmer, cut), settings) >= 0]
        empty = 0 if len(cut) else empty + 1
        if empty == PATIENCE:
            raise StageError(
                f"sampling: {PATIENCE} conformations of {molecule.name} have no {nmer.name} within "
                "sampling.windows; widen the windows, or name another molecule in sampling.conformations.molecules"
            )
        yield from cut - cut.mean(axis=1, keepdims=True)
