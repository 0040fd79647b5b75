"""Forms of the variables, virtual sites, and their derivatives by finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.pip.points import Points
from potentials.pip.sites import LonePairs, Sites
from potentials.pip.variables import FORMS, Forms, Variables
from recipes.load import load_recipe
from tests.numerical import slopes_of

NMER = load_recipe("ch3-water").build_nmer()
PAIRS = (LonePairs((5, 6, 7)),)
RNG = np.random.default_rng(3)
SHAKEN = NMER.positions + RNG.normal(scale=0.2, size=(6, NMER.natoms, 3))

FORMULAS = {
    "exp": lambda k, d, r: np.exp(-k * r),
    "exp0": lambda k, d, r: np.exp(-k * (r - d)),
    "coul": lambda k, d, r: np.exp(-k * r) / r,
    "coul0": lambda k, d, r: np.exp(-k * (r - d)) / r,
    "gau": lambda k, d, r: np.exp(-k * r**2),
    "gau0": lambda k, d, r: np.exp(-k * (r - d) ** 2),
}


def make(intra: str, inter: str) -> tuple[Variables, np.ndarray]:
    known = Variables.of(Points.of(NMER, PAIRS), Forms(intra, inter))
    return known, np.random.default_rng(1).uniform(0.4, 1.2, len(known.parameter_names))


@pytest.mark.parametrize("form", FORMS)
def test_values_are_the_formulas(form: str) -> None:
    known, parameters = make(form, form)
    k, d = known.spread(parameters)
    distances = known.distances(SHAKEN)
    np.testing.assert_allclose(known.values(parameters, distances), FORMULAS[form](k, d, distances), rtol=1e-14)


def test_each_kind_has_its_own_parameters() -> None:
    known, parameters = make("exp0", "coul")
    intra = [name for name in known.names if name.endswith("intra")]
    assert known.parameter_names == (*known.names, *(f"{name} d" for name in intra))
    assert "X-X intra" not in known.names and "O-X intra" not in known.names
    k, d = known.spread(parameters)
    assert not d[known.intermolecular].any() and (d[~known.intermolecular] > 0).all()
    assert k.tolist() == [parameters[n] for n in known.kind]


@pytest.mark.parametrize(("intra", "inter"), [("exp", "coul0"), ("exp0", "gau"), ("coul", "gau0")])
def test_derivatives(intra: str, inter: str) -> None:
    known, parameters = make(intra, inter)
    distances = known.distances(SHAKEN)
    x, h = known.values(parameters, distances), 1e-5
    by_distance = (known.values(parameters, distances + h) - known.values(parameters, distances - h)) / (2 * h)
    np.testing.assert_allclose(known.slopes(parameters, distances, x), by_distance, atol=1e-9)
    pull = RNG.normal(size=x.shape)
    found = known.parameter_gradient(parameters, distances, x, pull)
    expected = slopes_of(lambda p: np.sum(pull * known.values(p, distances)), parameters, h, axes=1)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    slopes = slopes_of(lambda x: known.values(parameters, known.distances(x)), SHAKEN, h)
    np.testing.assert_allclose(np.moveaxis(known.jacobian(parameters, SHAKEN), -1, 1), slopes, atol=1e-8)


def test_where_lone_pairs_are() -> None:
    """Above and below the plane, behind the oxygen, and where a mirror and an exchange of H take them."""
    water = np.array([[[0.0, 0.0, 0.0], [0.76, 0.0, 0.59], [-0.76, 0.0, 0.59]]])
    sites = Sites.of([LonePairs((0, 1, 2), along=-0.1, across=0.2)])
    points = sites.points(water)[0, 3:]
    np.testing.assert_allclose(points, [[0, -0.2 * 0.8968, -0.059], [0, 0.2 * 0.8968, -0.059]], atol=1e-12)
    exchanged = sites.points(water[:, [0, 2, 1]])[0, 3:]
    np.testing.assert_allclose(exchanged, points[::-1])
    mirrored = sites.points(water * [1, -1, 1])[0, 3:]
    np.testing.assert_allclose(mirrored, points[::-1] * [1, -1, 1])


def test_sites_gradient_is_the_chain_rule() -> None:
    sites = Sites.of([LonePairs((5, 6, 7), -0.3, 0.4), LonePairs((0, 3, 2), 0.2, 0.1)])
    pull = RNG.normal(size=(len(SHAKEN), NMER.natoms + 4, 3))
    found = sites.on_atoms(sites.points(SHAKEN), pull.copy())
    assert found.shape == SHAKEN.shape
    expected = slopes_of(lambda x: np.sum(pull * sites.points(x), axis=(1, 2)), SHAKEN)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_unknown_forms_are_refused() -> None:
    with pytest.raises(InputError, match="allowed: exp, exp0, coul, coul0, gau, gau0"):
        Forms("morse")


@pytest.mark.parametrize(
    ("lone_pairs", "message"),
    [
        ((LonePairs((0, 2, 3)),), "only atom of its letter"),  # three alike neighbours
        ((LonePairs((6, 5, 7)),), "only atom of its letter"),
        ((LonePairs((5, 6, 9)),), "atoms from 0 to 7"),
        ((LonePairs((5, 6, 7)), LonePairs((5, 6, 7))), "one pair of lone pairs"),
    ],
)
def test_lone_pairs_that_cannot_be_are_refused(lone_pairs: tuple[LonePairs, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Points.of(NMER, lone_pairs)


def test_like_fragments_have_like_sites() -> None:
    water = NMER.fragments[1]
    pair = NMER.__class__("pair", (water, water), "A1B2_A1B2")
    with pytest.raises(InputError, match="the same lone pairs"):
        Points.of(pair, (LonePairs((0, 1, 2)),))
    with pytest.raises(InputError, match="the same lone pairs"):
        Points.of(pair, (LonePairs((0, 1, 2)), LonePairs((3, 4, 5), across=0.2)))
    distinct = NMer("pair", (water, water), "A1B2_C1D2")
    assert Points.of(distinct, (LonePairs((3, 4, 5)),)).symmetry == "A1B2_C1D2X2"
    assert Points.of(pair, (LonePairs((3, 4, 5)), LonePairs((0, 1, 2)))).letters[6:] == ("X",) * 4


def test_the_same_atom_twice_is_refused() -> None:
    with pytest.raises(InputError, match="a centre and two neighbours"):
        LonePairs((5, 6, 6))
