"""The sum: a molecule's energy from the potentials of its n-mers, each evaluated where it occurs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from potentials.errors import InputError
from potentials.systems.placement import Placement, Placements

if TYPE_CHECKING:
    from potentials.pip.calculator import PotentialCalculator

Floats = NDArray[np.float64]


class Surface(Protocol):
    """What gives an energy and its gradient: an n-mer's potential, or a physics-based term of the whole."""

    def energy_and_gradient(self, positions: ArrayLike) -> tuple[float | Floats, Floats]:
        """Return the energy (kcal/mol) and the gradient (kcal/mol/Angstrom) of (n, atoms, 3) in Angstrom."""


class NMerSurface(Surface, Protocol):
    """A surface that knows its atoms."""

    @property
    def nmer(self) -> HasSymbols:
        """The n-mer."""


class HasSymbols(Protocol):
    """What the sum needs to know of an n-mer."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom."""


class ManyBodyPotential:
    """V = sum over the n-mers' occurrences of their n-body energies + physics-based terms of the whole.

    Caps are placed on the cut bonds, every n-mer is evaluated once for all its occurrences, and the forces on caps
    are carried over to the atoms at both ends of their bonds, exactly.

    Parameters
    ----------
    symbols
        Element of each of the molecule's atoms.
    placements
        Every occurrence of an n-mer, one with a water molecule among them.
    potentials
        The potential of each n-mer by its name.
    terms
        Energies of the whole molecule to be added: electrostatics, dispersion, repulsion.

    Raises
    ------
    InputError
        If a potential is missing, or one has other atoms than the places it is for.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        placements: Sequence[Placement],
        potentials: Mapping[str, NMerSurface],
        terms: Sequence[Surface] = (),
    ) -> None:
        names = list(dict.fromkeys(p.nmer for p in placements))
        missing = [name for name in names if name not in potentials]
        if missing:
            have = ", ".join(potentials) or "none"
            raise InputError(f"potentials are missing for the n-mers {', '.join(missing)}; given are: {have}")
        for placement in placements:
            _check_atoms(symbols, placement, potentials[placement.nmer].nmer.symbols)
        self.symbols = tuple(symbols)
        self.terms = tuple(terms)
        self.counts = {name: sum(p.nmer == name for p in placements) for name in names}
        """How often each n-mer occurs."""
        self._parts = [
            (name, potentials[name], Placements.of([p for p in placements if p.nmer == name])) for name in names
        ]

    def energy(self, positions: ArrayLike) -> float | Floats:
        """Return the energy.

        Parameters
        ----------
        positions
            (atoms, 3) or (n, atoms, 3), Angstrom.

        Returns
        -------
        A float, or (n,), kcal/mol.

        Raises
        ------
        InputError
            If the shape is another, or a coordinate is not finite.
        """
        return self.energy_and_gradient(positions)[0]

    def energy_and_gradient(self, positions: ArrayLike) -> tuple[float | Floats, Floats]:
        """Return the energy and its exact gradient.

        Parameters
        ----------
        positions
            (atoms, 3) or (n, atoms, 3), Angstrom.

        Returns
        -------
        energy, gradient
            A float or (n,) in kcal/mol; the shape of the positions in kcal/mol/Angstrom.

        Raises
        ------
        InputError
            If the shape is another, or a coordinate is not finite.
        """
        batch, single = self._batch(positions)
        energy, gradient = np.zeros(len(batch)), np.zeros_like(batch)
        for _, potential, placements in self._parts:
            places = placements.positions(batch)
            value, slope = potential.energy_and_gradient(places.reshape(-1, *places.shape[2:]))
            energy += np.asarray(value).reshape(places.shape[:2]).sum(axis=1)
            placements.add_on_atoms(batch, slope.reshape(places.shape), gradient)
        for term in self.terms:
            value, slope = term.energy_and_gradient(batch)
            energy += value
            gradient += slope
        return (float(energy[0]), gradient[0]) if single else (energy, gradient)

    def parts(self, positions: ArrayLike) -> dict[str, Floats]:
        """Return the n-body energies of each n-mer's occurrences, (n, occurrences), kcal/mol."""
        batch, _ = self._batch(positions)
        found = {}
        for name, potential, placements in self._parts:
            places = placements.positions(batch)
            value = potential.energy_and_gradient(places.reshape(-1, *places.shape[2:]))[0]
            found[name] = np.asarray(value).reshape(places.shape[:2])
        return found

    def calculator(self) -> PotentialCalculator:
        """Return an ASE calculator of this potential (eV, eV/Angstrom)."""
        from potentials.pip.calculator import PotentialCalculator

        return PotentialCalculator(self, self.symbols)

    def _batch(self, positions: ArrayLike) -> tuple[Floats, bool]:
        expected = (len(self.symbols), 3)
        batch = np.asarray(positions, dtype=np.float64)
        if batch.ndim not in (2, 3) or batch.shape[-2:] != expected:
            raise InputError(
                f"positions have shape {batch.shape}; allowed: {expected} or (n, {expected[0]}, 3) in Angstrom"
            )
        if not np.isfinite(batch).all():
            raise InputError("positions hold a number that is not finite")
        return batch.reshape(-1, *expected), batch.ndim == 2


def _check_atoms(symbols: Sequence[str], placement: Placement, wanted: Sequence[str]) -> None:
    found = [
        "H" if anchor >= 0 else symbols[a] for a, anchor in zip(placement.atoms, placement.anchors, strict=True)
    ]
    if list(wanted) != found:
        raise InputError(
            f"the potential of n-mer {placement.nmer} is for the atoms {' '.join(wanted)}; the molecule has "
            f"{' '.join(found)} there"
        )
