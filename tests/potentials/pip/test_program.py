"""Programs: the same polynomial and derivatives as the matrices, for any choice of terms."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from potentials.pip.basis import Basis, BasisOptions
from potentials.pip.evaluation import Polynomial, design_matrix
from potentials.pip.program import Program
from potentials.pip.program_kernels import (
    exponential,
    load,
    program_of_eight,
    program_of_one,
    store,
    variables_of_eight,
    variables_of_one,
)
from potentials.pip.variables import FORMS, Forms
from recipes.load import load_recipe

CASES = [("ch", 5, "all", None), ("ch3-water", 3, "intermolecular", 40), ("conh", 1, "all", None),
         ("water-water-water", 3, "intermolecular", 7), ("ch3-water", 2, "intermolecular", 1)]  # fmt: skip


def basis(name: str, degree: int, terms: str, chosen: int | None, options: BasisOptions | None = None) -> Basis:
    whole = Basis.build(load_recipe(name).build_nmer(), degree, terms, options or BasisOptions())
    if chosen is None:
        return whole
    return whole.select(np.random.default_rng(7).choice(whole.n_terms, chosen, replace=False))


def arrays(program: Program) -> tuple[np.ndarray, ...]:
    counts = (program.parents, program.factors)
    return (
        *(one.astype(np.uint32) for one in counts), program.own, program.begins,
        program.leaves.astype(np.uint32), program.coefficients,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "degree", "terms", "chosen"), CASES)
def test_a_program_is_the_sum_of_the_terms(name: str, degree: int, terms: str, chosen: int | None) -> None:
    some = basis(name, degree, terms, chosen)
    rng = np.random.default_rng(3)
    coefficients = rng.normal(size=some.n_terms)
    coefficients[rng.random(some.n_terms) < 0.1] = 0.0
    x = rng.uniform(0.1, 1.1, size=(8, len(some.variables)))
    program = Program.build(some, coefficients)
    nodes, count = len(program.parents), len(some.variables)
    value, slopes = np.empty((1, 8)), np.empty((count, 8))
    program_of_eight(
        np.ascontiguousarray(x.T), *arrays(program), np.empty((nodes, 8)), np.empty((nodes, 8)), value, slopes
    )
    np.testing.assert_allclose(value[0], design_matrix(some, x) @ coefficients, rtol=1e-12, atol=1e-12)
    expected = Polynomial.build(some, coefficients).value_and_slopes(x)[1]
    np.testing.assert_allclose(slopes.T, expected, rtol=1e-11, atol=1e-11)
    one = np.empty(count)
    assert program_of_one(x[3], *arrays(program), np.empty(nodes), np.empty(nodes), one) == pytest.approx(
        value[0, 3], rel=1e-12
    )
    np.testing.assert_allclose(one, slopes[:, 3], rtol=1e-11, atol=1e-11)


def test_only_chosen_terms_are_in_a_program() -> None:
    """40 of 710 terms: no more leaves and nodes than their monomials have parts."""
    some = basis("ch3-water", 3, "intermolecular", 40)
    monomials = sum(int((term >= 0).sum()) for term in some.term)
    program = Program.build(some, np.ones(some.n_terms))
    assert len(program.leaves) + np.count_nonzero(program.own) == monomials
    assert len(program.parents) < monomials


@pytest.mark.parametrize("form", FORMS)
def test_variables_of_eight_and_of_one_are_those_of_the_table(form: str) -> None:
    some = basis("ch3-water", 1, "all", None, BasisOptions(forms=Forms(form, form)))
    variables = some.variables
    rng = np.random.default_rng(5)
    numbers = rng.uniform(0.3, 1.2, len(some.parameter_names))
    positions = np.array(load_recipe("ch3-water").build_nmer().positions) + rng.normal(scale=0.1, size=(8, 8, 3))
    distances = variables.distances(positions)
    expected = variables.values(numbers, distances)
    step = 1e-5
    slope = (variables.values(numbers, distances + step) - variables.values(numbers, distances - step)) / (
        2 * step
    )
    at = np.ascontiguousarray(positions.reshape(8, -1).T)
    tables = (
        variables.pairs.astype(np.uint32), np.stack(variables.spread(numbers), axis=1),
        variables.flags.astype(np.uint8),
    )  # fmt: skip
    count = len(variables)
    x, chain = np.empty((count, 8)), np.empty((count, 8))
    variables_of_eight(at, *tables, x, chain)
    np.testing.assert_allclose(x.T, expected, rtol=1e-13)
    np.testing.assert_allclose(chain.T * distances, slope, rtol=1e-8, atol=1e-9)
    r, rows, singly = np.empty(count), np.empty((count, 8)), np.empty(count)
    variables_of_one(at, 2, *tables, r, rows, singly)
    np.testing.assert_allclose(rows.reshape(-1)[:count], x[:, 2], rtol=1e-13)
    np.testing.assert_allclose(singly, chain[:, 2], rtol=1e-13)
    np.testing.assert_allclose(r, distances[2], rtol=1e-15)


def test_the_exponential_is_exact_to_round_off() -> None:
    x = np.concatenate([np.linspace(-690, 690, 4001), np.linspace(-2, 2, 3999)]).reshape(-1, 8)
    function, read, write = exponential.dispatcher, load.dispatcher, store.dispatcher

    @numba.njit
    def all_rows(x, found):  # type: ignore[no-untyped-def]
        for row in range(len(x)):
            write(found, row, function(read(x, row)))

    found = np.empty_like(x)
    all_rows(x, found)
    np.testing.assert_allclose(found, np.exp(x), rtol=4e-16)
