"""A run resolves its recipe once, and knows its stages from one list."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from deploy.machine import LocalMachine
from recipes.load import load_recipe
from recipes.stages import PARTS, STAGE, STAGES, PartName, stages_until
from storage.keys import pool_key, selection_key
from tasks.labelling.protocol import protocol_of
from tasks.labelling.reference import reference_molecules
from tasks.plan import resolve

RESOLVERS = {
    "pool": "tasks.plan.pool_key",
    "selection": "tasks.plan.selection_key_of",
    "protocol": "tasks.plan.protocol_of",
    "references": "tasks.plan.reference_molecules",
}


def test_the_list_of_stages_is_whole() -> None:
    assert tuple(STAGE) == STAGES == stages_until("validation")
    assert stages_until("labelling", "selection") == ("selection", "labelling")
    assert tuple(PARTS) == get_args(PartName)
    parts = [stage for part in PARTS.values() for stage in stages_until(part.last, part.first)]
    assert tuple(parts) == STAGES, "the parts one after the other are a run"


def test_a_plan_is_what_each_resolves_to_by_itself() -> None:
    recipe = load_recipe("ch3", "smoke")
    plan, nmer = resolve(recipe), recipe.build_nmer()
    assert plan.pool == pool_key(recipe) and plan.selection == selection_key(recipe)
    assert plan.protocol is not None and plan.protocol.id == protocol_of(nmer, recipe.labelling).id
    assert len(plan.references) == len(reference_molecules(nmer, recipe.labelling)) == 1
    assert (plan.total("sampling"), plan.total("validation")) == (
        recipe.sampling.frames,
        recipe.selection.train + recipe.selection.test,
    )


def test_a_run_resolves_once(
    tiny_run: tuple[Path, object], tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All stages of a run are there; each of them reads the plan, and none resolves anything again."""
    import importlib

    from flows.here import run_here
    from storage import keys
    from tasks.labelling import protocol, reference

    counts = dict.fromkeys(RESOLVERS, 0)

    def counted(name: str) -> None:
        module, _, function = RESOLVERS[name].rpartition(".")
        real = getattr(importlib.import_module(module), function)

        def count(*arguments: object) -> object:
            counts[name] += 1
            return real(*arguments)

        for where in (importlib.import_module(module), keys, protocol, reference):
            if hasattr(where, function):
                monkeypatch.setattr(where, function, count)

    for name in RESOLVERS:
        counted(name)
    recipe = load_recipe(str(tiny_recipe))
    made = run_here("flows.train.train_nmer", recipe.name, None, recipe, tiny_run[0], "validation", LocalMachine())
    assert tuple(made) == STAGES
    # a check of the start of the search looks at the references as well
    assert counts == {"pool": 1, "selection": 1, "protocol": 1, "references": 2}
