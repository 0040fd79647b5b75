"""A potential's quality in a few words, from what its store holds: its errors, and what it is good for."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic import ValidationError

from potentials.errors import InputError
from recipes.schema.labelling import Labelling
from storage.level_facts import labelling_table
from storage.version import Version

LABELS = "labels "
"""Begin of the phrase on the level of the labels."""


def remarks(verdict: Version | None, dataset: Version | None) -> tuple[str, ...]:
    """Return phrases on a potential: its RMSDs, and the level of theory of its labels.

    Parameters
    ----------
    verdict
        The newest validation of the potential.
    dataset
        What it was fitted to.
    """
    found = []
    with suppress(InputError, KeyError):  # a damaged file is no reason to refuse the potential
        if verdict is not None:
            facts = verdict.attributes()["facts"]
            train, test = (float(facts[name]["rmsd"]) for name in ("train", "test"))
            found.append(f"RMSD {train:.3g} (training), {test:.3g} (test) kcal/mol")
    with suppress(InputError, KeyError, ValidationError, tomllib.TOMLDecodeError):  # data from files have no level
        if dataset is not None:
            attributes = dataset.attributes()
            section = labelling_table(attributes["facts"], tomllib.loads(attributes["recipe"]))
            found.append(f"{LABELS}{Labelling.model_validate(section).level}")
    return tuple(found)


TRIAL = "smoke"
"""The preset that shows that every stage works."""

EXACT = "(T)"
"""End of the name of the methods that count as coupled cluster of the quality of CCSD(T)."""

ENOUGH = 2.0
"""Training configurations for each term below which the ridge decides much of a fit."""


@dataclass(frozen=True)
class Purpose:
    """What a potential is good for.

    Attributes
    ----------
    badge
        Its status in a few words: ``released``, ``released: a smoke run``, ``candidate``.
    tone
        ``good``, ``warn``, or ``bad``.
    sentences
        The answer first.
    reservation
        What limits its use though it is released, as one clause; empty where nothing does.
    """

    badge: str
    tone: str
    sentences: tuple[str, ...]
    reservation: str = ""


def purpose(
    gates: Sequence[Mapping[str, Any]],
    recipe: Mapping[str, Any],
    terms: int,
    train: int,
    test: Mapping[str, Any],
    levels: Sequence[Mapping[str, Any]] = (),
) -> Purpose:
    """Return what a potential is good for: its gates, preset, labels and their level decide.

    Parameters
    ----------
    gates
        Its newest verdict on each gate, as the store keeps it; empty where it was not judged.
    recipe
        The expanded recipe; of data from files, what is known of it.
    terms, train
        Numbers of its terms and of its training configurations.
    test
        Its errors on the test set, with ``rmsd`` (kcal/mol; None where there is none) and ``count``.
    levels
        What its facts say of its levels, the first one first; empty where it has none.
    """
    failed = [str(gate["meaning"]) for gate in gates if not gate["passed"]]
    if not gates:
        said = "Not released: no gate has judged it. Do not simulate with it."
        return Purpose("candidate", "bad", (said, "The command nmer run RECIPE --only validate judges it."))
    if failed:
        count = f"{len(failed)} of {len(gates)} gates failed"
        return Purpose("candidate", "bad", (f"Not released: {count}. Do not simulate with it.",))
    level = level_of(recipe)
    rmsd, size = test.get("rmsd"), test.get("count", 0)
    error = f", with a test RMSD of {rmsd:.3g} kcal/mol on {size:,} configurations" if rmsd is not None else ""
    reproduces = (
        f"It reproduces energies of {level}{error}." if level else f"The level of its labels is not stated{error}."
    )
    if levels:
        reproduces += f" {_levels_in_words(levels)}"
        train = int(levels[0]["train"])  # the terms are decided by these; the last level adds a difference
    passed = f"all {len(gates)} gates passed"
    whole = "Whether the sum of a molecule can be simulated is decided by the gates of the sum: nmer check."
    if recipe.get("preset") == TRIAL:
        said = (
            f"Released, {passed}, but made by a smoke run with {train:,} training labels: it shows that every "
            "stage works, and is no potential for science."
        )
        return Purpose("released: a smoke run", "warn", (said, reproduces), "made by a smoke run, not for science")
    if not str(recipe.get("labelling", {}).get("method", "")).endswith(EXACT):
        said = (
            f"Released, {passed}: good for studies of methods whose reference is {level}; its labels are not "
            "coupled cluster, so that it predicts no more than that method does."
            if level
            else f"Released, {passed}: good for as much as its labels, whose level of theory is not stated."
        )
        reservation = (
            f"labels are {level}, not coupled cluster" if level else "the level of the labels is not known"
        )
        badge = f"released: {level or 'labels of unknown level'}"
        return Purpose(badge, "warn", (said, reproduces, whole), reservation)
    if train < ENOUGH * terms:
        said = (
            f"Released, {passed}, but {train:,} training labels for {terms:,} terms are few: good for trials; "
            "more labels will change it."
        )
        return Purpose("released: few labels", "warn", (said, reproduces, whole), "few labels for its terms")
    return Purpose("released", "good", (f"Released, {passed}: good for sums of molecules.", reproduces, whole))


def _levels_in_words(levels: Sequence[Mapping[str, Any]]) -> str:
    """Return how the energies of a potential with levels were reached, in one sentence."""
    parts = [f"{levels[0]['train']:,} training labels of {levels[0]['title']}"]
    for below, one in pairwise(levels):
        parts.append(f"{one['train']:,} of the difference from {below['title']} to {one['title']}")
    return f"It is the sum of fits to {', and to '.join(parts)}."


def level_of(recipe: Mapping[str, Any]) -> str:
    """Return the level of theory of a recipe's labels; empty for data from files, which have none."""
    with suppress(KeyError, ValidationError, InputError):
        return Labelling.model_validate(recipe["labelling"]).level
    return ""
