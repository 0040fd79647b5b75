"""The sum: a molecule's energy from the potentials of its n-mers, each evaluated where it occurs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Floats
from potentials.energy_function import EnergyFunction
from potentials.errors import InputError
from potentials.evaluation import Contribution, Evaluation, NMerContribution
from potentials.physics.model import PhysicsPotential
from potentials.physics.parameters import PhysicsParameters
from potentials.pip.potential import Potential
from potentials.systems.placement import Placement, Placements


class ManyBodyPotential(EnergyFunction):
    """V = sum over the n-mers' occurrences of their corrections + V_phys(whole).

    The correction of an n-mer is its n-body energy without V_phys' part; see `Potential.correction`. Caps are
    placed on the cut bonds, every n-mer is evaluated once for all its occurrences, and the gradients of caps are
    transferred exactly to the atoms at both ends of the cut bonds.

    Parameters
    ----------
    symbols
        Element of each of the molecule's atoms.
    placements
        Every occurrence of an n-mer, those with water included.
    potentials
        The potential of each n-mer by its name.
    physics
        Energies of the whole molecule to be added: V_phys, water.
    remarks
        Phrases on what the sum leaves out.
    onemers
        Names of the n-mers that are a single 1-mer: their V_phys is zero, so that it does not matter which V_phys
        they were fitted over, if any.

    Raises
    ------
    InputError
        If a potential is missing, its elements differ from those of an occurrence, or the potentials were fitted
        over different V_phys, or over one that is not among the `physics`.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        placements: Sequence[Placement],
        potentials: Mapping[str, NMerContribution],
        physics: Sequence[Contribution] = (),
        remarks: Sequence[str] = (),
        onemers: Collection[str] = (),
    ) -> None:
        names = list(dict.fromkeys(p.nmer for p in placements))
        missing = [name for name in names if name not in potentials]
        if missing:
            have = ", ".join(potentials) or "none"
            raise InputError(f"potentials are missing for the n-mers {', '.join(missing)}; given are: {have}")
        for placement in placements:
            _check_atoms(symbols, placement, potentials[placement.nmer].nmer.symbols)
        _check_physics({name: potentials[name] for name in names if name not in onemers}, physics)
        self._symbols = tuple(symbols)
        self.physics, self.remarks = tuple(physics), tuple(remarks)
        self.potentials = {name: potentials[name] for name in names}
        """The potential of each n-mer."""
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
    def parameters(self) -> PhysicsParameters | None:
        """The parameters of V_phys that is added; None if there is none."""
        return next((c.parameters for c in self.physics if isinstance(c, PhysicsPotential)), None)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each of the molecule's atoms."""
        return self._symbols

    def evaluate(self, positions: Floats) -> Evaluation:
        """Return energies, gradients and virials of (n, atoms, 3) in Angstrom; the shares are those of `parts`."""
        shares: dict[str, Floats] = {}
        gradient = np.zeros_like(positions)
        for name, potential, placements in self._members:
            places = placements.positions(positions)
            value, slope = _correction(potential, places.reshape(-1, *places.shape[2:]))
            shares[name] = np.asarray(value).reshape(places.shape[:2]).sum(axis=1)
            placements.add_on_atoms(positions, slope.reshape(places.shape), gradient)
        for contribution in self.physics:
            name = getattr(contribution, "share", type(contribution).__name__)
            if isinstance(contribution, PhysicsPotential):
                found = contribution.evaluate(positions)
                slope = found.gradient
                shares |= {f"V_phys {share}": energy for share, energy in found.shares.items()}
            else:
                value, slope = contribution.energy_and_gradient(positions)
                shares[name] = shares.get(name, 0.0) + np.asarray(value)
            gradient += slope
        energy = np.sum([np.zeros(len(positions)), *shares.values()], axis=0)
        return Evaluation(energy, gradient, shares, np.einsum("nai,naj->nij", gradient, positions))

    def parts(self, positions: ArrayLike) -> dict[str, Floats]:
        """Return each contribution to the energy, (n,), kcal/mol: they add up to it.

        The name of an n-mer stands for the corrections of all its occurrences, ``V_phys dispersion`` and the like
        for what V_phys of the whole adds.
        """
        return dict(self.evaluate(self.as_batch(positions)[0]).shares)

    def energies(self, positions: ArrayLike) -> dict[str, Floats]:
        """Return the corrections of each n-mer's occurrences, (n, occurrences), kcal/mol."""
        batch, _ = self.as_batch(positions)
        found = {}
        for name, potential, placements in self._members:
            places = placements.positions(batch)
            value = _correction(potential, places.reshape(-1, *places.shape[2:]))[0]
            found[name] = np.asarray(value).reshape(places.shape[:2])
        return found


def _correction(potential: NMerContribution, positions: Floats) -> tuple[float | Floats, Floats]:
    if not isinstance(potential, Potential):
        return potential.energy_and_gradient(positions)
    found = potential.correction(positions)
    return found.energy, found.gradient


def _check_physics(potentials: Mapping[str, NMerContribution], physics: Sequence[Contribution]) -> None:
    """Raise InputError unless all potentials were fitted over the V_phys that is added, or over none."""
    over: dict[str, list[str]] = {}
    for name, potential in potentials.items():
        over.setdefault(getattr(potential, "physics_digest", ""), []).append(name)
    added = [c.parameters.digest for c in physics if isinstance(c, PhysicsPotential)]
    if len(over) > 1:
        told = "; ".join(f"{', '.join(n)} over {d[:12] or 'none'}" for d, n in over.items())
        raise InputError(f"potentials that were fitted over different V_phys cannot be added up: {told}")
    for digest, names in over.items():
        if added != ([digest] if digest else []):
            given = ", ".join(d[:12] for d in added) or "none"
            raise InputError(
                f"the potentials of {', '.join(names)} were fitted over V_phys {digest[:12] or 'none'}, which is "
                f"what must be added for the whole molecule; given is {given}"
            )


def _check_atoms(symbols: Sequence[str], placement: Placement, wanted: Sequence[str]) -> None:
    found = [
        "H" if anchor >= 0 else symbols[a] for a, anchor in zip(placement.atoms, placement.anchors, strict=True)
    ]
    if list(wanted) != found:
        raise InputError(
            f"the potential of n-mer {placement.nmer} is for the atoms {' '.join(wanted)}; the molecule has "
            f"{' '.join(found)} there"
        )
