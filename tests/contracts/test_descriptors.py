"""What every descriptor of the selection promises."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from potentials.errors import InputError
from recipes.load import load_recipe
from recipes.registry import Need
from recipes.schema.recipe import SelectionSettings
from tasks.selection.descriptor import DESCRIPTORS, Describe, Descriptor, checked_descriptor

NAMES = ("soap", "sorted-distances")

NMER = load_recipe("ch3-water").build_nmer()
POSITIONS = NMER.positions + np.random.default_rng(3).normal(scale=0.15, size=(300, NMER.natoms, 3))
EXCHANGES = ([0, 1, 3, 4, 2, 5, 6, 7], [0, 1, 2, 3, 4, 5, 7, 6])
"""Orders of the atoms that the symmetry A1B1C3_D1E2 allows."""

BAD: dict[str, dict[str, Any]] = {"soap": {"intermolecular_weight": 2.0}}
"""What each refuses in the selection section."""


@pytest.fixture(params=NAMES)
def descriptor(request: pytest.FixtureRequest) -> Descriptor:
    return DESCRIPTORS.get(request.param)


@pytest.fixture
def describe(descriptor: Descriptor) -> Describe:
    try:
        return checked_descriptor(SelectionSettings(descriptor=descriptor.name)).make(
            NMER, SelectionSettings(), POSITIONS
        )
    except InputError as error:
        pytest.skip(str(error))


def test_the_registry_finds_the_descriptors_of_this_suite() -> None:
    assert DESCRIPTORS.names() == NAMES


def test_a_declaration_is_complete(descriptor: Descriptor) -> None:
    papers = tomllib.loads((files("storage") / "papers.toml").read_text())
    assert descriptor.title and all("subject" in papers[key] for key in descriptor.papers)
    assert all(isinstance(need, Need) and need.install for need in descriptor.needs)
    assert {need.name for need in descriptor.needs} <= set(descriptor.packages)
    assert descriptor.frame_seconds >= 0


def test_features_are_as_many_as_declared_and_finite(descriptor: Descriptor, describe: Describe) -> None:
    features = describe(POSITIONS)
    assert features.shape == (300, descriptor.width(NMER)) and np.isfinite(features).all()
    assert describe(POSITIONS[:0]).shape == (0, features.shape[1])
    assert features.std(axis=0).max() > 0.01


def test_a_frame_is_described_for_itself(describe: Describe) -> None:
    np.testing.assert_array_equal(describe(POSITIONS[17:18]), describe(POSITIONS)[17:18])


def test_motions_and_exchanges_of_equivalent_atoms_change_nothing(describe: Describe) -> None:
    features = describe(POSITIONS)
    scale, turn = np.abs(features).max(), np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    for moved in (POSITIONS @ turn + [3.0, -1.0, 2.0], *(POSITIONS[:, order] for order in EXCHANGES)):
        np.testing.assert_allclose(describe(moved), features, atol=1e-6 * scale)
    assert np.abs(describe(POSITIONS[:, [0, 2, 1, 3, 4, 5, 6, 7]]) - features).max() > 1e-2 * scale, (
        "a cap is apart"
    )


def test_what_it_cannot_do_is_refused(descriptor: Descriptor) -> None:
    if descriptor.name not in BAD:
        pytest.skip("it takes every selection section")
    with pytest.raises(InputError, match=r"selection\.") as refused:
        checked_descriptor(SelectionSettings(descriptor=descriptor.name, **BAD[descriptor.name]))
    assert "\n" not in str(refused.value)


def test_what_it_needs_is_named_where_it_is_missing(
    descriptor: Descriptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Need, "found", lambda need: False)
    if not descriptor.needs:
        assert checked_descriptor(SelectionSettings(descriptor=descriptor.name)) is descriptor
        return
    with pytest.raises(InputError, match=f"selection.descriptor '{descriptor.name}' needs .*pip install"):
        checked_descriptor(SelectionSettings(descriptor=descriptor.name))


def test_an_unknown_descriptor_is_refused_with_the_known_ones(tiny_recipe: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(tiny_recipe.read_text().replace("[selection]\n", '[selection]\ndescriptor = "acsf"\n'))
    with pytest.raises(InputError, match=r"mine\.toml: .*selection\.descriptor.*'acsf'.*soap, sorted-distances"):
        load_recipe(str(path))
