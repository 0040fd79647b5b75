"""The candidate that gates judge, and their verdict; `recipes.schema.gates.Gate` declares a gate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from potentials.arrays import Floats
from recipes.schema.gates import Gate as Gate
from recipes.schema.gates import Gates, gates
from tasks.metrics import Errors

if TYPE_CHECKING:
    from potentials.pip.potential import Potential


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
        (configurations, atoms, 3), Angstrom: the dataset.
    groups
        (configurations, columns), temperature and window of each; None where they are not known.
    """

    potential: Potential
    train: Errors
    test: Errors
    usable_labels: float
    positions: Floats
    groups: Floats | None = None

    @cached_property
    def probes(self) -> Floats:
        """The configurations on which gates measure, (probes, atoms, 3), Angstrom; see `choose_probes`."""
        from tasks.validation.gates.probes import choose_probes

        return choose_probes(self.potential, self.positions, self.groups)


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
    """

    name: str
    meaning: str
    value: float
    limit: float
    passed: bool
    at_least: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, as the store keeps them."""
        found = asdict(self)
        del found["at_least"]
        return found


def judge(candidate: Candidate, limits: Gates) -> list[Verdict]:
    """Measure every gate, in the order of the report.

    Parameters
    ----------
    candidate
        What is judged.
    limits
        The recipe's limits.
    """
    found = []
    for gate in gates():
        value, limit = float(gate.measure(candidate)), float(getattr(limits, gate.name))
        passed = value >= limit if gate.at_least else value <= limit
        found.append(Verdict(gate.name, gate.title, value, limit, passed, gate.at_least))
    return found


def largest(change: Any) -> float:
    """Return the largest absolute value of some changes; infinite where one is not a number."""
    values = np.abs(np.asarray(change, dtype=np.float64))
    return float("inf") if np.isnan(values).any() else float(values.max(initial=0.0))
