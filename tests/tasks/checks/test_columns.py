"""The models beside a sum: ff14SB and ff19SB with TIP3P, in which a far water changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.errors import InputError
from recipes.chemistry.molecules import read_molecule
from tasks.checks.approach import best_approach, sites, with_water
from tasks.checks.columns import models_beside
from tasks.simulation.amber import amber_potential

pytest.importorskip("openmm")
DIPEPTIDE = read_molecule("AceAlaNme").embedded()
PLACE = np.array(DIPEPTIDE.positions)
LINE = best_approach(sites(DIPEPTIDE)[0], PLACE, lambda x: -x[:, -1, 0])
PLACED = LINE.positions(PLACE, np.array([1.9, 3.0, 1000.0]))
SYSTEM = with_water(DIPEPTIDE, PLACED[0])


@pytest.mark.parametrize("name", ["ff14SB", "ff19SB"])
def test_a_far_water_adds_a_constant(name: str) -> None:
    model = amber_potential(SYSTEM, name)
    energy, gradient = model.energy_and_gradient(PLACED)
    assert energy[0] - energy[2] < -3.0  # a hydrogen bond
    moved = PLACED[2].copy()
    moved[5] += 0.05
    alone = amber_potential(DIPEPTIDE, name)
    change = model.energy_and_gradient(moved[None])[0][0] - energy[2]
    assert change == pytest.approx(alone.energy(moved[:22]) - alone.energy(PLACE), abs=1e-6)
    assert np.abs(gradient[2, :22] - alone.energy_and_gradient(PLACE)[1]).max() < 1e-5
    for atom in (2, 22):  # of the peptide and of the water
        ahead, behind = PLACED[0].copy(), PLACED[0].copy()
        ahead[atom, 0] += 1e-4
        behind[atom, 0] -= 1e-4
        values = model.energy_and_gradient(np.array([ahead, behind]))[0]
        assert gradient[0, atom, 0] == pytest.approx((values[0] - values[1]) / 2e-4, abs=1e-4)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="'ff99' is unknown; allowed: ff14SB, ff19SB"):
        amber_potential(SYSTEM, "ff99")


def test_a_force_field_that_does_not_fit_is_left_out_with_a_note() -> None:
    class NoSubject:
        def sum_of(self, whole: object, water: str | None = None) -> str:
            return "the sum"

    methanol = read_molecule("CO").embedded()
    models, notes = models_beside(NoSubject(), methanol, ["ff14SB"])  # type: ignore[arg-type]
    assert models == {"sum": "the sum"} and notes[0].startswith("ff14SB is left out: ")
