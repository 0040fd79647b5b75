"""References of checks: GFN2-xTB with gradients, and single points by any named protocol of the label engines.

An energy by a protocol is a label like any other: it is in the ledger of the store under the protocol and the
geometry, and is not computed twice. GFN2-xTB takes milliseconds and is computed where it is needed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Protocol as Interface

import numpy as np
from threadpoolctl import threadpool_limits

from potentials.arrays import Floats
from potentials.errors import InputError, StageError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.protocols import find_protocol, protocols
from recipes.schema.labelling import Labelling
from storage.configuration import configuration_ids
from storage.store import Store
from tasks.checks.interface import Told, nobody
from tasks.labelling.calibrate import expected_cost_in
from tasks.labelling.execution.runner import Limits
from tasks.labelling.protocol import check_labelling, protocol_of
from tasks.xtb import Xtb, check_tblite

Surface = Callable[[Floats], tuple[float, Floats]]
"""(atoms, 3) in Angstrom -> energy in kcal/mol and gradient (atoms, 3) in kcal/mol/Angstrom."""

CHEAP = "gfn2-xtb"
"""The protocol with gradients."""

LIMITS = Limits(timeout=86_400.0, memory=16.0)
"""Of one single point: wall time (s) and memory (GiB)."""


UNKNOWN = 100.0
"""Expected time of a single point of unknown cost, s: DF-MP2/def2-TZVP takes 70 s for alanine dipeptide."""


class Atoms(Interface):
    """What is needed of a molecule or a system."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom."""

    @property
    def bonds(self) -> tuple[tuple[int, int], ...]:
        """Pairs of atoms."""


@dataclass(frozen=True)
class Reference:
    """A level of theory that a sum is compared with.

    Attributes
    ----------
    protocol
        Its name among the named protocols.
    labelling
        Its labelling section.
    store
        The store in whose ledger single points are kept; None: they are not kept.
    """

    protocol: str
    labelling: Labelling
    store: Store | None = None

    @property
    def name(self) -> str:
        """The usual name of the level, for plots and tables."""
        return self.labelling.level

    @property
    def has_gradients(self) -> bool:
        """Whether geometries can be relaxed with it."""
        return self.protocol == CHEAP

    def surface(self, molecule: Atoms) -> Surface:
        """Return the molecule's energy with its gradient, as a function of its geometry.

        Each energy starts from the density of the one before; it raises StageError where the density does not
        become self-consistent.

        Raises
        ------
        InputError
            If the reference has no gradients, tblite is missing, or it has no parameters for an element.
        """
        if not self.has_gradients:
            raise InputError(f"reference '{self.protocol}' gives energies alone; allowed for gradients: {CHEAP}")
        apart = np.arange(len(molecule.symbols))[:, None] * np.array([2.0, 0.0, 0.0])  # any geometry that exists
        xtb = Xtb(whole(molecule, apart))

        def found(x: Floats) -> tuple[float, Floats]:
            try:
                with threadpool_limits(limits=1):  # more threads than one make a small molecule slower
                    energy, forces = xtb(x)
            except RuntimeError as error:
                raise StageError(f"{self.name} of a geometry did not converge: {error}") from None
            return energy, -forces

        return found

    def energies(self, molecule: Atoms, positions: Floats, told: Told = nobody) -> Floats:
        """Return total energies, (m,), kcal/mol; nan where a calculation failed.

        Parameters
        ----------
        molecule
            Its atoms.
        positions
            (m, atoms, 3), Angstrom.
        told
            Called with the number of energies computed, and of all.

        Raises
        ------
        InputError
            If the program is missing or cannot compute the molecule, or another process holds the ledger.
        StageError, OSError
            If the disk is full.
        """
        positions = np.asarray(positions, dtype=np.float64)
        if not len(positions):
            return np.empty(0)
        if self.has_gradients:
            return self._cheap(molecule, positions, told)
        with ExitStack() as stack:
            if self.store is None:
                folder = (
                    Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nmer-reference-"))) / "labels"
                )
            else:
                folder = self.store.labels
            return self._labels(molecule, positions, folder, told)

    def missing(self, molecule: Atoms, positions: Floats) -> int:
        """Return how many single points of geometries the store does not have; failed ones count as present."""
        if self.has_gradients or self.store is None:
            return len(positions)
        from tasks.labelling.here import missing_labels  # dask, which takes long to import

        protocol = protocol_of(whole(molecule, positions[0]), self.labelling)
        return missing_labels(protocol, positions, LIMITS, self.store.labels)

    def seconds(self, molecule: Atoms, count: int) -> float:
        """Return the expected time of single points on one core, s.

        It is measured on labels of the store that are alike. Otherwise it is that of a formula for n-mers, which
        is up to seven times too low for 22 atoms, or `UNKNOWN` where there is no formula.
        """
        if self.has_gradients:
            return count * 0.008 * max(1.0, (len(molecule.symbols) / 22) ** 2)
        first = np.zeros((len(molecule.symbols), 3))
        folder = self.store.labels if self.store is not None else Path()
        cost = expected_cost_in(folder, whole(molecule, first), self.labelling)
        return count * (UNKNOWN if cost is None else cost.cpu_seconds)

    def check(self, molecule: Atoms) -> None:
        """Raise InputError if the program is missing, or cannot compute the molecule."""
        if self.has_gradients:
            check_tblite()
        check_labelling(whole(molecule, np.zeros((len(molecule.symbols), 3))), self.labelling)

    def _cheap(self, molecule: Atoms, positions: Floats, told: Told) -> Floats:
        surface, found = self.surface(molecule), np.full(len(positions), np.nan)
        for n, x in enumerate(positions):
            try:
                found[n] = surface(x)[0]
            except StageError:  # the density does not become self-consistent: said by nan
                surface = self.surface(molecule)
            told(n + 1, len(positions))
        return found

    def _labels(self, molecule: Atoms, positions: Floats, folder: Path, told: Told) -> Floats:
        """Return the energies from the ledger of a folder, after those that it lacks have been computed."""
        from tasks.labelling.here import label_here, missing_labels  # dask, which takes long to import

        nmer = whole(molecule, positions[0])
        protocol, count = protocol_of(nmer, self.labelling), len(set(configuration_ids(nmer, positions)))
        done = count - missing_labels(protocol, positions, LIMITS, folder)

        def more(fresh: int) -> None:
            nonlocal done
            done += fresh
            told(done, count)

        more(0)
        return np.asarray(
            label_here(protocol, positions, LIMITS, folder, folder.parent / "scratch" / "labels", more).energy
        )


def reference(name: str = CHEAP, store: Store | None = None) -> Reference:
    """Return a reference by the name of a protocol.

    Parameters
    ----------
    name
        Of a named protocol; see ``nmer protocols``.
    store
        The store in whose ledger single points are kept.

    Raises
    ------
    InputError
        If there is no protocol of that name.
    """
    return Reference(name, find_protocol(name), store)


def reference_name(name: str) -> str:
    """Return the name of a protocol as it is; raises ValueError, for use in options, if there is none."""
    if name not in protocols():
        raise ValueError(f"'{name}' is not a named protocol; allowed: {', '.join(protocols())}")
    return name


def own_error(cheap: str, reference: str, measure: str, error: float) -> str:
    """Return a note on how far the level of the geometries is itself from another reference.

    Parameters
    ----------
    cheap, reference
        The usual names of the levels.
    measure
        What the error is: ``RMSD``.
    error
        kcal/mol, at the geometries of the check.
    """
    return (
        f"{cheap} itself has a {measure} of {error:.2f} kcal/mol from {reference} at these geometries: a sum of "
        f"potentials with labels of {cheap} is not to be expected to be nearer"
    )


def whole(molecule: Atoms, positions: Floats | Sequence[Sequence[float]]) -> NMer:
    """Return a molecule, or all atoms of a system, as one n-mer that is not divided.

    Parameters
    ----------
    molecule
        Its atoms, bonds, and charge if it has one.
    positions
        (atoms, 3), Angstrom.
    """
    first = tuple((float(x), float(y), float(z)) for x, y, z in positions)
    charge, name = int(getattr(molecule, "charge", 0)), str(getattr(molecule, "name", "")) or "molecule"
    bonds = tuple((int(i), int(j)) for i, j in molecule.bonds)
    symmetry = "".join(f"{ascii_uppercase[a % 26]}1" for a in range(len(first)))  # energies do not depend on it
    return NMer(name, (Fragment(name, tuple(molecule.symbols), first, bonds, charge=charge),), symmetry)
