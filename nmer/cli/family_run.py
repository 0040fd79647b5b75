"""Run a family of recipes for `nmer run --all`, and print the table of its results."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from nmer.cli.output import print_table
from nmer.cli.recipe_input import checked_recipe
from recipes.families import PUBLISHED, family
from recipes.schema.recipe import Recipe
from recipes.stages import STAGES, stages_until
from storage.store import Store

if TYPE_CHECKING:
    from deploy.machine import AnyMachine
    from tasks.plan import Plan


def load_family(
    name: str,
    preset: str | None,
    protocol: str | None,
    workers: int | None,
    until: str = "validation",
    here: bool = True,
) -> list[Recipe]:
    """Return the recipes of a family, each of which has passed every check.

    Parameters
    ----------
    name
        Name of the family.
    preset, protocol
        As for one recipe.
    workers
        Number of parallel processes; None: as in each recipe.
    until, here
        As for `nmer.cli.recipe_input.checked_recipe`.

    Raises
    ------
    InputError
        If there is no such family, preset, or protocol, or a member does not pass.
    """
    return [checked_recipe(member, preset, protocol, workers, until, here) for member in family(name)]


def run_family(name: str, plans: list[Plan], store: Store, until: str, machine: AnyMachine) -> dict[str, Any]:
    """Train the members that are not in the store yet, and return the results of all members.

    Returns
    -------
    ``family``, ``preset``, ``store``, ``passed``, and ``members``: for each the output of `nmer run --json`, with
    ``atoms``, ``seconds`` by stage, ``published`` errors, and ``failure``.
    """
    from tasks.run.state import recipe_state

    stages = stages_until(until)
    left = [
        plan.recipe
        for plan in plans
        if not all(state.version for state in recipe_state(plan, store) if state.stage in stages)
    ]
    if left:
        store.check_writable()
        print(f"{name}: {len(left)} of {len(plans)} to train; starting the flow ...", file=sys.stderr)
    else:
        print("everything is there already", file=sys.stderr)
    failures = _train(name, left, store, until, machine) if left else {}
    members = [_member(plan, store, until, failures.get(plan.recipe.name)) for plan in plans]
    return {
        "family": name,
        "preset": plans[0].recipe.preset,
        "store": str(store.path),
        "passed": all(member["passed"] for member in members),
        "members": members,
    }


def _train(name: str, recipes: list[Recipe], store: Store, until: Any, machine: AnyMachine) -> dict[str, str]:
    from deploy.environment import set_prefect_defaults

    set_prefect_defaults()
    from flows.here import run_here

    found: dict[str, str] = run_here(
        "flows.family.train_family", name, recipes[0].preset, name, recipes, store.path, until, machine
    )
    return found


def _member(plan: Plan, store: Store, until: str, failure: str | None) -> dict[str, Any]:
    from tasks.run.state import outcome
    from tasks.run.timing import timings

    recipe, result = plan.recipe, outcome(plan, store, until)
    known = timings(store.path)
    seconds: dict[str, float | None] = {}
    for stage in result["stages"]:
        version = store.resolve(stage["version"]) if stage["version"] else None
        seconds[stage["stage"]] = known.get(version.key) if version else None
    published = PUBLISHED.get(recipe.name)
    return {
        **result,
        "atoms": plan.nmer.natoms,
        "level": recipe.labelling.level,
        "seconds": seconds,
        "published": {"train": published.train_rmsd, "test": published.test_rmsd} if published else None,
        "failure": failure,
        "passed": result["passed"] and failure is None,
    }


def print_family(result: dict[str, Any]) -> None:
    """Print one table of all members, RMSDs in kcal/mol, times in minutes, then failures and failed gates."""
    head = ("n-mer", "atoms", "terms", "frames", "labels", "train", "test", "paper train", "paper test")
    print_table(
        (*head, *STAGES[:4], "is"),
        [
            (
                member["recipe"],
                str(member["atoms"]),
                str(member.get("terms", "-")),
                *(_done(member, stage) for stage in ("sampling", "labelling")),
                *(f"{member[part]['rmsd']:.3f}" if part in member else "-" for part in ("train", "test")),
                *(
                    f"{member['published'][part]:.2f}" if member["published"] else "-"
                    for part in ("train", "test")
                ),
                *(_minutes(member["seconds"].get(stage)) for stage in STAGES[:4]),
                "failed" if member["failure"] else member.get("status", "-"),
            )
            for member in result["members"]
        ],
    )
    levels = ", ".join(dict.fromkeys(member["level"] for member in result["members"]))
    print(f"labels: {levels}; the papers' are CCSD(T). RMSDs in kcal/mol, times in minutes")
    for member in result["members"]:
        if member["failure"]:
            print(f"{member['recipe']} failed: {member['failure']}")
        if member["failed_labels"]:
            print(f"{member['recipe']}: {member['failed_labels']} labels failed or were flagged")
        for gate in member.get("gates", []):
            if not gate["passed"]:
                value, limit = gate["value"], gate["limit"]
                print(
                    f"{member['recipe']}: gate not passed: {gate['meaning']} is {value:.3g}, the limit {limit:.3g}"
                )


def _done(member: dict[str, Any], name: str) -> str:
    return next((str(stage["done"]) for stage in member["stages"] if stage["stage"] == name), "-")


def _minutes(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds / 60:.{1 if seconds >= 60 else 2}f}"
