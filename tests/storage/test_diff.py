"""What differs between two versions."""

from __future__ import annotations

import pytest

from potentials.errors import InputError
from storage.diff import difference
from storage.store import Store
from tests.storage.family import family, tiny


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a store with four potentials: as it is, another ridge and degree, more data, another protocol."""
    folder = tmp_path_factory.mktemp("diff") / "store"
    family(folder)
    family(folder, tiny(fitting={"gamma": 0.01, "degree": 2}), passed=False)
    family(folder, tiny(selection={"train": 24}))
    return family(folder, tiny(labelling={"basis": "6-31g"}))


def compare(store: Store, left: str, right: str) -> dict[str, object]:
    return difference(store, store.resolve(left), store.resolve(right))


def test_another_fit_of_the_same_data(store: Store) -> None:
    found = compare(store, "tiny-water@1", "tiny-water@2")
    assert found["recipe"] == [
        {"key": "fitting.degree", "left": 1, "right": 2},
        {"key": "fitting.gamma", "left": 5e-4, "right": 0.01},
    ]
    assert [(row["kind"], row["same"]) for row in found["made_from"]] == [  # type: ignore[attr-defined]
        ("pool", True),
        ("selection", True),
        ("dataset", True),
        ("potential", False),
    ]
    terms = found["terms"]
    assert isinstance(terms, dict) and terms["left"] == terms["shared"] and terms["only_right"] > 0
    errors = found["errors"]
    assert isinstance(errors, list) and [row["set"] for row in errors] == ["train", "test", "test"]
    assert errors[0]["left"]["rmsd"] != errors[0]["right"]["rmsd"]
    gates = found["gates"]
    assert isinstance(gates, list) and (gates[0]["left"]["passed"], gates[0]["right"]["passed"]) == (True, False)
    assert all(row["left"] == row["right"] for row in found["k"])  # type: ignore[attr-defined]
    data = found["data"]
    assert isinstance(data, dict) and (data["shared"], data["largest_energy_change"]) == (22, 0.0)


def test_more_configurations_and_their_labels(store: Store) -> None:
    found = compare(store, "dataset:tiny-water@1", "dataset:tiny-water@2")
    assert "terms" not in found and "errors" not in found
    data = found["data"]
    assert isinstance(data, dict)
    assert (data["shared"], data["only_left"], data["only_right"]) == (22, 0, 6)
    assert data["same_protocol"] and data["largest_energy_change"] == 0.0
    assert data["left"]["train"] == 18 and data["right"]["train"] == 24 and data["moved"] == 0


def test_new_labels_of_old_configurations(store: Store) -> None:
    found = compare(store, "dataset:tiny-water@1", "dataset:tiny-water@3")
    data = found["data"]
    assert isinstance(data, dict) and data["shared"] == 22 and not data["same_protocol"]
    assert data["largest_energy_change"] > 0.0
    assert (data["left"]["protocol"], data["right"]["protocol"]) == ("HF/sto-3g", "HF/6-31g")
    assert found["recipe"] == [{"key": "labelling.basis", "left": "sto-3g", "right": "6-31g"}]


def test_other_kinds_and_different_kinds(store: Store) -> None:
    assert compare(store, "pool:tiny-water@1", "pool:tiny-water@1")["frames"] == {"left": 40, "right": 40}
    data = compare(store, "selection:tiny-water@1", "selection:tiny-water@2")["data"]
    assert isinstance(data, dict) and data["only_right"] == 6 and "same_protocol" not in data
    verdicts = compare(store, "validation:tiny-water@1", "validation:tiny-water@2")
    assert verdicts["errors"] and verdicts["gates"] and "k" not in verdicts
    with pytest.raises(InputError, match="tiny-water@1 is a potential and pool:tiny-water@1 a pool"):
        compare(store, "tiny-water@1", "pool:tiny-water@1")
