"""What runs are called on Prefect's pages, and the tags by which they are found there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from prefect import runtime, tags
from prefect.client.orchestration import get_client
from prefect.context import TagsContext
from prefect.tasks import Task

from flows.server import few_retries
from recipes.schema.recipe import Recipe

TAG = "nmer"
"""The tag of every nmer run."""


def title(recipe: Recipe) -> str:
    """Return what a recipe's runs are called: ``ch3-water smoke``."""
    return " ".join(word for word in (recipe.name, recipe.preset) if word)


def tags_of(name: str, preset: str | None) -> list[str]:
    """Return the tags of all runs of a recipe, or of a family."""
    return [TAG, name, *([preset] if preset else [])]


def tagged(name: str, preset: str | None) -> AbstractContextManager[Any]:
    """Return a context in which flows that begin have the tags of a recipe, or of a family."""
    return tags(*tags_of(name, preset))


def run_name(verb: str) -> Callable[[], str]:
    """Return what names a flow's run after the recipe in its parameters, as in ``train ch3-water smoke``."""
    return lambda: f"{verb} {title(runtime.flow_run.parameters['recipe'])}"


def run_stage(task: Task[..., str], recipe: Recipe, *arguments: Any) -> str:
    """Run a stage's task under the run's name, as in ``labelling ch3-water smoke``, and with the stage as a tag.

    Prefect asks the server whether a task's tags are limited, and fails the task if it does not answer. A stage
    that finds the server gone therefore runs without tags.

    Parameters
    ----------
    task
        The task.
    recipe
        What is run, for the name and the tags.
    arguments
        The arguments of the task.

    Returns
    -------
    What the task returns, the key of what the stage made or found.
    """
    with few_retries():
        gone = get_client(sync_client=True).api_healthcheck() is not None
    known = set() if gone else {*tags_of(recipe.name, recipe.preset), task.name}
    with TagsContext(current_tags=known):
        return task.with_options(task_run_name=f"{task.name} {title(recipe)}")(*arguments)
