"""The command `nmer retry`: failed labels of a recipe, of all its levels, are computed again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, MaxCoreHours, Preset, RecipeName, StorePath, Yes
from nmer.cli.output import print_json, print_table
from nmer.cli.recipe_input import On, ProtocolName, checked_recipe, machine_of
from potentials.arrays import Floats
from potentials.errors import InputError

if TYPE_CHECKING:
    from deploy.machine import AnyMachine
    from storage.store import Store
    from tasks.labelling.collect import Failures
    from tasks.labelling.execution.dispatch import LabelCounts
    from tasks.plan import LevelPlan, Plan


@dataclass(frozen=True)
class _Chosen:
    """The failed labels of one level.

    Attributes
    ----------
    level
        Its plan.
    failed
        How many labels failed.
    failures
        Those that are chosen.
    positions
        Their geometries, (configurations, atoms, 3), Angstrom.
    """

    level: LevelPlan
    failed: int
    failures: Failures
    positions: Floats

    def __len__(self) -> int:
        return len(self.failures)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"protocol": self.level.title, "failed": self.failed, "chosen": self.failures.reasons()}


def retry(
    recipe: RecipeName,
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

    --reason selects the labels whose status (failed, timeout, out-of-memory) or reason contains the text, of every
    level if the recipe has levels. After that `nmer run` makes new datasets with the labels that have succeeded.

    Examples
    --------
    nmer retry ch3-water --preset smoke --reason timeout
    """
    from storage.store import Store
    from tasks.labelling.calibrate import expected_cost_in
    from tasks.plan import resolve
    from tasks.run.costs import CostLeft, check_consent, cost_limit, cost_of_labels

    if not reason and not listing:
        raise InputError("give --reason TEXT, or --list to see the reasons")
    machine = machine_of(on)
    limit = cost_limit(max_core_hours, machine.max_core_hours)
    loaded = checked_recipe(recipe, preset, protocol, until="labelling")
    opened = Store(store)
    plan = resolve(loaded, opened)
    levels = _chosen(plan, opened, reason)
    if not json:
        for one in levels:
            _print_chosen(loaded.name, one, reason, listing)
    wanted, count = [one for one in levels if len(one)], sum(len(one) for one in levels)
    counts: list[LabelCounts] = []
    if count and not listing:
        cost = CostLeft(0.0)
        for one in wanted:
            cost += cost_of_labels(len(one), expected_cost_in(opened.labels, plan.nmer, one.level.labelling))
        check_consent(f"retrying {count} labels of {loaded.name}", cost, limit, preset, yes)
        counts = [_label_again(plan, one, opened, reason, machine) for one in reversed(wanted)]
    ok = sum(each.ok for each in counts)
    code = 0 if not counts or ok == count else 1
    if json:
        return print_json(_result(plan, levels, counts), code)
    if not counts:
        return 0
    print(f"{ok} of {count} are ok now")
    _print_reasons("again", _failed_again(counts))
    if missing := sum(each.missing for each in counts):
        print(f"{missing} were not computed; retry them")
    if ok:
        print(f"nmer run makes {'new datasets' if loaded.levels else 'a new dataset'} with them")
    return code


def _chosen(plan: Plan, store: Store, reason: str) -> list[_Chosen]:
    """Return the failed labels of each level with a text in their status or reason.

    Raises
    ------
    InputError
        If the recipe has no selection in the store.
    """
    from storage.configuration import configuration_ids
    from storage.contents import selection_from_version
    from storage.ledger import Ledger
    from tasks.labelling.collect import find_failures

    version = store.find("selection", plan.selection, plan.recipe.name)
    if version is None:
        raise InputError(
            f"'{plan.recipe.name}' has no selection in '{store.path}' yet, so it has no failed labels; "
            "check --preset"
        )
    selection, found = selection_from_version(version), []
    with Ledger.read(store.labels) as ledger:
        for number, level in enumerate(plan.levels):
            positions = selection.of_level(number).positions
            ids = configuration_ids(plan.nmer, positions)
            failures = find_failures(ledger, level.labels(), ids)
            chosen = failures.with_text(reason)
            places = [place for place, i in enumerate(ids) if i in chosen.messages]
            found.append(_Chosen(level, len(failures), chosen, positions[places]))
    return found


def _result(plan: Plan, levels: list[_Chosen], counts: list[LabelCounts]) -> dict[str, Any]:
    """Return what was chosen and what came of it, as plain values."""
    reasons: Counter[str] = Counter()
    for one in levels:
        reasons.update(one.failures.reasons())
    result: dict[str, Any] = {
        "recipe": plan.recipe.name,
        "protocol": plan.recipe.labelling.level,
        "failed": sum(one.failed for one in levels),
        "chosen": dict(reasons.most_common()),
    }
    if plan.recipe.levels:
        result["levels"] = [one.as_dict() for one in levels]
    if counts:
        result |= {"ok": sum(each.ok for each in counts), "failed_again": _failed_again(counts)}
        result["missing"] = sum(each.missing for each in counts)
    return result


def _failed_again(counts: list[LabelCounts]) -> dict[str, int]:
    """Return how many labels failed again with each reason."""
    found: Counter[str] = Counter()
    for each in counts:
        found.update(each.failed)
    return dict(found)


def _print_chosen(name: str, one: _Chosen, reason: str, listing: bool) -> None:
    text = f" with '{reason}' in status or reason" if reason else ""
    head = f"{name}, {one.level.title}:"
    if not len(one):
        none = f"none of {one.failed}" if one.failed else "no"
        print(f"{head} {none} failed labels{text}")
        return
    print(f"{head} {'' if listing else 'retrying '}{len(one)} of {one.failed} failed labels{text}")
    _print_reasons("", one.failures.reasons())


def _print_reasons(word: str, reasons: dict[str, int]) -> None:
    print_table((), [(count, f"{word} {said}".strip()) for said, count in reasons.items()])


def _label_again(plan: Plan, one: _Chosen, store: Store, reason: str, machine: AnyMachine) -> LabelCounts:
    """Compute labels of a level on a cluster that is started for them."""
    from deploy.cluster import connect
    from deploy.fits import check_fits
    from deploy.machine import scratch_of
    from deploy.opening import Clusters
    from deploy.script import Work
    from tasks.labelling.calibrate import expected_cost_in
    from tasks.labelling.execution.dispatch import label_configurations, scratch_folder
    from tasks.progress import ProgressLine
    from tasks.run.needs import needs, with_scratch

    recipe = with_scratch(plan.recipe, scratch_of(machine))
    cost = expected_cost_in(store.labels, plan.nmer, one.level.labelling)
    work = Work(**needs(recipe, store.path, cost, "labelling", len(one.positions)))
    check_fits(machine, work)
    of_level = f" of {one.level.title}" if recipe.levels else ""
    with (
        store.writing(),
        Clusters(machine, work) as clusters,
        connect(clusters.scheduler()) as client,
        ProgressLine("labelling", len(one.positions), f"labels{of_level}") as progress,
    ):
        return label_configurations(
            one.level.labels(),
            one.positions,
            recipe.resources,
            store.labels,
            client,
            progress,
            scratch_folder(recipe.resources, store.path),
            retry=[reason],
        )
