"""The gate of stability: what is right passes, and a hole inside a hydrogen bond is found and named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError, StageError
from potentials.pip.potential import Potential
from tasks.checks.contacts import Contacts, Floors
from tasks.checks.interface import Findings
from tasks.checks.stability import CHECK, StabilityOptions, held, measure
from tasks.checks.targets import Target
from tests.tasks.checks.mmff import Hole, Refusing, planted, system

OPTIONS = StabilityOptions(temperatures=(300.0,), replicas=5, picoseconds=0.4, stride=10.0, frames=12)


def values(findings: Findings) -> dict[str, float | None]:
    return {one.name.removesuffix("-acealanme-300k"): one.value for one in findings.results}


def test_a_correct_sum_passes(tmp_path: Path) -> None:
    findings = measure(planted(tmp_path / "store"), OPTIONS)
    assert findings.passed, [one for one in findings.results if not one.passed]
    found = values(findings)
    assert found["held"] == 0.4 and found["below"] == 0.0 and found["outside"] == 0.0
    assert found["contact"] is not None and 1.0 < found["contact"] < 1.6
    frames = 5 * (0.4e3 / 10 + 1)
    assert len(findings.data["frames.energy"].values) == frames
    assert min(findings.data["frames.energy"].values) >= -1e-6  # none is below the minimum
    assert len(findings.data["kept.x"].values) == 22 * 13
    (plot,) = CHECK.draw(findings)
    assert plot.name == "stability-acealanme" and plot.csv.count("\n") == frames + 1


def test_a_hole_inside_the_hydrogen_bond_is_found_and_named(tmp_path: Path) -> None:
    findings = measure(planted(tmp_path / "store", Hole(depth=500.0, begin=1.9)), OPTIONS)
    found = {one.name.removesuffix("-acealanme-300k"): one for one in findings.results}
    assert not any(one.passed for one in found.values())
    assert found["contact"].value is not None and found["contact"].value < 0.7
    assert found["below"].value is not None and found["below"].value > 20.0
    assert "O2 and H18" in found["held"].meaning and "O2 and H18" in found["contact"].meaning
    assert "conh-ch-conh where H..O is" in found["contact"].advice


def test_a_contact_that_is_inside_of_the_training_range_names_the_n_mer(tmp_path: Path) -> None:
    """Ranges that hold everything: the advice is then to label what the simulation itself visits."""

    def wide(one: Potential) -> Potential:
        assert one.ranges is not None
        return replace(
            one, ranges=np.stack([np.full(one.ranges.shape[1], 0.01), np.full(one.ranges.shape[1], 99.0)])
        )

    planted_hole = planted(tmp_path / "store", Hole(depth=500.0, begin=1.9), change=wide)
    target = Target("AceAlaNme", planted_hole.sum_of("AceAlaNme"), system())
    contacts = Contacts.of(target.system.symbols, target.system.bonds, Floors({}))
    found = {one.name: one for one in held(target, OPTIONS.settings(300.0), contacts, True).results()}
    for name in ("held-acealanme-300k", "contact-acealanme-300k"):
        assert found[name].advice.startswith("label conh-ch-conh from own frames in which O2 and H18 are near ")
    assert found["outside-acealanme-300k"].value == 0.0


def test_a_simulation_that_ends_early_fails(tmp_path: Path) -> None:
    findings = measure(planted(tmp_path / "store", Refusing(1.8)), OPTIONS)
    held = findings.results[0]
    assert held.name == "held-acealanme-300k" and held.passed is False
    assert held.value is not None and held.value < 0.4


def test_a_start_without_an_energy_is_said(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no energy at a geometry from which AceAlaNme is simulated"):
        measure(planted(tmp_path / "store", Refusing(2.5)), OPTIONS)


def test_without_ranges_it_is_not_known_whether_frames_are_outside(tmp_path: Path) -> None:
    subject = planted(tmp_path / "store", change=lambda one: replace(one, ranges=None))
    short = OPTIONS.model_copy(update={"replicas": 1, "picoseconds": 0.05})
    findings = measure(subject, short)
    assert values(findings)["outside"] is None and not findings.passed
    assert any("do not have it" in note for note in findings.notes)
    assert np.isnan(findings.data["frames.outside"].values).all()
    assert CHECK.draw(findings)


def test_a_molecule_of_another_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'AceGlyNme' is not simulated; allowed: AceAlaNme"):
        measure(planted(tmp_path / "store"), OPTIONS.model_copy(update={"molecules": ("AceGlyNme",)}))
