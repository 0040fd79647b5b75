"""Evaluation with every option of the basis: against naive sums, finite differences, and exchanges."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from potentials.nmers.nmer import NMer
from potentials.pip.basis import Basis, BasisOptions
from potentials.pip.evaluation import CHUNK, FEW, Polynomial
from potentials.pip.points import Points
from potentials.pip.potential import Potential
from potentials.pip.sites import LonePairs
from potentials.pip.variables import Forms
from recipes.load import load_recipe
from tests.numerical import slopes_of

NMER = load_recipe("ch3-water").build_nmer()
WATERS = NMer("waters", (NMER.fragments[1], NMER.fragments[1]))
BOTH = (LonePairs((0, 1, 2)), LonePairs((3, 4, 5)))
RNG = np.random.default_rng(8)

CASES = {
    "plain": (NMER, 3, BasisOptions(), None),
    "five": (NMER, 1, BasisOptions(), None),
    "forms": (NMER, 2, BasisOptions(forms=Forms("exp0", "coul")), None),
    "gaussian": (NMER, 2, BasisOptions(forms=Forms("gau0", "coul0")), None),
    "rules": (NMER, 3, BasisOptions(rules=("connected", "A-C intra <= 1", "no caps")), None),
    "sites": (WATERS, 3, BasisOptions(lone_pairs=BOTH, forms=Forms("gau", "coul0")), None),
    "selected": (NMER, 3, BasisOptions(), (0, 20, 300, 301, 709)),
    "highest": (WATERS, 3, BasisOptions(rules=("only intermolecular",), lone_pairs=BOTH), (180, 190)),
}


def make(case: str) -> tuple[Potential, np.ndarray]:
    nmer, degree, options, selected = CASES[case]
    rng = np.random.default_rng(2)
    basis = Basis.build(nmer, degree, "intermolecular", options)
    count = basis.n_terms if selected is None else len(selected)
    potential = Potential(
        nmer,
        degree,
        "intermolecular",
        rng.uniform(0.3, 1.0, len(basis.pair_names)),
        rng.normal(size=count),
        selected=selected,
        options=options,
        d=rng.uniform(0.5, 2.0, len(basis.variables.shifted)),
    )
    return potential, nmer.positions + rng.normal(scale=0.2, size=(CHUNK + 9, nmer.natoms, 3)) + spread(nmer)


def spread(nmer: NMer) -> np.ndarray:
    """Move the second of two equal starting geometries away."""
    moved = np.zeros((nmer.natoms, 3))
    moved[nmer.slices[1], 1] = 3.0 if nmer is WATERS else 0.0
    return moved


def naive(potential: Potential, positions: np.ndarray) -> float:
    """The sum of coefficients times monomials, written out."""
    basis = potential.basis
    distances = basis.variables.distances(positions[None])
    x = basis.variables.values(potential.parameters, distances)[0]
    return sum(
        potential.coefficients[t] * prod(x[v] for v in row)
        for rows, term in zip(basis.rows, basis.term, strict=True)
        for row, t in zip(rows.tolist(), term.tolist(), strict=True)
        if t >= 0
    )


@pytest.mark.parametrize("case", CASES)
def test_energies_are_the_sums_written_out(case: str) -> None:
    potential, positions = make(case)
    energy = np.asarray(potential.energy(positions))
    for n in (0, CHUNK, CHUNK + 8):
        assert energy[n] == pytest.approx(naive(potential, positions[n]), abs=1e-12, rel=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_blocks_and_single_configurations_agree(case: str) -> None:
    potential, positions = make(case)
    energy, gradient = potential.energy_and_gradient(positions)
    scale = np.abs(energy).max()
    for count in (1, FEW, FEW + 1, CHUNK):
        some_energy, some_gradient = potential.energy_and_gradient(positions[:count])
        np.testing.assert_allclose(some_energy, energy[:count], atol=1e-12 * scale)
        np.testing.assert_allclose(some_gradient, gradient[:count], atol=1e-11 * scale)


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_derivatives(case: str) -> None:
    potential, positions = make(case)
    positions = positions[: FEW + 2]
    gradient = potential.energy_and_gradient(positions)[1]
    expected = slopes_of(potential.energy, positions, 1e-4, order=4)
    np.testing.assert_allclose(gradient, expected, atol=2e-8, rtol=1e-8)


@pytest.mark.parametrize("case", CASES)
def test_exchanges_change_nothing(case: str) -> None:
    """Every generator of the atoms' group; lone pairs follow their atoms."""
    potential, positions = make(case)
    energy, gradient = potential.energy_and_gradient(positions)
    scale = np.abs(energy).max()
    for order in Points.of(potential.nmer).generators():
        other_energy, other_gradient = potential.energy_and_gradient(positions[:, order])
        np.testing.assert_allclose(other_energy, energy, atol=1e-12 * scale)
        np.testing.assert_allclose(other_gradient, gradient[:, order], atol=1e-11 * scale)
    mirrored = np.asarray(potential.energy(positions * [1, 1, -1]))
    np.testing.assert_allclose(mirrored, energy, atol=1e-12 * scale)


def test_monomials_that_no_term_needs_are_left_out() -> None:
    whole, few = make("plain")[0], make("selected")[0]
    every = Polynomial.build(whole.basis, whole.coefficients)
    some = Polynomial.build(few.basis, few.coefficients)
    assert len(every.parents) == 1 + 28 + 28 * 29 // 2
    assert len(some.parents) < len(every.parents) / 3
    first = Polynomial.build(make("five")[0].basis, make("five")[0].coefficients)
    assert len(first.parents) == 1


def test_the_polynomial_of_variables_alone() -> None:
    potential, positions = make("selected")
    polynomial = Polynomial.build(potential.basis, potential.coefficients)
    variables = potential.basis.variables
    x = variables.values(potential.parameters, variables.distances(positions))
    value, slopes = polynomial.value_and_slopes(x)
    np.testing.assert_allclose(value, potential.energy(positions), atol=1e-12)
    expected = slopes_of(lambda other: polynomial.value_and_slopes(other)[0], x, axes=1)
    np.testing.assert_allclose(slopes, expected, atol=1e-7)
