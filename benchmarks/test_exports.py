"""Figures of an exported potential, printed and never judged: pytest -m benchmark -s benchmarks."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from storage.exchange.exporter import FORMATS, write_export
from storage.exchange.subject import PotentialSubject
from tests.contracts.test_exporters import NMER, run_check


@pytest.mark.benchmark
def test_how_long_an_energy_and_gradient_take(tmp_path: Path) -> None:
    for degree in (2, 3, 4):
        basis = Basis.build(NMER, degree, "intermolecular")
        rng = np.random.default_rng(1)
        k, coefficients = rng.uniform(0.3, 1.5, len(basis.pair_names)), rng.normal(size=basis.n_terms)
        potential = Potential(NMER, degree, "intermolecular", k, coefficients, Switching((0, 5), 5.0, 7.0))
        write_export(FORMATS.get("c"), PotentialSubject(potential, {}), tmp_path / f"{degree}")
        said = run_check(FORMATS.get("c"), tmp_path / f"{degree}").stdout.splitlines()[1]
        potential.energy_and_gradient(NMER.positions)
        start = perf_counter()
        for _ in range(1000):
            potential.energy_and_gradient(NMER.positions)
        print(f"degree {degree}, {basis.n_terms} terms: C {said}; Python {1e3 * (perf_counter() - start):.1f}")
