"""The bias: PLUMED's numbers, and forces as the derivative of the energy."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.load import load_recipe
from tasks.bias.cvs import CV, cv_families, cv_values
from tasks.bias.kernel import (
    ATOMS_LOST,
    COM,
    ERROR,
    HILLS,
    NOT_FINITE,
    WALL,
    add_hill,
    apply_bias,
    lammps_callback,
    variable,
)
from tasks.bias.specification import BiasSpec, Grid, Walls, window_bias
from tests.numerical import slopes_of

NMER = load_recipe("ch3-water").build_nmer()
SETTINGS = load_recipe("ch3-water").sampling.bias


def spec_from_plumed(folder: Path, masses: np.ndarray) -> BiasSpec:
    """Read the reference's plumed.dat, whose layout is fixed."""
    text = (folder / "plumed.dat").read_text()

    def numbers(key: str) -> list[float]:
        words = re.search(rf"{key}=(\S+)", text)[1].split(",")  # type: ignore[index]
        return [np.pi if w == "pi" else float(w) for w in words]

    cvs = {
        m[1]: CV(tuple(int(a) - 1 for a in m[2].split(",")))
        for m in re.finditer(r"^(\w+): (?:DISTANCE|ANGLE) ATOMS=([\d,]+) NOPBC", text, re.MULTILINE)
    }
    names = re.search(r"ARG=(\S+)", text)[1].split(",")  # type: ignore[index]
    members = [m[1].split(",") for m in re.finditer(r"^ +PF\d=(\S+)", text, re.MULTILINE)]
    columns = zip(*(numbers(k) for k in ("GRID_MIN", "GRID_MAX", "GRID_BIN", "SIGMA")), strict=True)
    return BiasSpec(
        cvs=tuple(cvs[n] for n in names),
        family=tuple(next(i for i, family in enumerate(members) if n in family) for n in names),
        grids=tuple(Grid(low, high, int(bins), sigma) for low, high, bins, sigma in columns),
        masses=tuple(masses),
        temperature=numbers("TEMP")[0],
        height=numbers("HEIGHT")[0],
        pace=int(numbers("PACE")[0]),
        biasfactor=numbers("BIASFACTOR")[0],
        walls=Walls(0.0, numbers("AT")[0], numbers("KAPPA")[0], first=5),
    )


def test_plumeds_bias_and_forces(reference_data: Callable[[str], Path]) -> None:
    folder = reference_data("plumed-methane-water")
    trajectory, reference = np.load(folder / "trajectory.npz"), np.load(folder / "reference.npz")
    spec = spec_from_plumed(folder, trajectory["masses"])
    buffer, positions = spec.buffer(), trajectory["positions"]
    bias, forces = np.empty(600), np.empty_like(positions)
    for n, step in enumerate(trajectory["steps"]):
        bias[n] = apply_bias(buffer, int(step), np.ascontiguousarray(positions[n]), forces[n])
    assert np.abs(bias - reference["total_bias"]).max() < 1e-10
    assert np.abs(forces - reference["forces"]).max() < 1e-10
    values = cv_values([CV(c.atoms) for c in spec.cvs], trajectory["positions"])
    assert np.abs(values - reference["cv_values"][:, :20]).max() < 1e-12


def shaken(count: int, seed: int = 0) -> np.ndarray:
    return NMER.positions + np.random.default_rng(seed).normal(scale=0.15, size=(count, NMER.natoms, 3))


@pytest.mark.parametrize("window", [(0.0, 3.3), (4.2, 7.0)])
def test_forces_are_the_derivative_of_the_bias(window: tuple[float, float]) -> None:
    """Below, inside, and above the walls, on a bias of many hills."""
    spec = replace(window_bias(NMER, SETTINGS, 500.0, window), pace=1, height=1.0)
    buffer = spec.buffer()
    force = np.empty((NMER.natoms, 3))
    for step, x in enumerate(shaken(60)):
        apply_bias(buffer, step, x, force)
    assert buffer[HILLS] == 59 * len(spec.cvs)
    largest = 0.0
    for x in shaken(4, seed=9):
        apply_bias(buffer, 0, x, force)
        analytic = force.copy()
        largest = max(largest, np.abs(analytic).max())
        slopes = slopes_of(lambda other: apply_bias(buffer, 0, other, force), x, 1e-6)
        np.testing.assert_allclose(slopes, -analytic, rtol=1e-6, atol=2e-5 * max(1.0, largest))
        assert np.abs(analytic.sum(axis=0)).max() < 1e-9
    assert largest > 1.0


@pytest.mark.parametrize(
    ("window", "beyond"),
    [((0.0, 3.0), 0.7), ((0.0, 4.0), 0.0), ((3.0, 4.0), 0.0), ((4.5, 7.0), -0.8), ((0.0, 3.7), 0.0)],
)
def test_walls_are_kappa_d_squared(window: tuple[float, float], beyond: float) -> None:
    """At 3.7 A and an empty bias; the force along the line pulls the centres back at 2 kappa d."""
    masses = NMER.masses
    x = NMER.positions.copy()
    centres = [np.average(x[p], axis=0, weights=masses[p]) for p in NMER.slices]
    x[5:] += (centres[1] - centres[0]) * (3.7 / np.linalg.norm(centres[1] - centres[0]) - 1.0)
    buffer, force = window_bias(NMER, SETTINGS, 300.0, window).buffer(), np.empty((NMER.natoms, 3))
    energy = apply_bias(buffer, 0, x, force)
    assert buffer[COM] == pytest.approx(3.7, abs=1e-12)
    assert energy == buffer[WALL] == pytest.approx(SETTINGS.wall_kappa * beyond**2, abs=1e-9)
    line = (centres[1] - centres[0]) / np.linalg.norm(centres[1] - centres[0])
    for part, sign in zip(NMER.slices, (1.0, -1.0), strict=True):
        pull = sign * 2 * SETTINGS.wall_kappa * beyond * line
        np.testing.assert_allclose(force[part].sum(axis=0), pull, atol=1e-8)


@pytest.mark.parametrize("atoms", [(0, 5), (1, 0, 5), (6, 5, 0, 1)])
def test_derivatives_of_each_kind_of_variable(atoms: tuple[int, ...]) -> None:
    table = np.zeros((1, 6))
    table[0, 0] = len(atoms)
    table[0, 2 : 2 + len(atoms)] = atoms
    x = shaken(1)[0]
    d = np.empty((1, 4, 3))
    value = variable(x, table, 0, d)
    assert value == pytest.approx(cv_values([CV(atoms)], x[None])[0, 0], abs=1e-13)
    analytic = d[0].copy()
    slopes = slopes_of(lambda other: variable(other, table, 0, d), x, 1e-6)[list(atoms)]
    np.testing.assert_allclose(slopes, analytic[: len(atoms)], rtol=1e-6, atol=1e-8)


def test_no_hill_at_the_first_step_and_none_twice() -> None:
    spec = replace(window_bias(NMER, SETTINGS, 300.0, (0.0, 4.0)), pace=10)
    buffer, force = spec.buffer(), np.empty((NMER.natoms, 3))
    for step, hills in ((0, 0), (10, 20), (10, 20), (15, 20), (20, 40)):
        apply_bias(buffer, step, shaken(1)[0], force)
        assert buffer[HILLS] == hills


def test_a_periodic_family_wraps() -> None:
    grid = Grid(-np.pi, np.pi, 120, 0.2, periodic=True)
    masses = tuple(float(m) for m in NMER.masses)
    spec = BiasSpec((CV((6, 5, 0, 1)),), (0,), (grid,), masses, 300.0, 1.0, 1, 10.0)
    buffer, force = spec.buffer(), np.empty((NMER.natoms, 3))
    x = NMER.positions.copy()

    def turned(angle: float) -> np.ndarray:
        """Turn the water about the line from C to O until the dihedral has this value."""
        now = cv_values([CV((6, 5, 0, 1))], x[None])[0, 0]
        c, s = np.cos(angle - now), np.sin(angle - now)
        for sign in (1, -1):
            y = x.copy()
            y[5:] = x[5:] @ np.array([[c, -sign * s, 0], [sign * s, c, 0], [0, 0, 1]]).T
            if abs(np.angle(np.exp(1j * (cv_values([CV((6, 5, 0, 1))], y[None])[0, 0] - angle)))) < 1e-9:
                return y
        raise AssertionError("the dihedral could not be set")

    x[:, 0] += np.array([0.3, 0.3, 0, 0, 0, 0, 0, 0])  # no dihedral with three atoms in a line
    x[0, 0] = x[5, 0] = 0.0
    apply_bias(buffer, 1, turned(np.pi - 0.05), force)
    beyond = apply_bias(buffer, 0, turned(-np.pi + 0.05), force)
    assert beyond == pytest.approx(np.exp(-0.5 * (0.1 / 0.2) ** 2), rel=1e-3)


@pytest.mark.parametrize("points", [6, 7, 28, 120, 121])
@pytest.mark.parametrize("sigma", [0.3, 0.9, 1.5, 3.0])
def test_a_hill_is_added_once_to_each_point_of_a_periodic_grid(points: int, sigma: float) -> None:
    row = np.array([[-np.pi, 2 * np.pi / points, points, 1.0, sigma, 0.0]])
    places = -np.pi + 2 * np.pi / points * np.arange(points)
    for centre in (-3.1, 0.0, 1.0, 3.1):
        grid, slope = np.zeros(points), np.zeros(points)
        add_hill(grid, slope, row, 0, centre, 2.25)
        way = np.angle(np.exp(1j * (places - centre)))
        plain = np.where(0.5 * (way / sigma) ** 2 < 6.25, 2.25 * np.exp(-0.5 * (way / sigma) ** 2), 0.0)
        np.testing.assert_allclose(grid, plain, atol=1e-12)
        np.testing.assert_allclose(np.abs(slope), np.abs(plain * way / sigma**2), atol=1e-11)


def test_families_of_ch3_water() -> None:
    counts = {f.name: len(f.cvs) for f in cv_families(NMER)}
    assert counts == {
        "distance A-B": 1,  # C-cap
        "distance A-C": 3,
        "angle B-A-C": 3,
        "angle C-A-C": 3,
        "distance D-E": 2,
        "angle E-D-E": 1,
        "distance A-D": 1,
        "angle B-A-D": 1,
        "angle C-A-D": 3,
        "angle A-D-E": 2,
    }
    spec = window_bias(NMER, SETTINGS, 300.0, (0.0, 4.0))
    assert spec.family[: len(counts)] == tuple(range(len(counts)))


def test_variables_between_fragments_are_never_in_a_family_with_those_within() -> None:
    """Two ethanes share their letters: C-C is a bond in one and the distance of two centres in the other."""
    places = tuple((0.5 * i, 0.3 * i * i, 0.0) for i in range(8))
    bonds = ((0, 1), *((0, i) for i in (2, 3, 4)), *((1, i) for i in (5, 6, 7)))
    ethane = Fragment("ethane", ("C", "C", *"HHHHHH"), places, bonds)
    pair = NMer("pair", (ethane, ethane), "A2B6_A2B6")
    groups = cv_families(pair)
    for family in groups:
        assert {len({a // 8 for a in cv.atoms}) > 1 for cv in family.cvs} == {family.intermolecular}, family.name
    carbons = {f.intermolecular: [cv.atoms for cv in f.cvs] for f in groups if f.name == "distance A-A"}
    assert carbons == {False: [(0, 1), (8, 9)], True: [(0, 8)]}
    spec = window_bias(pair, SETTINGS, 300.0, (4.0, 7.0))
    grid = spec.grids[spec.family[[cv.atoms for cv in spec.cvs].index((0, 8))]]
    assert grid.upper == 30.0 and grid.sigma == SETTINGS.sigma_intermolecular


@pytest.mark.parametrize("atom", range(8))
def test_one_coordinate_that_is_not_finite_raises_the_error_flag(atom: int) -> None:
    buffer, force = window_bias(NMER, SETTINGS, 300.0, (0.0, 4.0)).buffer(), np.empty((NMER.natoms, 3))
    x = NMER.positions.copy()
    apply_bias(buffer, 200, x, force)
    assert buffer[ERROR] == 0.0
    before = buffer.copy()
    x[atom, 1] = np.nan
    apply_bias(buffer, 400, x, force)
    assert buffer[ERROR] == NOT_FINITE
    assert buffer[HILLS] == before[HILLS] == 20
    assert np.isfinite(force).all()


def test_the_callback_refuses_another_number_of_atoms() -> None:
    """If LAMMPS has lost an atom the arrays are shorter than the table of variables needs."""
    buffer = window_bias(NMER, SETTINGS, 300.0, (0.0, 4.0)).buffer()
    x, f = NMER.positions.copy(), np.full((NMER.natoms, 3), 7.0)
    rows = [(ctypes.c_void_p * 1)(a.ctypes.data) for a in (x, f)]
    kinds = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, *(ctypes.c_void_p,) * 3)
    call = ctypes.CFUNCTYPE(None, *kinds)(lammps_callback.address)
    call(buffer.ctypes.data, 200, 7, None, ctypes.addressof(rows[0]), ctypes.addressof(rows[1]))
    assert buffer[ERROR] == ATOMS_LOST and buffer[HILLS] == 0 and (f == 7.0).all()
    buffer[ERROR] = 0.0
    call(buffer.ctypes.data, 200, 8, None, ctypes.addressof(rows[0]), ctypes.addressof(rows[1]))
    assert buffer[ERROR] == 0.0 and buffer[HILLS] == 20 and (f != 7.0).all()


def test_beyond_the_grid_the_bias_is_flat_and_stays_in_its_own_family() -> None:
    grids = (Grid(1.0, 2.0, 80, 0.05), Grid(1.0, 2.0, 80, 0.05))
    masses = tuple(float(m) for m in NMER.masses)
    spec = BiasSpec((CV((0, 1)), CV((0, 5))), (0, 1), grids, masses, 300.0, 1.0, 1, 10.0)
    buffer, force = spec.buffer(), np.empty((NMER.natoms, 3))
    x = NMER.positions.copy()
    x[1] = x[0] + [0.0, 0.0, 1.97]  # a hill that reaches 0.15 A over the upper end
    x[5] = x[0] + [0.0, 0.0, 0.5]  # a hill that does not reach the lower end
    apply_bias(buffer, 1, x, force)
    assert buffer[HILLS] == 2
    values = []
    for z in (1.99, 2.01, 2.5):
        x[1, 2] = x[0, 2] + z
        values.append(apply_bias(buffer, 0, x, force))
        assert buffer[ERROR] == 0.0
        assert (np.abs(force[1]).max() > 0.1) == (z < 2.0)
    assert values[1] == values[2] > 0.0
    x[1] = x[0] + [0.0, 0.0, 1.5]
    for z in np.linspace(1.0, 2.0, 81):  # the second family's grid follows the first's in the buffer: it is empty
        x[5] = x[0] + [0.0, 0.0, z]
        assert apply_bias(buffer, 0, x, force) == pytest.approx(0.0, abs=1e-12) and not force.any()
