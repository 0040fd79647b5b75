"""V_phys as the baseline of a fit: what is planted comes back, and the stored potential carries it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.capping import pieces
from potentials.physics.model import PhysicsPotential
from potentials.physics.nbody import PhysicsOfNMer
from potentials.physics.parameters import PhysicsParameters
from potentials.physics.topology import Topology
from potentials.pip.potential import Potential
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.placement import Placement
from recipes.load import load_recipe
from recipes.physics.table import DerivedPhysics, physics_toml
from recipes.schema.recipe import Fitting, Recipe
from storage.apart import Apart
from storage.bundle import family_of
from storage.citations import citations
from storage.contents import potential_of_file
from storage.exchange.minima import geometries_of_minima, minimum_path
from storage.imported import nmer_of
from storage.keys import potential_key
from storage.lineage import lineage, lineage_text
from storage.physics import write_physics
from storage.store import Store
from storage.verify.whole import files_of, verify
from storage.xyz import Labelled
from storage.xyz_options import Reading
from tasks.fitting.baseline import physics_of
from tasks.fitting.fit import fit_potential, make_problem
from tasks.fitting.of_files import fit_files, write_fit
from tasks.fitting.task import fitting_task
from tasks.fitting.tune import Split
from tasks.labelling.reference import reference_molecules
from tasks.plan import resolve
from tasks.validation.task import validation_task
from tests.storage.family import FACTORS, family, tiny
from tests.tasks.fitting.test_fit import NMER, shaken

CHAIN = load_recipe("ch3-conh-ch").build_nmer()

CHARGES = {"ch3:C": -0.3, "ch3:H": 0.1, "ch:C": -0.1, "ch:H": 0.1, "water:O": -0.7, "water:H": 0.35}
CHARGES |= {"conh:C": 0.6, "conh:O": -0.6, "conh:N": -0.4, "conh:H": 0.4}
CHARGES |= {"ch3@C:C": -0.33, "ch3@C:H": 0.11, "ch3@N:C": -0.3, "ch3@N:H": 0.1, "ch@N:C": -0.1, "ch@N:H": 0.1}


def parameters(**changes: float) -> PhysicsParameters:
    """Plausible numbers of each element, every 1-mer neutral."""
    of = {"H": (0.45, 31.0, 1.2, 0.0157, 0.6), "C": (1.37, 330.0, 2.0, 0.1, 1.9)}
    of |= {"N": (1.0, 210.0, 1.95, 0.17, 1.8), "O": (0.79, 170.0, 1.9, 0.21, 1.66)}
    alpha, c6, radius, depth, half = np.array([of[n[-1]] for n in CHARGES]).T
    charge = np.array(list(CHARGES.values()))
    return PhysicsParameters(tuple(CHARGES), charge, alpha, c6, alpha, radius, depth, half, **changes)


PARAMETERS = parameters()
PHYSICS = physics_of(NMER, PARAMETERS)
SETTINGS = Fitting(degree=2, gamma=1e-7, optimizer="fixed", k=0.9, ensemble=4)
PLANTED = Potential(
    NMER, 2, "intermolecular", np.full(12, 0.9), np.random.default_rng(5).uniform(-20, 20, 82), physics=PHYSICS
)
TRAIN, TEST = shaken(150, 1), shaken(100, 2)


def test_what_is_planted_comes_back_with_gradients_and_without() -> None:
    energy, gradient = PLANTED.energy_and_gradient(TRAIN)
    beneath = PHYSICS.evaluate(TRAIN)
    assert np.ptp(beneath.energy) > 1.0
    np.testing.assert_array_equal(energy, PLANTED.correction(TRAIN).energy + beneath.energy)
    for given in (None, gradient):
        found = fit_potential(NMER, TRAIN, energy, SETTINGS, gradient=given, baseline=PHYSICS)
        assert found.potential.physics is PHYSICS and found.train_rmsd < 1e-6
        np.testing.assert_allclose(found.potential.energy(TEST), PLANTED.energy(TEST), rtol=0, atol=1e-5)
        np.testing.assert_allclose(
            found.potential.correction(TEST).energy, PLANTED.correction(TEST).energy, rtol=0, atol=1e-5
        )
    problem = make_problem(NMER, TRAIN, energy, SETTINGS)
    weighted = Split.of(NMER, TRAIN, energy, SETTINGS, baseline=PHYSICS).problem(SETTINGS)
    np.testing.assert_array_equal(weighted.weight, problem.weight)
    np.testing.assert_array_equal(weighted.energy, energy - beneath.energy)


def test_the_gradient_is_that_of_the_energy_also_where_the_pip_is_switched_off() -> None:
    switched = replace(PLANTED, switching=load_recipe("ch3-water").fitting.switching.build())  # type: ignore[union-attr]
    for model in (PLANTED, switched, switched.held(100.0)):
        gradient = model.energy_and_gradient(TEST[:4])[1]
        for atom, axis in ((0, 0), (1, 2), (5, 1), (7, 2)):
            step = np.zeros_like(TEST[0])
            step[atom, axis] = 1e-4
            slope = (np.asarray(model.energy(TEST[:4] + step)) - model.energy(TEST[:4] - step)) / 2e-4
            np.testing.assert_allclose(slope, gradient[:, atom, axis], rtol=0, atol=2e-6)
    apart = TEST[:1].copy()
    apart[:, 5:, 2] += 12.0
    assert switched.correction(apart[0]).energy[0] == 0.0
    assert switched.energy(apart)[0] == PHYSICS.energy(apart)[0] != 0.0  # type: ignore[index]
    assert "over V_phys" in repr(switched)
    held = switched.held(0.0).evaluate(TEST[:1])
    assert set(held.shares) == {"correction", "physics", "cap_energy"}


def test_what_vphys_leaves_where_the_pip_ends_does_not_inflate_its_uncertainty() -> None:
    """A PIP's spread vanishes with its switching; errors that stay there say nothing about its coefficients."""
    settings = load_recipe("ch3-water").fitting
    assert settings.switching is not None
    switching = settings.switching.build()
    rng, apart = np.random.default_rng(7), shaken(600, 3)
    apart[:, 5:, 1] += rng.uniform(0.0, 4.0, (600, 1))
    factor = switching.evaluate(apart)[0]
    assert ((factor > 0) & (factor < 1e-3)).any() and (factor == 1).sum() > 80
    switched = replace(PLANTED, switching=switching)
    energy = np.asarray(switched.energy(apart)) + rng.normal(scale=0.05, size=600)
    chosen = SETTINGS.model_copy(update={"switching": settings.switching, "ensemble": 64})
    found = fit_potential(NMER, apart, energy, chosen, baseline=PHYSICS)
    near = factor >= 0.5
    error = np.asarray(found.potential.energy(apart) - switched.energy(apart))[near]
    spread = np.asarray(found.potential.uncertainty(apart))[near]
    assert 0.2 < np.sqrt(np.mean(np.square(error / spread))) < 2


def test_a_covalent_nmer_counts_from_the_minima_of_its_pieces() -> None:
    rng = np.random.default_rng(3)
    minima = tuple(np.array(p.fragment.positions) + rng.normal(scale=0.1, size=(p.fragment.natoms, 3))
                   for p, _ in pieces(CHAIN))  # fmt: skip
    found, absolute = physics_of(CHAIN, PARAMETERS, minima), physics_of(CHAIN, PARAMETERS)
    caps = {cap for cap, _, _ in CHAIN.caps}
    expected = 0.0
    onemers = {a: n for n, part in enumerate(CHAIN.fragments[0].parts) for a in part}
    for (piece, factor), minimum in zip(pieces(CHAIN), minima, strict=True):
        atoms = [a for a in piece.atoms if a not in caps]
        bonds = tuple((atoms.index(i), atoms.index(j)) for i, j in CHAIN.bonds if {i, j} <= set(atoms))
        topology = Topology(len(atoms), bonds, tuple(onemers[a] for a in atoms))
        model = PhysicsPotential(
            [CHAIN.symbols[a] for a in atoms], topology, [absolute.types[a] for a in atoms], PARAMETERS
        )
        expected += factor * float(model.energy(minimum[[piece.atoms.index(a) for a in atoms]]))
    assert abs(expected) > 0.1
    assert found.reference == pytest.approx(expected, abs=1e-12)
    at = CHAIN.positions[None]
    np.testing.assert_allclose(found.energy(at), absolute.energy(at) - expected, rtol=0, atol=1e-12)  # type: ignore[operator]
    # where every piece has the geometry that it has in the n-mer, the n-body energy is zero
    same = tuple(piece.positions(CHAIN.positions) for piece, _ in pieces(CHAIN))
    assert abs(float(physics_of(CHAIN, PARAMETERS, same).energy(CHAIN.positions))) < 1e-12


def test_the_minima_are_those_of_the_labels(tmp_path: Path) -> None:
    references = reference_molecules(CHAIN, load_recipe("ch3-conh-ch").labelling)
    total = 0.0
    for number, (molecule, factor) in enumerate(references):
        path = minimum_path(tmp_path, "a" * 64, molecule.fragments[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        energy = -100.0 - number
        total += factor * energy
        path.write_text(json.dumps({"positions": (molecule.positions + number).tolist(), "energy": energy}))
    found = geometries_of_minima(tmp_path, "a" * 64, references, total)
    for number, (positions, (molecule, _)) in enumerate(zip(found, references, strict=True)):
        np.testing.assert_array_equal(positions, molecule.positions + number)
    with pytest.raises(InputError, match="relative to"):
        geometries_of_minima(tmp_path, "a" * 64, references, total + 1e-6)
    path.unlink()
    with pytest.raises(InputError, match="is not there"):
        geometries_of_minima(tmp_path, "a" * 64, references, total)


def test_the_key_follows_the_digest_and_not_the_name() -> None:
    plain, named = load_recipe("ch3-water"), with_baseline(load_recipe("ch3-water"), "physics:polyalanine@1")
    other = with_baseline(plain, "physics:mine@latest")
    assert potential_key(plain, "d") == potential_key(named, "d")  # the digest is an input, not a setting
    assert potential_key(named, "d", "x") == potential_key(other, "d", "x") != potential_key(named, "d", "y")
    assert potential_key(plain, "d") != potential_key(named, "d", "x")
    for bad in ("polyalanine@1", "physics:../x", "physics:x@", "physics:x@0", "physics:X", "physics:a\nb"):
        with pytest.raises(ValueError, match="physics:NAME"):
            with_baseline(plain, bad)


def with_baseline(recipe: Recipe, name: str) -> Recipe:
    values = recipe.model_dump(mode="json", exclude_none=True)
    values["fitting"]["baseline"] = name
    return Recipe.model_validate(values)


def labelled_store(folder: Path) -> tuple[Store, Recipe]:
    """A store with labels and parameters; the n-mer's labels are random numbers."""
    recipe = tiny(fitting={"baseline": "physics:toy@1", "degree": 2})
    store = family(folder, tiny(fitting={"degree": 2}))
    with store.writing():
        write_physics(store, "toy", DerivedPhysics(PARAMETERS, "toy", {"method": "XDM"}))
    return store, recipe


def call(function: Any, *arguments: Any, progress: Any = None) -> Any:
    return function(*arguments, progress=progress)


def test_the_stages_carry_the_baseline(tmp_path: Path) -> None:
    store, recipe = labelled_store(tmp_path / "store")
    plan = resolve(recipe, store)
    assert plan.physics == PARAMETERS.digest and resolve(recipe).physics == ""
    dataset = store.versions("dataset")[0]
    with store.writing():
        key = fitting_task.fn(plan, store.path, dataset.key, call)
        assert key == potential_key(recipe, dataset.key, PARAMETERS.digest)
        assert fitting_task.fn(plan, store.path, dataset.key, call) == key
        validation_task.fn(plan, store.path, key)
    version = store.get("potential", key)
    assert version.number == 2 and store.potential("tiny-water@1").physics is None
    model = store.potential(version.ref)
    assert model.physics_digest == PARAMETERS.digest and model.physics is not None
    assert model.physics.parameters.name == "physics:toy@1" and "physics:toy@1" in repr(model)
    positions = dataset.column("positions")
    expected = model.correction(positions).energy + PhysicsOfNMer(
        recipe.build_nmer(), model.physics.types, PARAMETERS
    ).energy(positions)
    np.testing.assert_array_equal(model.energy(positions), expected)
    np.testing.assert_array_equal(potential_of_file(version.path).energy(positions), expected)
    verdict = store.verdict(version)
    assert verdict is not None
    np.testing.assert_array_equal(verdict.column("predicted"), expected)
    assert "V_phys of physics:toy@1" in (store.report(version) / "report.html").read_text()
    family_there = [v.ref for v in family_of(store, version)[0]]
    assert family_there.index("physics:toy@1") < family_there.index(version.ref)
    assert "physics:toy@1" in lineage_text(lineage(store, version))
    assert any("XDM" in c.subject for c in citations(version, store.find))
    with Apart() as reader:
        damages = verify(store, lambda *_: FACTORS, files_of(store, None, reader), reader).damages
    assert not [d for d in damages if d.file.startswith(("potentials/tiny-water/2", "validations", "physics"))]


def test_parameters_that_are_not_there_stop_a_fit(tmp_path: Path) -> None:
    store, recipe = labelled_store(tmp_path / "store")
    plan = resolve(with_baseline(recipe, "physics:other@1"), store)
    assert plan.physics == ""
    with pytest.raises(InputError, match="other@1"):
        plan.baseline(store)
    with pytest.raises(InputError, match="have no type"):
        physics_of(CHAIN, replace_types(PARAMETERS))


def replace_types(given: PhysicsParameters) -> PhysicsParameters:
    return replace(given, types=tuple(f"x{t}" for t in given.types))


def test_a_fit_of_files_takes_parameters(tmp_path: Path) -> None:
    symbols, rng = ("O", "H", "H", "O", "H", "H"), np.random.default_rng(1)
    water = np.array([[0.0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]])
    positions = np.concatenate([np.repeat(water[None], 80, 0), np.repeat(water[None], 80, 0)], axis=1)
    positions += rng.normal(scale=0.05, size=positions.shape)
    positions[:, 3:, 2] += rng.uniform(2.8, 5.0, (80, 1))
    reading = Reading("a.xyz", 80, "energy", "kcal/mol", "--unit")
    data = Labelled(symbols, positions, np.zeros(80), None, reading)
    model = nmer_of(data, "A1B2_A1B2")
    settings = Fitting(degree=2, terms="intermolecular", optimizer="fixed", k=0.9, ensemble=0)
    found = fit_files(model, data, None, settings, 2, PARAMETERS)
    physics = found.result.potential.physics
    assert physics is not None and physics.types == ("water:O", "water:H", "water:H") * 2
    np.testing.assert_allclose(
        found.result.potential.correction(positions).energy, -np.asarray(physics.energy(positions)), atol=0.5
    )
    write_fit(found, tmp_path / "out")
    again = potential_of_file(tmp_path / "out" / "potential.h5")
    np.testing.assert_array_equal(again.energy(positions), found.predicted)
    single = Labelled(symbols[:3], positions[:, :3], np.zeros(80), None, reading)
    with pytest.raises(InputError, match="is zero"):
        fit_files(
            nmer_of(single, "A1B2"), single, None, settings.model_copy(update={"terms": "all"}), 0, PARAMETERS
        )


def test_a_sum_of_different_physics_is_refused() -> None:
    placement = Placement("ch3-water", (*range(8),), (-1,) * 8, (0.0,) * 8)
    symbols = NMER.symbols
    whole = PhysicsPotential(symbols, Topology(8, NMER.bonds, (0,) * 5 + (1,) * 3), _all_types(), PARAMETERS)
    total = ManyBodyPotential(symbols, [placement], {"ch3-water": PLANTED}, [whole])
    expected = PLANTED.correction(TEST[:3]).energy + np.asarray(whole.energy(TEST[:3]))
    np.testing.assert_allclose(total.energy(TEST[:3]), expected, rtol=1e-13)
    np.testing.assert_array_equal(total.energies(TEST[:3])["ch3-water"][:, 0], PLANTED.correction(TEST[:3]).energy)
    plain = replace(PLANTED, physics=None)
    other = replace(PLANTED, physics=physics_of(NMER, parameters(thole_charge=0.3)))
    again = replace(placement, nmer="again")
    for second in (plain, other):
        with pytest.raises(InputError, match="different V_phys"):
            ManyBodyPotential(symbols, [placement, again], {"ch3-water": PLANTED, "again": second}, [whole])
    for model, given in ((PLANTED, []), (plain, [whole]), (other, [whole])):
        with pytest.raises(InputError, match="must be added"):
            ManyBodyPotential(symbols, [placement], {"ch3-water": model}, given)
    ManyBodyPotential(symbols, [placement], {"ch3-water": plain})


def _all_types() -> tuple[str, ...]:
    """The cap counted as a hydrogen of CH3-."""
    return tuple(t or "ch3:H" for t in PHYSICS.types)


def test_a_shipped_set_becomes_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(physics_toml(DerivedPhysics(PARAMETERS, "toy"), "mine"))
    monkeypatch.setattr("storage.physics.shipped_physics", lambda: {"mine": file})
    store, recipe = labelled_store(tmp_path / "store")
    recipe = with_baseline(recipe, "physics:mine")
    dataset = store.versions("dataset")[0]
    with store.writing():
        key = fitting_task.fn(resolve(recipe, store), store.path, dataset.key, call)
    inputs = store.get("potential", key).attributes()["inputs"]
    assert [i["ref"] for i in inputs] == [dataset.ref, "physics:mine@1"]
