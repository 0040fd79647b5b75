"""A family whose n-mers all passed their gates, and whose sum does not hold, is refused by the gates of sums."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.checks import own_frames, stability
from tasks.checks.own_frames import OwnFramesOptions
from tasks.checks.run import run_check
from tasks.checks.stability import StabilityOptions
from tasks.checks.subject import Subject
from tests.tasks.checks.smoke import smoke_store


def test_the_smoke_family_is_refused_for_its_fused_hydrogen_bond(tmp_path: Path) -> None:
    subject = Subject.of_family("polyalanine", smoke_store(tmp_path), ["AceAlaNme"]).pinned()
    options = StabilityOptions(temperatures=(300.0,), replicas=1, picoseconds=0.2)
    found = {one.name: one for one in run_check(stability.CHECK, subject, options).results}
    below = found["below-acealanme-300k"]  # the fold, relaxed, falls into the hole
    assert below.value is not None and below.value > 5.0 and "conh-ch-conh" in below.advice
    outside = found["outside-acealanme-300k"]
    assert outside.value is not None and outside.value > 50.0


@pytest.mark.slow
def test_the_smoke_family_is_wrong_on_its_own_frames(tmp_path: Path) -> None:
    """Without datasets: the minima of all reference energies are searched with GFN2-xTB, some minutes."""
    subject = Subject.of_family("polyalanine", smoke_store(tmp_path), ["AceAlaNme"]).pinned()
    options = StabilityOptions(replicas=5, picoseconds=2.0)
    held = {one.name: one for one in run_check(stability.CHECK, subject, options).results}["held-acealanme-300k"]
    assert held.passed is False and "O2 and H18" in held.meaning
    options = OwnFramesOptions(replicas=2, picoseconds=1.0, frames=20, most=10)
    found = {one.name: one for one in run_check(own_frames.CHECK, subject, options).results}
    worst = found["rms-conh-ch-conh"]
    assert worst.value is not None and worst.value > 10.0
    assert "sample conh-ch-conh where H..O" in worst.advice
    assert found["whole-acealanme"].passed is False and found["uncertainty"].passed is False
    assert found["rms-ch3"].passed  # what is right remains so
