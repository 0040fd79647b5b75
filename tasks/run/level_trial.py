"""A trial of levels: some configurations of a selection, labelled at every candidate level, on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import ValidationError

from potentials.arrays import Floats
from potentials.errors import InputError, StageError
from potentials.nmers.nmer import NMer
from recipes.engines import ENGINES
from recipes.held import held_energy
from recipes.schema.labelling import Labelling
from recipes.schema.recipe import Recipe
from storage.contents import selection_from_version
from storage.ledger import Ledger
from storage.physics import load_physics
from storage.records import TRAIN
from storage.store import Store
from tasks.fitting.baseline import Baseline, physics_of
from tasks.fitting.level_steps import Trial, TrialLevel
from tasks.labelling.calibrate import expected_cost_in
from tasks.labelling.collect import LabelTable, collect_labels
from tasks.labelling.derive import derive_labels
from tasks.labelling.execution.runner import Limits
from tasks.labelling.here import label_here, missing_labels
from tasks.labelling.protocol import Protocol, protocol_of
from tasks.labelling.reference import reference_molecules
from tasks.plan import resolve
from tasks.run.costs import CostLeft, cost_of_labels

EXTRA = 0.1
"""Cost of further labels of a level below the top, as a fraction of that of the trial's labels of the top."""

KEPT = ("engine", "basis", "counterpoise", "frozen_core", "density_fitting", "scf_tolerance")
"""Settings that a level below has from the top whose labels hold its energies."""

TIMED = 3
"""Labels that are computed for their cost where those of the trial follow from labels of other levels."""

Told = Callable[[int], None]


def held_candidates(top: Labelling) -> dict[str, Labelling]:
    """Return the protocols whose energies the labels of another hold, by level of theory in lower case."""
    kept = (*sorted(Labelling.FLAGS), *KEPT)
    found = {}
    for one in ENGINES.get(top.engine).held(top):
        values = {name: getattr(top, name) for name in kept} | dict(one.changes)
        try:
            labelling = Labelling.model_validate(values)
        except ValidationError:  # a combination that the recipe's settings do not allow
            continue
        if held_energy(top, labelling) is not None:
            found[labelling.level.lower()] = labelling
    return found


def selected(recipe: Recipe, store: Store) -> Floats:
    """Return the training configurations of a recipe's selection, (configurations, atoms, 3), Angstrom.

    Raises
    ------
    InputError
        If the store does not have the selection.
    """
    version = store.find("selection", resolve(recipe, store).selection, recipe.name)
    if version is None:
        raise InputError(
            f"there is no selection of {recipe.name}, preset {recipe.preset or 'none'}, in the store yet; make it "
            "with nmer run RECIPE --until selection"
        )
    found = selection_from_version(version)
    return np.asarray(found.positions[found.split == TRAIN])


def trial_of(recipe: Recipe, store: Store, run: LevelTrial, levels: tuple[TrialLevel, ...]) -> Trial:
    """Return the data that `tasks.fitting.tune_levels` takes from a trial that is labelled.

    The zero of a single molecule's energies, its minimum at each level, is not computed for a trial: it is fitted.
    """
    nmer, baseline = recipe.build_nmer(), None
    if recipe.fitting.baseline is not None:
        physics = physics_of(nmer, load_physics(store, recipe.fitting.baseline))
        baseline = Baseline.of(physics, run.positions).energy
    return Trial(
        nmer,
        run.positions,
        levels,
        recipe.fitting,
        baseline,
        bool(reference_molecules(nmer, recipe.labelling)),
        run.held(),
    )


@dataclass(frozen=True)
class LevelTrial:
    """What is to be labelled.

    Attributes
    ----------
    protocols
        The candidates by name, the cheapest first and the top last.
    positions
        (configurations, atoms, 3), the training configurations of the selection in the order in which they are
        taken, Angstrom.
    count
        Configurations that are labelled at every level, the first ones.
    limits
        Of one label.
    folder, scratch
        The ledger's folder, and one for temporary files.
    """

    protocols: Mapping[str, Protocol]
    positions: Floats
    count: int
    limits: Limits
    folder: Path
    scratch: Path

    @classmethod
    def of(
        cls,
        nmer: NMer,
        labellings: Mapping[str, Labelling],
        positions: Floats,
        count: int,
        limits: Limits,
        folder: Path,
        scratch: Path,
        seed: int,
    ) -> LevelTrial:
        """Return the trial of a selection's training configurations, taken at random by the seed.

        A larger trial has the configurations of a smaller one. Configurations taken at random have the errors of
        the whole selection.

        Raises
        ------
        InputError
            If an engine is not installed, or two names are one protocol.
        """
        order = np.random.default_rng(seed).permutation(len(positions))
        protocols = {name: protocol_of(nmer, labelling) for name, labelling in labellings.items()}
        seen: dict[str, str] = {}
        for name, protocol in protocols.items():
            if protocol.id in seen:
                raise InputError(f"--levels names the same protocol twice, as {seen[protocol.id]} and {name}")
            seen[protocol.id] = name
        return cls(protocols, positions[order], min(count, len(positions)), limits, folder, scratch)

    def missing(self) -> int:
        """Return how many labels of the trial the ledger lacks; those that follow from others are counted."""
        first = self.positions[: self.count]
        return sum(missing_labels(one, first, self.limits, self.folder) for one in self.protocols.values())

    def left(self) -> CostLeft:
        """Return the cost of the labels that every level needs and that the ledger does not have."""
        total = CostLeft(0.0)
        for protocol in self.protocols.values():
            missing = missing_labels(protocol, self.positions[: self.count], self.limits, self.folder)
            total += cost_of_labels(missing, expected_cost_in(self.folder, protocol.nmer, protocol.labelling))
        return total

    def held(self) -> frozenset[tuple[str, str]]:
        """Return the pairs (label, other level) of names where the first's labels hold the second's energies."""
        return frozenset(
            (upper, lower)
            for upper, one in self.protocols.items()
            for lower, other in self.protocols.items()
            if upper != lower and held_energy(one.labelling, other.labelling) is not None
        )

    def run(self, told: Callable[[str, int], None]) -> tuple[TrialLevel, ...]:
        """Label the trial, the top level first, and return the levels with all labels that the ledger then has.

        It may be killed at any time and run again. A level below the top also gets as many further labels as cost
        `EXTRA` of the top's.

        Parameters
        ----------
        told
            Called with a level's name and the number of labels that ended since its last call.
        """
        found: dict[str, TrialLevel] = {}
        above: list[Protocol] = []
        budget = 0.0
        for name, protocol in reversed(list(self.protocols.items())):
            mine = partial(told, name)
            self._derive(protocol, above)
            self._labels(protocol, self.positions[: self.count], mine)
            seconds = self._seconds(protocol)
            if not above:
                budget = EXTRA * self.count * seconds
            elif (more := self.count + int(budget / max(seconds, 1e-6))) > self.count:
                self._labels(protocol, self.positions[:more], mine)
            above.append(protocol)
            with Ledger.read(self.folder) as ledger:
                every = collect_labels(protocol, self.positions, ledger)
            energy = np.where(every.usable, every.energy, np.nan)
            found[name] = TrialLevel(name, protocol.labelling.level, energy, seconds)
        return tuple(found[name] for name in self.protocols)

    def _derive(self, protocol: Protocol, above: Sequence[Protocol]) -> None:
        with Ledger.open(self.folder.resolve()) as ledger:
            derive_labels(ledger, protocol, self.positions, tuple(above))

    def _labels(self, protocol: Protocol, positions: Floats, told: Told) -> LabelTable:
        return label_here(protocol, positions, self.limits, self.folder, self.scratch, told)

    def _seconds(self, protocol: Protocol) -> float:
        """Return the median CPU time of the labels that were computed.

        Where too few were, because labels of other levels hold the energies, some are computed beside the ledger.
        """
        with Ledger.read(self.folder) as ledger:
            known = collect_labels(protocol, self.positions, ledger)
        timed = known.cpu_seconds[known.usable & (known.cpu_seconds > 0.0)]
        if len(timed) < TIMED:
            with TemporaryDirectory() as folder:
                few = self.positions[:TIMED]
                known = label_here(protocol, few, self.limits, Path(folder) / "labels", self.scratch)
            timed = known.cpu_seconds[known.usable]
        if not len(timed):
            why = next((reason for reason in known.reason if reason), "none was computed")
            raise StageError(f"the cost of a label of {protocol.labelling.level} is not known: {why}")
        return float(np.median(timed))
