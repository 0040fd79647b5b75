"""The minima that a covalent dataset's energies are relative to, as the store keeps them beside its labels."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.nmers.capping import pieces
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from storage.attributes import content_of
from storage.canonical import digest
from storage.configuration import configuration_id
from storage.durable import disk_errors

SAME = 1e-9
"""Hartree; energies closer than this count as equal."""


def minimum_path(labels: Path, protocol: str, fragment: Fragment) -> Path:
    """Return the file of a molecule's minimum; its name follows the molecule's graph and the protocol.

    Parameters
    ----------
    labels
        The store's folder of labels.
    protocol
        Id of the protocol.
    fragment
        The molecule; another conformer has another minimum.
    """
    from ase.data import atomic_numbers

    start = np.round(np.array(fragment.positions), 3)
    graph = [fragment.symbols, sorted(fragment.bonds), sorted(fragment.caps)]
    numbers = np.array([atomic_numbers[s] for s in fragment.symbols], dtype=np.int64)
    name = digest([graph, configuration_id(numbers, start, fragment.charge, 1, [])])
    return labels / "references" / protocol[:16] / f"{name[:16]}.json"


def geometries_of_minima(
    labels: Path, protocol: str, references: Sequence[tuple[NMer, int]], reference: float
) -> tuple[Floats, ...]:
    """Return the geometries to which a dataset's energies are relative.

    Parameters
    ----------
    labels
        The store's folder of labels.
    protocol
        Id of the protocol.
    references
        The molecules and their factors, those of `tasks.labelling.reference.reference_molecules`.
    reference
        Their energies added up with the factors, hartree, as the dataset has it.

    Returns
    -------
    One for each molecule, (atoms, 3), Angstrom.

    Raises
    ------
    InputError
        If one is not there, or their energies do not add up to the reference.
    """
    paths = [minimum_path(labels, protocol, molecule.fragments[0]) for molecule, _ in references]
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise InputError(
            f"the minimum '{missing[0]}', to which the labels' energies are relative, is not there; V_phys must "
            "be subtracted there as well; restore the file, or label again"
        )
    found = [read_minimum(path) for path in paths]
    total = sum(factor * m["energy"] for m, (_, factor) in zip(found, references, strict=True))
    if abs(total - reference) > SAME:
        raise InputError(
            f"the minima in '{paths[0].parent}' have the energy {total:.9f} hartree together; the labels' "
            f"energies are relative to {reference:.9f}"
        )
    geometries = []
    for path, minimum, (molecule, _) in zip(paths, found, references, strict=True):
        with content_of(path):
            positions = np.array(minimum["positions"], dtype=np.float64)
        if positions.shape != (molecule.natoms, 3) or not np.isfinite(positions).all():
            raise InputError(f"'{path}' is damaged: its positions are not those of {molecule.natoms} atoms")
        geometries.append(positions)
    return tuple(geometries)


def read_minimum(path: Path) -> dict[str, Any]:
    """Return a minimum as the store keeps it, its energy (hartree) a finite number.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    with content_of(path), disk_errors(f"'{path}' cannot be read"):
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found["energy"] = float(found["energy"])
        if not math.isfinite(found["energy"]):
            raise InputError(f"'{path}' is damaged: its energy is {found['energy']}")
    return found


def minima_of(labels: Path, nmer: NMer, facts: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the minima that make up a dataset's reference energy; none if the store lacks any of them.

    Parameters
    ----------
    labels
        The store's folder of labels.
    nmer
        The dataset's n-mer.
    facts
        Of the dataset's version: ``protocol_id`` and ``reference_hartree``.

    Returns
    -------
    One for each piece, with ``molecule``, ``symbols``, ``positions`` (Angstrom), and ``energy`` (hartree).
    """
    reference = facts.get("reference_hartree")
    if not reference or len(nmer.fragments) > 1:
        return ()
    protocol = str(facts.get("protocol_id", ""))[:16]
    if not re.fullmatch("[0-9a-f]{16}", protocol):
        return ()
    known = [read_minimum(path) for path in sorted((labels / "references" / protocol).glob("[!.]*.json"))]
    wanted = [(nmer.fragments[0], 1)]
    if len(nmer.fragments[0].parts) > 1:
        wanted = [(piece.fragment, factor) for piece, factor in pieces(nmer)]
    choices = [[m for m in known if tuple(m.get("symbols", ())) == one.symbols] for one, _ in wanted]
    for minima in product(*choices):  # another conformer has another minimum: the sum shows which were used
        total = sum(factor * m["energy"] for m, (_, factor) in zip(minima, wanted, strict=True))
        if abs(total - reference) < SAME:
            return minima
    return ()
