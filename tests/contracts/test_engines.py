"""What every labelling engine promises; each runs here if its program is installed."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from potentials.errors import InputError
from recipes.engines import ENGINES
from recipes.registry import Need
from recipes.schema.labelling import Labelling
from tasks.labelling.engines.interface import FAILED, OK, Engine, Job
from tasks.labelling.engines.registry import get_engine, new_engine

WATER_HYDROGEN = (
    ("O", (0.0, 0.0, 0.1173)),
    ("H", (0.0, 0.7572, -0.4692)),
    ("H", (0.0, -0.7572, -0.4692)),
    ("H", (0.3, 0.1, 2.8)),
    ("H", (0.3, 0.4, 3.5)),
)
WATER, HYDROGEN = (0, 1, 2), (3, 4)

NAMES = ("orca", "psi4", "pyscf", "pyscf-lno", "xtb")

TOLERANCE = {"pyscf": 2e-8, "pyscf-lno": 2e-6, "psi4": 2e-8, "orca": 1e-6, "xtb": 1e-9, "DFT": 5e-6}
"""Hartree by which turning and relabelling may change an energy: orbitals are iterated, grids do not turn."""


@pytest.fixture(params=[(e, m.name) for e in NAMES for m in new_engine(e).methods], ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[Engine, Job]:
    name, method = request.param
    try:
        engine = get_engine(name)
    except InputError as error:
        pytest.skip(str(error))
    symbols, positions = zip(*WATER_HYDROGEN, strict=True)
    if missing := engine.lacks(method):
        pytest.skip(missing)
    functional = "B3LYP" if method == "DFT" else ""
    return engine, Job("AB", symbols, positions, (), 0, method, "6-31G", functional=functional, memory=1.0)


def energy(engine: Engine, job: Job) -> float:
    result = engine.run(job)
    assert (result.status, result.reason) == (OK, "")
    assert result.energy is not None
    return result.energy


def asked(job: Job, **change: str) -> Labelling:
    """Return the options of a recipe that asks for a job, unchecked."""
    options = {"method": job.method, "basis": job.basis, "functional": job.functional} | change
    return Labelling.model_construct(**options)


def pick(job: Job, atoms: tuple[int, ...]) -> Job:
    return replace(
        job, symbols=tuple(job.symbols[a] for a in atoms), positions=tuple(job.positions[a] for a in atoms)
    )


def test_ghosts_lower_the_energy_and_carry_no_electrons(case: tuple[Engine, Job]) -> None:
    engine, job = case
    if not engine.ghosts:
        refused = engine.run(replace(job, ghosts=HYDROGEN))
        assert (refused.status, refused.energy) == ("failed", None)
        assert "takes no ghost atoms" in refused.reason
        with pytest.raises(InputError, match=r"labelling\.counterpoise needs ghost atoms"):
            engine.check(asked(job), job.symbols, ghosts=True)
        return
    for alone, ghosts in ((WATER, HYDROGEN), (HYDROGEN, WATER)):
        own = engine.run(pick(job, alone))
        borrowed = engine.run(replace(job, ghosts=ghosts))
        assert own.energy is not None and borrowed.energy is not None
        assert -0.01 < borrowed.energy - own.energy < -1e-5
        assert borrowed.details["electrons"] == own.details["electrons"]
        assert borrowed.details["frozen_orbitals"] == own.details["frozen_orbitals"]
        assert borrowed.details["basis_functions"] > own.details["basis_functions"]


def test_turning_shifting_and_reordering_do_not_change_the_energy(case: tuple[Engine, Job]) -> None:
    engine, job = case
    order = (4, 2, 0, 3, 1)
    turned = Rotation.from_rotvec([0.3, -1.1, 0.7]).apply(np.array(job.positions)) + np.array([1.0, -2.0, 0.5])
    moved = pick(replace(job, positions=tuple(tuple(map(float, x)) for x in turned)), order)
    moved_ghosts = replace(moved, ghosts=tuple(order.index(a) for a in HYDROGEN))
    tolerance = TOLERANCE.get(job.method, TOLERANCE[engine.name])
    assert energy(engine, moved) == pytest.approx(energy(engine, job), abs=tolerance)
    if not engine.ghosts:
        return
    assert energy(engine, moved_ghosts) == pytest.approx(
        energy(engine, replace(job, ghosts=HYDROGEN)), abs=tolerance
    )


def test_far_apart_energies_add_up(case: tuple[Engine, Job]) -> None:
    engine, job = case
    far = replace(
        job,
        positions=tuple((x, y, z + 1000.0 * (a in HYDROGEN)) for a, (x, y, z) in enumerate(job.positions)),
    )
    apart = energy(engine, pick(job, WATER)) + energy(engine, pick(job, HYDROGEN))
    assert energy(engine, far) == pytest.approx(apart, abs=2e-6)


def test_the_components_add_up_and_the_core_is_frozen(case: tuple[Engine, Job]) -> None:
    engine, job = case
    result = engine.run(job)
    names = engine.method(job.method).components
    assert result.energy == pytest.approx(sum(result.components[n] for n in names), abs=1e-12)
    uncorrelated = len(names) == 1
    assert result.details["electrons"] == 12
    assert result.details["frozen_orbitals"] == (0 if uncorrelated else 1)
    if not uncorrelated:
        assert energy(engine, replace(job, frozen_core=False)) < energy(engine, job) - 1e-4
    if "CC" in job.method:
        reported = {name for name in ("t1", "d1", "t2") if getattr(result, name) is not None}
        assert reported == set(engine.diagnostics)
        assert result.t1 is not None and 0 < result.t1 < (result.d1 or 0.05) < 0.06
        assert result.t2 is None or 0 < result.t2 < 0.2


def test_gradients_are_the_slopes_of_the_energy_on_ghosts_too(case: tuple[Engine, Job]) -> None:
    """Against central differences of the fourth order, along a random direction of all atoms."""
    engine, job = case
    if job.method not in engine.gradients:
        refused = engine.run(replace(job, gradient=True))
        assert refused.status == FAILED and f"has no gradients of method '{job.method}'" in refused.reason
        with pytest.raises(InputError, match=r"labelling\.gradients: engine"):
            engine.check(asked(job).model_copy(update={"gradients": True}), job.symbols, ghosts=False)
        return
    positions, step = np.array(job.positions), 2e-3
    direction = np.random.default_rng(5).standard_normal(positions.shape)
    tight = replace(job, scf_tolerance=1e-12)
    for ghosts in ((), HYDROGEN) if engine.ghosts else ((),):
        result = engine.run(replace(job, ghosts=ghosts, gradient=True))
        assert (result.status, result.reason) == (OK, "") and result.gradient is not None
        assert result.energy == pytest.approx(energy(engine, replace(job, ghosts=ghosts)), abs=5e-8)
        slope = 0.0
        for n, weight in ((1, 2 / 3), (-1, -2 / 3), (2, -1 / 12), (-2, 1 / 12)):
            at = (positions + n * step * direction).tolist()
            moved = replace(tight, positions=tuple((x, y, z) for x, y, z in at), ghosts=ghosts)
            slope += weight * energy(engine, moved) / step
        gradient = np.array(result.gradient)
        assert np.vdot(gradient, direction) == pytest.approx(slope, abs=2e-6)
        assert np.abs(gradient.sum(axis=0)).max() < 1e-7
        assert not ghosts or np.abs(gradient[list(ghosts)]).max() > 1e-5


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"basis": "no-such-basis"}, "basis"),
        ({"charge": 1}, "lectron"),
        ({"symbols": ("O", "H", "H", "H", "Qq")}, ""),
        ({"positions": ((0.0, 0.0, 0.0),) * 5}, ""),
        ({"positions": ((float("nan"),) * 3,) * 5}, ""),
        ({"ghosts": (0, 1, 2, 3, 4)}, ""),
        ({"method": "B3LYP"}, "B3LYP"),
        ({"scf_tolerance": 1e-30}, "converge"),
        ({"cc_tolerance": 1e-30}, "converge"),
    ],
)
def test_nonsense_is_a_failed_result(case: tuple[Engine, Job], change: dict[str, object], word: str) -> None:
    engine, job = case
    if "cc_tolerance" in change and "CC" not in job.method:
        pytest.skip("no coupled-cluster equations to converge")
    if "basis" in change and engine.method(job.method).own_basis:
        pytest.skip("it has a basis of its own")
    result = engine.run(replace(job, **change))  # type: ignore[arg-type]
    assert result.status == "failed"
    assert result.energy is None
    assert result.reason and word in result.reason


def test_what_cannot_be_done_is_said_before_any_label(case: tuple[Engine, Job]) -> None:
    engine, job = case
    ghosts = engine.ghosts
    engine.check(asked(job), job.symbols, ghosts)
    with pytest.raises(InputError, match=r"labelling\.method 'B3LYP'"):
        engine.check(asked(job, method="B3LYP"), job.symbols, ghosts)
    with pytest.raises(InputError, match=r"labelling\.functional 'b3-no-such'"):
        engine.check(asked(job, functional="b3-no-such"), job.symbols, ghosts)
    if engine.method(job.method).own_basis:
        with pytest.raises(InputError, match="no parameters for element U"):
            engine.check(asked(job), ("O", "U"), ghosts)
    else:
        with pytest.raises(InputError, match=r"labelling\.basis 'cc-pvdx'"):
            engine.check(asked(job, basis="cc-pvdx"), job.symbols, ghosts)


def test_an_unknown_engine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'gamess' is unknown; allowed: orca, psi4, pyscf, pyscf-lno, xtb"):
        get_engine("gamess")


def test_the_registry_finds_the_engines_of_this_suite() -> None:
    assert ENGINES.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_declaration_is_complete(name: str) -> None:
    engine = ENGINES.get(name)
    papers = tomllib.loads((files("storage") / "papers.toml").read_text())
    methods = [method.name for method in engine.methods]
    assert (
        engine.title and methods and engine.needs and all(isinstance(n, Need) and n.install for n in engine.needs)
    )
    assert set(engine.papers) | {key for method in engine.methods for _, key in method.papers} <= set(papers)
    assert set(engine.options) <= set(Labelling.model_fields) - Labelling.FLAGS
    assert all(readers and set(readers) <= set(methods) for readers in engine.options.values())
    assert set(engine.gradients) <= set(methods)
    for method in engine.methods:
        assert method.title and method.components
        assert method.own_basis != (method.name in engine.options.get("basis", ()))


def test_the_json_schema_lists_engines_and_methods() -> None:
    fields = Labelling.model_json_schema()["properties"]
    assert fields["engine"]["enum"] == list(NAMES)
    assert {"HF", "CCSD(T)", "GFN2-xTB"} <= set(fields["method"]["enum"])


@pytest.mark.parametrize("script", ["exit 3", "echo", "kill -9 $$"])
def test_a_psi4_that_cannot_tell_its_version_is_named(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "psi4"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(InputError, match=f"'{program}' does not report its version"):
        get_engine("psi4")


HOSTILE = (
    "cc-pvdz\nimport os",
    "cc-pvdz'); import os; ('",
    "../../etc/passwd",
    "%pal nprocs 9 end",
    "a\0",
    "x" * 9000,
)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
@pytest.mark.parametrize("field", ["basis", "mp2_basis", "functional"])
def test_no_text_of_a_job_reaches_a_program_unchecked(case: tuple[Engine, Job], field: str, text: str) -> None:
    engine, job = case
    result = engine.run(replace(job, **{field: text}))  # type: ignore[arg-type]
    assert result.status == FAILED and result.energy is None
    assert any(word in result.reason for word in ("letters, digits", "characters; allowed"))
