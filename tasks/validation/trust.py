"""How far a potential can be trusted: errors by energy, its own uncertainty, and holes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.pip.potential import Potential
from storage.records import TEST, TRAIN, Dataset
from tasks.holes import Hole, find_holes
from tasks.metrics import WindowErrors, errors_by_energy
from tasks.validation.gates.uncertainty import error_over_uncertainty
from tasks.validation.places import Place


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
        The lowest place that each search on the n-body energy found, where the whole capped n-mer is not known.
    places
        The worst place that each search on the whole capped n-mer reached; see `tasks.validation.reach`.
    """

    by_energy: tuple[WindowErrors, ...]
    uncertainty: float | None
    ratio: float | None
    holes: tuple[Hole, ...] = ()
    places: tuple[Place, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        holes: list[dict[str, Any]] = [
            {"search": h.search, "energy": h.energy, "below": h.below} for h in self.holes
        ]
        for place in self.places:
            atoms = None if place.pair is None else list(place.pair)
            more = {"pair": atoms, "what": place.what}
            holes.append({"search": place.search, "energy": place.energy, "below": place.below} | more)
        return {
            "by_energy": [w.as_dict() for w in self.by_energy],
            "uncertainty": self.uncertainty,
            "error_over_uncertainty": self.ratio,
            "holes": holes,
        }


def examine(
    potential: Potential, dataset: Dataset, predicted: Floats, places: Sequence[Place] | None = None
) -> Trust:
    """Return how far a potential can be trusted.

    Parameters
    ----------
    potential
        The potential.
    dataset
        Its dataset.
    predicted
        (configurations,), its energies there, kcal/mol.
    places
        The worst places that a simulation of the whole capped n-mer reaches; None: the whole is not known, and
        holes are searched for on the n-body energy.
    """
    train, test = dataset.part(TRAIN), dataset.split == TEST
    windows = errors_by_energy(predicted[test], dataset.energy[test], float(dataset.energy.min()))
    uncertainty = None
    if potential.ensemble is not None and test.any():
        uncertainty = float(np.median(potential.uncertainty(dataset.positions[test])))
    ratio = error_over_uncertainty(potential, dataset, predicted)
    if places is not None:
        return Trust(tuple(windows), uncertainty, ratio, places=tuple(places))
    holes = find_holes(potential.nmer, lambda x: np.asarray(potential.energy(x)), train.positions, train.energy)
    return Trust(tuple(windows), uncertainty, ratio, tuple(holes))
