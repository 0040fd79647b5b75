"""What is passed between stages: pools, selections, and datasets, as plain arrays with units."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentials.arrays import Floats, Ints

TRAIN, TEST = 0, 1
"""Values of a record's ``split``."""


@dataclass(frozen=True)
class Pool:
    """Sampled frames, in the order of walker and time.

    Attributes
    ----------
    positions
        (frames, atoms, 3), Angstrom.
    temperature
        (frames,), K; 0 for a scan and for conformations.
    window
        (frames,), index of the centre-of-mass window, -1 outside all of them.
    seed
        (frames,), seed of the walker or of the sampler.
    energy
        (frames,), unbiased force-field energy of the frame before its caps were set to their length, kcal/mol.
    com_distance
        (frames,), distance between the fragments' centres of mass, Angstrom.
    cvs
        (frames, variables), Angstrom or rad.
    cv_names
        Names of the columns of `cvs`.
    source
        (frames,), which of `sources` made the frame.
    sources
        Sampler and force field, for example ``pbmetad ff14SB``. Energies of different force fields have
        different zeros.
    """

    positions: Floats
    temperature: Floats
    window: Ints
    seed: Ints
    energy: Floats
    com_distance: Floats
    cvs: Floats
    cv_names: tuple[str, ...]
    source: Ints
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.positions)

    def rows(self, name: str, start: int, stop: int, step: int = 1) -> NDArray[Any]:
        """Return every `step`-th row of one of the arrays, from frame `start` to `stop`."""
        return np.asarray(getattr(self, name)[start:stop:step])


@dataclass(frozen=True)
class Selection:
    """Configurations picked from a pool.

    Attributes
    ----------
    positions
        (configurations, atoms, 3), Angstrom.
    split
        (configurations,), 0 training, 1 test.
    frame
        (configurations,), index of the frame in the pool.
    level
        (configurations,), the highest level whose subset has it, from 0; zeros where they are not given, as for a
        recipe without levels.
    """

    positions: Floats
    split: Ints
    frame: Ints
    level: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __post_init__(self) -> None:
        if len(self.level) != len(self.positions):
            if len(self.level):
                raise ValueError(f"level has {len(self.level)} numbers for {len(self.positions)} configurations")
            object.__setattr__(self, "level", np.zeros(len(self.positions), dtype=np.int64))

    def __len__(self) -> int:
        return len(self.positions)

    def of_level(self, number: int) -> Selection:
        """Return the configurations that a level labels, from 0; they are in the order of the whole selection."""
        mine = self.level >= number
        return Selection(self.positions[mine], self.split[mine], self.frame[mine], self.level[mine])


@dataclass(frozen=True)
class Dataset:
    """Configurations with their labels under one protocol.

    Attributes
    ----------
    positions
        (configurations, atoms, 3), Angstrom.
    split
        (configurations,), 0 training, 1 test.
    energy
        (configurations,), n-body energy, kcal/mol.
    sub_energies
        (configurations, sub-calculations), total energies, hartree.
    sub_names
        Names of the sub-calculations, for example ``AB``, ``A in AB``, ``B in AB``.
    t1, t2, d1
        (configurations,), largest T1 diagnostic, amplitude |t2|, and D1 diagnostic over the sub-calculations;
        nan where the method has none. Datasets of the first release have no D1: nan throughout.
    cpu_seconds
        (configurations,), of the whole label.
    ids
        Configuration ids.
    gradient
        (configurations, atoms, 3), gradient of the n-body energy, kcal/mol/Angstrom; None where the labels are
        energies alone.
    """

    positions: Floats
    split: Ints
    energy: Floats
    sub_energies: Floats
    sub_names: tuple[str, ...]
    t1: Floats
    t2: Floats
    cpu_seconds: Floats
    ids: tuple[str, ...]
    d1: Floats
    gradient: Floats | None = None

    def __len__(self) -> int:
        return len(self.positions)

    def part(self, split: int) -> Dataset:
        """Return the training (0) or the test (1) set."""
        return self.rows(np.flatnonzero(self.split == split))

    def rows(self, chosen: Ints) -> Dataset:
        """Return some of the configurations, by their numbers from 0."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                values[name] = value[chosen]
        values["ids"] = tuple(self.ids[i] for i in chosen)
        return Dataset(**values)
