"""What `nmer tune --levels` does: the labels of each level that reach a wanted error at the least cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nmer.cli.output import print_json, print_rows, save_plots
from potentials.errors import InputError

if TYPE_CHECKING:
    from recipes.schema.labelling import Labelling
    from recipes.schema.recipe import Recipe
    from tasks.fitting.tune_levels import Allotment

OWN = "recipe"
"""Name of the recipe's own protocol among the candidates."""

MOST_CANDIDATES, MOST_WANTED = 6, 100.0
"""Largest number of candidates, and largest error that can be wanted, kcal/mol."""

LEAST_TRIAL = 25
"""Smallest number of configurations of a trial."""


def tune_recipe_levels(
    name: str,
    preset: str | None,
    levels: str,
    wanted: float | None,
    trial: int,
    store: str | None,
    out: Path | None,
    yes: bool,
    max_core_hours: float | None,
    json: bool,
) -> int:
    """Label the trial, find the labels of each level, and print them.

    Parameters
    ----------
    name, preset
        The recipe.
    levels
        The candidate protocols, separated by commas.
    wanted
        The error to reach, kcal/mol.
    trial
        Configurations of the trial.
    store
        Folder of the store.
    out
        Folder for tables and plots.
    yes, max_core_hours
        Consent to the cost of the trial.
    json
        Whether to print JSON.
    """
    from recipes.load import load_recipe
    from storage.store import Store
    from tasks.fitting.level_curves import LAW
    from tasks.fitting.tune_level_plots import level_plots
    from tasks.fitting.tune_levels import fits_needed, tune_levels
    from tasks.labelling.execution.dispatch import scratch_folder
    from tasks.labelling.execution.runner import Limits
    from tasks.progress import ProgressLine
    from tasks.run.costs import check_consent, cost_limit
    from tasks.run.level_trial import LevelTrial, selected, trial_of

    if wanted is None or not 0 < wanted <= MOST_WANTED:
        raise InputError(
            f"--wanted is {'missing' if wanted is None else format(wanted, 'g')}; --levels needs the error to "
            f"reach, above 0 and up to {MOST_WANTED:g} kcal/mol"
        )
    recipe = load_recipe(name, preset)
    labellings, opened = candidates(recipe, levels), Store(store)
    positions = selected(recipe, opened)
    if not LEAST_TRIAL <= trial <= len(positions):
        raise InputError(
            f"--trial is {trial}; allowed: from {LEAST_TRIAL} to the number of training configurations of the "
            f"selection, {len(positions)}"
        )
    limits = Limits(recipe.resources.label_timeout, recipe.resources.label_memory)
    scratch = scratch_folder(recipe.resources, opened.path)
    run = LevelTrial.of(
        recipe.build_nmer(), labellings, positions, trial, limits, opened.labels, scratch, recipe.selection.seed
    )
    check_consent(f"the trial of {recipe.name}", run.left(), cost_limit(max_core_hours), preset, yes)
    fresh: dict[str, int] = dict.fromkeys(labellings, 0)
    with ProgressLine("trial", run.missing(), "labels") as line:

        def told(level: str, count: int) -> None:
            fresh[level] += count
            line.update(sum(fresh.values()))

        found = run.run(told)
    data = trial_of(recipe, opened, run, found)
    with ProgressLine("curves", fits_needed(data), "divisions") as line:
        tuned = tune_levels(data, wanted, recipe.selection.test, line.update)
    result: dict[str, Any] = {
        "recipe": recipe.name,
        "preset": recipe.preset,
        "wanted": wanted,
        "trial": trial,
        "law": LAW,
        "levels": [
            {
                "name": level.name,
                "title": level.title,
                "labels": int(np.isfinite(level.energy).sum()),
                "computed": fresh[level.name],
                "cpu_seconds": level.seconds,
                "holds": sorted(lower for upper, lower in data.held if upper == level.name),
            }
            for level in found
        ],
        "steps": [step.as_dict() for step in tuned.steps],
        "chains": [one.as_dict() for one in tuned.allotments],
        "conclusive": tuned.conclusive,
        "notes": [*tuned.notes, *_notes(recipe, tuned.allotments[0])],
        "toml": levels_toml(recipe, tuned.allotments[0], labellings),
    }
    files = save_plots(level_plots(f"{recipe.name}, {found[-1].title}", data, tuned, wanted), out) if out else []
    if json:
        return print_json(result | {"files": files})
    _print(result, files)
    return 0


def candidates(recipe: Recipe, text: str) -> dict[str, Labelling]:
    """Return the candidate protocols by name, with the recipe's own flags and thresholds.

    Parameters
    ----------
    recipe
        The recipe; its own protocol has the name ``recipe``.
    text
        Names separated by commas, the top level last. What labels of the top hold can be named by the level of
        theory, for example ``mp2/cc-pvdz``.

    Raises
    ------
    InputError
        If there are too few or too many, one occurs twice, or there is no protocol of a name.
    """
    from recipes.protocols import find_protocol, protocols
    from recipes.schema.labelling import Labelling
    from recipes.schema.patterns import suggestion
    from tasks.labelling.protocol import check_labelling
    from tasks.run.level_trial import held_candidates

    names = [word.strip().lower() for word in text.split(",") if word.strip()]
    if not 2 <= len(names) <= MOST_CANDIDATES or len(set(names)) < len(names):
        raise InputError(
            f"--levels is '{text[:200]}'; it takes 2 to {MOST_CANDIDATES} different protocols separated by "
            f"commas, the cheapest first and the top level last; '{OWN}' is the recipe's own"
        )
    kept = {field: getattr(recipe.labelling, field) for field in Labelling.FLAGS}

    def named(name: str) -> Labelling:
        return recipe.labelling if name == OWN else find_protocol(name).model_copy(update=kept)

    top, nmer = named(names[-1]), recipe.build_nmer()
    held, known = held_candidates(top), protocols()
    for name in names[:-1]:
        if name not in known and name not in held and name != OWN:
            raise InputError(
                f"--levels: '{name[:80]}' is no protocol{suggestion(name, [*known, *held])}; allowed: {OWN}, what "
                f"labels of the last hold ({', '.join(held) or 'nothing'}), and {', '.join(known)}"
            )
    found = {name: held[name] if name in held else named(name) for name in names[:-1]} | {names[-1]: top}
    for labelling in found.values():
        check_labelling(nmer, labelling)
    return found


def levels_toml(recipe: Recipe, best: Allotment, labellings: Mapping[str, Labelling]) -> str:
    """Return an allotment as the ``[[levels]]`` of a recipe, or of its preset; empty for the top level alone."""
    from recipes.load import toml_text
    from recipes.protocols import protocols

    if len(best.chain) < 2:
        return ""
    tables: list[dict[str, Any]] = []
    for number, name in enumerate(best.chain):
        table: dict[str, Any] = {"protocol": name}
        if name not in protocols():
            table = {"labelling": labellings[name].model_dump(mode="json", exclude_defaults=True)}
        if number:  # the first has the size of the selection, and the section fitting
            table |= {"train": best.train[number], "test": best.test[number]}
            table["fitting"] = {"degree": best.degrees[number], "gamma": best.gammas[number]}
        tables.append(table)
    where = f"presets.{recipe.preset}." if recipe.preset else ""
    sizes = f"{where}selection.train = {best.train[0]} and {where}selection.test = {best.test[0]}"
    values = {"presets": {recipe.preset: {"levels": tables}}} if recipe.preset else {"levels": tables}
    return f"# in the place of [{where}labelling], with {sizes}\n{toml_text(values)}"


def _notes(recipe: Recipe, best: Allotment) -> list[str]:
    """Return what else the recipe needs for an allotment."""
    notes, train = [], recipe.selection.train
    if best.train[0] != train:
        notes.append(
            f"the first level has the size of the selection: selection.train = {best.train[0]}, now {train}"
        )
    for name, value in (("degree", best.degrees[0]), ("gamma", best.gammas[0])):
        if value != getattr(recipe.fitting, name):
            notes.append(f"the first level's fit is best with fitting.{name} = {value:g}")
    return notes


def _print(found: dict[str, Any], files: list[str]) -> None:
    print(
        f"{found['recipe']}: labels for an error of {found['wanted']:g} kcal/mol, by a trial of {found['trial']}"
    )
    print_rows(
        found["levels"],
        {
            "level": "name",
            "level of theory": "title",
            "labels": "labels",
            "computed now": "computed",
            "CPU-s a label": "cpu_seconds:.3g",
            "its labels hold": lambda row: ", ".join(row["holds"]) or None,
        },
    )
    print(
        "\nleast core-hours for each chain, best first; error: expected, with the range of two thirds of resamples"
    )
    print_rows(
        found["chains"],
        {
            "chain": lambda row: " -> ".join(row["chain"]),
            "labels": lambda row: ", ".join(map(str, row["train"])),
            "degrees": lambda row: ", ".join(map(str, row["degrees"])),
            "Gamma": lambda row: ", ".join(f"{gamma:g}" for gamma in row["gammas"]),
            "error": "error:.3g",
            "range": lambda row: f"{row['low']:.2g} to {row['high']:.2g}",
            "core-hours": "core_hours:.3g",
            "with tests": "with_tests:.3g",
            "reached": "reached",
        },
    )
    print(f"law: {found['law']}; errors of a chain's fits are taken as independent")
    print("errors are those of training configurations, far ones included; of a test set they are smaller")
    for note in found["notes"]:
        print(f"note: {note}")
    if found["toml"]:
        print(f"\n{found['toml']}", end="")
    for path in files:
        print(path)
