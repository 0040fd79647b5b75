"""Errors by energy, the uncertainty beside the error, and holes, as the report has them."""

from __future__ import annotations

import numpy as np
import pytest

from recipes.schema.recipe import Fitting
from storage.records import Dataset
from tasks.fitting.fit import fit_potential
from tasks.metrics import errors, errors_by_energy
from tasks.validation.places import Place
from tasks.validation.sections import trust_sentences
from tasks.validation.trust import examine
from tests.tasks.fitting.test_choices import TEST, TRAIN, bumpy
from tests.tasks.fitting.test_fit import NMER


def dataset() -> Dataset:
    positions = np.concatenate([TRAIN, TEST])
    unknown = np.full(len(positions), np.nan)
    return Dataset(
        positions=positions,
        split=np.repeat([0, 1], [len(TRAIN), len(TEST)]),
        energy=bumpy(positions),
        sub_energies=np.empty((len(positions), 0)),
        sub_names=(),
        t1=unknown,
        t2=unknown,
        cpu_seconds=unknown,
        ids=tuple(str(n) for n in range(len(positions))),
        d1=unknown,
    )


def test_windows_are_of_energy_above_the_lowest_and_hold_everything_once() -> None:
    reference = np.array([-5.0, 4.9, 5.0, 24.0, 25.5, 60.0, 1000.0])
    predicted = reference + np.array([1.0, -1.0, 2.0, 2.0, 3.0, 0.0, -4.0])
    found = errors_by_energy(predicted, reference)
    assert [(w.low, w.high, w.errors.count) for w in found] == [
        (0.0, 10.0, 2),
        (10.0, 30.0, 2),
        (30.0, 60.0, 1),
        (60.0, 100.0, 1),
        (100.0, None, 1),
    ]
    assert [w.errors.rmsd for w in found] == pytest.approx([1.0, 2.0, 3.0, 0.0, 4.0])
    shifted = errors_by_energy(predicted, reference, lowest=0.0)  # a test set may lie below the training set
    assert shifted[0].errors.count == 3
    assert errors_by_energy(np.empty(0), np.empty(0)) == []
    total = sum(w.errors.count * w.errors.rmsd**2 for w in found) / len(reference)
    assert np.sqrt(total) == pytest.approx(errors(predicted, reference).rmsd)


def test_a_good_fit_knows_how_good_it_is() -> None:
    data = dataset()
    potential = fit_potential(NMER, TRAIN, bumpy(TRAIN), Fitting(degree=2, starts=1, max_iterations=10)).potential
    predicted = np.asarray(potential.energy(data.positions))
    trust = examine(potential, data, predicted)
    assert trust.ratio is not None and 0.5 < trust.ratio < 2.0
    assert trust.uncertainty is not None and trust.uncertainty > 0.0
    assert sum(w.errors.count for w in trust.by_energy) == len(TEST)
    assert len(trust.holes) == 3 and trust.holes[0].below == max(h.below for h in trust.holes)
    assert len(trust_sentences(trust.facts())) == 2
    facts = trust.facts()
    assert facts["holes"][0]["below"] == trust.holes[0].below and facts["uncertainty"] == trust.uncertainty


def test_a_potential_without_an_ensemble_says_nothing_about_its_uncertainty() -> None:
    data = dataset()
    potential = fit_potential(NMER, TRAIN, bumpy(TRAIN), Fitting(degree=1, starts=1, ensemble=0)).potential
    trust = examine(potential, data, np.asarray(potential.energy(data.positions)))
    assert trust.uncertainty is None and trust.ratio is None and len(trust_sentences(trust.facts())) == 1


def test_places_of_the_whole_are_told_in_place_of_holes_of_the_nbody_energy() -> None:
    data = dataset()
    potential = fit_potential(NMER, TRAIN, bumpy(TRAIN), Fitting(degree=1, starts=1, ensemble=0)).potential
    place = Place("pull", -30.0, 130.0, TRAIN[0], (1, 6), "contact")
    trust = examine(potential, data, np.asarray(potential.energy(data.positions)), [place])
    facts = trust.facts()
    assert facts["holes"] == [
        {"search": "pull", "energy": -30.0, "below": 130.0, "pair": [1, 6], "what": "contact"}
    ]
    more = {"whole": {"bodies": {"ch3": "ch3@2"}, "note": "a note"}, "not_measured": {"switching": "it has none"}}
    said = " ".join(trust_sentences(facts | more))
    assert "(pull, contact) is 130 kcal/mol below" in said and "those of ch3@2." in said
    assert "A note." in said and "The gate switching was not measured: it has none." in said
