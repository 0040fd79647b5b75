"""A trajectory as one of mdtraj, for its analyses: radial distribution functions, secondary structure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from potentials.errors import MissingProgramError
from recipes.chemistry.topology import residues_of
from recipes.registry import Need
from storage.trajectory import Trajectory, upright

MDTRAJ = Need("mdtraj", "pip install 'nmer[analysis]'")

NANOMETRE, PICOSECOND = 10.0, 1000.0
"""Angstrom, fs."""


def to_mdtraj(trajectory: Trajectory) -> Any:
    """Return a trajectory as ``mdtraj.Trajectory``, with the atoms in the same order.

    Residues and atoms have the names of the Protein Data Bank, so that ``topology.select("backbone")`` and
    ``compute_dssp`` work; chains are molecules. The atoms of a residue need not be neighbours in this order, so
    that ``topology.atoms``, which mdtraj goes through by residue, is in another one: use ``topology.atom(index)``,
    and the export to write files. Positions are float32, in nm, not wrapped into
    the cell; times are in ps. A cell whose vectors are not in the orientation that mdtraj stores is rotated with
    its atoms.

    Raises
    ------
    InputError
        If mdtraj is missing.
    """
    if lack := MDTRAJ.lack():
        raise MissingProgramError(f"the analysis {lack}")
    import mdtraj

    positions, vectors = upright(trajectory)
    found = mdtraj.Trajectory(
        (positions / NANOMETRE).astype(np.float32),
        to_topology(trajectory.symbols, trajectory.bonds),
        time=trajectory.times / PICOSECOND,
    )
    if vectors is not None:
        found.unitcell_vectors = (vectors / NANOMETRE).astype(np.float32)
    return found


def to_topology(symbols: Sequence[str], bonds: Sequence[tuple[int, int]]) -> Any:
    """Return ``mdtraj.Topology`` of a system, atoms in its order, with residues and names; see `to_mdtraj`."""
    import mdtraj

    topology = mdtraj.Topology()
    chains: dict[int, Any] = {}
    names: dict[int, tuple[str, Any]] = {}
    for number, residue in enumerate(residues_of(symbols, bonds), 1):
        if residue.molecule not in chains:
            chains[residue.molecule] = topology.add_chain()
        added = topology.add_residue(residue.name, chains[residue.molecule], resSeq=number)
        names |= {atom: (name, added) for atom, name in zip(residue.atoms, residue.names, strict=True)}
    atoms = []
    for number, symbol in enumerate(symbols):
        name, residue = names[number]
        atoms.append(topology.add_atom(name, mdtraj.element.get_by_symbol(symbol), residue, serial=number + 1))
    for i, j in bonds:
        topology.add_bond(atoms[i], atoms[j])
    return topology
