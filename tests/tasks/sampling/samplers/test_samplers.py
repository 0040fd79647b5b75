"""Normal modes and scans: minima, frequencies, harmonic statistics, grids, orientations, and mixed pools."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potentials.errors import InputError, StageError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.units import HBAR, KB, KCAL
from recipes.load import load_recipe
from recipes.schema.recipe import Sampling
from storage.records import Pool
from tasks.bias.cvs import CV, cv_values
from tasks.progress import ProgressLine
from tasks.sampling.engine import force_function
from tasks.sampling.force_fields.ff14sb import ff14sb_system
from tasks.sampling.force_fields.minimum import WAVENUMBER, find_minimum, find_modes
from tasks.sampling.frames import Frames, com_distance
from tasks.sampling.pool import sample_pool
from tasks.sampling.sampler import SAMPLERS
from tasks.sampling.samplers.normal_modes.displacements import (
    SOFTEST,
    amplitudes,
    displaced,
    draw_displacements,
    sample_normal_modes,
)
from tasks.sampling.samplers.scan.grid import sample_scan, scan_axis
from tasks.sampling.samplers.scan.options import ScanAxis
from tests.tasks.sampling.openmm_reference import OpenMM

NMER = load_recipe("ch3-water").build_nmer()
METHYL = NMer("methyl", NMER.fragments[:1], "A1B1C3")
WATER = NMer("water", NMER.fragments[1:], "A1B2")
DIMER = NMer("dimer", (NMER.fragments[1],) * 2, "A1B2_C1D2")


def scanned(axes: list[dict[str, Any]], nmer: NMer = NMER, **more: Any) -> Frames:
    """Return the frames of a scan over some axes."""
    frames = int(np.prod([axis["points"] for axis in axes])) * more.get("orientations", 1)
    settings = Sampling(sampler="scan", frames=frames, scan={"axes": axes, **more})
    (found,) = sample_scan(nmer, settings)
    assert len(found.positions) == len(found.energy) == frames
    return found


def openmm_wavenumbers(fragment: Fragment, positions: np.ndarray) -> np.ndarray:
    """Return all wavenumbers (cm^-1) from OpenMM's forces, nothing projected out."""
    reference, step = OpenMM(ff14sb_system(fragment)), 1e-3
    moves = step * np.eye(positions.size).reshape(-1, *positions.shape)
    forces = [(reference(positions - move)[1] - reference(positions + move)[1]).ravel() for move in moves]
    hessian = np.array(forces) / (2 * step)
    root = np.sqrt(np.repeat(METHYL.masses, 3))
    curvature = np.linalg.eigvalsh(0.5 * (hessian + hessian.T) / np.outer(root, root))
    return np.sign(curvature) * np.sqrt(np.abs(curvature) * KCAL) / WAVENUMBER


def test_frequencies_of_the_capped_methyl_are_those_of_openmm() -> None:
    with force_function(METHYL, "ff14SB") as evaluate:
        minimum = find_minimum(METHYL, evaluate)
    assert minimum.force < 1e-6
    reference = openmm_wavenumbers(METHYL.fragments[0], minimum.positions)
    assert np.abs(reference[:6]).max() < 3.0
    np.testing.assert_allclose(minimum.modes.wavenumbers, reference[6:], atol=0.3)
    rows = minimum.modes.vectors.reshape(9, -1)
    np.testing.assert_allclose(rows @ rows.T, np.eye(9), atol=1e-12)


def test_a_diatomic_vibrates_with_the_root_of_k_over_mu() -> None:
    """One mode: a linear molecule has five rigid motions."""
    hf = NMer("hf", (Fragment("hf", ("H", "F"), ((0, 0, 0), (0.3, 0.2, 0.9)), ((0, 1),)),), "A1B1")

    def spring(x: np.ndarray) -> tuple[float, np.ndarray]:
        bond = x[1] - x[0]
        length = float(np.linalg.norm(bond))
        pull = 1000.0 * (length - 0.92) * bond / length
        return 500.0 * (length - 0.92) ** 2, np.array([pull, -pull])

    minimum = find_minimum(hf, spring)
    mu = hf.masses.prod() / hf.masses.sum()
    assert np.linalg.norm(minimum.positions[1] - minimum.positions[0]) == pytest.approx(0.92, abs=1e-8)
    assert minimum.modes.omega == pytest.approx([np.sqrt(1000.0 * KCAL / mu)], rel=1e-4)


def test_the_search_leaves_saddles_and_separates_overlapping_fragments() -> None:
    """Two waters with the same coordinates: the search keeps their symmetry."""
    with force_function(DIMER, "ff14SB") as evaluate:
        minimum = find_minimum(DIMER, evaluate)
        again = find_modes(DIMER, evaluate, minimum.positions)
    assert minimum.energy < -5.0 and minimum.force < 1e-5
    assert minimum.modes.wavenumbers.min() > 50 and len(minimum.modes.wavenumbers) == 12
    np.testing.assert_allclose(again.curvature, minimum.modes.curvature, rtol=1e-9)
    assert 2.6 < com_distance(DIMER, minimum.positions[None])[0] < 3.0


def test_the_error_of_a_failed_search_says_what_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StageError, match=r"minimum of water was not found, a force of 1 kcal/mol/A remains; give"):
        find_minimum(WATER, lambda x: (-float(x[1, 0]), np.eye(9)[3].reshape(3, 3)))
    monkeypatch.setattr("tasks.sampling.force_fields.minimum.TRIES", 1)
    with (
        force_function(DIMER, "ff14SB") as evaluate,
        pytest.raises(StageError, match=r"no minimum of dimer .* imaginary mode of \d+ cm\^-1; give a better"),
    ):
        find_minimum(DIMER, evaluate)


def test_amplitudes_are_those_of_harmonic_oscillators() -> None:
    with force_function(NMER, "ff14SB") as evaluate:
        modes = find_minimum(NMER, evaluate).modes
    soft = modes.wavenumbers < SOFTEST
    assert soft.sum() >= 1 and (~soft).sum() >= 12
    omega = modes.omega[~soft]
    kt = KB * 300.0
    np.testing.assert_allclose(amplitudes(modes, 300.0, "classical")[~soft] ** 2, kt * KCAL / omega**2)
    zero_point = amplitudes(modes, 0.1, "quantum")[~soft] ** 2
    np.testing.assert_allclose(zero_point, HBAR * KCAL / (2.0 * omega))
    ratio = amplitudes(modes, 1e6, "quantum") / amplitudes(modes, 1e6, "classical")
    np.testing.assert_allclose(ratio, 1.0, atol=1e-4)
    for statistics in ("quantum", "classical"):
        spread = amplitudes(modes, 300.0, statistics)
        assert np.ptp(spread[soft]) == 0.0 and spread[soft][0] >= spread[~soft].max()
    # hbar omega / kT of 1000 cm^-1 at 300 K is 4.796
    assert HBAR * 1000 * WAVENUMBER / kt == pytest.approx(4.796, abs=1e-3)


@pytest.mark.parametrize(("statistics", "temperature"), [("classical", 300.0), ("quantum", 10.0)])
@pytest.mark.parametrize("nmer", [METHYL, WATER], ids=["methyl", "water"])
def test_each_mode_has_its_mean_energy(nmer: NMer, statistics: str, temperature: float) -> None:
    """Half of kT, or half of the zero-point energy, within four standard errors; modes are independent."""
    count = 4000
    with force_function(nmer, "ff14SB") as evaluate:
        minimum = find_minimum(nmer, evaluate)
        spread = amplitudes(minimum.modes, temperature, statistics)  # type: ignore[arg-type]
        rng = np.random.default_rng(7)
        positions, energy = draw_displacements(nmer, evaluate, minimum, spread, count, rng, lambda fresh: None)
        assert evaluate(positions[5])[0] == pytest.approx(energy[5], abs=1e-9)
    moved = np.sqrt(nmer.masses)[:, None] * (positions - minimum.positions)
    q = np.einsum("max,fax->fm", minimum.modes.vectors, moved)
    potential = 0.5 * minimum.modes.curvature * q**2
    expected = np.full(q.shape[1], 0.5 * KB * temperature)
    if statistics == "quantum":
        expected = 0.25 * HBAR * minimum.modes.omega
    # the square of a normal variable spreads by sqrt(2) times its mean
    assert (np.abs(potential.mean(axis=0) - expected) < 4 * expected * np.sqrt(2 / count)).all()
    correlation = np.corrcoef(q.T)
    assert np.abs(correlation - np.eye(len(correlation))).max() < 5 / np.sqrt(count)
    # nothing but vibrations: no shift, no turn
    left = moved - np.einsum("fm,max->fax", q, minimum.modes.vectors)
    assert np.abs(left).max() < 1e-9


def test_fragments_librate_without_broken_bonds_and_frames_are_shared_evenly() -> None:
    settings = Sampling(
        sampler="normal-modes", frames=601, temperatures=(300, 700), normal_modes={"statistics": "classical"}
    )
    counted: list[int] = []
    parts = sample_normal_modes(NMER, settings, counted.append)
    assert [len(p.positions) for p in parts] == [301, 300] and sum(counted) == 601
    assert [(p.source, p.temperature, p.seed, p.window) for p in parts] == [
        ("normal-modes ff14SB", 300.0, 2025, None),
        ("normal-modes ff14SB", 700.0, 2026, None),
    ]
    for part in parts:
        x = part.positions
        assert np.abs(np.linalg.norm(x[:, 1] - x[:, 0], axis=1) - 1.14).max() < 1e-12
        assert np.linalg.norm(x[:, 6] - x[:, 5], axis=1).std() < 0.05
        assert np.ptp(cv_values([CV((0, 5, 6))], x)) > 1.0  # the water turns far
        assert (part.energy < -0.89 + 5 * 18 * KB * part.temperature).all()
    assert parts[0].energy.mean() < parts[1].energy.mean()
    again = sample_normal_modes(NMER, settings)
    for one, two in zip(parts, again, strict=True):
        np.testing.assert_array_equal(one.positions, two.positions)
        np.testing.assert_array_equal(one.energy, two.energy)
    other = sample_normal_modes(NMER, settings.model_copy(update={"seed": 1}))
    assert np.abs(other[0].positions - parts[0].positions).max() > 0.1


def test_small_displacements_of_a_dimer_are_the_modes() -> None:
    with force_function(NMER, "ff14SB") as evaluate:
        minimum = find_minimum(NMER, evaluate)
    q = 1e-5 * np.eye(len(minimum.modes.curvature))
    straight = minimum.positions + np.einsum(
        "fm,max->fax", q, minimum.modes.vectors / np.sqrt(NMER.masses)[:, None]
    )
    assert np.abs(displaced(NMER, minimum, q) - straight).max() < 1e-9


def test_too_many_frames_of_high_energy_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.sampling.samplers.normal_modes.displacements.LIMIT", 1e-6)
    settings = Sampling(sampler="normal-modes", frames=10)
    with pytest.raises(
        StageError, match=r"only 0 of \d+ normal-mode frames of ch3-water lie .* lower sampling\.temp"
    ):
        sample_normal_modes(NMER, settings)
    atom = NMer("atom", (Fragment("He", ("He",), ((0, 0, 0),), ()),), "A1")
    with pytest.raises(InputError, match="a single atom has no vibrations"):
        sample_normal_modes(atom, settings)


GRIDS: dict[str, list[dict[str, Any]]] = {
    "centres": [{"lower": 2.5, "upper": 10.0, "points": 16}],
    "centres and angle": [
        {"lower": 3.0, "upper": 9.0, "points": 4},
        {"atoms": (1, 0, 5), "lower": 0, "upper": 180, "points": 5},
    ],
    "between": [
        {"atoms": (5, 0), "lower": 3.0, "upper": 5.0, "points": 3},
        {"atoms": (0, 5, 6), "lower": 30, "upper": 150, "points": 3},
        {"atoms": (1, 0, 5), "lower": 30, "upper": 150, "points": 3},
        {"atoms": (1, 0, 5, 6), "lower": -180, "upper": 180, "points": 4},
    ],
    "within": [
        {"atoms": (5, 6), "lower": 0.8, "upper": 1.2, "points": 5},
        {"atoms": (6, 5, 7), "lower": 90, "upper": 120, "points": 4},
        {"lower": 3.0, "upper": 4.0, "points": 2},
    ],
    "improper": [{"atoms": (2, 3, 0, 4), "lower": 20, "upper": 50, "points": 4}],
}


@pytest.mark.parametrize("name", GRIDS)
def test_every_variable_has_its_value_on_the_grid(name: str) -> None:
    axes = GRIDS[name]
    x = scanned(axes).positions
    grids = np.meshgrid(*(np.linspace(a["lower"], a["upper"], a["points"]) for a in axes), indexing="ij")
    for axis, grid in zip(axes, grids, strict=True):
        wanted = grid.ravel()
        if "atoms" not in axis:
            found = com_distance(NMER, x)
        else:
            found = cv_values([CV(axis["atoms"])], x)[:, 0]
            wanted = wanted if len(axis["atoms"]) == 2 else np.deg2rad(wanted)
        error = found - wanted
        if len(axis.get("atoms", ())) == 4:
            error = (error + np.pi) % (2 * np.pi) - np.pi
        assert np.abs(error).max() < 1e-9
    assert np.abs(np.linalg.norm(x[:, 1] - x[:, 0], axis=1) - 1.14).max() < 1e-12


def test_a_scan_is_rigid_and_ends_at_the_minimum() -> None:
    with force_function(NMER, "ff14SB") as evaluate:
        minimum = find_minimum(NMER, evaluate)
    capped = NMER.place_caps(minimum.positions)
    here = float(com_distance(NMER, capped[None])[0])
    found = scanned([{"lower": here, "upper": here + 40, "points": 3}])
    assert (found.source, found.temperature, found.seed) == ("scan ff14SB", 0.0, 2025)
    # the first point is the minimum, and its energy that of the caps where the force field wants them
    assert found.energy[0] == pytest.approx(minimum.energy, abs=1e-6)
    assert -0.01 < found.energy[-1] < 0.01
    for part in NMER.slices:
        for atom in range(part.start, part.stop):
            lengths = np.linalg.norm(found.positions[:, part] - found.positions[:, [atom]], axis=2)
            expected = np.linalg.norm(capped[part] - capped[atom], axis=1)
            assert np.abs(lengths - expected).max() < 1e-9


def test_all_atoms_beyond_a_bond_move() -> None:
    """Ethane's torsion turns a whole methyl; stretching C-C moves it; only the last hydrogen of an angle moves."""
    bonds = ((0, 1), (0, 2), (0, 3), (0, 4), (4, 5), (4, 6), (4, 7))
    xyz = tuple((0.1 * i, 0.2 * i, 1.0 * i) for i in range(8))
    ethane = NMer(
        "ethane", (Fragment("ethane", ("C", "H", "H", "H", "C", "H", "H", "H"), xyz, bonds),), "A1B3C1D3"
    )
    cases = {
        (1, 0, 4, 5): (4, 5, 6, 7),
        (0, 4): (4, 5, 6, 7),
        (4, 0): (0, 1, 2, 3),
        (0, 4, 5): (5,),
        (1, 0, 4): (4, 5, 6, 7),
    }
    for atoms, moving in cases.items():
        axis = ScanAxis(atoms=atoms, lower=1, upper=2, points=1)
        assert scan_axis(ethane, 0, axis).moving == moving


def test_orientations_are_uniform_and_the_first_is_none() -> None:
    axes = [{"lower": 5.0, "upper": 8.0, "points": 2}]
    count = 1500
    turned, plain = scanned(axes, orientations=count), scanned(axes)
    for n in range(2):
        np.testing.assert_allclose(turned.positions[n * count], plain.positions[n], atol=1e-9)
    np.testing.assert_allclose(com_distance(NMER, turned.positions), np.repeat([5.0, 8.0], count), atol=1e-9)
    x = turned.positions
    frame = x[:, 2:5] - x[:, [0]]  # the methyl never turns
    assert np.abs(frame - frame[0]).max() < 1e-9
    for direction in (x[:, 6] - x[:, 5], np.cross(x[:, 6] - x[:, 5], x[:, 7] - x[:, 5])):
        unit = direction / np.linalg.norm(direction, axis=1, keepdims=True)
        # a component of a uniform direction: mean 0, mean square 1/3, that one's spread sqrt(4/45)
        assert np.abs(unit.mean(axis=0)).max() < 4 / np.sqrt(3 * 2 * count)
        second = unit.T @ unit / len(unit)
        assert np.abs(second - np.eye(3) / 3).max() < 4 * np.sqrt(4 / 45 / (2 * count))
    again = scanned(axes, orientations=count)
    np.testing.assert_array_equal(again.positions, turned.positions)
    assert np.abs(x[1] - x[count + 1] - (x[0] - x[count])).max() > 0.01  # each point has turns of its own


RING = Fragment(
    "ring",
    ("C", "C", "C", "H"),
    ((0, 0, 0), (1.5, 0, 0), (0.75, 1.3, 0), (-0.5, -0.5, 0.8)),
    ((0, 1), (1, 2), (0, 2), (0, 3)),
)
AT = {"lower": 1.0, "upper": 2.0, "points": 2}


@pytest.mark.parametrize(
    ("nmer", "scan", "message"),
    [
        (
            NMer("ring", (RING,), "A1B2C1"),
            {"axes": [{**AT, "atoms": (0, 1)}]},
            r"sampling\.scan\.axes\[0\] \(distance C0-C1\) cannot be moved: it is in a ring",
        ),
        (
            NMER,
            {"axes": [AT, {**AT, "atoms": (6, 7)}]},
            r"axes\[1\] \(distance H6-H7\) cannot be moved: its last two atoms are not bonded",
        ),
        (NMER, {"axes": [{**AT, "atoms": (0, 1)}]}, r"distance C0-H1\) .* bond to a cap has a fixed length"),
        (
            NMER,
            {"axes": [{"atoms": (1, 0, 5), "lower": 90, "upper": 200, "points": 2}]},
            r"\(angle H1-C0-O5\) goes from 90 to 200 degrees; allowed: 0 to 180",
        ),
    ],
    ids=["ring", "not bonded", "cap", "angle"],
)
def test_an_impossible_scan_is_refused(nmer: NMer, scan: dict[str, Any], message: str) -> None:
    frames = 2 ** len(scan["axes"]) * scan.get("orientations", 1)
    with pytest.raises(InputError, match=message):
        sample_scan(nmer, Sampling(sampler="scan", frames=frames, scan=scan))


@pytest.mark.parametrize(
    ("scan", "message"),
    [
        ({"axes": [AT]}, "an axis without atoms is for two fragments, and here are 1"),
        ({"axes": [{**AT, "atoms": (0, 1)}], "orientations": 3}, "turns the second of two fragments, .* 1;"),
    ],
)
def test_a_scan_of_one_fragment_needs_atoms_and_no_orientations(scan: dict[str, Any], message: str) -> None:
    settings = Sampling(sampler="scan", frames=2 * scan.get("orientations", 1), scan=scan)
    with pytest.raises(ValueError, match=message):
        SAMPLERS.get("scan").check_nmer(WATER, settings)


def test_incompatible_axes_and_points_without_energy_are_named() -> None:
    with pytest.raises(StageError, match=r"cannot be at .*centres of mass\) = 2\.5 A, .*C0-O5\) = 20 A together"):
        scanned(
            [{"lower": 2.5, "upper": 3, "points": 2}, {"atoms": (0, 5), "lower": 20, "upper": 21, "points": 2}]
        )
    with pytest.raises(StageError, match=r"frame at .* = 300 A has no energy with ff14SB; keep the axes"):
        scanned([{"lower": 300, "upper": 310, "points": 2}])


MIXED = Sampling(
    sampler=("scan", "pbmetad", "normal-modes"),
    temperatures=(300, 500),
    windows=((0, 4), (4, 7)),
    frames=127,
    equilibration=0.1,
    stride=10,
    normal_modes={"frames": 31},
    scan={"axes": [{"lower": 3.5, "upper": 7.5, "points": 8}], "orientations": 2},
)


def test_a_mixed_pool_has_every_sampler_in_the_recipes_order(tmp_path: Path) -> None:
    with ProgressLine("sampling", 127, "frames", StringIO()) as progress:
        pool = sample_pool(NMER, MIXED, tmp_path / "one", progress=progress)
    assert progress.done == len(pool) == 127
    assert pool.sources == ("scan ff14SB", "pbmetad ff14SB", "normal-modes ff14SB")
    assert pool.source.tolist() == [0] * 16 + [1] * 80 + [2] * 31
    kinds = [pool.temperature[pool.source == n] for n in range(3)]
    assert set(kinds[0]) == {0.0} and set(kinds[1]) == set(kinds[2]) == {300.0, 500.0}
    assert [(kinds[2] == t).sum() for t in (300, 500)] == [16, 15]
    lower, upper = np.array([*MIXED.windows, (np.nan, np.nan)])[pool.window].T
    inside = pool.window >= 0
    assert ((pool.com_distance >= lower) & (pool.com_distance < upper))[inside].all()
    assert pool.window[:16].tolist() == [0] * 2 + [1] * 12 + [-1] * 2  # 3.5 A; 4.07 to 6.93 A; 7.5 A
    assert np.abs(np.linalg.norm(pool.positions[:, 1] - pool.positions[:, 0], axis=1) - 1.14).max() < 1e-12
    assert np.isfinite(pool.energy).all() and pool.cvs.shape == (127, 20)
    again = sample_pool(NMER, MIXED, tmp_path / "two")
    for name in Pool.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(again, name), getattr(pool, name))


def test_an_error_in_a_scan_is_reported_before_the_walkers_run(tmp_path: Path) -> None:
    axes = [{**AT, "atoms": (6, 7), "points": 16}]
    wrong = Sampling.model_validate(MIXED.model_dump() | {"scan": {"axes": axes}})
    with pytest.raises(InputError, match="H6-H7"):
        sample_pool(NMER, wrong, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sampler", ["scan", "normal-modes"])
def test_one_sampler_alone_makes_the_pool(sampler: str, tmp_path: Path) -> None:
    settings = Sampling(
        sampler=sampler, frames=4, scan={"axes": [{"atoms": (0, 1), "lower": 0.9, "upper": 1.1, "points": 4}]}
    )
    pool = sample_pool(WATER, settings, tmp_path)
    assert len(pool) == 4 and pool.sources == (f"{sampler} ff14SB",) and not pool.com_distance.any()
