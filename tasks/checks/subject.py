"""What is checked: the sum of a family on its test molecules, or the sum of one system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from potentials.errors import InputError
from potentials.pip.potential import Potential
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.system import System
from recipes.chemistry.molecules import Molecule, read_molecule
from recipes.families import family as members_of
from storage.canonical import digest
from storage.store import Store
from tasks.sums.make import sum_potential

MOLECULES = {
    "polyalanine": ("AceAlaNme", "AceAla3Nme", "AceAla9Nme"),
    "polyalanine-water": ("AceAlaNme",),
    "water": ("water",),
}
"""Test molecules of each family, the smallest first."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A family or a system, and how to make sums of its potentials.

    Attributes
    ----------
    name
        Of the family, or of the system; a name that a store allows.
    store
        The store.
    family
        The family whose potentials are used; None: all.
    system
        The system with its geometry; None for a family.
    molecules
        Names of the test molecules of a family, the smallest first; empty for a system.
    water
        The model of water of a system, see `sum_potential`.
    use
        Potentials in place of the newest, by n-mer: references of the store, or potentials.
    threads
        Number of threads of an evaluation.
    """

    name: str
    store: Store
    family: str | None = None
    system: System | None = None
    molecules: tuple[str, ...] = ()
    water: str | None = None
    use: Mapping[str, Potential | str] = field(default_factory=dict)
    threads: int = 1

    @classmethod
    def of_family(cls, name: str, store: Store, molecules: Sequence[str] = (), **more: object) -> Subject:
        """Return the subject of a family; raises InputError if there is no such family."""
        members_of(name)
        return cls(name, store, name, None, tuple(molecules) or MOLECULES.get(name, ()), **more)  # type: ignore[arg-type]

    def sum_of(self, molecule: str | Molecule | System, water: str | None = None) -> ManyBodyPotential:
        """Return the sum of a molecule in vacuum, or of a system with a model of water.

        Raises
        ------
        InputError
            If potentials are missing, or do not fit.
        """
        whole = read_molecule(molecule) if isinstance(molecule, str) else molecule
        return sum_potential(
            whole,
            dict(self.use),
            family=self.family,
            water=water,
            store=self.store.path,
            newest=True,
            threads=self.threads,
        )

    def potentials(self) -> dict[str, Potential]:
        """Return every potential of the subject's sums by the name of its n-mer.

        Raises
        ------
        InputError
            If potentials are missing.
        """
        found: dict[str, Potential] = {}
        for molecule in self.molecules:
            found |= self.sum_of(molecule).potentials  # type: ignore[arg-type]
        if self.system is not None:
            found |= self.sum_of(self.system, self.water).potentials  # type: ignore[arg-type]
        if not found:
            raise InputError(f"{self.name} has no molecules; allowed: a family with test molecules, or a system")
        return found

    def key(self) -> str:
        """Return what identifies the potentials: the digest of the keys of their versions."""
        versions = {name: self.store.resolve(one.name).key for name, one in self.potentials().items()}
        return digest({"potentials": versions, "water": self.water})
