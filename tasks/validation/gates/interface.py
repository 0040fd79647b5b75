"""The candidate that gates judge, and their verdict; `recipes.schema.gates.Gate` declares a gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from potentials.arrays import Floats
from recipes.schema.gates import GATES, Gates, gates
from recipes.schema.gates import Gate as Gate
from storage.records import TRAIN
from tasks.metrics import Errors

if TYPE_CHECKING:
    from potentials.pip.potential import Potential
    from storage.records import Dataset
    from tasks.validation.bodies import Surroundings
    from tasks.validation.places import Place
    from tasks.validation.reach import Effort


@dataclass(frozen=True, eq=False)
class Candidate:
    """A potential to be judged, and what is known about it.

    Attributes
    ----------
    potential
        The potential.
    train, test
        Its errors.
    usable_labels
        Fraction of the selected configurations whose label is in the dataset, 0 to 1.
    positions
        (configurations, atoms, 3), Angstrom: the dataset; with levels that of the first, which has all of them.
    groups
        (configurations, columns), temperature and window of each; None where they are not known.
    dataset, predicted
        The dataset, with levels that of the last, and the potential's energies in its configurations, kcal/mol;
        None where they are not given.
    around
        The whole capped n-mer; None: it is the n-mer itself, if that is not divided.
    effort
        How long holes are searched for; None: the usual effort.
    told
        Called with the number of steps of that search that are done.
    training
        (n, atoms, 3), Angstrom: training configurations of a potential with levels; None: those of the dataset.
    """

    potential: Potential
    train: Errors
    test: Errors
    usable_labels: float
    positions: Floats
    groups: Floats | None = None
    dataset: Dataset | None = None
    predicted: Floats | None = None
    around: Surroundings | None = None
    effort: Effort | None = None
    told: Callable[[int], object] = lambda done: None
    training: Floats | None = None

    @cached_property
    def covered(self) -> Floats:
        """The training configurations, with levels those of the first, (n, atoms, 3), Angstrom."""
        if self.training is not None:
            return self.training
        return self.positions if self.dataset is None else self.dataset.part(TRAIN).positions

    @cached_property
    def probes(self) -> Floats:
        """The configurations on which gates measure, (probes, atoms, 3), Angstrom; see `choose_probes`."""
        from tasks.validation.gates.probes import choose_probes

        return choose_probes(self.potential, self.positions, self.groups)

    @property
    def lacks_whole(self) -> str:
        """Why the whole capped n-mer is not known, as one clause; empty if it is."""
        if self.dataset is None:
            return "its labels are not given"
        if self.around is None:
            return "the potentials of its sub-n-mers are not given"
        return "" if self.around.whole is not None else self.around.note

    @cached_property
    def places(self) -> list[Place]:
        """The worst places that a simulation of the whole capped n-mer reaches, the worst first."""
        from tasks.validation.reach import search

        assert self.around is not None and self.around.whole is not None and self.dataset is not None
        effort = self.effort or self.around.effort
        return search(self.around.whole, self.covered, self.around.lowest, effort, self.told)


@dataclass(frozen=True)
class Verdict:
    """One measured figure against its limit.

    Attributes
    ----------
    name
        Which gate.
    meaning
        What was measured, with its unit.
    value, limit
        The figure and its limit.
    passed
        Whether the figure is on the right side of the limit.
    at_least
        Whether it must be at least the limit; otherwise at most.
    advice
        What to do if it failed: which n-mer to sample, and where; empty if it passed.
    """

    name: str
    meaning: str
    value: float
    limit: float
    passed: bool
    at_least: bool = False
    advice: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, as the store keeps them."""
        found = asdict(self)
        for name in ("at_least", "advice"):
            if not found[name]:
                del found[name]
        return found

    @classmethod
    def of_stored(cls, found: Mapping[str, Any]) -> Verdict:
        """Return the verdict of stored values; those of earlier releases have no advice, and no `at_least`."""
        name = str(found["name"])
        at_least = bool(found.get("at_least", name in GATES and GATES.get(name).at_least))
        value, limit = float(found["value"]), float(found["limit"])
        return cls(
            name,
            str(found["meaning"]),
            value,
            limit,
            bool(found["passed"]),
            at_least,
            str(found.get("advice", "")),
        )


def judge(candidate: Candidate, limits: Gates) -> list[Verdict]:
    """Measure every gate that applies to a candidate, in the order of the report.

    Parameters
    ----------
    candidate
        What is judged.
    limits
        The recipe's limits.
    """
    found = []
    for gate in gates():
        if gate.applies(candidate):
            continue
        value, limit = float(gate.measure(candidate)), float(getattr(limits, gate.name))
        passed = value >= limit if gate.at_least else value <= limit
        advice = "" if passed else gate.advise(candidate)
        found.append(Verdict(gate.name, gate.title, value, limit, passed, gate.at_least, advice))
    return found


def not_measured(candidate: Candidate) -> dict[str, str]:
    """Return why each gate that does not apply to a candidate does not, by its name."""
    return {gate.name: why for gate in gates() if (why := gate.applies(candidate))}


def largest(change: Any) -> float:
    """Return the largest absolute value of some changes; infinite where one is not a number."""
    values = np.abs(np.asarray(change, dtype=np.float64))
    return float("inf") if np.isnan(values).any() else float(values.max(initial=0.0))


def apart(candidate: Candidate) -> str:
    """Return why bodies of a candidate's n-mer cannot be moved apart; empty if they can."""
    return "" if len(candidate.potential.nmer.fragments) > 1 else "its n-mer is one fragment"


EVALUATION = "no sample helps: this is an error of the evaluation, not of the data"
"""Advice where a potential is wrong whatever it was fitted to."""
