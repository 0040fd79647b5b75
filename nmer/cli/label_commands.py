"""Commands about a recipe's labels: retry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, MaxCoreHours, Preset, StorePath, Yes
from nmer.cli.output import print_json, print_table
from nmer.cli.recipe_input import On, ProtocolName, checked_recipe, machine_of
from potentials.arrays import Floats
from potentials.errors import InputError

if TYPE_CHECKING:
    from deploy.machine import AnyMachine
    from tasks.labelling.execution.dispatch import LabelCounts
    from tasks.plan import Plan


def retry(
    recipe: str,
    *,
    reason: Annotated[str, Parameter(help="Select labels with this text in status or reason.")] = "",
    listing: Annotated[bool, Parameter(name="--list", help="Only list the reasons, with counts.")] = False,
    preset: Preset = None,
    protocol: ProtocolName = None,
    on: On = "local",
    yes: Yes = False,
    max_core_hours: MaxCoreHours = None,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Compute failed labels of a recipe again, selected by the reason of the failure.

    --reason selects the labels whose status (failed, timeout, out-of-memory) or reason contains the text. After
    that `nmer run` makes a new dataset with the labels that have succeeded.

    Parameters
    ----------
    recipe
        Name of a shipped recipe, or path of a TOML file.

    Examples
    --------
    nmer retry ch3-water --preset smoke --reason timeout
    """
    from storage.configuration import configuration_ids
    from storage.contents import selection_from_version
    from storage.ledger import Ledger
    from storage.store import Store
    from tasks.labelling.collect import find_failures
    from tasks.plan import resolve
    from tasks.run.costs import check_consent, cost_limit, cost_of_labels
    from tasks.run.state import label_cost_now

    if not reason and not listing:
        raise InputError("give --reason TEXT, or --list to see the reasons")
    machine = machine_of(on)
    limit = cost_limit(max_core_hours, machine.max_core_hours)
    loaded = checked_recipe(recipe, preset, protocol, until="labelling")
    opened = Store(store)
    plan = resolve(loaded, opened)
    selection = opened.find("selection", plan.selection, loaded.name)
    if selection is None:
        raise InputError(
            f"'{loaded.name}' has no selection in '{opened.path}' yet, so it has no failed labels; check --preset"
        )
    positions = selection_from_version(selection).positions
    ids = configuration_ids(plan.nmer, positions)
    with Ledger.read(opened.labels) as ledger:
        failures = find_failures(ledger, plan.labels(), ids)
    chosen = failures.with_text(reason)
    result: dict[str, Any] = {
        "recipe": loaded.name,
        "protocol": loaded.labelling.level,
        "failed": len(failures),
        "chosen": chosen.reasons(),
    }
    if not json:
        _print_chosen(result, reason, listing)
    if listing or not chosen.messages:
        if json:
            print_json(result)
        return 0
    cost = cost_of_labels(len(chosen), label_cost_now(plan, opened))
    check_consent(f"retrying {len(chosen)} labels of {loaded.name}", cost, limit, preset, yes)
    places = [place for place, i in enumerate(ids) if i in chosen.messages]
    counts = _label_again(plan, opened.path, positions[places], reason, machine)
    result |= {"ok": counts.ok, "failed_again": counts.failed, "missing": counts.missing}
    if json:
        print_json(result)
    else:
        print(f"{counts.ok} of {len(chosen)} are ok now")
        _print_reasons("again", counts.failed)
        if counts.missing:
            print(f"{counts.missing} were not computed; retry them")
        if counts.ok:
            print("nmer run makes a new dataset with them")
    return 0 if counts.ok == len(chosen) else 1


def _print_chosen(result: dict[str, Any], reason: str, listing: bool) -> None:
    text = f" with '{reason}' in status or reason" if reason else ""
    head = f"{result['recipe']}, {result['protocol']}:"
    if not result["chosen"]:
        none = f"none of {result['failed']}" if result["failed"] else "no"
        print(f"{head} {none} failed labels{text}")
        return
    count = sum(result["chosen"].values())
    print(f"{head} {'' if listing else 'retrying '}{count} of {result['failed']} failed labels{text}")
    _print_reasons("", result["chosen"])


def _print_reasons(word: str, reasons: dict[str, int]) -> None:
    print_table((), [(str(count), f"{word} {said}".strip()) for said, count in reasons.items()])


def _label_again(plan: Plan, path: Path, positions: Floats, reason: str, machine: AnyMachine) -> LabelCounts:
    """Compute labels on a cluster that is started for them."""
    from deploy.cluster import connect
    from deploy.fits import check_fits
    from deploy.machine import scratch_of
    from deploy.run_clusters import Clusters
    from deploy.script import Work
    from storage.store import Store
    from tasks.labelling.execution.dispatch import label_configurations, scratch_folder
    from tasks.progress import ProgressLine
    from tasks.run.needs import needs, with_scratch
    from tasks.run.state import label_cost_now

    store, recipe = Store(path), with_scratch(plan.recipe, scratch_of(machine))
    work = Work(**needs(recipe, path, label_cost_now(plan, store), "labelling", len(positions)))
    check_fits(machine, work)
    with (
        store.writing(),
        Clusters(machine, work) as clusters,
        connect(clusters.scheduler()) as client,
        ProgressLine("labelling", len(positions), "labels") as progress,
    ):
        return label_configurations(
            plan.labels(),
            positions,
            recipe.resources,
            store.labels,
            client,
            progress,
            scratch_folder(recipe.resources, path),
            retry=[reason],
        )
