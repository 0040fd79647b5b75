"""The biases of a PLUMED input and their hills, along a trajectory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from tasks.bias.hills import GridHills, Hills, SingleHills
from tasks.bias.hills_file import Heads, HillsReader, hill_table
from tasks.bias.metad import PERIOD, MetaDBias
from tasks.bias.metad_hills import from_table, to_table
from tasks.bias.plumed_model import PbMetaD, PlumedCV, PlumedInput, PlumedMetaD
from tasks.bias.specification import KB


@dataclass(frozen=True)
class HillsTable:
    """The content of a HILLS file, as `tasks.bias.hills_file.write_hills` takes it."""

    file: str
    columns: Floats
    heads: Heads


def state_of(
    bias: PbMetaD | PlumedMetaD,
    plumed: PlumedInput,
    cvs: dict[str, PlumedCV],
    timestep: float,
    folder: Path | None,
) -> PbMetaDState | MetaDState:
    """Return the state of a bias before the first step; the parameters are those of `tasks.bias.driver.drive`."""
    if isinstance(bias, PbMetaD):
        return PbMetaDState(bias, plumed, cvs, timestep)
    return MetaDState(bias, plumed, cvs, timestep, folder or Path())


def check_ends(cv: PlumedCV, value: float, lower: float, upper: float, frame: int) -> None:
    """Raise InputError if a variable is outside its grid, where PLUMED stops."""
    if not lower <= value <= upper:
        unit = "A" if cv.scale(2.0) != 1.0 else "rad"
        raise InputError(
            f"frame {frame}: '{cv.label}' is {value:.6g} {unit}, outside its grid of {lower:.6g} to {upper:.6g} "
            f"{unit}, where PLUMED stops; set a wider GRID_MIN and GRID_MAX"
        )


class PbMetaDState:
    """The bias of one PBMETAD action, and its hills so far: step, centre, height."""

    def __init__(self, bias: PbMetaD, plumed: PlumedInput, cvs: dict[str, PlumedCV], timestep: float) -> None:
        self.bias, self._plumed, self._timestep = bias, plumed, timestep
        self._kt = KB * bias.temperature
        self._cvs = [cvs[name] for name in bias.arguments]
        self._families: list[Hills] = [
            GridHills(bias.lower[f], bias.upper[f], bias.bins[f], sigma, bias.periodic[f])
            if bias.bins
            else SingleHills(sigma, PERIOD if bias.periodic[f] else 0.0)
            for f, sigma in enumerate(bias.sigma)
        ]
        self._hills: list[list[tuple[int, float, float]]] = [[] for _ in bias.sigma]

    def check(self, s: Floats, frame: int) -> None:
        """Raise InputError if a variable is outside its grid, where PLUMED stops."""
        if self.bias.bins:
            for cv, family, value in zip(self._cvs, self.bias.family, s, strict=True):
                check_ends(cv, value, self.bias.lower[family], self.bias.upper[family], frame)

    def evaluate(self, s: Floats) -> tuple[float, Floats, Floats]:
        """Return the bias, its derivative by each variable, and each variable's own bias (kcal/mol)."""
        found = [self._families[f](float(value)) for f, value in zip(self.bias.family, s, strict=True)]
        v, dv = np.array(found).T
        weight = np.exp(-(v - v.min()) / self._kt)
        total = v.min() - self._kt * (np.log(weight.sum()) - np.log(len(v)))
        return float(total), weight / weight.sum() * dv, v

    def update(self, step: int, adds: bool, s: Floats, v: Floats) -> None:
        """Add one hill for each variable if `adds` and the step is due."""
        if not adds or step % self.bias.pace:
            return
        weight = np.exp(-(v - v.min()) / self._kt)
        heights = self.bias.height * weight / weight.sum()
        if self.bias.biasfactor > 1.0:
            heights *= np.exp(-v / (self._kt * (self.bias.biasfactor - 1.0)))
        for family, centre, height in zip(self.bias.family, s, heights, strict=True):
            self._families[family].add(float(centre), float(height))
            self._hills[family].append((step, float(centre), float(height)))

    def tables(self) -> list[HillsTable]:
        """Return the HILLS files in the input's units."""
        found = []
        for family, name in enumerate(self.bias.files):
            unit = self._cvs[self.bias.family.index(family)].scale(self._plumed.length)
            step, centre, height = np.array(self._hills[family], dtype=np.float64).reshape(-1, 3).T
            time, sigma = step * self._timestep / self._plumed.time, self.bias.sigma[family] / unit
            columns = hill_table(time, centre / unit, sigma, height / self._plumed.energy, self.bias.biasfactor)
            found.append(HillsTable(name, columns, ((self.bias.heads[family], self.bias.periodic[family]),)))
        return found


class MetaDState:
    """The bias of one METAD action with the hills so far, also those of the other walkers' files."""

    def __init__(
        self, bias: PlumedMetaD, plumed: PlumedInput, cvs: dict[str, PlumedCV], timestep: float, folder: Path
    ) -> None:
        self.bias, self._plumed = bias, plumed
        self._cvs = [cvs[name] for name in bias.arguments]
        self._heads = tuple((cv.label, cv.periodic) for cv in self._cvs)
        self._scale = np.array([cv.scale(plumed.length) for cv in self._cvs])
        own = bias.walkers.own if bias.walkers else 0
        self._metad = MetaDBias(bias.settings, timestep=timestep, walker=own)
        self._readers = [HillsReader(folder / name, self._heads) for name in bias.every_file]
        self._before = 0
        if bias.restart:
            for reader in self._readers:
                if not reader.path.is_file():
                    raise InputError(f"'{reader.path}' is missing; RESTART needs the HILLS file of every walker")
            self._read(range(len(self._readers)))
            self._before = len(self._metad.own)

    def check(self, s: Floats, frame: int) -> None:
        """Raise InputError if a variable is outside its grid, where PLUMED stops."""
        for cv, value, grid in zip(self._cvs, s, self.bias.settings.grids, strict=False):
            check_ends(cv, value, grid.lower, grid.upper, frame)

    def evaluate(self, s: Floats) -> tuple[float, Floats, Floats]:
        """Return the bias, its derivative by each variable, and the bias as an array (kcal/mol)."""
        value, slopes = self._metad.at(s)
        return value, slopes, np.array([value])

    def update(self, step: int, adds: bool, s: Floats, v: Floats) -> None:
        """Add a hill if `adds` and the step is due, and then read those of the other walkers if that is due."""
        if adds and step % self.bias.settings.pace == 0:
            self._metad.deposit(step, s, float(v[0]))
        walkers = self.bias.walkers
        if walkers is not None and step % walkers.stride == 0:
            self._read(n for n in range(walkers.number) if n != walkers.own)

    def tables(self) -> list[HillsTable]:
        """Return the HILLS file of this walker in the input's units, without the hills of before a restart."""
        hills = self._metad.own[self._before :]
        columns = to_table(self.bias.settings, hills, self._scale, self._plumed.energy, self._plumed.time)
        return [HillsTable(self.bias.files[0], columns, self._heads)]

    def _read(self, numbers: Iterable[int]) -> None:
        for n in numbers:
            table = self._readers[n].more()
            units = self._scale, self._plumed.energy, self._plumed.time
            self._metad.add(from_table(self.bias.settings, table, n, *units, self._readers[n].path))
