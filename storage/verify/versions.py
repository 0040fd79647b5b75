"""Checks of one version's file by itself: readable, its checksums, its own name, its numbers, its key."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from potentials.errors import InputError
from potentials.physics.parameters import COLUMNS
from recipes.load import recipe_of_text
from recipes.schema.recipe import Recipe
from recipes.stages import STAGE
from storage.arrays import check_arrays
from storage.attributes import KIND_OF, content_in, names_in
from storage.checksum import broken_seals, is_sealed
from storage.configuration import configuration_ids
from storage.contents import nmer_model
from storage.imported import imported_key
from storage.keys import digest, potential_inputs, selection_inputs, stage_digest, stage_format
from storage.level_facts import labelling_of, lower_keys
from storage.physics import derived_of_version, physics_key
from storage.trajectories import trajectory_key
from storage.turns import is_of_turn, picks_key, refit_key, turn_of
from storage.verify.trajectories import check_trajectory
from storage.version import Version, open_version

STAGE_OF = {stage.makes: stage for stage in STAGE.values()}

FINITE = (
    *("positions", "energy", "sub_energies", "gradient", "predicted", "k", "coefficients", "ensemble", "ranges"),
    *("d", "cvs"),
    *COLUMNS,
    *(f"physics_{name}" for name in COLUMNS),
)
"""Arrays in which every number is finite; others may have nan for unknown values."""


@dataclass(frozen=True)
class Damage:
    """Something that is damaged or inconsistent.

    Attributes
    ----------
    file
        The file, within the store.
    what
        The array, attribute, line, or row in it; empty for the whole file.
    problem
        What is wrong with it.
    """

    file: str
    what: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}{f', {self.what}' if self.what else ''}: {self.problem}"


def in_words(error: BaseException) -> str:
    """Return an error's message on one line; errors without one are named by their kind."""
    return " ".join(str(error).split()) or type(error).__name__


@dataclass(frozen=True)
class FileCheck:
    """What checking one file gave.

    Attributes
    ----------
    version
        The version, or None if it cannot be read.
    sealed
        Whether the file has checksums.
    damages
        What is wrong.
    notes
        What could not be checked, and why.
    """

    version: Version | None
    sealed: bool
    damages: tuple[Damage, ...]
    notes: tuple[str, ...] = ()


def check_file(path: Path, store: Path) -> FileCheck:
    """Check a version's file by itself.

    Parameters
    ----------
    path
        The file.
    store
        Folder of the store; files are named relative to it.
    """
    name = str(path.relative_to(store))
    sealed, notes = True, []
    try:
        with open_version(path) as (file, found):
            version = Version(*names_in(found, path), path)
            sealed = is_sealed(file)
            damages = [Damage(name, what, problem) for what, problem in broken_seals(file)] if sealed else []
            if not damages:
                check_arrays(file)
                content_in(found, path)
        damages += [Damage(name, "attributes", problem) for problem in _own_name(version)]
        if not damages:
            damages += [Damage(name, what, problem) for what, problem in _content(version)]
        key, why = recomputed_key(version) if not damages else (version.key, "")
        if why and not sealed:
            damages.append(Damage(name, "recipe", f"its key cannot be computed again: {why}"))
        elif why:
            notes.append(f"{name}: its key cannot be computed again: {why}")
        elif key != version.key:
            damages.append(Damage(name, "key", f"it is not that of the recipe and the inputs, {key[:12]}"))
    except Exception as error:  # damage causes many kinds of errors in HDF5 and its readers
        return FileCheck(None, sealed, (Damage(name, "", f"cannot be read: {in_words(error)}"),))
    return FileCheck(version, sealed, tuple(damages), tuple(notes))


def _own_name(version: Version) -> Iterator[str]:
    path = version.path
    for what, found, expected in (
        ("kind", version.kind, KIND_OF[path.parent.parent.name]),
        ("nmer", version.nmer, path.parent.name),
        ("number", str(version.number), path.stem),
    ):
        if found != expected:
            yield f"its {what} is '{found}', and the file lies where '{expected}' belongs"


def _content(version: Version) -> Iterator[tuple[str, str]]:
    """Yield the arrays whose numbers cannot be right."""
    with open_version(version.path) as (file, _):
        names = sorted(file)
    for name in names:
        values = version.column(name)  # reads it to the end, so that damage to its blocks shows
        if name in FINITE and not np.isfinite(values).all():
            yield name, "holds a number that is not finite"
        if name == "split" and not np.isin(values, (0, 1)).all():
            yield name, "holds something else than 0 and 1"
        if name == "positions" and values.ndim != 3:
            yield name, "is not (configuration or frame, atom, xyz)"
    if version.kind == "trajectory":
        try:
            yield from check_trajectory(version)
        except InputError as error:
            yield "", in_words(error)
    if "ids" in names and "positions" in names:
        nmer = nmer_model(version.attributes()).build(version.nmer)
        expected = configuration_ids(nmer, version.column("positions"))
        wrong = [n for n, (a, b) in enumerate(zip(version.column("ids"), expected, strict=True)) if str(a) != b]
        if wrong:
            yield "ids", f"{len(wrong)} of {len(expected)} are not those of the geometries (first: row {wrong[0]})"


def recomputed_key(version: Version) -> tuple[str, str]:
    """Return the key that a version's recipe and inputs give, or why there is none.

    Of the formats that the version's stage has had, the one that gives the version's key counts.
    """
    attributes = version.attributes()
    if "imported" in attributes["facts"]:
        arrays = map(version.column, ("positions", "energy", "split"))
        return imported_key(arrays, nmer_model(attributes)), ""
    if version.kind == "physics":
        return physics_key(derived_of_version(version)), ""
    if version.kind == "trajectory":
        below = [made_from["key"] for made_from in attributes["inputs"]]
        return trajectory_key(attributes["recipe"], below, attributes["facts"]["start"]), ""
    if version.kind == "selection" and is_of_turn(version):
        return _key_of_picks(version, attributes), ""
    if version.kind == "potential" and "refit" in attributes["facts"]:
        return _key_of_refit(version, attributes), ""
    if version.kind in ("check", "turn"):
        return digest(attributes["facts"]["decided_by"]), ""
    try:
        recipe, written = recipe_of_text(attributes["recipe"]), tomllib.loads(attributes["recipe"])
    except ValueError as error:
        return "", f"the recipe is not one that this version of nmer reads ({in_words(error)})"
    stage = STAGE_OF[version.kind]
    given: dict[str, str] = {}
    for made_from in attributes["inputs"]:
        given.setdefault(made_from["kind"], made_from["key"])
    key = ""
    # in the first release a section had no more than is written in the file
    contents = [
        [getattr(recipe, name).content() for name in stage.sections],
        [written[name] for name in stage.sections],
    ]
    if version.kind == "dataset" and recipe.levels:
        contents = [[labelling_of(attributes["facts"], recipe).content()]]
    for inputs in _inputs(version, recipe, attributes["facts"], given):
        for settings, number in product(contents, range(stage_format(stage.name, recipe), 0, -1)):
            found = stage_digest(stage.name, number, settings, inputs)
            if found == version.key:
                return found, ""
            key = key or found
    return key, ""


def _key_of_picks(version: Version, attributes: dict[str, Any]) -> str:
    """Return the key of a selection that a turn of improvement has made, from its configurations."""
    before = next(i["key"] for i in attributes["inputs"] if i["kind"] == "selection")
    turn = turn_of(version)
    picks = version.column("positions")[turn == int(attributes["facts"]["turn"])]
    return picks_key(before, configuration_ids(nmer_model(attributes).build(version.nmer), picks))


def _key_of_refit(version: Version, attributes: dict[str, Any]) -> str:
    """Return the key of a potential whose coefficients alone were fitted again."""
    below = {i["kind"]: i["key"] for i in attributes["inputs"]}
    fitting = recipe_of_text(attributes["recipe"]).fitting.content()
    return refit_key(fitting, below["dataset"], below["potential"], int(attributes["facts"]["refit"]))


def _inputs(version: Version, recipe: Recipe, facts: dict[str, Any], given: dict[str, str]) -> Iterator[list[str]]:
    """Yield the inputs that a key may have been made from."""
    if version.kind == "pool":
        yield []
    elif version.kind == "selection":
        yield selection_inputs(recipe, given["pool"])
    elif version.kind == "dataset":
        names = [f"{i}:{facts['protocol_id']}" for i in version.column("ids")]
        for more in ([], ["counted from the minima"]):
            yield [given["selection"], digest(sorted([*names, *more])), *lower_keys(facts)]
    elif version.kind == "potential":
        yield potential_inputs(recipe, given["dataset"], facts.get("physics", {}).get("digest", ""))
    else:
        yield [given["potential"], *facts.get("whole", {}).get("keys", ())]
