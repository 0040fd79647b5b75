"""The gate of conservation: a smooth energy passes; a force that no energy has, and a collapse, do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tasks.checks.conservation import (
    BLOCKS,
    CHECK,
    DRIFT,
    ConservationOptions,
    drift_of,
    equilibrated,
    measure,
)
from tasks.checks.contacts import Contacts, Floors
from tasks.checks.targets import targets
from tests.tasks.checks.mmff import Hole, Swirl, planted

OPTIONS = ConservationOptions(
    temperatures=(300.0,),
    picoseconds=2.0,
    replicas=1,
    timestep=0.1,
    equilibration=0.2,
    timesteps=(0.25, 0.5, 1.0),
    order_picoseconds=0.5,
    stride=2.0,
)


def test_a_smooth_energy_is_conserved_and_its_error_is_of_second_order(tmp_path: Path) -> None:
    findings = measure(planted(tmp_path / "store"), OPTIONS)
    drift, order = findings.results
    assert drift.name == "drift-acealanme-300k" and order.name == "order-acealanme"
    assert drift.value is not None and drift.value < DRIFT
    assert order.passed, order.meaning
    scatter = np.asarray(findings.data["orders.scatter"].values)
    np.testing.assert_allclose(scatter[1:] / scatter[:-1], 4.0, rtol=0.25)
    (plot,) = CHECK.draw(findings)
    assert plot.name == "conservation-acealanme"


def test_a_force_that_no_energy_has_is_found(tmp_path: Path) -> None:
    short = OPTIONS.model_copy(update={"picoseconds": 0.5})
    findings = measure(planted(tmp_path / "store", Swirl(1.0)), short)
    drift = findings.results[0]
    assert drift.value is not None and drift.value > 100 * DRIFT and drift.passed is False
    assert "a gradient is not that of its energy" in drift.advice


def test_the_drift_of_what_has_fallen_together_is_not_measured(tmp_path: Path) -> None:
    short = OPTIONS.model_copy(update={"picoseconds": 0.1, "order_picoseconds": 0.1, "seed": 5})
    findings = measure(planted(tmp_path / "store", Hole(500.0, begin=3.5)), short)
    assert [one.value for one in findings.results] == [None, None] and not findings.passed
    assert len(findings.notes) == 2 and all("O2 and H18 are at" in note for note in findings.notes)
    assert CHECK.draw(findings)


def test_a_start_that_falls_into_a_hole_is_taken_as_it_is(tmp_path: Path) -> None:
    subject = planted(tmp_path / "store", Hole(500.0, begin=3.5))
    (target,) = targets(subject)
    contacts = Contacts.of(target.system.symbols, target.system.bonds, Floors.of(subject.potentials().values()))
    fallible = replace(contacts, floors=np.full_like(contacts.floors, 1e-3))  # nothing counts as too near
    short = OPTIONS.model_copy(update={"equilibration": 4e-4, "timestep": 0.01, "stride": 0.01, "seed": 5})
    kept, fallen = (equilibrated(target, short, 300.0, one) for one in (contacts, fallible))
    assert contacts.closest(kept)[0].min() > 1.0 > contacts.closest(fallen)[0].min()


@pytest.mark.parametrize("given", [{"timesteps": (0.5, 0.5)}, {"temperatures": ()}, {"timesteps": (0.0, 1.0)}])
def test_options_that_cannot_be_measured_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ConservationOptions(**given)


@pytest.mark.parametrize("slope", [0.0, 0.003])
def test_the_error_of_a_slope_covers_it(slope: float) -> None:
    rng = np.random.default_rng(1)
    times = np.arange(4000) * 5.0
    off = []
    for _ in range(200):
        noise = np.repeat(rng.normal(scale=0.05, size=400), 10)  # correlated over ten frames
        found, error = drift_of(times, slope * times / 1000 + noise)
        off.append((found - slope) / error)
    assert np.std(off) == pytest.approx(1.0, abs=0.2) and abs(np.mean(off)) < 0.3
    assert drift_of(times[: 2 * BLOCKS], 2.0 * times[: 2 * BLOCKS] / 1000)[0] == pytest.approx(2.0)
