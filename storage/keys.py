"""Content keys: the sha256 of what decides the content."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from recipes.schema.recipe import Recipe
from recipes.schema.sampling import SAMPLERS, Sampling
from recipes.stages import STAGE
from storage.canonical import canonical_json as canonical_json
from storage.canonical import digest as digest

STAGE_FORMATS = {name: stage.format for name, stage in STAGE.items()}
"""Increase a stage's number when the same settings give other content; see `stage_format`."""

_ALL_ROWS = 2
"""Format of fits whose choice of terms, if there is one, rests on all training configurations.

A preliminary fit to some of them took the first rows in formats 1 and 2, and draws them since format 3.
"""

_DESIGN = ("degree", "terms", "gamma", "k_bounds", "switching")
"""Fields of the fitting section that decide the design matrix and its ridge."""

_DESIGN_LATER = ("k", "d", "variables", "rules", "lone_pairs")
"""The same for fields added later: in a key only where they change the content; see `Section.LATER`."""


def stage_format(stage: str, recipe: Recipe) -> int:
    """Return the number of a stage's format for a recipe: the newest that changed what such a recipe gives."""
    many = len(recipe.nmer.fragments) > 2  # walls between all pairs of bodies, terms that join all of them
    if stage == "sampling" and not (many or _sampled_otherwise(recipe.sampling)):
        return 1
    if stage == "fitting" and not (many or _draws(recipe)):
        return _ALL_ROWS
    return STAGE_FORMATS[stage]


def _sampled_otherwise(settings: Sampling) -> bool:
    """Return whether format 2 samples other frames than format 1.

    PLUMED as the engine computes the bias again at the start of a run, and a torsion's hill that is wider than the
    period is no longer added twice at one point of a grid with an even number of points.
    """
    if not any(SAMPLERS.get(name).biased for name in settings.samplers):
        return False
    bias, torsions = settings.bias, [settings.bias.sigma_angle]
    if bias.families:
        torsions = [f.sigma or bias.sigma_angle for f in bias.families if len(f.variables[0]) == 4]
    for sigma in torsions:
        points = round(2.0 * math.pi / sigma * 4)
        reach = math.ceil(math.sqrt(12.5) * sigma * points / (2.0 * math.pi))
        if points % 2 == 0 and 2 * reach + 1 > points:
            return True
    return settings.engine == "plumed"


def _draws(recipe: Recipe) -> bool:
    """Return whether terms are chosen with k that were fitted to some of the training configurations only."""
    settings = recipe.fitting
    if settings.max_terms is None or settings.optimizer == "fixed":
        return False
    fitted = recipe.selection.train - max(1, round(settings.validation_fraction * recipe.selection.train))
    if fitted <= settings.start_configurations:
        return False
    return settings.max_terms < settings.build_basis(recipe.build_nmer()).n_terms


def stage_key(stage: str, recipe: Recipe, inputs: list[str]) -> str:
    """Return the key of a stage's content.

    Parameters
    ----------
    stage
        Its name.
    recipe
        The recipe.
    inputs
        Keys of what the stage reads.
    """
    settings = [getattr(recipe, section).content() for section in STAGE[stage].sections]
    return stage_digest(stage, stage_format(stage, recipe), settings, inputs)


def stage_digest(stage: str, number: int, contents: list[dict[str, Any]], inputs: list[str]) -> str:
    """Return the key of a stage's content in one of the formats that the stage has had; see `stage_key`."""
    return digest({"stage": stage, "format": number, "settings": contents, "inputs": inputs})


def pool_key(recipe: Recipe) -> str:
    """Return the key of the pool that a recipe samples."""
    return stage_key("sampling", recipe, [])


def selection_key(recipe: Recipe) -> str:
    """Return the key of the configurations that a recipe selects."""
    return selection_key_of(recipe, pool_key(recipe))


def selection_key_of(recipe: Recipe, pool: str) -> str:
    """Return the key of the configurations that a recipe selects from the pool with the given key.

    D-optimality depends on the terms of the fit that follows, which are then part of the key.
    """
    return stage_key("selection", recipe, selection_inputs(recipe, pool))


def selection_inputs(recipe: Recipe, pool: str) -> list[str]:
    """Return what goes into a selection's key beside its section.

    These are the pool's key, the terms if they decide, and if there are levels the sizes of the nested subsets, of
    which the smallest is chosen first.
    The section names a potential by its key; a plan has such a section (`tasks.plan.resolve`).
    """
    if "@" in recipe.selection.potential:
        raise ValueError(f"selection.potential is '{recipe.selection.potential}', and a content key needs its key")
    inputs = [pool]
    if recipe.selection.method == "d-optimality":
        settings = recipe.fitting.content()
        design = {name: settings.get(name) for name in _DESIGN}
        inputs.append(digest(design | {name: settings[name] for name in _DESIGN_LATER if name in settings}))
    if recipe.levels:
        inputs.append(digest({"levels": [level.counts for level in recipe.levels], "first": "smallest"}))
    return inputs


def dataset_key(
    recipe: Recipe,
    label_ids: list[str],
    selection: str | None = None,
    level: int | None = None,
    below: Sequence[str] = (),
) -> str:
    """Return the key of a dataset: its configurations, the protocol, and the labels that are in it.

    Parameters
    ----------
    recipe
        The recipe.
    label_ids
        Identifiers of the labels in the dataset. A label retried with success makes another dataset.
    selection
        Key of the selection; by default that of the recipe.
    level
        Which of the recipe's levels it is, from 0; None for a recipe without levels, or for the last of them.
    below
        Keys of the datasets of the levels before it, the first level's first.
    """
    labelling = recipe.labelling if level is None else recipe.levels[level].labelling
    inputs = [selection or selection_key(recipe), digest(sorted(label_ids)), *below]
    return stage_digest("labelling", stage_format("labelling", recipe), [labelling.content()], inputs)


def potential_key(recipe: Recipe, dataset: str, physics: str = "") -> str:
    """Return the key of the potential fitted to the dataset with the given key.

    Parameters
    ----------
    recipe
        The recipe.
    dataset
        Key of the dataset.
    physics
        Digest of the parameters of V_phys that are the baseline; empty if there is none.
    """
    return stage_key("fitting", recipe, potential_inputs(recipe, dataset, physics))


def potential_inputs(recipe: Recipe, dataset: str, physics: str = "") -> list[str]:
    """Return what goes into a potential's key beside its section.

    These are the key of the dataset, which with levels stands for those of all of them, the digest of the baseline
    if there is one, and the settings of the fits of the levels after the first.
    """
    inputs = [dataset, *([physics] if physics else [])]
    if recipe.levels:
        fits = [level.fitting.content() for level in recipe.levels[1:] if level.fitting is not None]
        inputs.append(digest({"levels": fits}))
    return inputs


def validation_key(recipe: Recipe, potential: str, bodies: Sequence[str] = ()) -> str:
    """Return the key of the gates' verdict on the potential with the given key.

    Parameters
    ----------
    recipe
        The recipe.
    potential
        Key of the potential.
    bodies
        What identifies the energies of its sub-n-mers: keys of their potentials, or names of methods.
    """
    return stage_key("validation", recipe, [potential, *bodies])
