"""Commands about runs of a recipe or a family of recipes: run, status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, MaxCoreHours, Preset, RecipeName, StorePath, Yes
from nmer.cli.output import Column, print_json, print_rows
from nmer.cli.packages import need
from nmer.cli.recipe_input import On, ProtocolName, checked_recipe, machine_of, read_recipe, with_named_protocol
from potentials.errors import InputError
from recipes.families import FAMILIES, PUBLISHED
from recipes.families import family as members_of
from recipes.load import load_recipe
from recipes.stages import PARTS, STAGES, PartName, StageName, stages_until

if TYPE_CHECKING:
    from deploy.machine import AnyMachine
    from storage.store import Store
    from tasks.plan import Plan

ALL_HELP = f"Train all recipes of a family: {', '.join(FAMILIES)}."


def run(
    recipe: RecipeName | None = None,
    *,
    family: Annotated[str | None, Parameter(name="--all", help=ALL_HELP)] = None,
    preset: Preset = None,
    protocol: ProtocolName = None,
    until: Annotated[StageName, Parameter(help="The last stage to run.")] = "validation",
    only: Annotated[PartName | None, Parameter(help="Run only this part, on the results in the store.")] = None,
    workers: Annotated[int | None, Parameter(help="Number of parallel processes; default: the recipe's.")] = None,
    on: On = "local",
    yes: Yes = False,
    max_core_hours: MaxCoreHours = None,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Train the potential of an n-mer, or of each member of a family, using all results already in the store.

    After an interruption, the same command continues from the finished results. When one member of a family fails,
    the others are still trained. --only runs one part (sample: pool and configurations; label; fit; validate) on
    results in the store. Without a preset, runs above 100 core-hours start only with --yes.

    Examples
    --------
    nmer run ch3-water --preset smoke
    """
    from storage.file_system import network_note
    from storage.store import Store, default_store
    from tasks.plan import resolve
    from tasks.run.costs import CostLeft, check_consent, cost_left, cost_limit
    from tasks.run.state import check_complete, completed, label_cost_now, open_store, outcome, recipe_state

    if (recipe is None) == (family is None):
        raise InputError(f"give a recipe, or --all and a family ({', '.join(FAMILIES)}), and not both")
    if only is not None:
        if family is not None or until != "validation":
            raise InputError("--only runs one part of one recipe; leave out --all and --until")
        until = PARTS[only].last
    since = PARTS[only].first if only else STAGES[0]
    machine, known, path = machine_of(on), open_store(store), Path(store or default_store())
    limit = cost_limit(max_core_hours, machine.max_core_hours)

    def check_start(what: str, plans: Sequence[Plan]) -> None:
        """Raise an error if the work does not fit the machine or costs too much, or a part lacks its input."""
        from deploy.fits import check_fits
        from deploy.script import Work
        from tasks.run.needs import needs

        for plan in plans:
            check_fits(machine, Work(**needs(plan.recipe, path, label_cost_now(plan, known), until)))
            check_complete(plan.recipe, recipe_state(plan, known), since)
        left = sum((cost_left(plan, known, since, until) for plan in plans), CostLeft(0.0))
        check_consent(what, left, limit, preset, yes)

    if family is not None:
        need("prefect", "distributed")
        members = members_of(family)
        plans = [resolve(checked_recipe(name, preset, protocol, workers, until), known) for name in members]
        check_start(family, plans)
        whole = _run_family(family, plans, Store(path, create=True), until, machine)
        code = 0 if whole["passed"] else 1
        if json:
            return print_json(whole, code)
        _print_family(whole)
        return code
    assert recipe is not None
    plan = completed(read_recipe(recipe, preset, protocol, workers), known, until)
    work = plan is None
    if plan is None:
        need("prefect", "distributed")
        plan = resolve(checked_recipe(recipe, preset, protocol, workers, until), known)
        check_start(plan.recipe.name, [plan])
    opened, chosen = Store(path, create=True), plan.recipe
    if note := network_note(opened.labels):
        print(f"note: {note}", file=sys.stderr)
    if work:
        opened.check_writable()
        print(f"{chosen.name}, preset {chosen.preset or 'none'}: starting the flow ...", file=sys.stderr)
        flow, last = (f"flows.stages.{only}", ()) if only else ("flows.train.train_nmer", (until,))
        _run_flow(flow, chosen.name, chosen.preset, chosen, opened.path, *last, machine)
    else:
        print("everything is there already", file=sys.stderr)
    result = outcome(plan, opened, until)
    code = 0 if result["passed"] else 1
    if json:
        return print_json(result, code)
    _print_outcome(result)
    return code


def _run_flow(flow: str, name: str, preset: str | None, *arguments: Any) -> Any:
    """Run a flow; Prefect's settings must be set before its first import, which takes seconds."""
    from deploy.environment import set_prefect_defaults

    set_prefect_defaults()
    from flows.here import run_here

    return run_here(flow, name, preset, *arguments)


def _print_outcome(result: dict[str, Any]) -> None:
    from tasks.run.state import failed_gates

    if "potential" not in result:
        for stage in result["stages"]:
            print(f"{stage['stage']}: {stage['done']} of {stage['total']}, version {stage['version'] or '-'}")
            for level in stage.get("levels", ()):
                print(
                    f"  {level['title']}: {level['done']} of {level['total']}, version {level['version'] or '-'}"
                )
        return
    print(f"{result['potential']} is {result.get('status')}: {result['terms']} terms, in {result['store']}")
    for part in ("train", "test"):
        if part in result:
            e = result[part]
            print(
                f"  {part:<5}  {e['count']:>6} configurations   RMSD {e['rmsd']:.4f}   MAE {e['mae']:.4f}   "
                f"largest {e['largest']:.4f} kcal/mol"
            )
    if result["failed_labels"]:
        print(f"  {result['failed_labels']} labels failed or were flagged and are not in the dataset")
        for level in (one for stage in result["stages"] for one in stage.get("levels", ()) if one["failed"]):
            print(f"    {level['failed']} of {level['total']} of {level['title']}")
    for line in failed_gates(result):
        print(f"  {line}")
    for warning in result["warnings"]:
        print(f"  note: {warning}")
    if "report" in result:
        print(f"  report {result['report']}")


def _run_family(name: str, plans: list[Plan], store: Store, until: str, machine: AnyMachine) -> dict[str, Any]:
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
    failures: dict[str, str] = {}
    if left:
        flow, preset = "flows.family.train_family", left[0].preset
        failures = _run_flow(flow, name, preset, name, left, store.path, until, machine)
    members = [_member(plan, store, until, failures.get(plan.recipe.name)) for plan in plans]
    return {
        "family": name,
        "preset": plans[0].recipe.preset,
        "store": str(store.path),
        "passed": all(member["passed"] for member in members),
        "members": members,
    }


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


def _print_family(result: dict[str, Any]) -> None:
    """Print one table of all members, RMSDs in kcal/mol, times in minutes, then failures and failed gates."""
    from tasks.run.state import failed_gates

    columns: dict[str, Column] = {"n-mer": "recipe", "atoms": "atoms", "terms": lambda m: m.get("terms")}
    columns |= {"frames": lambda m: _done(m, "sampling"), "labels": lambda m: _done(m, "labelling")}
    columns |= {part: partial(_rmsd, part=part) for part in ("train", "test")}
    columns |= {f"paper {part}": partial(_published, part=part) for part in ("train", "test")}
    columns |= {stage: partial(_minutes, stage=stage) for stage in STAGES[:4]}
    columns["is"] = lambda m: "failed" if m["failure"] else m.get("status")
    print_rows(result["members"], columns)
    levels = ", ".join(dict.fromkeys(member["level"] for member in result["members"]))
    print(f"labels: {levels}; the papers' are CCSD(T). RMSDs in kcal/mol, times in minutes")
    for member in result["members"]:
        if member["failure"]:
            print(f"{member['recipe']} failed: {member['failure']}")
        if member["failed_labels"]:
            print(f"{member['recipe']}: {member['failed_labels']} labels failed or were flagged")
        for line in failed_gates(member):
            print(f"{member['recipe']}: {line}")


def _done(member: dict[str, Any], name: str) -> int | None:
    return next((stage["done"] for stage in member["stages"] if stage["stage"] == name), None)


def _rmsd(member: dict[str, Any], part: str) -> str | None:
    return f"{member[part]['rmsd']:.3f}" if part in member else None


def _published(member: dict[str, Any], part: str) -> str | None:
    return f"{member['published'][part]:.2f}" if member["published"] else None


def _minutes(member: dict[str, Any], stage: str) -> str | None:
    seconds = member["seconds"].get(stage)
    return None if seconds is None else f"{seconds / 60:.{1 if seconds >= 60 else 2}f}"


def status(
    recipe: RecipeName,
    *,
    preset: Preset = None,
    protocol: ProtocolName = None,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Show the progress of a recipe: the counts done, failed, and left of each stage, also during a run.

    Examples
    --------
    nmer status ch3-water --preset smoke
    """
    from storage.file_system import network_note
    from tasks.plan import resolve
    from tasks.run.state import open_store, recipe_state

    loaded = with_named_protocol(load_recipe(recipe, preset), protocol)
    opened = open_store(store)
    states = recipe_state(resolve(loaded, opened), opened)
    if opened is not None and (note := network_note(opened.labels)):
        print(f"note: {note}", file=sys.stderr)
    rows = [state.as_dict() for state in states]
    if json:
        return print_json({"recipe": loaded.name, "preset": loaded.preset, "stages": rows})
    lines = [line for row in rows for line in (row, *_level_rows(row))]
    print_rows(lines, {name: name for name in ("stage", "done", "failed", "left", "version")})
    return 0


def _level_rows(stage: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each level of a stage, below that of the stage; none without levels."""
    return [{**level, "stage": f"  {level['title']}"} for level in stage.get("levels", ())]
