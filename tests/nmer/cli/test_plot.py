"""The plot command: its files, the sums of its tables, what it refuses, and which variables it shows."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from potentials.nmers.nmer import NMer
from recipes.load import expanded_toml, load_recipe
from recipes.schema.recipe import Recipe, Sampling
from storage.contents import pool_columns
from storage.keys import pool_key
from storage.records import Pool
from storage.store import Store
from tasks.plot import Plot
from tasks.sampling.coverage import telling_pairs
from tasks.sampling.frames import gather
from tasks.sampling.plots import draw_pool, even_edges
from tasks.sampling.pool import sample_pool
from tasks.sampling.samplers.normal_modes.displacements import sample_normal_modes
from tasks.sampling.samplers.scan.grid import sample_scan
from tests.conftest import call

QUICK = """
[sampling]
sampler = ["scan", "normal-modes"]
temperatures = [300, 500]
frames = 440
normal_modes = { frames = 320 }
scan = { axes = [{ lower = 2.2, upper = 11, points = 40 }], orientations = 3 }

[selection]
train = 18
test = 4
"""


@pytest.fixture(autouse=True)
def _coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw quickly."""
    monkeypatch.setattr("tasks.sampling.plots.DPI", 60)


@pytest.fixture(scope="module")
def recipe_file(tiny_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tiny recipe with samplers that take a second."""
    head, _, tail = tiny_recipe.read_text().partition("[sampling]")
    path = tmp_path_factory.mktemp("recipe") / "quick.toml"
    path.write_text(head + QUICK + tail[tail.index("[labelling]") - 1 :])
    return path


@pytest.fixture(scope="module")
def recipe(recipe_file: Path) -> Recipe:
    return load_recipe(str(recipe_file))


@pytest.fixture(scope="module")
def pool(recipe: Recipe) -> Pool:
    nmer, settings = recipe.build_nmer(), recipe.sampling
    return gather(nmer, settings, sample_scan(nmer, settings) + sample_normal_modes(nmer, settings))


@pytest.fixture(scope="module")
def store(recipe: Recipe, pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    opened = Store(tmp_path_factory.mktemp("work") / "store", create=True)
    opened.add(
        "pool",
        recipe.name,
        pool_key(recipe),
        columns=pool_columns(pool),
        recipe=expanded_toml(recipe),
        inputs=[],
        engines={},
        facts={},
    )
    return opened.path


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def total(text: str) -> int:
    return sum(int(row["frames"]) for row in read(text))


def test_every_plot_has_its_numbers_beside_it(
    capsys: pytest.CaptureFixture[str],
    recipe_file: Path,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("plot", str(recipe_file), "--stage", "sampling", "--store", str(store))
    code, out, _ = call(capsys, *words, "--json")
    found = json.loads(out)
    assert code == 0 and found["frames"] == 440 and found["version"] == "pool:tiny-water@1"
    names = ("com-distance", "energy", "coverage-1", "coverage-2", "coverage-3")
    expected = [f"plots/tiny-water-sampling-{name}.{kind}" for name in names for kind in ("png", "csv")]
    assert found["files"] == expected
    for name in expected:
        path = tmp_path / name
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5_000
        else:
            assert total(path.read_text(encoding="utf-8")) == 440
    # running it again replaces them, and the store is only read
    (tmp_path / expected[0]).write_text("old")
    code, out, _ = call(capsys, *words, "--out", str(tmp_path / "plots"))
    assert code == 0 and out.splitlines() == [str(tmp_path / name) for name in expected]
    assert (tmp_path / expected[0]).stat().st_size > 5_000
    assert {p.name for p in store.iterdir()} - {".index"} == {"nmer-store.json", "pools"}


def test_the_tables_have_the_pools_numbers(recipe: Recipe, pool: Pool) -> None:
    plots = {p.name: p for p in draw_pool(recipe.build_nmer(), recipe.sampling, pool, "a title")}
    rows = read(plots["com-distance"].csv)
    assert set(rows[0]) == {
        *("source", "window", "window_lower_A", "window_upper_A"),
        *("bin_lower_A", "bin_upper_A", "frames"),
    }
    for n, source in enumerate(pool.sources):
        for window in (-1, 0, 1, 2):
            counted = sum(int(r["frames"]) for r in rows if (r["source"], r["window"]) == (source, str(window)))
            assert counted == ((pool.source == n) & (pool.window == window)).sum()
    near = [r for r in rows if float(r["bin_upper_A"]) <= 4.0 and r["source"] == "normal-modes ff14SB"]
    chosen = (pool.source == 1) & (pool.com_distance < 4.0)
    assert sum(int(r["frames"]) for r in near) == chosen.sum()

    rows = read(plots["energy"].csv)
    assert set(rows[0]) == {
        *("source", "temperature_K", "bin_lower_kcal_per_mol", "bin_upper_kcal_per_mol", "frames")
    }
    assert {(r["source"], r["temperature_K"]) for r in rows} == {
        ("scan ff14SB", "0"),
        ("normal-modes ff14SB", "300"),
        ("normal-modes ff14SB", "500"),
    }
    # a repulsive wall does not stretch the axis: what lies beyond is in the last bin
    scan = [r for r in rows if r["source"] == "scan ff14SB"]
    assert scan[-1]["bin_upper_kcal_per_mol"] == "inf" and int(scan[-1]["frames"]) > 0
    assert float(scan[-1]["bin_lower_kcal_per_mol"]) < 50

    columns = [list(read(plots[f"coverage-{n}"].csv)[0])[::2] for n in (1, 2, 3)]
    turned, other = columns[0][1], columns[1][1]
    assert columns[0][0] == columns[1][0] == "com_distance_lower_A"
    assert columns[2][:2] == [turned, other]
    # one angle turns the water, the other the methyl
    assert {turned, other} in (
        {"angle_C0-O5-H6_lower_degrees", "angle_H2-C0-O5_lower_degrees"},
        {"angle_C0-O5-H6_lower_degrees", "angle_cap1-C0-O5_lower_degrees"},
    )


def test_one_point_and_one_frame_are_drawn_too(recipe: Recipe, pool: Pool) -> None:
    one = {
        name: value[:1] if isinstance(value, np.ndarray) else value for name, value in vars(pool).items()
    }  # a scan's frame, of two sources
    plots = draw_pool(recipe.build_nmer(), recipe.sampling, Pool(**one), "one")
    assert [p.name for p in plots] == ["com-distance", "energy"]
    assert all(total(p.csv) == 1 for p in plots)


def test_a_single_fragment_shows_what_goes_farthest(recipe: Recipe, tmp_path: Path) -> None:
    methyl = NMer("methyl", recipe.build_nmer().fragments[:1], "A1B1C3")
    settings = Sampling(sampler="normal-modes", frames=60)
    pool = sample_pool(methyl, settings, tmp_path)
    plots: list[Plot] = draw_pool(methyl, settings, pool, "methyl")
    assert [p.name for p in plots] == ["energy", "coverage-1", "coverage-2"]
    assert all(total(p.csv) == 60 for p in plots)
    labels = {v.label for pair in telling_pairs(methyl, settings, pool) for v in pair}
    assert labels == {"angle cap1–C0–H2", "angle H2–C0–H3", "distance C0–H2"}  # not the cap's bond: it is fixed


def test_a_torsion_is_shown_around_the_circle(tmp_path: Path) -> None:
    """With families of one's own; only the torsion turns a fragment."""
    nmer = load_recipe("ch3-water").build_nmer()
    families = [
        {"variables": [[1, 0, 5, 6]]},
        {"variables": [[0, 5]]},
        {"variables": [[2, 0, 1]]},
    ]
    settings = Sampling(
        sampler="scan",
        frames=36,
        scan={"axes": [{"atoms": [1, 0, 5, 6], "lower": -175, "upper": 175, "points": 36}]},
        bias={"families": families},
    )
    pool = sample_pool(nmer, settings, tmp_path)
    pairs = telling_pairs(nmer, settings, pool)
    assert pairs[0][1].column == "torsion_cap1-C0-O5-H6" and pairs[0][1].limits == (-180.0, 180.0)
    np.testing.assert_allclose(np.sort(pairs[0][1].values), np.linspace(-175, 175, 36), atol=1e-6)
    assert all(total(p.csv) == 36 for p in draw_pool(nmer, settings, pool, "torsion"))


def test_edges_are_round_numbers_around_all_values() -> None:
    for low, high in ((2.5, 12.0), (0.0, 1e9), (3.0, 3.0), (-0.2, 7.77)):
        edges = even_edges(np.array([low, high]), 80)
        assert edges[0] <= low and edges[-1] > high and (low == high or 30 < len(edges) < 140)
        width = edges[1] - edges[0]
        assert round(width / 10 ** np.floor(np.log10(width) + 1e-9)) in (1, 2, 5)


def test_what_cannot_be_drawn_is_refused_in_one_sentence(
    capsys: pytest.CaptureFixture[str], recipe_file: Path, store: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(recipe_file.read_text().replace("frames = 440", "frames = 440\nseed = 7"))
    (tmp_path / "afile").write_text("not a folder")
    before = sorted(tmp_path.rglob("*"))
    here = ("--store", str(store))
    cases = [
        (
            ("plot", str(other), *here),
            f"no pool of tiny-water, preset none, in the store yet; make it with: nmer run {other} --until",
        ),
        (
            ("plot", "ch3-water", "--preset", "smoke", "--store", str(tmp_path / "none")),
            "make it with: nmer run ch3-water --preset smoke --until sampling --store",
        ),
        (("plot", str(recipe_file), "--stage", "fitting", *here), "sampling"),
        (("plot", str(recipe_file), "--out", str(tmp_path / "afile"), *here), "cannot write into"),
        (("plot", "ch3-watr", *here), "did you mean 'ch3-water'?"),
    ]
    for words, expected in cases:
        code, out, err = call(capsys, *words)
        assert code == 2 and out == "", (words, out, err)
        assert expected in err and err.startswith("nmer: ") and err.count("\n") == 1, (words, err)
    assert sorted(tmp_path.rglob("*")) == before


def test_its_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "plot", "--help")
    assert code == 0 and "Example: nmer plot ch3-water --stage sampling" in out and "--json" in out
