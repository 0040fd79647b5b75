"""Gradients of n-body energies against central differences of the labels' own energies."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from ase import units

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from recipes.load import expanded_toml, load_recipe
from recipes.schema.labelling import Labelling
from storage.contents import dataset_columns, dataset_from_version
from storage.exchange.exporter import FORMATS, write_export
from storage.exchange.subject import DatasetSubject, subject_of
from storage.ledger import Ledger
from storage.records import TEST, TRAIN, Selection
from storage.store import Store
from storage.verify.labels import check_labels
from storage.verify.links import Links
from storage.xyz import read_labelled
from tasks.labelling.by_hand import label_by_hand
from tasks.labelling.collect import ledger_gradient
from tasks.labelling.dataset import freeze
from tasks.labelling.engines.registry import get_engine
from tasks.labelling.execution.runner import Limits
from tasks.labelling.here import label_here
from tasks.labelling.plan import nbody_energy, nbody_gradient, plan_label
from tasks.labelling.protocol import Protocol, protocol_of

XTB = Labelling(engine="xtb", method="GFN2-xTB", counterpoise=False, scf_tolerance=1e-12, gradients=True)
STEP = 2e-4


def label(protocol: Protocol, positions: Floats) -> tuple[float, Floats | None]:
    """Return the n-body energy, and its gradient where the protocol has them."""
    engine = get_engine(protocol.labelling.engine)
    jobs = protocol.jobs(positions, protocol.parts, 2.0)
    results = {job.part: engine.run(job) for job in jobs}
    assert {(r.status, r.reason) for r in results.values()} == {("ok", "")}
    energy = nbody_energy(protocol.plan, {part: r.energy or 0.0 for part, r in results.items()})
    if not protocol.labelling.gradients:
        return energy, None
    slopes = {part: np.array(r.gradient) for part, r in results.items()}
    return energy, nbody_gradient(protocol.plan, positions, slopes)


def differences(protocol: Protocol, positions: Floats, directions: Floats) -> Floats:
    """Return the slopes of the n-body energy along directions by central differences of the fourth order."""
    energies = replace(protocol, labelling=protocol.labelling.model_copy(update={"gradients": False}))
    weights = ((1, 2 / 3), (2, -1 / 12))
    return np.array(
        [
            sum(
                w * (label(energies, positions + n * STEP * d)[0] - label(energies, positions - n * STEP * d)[0])
                for n, w in weights
            )
            / STEP
            for d in directions
        ]
    )


def moved(nmer: NMer, seed: int, size: float = 0.08) -> Floats:
    """Return a geometry away from the recipe's, caps at their fixed lengths."""
    random = np.random.default_rng(seed)
    return np.asarray(nmer.place_caps(nmer.positions + size * random.standard_normal(nmer.positions.shape)))


@pytest.mark.parametrize("name", ["ch3-water", "ch-conh", "ch-conh-ch"])
def test_the_gradient_is_that_of_the_n_body_energy(name: str) -> None:
    """A dimer, and a 2-mer and a 3-mer in pieces with caps: every coordinate."""
    nmer = load_recipe(name).build_nmer()
    protocol = protocol_of(nmer, XTB)
    positions = moved(nmer, 3)
    _, gradient = label(protocol, positions)
    assert gradient is not None and gradient.shape == (nmer.natoms, 3)
    directions = np.eye(3 * nmer.natoms).reshape(-1, nmer.natoms, 3)
    expected = differences(protocol, positions, directions).reshape(-1, 3)
    assert np.abs(gradient - expected).max() < 1e-5 * np.abs(expected).max()
    assert np.abs(gradient.sum(axis=0)).max() < 1e-6  # the energy does not change when everything moves


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Protocol, Floats]:
    """A store with a dataset of six configurations of a 2-mer with gradients, labelled in a process of its own."""
    recipe = load_recipe("ch-conh")
    labelling = XTB.model_copy(update={"reference": "none"})
    recipe = recipe.model_copy(update={"labelling": labelling})
    nmer = recipe.build_nmer()
    positions = np.array([moved(nmer, seed) for seed in range(6)])
    folder = tmp_path_factory.mktemp("gradients")
    store, protocol = Store(folder / "store", create=True), protocol_of(nmer, labelling)
    table = label_here(protocol, positions, Limits(60.0, 2.0), store.labels, folder / "scratch")
    assert set(table.status) == {"ok"}
    selection = Selection(positions, np.array([TRAIN] * 4 + [TEST] * 2), np.arange(6))
    facts = {"protocol_id": protocol.id, "reference_hartree": 0.0}
    keys = {"recipe": expanded_toml(recipe), "inputs": [], "engines": dict(protocol.versions)}
    with store.writing():
        for key, shift in (("0" * 64, 0.0), ("1" * 64, 1e-6)):
            data = freeze(selection, table)
            assert data.gradient is not None
            columns = dataset_columns(replace(data, gradient=data.gradient + shift))
            store.add("dataset", "ch-conh", key, columns=columns, facts=facts, **keys)
    return store, protocol, positions


def test_a_dataset_has_the_gradients_of_its_energies(kept: tuple[Store, Protocol, Floats]) -> None:
    store, protocol, positions = kept
    version = store.resolve("dataset:ch-conh@1")
    data = dataset_from_version(version)
    assert data.gradient is not None and data.gradient.shape == positions.shape
    for x, energy, gradient in zip(positions, data.energy, data.gradient, strict=True):
        again, slopes = label(protocol, x)
        assert energy == pytest.approx(again, abs=1e-7)
        np.testing.assert_allclose(gradient, slopes, rtol=0, atol=1e-7)
    test = data.part(TEST).gradient
    assert test is not None
    np.testing.assert_array_equal(test, data.gradient[4:])
    with h5py.File(version.path) as file:
        assert file["gradient"].attrs["unit"] == "kcal/mol/Angstrom"


def test_verify_computes_them_again_from_the_ledger(kept: tuple[Store, Protocol, Floats]) -> None:
    store, _, _ = kept

    def factors(nmer: NMer, counterpoise: bool) -> dict[str, int]:
        return {part.name: part.coefficient for part in plan_label(nmer, counterpoise)}

    versions = store.versions("dataset", "ch-conh")
    with Ledger.read(store.labels) as ledger:
        links = Links(store, versions, ledger, factors, slopes=ledger_gradient)
        assert links.check(versions[0]) == ([], [])
        (damage,), _ = links.check(versions[1])
        assert damage.what == "gradient" and "6 of 6 are not those of the ledger" in damage.problem
        _, (note,) = replace(links, slopes=None).check(versions[0])
        assert "its gradients were not computed again" in note
    assert check_labels(store.labels, store.path) == ([], [])


@pytest.mark.parametrize("name", ["extxyz", "mbfit", "qcschema"])
def test_exports_have_them_where_the_format_does(
    name: str, kept: tuple[Store, Protocol, Floats], tmp_path: Path
) -> None:
    store, _, _ = kept
    subject = subject_of("dataset:ch-conh@1", store.path)
    assert isinstance(subject, DatasetSubject) and subject.dataset.gradient is not None
    out = tmp_path / "out"
    _, said = write_export(FORMATS.get(name), subject, out)
    assert "read back" in said
    gradient = subject.dataset.part(TRAIN).gradient
    assert gradient is not None
    if name == "extxyz":
        from ase.io import read

        frames = read(out / "train.xyz", ":")
        forces = np.array([frame.arrays["REF_forces"] for frame in frames])
        np.testing.assert_allclose(-forces * (units.mol / units.kcal), gradient, rtol=1e-8, atol=1e-9)
        back = read_labelled(out / "train.xyz")
        assert back.gradient is not None
        np.testing.assert_allclose(back.gradient, gradient, rtol=1e-12, atol=1e-12)
    elif name == "mbfit":
        assert all(len(line.split()) in (1, 4) for line in (out / "train.xyz").read_text().splitlines())
    else:
        found = json.loads(out.read_text())["configurations"][0]["nbody_gradient"]
        bohr = units.Hartree * units.mol / units.kcal / units.Bohr
        np.testing.assert_allclose(bohr * np.array(found), gradient[0], rtol=1e-6)


def test_a_label_by_hand_has_the_gradient() -> None:
    nmer = load_recipe("ch3-water").build_nmer()
    (found,) = label_by_hand([nmer], XTB, 60.0, 2.0)
    energy, gradient = label(protocol_of(nmer, XTB), nmer.positions)
    assert found["status"] == "ok" and found["nbody_energy"] == pytest.approx(energy, abs=1e-8)
    np.testing.assert_allclose(found["nbody_gradient"], gradient, rtol=0, atol=1e-8)


def test_what_has_no_gradients_is_refused_with_what_has() -> None:
    with pytest.raises(ValueError, match=r"no gradients of method 'CCSD\(T\)'.*'pyscf' with method HF, DFT, MP2"):
        Labelling(method="CCSD(T)", gradients=True)
    with pytest.raises(ValueError, match=r"MP2 with fitted integrals; allowed: density_fitting = false"):
        Labelling(method="MP2", density_fitting=True, gradients=True)
    plain, with_them = (Labelling(method="HF", gradients=one) for one in (False, True))
    assert "gradients" not in plain.content() and with_them.content()["gradients"] is True
