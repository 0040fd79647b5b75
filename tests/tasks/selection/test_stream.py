"""A pool larger than the memory: the same selection from files and small blocks, and bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Fitting, SelectionSettings
from storage.contents import PoolFile, pool_columns
from storage.records import Pool
from storage.store import Store
from tasks.selection.choose import select
from tasks.selection.kmeans import representatives
from tasks.selection.table import Scratch, Table, places, spans


def stored(folder: Path, pool: Pool, leave_out: tuple[str, ...] = ()) -> PoolFile:
    columns = {name: column for name, column in pool_columns(pool).items() if name not in leave_out}
    store = Store(folder, create=True)
    return PoolFile(
        store.add(
            "pool", "x", "key", columns=columns, recipe="", inputs=[], engines={}, facts={"frames": len(pool)}
        )
    )


@pytest.fixture
def everything_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.selection.table.BUDGET", 0)
    monkeypatch.setattr("tasks.selection.table.BLOCK", 512 * 28 * 4)


@pytest.fixture(autouse=True)
def _few_coarse_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.selection.kmeans.COARSE", 12)


CASES = {
    "flat": {"levels": "flat"},
    "two": {"levels": "two", "duplicate_distance": 0.3, "test_distance": 0.6},
    "strata": {"stratify": ("window", "temperature"), "max_energy": 6.0, "levels": "two"},
    "d-optimality": {"method": "d-optimality"},
    "soap": {"descriptor": "soap", "levels": "two"},
}


@pytest.mark.parametrize("case", CASES)
def test_files_and_small_blocks_give_the_same_selection(
    methyl_water: NMer, pool: Pool, tmp_path: Path, request: pytest.FixtureRequest, case: str
) -> None:
    if case == "soap":
        pytest.importorskip("dscribe")
    settings, fitting = SelectionSettings(train=150, test=30, **CASES[case]), Fitting(degree=2)
    whole = select(methyl_water, pool, settings, fitting)
    request.getfixturevalue("everything_on_disk")
    folder = tmp_path / "scratch"
    blocks = select(methyl_water, stored(tmp_path / "store", pool), settings, fitting, folder)
    np.testing.assert_array_equal(blocks.selection.frame, whole.selection.frame)
    np.testing.assert_array_equal(blocks.selection.split, whole.selection.split)
    np.testing.assert_array_equal(blocks.selection.positions, pool.positions[whole.selection.frame])
    assert blocks.facts() == pytest.approx(whole.facts())
    assert not folder.exists()


def test_large_tables_are_drawn_in_runs_and_cover_as_well(
    methyl_water: NMer, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SelectionSettings(train=150, test=30)
    rows = select(methyl_water, pool, settings)
    monkeypatch.setattr("tasks.selection.kmeans.LOADED", 0)
    monkeypatch.setattr("tasks.selection.kmeans.BATCHES", (512, 512))
    runs = select(methyl_water, pool, settings)
    assert not np.array_equal(runs.selection.frame, rows.selection.frame)
    assert runs.coverage["rms"] < 1.03 * rows.coverage["rms"] < 0.8 * rows.random["rms"]


def test_an_older_pool_has_one_source(
    methyl_water: NMer, pool: Pool, tmp_path: Path, everything_on_disk: None
) -> None:
    settings = SelectionSettings(train=50, test=10, max_energy=500.0)
    older = stored(tmp_path, pool, leave_out=("source", "sources"))
    chosen = select(methyl_water, older, settings).selection.frame
    assert set(pool.source[chosen]) == {1}, "energies 1000 kcal/mol apart, counted from one zero"


def test_memory_does_not_grow_with_the_pool(
    methyl_water: NMer,
    make_pool: Callable[[int], Pool],
    tmp_path: Path,
    everything_on_disk: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasks.selection.kmeans.LOADED", 2**17)
    monkeypatch.setattr("tasks.selection.kmeans.BATCHES", (512, 512))
    monkeypatch.setattr("tasks.selection.coverage.MEASURED", 500)
    monkeypatch.setattr("tasks.selection.table.BLOCK", 2**18)
    settings, peaks = SelectionSettings(train=100, test=20, levels="two", tails=0), []
    for count in (10_000, 40_000):
        pool = stored(tmp_path / f"{count}", make_pool(count))
        tracemalloc.start()
        choice = select(methyl_water, pool, settings, None, tmp_path / "scratch")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(choice.selection) == 120 and choice.frames == count
    grown, features = peaks[1] - peaks[0], 30_000 * 28 * 4
    assert grown < features / 4, f"{grown / 30_000:.0f} bytes a frame"


def test_an_error_leaves_no_scratch_files(tmp_path: Path, everything_on_disk: None) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    (folder / "left-by-a-killed-call").write_text("x")

    def fail() -> None:
        with Scratch(folder) as scratch:
            assert not folder.exists()
            scratch.table(10)
            assert len(list(folder.iterdir())) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not folder.exists()


def test_a_table_is_the_same_in_memory_and_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(9000, 3)).astype(np.float32)
    monkeypatch.setattr("tasks.selection.table.BUDGET", values.nbytes)
    with Scratch(tmp_path / "scratch") as scratch:
        memory, disk = scratch.table(9000, (3,)), scratch.table(9000, (3,))
        assert isinstance(memory.values, np.ndarray) and isinstance(disk.values, Path)
        rows = rng.permutation(9000)
        for table in (memory, disk):
            table.put(rows, values[rows])
            np.testing.assert_array_equal(table.take(rows[:5000]), values[rows[:5000]])
            piece = table.span(100, 700).span(50, 60)
            np.testing.assert_array_equal(piece.read(2, 5), values[152:155])
            np.testing.assert_array_equal(piece.take(np.array([9, 0])), values[[159, 150]])
            np.testing.assert_array_equal(piece.loaded().read(0, 10), values[150:160])
            np.testing.assert_array_equal(np.concatenate([b for _, b in table.blocks()]), values)
        scratch.release(memory)
        assert isinstance(scratch.table(9000, (3,)).values, np.ndarray), "its memory may be used again"
        scratch.release(disk)
        assert not list((tmp_path / "scratch").iterdir())


def test_blocks_hold_whole_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.selection.table.BLOCK", 1000 * 8)
    assert list(spans(2000, 8)) == [(0, 768), (768, 1536), (1536, 2000)]
    assert list(spans(300, 10**9)) == [(0, 256), (256, 300)] and not list(spans(0, 8))


def test_places_sort_rows_by_label_in_their_order() -> None:
    labels, cursor = np.array([2, 0, 2, 1, 0, 2]), np.array([0, 2, 3])
    first, second = places(labels[:4], cursor), places(labels[4:], cursor)
    assert np.concatenate([first, second]).tolist() == [3, 0, 4, 2, 1, 5]


def test_two_levels_need_no_more_memory_than_their_budget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = Table.of(np.random.default_rng(0).normal(size=(5000, 4)).astype(np.float32))
    with Scratch(tmp_path / "a") as scratch:
        first = representatives(table, 100, 0, scratch, two_levels=True, spare=30)
    monkeypatch.setattr("tasks.selection.table.BUDGET", 0)
    with Scratch(tmp_path / "b") as scratch:
        second = representatives(table, 100, 0, scratch, two_levels=True, spare=30)
        assert not list((tmp_path / "b").iterdir()), "what two levels needed is released"
    np.testing.assert_array_equal(first.chosen, second.chosen)
    np.testing.assert_array_equal(first.far.rows, second.far.rows)
