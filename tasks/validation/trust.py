"""How far a potential can be trusted: errors by energy, its own uncertainty, and holes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.switching import MOSTLY_ON
from potentials.pip.potential import Potential
from storage.records import TEST, TRAIN, Dataset
from tasks.holes import Hole, find_holes
from tasks.metrics import WindowErrors, errors_by_energy


@dataclass(frozen=True)
class Trust:
    """What is known beyond the two RMSDs.

    Attributes
    ----------
    by_energy
        Errors on the test set in windows of energy.
    uncertainty
        Median uncertainty of the test set's predictions, kcal/mol; None where the potential has no ensemble.
    ratio
        Root mean square of error over uncertainty on the test set: 1 if the uncertainty is right. Over V_phys only
        where the PIP is mostly switched on.
    holes
        The lowest place that each search found.
    """

    by_energy: tuple[WindowErrors, ...]
    uncertainty: float | None
    ratio: float | None
    holes: tuple[Hole, ...]

    def facts(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        holes = [{"search": h.search, "energy": h.energy, "below": h.below} for h in self.holes]
        return {
            "by_energy": [w.as_dict() for w in self.by_energy],
            "uncertainty": self.uncertainty,
            "error_over_uncertainty": self.ratio,
            "holes": holes,
        }

    def warnings(self) -> list[str]:
        """Return a sentence for each hole."""
        return [hole.warning for hole in self.holes if hole.is_hole]

    def sentences(self) -> list[str]:
        """Return what the report says."""
        found = []
        if self.uncertainty is not None and self.ratio is not None:
            found.append(
                f"the median uncertainty of the test set is {self.uncertainty:.3g} kcal/mol; its errors are "
                f"{self.ratio:.2g} times their uncertainties (root mean square)"
            )
        if self.holes:
            deepest = self.holes[0]
            where = "below" if deepest.below > 0 else "above"
            found.append(
                f"the lowest place that a search near the data found ({deepest.search}) is "
                f"{abs(deepest.below):.3g} kcal/mol {where} the lowest training energy"
            )
        return found


def examine(potential: Potential, dataset: Dataset, predicted: Floats) -> Trust:
    """Return how far a potential can be trusted.

    Parameters
    ----------
    potential
        The potential.
    dataset
        Its dataset.
    predicted
        (configurations,), its energies there, kcal/mol.
    """
    train, test = dataset.part(TRAIN), dataset.split == TEST
    windows = errors_by_energy(predicted[test], dataset.energy[test], float(dataset.energy.min()))
    uncertainty = ratio = None
    if potential.ensemble is not None and test.any():
        spread = np.asarray(potential.uncertainty(dataset.positions[test]))
        error = np.abs(predicted - dataset.energy)[test]
        uncertainty, known = float(np.median(spread)), spread > 0.0
        if potential.physics is not None and potential.switching is not None:
            known &= potential.switching.evaluate(dataset.positions[test])[0] >= MOSTLY_ON
        if known.any():
            ratio = float(np.sqrt(np.mean(np.square(error[known] / spread[known]))))
    holes = find_holes(potential.nmer, lambda x: np.asarray(potential.energy(x)), train.positions, train.energy)
    return Trust(tuple(windows), uncertainty, ratio, tuple(holes))
