"""Evaluation stays in the thread that asks for it: BLAS would start others, which wait for busy processors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from potentials.pip.basis import Basis
from potentials.pip.kernels import matrix_product
from potentials.pip.potential import Potential
from recipes.load import load_recipe
from storage.exchange.exporter import FORMATS, write_export
from storage.exchange.subject import PotentialSubject

WORK = """
import json, sys, time
import numpy as np
from potentials.pip.basis import Basis
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.placement import Placement
from potentials.pip.potential import Potential
from recipes.load import load_recipe

nmer = load_recipe("ch3-water").build_nmer()
rng = np.random.default_rng(1)
basis = Basis.build(nmer, 3, "intermolecular")
coefficients = rng.normal(size=basis.n_terms)
ensemble = coefficients + rng.normal(size=(20, basis.n_terms))
k = rng.uniform(0.5, 1.5, len(basis.pair_names))
potential = Potential(nmer, 3, "intermolecular", k, coefficients, ensemble=ensemble)
dimers = nmer.positions + rng.normal(scale=0.05, size=(98, 8, 3))
places = [Placement("n", tuple(range(8 * i, 8 * i + 8)), (-1,) * 8, (0.0,) * 8) for i in range(98)]
whole = ManyBodyPotential(nmer.symbols * 98, places, {"n": potential})
together = dimers.reshape(-1, 3)
scope = {"__name__": "exported"}
exec(open(sys.argv[1]).read(), scope)
found = {}
for name, work in {
    "one": lambda: potential.energy_and_gradient(dimers[0]),
    "batch": lambda: potential.energy_and_gradient(dimers),
    "sum": lambda: whole.energy_and_gradient(together),
    "uncertainty": lambda: potential.uncertainty(dimers),
    "exported": lambda: scope["energy_and_gradient"](dimers),
}.items():
    work()
    process, thread = time.process_time(), time.thread_time()
    while time.thread_time() - thread < 0.3:
        work()
    found[name] = (time.process_time() - process) / (time.thread_time() - thread)
print(json.dumps(found))
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor: BLAS has no other threads")
def test_no_other_thread_works_for_an_evaluation(tmp_path: Path) -> None:
    """98 dimers, 710 terms, with as many BLAS threads as the machine gives by itself."""
    nmer = load_recipe("ch3-water").build_nmer()
    basis = Basis.build(nmer, 3, "intermolecular")
    coefficients = np.random.default_rng(1).normal(size=basis.n_terms)
    potential = Potential(nmer, 3, "intermolecular", np.ones(len(basis.pair_names)), coefficients)
    write_export(FORMATS.get("python"), PotentialSubject(potential, {}), tmp_path / "exported.py")
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    words = [sys.executable, "-c", WORK, str(tmp_path / "exported.py")]
    done = subprocess.run(words, capture_output=True, text=True, env=free, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"one", "batch", "sum", "uncertainty", "exported"}
    for name, share in found.items():
        assert share < 1.2, f"{name}: {share:.2f} s of processors for each second of the thread"


@pytest.mark.parametrize("shape", [(1, 1, 1), (28, 406, 64), (3, 5, 7), (4, 3, 1), (9, 2, 8), (5, 0, 3)])
def test_the_product_is_the_matrix_product(shape: tuple[int, int, int]) -> None:
    rows, inner, width = shape
    rng = np.random.default_rng(3)
    left, right = rng.normal(size=(rows, inner)), rng.normal(size=(inner, width))
    result = np.full((rows, width), np.nan)
    matrix_product(left, right, result)
    np.testing.assert_allclose(result, left @ right, atol=1e-12)
