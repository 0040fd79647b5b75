"""The result of an evaluation, and the interfaces that the sum and the calculator require of a potential."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from numpy.typing import ArrayLike

from potentials.arrays import Floats


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
