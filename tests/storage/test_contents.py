"""Datasets there and back, those of the first release among them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from storage.contents import dataset_columns, dataset_from_version
from storage.records import TEST, Dataset
from storage.version import write_version

DATASET = Dataset(
    positions=np.zeros((3, 2, 3)),
    split=np.array([0, 0, 1]),
    energy=np.arange(3.0),
    sub_energies=-np.ones((3, 1)),
    sub_names=("A",),
    t1=np.full(3, 0.01),
    t2=np.full(3, 0.1),
    cpu_seconds=np.ones(3),
    ids=("a", "b", "c"),
    d1=np.array([0.01, 0.02, 0.03]),
)


def read_back(path: Path, leave_out: str = "") -> Dataset:
    columns = {name: column for name, column in dataset_columns(DATASET).items() if name != leave_out}
    version = write_version(
        path, "dataset", "x", 1, "key", columns=columns, recipe="", inputs=[], engines={}, facts={}
    )
    return dataset_from_version(version)


def test_a_dataset_comes_back(tmp_path: Path) -> None:
    found = read_back(tmp_path / "1.h5")
    np.testing.assert_array_equal(found.d1, DATASET.d1)
    assert (found.ids, found.sub_names) == (DATASET.ids, DATASET.sub_names)
    assert found.part(TEST).d1.tolist() == [0.03]


def test_one_without_d1_still_opens(tmp_path: Path) -> None:
    found = read_back(tmp_path / "1.h5", leave_out="d1")
    assert np.isnan(found.d1).all() and len(found.part(TEST).d1) == 1
