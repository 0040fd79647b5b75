"""What is improved: the potentials of a family on its test molecules, or one potential on its own pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from recipes.families import FAMILIES
from storage.contents import PoolFile, potential_from_version
from storage.store import Store
from storage.version import Version
from tasks.checks.contacts import Floors
from tasks.checks.interface import checks
from tasks.checks.ranges import with_ranges
from tasks.checks.run import Outcome, run_checks
from tasks.checks.subject import Subject
from tasks.checks.targets import targets
from tasks.improving.material import Gathered, Geometries, Material, gather
from tasks.improving.record import read_turns
from tasks.improving.settings import ImproveSettings
from tasks.improving.simulations import simulate_targets
from tasks.improving.training import training_of

Told = Callable[[int, int], None]


def _nobody(done: int, total: int) -> None:
    """Ignore progress."""


class Source(Protocol):
    """What is improved, and where its geometries come from."""

    name: str

    @property
    def molecules(self) -> Sequence[str]:
        """What is simulated, or sampled."""

    def present(self) -> dict[str, Version]:
        """Return the potentials as they are now, by the name of the n-mer."""

    def gather(self, settings: ImproveSettings, number: int, folder: Path, told: Told) -> Gathered:
        """Return the material of a turn; simulations that the store has are not run again."""

    def gates(self) -> list[Outcome] | None:
        """Measure the gates on which the release depends; None where there are none beyond those of a fit."""


@dataclass
class FamilySource:
    """The potentials of a family: simulations of its test molecules by their sum.

    Attributes
    ----------
    name
        The family.
    store
        The store.
    chosen
        Molecules in place of the family's own.
    """

    name: str
    store: Store
    chosen: Sequence[str] = ()
    _subject: Subject | None = field(default=None, repr=False)

    def subject(self) -> Subject:
        """Return the family with the newest potentials of the store."""
        return Subject.of_family(self.name, self.store, self.chosen)

    @property
    def molecules(self) -> Sequence[str]:
        """Names of the test molecules, and of the system if there is one."""
        return list(self.subject().systems())

    def present(self) -> dict[str, Version]:
        """Return the potentials of the family that occur in its test molecules."""
        members = set(FAMILIES[self.name])
        return {name: one for name, one in self.subject().versions().items() if name in members}

    def gather(self, settings: ImproveSettings, number: int, folder: Path, told: Told = _nobody) -> Gathered:
        """Simulate every test molecule, and cut its n-mers."""
        subject, unknown = with_ranges(self.subject().pinned())
        if unknown:
            raise InputError(
                f"the potentials of {', '.join(unknown)} do not have the range of their training data; "
                "fit them again"
            )
        floors = Floors.of(subject.potentials().values())
        simulations = simulate_targets(self.store, targets(subject), floors, settings, number, folder, told)
        return gather(simulations, settings, number)

    def gates(self) -> list[Outcome]:
        """Measure the gates of the family with their own options; what the store has is read."""
        return list(run_checks(self.subject().pinned(), [one for one in checks() if one.gate]))


@dataclass
class PoolSource:
    """One potential: frames of its own sampling pool.

    Attributes
    ----------
    name
        The n-mer.
    store
        The store.
    """

    name: str
    store: Store

    @classmethod
    def of(cls, ref: str, store: Store) -> PoolSource:
        """Return the source of a potential, ``ch3-water@1``: the newest of its n-mer, or that of an earlier turn.

        Raises
        ------
        InputError
            If it is something else, or a newer one is there.
        """
        version = store.resolve(ref)
        if version.kind != "potential":
            raise InputError(
                f"'{ref}' is a {version.kind}; allowed: a family ({', '.join(FAMILIES)}) or a potential"
            )
        newest = store.current(version.nmer)[-1]
        begun = {
            key
            for turn in read_turns(store, version.nmer)
            for key in turn.facts["decided_by"]["potentials"].values()
        }
        if newest != version and version.key not in begun:
            raise InputError(f"{version.ref} is not the newest potential of its n-mer; allowed: {newest.ref}")
        return cls(version.nmer, store)

    @property
    def molecules(self) -> Sequence[str]:
        """The n-mer itself."""
        return [self.name]

    def present(self) -> dict[str, Version]:
        """Return the newest potential."""
        return {self.name: self.store.current(self.name)[-1]}

    def gather(self, settings: ImproveSettings, number: int, folder: Path, told: Told = _nobody) -> Gathered:
        """Return frames of the pool that are not among the configurations."""
        version = self.present()[self.name]
        training = training_of(self.store, version)
        if isinstance(training, str):
            raise InputError(f"{version.ref} cannot be improved: {training}")
        potential = potential_from_version(version, self.store.status(version))
        pool = PoolFile(training.pool)
        rng = np.random.default_rng([settings.seed, number, *self.name.encode()])
        free = np.setdiff1d(np.arange(len(pool)), training.selection.column("frame"))
        free = rng.permutation(free)[: 4 * (settings.among + settings.judged)]
        positions = _rows(pool, "positions", np.sort(free))
        order = np.argsort(np.argsort(free))  # the rows in the order of the draw
        on = order
        if potential.switching is not None:
            on = order[np.flatnonzero(np.asarray(potential.switching.evaluate(positions)[0])[order])]
        frames = np.sort(free)
        temperature = _rows(pool, "temperature", frames)
        whole = Geometries(
            positions,
            np.zeros(len(frames), dtype=np.int64),
            np.full(len(frames), -1),
            frames,
            np.asarray(temperature, dtype=np.float64),
        )
        judged, rest = on[: settings.judged], on[settings.judged : settings.judged + settings.among]
        material = Material(potential, whole.rows(np.sort(rest)), whole.rows(np.sort(judged)))
        return Gathered({self.name: material}, [training.pool], [f"pool of {self.name}"])

    def gates(self) -> None:
        """Return nothing: the gates of its fit are measured with every turn that is kept."""


def _rows(pool: PoolFile, name: str, frames: np.ndarray) -> Floats:
    """Return the values of some frames of a pool, which ascend, reading a part of the file at a time."""
    found, step = [], 20_000
    for start in range(0, len(pool), step):
        here = frames[(frames >= start) & (frames < start + step)]
        if len(here):
            found.append(pool.rows(name, start, start + step)[here - start])
    return np.asarray(np.concatenate(found), dtype=np.float64)
