"""Gradients of PySCF's energies where something is unusual: core potentials, ghosts of heavy atoms, fitted HF."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tasks.labelling.engines.interface import FAILED, OK, Job
from tasks.labelling.engines.registry import get_engine

SYMBOLS = ("I", "H", "He")
POSITIONS = ((0.0, 0.0, 0.0), (0.1, 0.0, 1.6), (0.5, 2.4, 1.9))


def slope(job: Job, direction: np.ndarray, step: float = 2e-3) -> float:
    """Return the slope of the energy along a direction by central differences of the fourth order."""
    engine, tight, total = get_engine("pyscf"), replace(job, scf_tolerance=1e-12, gradient=False), 0.0
    for n, weight in ((1, 2 / 3), (-1, -2 / 3), (2, -1 / 12), (-2, 1 / 12)):
        at = (np.array(job.positions) + n * step * direction).tolist()
        found = engine.run(replace(tight, positions=tuple((x, y, z) for x, y, z in at)))
        assert found.energy is not None, found.reason
        total += weight * found.energy / step
    return total


@pytest.mark.parametrize("ghosts", [(), (0, 1)], ids=["all", "iodine a ghost"])
@pytest.mark.parametrize(("method", "fitted"), [("HF", False), ("HF", True), ("MP2", False)])
def test_a_core_potential_has_a_gradient_and_none_on_ghosts(
    method: str, fitted: bool, ghosts: tuple[int, ...]
) -> None:
    job = Job("AB", SYMBOLS, POSITIONS, ghosts, 0, method, "def2-SVP", density_fitting=fitted, gradient=True)
    result = get_engine("pyscf").run(job)
    assert (result.status, result.reason) == (OK, "") and result.gradient is not None
    direction = np.random.default_rng(2).standard_normal((3, 3))
    assert np.vdot(result.gradient, direction) == pytest.approx(slope(job, direction), abs=3e-6)


def test_what_pyscf_has_no_gradient_of_fails_in_words() -> None:
    job = Job("A", ("H", "H"), POSITIONS[:2], (), 0, "MP2", "cc-pVDZ", density_fitting=True, gradient=True)
    result = get_engine("pyscf").run(job)
    assert result.status == FAILED and "no gradients of MP2 with fitted integrals" in result.reason
