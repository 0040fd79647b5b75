"""The figures of V_phys: pytest -m benchmark -s benchmarks/test_physics.py."""

import pytest

from benchmarks.physics import figures

pytestmark = pytest.mark.benchmark


def test_figures() -> None:
    found = figures()
    assert set(found) == {"vphys_us_22", "vphys_us_102", "vphys_us_622"} and min(found.values()) > 0
    print(f"\nV_phys, energy and gradient along a trajectory, us: {found}")
