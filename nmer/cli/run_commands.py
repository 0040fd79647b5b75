"""Commands about runs: run, status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, MaxCoreHours, Preset, StorePath, Yes
from nmer.cli.output import print_json, print_table
from nmer.cli.packages import need
from nmer.cli.recipe_input import On, ProtocolName, checked_recipe, machine_of, read_recipe
from potentials.errors import InputError
from recipes.families import FAMILIES
from recipes.load import load_recipe
from recipes.protocols import with_protocol
from recipes.schema.recipe import Recipe
from recipes.stages import PARTS, STAGES, PartName, StageName

if TYPE_CHECKING:
    from deploy.machine import AnyMachine
    from storage.store import Store
    from tasks.plan import Plan
    from tasks.run.costs import Limit

ALL_HELP = f"Train all recipes of a family: {', '.join(FAMILIES)}."


def run(
    recipe: str | None = None,
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

    Parameters
    ----------
    recipe
        Name of a shipped recipe, or path of a TOML file.

    Examples
    --------
    nmer run ch3-water --preset smoke
    """
    from storage.file_system import network_note
    from storage.store import Store, default_store
    from tasks.plan import resolve
    from tasks.run.costs import cost_limit
    from tasks.run.state import completed, open_store, outcome

    if (recipe is None) == (family is None):
        raise InputError(f"give a recipe, or --all and a family ({', '.join(FAMILIES)}), and not both")
    if only is not None:
        if family is not None or until != "validation":
            raise InputError("--only runs one part of one recipe; leave out --all and --until")
        until = PARTS[only].last
    machine, known, path = machine_of(on), open_store(store), Path(store or default_store())
    limit = cost_limit(max_core_hours, machine.max_core_hours)
    if family is not None:
        from nmer.cli.family_run import load_family, print_family, run_family

        need("prefect", "distributed")
        plans = [resolve(member, known) for member in load_family(family, preset, protocol, workers, until)]
        _check_start(family, plans, known, path, machine, only, until, preset, yes, limit)
        whole = run_family(family, plans, Store(path, create=True), until, machine)
        if json:
            print_json(whole)
        else:
            print_family(whole)
        return 0 if whole["passed"] else 1
    assert recipe is not None
    plan = completed(read_recipe(recipe, preset, protocol, workers), known, until)
    work = plan is None
    if plan is None:
        need("prefect", "distributed")
        plan = resolve(checked_recipe(recipe, preset, protocol, workers, until), known)
        _check_start(plan.recipe.name, [plan], known, path, machine, only, until, preset, yes, limit)
    opened = Store(path, create=True)
    if note := network_note(opened.labels):
        print(f"note: {note}", file=sys.stderr)
    if work:
        opened.check_writable()
        _train(plan.recipe, opened.path, until, machine, only)
    else:
        print("everything is there already", file=sys.stderr)
    result = outcome(plan, opened, until)
    if json:
        print_json(result)
    else:
        _print_outcome(result)
    return 0 if result["passed"] else 1


def _check_start(
    what: str,
    plans: Sequence[Plan],
    known: Store | None,
    path: Path,
    machine: AnyMachine,
    only: PartName | None,
    until: StageName,
    preset: str | None,
    yes: bool,
    limit: Limit,
) -> None:
    """Raise an error if the work does not fit the machine or costs too much, or a part lacks its input."""
    from deploy.fits import check_fits
    from deploy.script import Work
    from tasks.run.costs import CostLeft, check_consent, cost_left
    from tasks.run.needs import needs
    from tasks.run.state import check_complete, label_cost_now, recipe_state

    since = PARTS[only].first if only else STAGES[0]
    for plan in plans:
        check_fits(machine, Work(**needs(plan.recipe, path, label_cost_now(plan, known), until)))
        check_complete(plan.recipe, recipe_state(plan, known), since)
    left = sum((cost_left(plan, known, since, until) for plan in plans), CostLeft(0.0))
    check_consent(what, left, limit, preset, yes)


def _train(recipe: Recipe, path: Path, until: StageName, machine: AnyMachine, only: PartName | None) -> None:
    """Run the flow; Prefect's settings must be set before its first import, which takes seconds."""
    from deploy.environment import set_prefect_defaults

    set_prefect_defaults()
    print(f"{recipe.name}, preset {recipe.preset or 'none'}: starting the flow ...", file=sys.stderr)
    from flows.here import run_here

    if only is None:
        run_here("flows.train.train_nmer", recipe.name, recipe.preset, recipe, path, until, machine)
    else:
        run_here(f"flows.stages.{only}", recipe.name, recipe.preset, recipe, path, machine)


def _print_outcome(result: dict[str, Any]) -> None:
    if "potential" not in result:
        for stage in result["stages"]:
            print(f"{stage['stage']}: {stage['done']} of {stage['total']}, version {stage['version'] or '-'}")
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
    for gate in result.get("gates", []):
        if not gate["passed"]:
            print(f"  gate not passed: {gate['meaning']} is {gate['value']:.3g}, the limit is {gate['limit']:.3g}")
    for warning in result["warnings"]:
        print(f"  note: {warning}")
    if "report" in result:
        print(f"  report {result['report']}")


def status(
    recipe: str,
    *,
    preset: Preset = None,
    protocol: ProtocolName = None,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Show the progress of a recipe: the counts done, failed, and left of each stage, also during a run.

    Parameters
    ----------
    recipe
        Name of a shipped recipe, or path of a TOML file.

    Examples
    --------
    nmer status ch3-water --preset smoke
    """
    from storage.file_system import network_note
    from tasks.plan import resolve
    from tasks.run.state import open_store, recipe_state

    loaded = with_protocol(load_recipe(recipe, preset), protocol)
    opened = open_store(store)
    states = recipe_state(resolve(loaded, opened), opened)
    if opened is not None and (note := network_note(opened.labels)):
        print(f"note: {note}", file=sys.stderr)
    if json:
        print_json({"recipe": loaded.name, "preset": loaded.preset, "stages": [s.as_dict() for s in states]})
    else:
        print_table(
            ("stage", "done", "failed", "left", "version"),
            [(s.stage, str(s.done), str(s.failed), str(s.left), s.version or "-") for s in states],
        )
    return 0
