"""The energy cut-off of each source, and equal parts for windows and temperatures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from potentials.errors import StageError
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import SelectionSettings
from storage.records import TEST, TRAIN, Pool
from tasks.selection.choose import select
from tasks.selection.descriptors.sorted_distances import sorted_distances
from tasks.selection.strata import Strata


def test_energies_count_from_the_lowest_of_their_source(methyl_water: NMer, pool: Pool) -> None:
    lowest = np.array([pool.energy[pool.source == s].min() for s in (0, 1)])
    above = pool.energy - lowest[pool.source]
    choice = select(methyl_water, pool, SelectionSettings(train=200, test=40, max_energy=4.0))
    assert choice.frames == (above <= 4.0).sum() < 2000
    chosen = choice.selection.frame
    assert above[chosen].max() <= 4.0 and set(pool.source[chosen]) == {0, 1}
    free = select(methyl_water, pool, SelectionSettings(train=200, test=40)).selection.frame
    assert above[free].max() > 4.0


def test_a_cut_off_that_leaves_too_few_frames_is_an_error(methyl_water: NMer, pool: Pool) -> None:
    with pytest.raises(
        StageError,
        match=r"240 configurations .* only \d+ of 3000 frames lie within 0\.2 kcal/mol .*; raise selection\.max_e",
    ):
        select(methyl_water, pool, SelectionSettings(train=200, test=40, max_energy=0.2))


@pytest.mark.parametrize("by", [("window",), ("temperature",), ("temperature", "window")])
def test_each_cell_gives_an_equal_number(methyl_water: NMer, pool: Pool, by: tuple[str, ...]) -> None:
    settings = SelectionSettings(train=204, test=36, tails=0, stratify=by)
    selection = select(methyl_water, pool, settings).selection
    marks = np.stack([getattr(pool, name) for name in by], axis=1)
    cells, sizes = np.unique(marks, axis=0, return_counts=True)
    assert sizes.min() > 240 / len(cells) and sizes.max() > 1.5 * sizes.min()
    for part, whole in ((TRAIN, 204), (TEST, 36)):
        chosen = marks[selection.frame[selection.split == part]]
        counts = np.array([(chosen == cell).all(axis=1).sum() for cell in cells])
        np.testing.assert_array_equal(counts, whole // len(cells))


def test_a_cell_with_too_few_frames_gives_what_it_has(methyl_water: NMer, pool: Pool) -> None:
    window = np.where(np.arange(3000) < 30, 7, pool.window % 2)  # 30 frames, and two large cells
    settings = SelectionSettings(train=250, test=50, tails=0, stratify=("window",))
    selection = select(methyl_water, replace(pool, window=window), settings).selection
    counts = [(window[selection.frame] == cell).sum() for cell in (0, 1, 7)]
    assert counts == [135, 135, 30]


def test_each_sampler_gives_its_share(methyl_water: NMer, pool: Pool) -> None:
    """Two sources of one sampler divide its share; a sampler with too few frames gives what it has."""
    parts = np.random.default_rng(3).choice(3, len(pool), p=[0.6, 0.3, 0.1])
    three = replace(pool, source=parts, sources=("pbmetad ff14SB", "shake ff14SB of a", "shake ff14SB of b"))
    settings = SelectionSettings(train=200, test=40, tails=0, shares=(0.7, 0.3))
    selection = select(methyl_water, three, settings).selection
    for part, whole in ((TRAIN, 200), (TEST, 40)):
        counts = np.bincount(parts[selection.frame[selection.split == part]])
        np.testing.assert_array_equal(counts, [0.7 * whole, 0.15 * whole, 0.15 * whole])
    few = replace(three, source=np.where(np.arange(len(pool)) < 12, 1, 0), sources=three.sources[:2])
    chosen = select(methyl_water, few, settings).selection.frame
    assert np.bincount(few.source[chosen]).tolist() == [228, 12]
    with pytest.raises(
        StageError, match=r"frames of pbmetad, shake, and selection\.shares is \[0\.5, 0\.25, 0\.25\]"
    ):
        select(methyl_water, three, settings.model_copy(update={"shares": (0.5, 0.25, 0.25)}))


def test_distances_and_tails_hold_for_the_whole(methyl_water: NMer, pool: Pool) -> None:
    """Two cells of the same frames: what one cell has chosen, the other must not."""
    twice = replace(
        pool,
        positions=np.concatenate([pool.positions[:600]] * 2),
        temperature=np.repeat([300.0, 500.0], 600),
        window=np.zeros(1200, dtype=np.int64),
        energy=np.zeros(1200),
        source=np.zeros(1200, dtype=np.int64),
    )
    settings = SelectionSettings(
        train=200, test=40, tails=0.1, stratify=("temperature",), duplicate_distance=0.2, test_distance=0.5
    )
    selection = select(methyl_water, twice, settings).selection
    points = sorted_distances(methyl_water, selection.positions)[0]
    train, held = points[selection.split == TRAIN], points[selection.split == TEST]
    assert (len(train), len(held)) == (200, 40)
    assert pdist(points).min() >= 0.2 and cdist(train, held).min() >= 0.5
    lone = np.argmax(pool.com_distance[:600])
    assert {lone, lone + 600} & set(selection.frame)


def test_strata_are_counted_in_blocks(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SelectionSettings(stratify=("window", "temperature"), max_energy=5.0)
    whole = Strata.of(pool, settings)
    monkeypatch.setattr("tasks.selection.table.BLOCK", 1)  # 256 frames at a time
    blocks = Strata.of(pool, settings)
    assert whole.values == blocks.values and len(whole.values) == 6
    np.testing.assert_array_equal(whole.sizes, blocks.sizes)
    cells = blocks.cells(0, 3000)
    np.testing.assert_array_equal(np.bincount(cells[cells >= 0]), whole.sizes)
    for number, (window, temperature) in enumerate(whole.values):
        members = cells == number
        assert set(pool.window[members]) == {window} and set(pool.temperature[members]) == {temperature}
