"""The sum: a molecule's energy from the potentials of its n-mers, each evaluated where it occurs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Floats
from potentials.energy_function import EnergyFunction
from potentials.errors import InputError
from potentials.evaluation import Contribution, Evaluation, NMerContribution
from potentials.systems.placement import Placement, Placements


class ManyBodyPotential(EnergyFunction):
    """V = sum over the n-mers' occurrences of their n-body energies + V_phys(whole).

    Caps are placed on the cut bonds, every n-mer is evaluated once for all its occurrences, and the gradients of
    caps are transferred exactly to the atoms at both ends of the cut bonds.

    Parameters
    ----------
    symbols
        Element of each of the molecule's atoms.
    placements
        Every occurrence of an n-mer, those with water included.
    potentials
        The potential of each n-mer by its name.
    physics
        Energies of the whole molecule to be added: electrostatics, dispersion, repulsion.

    Raises
    ------
    InputError
        If a potential is missing, or its elements differ from those of an occurrence.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        placements: Sequence[Placement],
        potentials: Mapping[str, NMerContribution],
        physics: Sequence[Contribution] = (),
    ) -> None:
        names = list(dict.fromkeys(p.nmer for p in placements))
        missing = [name for name in names if name not in potentials]
        if missing:
            have = ", ".join(potentials) or "none"
            raise InputError(f"potentials are missing for the n-mers {', '.join(missing)}; given are: {have}")
        for placement in placements:
            _check_atoms(symbols, placement, potentials[placement.nmer].nmer.symbols)
        self._symbols = tuple(symbols)
        self.physics = tuple(physics)
        self.counts = {name: sum(p.nmer == name for p in placements) for name in names}
        """How often each n-mer occurs."""
        self._members = [
            (name, potentials[name], Placements.of([p for p in placements if p.nmer == name])) for name in names
        ]

    def __repr__(self) -> str:
        """Return three lines: the atoms, how often each n-mer occurs, the potentials and their status."""
        occurrences = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        known = [
            f"{name}: {getattr(potential, 'name', '') or type(potential).__name__}"
            + (f" ({potential.status})" if hasattr(potential, "status") else "")
            for name, potential, _ in self._members
        ]
        physics = [type(contribution).__name__ for contribution in self.physics]
        return (
            f"{type(self).__name__} of {len(self.symbols)} atoms, {sum(self.counts.values())} occurrences of "
            f"{len(self.counts)} n-mers\n  {occurrences}\n  {'; '.join([*known, *physics])}"
        )

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each of the molecule's atoms."""
        return self._symbols

    def evaluate(self, positions: Floats) -> Evaluation:
        """Return the energies and gradients of (n, atoms, 3) in Angstrom."""
        energy, gradient = np.zeros(len(positions)), np.zeros_like(positions)
        for _, potential, placements in self._members:
            places = placements.positions(positions)
            value, slope = potential.energy_and_gradient(places.reshape(-1, *places.shape[2:]))
            energy += np.asarray(value).reshape(places.shape[:2]).sum(axis=1)
            placements.add_on_atoms(positions, slope.reshape(places.shape), gradient)
        for contribution in self.physics:
            value, slope = contribution.energy_and_gradient(positions)
            energy += value
            gradient += slope
        return Evaluation(energy, gradient)

    def energies(self, positions: ArrayLike) -> dict[str, Floats]:
        """Return the n-body energies of each n-mer's occurrences, (n, occurrences), kcal/mol."""
        batch, _ = self.as_batch(positions)
        found = {}
        for name, potential, placements in self._members:
            places = placements.positions(batch)
            value = potential.energy_and_gradient(places.reshape(-1, *places.shape[2:]))[0]
            found[name] = np.asarray(value).reshape(places.shape[:2])
        return found


def _check_atoms(symbols: Sequence[str], placement: Placement, wanted: Sequence[str]) -> None:
    found = [
        "H" if anchor >= 0 else symbols[a] for a, anchor in zip(placement.atoms, placement.anchors, strict=True)
    ]
    if list(wanted) != found:
        raise InputError(
            f"the potential of n-mer {placement.nmer} is for the atoms {' '.join(wanted)}; the molecule has "
            f"{' '.join(found)} there"
        )
