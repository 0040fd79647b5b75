"""nmer fit, nmer import, and nmer tune on files of one's own."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import nmer
from nmer.cli.main import main
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.pip.potential import Potential
from storage.xyz import read_labelled
from tests.storage.family import family

WATER = Fragment(
    "water", ("O", "H", "H"), ((0.0, 0.0, 0.1), (0.0, 0.76, -0.5), (0.0, -0.76, -0.5)), ((0, 1), (0, 2))
)
TRUTH = Potential(NMer("water", (WATER,), "A1B2"), 3, "all", np.array([1.1, 0.7]), np.linspace(-40, 60, 12))


def write_set(path: Path, count: int, seed: int) -> Path:
    positions = np.array(WATER.positions) + np.random.default_rng(seed).normal(scale=0.12, size=(count, 3, 3))
    blocks = []
    for energy, places in zip(np.atleast_1d(TRUTH.energy(positions)), positions, strict=True):
        lines = [f"{s} {x:.10f} {y:.10f} {z:.10f}" for s, (x, y, z) in zip(WATER.symbols, places, strict=True)]
        blocks.append("\n".join(["3", f"{energy:.10f}", *lines]))
    path.write_text("\n".join(blocks) + "\n")
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    train, test = write_set(tmp_path / "train.xyz", 150, 0), write_set(tmp_path / "test.xyz", 40, 1)
    return ("--train", str(train), "--test", str(test), "--symmetry", "A1B2")


def test_a_fit_of_files_as_json(
    files: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "fit"
    words = ["fit", *files, "--degree", "3", "--gamma", "1e-6", "--out", str(out), "--folds", "3", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["terms"] == 12 and len(found["fold_rmsd"]) == 3
    assert 0 < found["train_rmsd"] < 1e-3 and 0 < found["test_rmsd"] < 1e-3 and found["test_mae"] > 0
    assert found["seconds"] > 0 and set(found["parameters"]) == {"A-B intra", "B-B intra"}
    windows = found["by_energy"]["test"]
    assert sum(w["count"] for w in windows) == 40
    squares = sum(w["count"] * w["rmsd"] ** 2 for w in windows)
    assert found["test_rmsd"] == pytest.approx(np.sqrt(squares / 40))
    assert json.loads((out / "fit.json").read_text())["test_rmsd"] == found["test_rmsd"]
    potential = nmer.load(str(out / "potential.h5"))
    data = read_labelled(tmp_path / "test.xyz")
    error = np.asarray(potential.energy(data.positions)) - data.energy
    assert float(np.sqrt(np.mean(error**2))) == pytest.approx(found["test_rmsd"])
    rows = list(csv.DictReader((out / "parity.csv").open()))
    assert len(rows) == 190 and rows[-1]["split"] == "test"
    leverage = list(csv.DictReader((out / "leverage.csv").open()))
    assert len(leverage) == 150 and float(leverage[0]["leverage"]) == pytest.approx(found["largest_leverage"])
    assert (out / "parity.png").read_bytes().startswith(b"\x89PNG")
    assert main(words) == 0  # running again is safe


def test_a_fit_for_people(files: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *files, "--degree", "2", "--optimizer", "fixed"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("A1B2, degree 2: 6 terms") and "training" in out and "test" in out and "CPU-s" in out


def test_rules_forms_and_chosen_terms(files: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    def terms(*words: str) -> tuple[int, set[str]]:
        assert main(["fit", *files, "--degree", "3", "--starts", "1", "--json", *words]) == 0
        found = json.loads(capsys.readouterr().out)
        return found["terms"], set(found["parameters"])

    assert terms() == (12, {"A-B intra", "B-B intra"})
    assert terms("--filter", "B-B <= 1")[0] == 9
    assert terms("--filter", "B-B <= 0", "--filter", "all") == (5, {"A-B intra"})
    assert terms("--variables", "exp0")[1] == {"A-B intra", "B-B intra", "A-B intra d", "B-B intra d"}
    assert terms("--max-terms", "4")[0] == 4


def test_without_a_test_set_there_is_no_test_error(
    files: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", *files[:2], *files[4:], "--degree", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["test_rmsd"] is None and "test" not in found["by_energy"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--symmetry", "A1B3"), "symmetry 'A1B3' describes 4 atoms"),
        (("--degree", "99"), "--degree: input should be less than or equal to 8"),
        (("--optimizer", "luck"), "--optimizer: input should be 'variable-projection', 'simplex' or 'fixed'"),
        (("--column", "2"), "has 1 energies in its comment; column 2 is not one of them"),
        (("--filter", "intermolecular"), "terms 'intermolecular' needs two fragments"),
        (("--filter", "few terms"), "'few terms' is not a rule for terms; allowed are: intermolecular"),
        (("--variables", "exp,exp,exp"), "--variables is 'exp,exp,exp'; allowed: one form, or two"),
        (("--variables", "morse"), "--variables"),
        (("--train", "none.xyz"), "'none.xyz' cannot be read"),
        (("--folds", "1"), "folds is 1; allowed: 2 to the number of configurations"),
    ],
)
def test_bad_words_are_one_sentence_and_nothing_is_written(
    change: tuple[str, str],
    message: str,
    files: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = {**dict(zip(files[::2], files[1::2], strict=True)), "--degree": "2", "--out": str(tmp_path / "out")}
    words |= dict([change])
    assert main(["fit", *(w for pair in words.items() for w in pair)]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert message in said
    assert not (tmp_path / "out").exists()


def test_an_imported_set_is_a_version_of_a_dataset(
    files: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ("--store", str(tmp_path / "store"))
    for _ in range(2):
        assert main(["import", "my-water", *files, *store, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["ref"], found["train"], found["test"]) == ("dataset:my-water@1", 150, 40)
    assert main(["lineage", "dataset:my-water@1", *store]) == 0
    assert main(["import", "My Water", *files, *store]) == 2
    assert "name 'My Water' is not allowed" in capsys.readouterr().err


def test_methane_on_its_published_labels(
    reference_data: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = reference_data("ch4-1b")
    words = ["--train", str(folder / "train.xyz"), "--test", str(folder / "test.xyz"), "--symmetry", "A1B4"]
    assert main(["fit", *words, "--degree", "5", "--starts", "2", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["terms"] == 207
    assert plain["test_rmsd"] <= 0.206 and plain["test_rmsd_below_30"] <= 0.068
    better = ["--degree", "6", "--starts", "1", "--gamma", "1e-4", "--delta-e", "200"]  # as `nmer tune` finds
    assert main(["fit", *words, *better, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test_rmsd"] < 0.12


def test_tune_finds_settings_and_draws_them(
    files: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = (*files[:2], *files[4:])
    words = ["tune", *data, "--degrees", "1,3", "--gammas", "1e-6,1e-1", "--delta-es", "40", "--terms", "12"]
    assert main([*words, "--out", str(tmp_path / "tuned"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["best"]["degree"], found["best"]["gamma"]) == (3, 1e-6)  # what the data were made with
    assert len(found["trials"]) == 4 and len(found["learning"]) == 4 and found["terms"][-1]["terms"] == 12
    assert found["validation_rmsd_with_twice_the_labels"] <= found["learning"][-1]["validation_rmsd"]
    for name in ("settings", "learning", "terms"):
        assert (tmp_path / "tuned" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert len(list(csv.DictReader((tmp_path / "tuned" / f"{name}.csv").open()))) == (
            len(found["trials" if name == "settings" else name])
        )
    assert main(words) == 0
    assert "with twice as many" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give a recipe, or --train FILE and --symmetry"),
        (("ch3-water", "--train", "x.xyz"), "and not both"),
        (("--train", "x.xyz"), "--train needs --symmetry"),
        (("ch3-water", "--preset", "smoke", "--store", "none"), "there is no dataset of ch3-water, preset smoke"),
        (("ch3-water", "--gammas", "a"), "--gammas is 'a'"),
    ],
)
def test_tune_says_what_is_missing(
    words: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["tune", *words]) == 2
    assert message in capsys.readouterr().err


def test_tune_takes_a_recipes_dataset(
    tmp_path: Path, tiny_recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = family(tmp_path / "store").path
    settings = ["--degrees", "1", "--gammas", "1e-3", "--delta-es", "40"]
    code = main(["tune", str(tiny_recipe), "--store", str(store), *settings, "--json"])
    said = capsys.readouterr()
    assert code == 2 and "18 training configurations are too few to tune with" in said.err


def write_gradients(path: Path, count: int, seed: int) -> Path:
    """Write extended xyz with energies and forces in kcal/mol."""
    positions = np.array(WATER.positions) + np.random.default_rng(seed).normal(scale=0.12, size=(count, 3, 3))
    energy, gradient = TRUTH.energy_and_gradient(positions)
    blocks = []
    for e, places, slopes in zip(np.atleast_1d(energy), positions, gradient, strict=True):
        comment = f"Properties=species:S:1:pos:R:3:REF_forces:R:3 REF_energy={float(e)!r} energy_unit=kcal/mol"
        rows = (
            " ".join([symbol, *(f"{float(x)!r}" for x in (*xyz, *-slope))])
            for symbol, xyz, slope in zip(WATER.symbols, places, slopes, strict=True)
        )
        blocks.append("\n".join(["3", comment, *rows]))
    path.write_text("\n".join(blocks) + "\n")
    return path


def test_gradients_of_a_file_are_in_every_figure(
    files: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = write_gradients(tmp_path / "g.xyz", 30, 2), write_gradients(tmp_path / "t.xyz", 20, 3)
    out = tmp_path / "fit"
    words = ["fit", "--train", str(train), "--test", str(test), "--symmetry", "A1B2", "--degree", "3"]
    words += ["--gamma", "1e-5", "--out", str(out), "--folds", "3"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert 0 < found["train_gradient_rmsd"] < 1e-2 and 0 < found["test_gradient_rmsd"] < 1e-2
    assert found["gradient_weight"] == 0.1
    score = found["validation_rmsd"] ** 2 + 0.1 * 9 * found["validation_gradient_rmsd"] ** 2
    assert found["validation_score"] == pytest.approx(np.sqrt(score))
    assert 0 < found["largest_leverage"] < found["largest_gradient_leverage"] <= 1
    assert max(found["fold_rmsd"]) < 0.01  # 20 energies do not decide 12 coefficients so well
    rows = list(csv.DictReader((out / "gradient-parity.csv").open()))
    assert len(rows) == 50 * 9 and [rows[0][n] for n in ("configuration", "split", "atom", "axis")] == [
        *("1", "train", "0", "x")
    ]
    one = [float(r["reference_kcal_per_mol_per_A"]) for r in rows if r["split"] == "test"]
    other = [float(r["predicted_kcal_per_mol_per_A"]) for r in rows if r["split"] == "test"]
    rmsd = np.sqrt(np.mean(np.square(np.array(one) - np.array(other))))
    assert rmsd == pytest.approx(found["test_gradient_rmsd"], rel=1e-4)
    assert (out / "gradient-parity.png").read_bytes().startswith(b"\x89PNG")
    head, first, *_ = (out / "leverage.csv").read_text().splitlines()
    assert head.endswith(",leverage,gradient_leverage") and first.count(",") == 3
    assert str(out / "gradient-parity.png") in found["files"]
    assert main(words[:-4]) == 0
    assert "gradients (fitted, weight 0.1 A^2): RMSD of a component, kcal/mol/A" in capsys.readouterr().out
    # energies alone take the place of the earlier fit, and none of its gradients are left
    assert main(["fit", *files, "--degree", "2", "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["train_gradient_rmsd"] is None and found["validation_score"] == found["validation_rmsd"]
    assert not (out / "gradient-parity.csv").exists() and not (out / "gradient-parity.png").exists()


def test_gradients_of_a_test_set_alone_are_only_predicted(
    files: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = write_gradients(tmp_path / "t.xyz", 20, 3)
    words = ["fit", *files[:2], "--test", str(test), *files[4:], "--degree", "3", "--gamma", "1e-6"]
    assert main(words) == 0
    assert "gradients (not fitted): RMSD of a component, kcal/mol/A: test 0.0" in capsys.readouterr().out


def test_tune_compares_settings_by_gradients_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, out = write_gradients(tmp_path / "g.xyz", 40, 2), tmp_path / "tuned"
    words = ["tune", "--train", str(train), "--symmetry", "A1B2", "--degrees", "2,3", "--gammas", "1e-5,1e-2"]
    words += ["--delta-es", "40", "--terms", "12", "--out", str(out)]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    for trial in found["trials"]:
        total = trial["validation_rmsd"] ** 2 + 0.1 * 9 * trial["gradient_rmsd"] ** 2
        assert trial["score"] == pytest.approx(np.sqrt(total))
    assert found["best"]["score"] == min(t["score"] for t in found["trials"])
    rows = list(csv.DictReader((out / "learning.csv").open()))
    assert float(rows[-1]["gradient_rmsd"]) == found["learning"][-1]["gradient_rmsd"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "gradients are fitted too" in said and "gradient" in said.splitlines()[2]
