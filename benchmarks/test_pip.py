"""Figures of the PIP engine, printed and never judged: pytest -m benchmark -s benchmarks/test_pip.py.

Ratios within one run say more than microseconds: another machine is another machine. One thread.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest

from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis, BasisOptions
from potentials.pip.evaluation import Polynomial, design_matrix
from potentials.pip.kernels import potential_one_by_one
from potentials.pip.potential import Potential
from potentials.pip.sites import LonePairs
from recipes.load import load_recipe

pytestmark = pytest.mark.benchmark

MANY = 2048
"""Configurations of a batch."""

PLAIN = BasisOptions()
NMER = load_recipe("ch3-water").build_nmer()
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    if any(os.environ.get(name) != "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")):
        pytest.skip("run with OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1: the figures are of one thread")


def microseconds(work: Callable[[], object], count: int, repeats: int = 30) -> float:
    """Return the shortest time of several, per configuration."""
    work()
    found = []
    for _ in range(repeats):
        begun = perf_counter()
        work()
        found.append(perf_counter() - begun)
    return min(found) / count * 1e6


def make(degree: int, terms: str, options: BasisOptions = PLAIN, nmer: NMer = NMER) -> Potential:
    rng = np.random.default_rng(0)
    basis = Basis.build(nmer, degree, terms, options)
    k = rng.uniform(0.5, 2.0, len(basis.pair_names))
    return Potential(nmer, degree, terms, k, rng.normal(size=basis.n_terms), options=options)


def shaken(nmer: NMer, count: int) -> np.ndarray:
    return nmer.positions + np.random.default_rng(1).normal(scale=0.15, size=(count, nmer.natoms, 3))


def naive(potential: Potential, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energies and slopes as every monomial for itself, in NumPy: x to its powers, and the product rule."""
    value, slopes = np.zeros(len(x)), np.zeros_like(x)
    for rows, term in zip(potential.basis.rows, potential.basis.term, strict=True):
        kept, c = rows[term >= 0], potential.coefficients[term[term >= 0]]
        value += np.prod(x[:, kept], axis=2) @ c
        for factor in range(kept.shape[1]):
            rest = np.prod(x[:, np.delete(kept, factor, axis=1)], axis=2) * c
            for n in range(len(x)):
                slopes[n] += np.bincount(kept[:, factor], rest[n], minlength=x.shape[1])
    return value, slopes


def test_energy_and_gradient_of_710_terms() -> None:
    potential, positions = make(3, "intermolecular"), shaken(NMER, MANY)
    one = np.ascontiguousarray(positions[:1])
    switched = replace(potential, switching=Switching((0, 5), 3.0, 8.0))
    batch = microseconds(lambda: potential.energy_and_gradient(positions), MANY)
    single = microseconds(lambda: potential.energy_and_gradient(positions[0]), 1, 3000)
    inside = microseconds(lambda: switched.energy_and_gradient(positions[0]), 1, 3000)
    known, polynomial = potential.basis.variables, Polynomial.build(potential.basis, potential.coefficients)
    value, gradient = np.empty(MANY), np.empty(positions.shape)
    tables = (
        known.pairs, *known.spread(potential.parameters), known.flags,
        polynomial.parents, polynomial.factors, polynomial.begins, polynomial.stacked,
    )  # fmt: skip
    kernel = microseconds(lambda: potential_one_by_one(positions, *tables, value, gradient), MANY)
    called = microseconds(lambda: potential_one_by_one(one, *tables, value[:1], gradient[:1]), 1, 3000)
    x = known.values(potential.parameters, known.distances(positions))
    rows = microseconds(lambda: design_matrix(potential.basis, x), MANY)
    plain = microseconds(lambda: naive(potential, x[:64]), 64, 3)
    np.testing.assert_allclose(naive(potential, x[:64])[0], potential.energy(positions[:64]), atol=1e-10)
    print(
        f"\n710 terms, 28 variables, us a configuration:\n"
        f"  energy and gradient, {MANY} at once, the whole call   {batch:8.2f}\n"
        f"  one at a time: the loop alone                        {kernel:8.2f}\n"
        f"                 the loop, called from Python          {called:8.2f}\n"
        f"                 the whole call                        {single:8.2f}\n"
        f"                 the whole call, with a switch         {inside:8.2f}\n"
        f"  a row of the design matrix                           {rows:8.2f}\n"
        f"  every monomial for itself, in NumPy                  {plain:8.2f}  ({plain / batch:.0f} x the batch)"
    )


@pytest.mark.parametrize("name", ["A1B1C3, degree 5", "water pair with lone pairs, degree 3", "30 of 710 terms"])
def test_other_bases(name: str) -> None:
    nmer = NMER
    if name.startswith("A1B1C3"):
        nmer = NMer("ch3", NMER.fragments[:1], "A1B1C3")
        potential = make(5, "all", nmer=nmer)
    elif name.startswith("water"):
        nmer = NMer("waters", (NMER.fragments[1],) * 2, "A1B2_A1B2")
        options = BasisOptions(lone_pairs=(LonePairs((0, 1, 2)), LonePairs((3, 4, 5))))
        potential = make(3, "intermolecular", options, nmer)
    else:
        whole = make(3, "intermolecular")
        chosen = tuple(np.sort(np.random.default_rng(3).choice(710, 30, replace=False)).tolist())
        potential = Potential(NMER, 3, "intermolecular", whole.k, whole.coefficients[:30], selected=chosen)
    positions = shaken(nmer, MANY)
    if name.startswith("water"):
        positions[:, 3:, 1] += 3.0
    begun = perf_counter()
    Basis.build(nmer, potential.degree, potential.terms, potential.options)
    built = perf_counter() - begun
    batch = microseconds(lambda: potential.energy_and_gradient(positions), MANY)
    single = microseconds(lambda: potential.energy_and_gradient(positions[0]), 1, 1000)
    print(
        f"\n{name}: {potential.basis.n_terms} terms, {len(potential.basis.variables)} variables, built in "
        f"{built * 1e3:.0f} ms; {batch:.2f} us a configuration at once, {single:.2f} us for one call"
    )


JAX = """
import json, sys, time
import jax
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import numpy as np

tables = np.load(sys.argv[1])
degree = int(tables["degree"])
parents = [jnp.asarray(tables[f"parents{d}"]) for d in range(degree)]
factors = [jnp.asarray(tables[f"factors{d}"]) for d in range(degree)]
weights = [jnp.asarray(tables[f"weights{d}"]) for d in range(degree)]
pairs, k, positions = (jnp.asarray(tables[name]) for name in ("pairs", "k", "positions"))


def energy(r):
    x = jnp.exp(-k * jnp.linalg.norm(r[pairs[:, 0]] - r[pairs[:, 1]], axis=1))
    monomials, total = jnp.ones(1), 0.0
    for parent, factor, weight in zip(parents, factors, weights):
        monomials = monomials[parent] * x[factor]
        total += monomials @ weight
    return total


both = jax.jit(jax.vmap(jax.value_and_grad(energy)))
begun = time.perf_counter()
value, _ = jax.block_until_ready(both(positions))
compiled = time.perf_counter() - begun
found = []
for _ in range(5):
    begun = time.perf_counter()
    jax.block_until_ready(both(positions))
    found.append(time.perf_counter() - begun)
print(json.dumps({"us": min(found) / len(positions) * 1e6, "compiled": compiled,
                  "error": float(np.abs(value - tables["energy"]).max())}))
"""


def test_against_jax(tmp_path: object) -> None:
    """The same basis in JAX, each monomial a product of a smaller one and a variable, in a process of its own."""
    pytest.importorskip("jax")
    potential, positions = make(3, "intermolecular"), shaken(NMER, 1024)
    basis = potential.basis
    known = basis.variables
    tables: dict[str, object] = {
        "degree": basis.degree,
        "pairs": known.pairs,
        "k": known.spread(potential.parameters)[0],
        "positions": positions,
        "energy": potential.energy(positions),
    }
    for d, (rows, term) in enumerate(zip(basis.rows, basis.term, strict=True)):
        children = len(known) - basis.last[d] if d else np.array([len(known)])
        tables |= {
            f"parents{d}": np.repeat(np.arange(len(children)), children),
            f"factors{d}": rows[:, -1],
            f"weights{d}": np.where(term >= 0, potential.coefficients[term], 0.0),
        }
    path = f"{tmp_path}/tables.npz"
    np.savez(path, **tables)
    flags = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"}
    done = subprocess.run(
        ["taskset", "-c", "0", sys.executable, "-c", JAX, path],
        check=True, capture_output=True, text=True, env={**os.environ, **THREADS, **flags},
    )  # fmt: skip
    figures = json.loads(done.stdout)
    ours = microseconds(lambda: potential.energy_and_gradient(positions), len(positions))
    assert figures["error"] < 1e-9
    print(
        f"\nJAX, the same terms: {figures['us']:.1f} us a configuration, {figures['us'] / ours:.0f} x ours "
        f"({ours:.2f}); compiled in {figures['compiled']:.1f} s"
    )
