"""The gate of own frames, on a water molecule whose potential is fitted to GFN2-xTB, well or wrongly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from potentials.pip.potential import Potential
from potentials.units import HARTREE
from recipes.chemistry.molecules import read_molecule
from recipes.chemistry.systems import read_system
from recipes.load import expanded_toml, load_recipe
from recipes.protocols import find_protocol
from recipes.schema.recipe import Fitting
from storage.contents import dataset_columns, potential_columns, potential_facts
from storage.ledger import Ledger
from storage.records import Selection
from storage.store import Store
from tasks.checks.own_frames import CHECK, OwnFramesOptions, measure
from tasks.checks.own_labels import Frames, cut, whole_method
from tasks.checks.subject import Subject
from tasks.checks.targets import Target
from tasks.fitting.fit import fit_potential
from tasks.labelling.dataset import freeze
from tasks.labelling.execution.runner import Limits
from tasks.labelling.here import label_here
from tasks.labelling.protocol import protocol_of
from tasks.xtb import Xtb
from tests.tasks.checks.mmff import bare, system

LIMITS = Limits(60.0, 2.0)
OPTIONS = OwnFramesOptions(
    temperatures=(300.0,), replicas=2, picoseconds=0.2, stride=5.0, frames=30, most=25, seed=3
)


def nothing(positions: Floats) -> Floats:
    return np.zeros(len(positions))


def pull(positions: Floats) -> Floats:
    """Return an energy that is not in the labels: it shortens both bonds by some 0.03 A."""
    bonds = np.linalg.norm(positions[:, 1:] - positions[:, :1], axis=2)
    return np.asarray(30.0 * (bonds - 0.96).sum(axis=1))


def lowest_by_gfn2(nmer: NMer) -> float:
    """Return the energy of the minimum, hartree."""
    surface = Xtb(nmer)

    def energy(flat: Floats) -> tuple[float, Floats]:
        found, forces = surface(flat.reshape(-1, 3))
        return found, -forces.ravel()

    return float(minimize(energy, nmer.positions.ravel(), jac=True, method="BFGS").fun) / HARTREE


def water_store(folder: Path, error: Callable[[Floats], Floats]) -> Store:
    """Return a store with a potential of water, fitted to labels of GFN2-xTB and an error."""
    store = Store(folder, create=True)
    known = load_recipe("water")
    recipe = known.model_copy(update={"labelling": find_protocol("gfn2-xtb")})
    nmer = recipe.build_nmer()
    rng = np.random.default_rng(2)
    positions = nmer.positions + rng.normal(scale=0.07, size=(150, nmer.natoms, 3))
    protocol = protocol_of(nmer, recipe.labelling)
    table = label_here(protocol, positions, LIMITS, store.labels, folder / "scratch")

    reference = lowest_by_gfn2(nmer)
    split = np.array([0] * 130 + [1] * 20)
    dataset = freeze(Selection(positions, split, np.arange(150)), table, reference)
    training = dataset.positions[:130]
    settings = Fitting(degree=5, terms="all", gamma=1e-7, starts=1, max_iterations=20, gradient_weight=0.0)
    model: Potential = fit_potential(nmer, training, dataset.energy[:130] + error(training), settings).potential
    with store.writing():
        made = store.add(
            "dataset",
            "water",
            "1" * 64,
            columns=dataset_columns(dataset),
            recipe=expanded_toml(recipe),
            inputs=[],
            engines={},
            facts={"reference_hartree": reference, "protocol_id": protocol.id, "labels": 150},
        )
        store.add(
            "potential",
            "water",
            "2" * 64,
            columns=potential_columns(model),
            recipe=expanded_toml(recipe),
            inputs=[made],
            engines={},
            facts=potential_facts(model, recipe.nmer) | {"warnings": []},
        )
    return store


def labels_in(store: Store) -> int:
    with Ledger.read(store.labels) as ledger:
        return len(ledger.sample(list(ledger.protocols()), 100_000))


def test_a_good_potential_passes_and_no_label_is_computed_twice(tmp_path: Path) -> None:
    subject = Subject.of_system(read_system("water"), water_store(tmp_path / "store", nothing))
    dear = measure(subject, OPTIONS.model_copy(update={"most_core_hours": 0.0}))
    assert dear.results[0].name == "rms-water" and dear.results[0].value is None and not dear.passed
    assert any("25 labels of water by GFN2-xTB would take about" in note for note in dear.notes)
    findings = measure(subject, OPTIONS)
    found = {one.name: one for one in findings.results}
    rms = found["rms-water"]
    assert rms.passed and rms.value is not None and rms.value < 0.1
    assert found["whole-water"].passed and found["spread-water"].value is not None
    assert found["inside"].value == pytest.approx(rms.value, rel=0.5)
    label = np.asarray(findings.data["nmers.label"].values)
    assert len(label) == 25 and label.min() > -1e-3 and label.max() < 12.0  # above the minimum of the label method
    known = labels_in(subject.store)
    again = measure(subject, OPTIONS.model_copy(update={"most_core_hours": 0.0}))
    assert labels_in(subject.store) == known
    np.testing.assert_array_equal(again.data["nmers.label"].values, label)
    assert {plot.name for plot in CHECK.draw(findings)} == {"own-frames-nmers", "own-frames-whole"}


def test_a_potential_that_is_wrong_where_it_goes_is_found(tmp_path: Path) -> None:
    subject = Subject.of_system(read_system("water"), water_store(tmp_path / "store", pull))
    findings = measure(subject, OPTIONS)
    found = {one.name: one for one in findings.results}
    rms = found["rms-water"]
    assert rms.passed is False and rms.value is not None and 1.0 < rms.value < 4.0
    assert "label water from own frames" in rms.advice or "sample water where" in rms.advice
    assert found["uncertainty"].passed is False and "own frames of water" in found["uncertainty"].advice


def test_n_mers_are_cut_with_their_caps_and_never_from_the_minimum() -> None:
    model = bare()
    target, rng = Target("AceAlaNme", model, system()), np.random.default_rng(1)
    x = np.array(system().positions)
    frames = x + rng.normal(scale=0.05, size=(6, 22, 3))
    numbers = np.arange(6)
    cuts = cut([Frames(target, frames, np.full(6, 300.0), numbers, numbers)], most=9, seed=1)
    assert {one.name for one in cuts} == set(model.counts)
    for one in cuts:
        expected = {of.nmer: of for of in model.occurrences(frames)}[one.name]
        count = len(expected.geometries) // 6
        assert len(one.positions) == min(9, 5 * count) and one.frame.min() >= 1
        of_frame = expected.geometries.reshape(6, count, -1)
        for geometry, number in zip(one.positions, one.frame, strict=True):
            assert np.abs(of_frame[number] - geometry.ravel()).max(axis=1).min() == 0.0
        for cap, anchor, length in one.potential.nmer.caps:
            apart = np.linalg.norm(one.positions[:, cap] - one.positions[:, anchor], axis=1)
            np.testing.assert_allclose(apart, length, rtol=1e-12)


def test_methods_that_differ_are_not_compared_as_a_whole() -> None:
    target = Target("AceAlaNme", bare(), system())
    assert whole_method({}, target) == "no protocol of its n-mers is known"
    nmer = load_recipe("water").build_nmer()
    made = [protocol_of(nmer, find_protocol(name)) for name in ("gfn2-xtb", "ccsd-t-cc-pvdz")]
    from tasks.checks.own_labels import Method

    each = {str(n): Method(one, LIMITS, 0.0, Path(), True) for n, one in enumerate(made)}
    assert whole_method(each, target) == "the labels of its n-mers are of different levels"
    slopes = Method(protocol_of(nmer, find_protocol("gfn2-xtb-gradients")), LIMITS, 0.0, Path(), True)
    plain = whole_method({"0": each["0"]}, target)
    for several in (
        {"slopes": slopes},
        {"slopes": slopes, "0": each["0"]},
    ):  # an energy is the same with gradients
        method = whole_method(several, target)
        assert isinstance(method, Method) and isinstance(plain, Method)
        assert method.protocol.id == plain.protocol.id
    one = whole_method({"0": each["0"]}, target)
    assert isinstance(one, Method) and one.protocol.nmer.natoms == read_molecule("AceAlaNme").natoms
    of_chain = whole_method({"0": each["0"]}, Target("AceAla3Nme", bare(), read_system("AceAla3Nme")))
    assert isinstance(of_chain, Method) and of_chain.protocol.nmer.natoms == 42  # of more kinds than letters
