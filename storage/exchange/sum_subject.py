"""The input of an exporter of sums: a molecule's sum over n-mers in vacuum, and geometries to check it at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from potentials.physics.model import PhysicsPotential
from potentials.pip.potential import Potential
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.placement import Placements
from potentials.systems.subset import Subset
from storage.exchange.physics_tables import PhysicsTables
from storage.exchange.references import References, round_off
from storage.exchange.subject import PotentialSubject, identifier_of
from storage.exchange.tables import Tables
from storage.exchange.text import check_elements, plain

COUNT = 20
"""Reference configurations of a sum."""

SHAKE = 0.1
"""Largest displacement of each coordinate, Angstrom."""

SEED = 7

MOST_POLARIZABLE = 200
"""Most polarizable atoms of a sum: the kernels solve for all dipoles at once, with a matrix on the stack."""


@dataclass(frozen=True, eq=False)
class Member:
    """An n-mer of a sum.

    Attributes
    ----------
    subject
        Its potential.
    tables
        The potential as arrays, with the caps of the occurrences.
    atoms
        (occurrences, atoms of the n-mer), the molecule's atoms; for a cap the atom outside whose bond was cut.
    """

    subject: PotentialSubject
    tables: Tables
    atoms: Ints


@dataclass(frozen=True, eq=False)
class SumSubject:
    """A sum to export.

    Attributes
    ----------
    model
        The sum.
    name
        A name for it.
    positions
        (atoms, 3), Angstrom, a geometry of the molecule.

    Raises
    ------
    InputError
        If the sum has something that the kernels cannot express: a cell, n-mers that are found by distance, other
        contributions than V_phys, too many polarizable atoms, potentials that are no PIPs.
    """

    model: ManyBodyPotential
    name: str
    positions: Floats

    def __post_init__(self) -> None:
        check_listed(self.model)
        if strange := [name for name, p in self.model.potentials.items() if not isinstance(p, Potential)]:
            raise InputError(f"the potentials of {', '.join(strange)} are no PIPs; allowed: PIPs and V_phys")
        _ = self.members, self.physics  # raises InputError

    @property
    def identifier(self) -> str:
        """A name that C and Python allow."""
        return identifier_of(self.name)

    @property
    def title(self) -> str:
        """One line that says what it is, fit for a comment of any language."""
        parameters = self.model.parameters
        below = "" if parameters is None else f", V_phys {parameters.name} {parameters.digest[:12]}"
        occurrences = sum(self.model.counts.values())
        return plain(
            f"{self.name}, a sum of {occurrences} occurrences of {len(self.members)} n-mers, "
            f"{len(self.model.symbols)} atoms{below}"
        )

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """The n-mers that occur."""
        found = []
        for name, places in self.model.placements.items():
            potential = self.model.potentials[name]
            assert isinstance(potential, Potential)
            check_elements(potential.nmer)
            caps, lengths = _caps(name, places)
            tables = replace(Tables.of(potential), cap_atoms=caps, cap_lengths=lengths)
            found.append(Member(PotentialSubject(potential, {}), tables, places.atoms))
        return tuple(found)

    @cached_property
    def physics(self) -> PhysicsTables | None:
        """V_phys of the whole, and of some of its atoms with a factor; None if there is none."""
        systems: list[tuple[Sequence[int], int, PhysicsPotential]] = []
        for one in self.model.physics:
            whole = one.contribution if isinstance(one, Subset) else one
            atoms = one.atoms if isinstance(one, Subset) else range(len(self.model.symbols))
            factor = one.factor if isinstance(one, Subset) else 1
            if not isinstance(whole, PhysicsPotential) or int(factor) != factor:
                raise InputError(f"the sum has a {type(whole).__name__}; allowed: n-mers, and V_phys in vacuum")
            systems.append((tuple(atoms), int(factor), whole))
        if not systems:
            return None
        tables = PhysicsTables.of_systems(len(self.model.symbols), systems)
        soft = int((tables.polarizability > 0).sum())
        if soft > MOST_POLARIZABLE:
            raise InputError(f"the sum has {soft} polarizable atoms; allowed in an export: {MOST_POLARIZABLE}")
        return tables

    @cached_property
    def references(self) -> References:
        """Reference values: the geometry, and displaced at random; the same geometry gives the same ones."""
        rng = np.random.default_rng(SEED)
        size = SHAKE * np.linspace(0.0, 1.0, COUNT)[:, None, None]
        positions = self.positions + size * rng.uniform(-1.0, 1.0, (COUNT, *self.positions.shape))
        found = self.model.evaluate(positions)
        allowed = 0.0 if self.physics is None else self.physics.round_off(positions)
        for name, places in self.model.placements.items():
            potential = self.model.potentials[name]
            assert isinstance(potential, Potential)
            geometries = places.positions(positions)
            allowed += geometries.shape[1] * round_off(potential, geometries.reshape(-1, *geometries.shape[2:]))
        return References(positions, found.energy, found.gradient, allowed)


def check_listed(model: ManyBodyPotential) -> None:
    """Raise InputError if a sum is periodic, or has n-mers that are found by distance."""
    what = "is periodic" if model.cell is not None else "has n-mers that are found by distance"
    if model.cell is not None or model.near is not None:
        raise InputError(f"the sum {what}; allowed: a molecule in vacuum whose n-mers are all listed")


def _caps(name: str, places: Placements) -> tuple[Ints, Floats]:
    """Return (caps, 2), each cap and its anchor in the n-mer, and (caps,), their lengths in Angstrom."""
    found = []
    for atoms, anchors, lengths in zip(places.atoms, places.anchors, places.lengths, strict=True):
        order = atoms.tolist()
        caps = np.flatnonzero(atoms != anchors)
        found.append([(int(cap), order.index(anchors[cap]), float(lengths[cap])) for cap in caps])
    if any(one != found[0] for one in found):
        raise InputError(f"the occurrences of n-mer {name} have different caps; allowed in an export: the same")
    caps = np.array([(cap, anchor) for cap, anchor, _ in found[0]], dtype=np.int64).reshape(-1, 2)
    return caps, np.array([length for _, _, length in found[0]], dtype=np.float64)
