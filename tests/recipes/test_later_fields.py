"""A key stands for the value that each field had when it was added, whatever the default is today."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recipes.load import expanded_toml, load_recipe, presets, recipe_of_text, shipped_recipes
from recipes.protocols import protocols
from recipes.schema.recipe import Recipe, SelectionSettings
from recipes.schema.section import Section
from recipes.schema.tables import Options
from storage.configuration import protocol_id
from storage.keys import dataset_key, pool_key, potential_key, selection_key, validation_key
from tasks.sampling.samplers.scan.options import ScanOptions

RECORDED: dict[str, list[str]] = json.loads((Path(__file__).parent / "shipped-keys.json").read_text())
"""The first 16 digits of the shipped recipes' keys as stores know them; a change here disowns their data."""

FIRST = {
    "FragmentModel": {"name", "geometry", "bonds", "caps", "charge"},
    "NMerModel": {"symmetry", "fragments"},
    "CVFamilyModel": {"variables", "name", "sigma"},
    "Bias": {
        *("height", "pace", "biasfactor", "wall_kappa"),
        *("sigma_distance", "sigma_intermolecular", "sigma_angle"),
    },
    "NormalModesOptions": {"frames", "statistics"},
    "ConformationsOptions": {"molecules", "frames", "noise"},
    "ScanAxis": {"atoms", "lower", "upper", "points"},
    "ScanOptions": {"axes", "orientations"},
    "AtomType": {"atoms", "type", "charge", "force_field"},
    "Sampling": {
        *("sampler", "engine", "force_field", "water_model", "temperatures", "windows", "frames", "timestep"),
        *("stride", "equilibration", "damping", "seeds_per_window", "seed", "bias"),
    },
    "SelectionSettings": {
        *("method", "train", "test", "levels", "tails", "intermolecular_weight", "intramolecular_weight", "seed"),
    },
    "Labelling": {
        *("engine", "method", "basis", "counterpoise", "frozen_core", "scf_tolerance", "cc_tolerance"),
        *("lno_threshold", "max_t1", "max_t2"),
    },
    "SwitchingModel": {"atoms", "r_in", "r_out"},
    "VariableForms": {"intra", "inter"},
    "LonePairSites": {"atoms", "along", "across"},
    "Fitting": {
        *("degree", "terms", "gamma", "delta_e", "optimizer", "k_bounds", "starts", "max_iterations"),
        *("validation_fraction", "switching", "seed"),
    },
    "LevelFit": {"degree", "max_terms", "gamma", "validation_fraction"},
    "Gates": {"train_rmsd", "test_rmsd", "permutation", "gradient", "labels"},
}
"""The fields that each section of a key has had since it came; every other one says what its absence means."""

NO_PART_OF_A_KEY = {"Recipe", "Resources", "Level"}


def sections(model: type[Section] = Recipe) -> Iterator[type[Section]]:
    yield model
    for inner in model.sections().values():
        yield from sections(inner)


def keys(recipe: Recipe) -> list[str]:
    found = (
        pool_key(recipe),
        selection_key(recipe),
        dataset_key(recipe, ["label"]),
        potential_key(recipe, "dataset"),
        validation_key(recipe, "potential"),
        protocol_id(recipe.labelling, {"program": "1"}),
    )
    return [key[:16] for key in found]


def other(value: Any) -> Any:
    """Another value of the same kind that most fields allow."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value * 2 if value else 1
    return {"sorted-distances": "soap", "optimized": "none"}.get(value) if isinstance(value, str) else None


def with_default(monkeypatch: pytest.MonkeyPatch, section: type[Section], name: str, value: Any) -> None:
    """Give a field another default, as a later release might."""
    monkeypatch.setattr(section.model_fields[name], "default", value)
    for model in (section, Recipe):
        model.model_rebuild(force=True)


def test_the_keys_of_the_shipped_recipes_are_those_that_stores_know() -> None:
    found = {
        f"{name} {preset or '-'}": keys(load_recipe(name, preset))
        for name, path in shipped_recipes().items()
        for preset in (None, *presets(path))
    }
    for name, (_, labelling) in protocols().items():
        found[f"protocol {name}"] = [protocol_id(labelling, {"program": "1"})[:16]]
    assert {name: found.get(name) for name in RECORDED} == RECORDED


@pytest.mark.parametrize("section", dict.fromkeys(sections()), ids=lambda s: s.__name__)
def test_every_field_that_came_later_says_what_its_absence_means(section: type[Section]) -> None:
    name = section.__name__
    if name in NO_PART_OF_A_KEY:
        assert not section.LATER
        return
    assert set(section.model_fields) - FIRST[name] == set(section.LATER), (
        f"a new field of {name} belongs into its LATER, with the value that stands for its absence"
    )
    assert json.loads(json.dumps(dict(section.LATER))) == dict(section.LATER), "plain values alone never change"
    if issubclass(section, Options):
        assert section.ABSENT is not None, "what came with a release says what its absence means"
        assert json.loads(json.dumps(dict(section.ABSENT))) == dict(section.ABSENT)


@pytest.mark.parametrize(
    ("section", "name"),
    [
        *(("selection", name) for name in ("descriptor", "duplicate_distance", "test_distance")),
        *(("labelling", name) for name in ("fno_threshold", "max_d1", "keep_flagged", "reference")),
        *(("fitting", name) for name in ("k", "d", "gradient_weight", "start_configurations", "ensemble")),
    ],
)
def test_another_default_gives_another_key(
    section: str, name: str, tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recipe that leaves a field out takes today's default, and then no data made with yesterday's."""
    before = load_recipe(str(tiny_recipe))
    model = type(getattr(before, section))
    old, text = keys(before), expanded_toml(before)
    assert name not in getattr(before, section).content()
    try:
        with monkeypatch.context() as patch:
            with_default(patch, model, name, other(getattr(getattr(before, section), name)))
            after = load_recipe(str(tiny_recipe))
            assert getattr(getattr(after, section), name) != getattr(getattr(before, section), name)
            assert keys(after) != old
            assert getattr(after, section).content()[name] == getattr(getattr(after, section), name)
            assert keys(recipe_of_text(text)) == old, "what says all its values is what it was"
            silent = "\n".join(line for line in text.splitlines() if not line.startswith(f"{name} = "))
            assert keys(recipe_of_text(silent)) == old, "a text of an older release means what it meant"
    finally:
        for rebuilt in (model, Recipe):
            rebuilt.model_rebuild(force=True)
    assert keys(load_recipe(str(tiny_recipe))) == old


def test_an_older_text_keeps_its_empty_fields_empty(tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is not written; where a default becomes a number, a text without the field still means None."""
    text = expanded_toml(load_recipe(str(tiny_recipe)))
    assert "max_energy" not in text
    try:
        with monkeypatch.context() as patch:
            with_default(patch, SelectionSettings, "max_energy", 50.0)
            assert recipe_of_text(text).selection.max_energy is None
            assert load_recipe(str(tiny_recipe)).selection.max_energy == 50
    finally:
        for rebuilt in (SelectionSettings, Recipe):
            rebuilt.model_rebuild(force=True)


def test_a_later_section_counts_by_what_it_says_and_not_by_its_defaults(tiny_recipe: Path) -> None:
    recipe = load_recipe(str(tiny_recipe))
    assert "scan" not in recipe.sampling.content()
    scan = recipe.sampling.options(ScanOptions).model_copy(update={"orientations": 4})
    changed = recipe.sampling.model_copy(update={"scan": scan})
    assert changed.content()["scan"] == {"axes": [], "orientations": 4}
