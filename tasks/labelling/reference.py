"""Reference energies of single molecules: the minimum of each molecule on the protocol's own surface.

A 1-mer's energy is E(capped geometry) - E(minimum of the capped 1-mer). In a covalent n-mer the energy of every
piece is relative to its own minimum, so that one constant is subtracted from the n-body energy: the sum of the
pieces' minima with their factors. For several molecules nothing is subtracted: the constants cancel.

The energies of the search are labels like any other, in the ledger under the protocol's id: a search that was
killed continues where it stopped. Its result is written to a file in the labels' folder, once for a molecule and
a protocol.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import NamedTuple

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError, StageError
from potentials.nmers.capping import pieces
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.units import HARTREE
from recipes.schema.recipe import Labelling
from storage.durable import write_text
from storage.exchange.minima import minimum_path, read_minimum
from tasks.labelling.collect import LabelTable
from tasks.labelling.engines.methods import MP2
from tasks.labelling.engines.registry import new_engine
from tasks.labelling.protocol import Protocol

STEPS_WITH_GRADIENTS = 15
"""Energies with gradients that a search with them usually takes."""

STEPS_OF_SOFT, STIFF = 6, 3
"""Steps that a search from energies alone takes with soft torsions (formamide with MP2/aug-cc-pVDZ 6), and the
most atoms of a molecule without any."""

SMALL = 6
"""Most atoms of a molecule whose minimum is searched for to 0.001 kcal/mol at any level; see `ends_early`."""


class MoleculeLabels(NamedTuple):
    """Labels of geometries of one molecule.

    Attributes
    ----------
    energy
        (geometries,), total energies, hartree; nan where one failed.
    gradient
        (geometries, atoms, 3), hartree/Angstrom; None where the protocol has no gradients.
    """

    energy: Floats
    gradient: Floats | None = None

    @classmethod
    def of(cls, table: LabelTable) -> MoleculeLabels:
        """Return what a table has of one molecule, whose n-body energy is its total energy."""
        return cls(table.energy / HARTREE, None if table.gradient is None else table.gradient / HARTREE)


Label = Callable[[NMer, Floats], MoleculeLabels]
"""Labels of geometries (geometries, atoms, 3; Angstrom) of a molecule."""


def reference_molecules(nmer: NMer, labelling: Labelling) -> tuple[tuple[NMer, int], ...]:
    """Return the molecules to whose minima an n-mer's energies are relative, each with its factor.

    Raises
    ------
    InputError
        If a covalent n-mer cannot be taken apart.
    """
    if labelling.reference == "none" or len(nmer.fragments) > 1:
        return ()
    (fragment,) = nmer.fragments
    if len(fragment.parts) > 1:
        return tuple((_alone(f"{nmer.name} {one.fragment.name}", one.fragment), n) for one, n in pieces(nmer))
    return ((_alone(nmer.name, fragment), 1),)


def ends_early(molecule: NMer, labelling: Labelling) -> bool:
    """Return whether the search of a minimum ends up to a few hundredths of a kcal/mol above it.

    For molecules of more than `SMALL` atoms with composites, whose energies take minutes, and with fitted MP2,
    which is made for the levels below them: it takes a third of the energies, and shifts all energies of the
    n-mer by a constant, which the sum of levels has from the last one alone.
    """
    loose = bool(labelling.mp2_basis) or (labelling.method == MP2.name and labelling.density_fitting)
    return loose and molecule.natoms > SMALL


def usual_energies(molecule: NMer, labelling: Labelling) -> int:
    """Return how many energies the search of a molecule's minimum usually takes.

    Central differences in every direction that moves no cap along its bond: in each of `STEPS_OF_SOFT` steps where
    other elements than carbon and hydrogen make soft torsions, else of three; where it ends early at the start
    alone, and then one energy at the end. With gradients one a step.
    """
    if labelling.gradients:
        return STEPS_WITH_GRADIENTS
    differences = 2 * max(1, 3 * molecule.natoms - 6 - len(molecule.caps)) + 1
    if ends_early(molecule, labelling):
        return differences + 1
    soft = molecule.natoms > STIFF and not set(molecule.symbols) <= {"C", "H"}
    return (STEPS_OF_SOFT if soft else 3) * differences


def check_start(nmer: NMer, labelling: Labelling) -> None:
    """Raise InputError if the search of an n-mer's minima cannot begin, for example because a basis is missing."""
    if reference_molecules(nmer, labelling):
        new_engine(labelling.engine).cheap_surface(nmer)


def reference_energy(
    protocol: Protocol, references: Sequence[tuple[NMer, int]], folder: Path, label: Label | None = None
) -> float | None:
    """Return the reference energy (hartree) of an n-mer under a protocol.

    Parameters
    ----------
    protocol
        How the n-mer is labelled.
    references
        The molecules and their factors; see `reference_molecules`.
    folder
        Folder of the labels.
    label
        Computes labels under the protocol; without it nothing is computed.

    Returns
    -------
    Zero where there is nothing to subtract; None where a minimum is not known and there is no `label`.

    Raises
    ------
    StageError
        If a minimum is not found, or an energy needed to find it failed.
    """
    total = 0.0
    for molecule, factor in references:
        path = minimum_path(folder, protocol.of(molecule).id, molecule.fragments[0])
        if not path.exists():
            if label is None:
                return None
            _find(protocol.of(molecule), path, label)
        total += factor * read_minimum(path)["energy"]
    return total


def _find(protocol: Protocol, path: Path, label: Label) -> None:
    """Find a molecule's minimum and write it to a file."""
    # scipy's optimizers, which take long to import
    from tasks.labelling.optimize import ENOUGH, find_start, minimise, minimise_with_gradients

    molecule = protocol.nmer

    def labels(positions: Floats) -> MoleculeLabels:
        found = label(molecule, positions)
        failed = np.isnan(found.energy)
        if failed.any():
            raise StageError(
                f"labelling: {failed.sum()} of {len(failed)} energies in the search of the minimum "
                f"of '{molecule.name}' failed; give the recipe a geometry nearer to it, raise the limits in "
                "[resources], or set labelling.reference = 'none'"
            )
        return found

    def surface(x: Floats) -> tuple[float, Floats]:
        energy, gradient = labels(x[None])
        assert gradient is not None  # the protocol has gradients
        return float(energy[0]), gradient[0]

    start = find_start(molecule, new_engine(protocol.labelling.engine).cheap_surface(molecule))
    if protocol.labelling.gradients:
        positions, energy = minimise_with_gradients(molecule, surface, start)
    else:
        enough = ENOUGH if ends_early(molecule, protocol.labelling) else 0.0
        positions, energy = minimise(molecule, lambda x: labels(x).energy, start, enough)
    entry = {
        "molecule": molecule.name,
        "symbols": molecule.symbols,
        "positions": positions.tolist(),
        "energy": energy,
        "units": {"positions": "Angstrom", "energy": "hartree"},
        "protocol": protocol.id,
        "settings": protocol.settings,
    }
    write_text(path, json.dumps(entry, indent=1))


def _alone(name: str, fragment: Fragment) -> NMer:
    """Return a fragment as a molecule of its own, with no two atoms equivalent."""
    if fragment.natoms > len(ascii_uppercase):
        raise InputError(f"'{name}' has {fragment.natoms} atoms; a reference energy is computed for at most 26")
    plain = Fragment(name, fragment.symbols, fragment.positions, fragment.bonds, fragment.caps, fragment.charge)
    return NMer(name, (plain,), "".join(f"{letter}1" for letter in ascii_uppercase[: fragment.natoms]))
