"""Commands about machines and deployments on them: machines, deploy."""

from __future__ import annotations

import shlex
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, MaxCoreHours, Preset, StorePath, Yes
from nmer.cli.output import print_json, print_rows
from nmer.cli.recipe_input import On, ProtocolName, checked_recipe, machine_of
from potentials.errors import InputError
from recipes.families import FAMILIES
from recipes.families import family as members_of
from recipes.stages import PARTS, STAGES, PartName


def machines(*, json: Json = False) -> int:
    """List the machines for --on, whether each can be used from here, and what it needs if not.

    Put profiles of your own into ~/.config/nmer/machines, or the folder in NMER_MACHINES.

    Examples
    --------
    nmer machines
    """
    from deploy.machine import describe
    from deploy.needs import what_is_missing
    from deploy.profiles import machine_files, read_machine

    rows: list[dict[str, Any]] = []
    for name, path in machine_files().items():
        try:
            machine = read_machine(path)
        except InputError as error:
            row = {"system": "?", "title": "", "size": "", "needs": f"has an invalid profile: {error}"}
        else:
            missing = what_is_missing(machine) or ""
            row = {"system": machine.system, "title": machine.title, "size": describe(machine), "needs": missing}
        rows.append({"name": name, **row, "runs_here": not row["needs"], "file": str(path)})
    if json:
        return print_json(rows)
    print_rows(rows, {"machine": "name", "runs here": "runs_here", "size": "size", "what": "title"})
    for row in rows:
        if row["needs"]:
            print(f"{row['name']} {row['needs']}")
    return 0


def deploy(
    *recipes: str,
    family: Annotated[
        list[str] | None, Parameter(name="--all", help=f"A family as one deployment: {', '.join(FAMILIES)}.")
    ] = None,
    check: Annotated[
        list[str] | None,
        Parameter(help="The gates and checks of a family as one deployment: --check polyalanine."),
    ] = None,
    preset: Preset = None,
    protocol: ProtocolName = None,
    only: PartName | None = None,
    on: On = "local",
    pool: str = "nmer",
    cron: str | None = None,
    file: Path = Path("prefect.yaml"),
    file_only: bool = False,
    yes: Yes = False,
    max_core_hours: MaxCoreHours = None,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Write Prefect deployments of recipes into prefect.yaml, and register them with your Prefect server.

    Then start a worker with 'prefect worker start --pool nmer', and a run with 'prefect deployment run
    train-nmer/ch3-water-smoke' or on Prefect's pages.

    Parameters
    ----------
    recipes
        Names of shipped recipes, or paths of TOML files.
    only
        Deploy only this part instead of all stages.
    pool
        Prefect work pool, of type process; created if missing.
    cron
        When to run, for example "0 20 * * 5"; default: on request.
    file
        The file; its other deployments and your changes are kept.
    file_only
        Write the file without registering it.

    Examples
    --------
    nmer deploy ch3-water conh --preset smoke --store /data/nmer-store
    nmer deploy --check polyalanine --store /data/nmer-store
    """
    from deploy.environment import set_prefect_defaults

    if not recipes and not family and not check:
        raise InputError(f"give recipes, or --all or --check and a family ({', '.join(FAMILIES)})")
    if only and (family or check):
        raise InputError("--only runs one part of one recipe; leave out --all and --check")
    for name in check or ():
        members_of(name)
    if cron is not None and len(cron.split()) != 5:
        raise InputError(f'--cron is "{cron}"; allowed: five fields, for example "0 20 * * 5"')
    set_prefect_defaults()
    from flows.deployments import (
        CHECK,
        FAMILY,
        Plan,
        check_server,
        make_pool,
        of_checks,
        of_family,
        of_recipe,
        register,
        updated_file,
    )
    from storage.durable import write_text
    from tasks.plan import resolve
    from tasks.run.costs import CostLeft, check_consent, cost_left, cost_limit
    from tasks.run.state import open_store

    settings: dict[str, Any] = {"store": str(Path(store).absolute())} if store else {}
    machine, known = machine_of(on), open_store(store)
    if on != "local":
        settings["machine"] = machine.model_dump(mode="json")
    plan = Plan(pool, settings, cron, only)
    number, limit = version("nmer"), cost_limit(max_core_hours, machine.max_core_hours)
    since, until = (PARTS[only].first, PARTS[only].last) if only else (STAGES[0], STAGES[-1])
    checked = partial(checked_recipe, preset=preset, protocol=protocol, until=until, here=False)
    singles = [checked(name) for name in recipes]
    families = {name: [checked(member) for member in members_of(name)] for name in family or []}
    found = [of_recipe(recipe, plan, number) for recipe in singles]
    found += [of_family(name, members, plan, number) for name, members in families.items()]
    found += [of_checks(name, plan, number) for name in check or ()]
    names = [str(one["name"]) for one in found]
    text = updated_file(_text_of(file), found, str(file), schedule=cron is not None)
    if not file_only:
        check_server()
    for name, members in [(recipe.name, [recipe]) for recipe in singles] + list(families.items()):
        left = sum((cost_left(resolve(member, known), known, since, until) for member in members), CostLeft(0.0))
        check_consent(name, left, limit, preset, yes)
    if not file_only:
        make_pool(pool)  # first, so that nothing is written if no server answers
    try:
        write_text(file, text)
    except OSError as error:
        raise InputError(f"cannot write '{file}': {error.strerror}") from None
    if not file_only:
        register(file.absolute(), names)
    flows, one_nmer = {CHECK: "check-family", FAMILY: "train-family"}, f"{only or 'train'}-nmer"
    runs = [f"{flows.get(one['entrypoint'], one_nmer)}/{one['name']}" for one in found]
    if json:
        return print_json({"file": str(file), "pool": pool, "registered": not file_only, "deployments": runs})
    print(f"{', '.join(names)}: in {file}" + ("" if file_only else f", registered for pool {pool}"))
    print(f"start a worker: prefect worker start --pool {pool}")
    print("\n".join(f"run: prefect deployment run {shlex.quote(name)}" for name in runs))
    return 0


def _text_of(file: Path) -> str:
    """Return what is in the file, or nothing if it does not exist yet."""
    if not file.exists():
        return ""
    if not file.is_file():
        raise InputError(f"'{file}' is a folder; --file takes the path of a YAML file, for example prefect.yaml")
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"'{file}' cannot be read: {error}") from None
