"""Configurations added to those of a potential: what is kept, what is picked, the same in blocks, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nmer.cli.main import main
from potentials.errors import InputError, StageError
from potentials.nmers.nmer import NMer
from potentials.pip.potential import Potential
from recipes.load import expanded_toml, load_recipe, recipe_of_text
from recipes.schema.recipe import Fitting, Recipe, SelectionSettings
from storage.contents import (
    dataset_columns,
    pool_columns,
    potential_columns,
    potential_facts,
    selection_from_version,
)
from storage.keys import pool_key, selection_key
from storage.records import TEST, TRAIN, Dataset, Pool, Selection
from storage.store import Store
from storage.verify.links import Links
from tasks.fitting.fit import fit_potential
from tasks.labelling.plan import plan_label
from tasks.plan import resolve
from tasks.run.state import recipe_state
from tasks.selection.choose import select
from tasks.selection.descriptors.sorted_distances import weighted_distances
from tasks.selection.task import selection_task
from tasks.selection.uncertain_pool import add_uncertain
from tests.tasks.fitting.surfaces import charged
from tests.tasks.selection.test_nested import LEVELS
from tests.tasks.selection.test_stream import everything_on_disk, stored

__all__ = ["everything_on_disk"]

FIT = Fitting(degree=2, terms="intermolecular", optimizer="fixed", k=1.0, ensemble=16)
FIRST = SelectionSettings(train=120, test=30, duplicate_distance=0.05, test_distance=0.2)
MORE = FIRST.model_copy(update={"train": 160, "method": "uncertainty", "potential": "0" * 64})


@pytest.fixture(scope="module")
def before(methyl_water: NMer, pool: Pool) -> tuple[Selection, Potential]:
    """A selection of a pool, and a potential that was fitted to it."""
    selection = select(methyl_water, pool, FIRST).selection
    train = selection.positions[selection.split == TRAIN]
    return selection, fit_potential(methyl_water, train, charged(train)[0], FIT).potential


def test_what_is_there_stays_and_the_most_uncertain_frames_inside_the_range_are_added(
    methyl_water: NMer, pool: Pool, before: tuple[Selection, Potential]
) -> None:
    kept, potential = before
    kept = replace(kept, level=np.arange(len(kept)) % 3)
    settings = MORE.model_copy(update={"max_energy": 8.0})
    choice = add_uncertain(pool, settings, potential, kept)
    found, facts = choice.selection, choice.facts()
    assert ((found.split == TRAIN).sum(), (found.split == TEST).sum()) == (160, 30)
    assert (np.diff(found.frame) > 0).all()
    np.testing.assert_array_equal(found.positions, pool.positions[found.frame])
    np.testing.assert_array_equal(found.frame[found.split == TEST], kept.frame[kept.split == TEST])
    assert set(kept.frame) < set(found.frame)
    level = dict(zip(found.frame.tolist(), found.level.tolist(), strict=True))
    assert [level.pop(frame) for frame in kept.frame.tolist()] == kept.level.tolist() and not any(level.values())
    picks = np.setdiff1d(found.frame, kept.frame)
    assert len(picks) == 40 == facts["picked"] and not potential.extrapolates(pool.positions[picks]).any()
    zero = np.where(pool.source == 0, 0.0, -1000.0)
    assert (pool.energy[picks] - zero[picks]).max() <= 8.0 + 0.1, "energies begin near 0"
    allowed = np.flatnonzero(pool.energy - zero <= 8.0)
    inside = allowed[~np.asarray(potential.extrapolates(pool.positions[allowed]))]
    uncertain = np.asarray(potential.uncertainty(pool.positions[inside]))
    assert abs(facts["frames_inside"] - len(inside)) < 0.01 * len(inside)
    assert facts["uncertainty_picked"] > 2 * facts["uncertainty_inside"]
    assert potential.uncertainty(pool.positions[picks]).min() > np.quantile(uncertain, 0.8)
    features = weighted_distances(methyl_water, pool.positions, settings)
    apart = np.linalg.norm(features[picks][:, None] - features[found.frame], axis=2)
    assert apart[apart > 0].min() >= settings.duplicate_distance
    tests = features[found.frame[found.split == TEST]]
    assert np.linalg.norm(features[picks][:, None] - tests, axis=2).min() >= settings.test_distance
    assert 0 < facts["coverage_rms"] < facts["random_rms"]


def test_a_pool_in_blocks_and_on_disk_gives_the_same(
    pool: Pool,
    before: tuple[Selection, Potential],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    everything_on_disk: None,
) -> None:
    kept, potential = before
    file, folder, told = stored(tmp_path, pool), tmp_path / "scratch", list[int]()
    monkeypatch.setattr("tasks.selection.uncertain.AT_ONCE", 1)
    monkeypatch.setattr("tasks.selection.uncertain.SPREAD", 2)
    blocks = add_uncertain(file, MORE, potential, kept, folder, told.append)
    assert told[-1] == len(pool) and len(told) > 2 and not folder.exists()
    monkeypatch.undo()
    monkeypatch.setattr("tasks.selection.uncertain.SPREAD", 2)
    whole = add_uncertain(pool, MORE, potential, kept)
    np.testing.assert_array_equal(blocks.selection.frame, whole.selection.frame)
    np.testing.assert_array_equal(blocks.selection.positions, whole.selection.positions)
    assert blocks.facts() == pytest.approx(whole.facts())


def test_too_few_frames_are_an_error_that_says_what_to_change(
    pool: Pool, before: tuple[Selection, Potential]
) -> None:
    kept, potential = before
    with pytest.raises(StageError, match=r"only \d+ of 2840 further .* lower selection.train or a distance"):
        add_uncertain(pool, MORE.model_copy(update={"train": 2960}), potential, kept)
    with pytest.raises(InputError, match="no ensemble of fits"):
        add_uncertain(pool, MORE, replace(potential, ensemble=None), kept)
    with pytest.raises(InputError, match="needs a potential"):
        select(potential.nmer, pool, MORE)


@pytest.fixture(scope="module")
def recipe(tiny_recipe: Path) -> Recipe:
    found = load_recipe(str(tiny_recipe))
    changes = {"train": 60, "test": 10, "duplicate_distance": 0.01, "test_distance": 0.02}
    return found.model_copy(
        update={
            "selection": found.selection.model_copy(update=changes),
            "fitting": found.fitting.model_copy(update={"optimizer": "fixed", "ensemble": 8}),
        }
    )


@pytest.fixture
def store(recipe: Recipe, make_pool: Callable[[int], Pool], tmp_path: Path) -> Store:
    """A store with a pool, a selection, a dataset, and a potential, as the stages write them."""
    made, nmer = Store(tmp_path / "store", create=True), recipe.build_nmer()
    pool = make_pool(200)
    text: dict = {"recipe": expanded_toml(recipe), "engines": {}}
    made.add("pool", recipe.name, pool_key(recipe), columns=pool_columns(pool), inputs=[], facts={}, **text)
    selection_task.fn(resolve(recipe), made.path)
    chosen = made.get("selection", selection_key(recipe))
    selection = selection_from_version(chosen)
    energy, names = charged(selection.positions)[0], tuple(factors(nmer, recipe.labelling.counterpoise))
    unknown = np.full(len(selection), np.nan)
    data = Dataset(
        positions=selection.positions,
        split=selection.split,
        energy=energy,
        sub_energies=np.zeros((len(selection), len(names))),
        sub_names=names,
        t1=unknown,
        t2=unknown,
        cpu_seconds=unknown,
        ids=tuple(str(n) for n in range(len(selection))),
        d1=unknown,
    )
    dataset = made.add(
        "dataset", recipe.name, "1" * 64, columns=dataset_columns(data), inputs=[chosen], facts={}, **text
    )
    fitted = fit_potential(nmer, data.part(TRAIN).positions, data.part(TRAIN).energy, recipe.fitting).potential
    for number, each in enumerate((fitted, replace(fitted, ensemble=None), replace(fitted, ranges=None))):
        made.add(
            "potential",
            recipe.name,
            str(number + 2) * 64,
            columns=potential_columns(each),
            inputs=[dataset],
            facts=potential_facts(each, recipe.nmer),
            **text,
        )
    return made


def factors(nmer: NMer, counterpoise: bool) -> dict[str, int]:
    return {part.name: part.coefficient for part in plan_label(nmer, counterpoise)}


def adding(recipe: Recipe, **changes: object) -> Recipe:
    selection = {"method": "uncertainty", "potential": "tiny-water@1", "train": 70}
    return recipe.model_copy(update={"selection": recipe.selection.model_copy(update=selection | changes)})


def test_the_stage_adds_to_what_the_potential_was_fitted_to(recipe: Recipe, store: Store) -> None:
    more = adding(recipe)
    plan = resolve(more, store)
    assert plan.recipe.selection.potential == "2" * 64 and resolve(plan.recipe, store) == plan
    states = {one.stage: one for one in recipe_state(plan, store)}
    assert states["selection"].version is None and states["labelling"].left == 80
    key = selection_task.fn(plan, store.path)
    assert key == plan.selection == selection_task.fn(plan, store.path) != selection_key(recipe)
    version, first = store.get("selection", key), store.resolve("selection:tiny-water@1")
    assert [i["kind"] for i in version.attributes()["inputs"]] == ["pool", "potential"]
    found, kept = selection_from_version(version), selection_from_version(first)
    assert set(kept.frame) < set(found.frame) and len(found) == 80
    assert {s.stage: s.version for s in recipe_state(plan, store)}["selection"] == version.ref
    assert recipe_of_text(version.attributes()["recipe"]).selection == plan.recipe.selection
    links = Links(store, store.versions(), None, factors)
    assert links.check(version) == ([], [])
    other = resolve(adding(recipe, train=71), store)
    assert other.selection != plan.selection and "2" * 64 in expanded_toml(other.recipe)


def test_subsets_for_levels_are_chosen_from_what_there_is_then(
    recipe: Recipe, store: Store, tiny_recipe: Path, tmp_path: Path
) -> None:
    text, file = tiny_recipe.read_text(), tmp_path / "levels.toml"
    labelling = text[text.index("[labelling]") : text.index("[fitting]")]
    file.write_text(text.replace(labelling, "") + LEVELS)
    levels = load_recipe(str(file)).levels
    first = levels[0].model_copy(update={"train": 70, "test": 10})
    plan = resolve(adding(recipe).model_copy(update={"levels": (first, *levels[1:])}), store)
    found = selection_from_version(store.get("selection", selection_task.fn(plan, store.path)))
    assert (len(found), len(found.of_level(1))) == (80, 8)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"potential": "tiny-water@2"}, "'tiny-water@2' has no ensemble of fits"),
        ({"potential": "tiny-water@3"}, "'tiny-water@3' does not have the range of its training data"),
        ({"potential": "tiny-water@9"}, "'tiny-water@9' is not in the store"),
        ({"potential": "f" * 64}, "has no potential with key ffffffffffff"),
        ({"train": 60}, "has 60 training configurations already, and selection.train is 60"),
        ({"test": 11}, "has 10 test configurations, which are kept, .* set selection.test = 10"),
    ],
)
def test_a_potential_that_cannot_be_added_to_is_refused(
    recipe: Recipe, store: Store, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        resolve(adding(recipe, **changes), store)


def test_another_nmer_pool_or_no_store_is_refused(recipe: Recipe, store: Store) -> None:
    more = adding(recipe)
    with pytest.raises(InputError, match="there is no store yet"):
        resolve(more)
    seeds = more.model_copy(update={"sampling": more.sampling.model_copy(update={"seed": 7})})
    with pytest.raises(InputError, match="frames of another pool than that of tiny-water"):
        resolve(seeds, store)
    symmetry = {"nmer": more.nmer.model_copy(update={"symmetry": "A1B1C3_D1E1F1"})}
    with pytest.raises(InputError, match="of another n-mer than tiny-water"):
        resolve(more.model_copy(update=symmetry), store)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('method = "uncertainty"', "needs potential = 'NAME@NUMBER'"),
        ('potential = "tiny-water@1"', "potential is for method = 'uncertainty'"),
        ('method = "uncertainty"\npotential = "tiny-water@latest"', "must be NAME@NUMBER or NAME@TAG"),
        ('method = "uncertainty"\npotential = "dataset:tiny-water@1"', "must be NAME@NUMBER or NAME@TAG"),
        ('method = "uncertainty"\npotential = "../x@1"', "must be NAME@NUMBER or NAME@TAG"),
    ],
)
def test_a_recipe_that_cannot_mean_it_is_one_sentence(
    tiny_recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    path = tmp_path / "tiny-water.toml"
    path.write_text(tiny_recipe.read_text().replace("[selection]\n", f"[selection]\n{line}\n"))
    assert main(["plan", str(path), "--store", str(tmp_path / "none")]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1 and not (tmp_path / "none").exists()
