"""The commands export and cite: what they print and refuse, and what a lineage brings with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import nmer
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from recipes.load import expanded_toml, load_recipe
from storage.configuration import configuration_ids
from storage.contents import dataset_columns, potential_columns, potential_facts
from storage.records import Dataset
from storage.store import Store
from tests.conftest import call

RECIPE = load_recipe("ch3-water", "paper")
NMER = RECIPE.build_nmer()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with a dataset and a potential that names it; their energies mean nothing."""
    opened = Store(tmp_path_factory.mktemp("export") / "store", create=True)
    rng = np.random.default_rng(4)
    positions = NMER.positions + rng.normal(scale=0.05, size=(30, 8, 3))
    positions[:, 5:, 0] += 0.7  # so that it shows where references come from
    sub, unknown = rng.normal(size=(30, 3)), np.full(30, np.nan)
    dataset = Dataset(
        positions=positions,
        split=(np.arange(30) >= 25).astype(np.int64),
        energy=sub[:, 0],
        sub_energies=sub,
        sub_names=("AB", "A in AB", "B in AB"),
        t1=unknown,
        t2=unknown,
        cpu_seconds=unknown,
        ids=tuple(configuration_ids(NMER, positions)),
        d1=unknown,
    )
    basis = Basis.build(NMER, 1, "intermolecular")
    k, coefficients = np.linspace(0.5, 1.5, len(basis.pair_names)), rng.normal(size=basis.n_terms)
    potential = Potential(NMER, 1, "intermolecular", k, coefficients, Switching((0, 5), 7.0, 9.0))
    with opened.writing():
        data = opened.add(
            "dataset",
            "ch3-water",
            "a" * 64,
            columns=dataset_columns(dataset),
            recipe=expanded_toml(RECIPE),
            inputs=[],
            engines={"nmer": "0", "pyscf": "2.9.0"},
            facts={},
        )
        opened.add(
            "potential",
            "ch3-water",
            "b" * 64,
            columns=potential_columns(potential),
            recipe=expanded_toml(RECIPE),
            inputs=[data],
            engines={"nmer": "0"},
            facts=potential_facts(potential, RECIPE.nmer),
        )
    return opened.path


def test_export_says_how_to_check(capsys: pytest.CaptureFixture[str], store: Path, tmp_path: Path) -> None:
    words = ("export", "ch3-water@latest", "--format", "c", "--store", store, "--out")
    code, out, _ = call(capsys, *words, tmp_path / "one")
    assert code == 0 and out.splitlines()[-1].startswith(f"check: cd {tmp_path / 'one'} && gcc -O2 -std=c99")
    found = json.loads(call(capsys, *words, tmp_path / "two", "--json")[1])
    assert {Path(f).name for f in found["files"]} >= {"ch3_water_1.c", "ch3_water_1.h", "check.c"}
    assert found["check"].endswith("./check") and found["check_in"] == str(tmp_path / "two")


def test_references_come_from_near_the_training_data(
    capsys: pytest.CaptureFixture[str], store: Path, tmp_path: Path
) -> None:
    call(capsys, "get", "ch3-water@1", "--store", store, "--out", tmp_path / "got")
    shifts = []
    for words in (("ch3-water@1", "--store", store), (tmp_path / "got" / "ch3-water@1.h5",)):
        out = tmp_path / f"{len(shifts)}.json"
        assert call(capsys, "export", *words, "--format", "json", "--out", out)[0] == 0
        positions = np.array(json.loads(out.read_text())["references"]["positions"])[:60]
        shifts.append((positions[:, 5, 0] - positions[:, 0, 0]).mean())
        assert nmer.load(out).energy(NMER.positions) == nmer.load("ch3-water@1", store).energy(NMER.positions)
    assert shifts[0] == pytest.approx(0.7, abs=0.05) and shifts[1] == pytest.approx(0.0, abs=0.1)


def test_what_export_refuses_is_one_sentence_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], store: Path, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    out = tmp_path / "out"
    cases = [
        (
            ("ch3-water@1", "--format", "fortran", "--out", out),
            "format 'fortran' is unknown; allowed for a potential:",
        ),
        (("ch3-water@1", "--format", "extxyz", "--out", out), "format 'extxyz' is for a dataset, not a potential"),
        (("dataset:ch3-water@1", "--format", "c", "--out", out), "format 'c' is for a potential, not a dataset"),
        (("ch3-water@1", "--format", "c", "--out", tmp_path / "full"), "exists already; give another path"),
        (("ch3-water@7", "--format", "c", "--out", out), "'ch3-water@7' is not in the store"),
        (("none.h5", "--format", "c", "--out", out), "'none.h5' does not exist"),
    ]
    for words, expected in cases:
        code, printed, err = call(capsys, "export", *words, "--store", store)
        assert (code, printed) == (2, "") and expected in err and err.count("\n") == 1, (words, err)
    assert [p.name for p in tmp_path.iterdir()] == ["full"] and not list((tmp_path / "full").iterdir())


def test_cite_names_what_the_lineage_used(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    code, out, _ = call(capsys, "cite", "ch3-water@1", "--store", store, "--json")
    found = json.loads(out)
    subjects = {c["subject"] for c in found}
    assert code == 0 and len({(c["subject"], c["text"]) for c in found}) == len(found)
    assert {
        "permutationally invariant polynomials",
        "variable projection",
        "(T)",
        "FNO-CCSD(T)",
        "MP2",
    } <= subjects
    assert {
        "counterpoise correction",
        "engine pyscf",
        "basis set aug-cc-pVTZ",
        "basis set aug-cc-pVDZ",
    } <= subjects
    assert all(c["text"] for c in found) and all(c["doi"].startswith("10.") for c in found if c["doi"])
    assert "doi.org/10.1063/5.0006074" in call(capsys, "cite", "ch3-water@1", "--store", store)[1]
    own = json.loads(call(capsys, "cite", "dataset:ch3-water@1", "--store", store, "--json")[1])
    assert {c["subject"] for c in own} < subjects


def test_cite_does_not_guess(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "t.xyz").write_text("2\n1.5\nH 0 0 0\nH 0 0 0.74\n" * 2)
    words = ("import", "h2", "--train", tmp_path / "t.xyz", "--symmetry", "A2", "--store", tmp_path / "s")
    assert call(capsys, *words)[0] == 0
    code, out, _ = call(capsys, "cite", "dataset:h2@1", "--store", tmp_path / "s")
    assert code == 0 and out == "imported data (t.xyz): no paper is known here; see its own pages\n"
