"""How far a sum can be trusted at given positions: its uncertainty, and where its potentials extrapolate.

**Uncertainty.** A potential's ensemble has members m, each with other coefficients of the same terms. With them
the energy of n-mer p at a geometry x differs by d(p, m, x). The coefficients are the same wherever the n-mer
occurs, so the deviations at its occurrences o add up with their signs. Different n-mers are fitted to different
labels, and their deviations are taken as independent:

    u^2 = sum over n-mers p of  mean over members m of  (sum over occurrences o of p of  d(p, m, x_o))^2

The uncertainty of many alike occurrences of one n-mer thus grows with their number, not with its square root. It
is that of the fits: the errors of labels and of V_phys, and n-mers that are left out, are not in it.

**Range.** A sum extrapolates where a potential does at an occurrence of its n-mer that is switched on.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Bools, Floats, Ints
from potentials.energy_function import EnergyFunction
from potentials.errors import InputError
from potentials.evaluation import NMerContribution
from potentials.pip.potential import Potential
from potentials.pip.ranges import MARGIN
from potentials.systems.placement import Placements

NO_ENSEMBLE = "have no ensemble of coefficients; set fitting.ensemble and fit them again"
NO_RANGE = "do not have the range of their training data; fit them again"


@dataclass(frozen=True, eq=False)
class Occurrences:
    """All occurrences of one n-mer in some configurations of a system.

    Attributes
    ----------
    nmer
        Name of the n-mer.
    potential
        Its potential.
    geometries
        (occurrences, atoms of the n-mer, 3), caps in place, Angstrom.
    configuration
        (occurrences,), the configuration each is in.
    atoms
        (occurrences, atoms of the n-mer), the system's atoms; for a cap, the atom in its place.
    caps
        (occurrences, atoms of the n-mer), which of them are caps.
    """

    nmer: str
    potential: NMerContribution
    geometries: Floats
    configuration: Ints
    atoms: Ints
    caps: Bools

    @classmethod
    def of(
        cls,
        nmer: str,
        potential: NMerContribution,
        placements: Placements,
        shifts: Floats | None,
        positions: Floats,
        configuration: int,
    ) -> Occurrences:
        """Return those in one configuration.

        Parameters
        ----------
        nmer, potential, placements
            The n-mer, and where it occurs.
        shifts
            (occurrences, atoms of the n-mer, 3), lattice vectors that bring bodies together, Angstrom, or None.
        positions
            (atoms of the system, 3), Angstrom.
        configuration
            Its number.
        """
        geometries = placements.positions(positions[None])[0]
        return cls(
            nmer,
            potential,
            geometries if shifts is None else geometries + shifts,
            np.full(len(geometries), configuration),
            placements.atoms,
            placements.caps,
        )

    @classmethod
    def together(cls, parts: Sequence[Occurrences]) -> Occurrences:
        """Return those of one n-mer in several configurations."""
        names = ("geometries", "configuration", "atoms", "caps")
        joined = (np.concatenate([getattr(one, name) for one in parts]) for name in names)
        return cls(parts[0].nmer, parts[0].potential, *joined)


@dataclass(frozen=True)
class Extrapolation:
    """An occurrence of an n-mer that is outside of the training data of its potential.

    Attributes
    ----------
    configuration
        Its number among the positions given.
    nmer
        Name of the n-mer.
    atoms
        The system's atoms in it, without caps, counted from 0.
    pairs
        The system's atoms whose distances are farthest outside; in place of a cap, the atom beyond the cut bond.
    mean
        Mean of these distances, Angstrom; of one pair its distance.
    limit
        The lowest of the training data if it is too short, else the highest, Angstrom.
    """

    configuration: int
    nmer: str
    atoms: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    mean: float
    limit: float

    def __str__(self) -> str:
        """Return a sentence."""
        pairs = ", ".join(f"{i}-{j}" for i, j in self.pairs)
        what = f"distance of atoms {pairs}" if len(self.pairs) == 1 else f"mean distance of atoms {pairs}"
        side = "lowest" if self.mean < self.limit else "highest"
        return (
            f"configuration {self.configuration}, {self.nmer} at atoms {' '.join(map(str, self.atoms))}: "
            f"the {what} is {self.mean:.2f} A; the {side} of the training data is {self.limit:.2f} A"
        )


def uncertainties(occurrences: Sequence[Occurrences], configurations: int) -> dict[str, Floats]:
    """Return the uncertainty of each n-mer's part of the energy; see the module.

    Parameters
    ----------
    occurrences
        Those of each n-mer.
    configurations
        How many configurations there are.

    Returns
    -------
    (configurations,) each, kcal/mol. Their squares add up to that of the sum.

    Raises
    ------
    InputError
        If potentials have no ensemble; all are named.
    """
    found = {}
    for of, potential in _known(occurrences, "ensemble", NO_ENSEMBLE):
        off = potential.deviations(of.geometries)
        total = np.zeros((configurations, off.shape[1]))
        np.add.at(total, of.configuration, off)
        found[of.nmer] = np.sqrt(np.mean(np.square(total), axis=1))
    return found


def extrapolates(occurrences: Sequence[Occurrences], configurations: int, margin: float = MARGIN) -> Bools:
    """Return whether a potential extrapolates anywhere in each configuration, (configurations,).

    Parameters
    ----------
    occurrences
        Those of each n-mer.
    configurations
        How many configurations there are.
    margin
        See `potentials.pip.ranges`.

    Raises
    ------
    InputError
        If potentials do not have the range of their training data; all are named.
    """
    outside = np.zeros(configurations, dtype=np.bool_)
    for of, potential in _known(occurrences, "ranges", NO_RANGE):
        flagged = potential.training.extrapolates(of.geometries, margin)
        outside[of.configuration[flagged]] = True
    return outside


def extrapolations(occurrences: Sequence[Occurrences], margin: float = MARGIN) -> tuple[Extrapolation, ...]:
    """Return every occurrence at which a potential extrapolates, configuration after configuration.

    The arguments and errors are those of `extrapolates`.
    """
    found = []
    for of, potential in _known(occurrences, "ranges", NO_RANGE):
        for row, outside in enumerate(potential.training.farthest(of.geometries, margin)):
            if outside is not None:
                atoms = of.atoms[row]
                found.append(
                    Extrapolation(
                        int(of.configuration[row]),
                        of.nmer,
                        tuple(int(atom) for atom in atoms[~of.caps[row]]),
                        tuple((int(atoms[i]), int(atoms[j])) for i, j in outside.pairs),
                        outside.mean,
                        outside.limit,
                    )
                )
    return tuple(sorted(found, key=lambda one: one.configuration))


def _known(occurrences: Sequence[Occurrences], what: str, lack: str) -> list[tuple[Occurrences, Potential]]:
    """Return the occurrences with their potentials; raises InputError that names those without an attribute."""
    known, lacking = [], []
    for of in occurrences:
        if isinstance(of.potential, Potential) and getattr(of.potential, what) is not None:
            known.append((of, of.potential))
        else:
            lacking.append(of.nmer)
    if lacking:
        raise InputError(f"the potentials of {', '.join(lacking)} {lack}")
    return known


class TrustedEnergy(EnergyFunction):
    """An energy that is the sum of potentials, and can tell its uncertainty and where it extrapolates."""

    @abstractmethod
    def occurrences(self, positions: Floats, vectors: Floats | None = None) -> list[Occurrences]:
        """Return the geometries of all occurrences in configurations (m, atoms, 3), one entry an n-mer."""

    def uncertainty(self, positions: ArrayLike, vectors: Floats | None = None) -> float | Floats:
        """Return the uncertainty of the sum by the ensembles of its potentials, whose formula the module has.

        Parameters
        ----------
        positions
            (atoms, 3) or (n, atoms, 3), Angstrom.
        vectors
            (3, 3) or (n, 3, 3), the cell's vectors in place of those of the sum, Angstrom.

        Returns
        -------
        A float, or (n,), kcal/mol: the root of the sum of the squares of `uncertainties`.

        Raises
        ------
        InputError
            If a potential has no ensemble, or the positions are not valid for `energy`.
        """
        batch, single = self.as_batch(positions)
        shares = uncertainties(self.occurrences(batch, vectors), len(batch)).values()
        total = np.sqrt(np.sum([np.zeros(len(batch)), *map(np.square, shares)], axis=0))
        return float(total[0]) if single else total

    def uncertainties(self, positions: ArrayLike, vectors: Floats | None = None) -> dict[str, Floats]:
        """Return the uncertainty of each n-mer's part, (n,), kcal/mol; see `uncertainty`."""
        batch, _ = self.as_batch(positions)
        return uncertainties(self.occurrences(batch, vectors), len(batch))

    def extrapolates(
        self, positions: ArrayLike, margin: float = MARGIN, vectors: Floats | None = None
    ) -> bool | Bools:
        """Return whether a potential extrapolates at an occurrence of its n-mer; see `Potential.extrapolates`.

        Parameters
        ----------
        positions
            (atoms, 3) or (n, atoms, 3), Angstrom.
        margin
            See `potentials.pip.ranges`.
        vectors
            See `uncertainty`.

        Returns
        -------
        A bool, or (n,).

        Raises
        ------
        InputError
            If a potential does not have the range of its training data, or the positions are not valid.
        """
        batch, single = self.as_batch(positions)
        outside = extrapolates(self.occurrences(batch, vectors), len(batch), margin)
        return bool(outside[0]) if single else outside

    def extrapolations(
        self, positions: ArrayLike, margin: float = MARGIN, vectors: Floats | None = None
    ) -> tuple[Extrapolation, ...]:
        """Return where `extrapolates` finds an occurrence outside: its configuration, atoms, and distances."""
        return extrapolations(self.occurrences(self.as_batch(positions)[0], vectors), margin)
