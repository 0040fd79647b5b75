"""The SOAP power spectrum as a descriptor of a configuration, computed by DScribe.

Each atom's normalized power spectrum is averaged over the atoms of its symmetry letter, which makes the features
invariant to exchanges of equivalent atoms; the averages of all letters are concatenated. They are projected on the
principal directions of a sample of the pool and scaled to the sample's spread of the sorted distances, so that
distances in the recipe remain approximately in Angstrom.

Reference: Bartok, Kondor, Csanyi, Phys. Rev. B 87, 184115 (2013).
"""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.registry import Need
from recipes.schema.recipe import SelectionSettings
from tasks.selection.descriptor import Describe, Descriptor
from tasks.selection.descriptors.sorted_distances import weighted_distances

R_CUT = 6.0
"""Cutoff radius of an atom's environment, Angstrom."""

N_MAX = 6
"""Radial functions."""

L_MAX = 4
"""Highest degree of the spherical harmonics."""

SIGMA = 0.5
"""Width of an atom's density, Angstrom."""

DIRECTIONS = 64
"""Number of principal directions."""

AT_ONCE = 256
"""Frames passed to DScribe at once."""

FRAME_SECONDS = 1.3e-4
"""CPU time to describe a frame, s: measured for methane with water, eight atoms."""


def check_weights(settings: SelectionSettings) -> None:
    """Raise InputError if the weights of distances, which do not apply here, differ."""
    if settings.intermolecular_weight != settings.intramolecular_weight:
        raise InputError(
            "selection.intermolecular_weight and intramolecular_weight differ, which only descriptor "
            "'sorted-distances' supports; make them equal or change selection.descriptor"
        )


def soap(nmer: NMer, settings: SelectionSettings, sample: Floats) -> Describe:
    """Return the function from positions (frames, atoms, 3) to projected power spectra (frames, directions).

    Parameters
    ----------
    nmer
        The n-mer.
    settings
        The recipe's selection section.
    sample
        (frames, atoms, 3), Angstrom, frames of the pool that determine the directions and the scale.
    """
    spectrum = _power_spectrum(nmer)
    raw = spectrum(sample)
    centre = raw.mean(axis=0)
    _, spread, directions = np.linalg.svd(raw - centre, full_matrices=False)
    kept = directions[:DIRECTIONS].T
    distances = weighted_distances(nmer, sample, settings)
    wanted = float(np.sqrt(np.sum((distances - distances.mean(axis=0)) ** 2)))
    found = float(np.sqrt(np.sum(spread**2)))
    projection = kept * (wanted / found if found > 0 else 1.0)

    def describe(positions: Floats) -> Floats:
        features = np.empty((len(positions), projection.shape[1]))
        full = np.zeros((AT_ONCE, len(centre)))  # always of one size, on which the last digits of a product depend
        for start in range(0, len(positions), AT_ONCE):
            now = spectrum(positions[start : start + AT_ONCE])
            full[: len(now)] = now - centre
            features[start : start + len(now)] = (full @ projection)[: len(now)]
        return features

    return describe


def _power_spectrum(nmer: NMer) -> Describe:
    """Return the function from positions to the letters' mean power spectra, (frames, letters * components)."""
    from ase import Atoms
    from dscribe.descriptors import SOAP

    calculator = SOAP(
        species=sorted(set(nmer.symbols)), r_cut=R_CUT, n_max=N_MAX, l_max=L_MAX, sigma=SIGMA, periodic=False
    )
    letters = np.array(nmer.classes)
    members = [np.flatnonzero(letters == letter) for letter in dict.fromkeys(nmer.classes)]

    def spectrum(positions: Floats) -> Floats:
        made = calculator.create([Atoms(nmer.symbols, positions=p) for p in positions])
        atoms = np.asarray(made, dtype=np.float64).reshape(len(positions), nmer.natoms, -1)
        atoms /= np.linalg.norm(atoms, axis=2, keepdims=True)
        return np.concatenate([atoms[:, chosen].mean(axis=1) for chosen in members], axis=1)

    return spectrum


DESCRIPTOR = Descriptor(
    name="soap",
    title="SOAP power spectra, averaged over equivalent atoms and projected on the main directions in which "
    "the pool varies",
    needs=(Need("dscribe", "pip install 'nmer[soap]'"),),
    packages=("dscribe",),
    papers=("soap",),
    make=soap,
    check=check_weights,
    width=lambda nmer: DIRECTIONS,
    frame_seconds=FRAME_SECONDS,
)
