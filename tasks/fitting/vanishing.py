"""Whether a potential of several fragments vanishes when any one of them leaves."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.pip.potential import Potential

APART = 200.0
"""Distance by which a fragment is moved, Angstrom."""

NOTHING = 1e-6
"""Largest energy that counts as zero, kcal/mol."""

TRIED = 500
"""Largest number of configurations that are checked."""


def energy_apart(potential: Potential, positions: Floats) -> float:
    """Return the largest energy of the PIP with any one fragment far away, kcal/mol; zero for a single fragment.

    Parameters
    ----------
    potential
        The potential.
    positions
        (n, atoms, 3), Angstrom; `TRIED` of them, evenly spaced, are checked.
    """
    parts = potential.nmer.slices
    if len(parts) < 2 or not len(positions):
        return 0.0
    chosen = positions[np.linspace(0, len(positions) - 1, min(len(positions), TRIED)).astype(np.int64)]
    largest = 0.0
    for part in parts:
        others = np.delete(np.arange(potential.nmer.natoms), np.arange(part.start, part.stop))
        way = chosen[:, part].mean(axis=1) - chosen[:, others].mean(axis=1)
        length = np.linalg.norm(way, axis=1, keepdims=True)
        way = np.where(length > 1e-6, way / np.maximum(length, 1e-6), [0.0, 0.0, 1.0])
        moved = chosen.copy()
        moved[:, part] += APART * way[:, None, :]
        largest = max(largest, float(np.abs(potential.correction(moved).energy).max()))
    return largest


def notes_on_the_end(potential: Potential, positions: Floats) -> tuple[str, ...]:
    """Return a sentence on how a potential of several fragments without switching decays, else nothing."""
    if len(potential.nmer.fragments) < 2 or potential.switching is not None:
        return ()
    left = energy_apart(potential, positions)
    found = (
        "the potential has no switching and ends only as its variables decay: with any one fragment moved "
        f"{APART:g} A away, at most {left:.1g} kcal/mol are left"
    )
    if left <= NOTHING:
        return (found,)
    if potential.terms == "intermolecular":
        return (f"{found}, so that it DOES NOT VANISH; raise fitting.k_bounds, or set fitting.switching",)
    return (
        f"{found}, so that it DOES NOT VANISH; terms = 'intermolecular' keeps only terms that join all of them",
    )
