"""What the gates of a family simulate: each test molecule with its sum, or the system with its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.system import System
from recipes.chemistry.conformations import conformations
from recipes.chemistry.molecules import CHAIN, read_molecule
from tasks.checks.subject import Subject


@dataclass(frozen=True, eq=False)
class Target:
    """A molecule or a system that is simulated.

    Attributes
    ----------
    name
        Of the molecule or the system.
    model
        Its sum.
    system
        Its atoms and bonds, a geometry, and the cell.
    """

    name: str
    model: ManyBodyPotential
    system: System

    @property
    def word(self) -> str:
        """The name as it stands in the names of results."""
        return word_of(self.name)

    def atom(self, number: int) -> str:
        """Return the name of an atom in messages."""
        return self.system.atom(number)

    def starts(self, count: int, seed: int) -> list[Floats]:
        """Return geometries to start from, (atoms, 3) each, Angstrom.

        Those of a peptide are its folds in turn, the others the system's geometry.
        """
        if CHAIN.fullmatch(self.name) and read_molecule(self.name).symbols == self.system.symbols:
            return [x for _, x in islice(conformations(read_molecule(self.name), seed), count)]
        return [np.array(self.system.positions)] * count


def word_of(name: str) -> str:
    """Return a name as it stands in the names of results and plots: in lower case, other signs as dashes."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-") or "system"


def targets(subject: Subject, only: Sequence[str] = ()) -> list[Target]:
    """Return the test molecules, and the system if there is one, each with its sum.

    Parameters
    ----------
    subject
        The subject.
    only
        Names of those wanted; empty: all.

    Raises
    ------
    InputError
        If a name is not one of the subject's, potentials are missing, or there is nothing to simulate.
    """
    systems = subject.systems()
    if unknown := [name for name in only if name not in systems]:
        raise InputError(f"'{unknown[0][:40]}' is not simulated; allowed: {', '.join(systems) or 'none'}")
    return [
        Target(name, subject.sum_of(name if name in subject.molecules else system), system)
        for name, system in systems.items()
        if not only or name in only
    ]


def why_not(subject: Subject) -> str:
    """Return why nothing of a subject can be simulated, as one clause; empty if something can."""
    try:
        subject.potentials()
    except InputError as error:
        return str(error)
    return ""
