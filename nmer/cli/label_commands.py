"""Commands about labels: protocols, label, retry."""

from __future__ import annotations

import sys
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, MaxCoreHours, Preset, RecipeName, StorePath, Yes, numbers_of
from nmer.cli.output import Column, print_json, print_rows, print_table
from nmer.cli.recipe_input import On, ProtocolName, checked_recipe, machine_of
from potentials.arrays import Floats
from potentials.errors import InputError

if TYPE_CHECKING:
    from deploy.machine import AnyMachine
    from tasks.labelling.execution.dispatch import LabelCounts
    from tasks.plan import Plan


def protocols(
    *,
    engines: Annotated[bool, Parameter(help="List the engines instead.")] = False,
    json: Json = False,
) -> int:
    """List the named protocols, whether each can run here, and what it needs if not.

    Examples
    --------
    nmer protocols
    nmer protocols --engines
    """
    from recipes.engines import ENGINES
    from recipes.protocols import protocols as named
    from tasks.labelling.engines.registry import new_engine

    programs = {name: new_engine(name) for name in ENGINES.names()}
    missing = {name: engine.available() for name, engine in programs.items()}
    if engines:
        return _print_engines(missing, json)
    rows: list[dict[str, Any]] = []
    for name, (title, labelling) in named().items():
        needs = missing[labelling.engine] or programs[labelling.engine].lacks(labelling.method)
        row = {"name": name, "title": title, "engine": labelling.engine, "level": labelling.level}
        rows.append(row | {"runs_here": needs is None, "needs": needs or ""})
    if json:
        return print_json(rows)
    print_rows(rows, {"name": "name", "engine": "engine", "runs here": "runs_here", "level of theory": "level"})
    for engine, needs in sorted({(r["engine"], r["needs"]) for r in rows if not r["runs_here"]}):
        print(f"{engine} {needs}")
    return 0


def _print_engines(missing: dict[str, str | None], json: bool) -> int:
    from recipes.engines import engine_table

    rows = [row | {"runs here": "no" if missing[row["engine"]] else "yes"} for row in engine_table()]
    if json:
        return print_json(rows)
    print_rows(rows, {column: column for column in ("engine", "runs here", "methods", "what it is")})
    for name, needs in missing.items():
        if needs:
            print(f"{name} {needs}")
    return 0


def label(
    file: Path,
    *,
    recipe: str | None = None,
    preset: Preset = None,
    protocol: ProtocolName = None,
    fragments: str = "",
    charges: Annotated[str, Parameter(allow_leading_hyphen=True)] = "",
    timeout: float | None = None,
    memory: float | None = None,
    yes: Yes = False,
    max_core_hours: MaxCoreHours = None,
    json: Json = False,
) -> int:
    """Label the configurations of an xyz file: total energies of the sub-calculations, and n-body energies.

    Nothing is stored: use `nmer run` for the labels of a recipe. The energy of a single molecule is its total
    energy; that of a covalent n-mer is not relative to a minimum.

    Parameters
    ----------
    file
        An xyz or extended xyz file, Angstrom, with one configuration or many.
    recipe
        Recipe that gives fragments, charges, caps, and protocol.
    fragments
        Without a recipe: number of atoms of each fragment, for example 5,3.
    charges
        Without a recipe: charge of each fragment (e), for example 0,-1; default: all 0.
    timeout
        Wall time of one label (s); default: 36000.
    memory
        Memory of one label (GiB); default: the recipe's, or 8.

    Examples
    --------
    nmer label dimers.xyz --recipe ch3-water --preset smoke
    nmer label dimers.xyz --fragments 5,3 --protocol fno-aug-cc-pvdz
    """
    from recipes.load import load_recipe
    from recipes.protocols import find_protocol, with_protocol
    from tasks.labelling.by_hand import label_by_hand, read_configurations, read_configurations_of
    from tasks.progress import ProgressLine
    from tasks.run.checks import check_configurations
    from tasks.run.costs import check_consent, cost_by_hand, cost_limit

    if any(not 0 < limit < inf for limit in (timeout, memory) if limit is not None):
        raise InputError("--timeout (s) and --memory (GiB) must be above 0 and finite")

    def show(note: str) -> None:
        print(f"note: {note}", file=sys.stderr)

    if recipe is not None:
        if fragments or charges:
            raise InputError("--recipe gives fragments and charges; leave out --fragments and --charges")
        loaded = with_protocol(load_recipe(recipe, preset), protocol)
        labelling, memory = loaded.labelling, memory or loaded.resources.label_memory
        configurations = read_configurations_of(file, loaded.build_nmer(), show)
    else:
        if preset is not None:
            raise InputError("--preset needs --recipe; give both")
        if protocol is None or not fragments:
            raise InputError("give --recipe RECIPE, or both --fragments, for example 5,3, and --protocol")
        labelling = find_protocol(protocol)
        sizes, each = numbers_of("--fragments", fragments), numbers_of("--charges", charges)
        configurations = read_configurations(file, sizes, each, show)
    timeout, memory = timeout or 36_000.0, memory or 8.0
    check_configurations(file, configurations)
    what = f"labelling the {len(configurations)} configurations of '{file}'"
    check_consent(what, cost_by_hand(configurations, labelling), cost_limit(max_core_hours), preset, yes)
    found: list[dict[str, Any]] = []
    with ProgressLine("labelling", len(configurations), "labels") as progress:
        for one in label_by_hand(configurations, labelling, timeout, memory):
            found.append(one)
            failed = sum(o["nbody_energy"] is None for o in found)
            progress.update(len(found) - failed, failed)
    code = 0 if all(one["nbody_energy"] is not None for one in found) else 1
    if json:
        return print_json(found, code)
    print(f"{labelling.level}, {file}")
    for one in found:
        _print_label(one)
    return code


def _print_label(one: dict[str, Any]) -> None:
    energy = one["nbody_energy"]
    value = "no energy" if energy is None else f"{energy:.5f} kcal/mol ({one['nbody_energy_hartree']:.9f} Eh)"
    print(f"configuration {one['configuration']}: {value}, {one['status']}, {one['cpu_seconds']:.1f} CPU-s")
    if one["reason"]:
        print(f"  {one['reason']}")
    columns: dict[str, Column] = {"  sub-calculation": lambda r: f"  {r['name']}", "factor": "coefficient:+d"}
    columns |= {"energy (Eh)": "energy:.9f", "T1": "t1:.4f", "D1": "d1:.4f", "|t2|": "t2:.4f"}
    print_rows(one["parts"], columns | {"CPU-s": lambda r: f"{r['cpu_seconds'] or 0.0:.1f}"})


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

    --reason selects the labels whose status (failed, timeout, out-of-memory) or reason contains the text. After
    that `nmer run` makes a new dataset with the labels that have succeeded.

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
    result: dict[str, Any] = {"recipe": loaded.name, "protocol": loaded.labelling.level}
    result |= {"failed": len(failures), "chosen": chosen.reasons()}
    if not json:
        _print_chosen(result, reason, listing)
    if listing or not chosen.messages:
        return print_json(result) if json else 0
    cost = cost_of_labels(len(chosen), label_cost_now(plan, opened))
    check_consent(f"retrying {len(chosen)} labels of {loaded.name}", cost, limit, preset, yes)
    places = [place for place, i in enumerate(ids) if i in chosen.messages]
    counts = _label_again(plan, opened.path, positions[places], reason, machine)
    result |= {"ok": counts.ok, "failed_again": counts.failed, "missing": counts.missing}
    code = 0 if counts.ok == len(chosen) else 1
    if json:
        return print_json(result, code)
    print(f"{counts.ok} of {len(chosen)} are ok now")
    _print_reasons("again", counts.failed)
    if counts.missing:
        print(f"{counts.missing} were not computed; retry them")
    if counts.ok:
        print("nmer run makes a new dataset with them")
    return code


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
    print_table((), [(count, f"{word} {said}".strip()) for said, count in reasons.items()])


def _label_again(plan: Plan, path: Path, positions: Floats, reason: str, machine: AnyMachine) -> LabelCounts:
    """Compute labels on a cluster that is started for them."""
    from deploy.cluster import connect
    from deploy.fits import check_fits
    from deploy.machine import scratch_of
    from deploy.opening import Clusters
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
