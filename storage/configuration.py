"""Identity of what is labelled: the configuration (a geometry) and the protocol (how it is computed)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Labelling
from storage.keys import STAGE_FORMATS, digest

RESOLUTION = 1e-8
"""Positions closer than this (Angstrom) are the same position."""


_FORMAT = b"nmer-configuration-1"


def configuration_id(
    numbers: ArrayLike,
    xyz: ArrayLike,
    charge: int,
    multiplicity: int,
    fragments: Sequence[tuple[int, int]] = (),
) -> str:
    """Return the identity of a geometry: the sha256 of its canonical bytes, 64 hexadecimal digits.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (atoms,), in the order that the n-mer fixes.
    xyz
        Positions, shape (atoms, 3), Angstrom; compared on a grid of `RESOLUTION`.
    charge
        Total charge, e.
    multiplicity
        2S + 1.
    fragments
        (number of atoms, charge) of each fragment in order. The same atoms cut in another way have other
        counterpoise energies, so they are another configuration.

    Raises
    ------
    InputError
        If the shapes do not fit, or a position is not finite or beyond the grid.
    """
    z = np.asarray(numbers, dtype="<i8")
    positions = np.asarray(xyz, dtype=np.float64)
    if z.ndim != 1 or positions.shape != (len(z), 3):
        raise InputError(
            f"a configuration needs atomic numbers (atoms,) and positions (atoms, 3); "
            f"got shapes {z.shape} and {positions.shape}"
        )
    return _ids(z, positions[None], charge, multiplicity, fragments)[0]


def configuration_ids(nmer: NMer, positions: ArrayLike) -> tuple[str, ...]:
    """Return the identity of each configuration of an n-mer; all are closed-shell singlets.

    Parameters
    ----------
    nmer
        The n-mer.
    positions
        Shape (configurations, atoms, 3), Angstrom.

    Raises
    ------
    InputError
        If the positions do not fit the n-mer.
    """
    frames = np.asarray(positions, dtype=np.float64)
    if frames.ndim != 3 or frames.shape[1:] != (nmer.natoms, 3):
        raise InputError(
            f"positions of '{nmer.name}' need shape (configurations, {nmer.natoms}, 3); got {frames.shape}"
        )
    fragments = [(f.natoms, f.charge) for f in nmer.fragments]
    # another way to take a molecule apart gives other sub-calculations of the same names
    fragments += [(a, n) for f in nmer.fragments for n, part in enumerate(f.parts) for a in part]
    return _ids(np.asarray(nmer.numbers, dtype="<i8"), frames, nmer.charge, 1, fragments)


def _ids(
    numbers: Ints,
    frames: Floats,
    charge: int,
    multiplicity: int,
    fragments: Sequence[tuple[int, int]],
) -> tuple[str, ...]:
    if not np.all(np.abs(frames) < 1e9):  # also false for nan
        raise InputError("a configuration's positions must be finite and below 1e9 A")
    sizes = [len(numbers), charge, multiplicity, len(fragments), *np.ravel(fragments)]
    head = hashlib.sha256(_FORMAT + np.array(sizes, dtype="<i8").tobytes() + numbers.tobytes())
    ids = []
    for grid in np.rint(frames / RESOLUTION).astype("<i8"):
        whole = head.copy()
        whole.update(grid.tobytes())
        ids.append(whole.hexdigest())
    return tuple(ids)


def protocol_settings(
    labelling: Labelling,
    engine_versions: Mapping[str, str],
    core_electrons: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, object]:
    """Return everything that decides an energy, as plain JSON values.

    Parameters
    ----------
    labelling
        The recipe section. Its flag thresholds are left out.
    engine_versions
        Version of each program that takes part, for example ``{"pyscf": "2.14.0"}``.
    core_electrons
        Electrons that each basis leaves to a core potential, by element: ``{"def2-SVP": {"I": 28}}``. Labels of
        these elements from before they were set are those of another protocol.
    """
    found: dict[str, object] = {
        "format": STAGE_FORMATS["labelling"],
        "labelling": {k: v for k, v in labelling.content().items() if k not in labelling.FLAGS},
        "versions": dict(engine_versions),
    }
    if core_electrons:
        found["core_electrons"] = {basis: dict(electrons) for basis, electrons in core_electrons.items()}
    return found


def protocol_id(
    labelling: Labelling,
    engine_versions: Mapping[str, str],
    core_electrons: Mapping[str, Mapping[str, int]] | None = None,
) -> str:
    """Return the identity of a protocol: the sha256 of the canonical JSON of `protocol_settings`."""
    return digest(protocol_settings(labelling, engine_versions, core_electrons))
