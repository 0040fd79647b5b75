"""`nmer sum`: what is printed, as JSON, at geometries of a file, and into a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nmer
from potentials.pip.potential import Potential
from potentials.pip.ranges import training_ranges
from recipes.chemistry.molecules import read_molecule
from recipes.chemistry.solvation import WATER
from recipes.chemistry.system_files import system_text
from recipes.families import FAMILIES
from storage.store import Store
from tests.conftest import call
from tests.nmer.polyalanine import PAIR, potential, store_of

CHAIN = read_molecule("AceAla3Nme").embedded()
AT = np.array(CHAIN.positions)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return store_of(tmp_path_factory.mktemp("sums") / "store")


def with_members_and_range(model: Potential) -> Potential:
    """Return a potential with an ensemble, and the range of training data about all occurrences in the chain."""
    sizes = np.random.default_rng(1).normal(scale=0.02, size=(4, len(model.coefficients)))
    whole = nmer.sum_potential(CHAIN, {name: potential(name) for name in FAMILIES["polyalanine"]})
    places = next(one for one in whole.occurrences(AT[None]) if one.nmer == model.nmer.name).geometries
    return replace(model, ensemble=model.coefficients + sizes, ranges=training_ranges(model.nmer, None, places))


def xyz(path: Path, *frames: np.ndarray, symbols: tuple[str, ...] = CHAIN.symbols) -> Path:
    lines = []
    for frame in frames:
        lines += [f"{len(symbols)}", "frame"]
        lines += [f"{s} {x:.10f} {y:.10f} {z:.10f}" for s, (x, y, z) in zip(symbols, frame, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_sum_tells_what_it_is_made_of_and_writes_it(
    capsys: pytest.CaptureFixture[str], store: Store, tmp_path: Path
) -> None:
    out = tmp_path / "sum.toml"
    words = ("sum", "AceAla3Nme", "--family", "polyalanine", "--store", store.path)
    code, told, err = call(capsys, *words, "--out", out)
    assert (code, err) == (0, "")
    for word in ("conh-ch-conh@1", "AceAla3Nme: 42 atoms", "V_phys: physics:toy@1", "V_phys alone", str(out)):
        assert word in told
    assert next(line for line in told.splitlines() if line.startswith(PAIR)).split()[1:4] == [
        "3",
        f"{PAIR}@1",
        "candidate",
    ]
    model = nmer.sum_potential("AceAla3Nme", family="polyalanine", store=store.path)
    assert nmer.load_sum(out, store.path).energy(AT) == pytest.approx(model.energy(AT), abs=1e-9)
    before = out.read_bytes()
    code, told, err = call(capsys, *words, "--out", out)
    assert (code, told) == (2, "") and "exists already" in err and out.read_bytes() == before


def test_sum_gives_the_parts_at_geometries(
    capsys: pytest.CaptureFixture[str], store: Store, tmp_path: Path
) -> None:
    frames = (AT, AT + np.random.default_rng(1).normal(scale=0.03, size=AT.shape))
    file = xyz(tmp_path / "frames.xyz", *frames)
    words = ("sum", "AceAla3Nme", "--store", store.path, "--at", file)
    facts = json.loads(call(capsys, *words, "--json")[1])
    model = nmer.sum_potential("AceAla3Nme", store=store.path)
    assert facts["molecule"] == "AceAla3Nme" and len(facts["energies"]) == 2
    for row, frame in zip(facts["energies"], frames, strict=True):
        expected = {name: value[0] for name, value in model.parts(np.round(frame, 10)).items()}
        assert row.pop("energy") == pytest.approx(sum(expected.values()), abs=1e-9)
        assert row.pop("uncertainty") is row.pop("extrapolates") is None
        assert row == pytest.approx(expected, abs=1e-9) and "V_phys dispersion" in row and PAIR in row
    told = call(capsys, *words)[1]
    assert f"{model.energy(AT):.3f}" in told and "kcal/mol" in told
    for lack, said in zip(("have no ensemble of", "do not have the range"), facts["unknown"], strict=True):
        assert lack in said and "conh-ch-conh" in said and said in told


def test_sum_tells_how_far_the_energies_can_be_trusted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    names = [*FAMILIES["polyalanine"]]
    store = store_of(tmp_path / "store", names, change=with_members_and_range)
    torn = AT.copy()
    torn[-1] = AT[-2] + 0.3 * (AT[-1] - AT[-2])
    file = xyz(tmp_path / "frames.xyz", AT, torn)
    words = ("sum", "AceAla3Nme", "--store", store.path, "--at", file)
    facts = json.loads(call(capsys, *words, "--json")[1])
    model = nmer.sum_potential("AceAla3Nme", store=store.path)
    near, far = facts["energies"]
    assert facts["unknown"] == [] and near["extrapolates"] == []
    assert near["uncertainty"] == pytest.approx(model.uncertainty(AT), abs=1e-6)
    assert {one["nmer"] for one in far["extrapolates"]} >= {"ch3", "conh-ch3"}
    assert all(len(AT) - 1 in one["atoms"] for one in far["extrapolates"])
    told = [line.split() for line in call(capsys, *words)[1].splitlines()]
    assert any(line[:1] == ["1"] and line[-1] == "no" for line in told)
    assert any(line[:1] == ["2"] and "ch3" in line for line in told)


def test_sum_takes_given_versions_and_waters(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [*FAMILIES["polyalanine"], *FAMILIES["polyalanine-water"]])
    store_of(store.path, ["ch"], seed=2)
    words = ("sum", "AceAla3Nme", "--family", "polyalanine", "--waters", "2", "--store", store.path, "--json")
    newest, chosen = (json.loads(call(capsys, *words, *more)[1]) for more in ((), ("--use", "ch=ch@1")))
    for facts, ref in ((newest, "ch@2"), (chosen, "ch@1")):
        rows = {row["nmer"]: row for row in facts["potentials"]}
        assert rows["ch"]["ref"] == ref and rows["conh-water"]["occurrences"] == 8 and facts["waters"] == 2
    np.testing.assert_array_equal(store.potential("ch@1").coefficients, potential("ch").coefficients)


def test_sum_refuses_in_one_sentence_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    swapped = (*CHAIN.symbols[1:], CHAIN.symbols[0])
    xyz(tmp_path / "other.xyz", AT, symbols=swapped)
    xyz(tmp_path / "near.xyz", np.zeros_like(AT))
    xyz(tmp_path / "order.xyz", AT[[*range(20), *range(21, 42), 20]])  # hydrogens in another order
    cell = 'Lattice="30 0 0 0 30 0 0 0 30" Properties=species:S:1:pos:R:3 pbc="T T T"'
    (tmp_path / "cell.xyz").write_text(xyz(tmp_path / "cell.xyz", AT).read_text().replace("frame", cell))
    (tmp_path / "empty.xyz").write_text("")
    before = sorted(tmp_path.iterdir())
    for words, said in (
        (("AceAla3Nme", "--use", "ch"), "--use is 'ch'"),
        (("AceAla3Nme", "--use", "ch=x.json"), "--use is 'ch=x.json'; it takes N-MER=REFERENCE of the store"),
        (("AceAla3Nme", "--use", "ch2=ch@1"), "--use names ch2, which AceAla3Nme does not have; it has: ch3"),
        (("AceAla3Nme", "--use", "ch=ch3@1"), "caps"),
        (("AceAla3Nme", "--use", "ch=ch@9"), "'ch@9' is not in the store"),
        (("AceAla3Nme", "--waters", "-1"), "waters is -1"),
        (("CC.O",), "'CC.O' has water molecules in it"),
        (("AceAla3Nme", "--waters", "1"), "has no potentials of ch3-water, conh-water, ch-water"),
        (("AceGly2Nme",), "has no potentials of ch2"),
        (("AceGly2Nme", "--family", "polyalanine"), "are not in the family 'polyalanine'"),
        (("AceAla3Nme", "--family", "nylon"), "family 'nylon' is unknown"),
        (("AceAla3Nme", "--at", "none.xyz"), "none.xyz"),
        (("AceAla3Nme", "--at", "empty.xyz"), "empty.xyz"),
        (("AceAla3Nme", "--at", "other.xyz"), "other.xyz"),
        (("AceAla3Nme", "--at", "near.xyz"), "near.xyz"),
        (("AceAla3Nme", "--at", "order.xyz"), "bonded in AceAla3Nme"),
        (("AceAla3Nme", "--at", "cell.xyz"), "not periodic"),
        (("AceAla3Nme", "--out", "other.xyz"), "exists already"),
        (("AceAla3Nme", "--out", "other.xyz/sum.toml"), "cannot write into"),
        (("AceAla3Nme", "--store", "other.xyz"), "not a store"),
    ):
        more = () if "--store" in words else ("--store", store.path)
        code, out, err = call(capsys, "sum", *words, *more)
        assert (code, out) == (2, "") and said in err and err.count("\n") == 1, (words, code, out, err)
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_of_a_system_is_summed_with_its_waters(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A dipeptide among waters in vacuum, and the sum that its file makes again."""
    names = (*FAMILIES["polyalanine"], *FAMILIES["polyalanine-water"], *FAMILIES["water"])
    kept = store_of(tmp_path / "store", names)
    chain = nmer.read_system("AceAlaNme")
    water = np.array(WATER[1])
    at = np.concatenate([chain.positions, water + np.array([0.0, 0.0, 9.0]), water + np.array([0.0, 2.9, 9.5])])
    bonds = (*chain.bonds, *((22 + o, 22 + o + h) for o in (0, 3) for h in (1, 2)))
    system = nmer.System((*chain.symbols, *"OHHOHH"), at, bonds)
    file = tmp_path / "wet.pdb"
    file.write_text(system_text(system, ".pdb"))
    frames = xyz(tmp_path / "wet.xyz", nmer.read_system(file).positions, symbols=system.symbols)
    words = ("sum", file, "--water", "own", "--family", "polyalanine", "--store", kept.path, "--at", frames)
    code, told, err = call(capsys, *words, "--out", tmp_path / "wet.toml")
    assert (code, err) == (0, "") and "wet.pdb: 28 atoms" in told
    assert next(x for x in told.splitlines() if x.startswith("water-water ")).split()[1:3] == ["by", "distance"]
    code, told, _ = call(capsys, *words, "--json")
    found = json.loads(told)
    model = nmer.load_sum(tmp_path / "wet.toml", kept.path)
    assert found["energies"][0]["energy"] == pytest.approx(
        model.energy(nmer.read_system(file).positions), abs=1e-8
    )
    assert abs(found["energies"][0]["water-water"]) > 1e-6 and found["water"] == "own" and found["cell"] == []
    code, _, err = call(capsys, "sum", file, "--store", kept.path)
    assert code == 2 and "has water molecules in it" in err and "nmer.read_system" in err
    boxed = tmp_path / "boxed.xyz"
    boxed.write_text(frames.read_text().replace("frame", 'Lattice="30 0 0 0 30 0 0 0 30"'))
    code, _, err = call(capsys, *words[:-1], boxed)
    assert code == 2 and "the sum is not periodic; allowed: frames without a cell" in err
