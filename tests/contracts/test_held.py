"""What a label holds of other protocols' energies is what those protocols compute by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from potentials.errors import InputError
from recipes.engines import ENGINES, Held
from recipes.held import ITSELF, held_energy
from recipes.load import load_recipe
from recipes.protocols import protocols
from recipes.schema.labelling import Labelling
from tasks.labelling.engines.interface import OK, Job, Result
from tasks.labelling.engines.registry import get_engine, new_engine
from tasks.labelling.protocol import Protocol

SAME = 1e-8
"""Hartree."""

LOOSE = 1e-7
"""Hartree, of MP2 where two SCFs converge to 1e-10 in different ways: in a composite's larger basis one begins
from the smaller, with gradients it converges further."""

CLUSTER: dict[str, Any] = {"cc_tolerance": 1e-7, "density_fitting": True}
COMPOSITE = CLUSTER | {"basis": "cc-pVDZ", "mp2_basis": "cc-pVTZ"}
SOURCES: dict[str, dict[str, Any]] = {
    "conventional": {"engine": "pyscf", "method": "CCSD(T)", "basis": "6-31G*"},
    "all electrons": {"engine": "pyscf", "method": "CCSD(T)", "basis": "6-31G", "frozen_core": False},
    "CCSD": {"engine": "pyscf", "method": "CCSD", "basis": "6-31G"},
    "gradients": {"engine": "pyscf", "method": "MP2", "basis": "6-31G", "gradients": True},
    "MP2": {"engine": "pyscf", "method": "MP2", "basis": "6-31G"},
    "fitted": CLUSTER | {"engine": "pyscf", "method": "CCSD(T)", "basis": "cc-pVDZ"},
    "float32": CLUSTER | {"engine": "pyscf", "method": "CCSD(T)", "basis": "cc-pVDZ", "single_precision": True},
    "natural orbitals": {"engine": "pyscf", "method": "FNO-CCSD(T)", "basis": "cc-pVDZ", "fno_threshold": 1e-3},
    "composite": COMPOSITE | {"engine": "pyscf", "method": "CCSD(T)"},
    "scaled composite": COMPOSITE
    | {"engine": "pyscf", "method": "FNO-CCSD(T)", "single_precision": True, "scale_triples": True},
    "psi4": {"engine": "psi4", "method": "CCSD(T)", "basis": "6-31G*"},
    "psi4 fitted": {"engine": "psi4", "method": "CCSD(T)", "basis": "cc-pVDZ", "density_fitting": True},
    "psi4 orbitals": {"engine": "psi4", "method": "FNO-CCSD(T)", "basis": "cc-pVDZ", "fno_threshold": 1e-3},
}


def jobs(labelling: Labelling) -> list[Job]:
    """Return the jobs of a distorted water: alone, and in small basis sets with the functions of another one."""
    small = not labelling.basis.startswith("cc")
    nmer = load_recipe("water-water" if small else "water", "smoke").build_nmer()
    positions = nmer.positions + np.random.default_rng(5).normal(scale=0.05, size=nmer.positions.shape)
    protocol = Protocol(nmer, labelling, ())
    return protocol.jobs(positions, protocol.parts[1:2] if small else protocol.parts, 2.0)


def run(labelling: Labelling) -> list[Result]:
    """Return the results of the jobs, by a new engine."""
    engine = get_engine(labelling.engine)
    found = [engine.run(job) for job in jobs(labelling)]
    assert {(one.status, one.reason) for one in found} == {(OK, "")}
    return found


@pytest.mark.parametrize("name", SOURCES)
def test_an_energy_that_is_held_is_the_one_that_is_computed(name: str) -> None:
    source = Labelling(**SOURCES[name])
    try:
        results = run(source)
    except InputError as error:
        pytest.skip(str(error))
    every = new_engine(source.engine).held(source)
    assert every
    for held in every:
        target = target_of(source, held)
        assert held_energy(source, target) == held
        other_scf = bool(source.mp2_basis) or source.gradients
        allowed = LOOSE if "mp2" in held.components.values() and other_scf else SAME
        for whole, part in zip(results, run(target), strict=True):
            energy = sum(whole.components[there] for there in held.components.values())
            assert energy == pytest.approx(part.energy, abs=allowed, rel=0), (held, whole.components)
            functions = whole.details[held.functions]
            assert functions == part.details["basis_functions"]
            if held.diagnostics:
                assert (whole.t1, whole.t2) == pytest.approx((part.t1, part.t2), abs=1e-5)


def target_of(source: Labelling, held: Held) -> Labelling:
    """Return a complete, valid protocol whose energy is held; with other tolerances where they are not read."""
    fitted = bool(source.density_fitting or source.means.fitted)
    values = source.model_dump() | {"density_fitting": fitted, "gradients": False}
    target = Labelling.model_construct(**values | held.changes)
    if "CC" not in target.method:
        values |= {"single_precision": False, "cc_tolerance": 1e-5, "fno_threshold": 1e-3}
    return Labelling.model_validate(values | held.changes)


@pytest.mark.parametrize(
    "values",
    [
        {"engine": "pyscf", "method": "HF", "basis": "6-31G"},
        {"engine": "pyscf", "method": "DFT", "functional": "B3LYP", "basis": "6-31G"},
        {"engine": "pyscf", "method": "MP2", "basis": "6-31G"},
        {"engine": "xtb", "method": "GFN2-xTB", "counterpoise": False},
    ],
    ids=["HF", "DFT", "MP2", "GFN2-xTB"],
)
def test_the_energy_of_a_label_with_gradients_is_that_without(values: dict[str, Any]) -> None:
    with_gradients, without = Labelling(**values, gradients=True), Labelling(**values)
    assert held_energy(with_gradients, without) is ITSELF and held_energy(without, with_gradients) is None
    for one, other in zip(run(with_gradients), run(without), strict=True):
        assert one.energy == pytest.approx(other.energy, abs=LOOSE if values["method"] == "MP2" else SAME, rel=0)


BASE = Labelling(engine="pyscf", method="FNO-CCSD(T)", basis="cc-pVDZ", cc_tolerance=1e-7)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"density_fitting": True}, True),
        ({"density_fitting": True, "frozen_core": False}, False),
        ({"density_fitting": True, "scf_tolerance": 1e-9}, False),
        ({"density_fitting": True, "basis": "cc-pVTZ"}, False),
        ({"density_fitting": True, "cc_tolerance": 1e-5, "max_t1": 0.5, "reference": "none"}, True),
        ({}, False),
    ],
)
def test_what_mp2_reads_must_agree(change: dict[str, Any], found: bool) -> None:
    mp2 = Labelling(**{"engine": "pyscf", "method": "MP2", "basis": "cc-pVDZ"} | change)
    assert (held_energy(BASE, mp2) is not None) is found
    hf = mp2.model_copy(update={"method": "HF"})
    assert (held_energy(BASE, hf) is not None) is (found or "frozen_core" in change)


def test_a_method_holds_nothing_above_it_and_itself_whatever_it_does_not_read() -> None:
    mp2 = Labelling(engine="pyscf", method="MP2", basis="cc-pVDZ", density_fitting=True)
    assert held_energy(mp2, BASE) is None
    assert held_energy(mp2, mp2.model_copy(update={"fno_threshold": 1e-3})) is ITSELF
    assert held_energy(BASE, BASE.model_copy(update={"density_fitting": True})) is ITSELF
    assert held_energy(BASE, BASE.model_copy(update={"fno_threshold": 1e-3})) is None
    psi4 = Labelling(engine="psi4", method="MP2", basis="cc-pVDZ", density_fitting=True)
    assert held_energy(BASE, psi4) is None


def test_engines_without_a_declaration_hold_nothing_but_themselves() -> None:
    assert {engine.name for engine in ENGINES if engine.held(BASE)} <= {"pyscf", "psi4"}
    for title, labelling in protocols().values():
        assert held_energy(labelling, labelling) is (None if labelling.gradients else ITSELF), title
