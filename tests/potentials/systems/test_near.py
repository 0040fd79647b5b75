"""N-mers of bodies that are near: no one inside r_out is missing, whatever moves."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.nmers.switching import Switching
from potentials.systems.cell import Cell
from potentials.systems.near import Near, NearKind
from potentials.systems.placement import Placements

WATER = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
BOX = np.array([[13.0, 0.0, 0.0], [2.0, 14.0, 0.0], [-1.0, 3.0, 13.5]])
PAIR = NearKind("water-water", ("water", "water"), Switching((0, 3), 4.0, 5.0))
TRIPLE = NearKind("water-water-water", ("water",) * 3, Switching((0, 3, 6), 3.0, 4.5))
SOLUTE = NearKind("conh-water", ("conh", "water"), Switching(((0, 2), 6), 4.0, 5.5))
MIXED = NearKind("conh-water-water", ("conh", "water", "water"), Switching((0, 6, 9), 4.0, 5.5))
CONH, WATERS = 4, 60


def placements() -> dict[str, Placements]:
    """Atoms of -CONH- with two caps each, and waters, whose atoms are numbered backwards."""
    conh = np.arange(6 * CONH).reshape(CONH, 6)
    anchors = conh.copy()
    anchors[:, 4:] = conh[:, [0, 2]]
    water = np.arange(6 * CONH, 6 * CONH + 3 * WATERS).reshape(WATERS, 3)[::-1]
    caps = np.where(anchors == conh, 0.0, 1.1)
    return {"conh": Placements(conh, anchors, caps), "water": Placements(water, water, np.zeros(water.shape))}


def configuration(seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    groups = rng.uniform(-20, 30, (CONH, 1, 3)) + rng.uniform(-1, 1, (CONH, 6, 3))
    waters = rng.uniform(-20, 30, (WATERS, 1, 3)) + WATER
    return np.concatenate([groups.reshape(-1, 3), waters.reshape(-1, 3)])


NEAR = Near(placements(), (PAIR, TRIPLE, SOLUTE, MIXED), skin=0.8)


def inside(kind: NearKind, x: Floats, vectors: Floats | None) -> set[tuple[tuple[int, ...], ...]]:
    """Return the atoms of every n-mer that is switched on, one tuple a body, by trying all."""
    bodies = placements()
    cell = None if vectors is None else Cell(tuple(map(tuple, vectors)), (True,) * 3)
    keys = NEAR.local_keys(kind)
    sets = [bodies[name].atoms for name in kind.bodies]
    points = [x[atoms[:, list(key)]].mean(axis=1) for atoms, key in zip(sets, keys, strict=True)]
    near = {}
    for a, b in combinations(range(len(points)), 2):
        apart = points[b][None] - points[a][:, None]
        lengths = np.linalg.norm(apart if cell is None else cell.nearest(apart)[0], axis=2)
        near[a, b] = lengths < kind.switching.r_out
        if kind.bodies[a] == kind.bodies[b]:
            near[a, b] = np.triu(near[a, b], 1)
    if len(points) == 2:
        groups = np.argwhere(near[0, 1])
    else:
        groups = np.argwhere(near[0, 1][:, :, None] & near[0, 2][:, None] & near[1, 2][None])
    return {tuple(tuple(int(a) for a in rows[n]) for rows, n in zip(sets, group, strict=True)) for group in groups}


def listed(kind: NearKind, found: Placements) -> set[tuple[tuple[int, ...], ...]]:
    slots = NEAR.slots(kind)
    rows = {tuple(tuple(int(a) for a in row[b:e]) for b, e in pairwise(slots)) for row in found.atoms}
    assert len(rows) == len(found.atoms)
    return rows


@pytest.mark.parametrize("periodic", [True, False])
def test_every_n_mer_inside_its_radius_is_listed_once(periodic: bool) -> None:
    vectors, x = (BOX if periodic else None), configuration(1)
    if not periodic:
        x = x * 0.3
    search = NEAR.search()
    assert search.find(x, vectors) == 1
    for kind in NEAR.kinds:
        expected, found = inside(kind, x, vectors), listed(kind, search.placements[kind.nmer])
        assert expected and expected <= found
        reach = NearKind(kind.nmer, kind.bodies, Switching(kind.switching.atoms, 1.0, kind.switching.r_out + 0.8))
        assert found == inside(reach, x, vectors)


def test_lists_are_kept_until_something_moved_half_the_skin_and_are_never_short() -> None:
    """Along a random walk in a cell that changes too, with molecules that jump to other images."""
    rng = np.random.default_rng(2)
    x, vectors, search = configuration(3), BOX.copy(), NEAR.search()
    calls = 60
    for call in range(calls):
        before = dict(search.placements)
        builds = search.builds
        if search.find(x, vectors) == builds:
            assert all(before[name] is search.placements[name] for name in before)
        for kind in (PAIR, TRIPLE, SOLUTE) if call % 3 == 0 else ():
            assert inside(kind, x, vectors) <= listed(kind, search.placements[kind.nmer])
        strain = np.eye(3) + 0.002 * rng.normal(size=(3, 3))
        x, vectors = x @ strain, vectors @ strain
        x = x + rng.normal(scale=0.02, size=x.shape)
        jumps = rng.integers(-1, 2, (WATERS, 3)) @ vectors
        x[6 * CONH :] += np.repeat(jumps, 3, axis=0)
    assert 1 < search.builds < calls / 2


def test_the_skin_shrinks_where_the_cell_has_no_room_and_a_smaller_cell_is_refused() -> None:
    box = np.eye(3) * 11.2
    search = NEAR.search()
    x = configuration(4)
    search.find(x, box)
    for kind in NEAR.kinds:
        assert inside(kind, x, box) <= listed(kind, search.placements[kind.nmer])
    assert (
        search.find(x + 0.02, box) == 1
        and search.find(x + np.random.default_rng(0).normal(size=x.shape), box) == 2
    )
    with pytest.raises(InputError, match=r"the cell is 10\.900 A wide, and n-mer conh-water ends at 5\.5 A"):
        NEAR.search().find(x, np.eye(3) * 10.9)
    with pytest.raises(InputError, match=r"10\.900 A wide"):
        search.find(x * 10.9 / 11.2, np.eye(3) * 10.9)


def test_excluded_pairs_do_not_count_and_an_own_image_is_refused() -> None:
    pair = NearKind("conh-conh-pair", ("conh", "conh"), Switching((0, 6), 5.0, 6.0), np.array([[1, 0], [1, 2]]))
    near = Near(placements(), (pair,))
    x = configuration(5)
    x[: 6 * CONH] = np.repeat(np.array([[0.0, 0.0, 2.0 * n] for n in range(CONH)]), 6, axis=0)
    search = near.search()
    search.find(x)
    found = {tuple(row[[0, 6]] // 6) for row in search.placements["conh-conh-pair"].atoms}
    assert found == {(0, 2), (0, 3), (1, 3), (2, 3)}
    x[6:12] += np.array([0.0, 0.0, 9.0])  # the second is now near the first one's image
    with pytest.raises(InputError, match=r"nearer than 7 A to its own image, where n-mer conh-conh-pair"):
        near.search().find(x, np.eye(3) * 14.0)


def test_bodies_are_taken_next_to_the_first_one() -> None:
    x, search = configuration(6), NEAR.search()
    search.find(x, BOX)
    for kind in (SOLUTE, TRIPLE):
        found = search.placements[kind.nmer]
        shifts = NEAR.shifts(kind, found, x, BOX)
        np.testing.assert_allclose(shifts @ np.linalg.inv(BOX), np.rint(shifts @ np.linalg.inv(BOX)), atol=1e-9)
        assert not shifts[:, 0].any() and shifts.any()
        body = np.repeat(np.arange(len(kind.bodies)), np.diff(NEAR.slots(kind)))
        placed = found.positions(x[None])[0] + shifts[:, body]
        on = set(np.flatnonzero(kind.switching.evaluate(placed)[0]))
        expected = inside(kind, x, BOX)
        slots = NEAR.slots(kind)
        rows = [tuple(tuple(int(a) for a in row[b:e]) for b, e in pairwise(slots)) for row in found.atoms]
        assert {rows[n] for n in on} == expected


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (NearKind("x", ("conh", "ch"), Switching((0, 6), 4.0, 5.0)), "has the body ch; allowed: conh, water"),
        (NearKind("x", ("conh", "water"), Switching((0, 5), 4.0, 5.0)), "switching atoms 5 are not in one body"),
        (NearKind("x", ("water", "water"), Switching((0, 4), 4.0, 5.0)), "must have the same switching atoms"),
        (NearKind("x", ("water", "water"), Switching((0, 3, 6), 4.0, 5.0)), "2 bodies and switching between 3"),
        (NearKind("x", ("water",) * 3, TRIPLE.switching, np.array([[0, 1]])), "for two bodies only"),
    ],
)
def test_kinds_that_cannot_be_found_are_refused(kind: NearKind, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Near(placements(), (kind,))
