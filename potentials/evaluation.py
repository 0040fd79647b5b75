"""The result of an evaluation, and the interfaces that the sum and the calculator require of a potential."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Floats
from potentials.errors import InputError


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Energies of several configurations with their gradients.

    Attributes
    ----------
    energy
        (n,), kcal/mol.
    gradient
        (n, atoms, 3), kcal/mol/Angstrom.
    shares
        Named contributions to the energy, such as ``cap_energy``; (n,), kcal/mol.
    virial
        (n, 3, 3), the derivative of the energy with respect to a strain of all positions (and of the cell, if
        there is one), kcal/mol: sum over atoms of gradient x position where nothing is periodic. None: not
        computed.
    """

    energy: Floats
    gradient: Floats
    shares: Mapping[str, Floats] = field(default_factory=dict)
    virial: Floats | None = None


def together(found: Sequence[Evaluation], shape: tuple[int, ...]) -> Evaluation:
    """Return the evaluations of several configurations, one after the other, as one; `shape` is the positions'."""
    if not found:
        return Evaluation(np.empty(0), np.empty(shape), {}, np.empty((0, 3, 3)))
    names = list(dict.fromkeys(name for one in found for name in one.shares))
    virials = [one.virial for one in found if one.virial is not None]
    return Evaluation(
        np.concatenate([one.energy for one in found]),
        np.concatenate([one.gradient for one in found]),
        {n: np.concatenate([one.shares.get(n, np.zeros(len(one.energy))) for one in found]) for n in names},
        np.concatenate(virials) if len(virials) == len(found) else None,
    )


def evaluated(contribution: Any, positions: Floats, cells: Floats) -> Evaluation:
    """Return a contribution's energies of (m, atoms, 3) in Angstrom with their virials.

    Parameters
    ----------
    contribution
        An energy function, or anything with ``energy_and_gradient``.
    cells
        (m, 3, 3), the cell's vectors, Angstrom; (0, 3, 3) in vacuum.

    Raises
    ------
    InputError
        If there is a cell and the contribution has no virial, so that it knows nothing of cells.
    """
    if len(cells):
        found = contribution.evaluate(positions, cells) if hasattr(contribution, "evaluate") else None
        if found is None or found.virial is None:
            raise InputError(
                f"{type(contribution).__name__} is an energy in vacuum; allowed in a cell: one with a cell"
            )
        return cast(Evaluation, found)
    if hasattr(contribution, "evaluate"):
        found = contribution.evaluate(positions)
        if found.virial is not None:
            return cast(Evaluation, found)
        energy, gradient, shares = found.energy, found.gradient, found.shares
    else:
        energy, gradient = contribution.energy_and_gradient(positions)
        shares = {}
    return Evaluation(np.asarray(energy), gradient, shares, np.einsum("nai,naj->nij", gradient, positions))


class Contribution(Protocol):
    """An energy of given atoms with its gradient: what the sum requires of a contribution."""

    def energy_and_gradient(self, positions: ArrayLike) -> tuple[float | Floats, Floats]:
        """Return the energy (kcal/mol) and the gradient (kcal/mol/Angstrom) of (n, atoms, 3) in Angstrom."""


class NamedAtoms(Protocol):
    """Anything with known elements, such as an n-mer."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom."""


class NMerContribution(Contribution, Protocol):
    """The energy of an n-mer."""

    @property
    def nmer(self) -> NamedAtoms:
        """The n-mer."""


class Evaluable(Protocol):
    """What the calculator requires."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom."""

    def evaluate(self, positions: Floats) -> Evaluation:
        """Return the energies and gradients of (n, atoms, 3) in Angstrom."""
