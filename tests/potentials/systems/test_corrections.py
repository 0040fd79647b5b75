"""The compiled sum against one evaluation of each occurrence; in a cell against all images, and by differences."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis, BasisOptions
from potentials.pip.potential import Potential
from potentials.pip.sites import LonePairs
from potentials.systems.cell import Cell
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.near import Near, NearKind
from potentials.systems.placement import Placement, Placements
from recipes.load import load_recipe

WATERS = 40
WIDTH = 11.2
VECTORS = np.array([[WIDTH, 0.0, 0.0], [1.5, WIDTH, 0.0], [-0.7, 1.1, WIDTH]])


def random(name: str, degree: int, switching: Switching | None, terms: str, **options: object) -> Potential:
    nmer, rng = load_recipe(name).build_nmer(), np.random.default_rng(2)
    chosen = BasisOptions(**options)  # type: ignore[arg-type]
    basis = Basis.build(nmer, degree, terms, chosen)
    k, coefficients = rng.uniform(0.5, 1.2, len(basis.pair_names)), rng.normal(size=basis.n_terms)
    return Potential(nmer, degree, terms, k, coefficients, switching, options=chosen)


ONE = random("water", 3, None, "all")
TWO = random("water-water", 2, Switching((0, 3), 4.0, 5.4), "intermolecular")
THREE = random("water-water-water", 2, Switching((0, 3, 6), 2.5, 3.7), "intermolecular")
LONE = random(
    "water-water", 2, Switching((0, 3), 4.0, 5.4), "intermolecular",
    lone_pairs=(LonePairs((0, 1, 2)), LonePairs((3, 4, 5))),
)  # fmt: skip


def waters() -> np.ndarray:
    """Waters on a grid, shaken."""
    rng = np.random.default_rng(4)
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)[:WATERS]
    one = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
    places = (grid / 4) @ VECTORS
    return (places[:, None] + one + rng.normal(scale=0.15, size=(WATERS, 3, 3))).reshape(-1, 3)


def model(two: Potential = TWO, cell: bool = True, threads: int = 1) -> ManyBodyPotential:
    atoms = np.arange(3 * WATERS).reshape(-1, 3)
    bodies = {"water": Placements(atoms, atoms, np.zeros(atoms.shape))}
    kinds = (NearKind("two", ("water",) * 2, two.switching), NearKind("three", ("water",) * 3, THREE.switching))
    ones = [Placement("one", tuple(map(int, row)), (-1,) * 3, (0.0,) * 3) for row in atoms]
    return ManyBodyPotential(
        ("O", "H", "H") * WATERS, ones, {"one": ONE, "two": two, "three": THREE}, near=Near(bodies, kinds),
        cell=Cell(tuple(map(tuple, VECTORS)), (True,) * 3) if cell else None,
        bonds=[(3 * n, 3 * n + h) for n in range(WATERS) for h in (1, 2)], threads=threads,
    )  # fmt: skip


def by_hand(x: np.ndarray, two: Potential, vectors: np.ndarray | None) -> dict[str, float]:
    """Return the energies of all pairs and triples of waters, each at the images next to the first."""
    one = x.reshape(-1, 3, 3)
    found = {"one": float(ONE.correction(one).energy.sum())}
    cell = None if vectors is None else Cell(tuple(map(tuple, vectors)), (True,) * 3)

    def image(i: int, j: int) -> np.ndarray:
        apart = one[j, 0] - one[i, 0]
        return one[j] if cell is None else one[j] + cell.nearest(apart)[0] - apart

    pairs = np.array([np.concatenate([one[i], image(i, j)]) for i, j in combinations(range(WATERS), 2)])
    near = np.linalg.norm(pairs[:, 0] - pairs[:, 3], axis=1) < 5.4
    found["two"] = float(two.correction(pairs[near]).energy.sum())
    triples = np.array(
        [np.concatenate([one[i], image(i, j), image(i, k)]) for i, j, k in combinations(range(WATERS), 3)]
    )
    near = (THREE.switching.distances(triples) < 3.7).all(axis=1)
    assert near.sum() > 10
    found["three"] = float(THREE.correction(triples[near]).energy.sum())
    return found


@pytest.mark.parametrize("cell", [True, False])
@pytest.mark.parametrize("two", [TWO, LONE], ids=["compiled", "virtual sites"])
def test_the_sum_is_that_of_all_pairs_and_triples(cell: bool, two: Potential) -> None:
    x = waters()
    expected = by_hand(x, two, VECTORS if cell else None)
    found = model(two, cell).evaluate(x[None])
    assert {name: float(value[0]) for name, value in found.shares.items()} == pytest.approx(expected, rel=1e-11)
    assert found.energy[0] == pytest.approx(sum(expected.values()), rel=1e-11)


@pytest.mark.parametrize("two", [TWO, LONE], ids=["compiled", "virtual sites"])
def test_gradient_and_virial_are_those_of_differences(two: Potential) -> None:
    x, step, whole = waters(), 1e-4, model(two)
    found = whole.evaluate(x[None])
    rng = np.random.default_rng(1)
    for _ in range(3):
        d = rng.normal(size=x.shape)
        ends = whole.evaluate(np.array([x + step * d, x - step * d])).energy
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(float((found.gradient[0] * d).sum()), rel=1e-6)
    for axis in range(3):
        strain = np.zeros((3, 3))  # of row vectors: x (1 + strain)
        strain[axis] = rng.normal(size=3)
        turns = [np.eye(3) + sign * step * strain for sign in (1, -1)]
        plus, minus = (whole.evaluate((x @ t)[None], VECTORS @ t).energy[0] for t in turns)
        expected = float(np.einsum("ij,ji->", found.virial[0], strain))
        assert (plus - minus) / (2 * step) == pytest.approx(expected, rel=1e-6)


def test_atoms_may_be_at_any_image() -> None:
    x, rng = waters(), np.random.default_rng(6)
    moved = x + rng.integers(-2, 3, size=x.shape) @ VECTORS
    found, expected = model().evaluate(moved[None]), model().evaluate(x[None])
    assert found.energy[0] == pytest.approx(expected.energy[0], rel=1e-10)
    np.testing.assert_allclose(found.gradient, expected.gradient, atol=1e-9)
    np.testing.assert_allclose(found.virial, expected.virial, atol=1e-8)


def test_threads_and_batches_change_nothing() -> None:
    x, rng = waters(), np.random.default_rng(8)
    frames = x + rng.normal(scale=0.05, size=(3, *x.shape))
    one, two = model(cell=False), model(cell=False, threads=2)
    singly = [one.evaluate(frame[None]) for frame in frames]
    for whole in (one, two):
        found = whole.evaluate(frames)
        np.testing.assert_allclose(found.energy, [s.energy[0] for s in singly], rtol=1e-12)
        np.testing.assert_allclose(found.gradient, [s.gradient[0] for s in singly], atol=1e-10)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 11])
def test_any_number_of_occurrences_with_caps(count: int) -> None:
    """Those of one kind are evaluated singly or eight at a time."""
    potential = random("ch3", 3, None, "all")
    rng = np.random.default_rng(count)
    shape = np.array(potential.nmer.positions)
    x = np.concatenate([shape + rng.normal(scale=0.1, size=shape.shape) + 9.0 * n for n in range(count)])
    caps = {cap: (anchor, length) for cap, anchor, length in potential.nmer.caps}
    places = [
        Placement(
            "ch3", tuple(range(5 * n, 5 * n + 5)),
            tuple(5 * n + caps[a][0] if a in caps else -1 for a in range(5)),
            tuple(caps[a][1] if a in caps else 0.0 for a in range(5)),
        )
        for n in range(count)
    ]  # fmt: skip
    whole = ManyBodyPotential(potential.symbols * count, places, {"ch3": potential})
    energy, gradient = whole.energy_and_gradient(x)
    pieces = [potential.held().energy_and_gradient(one) for one in x.reshape(count, 5, 3)]
    assert energy == pytest.approx(sum(float(e) for e, _ in pieces), rel=1e-12)
    np.testing.assert_allclose(gradient, np.concatenate([g for _, g in pieces]), atol=1e-11)


def test_bad_input_is_refused() -> None:
    x = waters()
    x[1] = x[0]
    with pytest.raises(InputError, match="atoms 0 and 1 are in one place"):
        model().evaluate(x[None])
    with pytest.raises(InputError, match="a sum in vacuum"):
        model(cell=False).evaluate(waters()[None], VECTORS)
    with pytest.raises(InputError, match=r"wide"):
        model().evaluate(waters()[None], 0.9 * VECTORS)
    with pytest.raises(InputError, match="threads is 0"):
        model(threads=0)


def test_a_trajectory_has_lists_of_its_own() -> None:
    x, whole = waters(), model()
    steps = whole.trajectory()
    for n in range(4):
        moved = x + 0.4 * n
        moved[:3] += 0.3 * n
        assert steps.energy(moved) == pytest.approx(whole.energy(moved), rel=1e-11)
