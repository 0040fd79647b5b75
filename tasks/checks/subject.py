"""What is checked: the sum of a family on its test molecules, or the sum of one system."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from potentials.errors import InputError
from potentials.pip.potential import Potential
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.system import System
from recipes.chemistry.molecules import Molecule, read_molecule
from recipes.chemistry.solvation import solvate
from recipes.chemistry.systems import read_system
from recipes.families import FAMILIES, TRIALS, Solvated, Trial
from recipes.families import family as members_of
from storage.canonical import digest
from storage.store import Store
from storage.version import Version
from tasks.checks.status import SumStatus, fingerprint, status_of_sum
from tasks.sums.make import sum_potential
from tasks.sums.versions import versions_of


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
        The system with its geometry: the one that is checked, or the test system of a family with water; None for
        another family.
    molecules
        Names of the test molecules of a family, the smallest first; empty for a system.
    water
        The model of water of the system, see `sum_potential`.
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
    def of_family(cls, name: str, store: Store, molecules: Sequence[str] = (), **more: Any) -> Subject:
        """Return the subject of a family, on its own test molecules and test system unless others are given.

        Parameters
        ----------
        name
            Of the family.
        store
            The store.
        molecules
            Names of molecules in place of the family's own, as `read_molecule` takes them.
        more
            Other attributes: ``water``, ``use``, ``threads``.

        Raises
        ------
        InputError
            If there is no such family, a molecule cannot be read, or packmol is missing that makes a system.
        """
        members_of(name)
        trial = TRIALS.get(name, Trial())
        for molecule in molecules:
            read_molecule(molecule)
        if trial.solvated is not None:
            more = {"system": solvated(trial.solvated)} | more
            more["water"] = more.get("water") or trial.solvated.water
        return cls(name, store, name, molecules=tuple(molecules) or trial.molecules, **more)

    @classmethod
    def of_system(cls, system: System, store: Store, **more: Any) -> Subject:
        """Return the subject of a system; `more`: its attributes, ``water``, ``family``, ``use``, ``threads``."""
        return cls(name_of(system), store, system=system, **more)

    @property
    def trial(self) -> Trial:
        """What the family is tested on by default; nothing for a system."""
        return TRIALS.get(self.name, Trial()) if self.name == self.family else Trial()

    @property
    def whole(self) -> bool:
        """Whether it is a family with all of its test molecules."""
        return self.name == self.family and set(self.trial.molecules) <= set(self.molecules)

    def sum_of(self, molecule: str | Molecule | System, water: str | None = None) -> ManyBodyPotential:
        """Return the sum of a molecule in vacuum, or of a system with a model of water.

        Parameters
        ----------
        molecule
            A name as `read_molecule` takes it, that of the system, a molecule, or a system.
        water
            The model of the waters of a system; by default that of the subject.

        Raises
        ------
        InputError
            If potentials are missing, or do not fit.
        """
        if self.system is not None and molecule == self.system.name:
            molecule = self.system
        whole = read_molecule(molecule) if isinstance(molecule, str) else molecule
        return sum_potential(
            whole,
            dict(self.use),
            family=self.trial.base or self.family,
            water=(water or self.water) if isinstance(whole, System) else water,
            store=self.store.path,
            newest=True,
            threads=self.threads,
        )

    def systems(self) -> dict[str, System]:
        """Return every test molecule and the system, with a geometry to start from, by name.

        A molecule has one of distance geometry and MMFF94, see `recipes.chemistry.systems.read_system`.
        """
        found = {molecule: read_system(molecule) for molecule in self.molecules}
        return found if self.system is None else found | {self.system.name: self.system}

    def potentials(self) -> dict[str, Potential]:
        """Return every potential of the subject's sums by the name of its n-mer.

        Raises
        ------
        InputError
            If potentials are missing.
        """
        return dict(self._potentials)

    @cached_property
    def _sums(self) -> dict[str, ManyBodyPotential]:
        found: dict[str, ManyBodyPotential] = {}
        loaded: dict[str, Any] = dict(self.use)
        tested: list[str | System] = [*self.molecules, *([self.system] if self.system is not None else [])]
        for one in tested:
            model = replace(self, use=loaded).sum_of(one)
            loaded |= model.potentials
            found[one if isinstance(one, str) else one.name] = model
        if not found:
            raise InputError(f"{self.name} has no molecules; allowed: a family with test molecules, or a system")
        return found

    @cached_property
    def _potentials(self) -> dict[str, Potential]:
        found: dict[str, Any] = {}
        for model in self._sums.values():
            found |= model.potentials
        return found

    def fingerprints(self) -> list[dict[str, Any]]:
        """Return what tells the sums that are tested from others, see `tasks.checks.status.fingerprint`."""
        return [fingerprint(model) for model in self._sums.values()]

    def versions(self) -> dict[str, Version]:
        """Return the version of each potential by the name of its n-mer.

        Raises
        ------
        InputError
            If potentials are missing, or one is not a version of the store.
        """
        return dict(self._versions)

    @cached_property
    def _versions(self) -> dict[str, Version]:
        return versions_of(self.potentials(), self.store)

    def status(self) -> SumStatus:
        """Return whether its sums are released; the first that is not, if there is one."""
        found = [status_of_sum(model, self.store) for model in self._sums.values()]
        return next((one for one in found if one.status != "released"), found[0])

    def pinned(self) -> Subject:
        """Return the same with the potentials that are the newest now, loaded once."""
        return replace(self, use=self.potentials())

    def key(self) -> str:
        """Return what identifies the sums: the digest of the potentials' keys, molecules, system, and water."""
        return digest(self.identity())

    def identity(self) -> dict[str, Any]:
        """Return the content of `key` as plain values: potentials, molecules, system, and water."""
        found: dict[str, Any] = {
            "potentials": {name: version.key for name, version in self.versions().items()},
            "molecules": list(self.molecules),
            "water": self.water,
            "system": None,
        }
        if self.system is not None:
            found["system"] = digest(
                {
                    "symbols": list(self.system.symbols),
                    "bonds": [list(bond) for bond in self.system.bonds],
                    "positions": self.system.positions.tolist(),
                    "cell": None if self.system.vectors is None else self.system.vectors.tolist(),
                }
            )
        return found


def solvated(wanted: Solvated) -> System:
    """Return a test system with water; raises MissingProgramError if packmol is missing."""
    solute = read_system(wanted.molecule, seed=wanted.seed) if wanted.molecule else None
    return solvate(solute, wanted.waters, seed=wanted.seed)


def name_of(system: System) -> str:
    """Return the name of a system as a store allows it; a SMILES gets some digits of its digest.

    A family's name is not given to a system.
    """
    plain = re.sub(r"\.(pdb|xyz|mol|sdf)$", "", system.name, flags=re.IGNORECASE)
    name = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:80] or "system"
    if not re.fullmatch(r"[A-Za-z0-9 ._-]+", plain):
        name = f"{name}-{digest([list(system.symbols), [list(bond) for bond in system.bonds]])[:8]}"
    return f"{name}-system" if name in FAMILIES else name
