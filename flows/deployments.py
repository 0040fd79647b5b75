"""Prefect deployments of recipes: the file ``prefect.yaml``, and registering them with a server.

A deployment's parameters are the recipe itself, so that Prefect checks them by the recipe's own schema and shows
every field. The file is YAML as Prefect reads it (YAML 1.1: ``1e-7`` would be a string there).
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import LiteralScalarString

from flows.names import tags_of
from potentials.errors import InputError, StageError, StoppedError
from recipes.schema.recipe import Recipe

FILE = "prefect.yaml"
ONE, FAMILY, CHECK = "flows.train.train_nmer", "flows.family.train_family", "flows.check.check_family"
"""Entrypoints: of all stages of a recipe, of a family, and of the gates and checks of a family."""

OURS = ("version", "description", "tags", "entrypoint", "parameters")
"""What is rewritten each time; everything else in an existing deployment is kept."""

PATIENCE = 600
"""Seconds that Prefect may take to register one file's deployments."""


@dataclass(frozen=True)
class Plan:
    """How deployments are to run.

    Attributes
    ----------
    pool
        Name of the work pool, of type process.
    settings
        Parameters of the flow besides the recipe, for example ``store`` and ``machine``.
    part
        One of `recipes.stages.PARTS`, to run it alone; None: all stages.
    cron
        When to run, five fields; None: on request.
    """

    pool: str = "nmer"
    settings: Mapping[str, Any] | None = None
    cron: str | None = None
    part: str | None = None


def of_recipe(recipe: Recipe, plan: Plan, version: str) -> dict[str, Any]:
    """Return the deployment of a recipe, as ``prefect.yaml`` has it."""
    entrypoint = f"flows.stages.{plan.part}" if plan.part else ONE
    about = {"description": recipe.title, "entrypoint": entrypoint, "parameters": {"recipe": _content(recipe)}}
    return _deployment(recipe.name, recipe.preset, about, plan, version)


def of_family(name: str, recipes: Sequence[Recipe], plan: Plan, version: str) -> dict[str, Any]:
    """Return the deployment of a family, as ``prefect.yaml`` has it.

    A deployment is known by its name alone: a family that is called like one of its recipes has a longer one.
    """
    parameters = {"name": name, "recipes": [_content(recipe) for recipe in recipes]}
    title = f"The {len(recipes)} n-mers of {name}, one after the other"
    about = {"description": title, "entrypoint": FAMILY, "parameters": parameters}
    own = f"{name}-family" if any(recipe.name == name for recipe in recipes) else name
    return _deployment(own, recipes[0].preset, about, plan, version) | {"tags": tags_of(name, recipes[0].preset)}


def of_checks(name: str, plan: Plan, version: str) -> dict[str, Any]:
    """Return the deployment of the gates and checks of a family, as ``prefect.yaml`` has it."""
    about = {"description": f"Gates and checks of the sum of {name}", "entrypoint": CHECK}
    settings = {key: value for key, value in (plan.settings or {}).items() if key == "store"}
    found = _deployment(
        f"check-{name}", None, about | {"parameters": {"name": name}}, replace(plan, part=None), version
    )
    return found | {
        "description": about["description"],
        "parameters": {"name": name} | settings,
        "tags": tags_of(name, None),
    }


def _deployment(name: str, preset: str | None, about: dict[str, Any], plan: Plan, version: str) -> dict[str, Any]:
    return {
        "name": "-".join(word for word in (name, preset, plan.part) if word),
        "version": version,
        "description": f"{about['description']}; preset {preset or 'none'}",
        "tags": tags_of(name, preset),
        "entrypoint": about["entrypoint"],
        "parameters": about["parameters"] | dict(plan.settings or {}),
        "work_pool": {"name": plan.pool},
        "concurrency_limit": 1,  # a store has one writer
        "schedules": [{"cron": plan.cron}] if plan.cron else [],
    }


def _content(recipe: Recipe) -> dict[str, Any]:
    found: dict[str, Any] = recipe.model_dump(mode="json", exclude_defaults=True)
    return found


def updated_file(
    text: str, deployments: Sequence[Mapping[str, Any]], source: str = FILE, schedule: bool = False
) -> str:
    """Return a ``prefect.yaml`` with some deployments added or brought up to date.

    In an existing deployment, the user's work pool, schedules, limits, and comments are kept.

    Parameters
    ----------
    text
        The file as it is; empty if there is none.
    deployments
        What `of_recipe` and `of_family` return.
    source
        The file's name, for the error.
    schedule
        Whether the schedules given replace those that are there.

    Raises
    ------
    InputError
        If the file is not one of Prefect's.
    """
    yaml = _yaml()
    try:
        whole = yaml.load(text) if text.strip() else {"name": "nmer", "pull": None, "deployments": []}
    except YAMLError as error:
        raise InputError(f"'{source}' is not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(whole, dict) or not isinstance(whole.get("deployments", []) or [], list):
        raise InputError(f"'{source}' is not a file of Prefect's: allowed is a table with a list 'deployments'")
    if not whole.get("deployments"):
        whole["deployments"] = []
    there = {entry.get("name"): entry for entry in whole["deployments"] if isinstance(entry, dict)}
    for deployment in deployments:
        entry = there.get(deployment["name"])
        if entry is None:
            whole["deployments"].append(_literal(dict(deployment)))
        else:
            for key in (*OURS, *(["schedules"] if schedule else [])):
                entry[key] = _literal(deployment[key])
    stream = io.StringIO()
    yaml.dump(whole, stream)
    return stream.getvalue()


def check_server() -> None:
    """Raise InputError if no Prefect server is set."""
    if not PREFECT_API_URL.value():
        raise InputError(
            "PREFECT_API_URL is not set: start 'prefect server start', set it to http://127.0.0.1:4200/api, and "
            "run this again; or give --file-only"
        )


def make_pool(name: str) -> None:
    """Make a work pool if the Prefect server does not have it yet.

    Raises
    ------
    InputError
        If no server is set.
    StageError
        If the server does not answer or refuses it.
    """
    check_server()
    try:
        with get_client(sync_client=True) as client:
            try:
                client.read_work_pool(name)
            except ObjectNotFound:
                client.create_work_pool(WorkPoolCreate(name=name, type="process"))
    except Exception as error:  # httpx and Prefect have many, which all mean the same here
        what = " ".join(str(error).split()) or type(error).__name__
        raise StoppedError(
            f"the Prefect server at {PREFECT_API_URL.value()} does not take deployments: {what}"
        ) from None


def register(file: Path, names: Sequence[str]) -> None:
    """Register deployments of a file with the Prefect server, which has their work pools.

    Parameters
    ----------
    file
        The ``prefect.yaml``.
    names
        Which of its deployments.

    Raises
    ------
    StageError
        If the server refuses them.
    """
    chosen = [word for name in names for word in ("--name", name)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--prefect-file", file.name, *chosen],
            cwd=file.parent,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise StoppedError(f"Prefect did not register the deployments within {PATIENCE} s") from None
    if done.returncode:
        said = " ".join((done.stderr.strip() or done.stdout.strip()).split())[-600:]
        raise StageError(f"'prefect deploy' failed: {said}")


def _yaml() -> YAML:
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 110
    yaml.representer.add_representer(float, _represent_float)
    yaml.representer.add_representer(type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null"))
    return yaml


def _represent_float(representer: Any, value: float) -> Any:
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return representer.represent_scalar("tag:yaml.org,2002:float", text)


def _literal(value: Any) -> Any:
    """Return the same with texts of several lines written as blocks."""
    if isinstance(value, Mapping):
        return {key: _literal(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_literal(one) for one in value]
    return LiteralScalarString(value) if isinstance(value, str) and "\n" in value else value
