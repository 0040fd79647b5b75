"""A dipeptide whose sum is MMFF94, with n-mers of zero energy that have a training range, and planted errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import AllChem

from potentials.arrays import Floats
from potentials.pip.potential import Potential
from potentials.pip.ranges import training_ranges
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.system import System
from recipes.chemistry.molecules import Molecule, read_molecule
from recipes.chemistry.systems import system_of
from storage.store import Store
from tasks.checks.subject import Subject
from tasks.checks.targets import Target
from tasks.simulation.dynamics import simulate
from tasks.simulation.settings import SimulationSettings
from tasks.sums.make import sum_potential
from tests.nmer.polyalanine import potential

NAME = "AceAlaNme"
OXYGEN, HYDROGEN = 2, 18
"""The hydrogen bond of C7eq."""


class Mmff:
    """MMFF94 of the dipeptide as a contribution to a sum."""

    def __init__(self) -> None:
        molecule = read_molecule(NAME).embedded()
        self._mol = Chem.AddHs(Chem.MolFromSmiles(molecule.smiles))
        self._mol.AddConformer(Chem.Conformer(self._mol.GetNumAtoms()))
        self._mol.GetConformer().SetPositions(np.array(molecule.positions))
        self._field = AllChem.MMFFGetMoleculeForceField(self._mol, AllChem.MMFFGetMoleculeProperties(self._mol))
        self._field.Initialize()

    def trajectory(self) -> Mmff:
        """Return one for another thread: RDKit's has intermediate results of its own."""
        return Mmff()

    def energy_and_gradient(self, positions: Any) -> tuple[Floats, Floats]:
        flat = [np.ravel(one).tolist() for one in np.asarray(positions)]
        energy = np.array([self._field.CalcEnergy(one) for one in flat])
        gradient = np.array([self._field.CalcGrad(one) for one in flat])
        return energy, gradient.reshape(len(flat), -1, 3)


@dataclass(frozen=True)
class Hole:
    """An energy that falls by `depth` while the hydrogen bond shortens from `begin` to `end`, and is flat then."""

    depth: float
    begin: float = 1.5
    end: float = 0.3

    def energy_and_gradient(self, positions: Any) -> tuple[Floats, Floats]:
        x = np.asarray(positions)
        between = x[:, OXYGEN] - x[:, HYDROGEN]
        r = np.linalg.norm(between, axis=1)
        t = np.clip((self.begin - r) / (self.begin - self.end), 0.0, 1.0)
        energy = -self.depth * t**2 * (3 - 2 * t)
        slope = self.depth * 6 * t * (1 - t) / (self.begin - self.end)
        gradient = np.zeros(x.shape)
        gradient[:, OXYGEN] = (slope / r)[:, None] * between
        gradient[:, HYDROGEN] = -gradient[:, OXYGEN]
        return energy, gradient


@dataclass(frozen=True)
class Swirl:
    """A force along the bisector of two bonds that no energy has: it is not conservative."""

    strength: float

    def energy_and_gradient(self, positions: Any) -> tuple[Floats, Floats]:
        x = np.asarray(positions)
        gradient = np.zeros(x.shape)
        gradient[:, 0] = self.strength * (x[:, 4] - x[:, 1])[:, [1, 2, 0]]
        gradient[:, 1] = -gradient[:, 0]
        return np.zeros(len(x)), gradient


@dataclass(frozen=True)
class Refusing:
    """An energy that is not a number where the hydrogen bond is shorter than some distance."""

    distance: float

    def energy_and_gradient(self, positions: Any) -> tuple[Floats, Floats]:
        x = np.asarray(positions)
        short = np.linalg.norm(x[:, OXYGEN] - x[:, HYDROGEN], axis=1) < self.distance
        return np.where(short, np.nan, 0.0), np.zeros(x.shape)


@cache
def n_mers() -> dict[str, Potential]:
    """Potentials that are zero, with the range of a simulation of MMFF94 at 700 K."""
    zero = [potential(name, None) for name in sorted(bare().counts)]
    hot = Target(NAME, bare(Mmff()), system())
    settings = SimulationSettings(temperature=700.0, steps=1200, every=6, replicas=7, seed=1)
    frames = np.concatenate([one.positions for one in simulate(hot.model, np.array(hot.starts(7, 1)), settings)])
    places = {of.nmer: of.geometries for of in hot.model.occurrences(frames)}
    return {
        one.nmer.name: replace(
            one,
            coefficients=np.zeros(len(one.coefficients)),
            ranges=training_ranges(one.nmer, one.switching, places[one.nmer.name]),
        )
        for one in zero
    }


def bare(*contributions: Any) -> ManyBodyPotential:
    """Return a sum of n-mers that are zero, and of contributions."""
    from recipes.families import FAMILIES

    chosen = {name: potential(name, None) for name in FAMILIES["polyalanine"] if name != "conh-conh-pair"}
    zero = {name: replace(one, coefficients=np.zeros(len(one.coefficients))) for name, one in chosen.items()}
    return sum_potential(NAME, zero, contributions=contributions)


def system() -> System:
    return system_of(read_molecule(NAME).embedded())


@dataclass(frozen=True, eq=False)
class Planted(Subject):
    """The dipeptide with MMFF94 and what is planted."""

    more: tuple[Any, ...] = ()
    change: Callable[[Potential], Potential] = field(default=lambda one: one)

    def sum_of(self, molecule: str | Molecule | System, water: str | None = None) -> ManyBodyPotential:
        given = {name: self.change(one) for name, one in n_mers().items()} | dict(self.use)
        return sum_potential(NAME, given, contributions=(Mmff(), *self.more))


def planted(folder: Path, *more: Any, change: Callable[[Potential], Potential] = lambda one: one) -> Planted:
    """Return the subject of a folder in which a store is made."""
    return Planted("dipeptide", Store(folder, create=True), molecules=(NAME,), more=more, change=change)
