"""The arrays of the compiled sum: the kinds of n-mers, where they occur, and room for intermediate results."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.compiled import njit
from potentials.pip.program_kernels import OPTIONS, WIDTH

# columns of `Kinds.starts`: where the arrays of a kind of n-mer begin
ATOMS, VARIABLES, NODES, LEAVES, KEYS, KEY_ATOMS, PLACES = range(7)


class Kinds(NamedTuple):
    """The kinds of n-mers: the arrays of all, concatenated.

    Attributes
    ----------
    starts
        (kinds + 1, 7): where the atoms, variables, nodes, leaves, keys, atoms of keys of each kind begin; the last
        column is where its occurrences begin in `Places`.
    bodies
        (atoms,), the key of the switching that each atom moves with, that of its body; 0 where there is none.
    points, numbers, forms
        (variables, 2) each; see `program_kernels.variables_of_eight`.
    parents, factors, own, begins, leaves, coefficients
        The programs; see `Program`. ``begins`` has one entry more for each kind.
    key_begins, key_atoms
        The atoms of each key of the switching, likewise.
    radii
        (kinds, 2), r_in and r_out; 0 where nothing is switched.
    """

    starts: Ints
    bodies: Ints
    points: Ints
    numbers: Floats
    forms: Ints
    parents: Ints
    factors: Ints
    own: Floats
    begins: Ints
    leaves: Ints
    coefficients: Floats
    key_begins: Ints
    key_atoms: Ints
    radii: Floats


class Places(NamedTuple):
    """Where n-mers occur; the arrays of all kinds, concatenated, an entry for each atom of each occurrence.

    Attributes
    ----------
    counts
        (kinds,), number of occurrences.
    atoms, anchors, lengths
        See `Placements`; the anchor of a real atom is the atom.
    """

    counts: Ints
    atoms: Ints
    anchors: Ints
    lengths: Floats


class Room(NamedTuple):
    """Arrays for intermediate results, one for each thread."""

    at: Floats
    pull: Floats
    x: Floats
    chain: Floats
    slopes: Floats
    product: Floats
    adjoint: Floats
    one: Floats
    value: Floats
    items: Ints
    switch: Floats
    shifts: Floats
    key_pull: Floats

    @classmethod
    def of(cls, natoms: int, variables: int, nodes: int, bodies: int) -> Room:
        """Return arrays for the largest n-mer."""
        wide = max(variables, 1), WIDTH
        return cls(
            np.zeros((3 * natoms, WIDTH)),
            np.zeros((3 * natoms, WIDTH)),
            np.zeros(wide),
            np.zeros(wide),
            np.zeros(wide),
            np.zeros((nodes, WIDTH)),
            np.zeros((nodes, WIDTH)),
            np.zeros((5, max(variables, nodes))),
            np.zeros((1, WIDTH)),
            np.zeros(WIDTH, dtype=np.int64),
            np.zeros(WIDTH),
            np.zeros((WIDTH, bodies, 3)),
            np.zeros((WIDTH, bodies, 3)),
        )


@njit(inline="always", **OPTIONS)  # type: ignore[untyped-decorator]
def places_of(kinds: Kinds, kind: int, occurrence: int) -> int:
    """Return where the atoms of an occurrence begin."""
    natoms = kinds.starts[kind + 1, ATOMS] - kinds.starts[kind, ATOMS]
    start: int = kinds.starts[kind, PLACES] + occurrence * natoms
    return start
