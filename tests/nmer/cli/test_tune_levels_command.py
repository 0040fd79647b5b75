"""nmer tune --levels: a trial of water at GFN2-xTB, HF and MP2 level, in a store with a selection."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmer.cli.main import main
from potentials.arrays import Floats
from potentials.units import HARTREE
from recipes.load import expanded_toml, load_recipe
from recipes.schema.labelling import Labelling
from recipes.schema.recipe import Recipe
from storage.configuration import configuration_ids
from storage.contents import selection_columns
from storage.ledger import Ledger
from storage.records import Selection
from storage.store import Store
from tasks.labelling.collect import collect_labels
from tasks.labelling.engines.registry import new_engine
from tasks.labelling.execution.runner import Limits
from tasks.labelling.protocol import protocol_of
from tasks.plan import resolve
from tasks.run.level_trial import TIMED, LevelTrial, held_candidates

TRAIN, TEST, COUNT = 40, 10, 30
CANDIDATES = "gfn2-xtb,hf/sto-3g,recipe"


def recipe_file(folder: Path) -> Path:
    """Write the recipe of water at the level MP2/STO-3G."""
    known = load_recipe("water")
    labelling = Labelling(engine="pyscf", method="MP2", basis="sto-3g", reference="none")
    update = {
        "labelling": labelling,
        "selection": known.selection.model_copy(update={"train": TRAIN, "test": TEST}),
        "fitting": known.fitting.model_copy(update={"degree": 3, "baseline": None, "starts": 1}),
    }
    path = folder / "water.toml"
    path.write_text(expanded_toml(known.model_copy(update=update)))
    return path


def labelled_store(folder: Path, recipe: Recipe) -> Store:
    """Return a store with a selection, and the recipe's labels of its training configurations in the ledger."""
    store, nmer = Store(folder / "store", create=True), recipe.build_nmer()
    positions = nmer.positions + np.random.default_rng(4).normal(scale=0.06, size=(TRAIN + TEST, 3, 3))
    split = np.array([0] * TRAIN + [1] * TEST)
    with store.writing():
        store.add(
            "selection",
            recipe.name,
            resolve(recipe, store).selection,
            columns=selection_columns(Selection(positions, split, np.arange(len(split)))),
            recipe=expanded_toml(recipe),
            inputs=[],
            engines={},
            facts={},
        )
    label_in_this_process(store, recipe, positions[:TRAIN])
    return store


def label_in_this_process(store: Store, recipe: Recipe, positions: Floats) -> None:
    """Write labels with the engine's own energies, without a process for each."""
    protocol, engine = protocol_of(recipe.build_nmer(), recipe.labelling), new_engine("pyscf")
    ids = configuration_ids(protocol.nmer, positions)
    with Ledger.open(store.labels) as ledger:
        ledger.record_protocol(protocol.id, protocol.settings)
        for configuration, geometry in zip(ids, positions, strict=True):
            (job,) = protocol.jobs(geometry, protocol.parts, 2.0)
            more = {"configuration": configuration, "protocol": protocol.id, "part": job.part, "finished": 0.0}
            ledger.add([asdict(engine.run(job)) | more | {"cpu_seconds": 0.5, "system": "H2O"}])


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the recipe and its store."""
    folder = tmp_path_factory.mktemp("levels")
    labelled_store(folder, load_recipe(str(recipe_file(folder))))
    return folder


def words(work: Path, *more: str, levels: str = CANDIDATES, wanted: str = "0.5", trial: int = COUNT) -> list[str]:
    """Return the words of the command."""
    store = ("--store", str(work / "store"))
    return [
        "tune",
        str(work / "water.toml"),
        "--levels",
        levels,
        "--wanted",
        wanted,
        "--trial",
        str(trial),
        *store,
        *more,
    ]


def test_a_trial_is_labelled_once_and_its_levels_can_be_pasted(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(work, "--out", str(tmp_path / "out"), "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert {level["name"]: level["labels"] for level in found["levels"]} == {
        "gfn2-xtb": TRAIN,  # all, because they cost next to nothing
        "hf/sto-3g": TRAIN,  # held by the labels of MP2
        "recipe": TRAIN,
    }
    assert found["levels"][2]["holds"] == ["hf/sto-3g"] and found["levels"][0]["computed"] == TRAIN
    assert found["levels"][2]["cpu_seconds"] == 0.5 and found["levels"][1]["cpu_seconds"] > 0
    assert {tuple(chain["chain"]) for chain in found["chains"]} == {
        ("recipe",),
        ("gfn2-xtb", "recipe"),
        ("hf/sto-3g", "recipe"),
        ("gfn2-xtb", "hf/sto-3g", "recipe"),
    }
    with (tmp_path / "out" / "levels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert " > ".join(found["chains"][0]["chain"]) in {row["chain"] for row in rows}
    assert (tmp_path / "out" / "level-curves.png").read_bytes().startswith(b"\x89PNG")
    check_pasted(work, tmp_path, found["toml"], found["chains"][0])
    gammas = {curve["gamma"] for step in found["steps"] for curve in step["curves"]}
    own = load_recipe(str(work / "water.toml")).fitting.gamma
    assert sorted(gammas) == pytest.approx([0.01 * own, 0.1 * own, own])
    assert main(words(work)) == 0  # nothing is left to compute
    out = capsys.readouterr().out
    assert "[[levels]]" in out and "core-hours" in out and "power law" in out
    assert "recipe " in out


def check_pasted(work: Path, folder: Path, text: str, best: dict[str, Any]) -> None:
    """The recipe with the levels in the place of its labelling section loads, and has their sizes and fits."""
    train = best["train"]
    own = load_recipe(str(work / "water.toml"))
    update = {"selection": own.selection.model_copy(update={"train": train[0]})}
    before = expanded_toml(own.model_copy(update=update))
    start = before.index("[labelling]")
    end = before.index("[fitting]")
    path = folder / "water.toml"
    path.write_text(f"{before[:start]}{before[end:]}\n{text}")
    pasted = load_recipe(str(path))
    assert [level.train for level in pasted.levels] == train
    fits = [pasted.level_fitting(number) for number in range(1, len(train))]
    assert [fit.degree for fit in fits] == best["degrees"][1:]
    assert [fit.gamma for fit in fits] == best["gammas"][1:]
    assert pasted.labelling.level == own.labelling.level


def test_energies_of_the_trial_are_those_of_the_labels(work: Path, tmp_path: Path) -> None:
    recipe = load_recipe(str(work / "water.toml"))
    nmer, store = recipe.build_nmer(), Store(work / "store")
    top = {"mp2": recipe.labelling}
    held = held_candidates(recipe.labelling)
    assert list(held) == ["hf/sto-3g"]
    positions = nmer.positions + np.random.default_rng(5).normal(scale=0.06, size=(TIMED, 3, 3))
    label_in_this_process(store, recipe, positions)
    trial = LevelTrial.of(
        nmer, held | top, positions, 2, Limits(3600.0, 2.0), store.labels, tmp_path / "scratch", seed=0
    )
    assert trial.held() == {("mp2", "hf/sto-3g")}
    found = dict(zip(("hf/sto-3g", "mp2"), trial.run(lambda *_: None), strict=True))
    rows = np.random.default_rng(0).permutation(TIMED)
    np.testing.assert_array_equal(trial.positions, positions[rows])
    with Ledger.read(store.labels) as ledger:
        table = collect_labels(protocol_of(nmer, held["hf/sto-3g"]), trial.positions, ledger)
    np.testing.assert_array_equal(found["hf/sto-3g"].energy, table.energy)
    hartree_fock = new_engine("pyscf").run(
        protocol_of(nmer, held["hf/sto-3g"]).jobs(trial.positions[0], ["A"], 2.0)[0]
    )
    assert hartree_fock.energy is not None
    assert found["hf/sto-3g"].energy[0] == pytest.approx(HARTREE * hartree_fock.energy, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"levels": "gfn2-xtb"}, "--levels is 'gfn2-xtb'; it takes 2 to 6 different protocols"),
        ({"levels": "recipe,recipe"}, "it takes 2 to 6 different protocols"),
        ({"levels": "gfn2,recipe"}, "'gfn2' is no protocol (did you mean 'gfn2-xtb'?)"),
        ({"levels": "mp2/sto-3g,recipe"}, "'mp2/sto-3g' is no protocol"),
        ({"wanted": "0"}, "--wanted is 0"),
        ({"wanted": "nan"}, "--wanted is nan"),
        ({"trial": 24}, "--trial is 24; allowed: from 25 to the number of training configurations"),
        ({"trial": 41}, "--trial is 41"),
    ],
)
def test_bad_input_is_one_sentence(
    change: dict[str, str], said: str, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(work, **change)) == 2  # type: ignore[arg-type]
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "more",
    [
        ("water", "--wanted", "0.1"),
        ("water", "--levels", "gfn2-xtb,recipe"),
        ("water", "--levels", "gfn2-xtb,recipe", "--wanted", "0.1", "--protocol", "gfn2-xtb"),
        ("--train", "x.xyz", "--levels", "gfn2-xtb,recipe", "--wanted", "0.1"),
    ],
)
def test_options_that_need_each_other(more: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", *more]) == 2
    assert "--wanted" in capsys.readouterr().err


def test_a_selection_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(tmp_path / "store", create=True)
    recipe_file(tmp_path)
    assert main(words(tmp_path)) == 2
    assert "no selection of water" in capsys.readouterr().err
    assert not (tmp_path / "store" / "labels").exists()
