"""Progress of the stages on Prefect's pages: the counts of the progress lines, now and then, beside the work."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.logging import get_run_logger

from flows.server import few_retries
from recipes.schema.recipe import Recipe
from recipes.stages import STAGES
from tasks.progress import ProgressLine

INTERVAL = 10.0
"""Seconds between updates."""

PATIENCE = 5.0
"""Seconds that the last update may delay a stage; without a server it would be minutes."""


@contextmanager
def show_progress(recipe: Recipe, line: ProgressLine) -> Iterator[None]:
    """Keep a progress artifact up to date with a stage's progress line; one artifact a stage.

    Parameters
    ----------
    recipe
        The recipe.
    line
        The line; it lives as long as this context.
    """
    if line.stage not in STAGES:
        yield
        return
    with show_line(f"nmer-{recipe.name}", line):
        yield


@contextmanager
def show_line(name: str, line: ProgressLine) -> Iterator[None]:
    """Keep a progress artifact up to date with a progress line; its key is a name with that of the line.

    A separate thread reads the line and sends it to the server, so that neither can delay or fail the work.

    Parameters
    ----------
    name
        Beginning of the artifact's key: lowercase letters, digits and dashes.
    line
        The line; it lives as long as this context.
    """
    ended = threading.Event()
    context = copy_context()  # it says which run and task the artifact belongs to
    key = f"{name}-{re.sub('[^a-z0-9]+', '-', line.stage.lower()).strip('-')}"
    page = threading.Thread(target=context.run, args=(_follow, key, line, ended), daemon=True)
    page.start()
    try:
        yield
    finally:
        ended.set()
        page.join(PATIENCE)


def _follow(key: str, line: ProgressLine, ended: threading.Event) -> None:
    """Show a line's counts until it has ended; a failure is logged once, and the next update is tried."""
    artifact, told, last = None, False, False
    while True:
        try:
            with few_retries():
                artifact = _show(line, key, artifact)
        except Exception as error:  # the client's errors differ with what is wrong with the server
            if not told:
                what = " ".join(str(error).split()) or type(error).__name__
                get_run_logger().warning("the progress of %s is not shown: %s", line.stage, what)
            told = True
        if last:
            return
        last = ended.wait(INTERVAL)


def _show(line: ProgressLine, key: str, artifact: UUID | None) -> UUID:
    """Send a line's counts, and return the artifact that has them."""
    share = min((line.done + line.failed) / line.total, 1.0) if line.total else 1.0
    text = " ".join(line.line().split())
    if artifact is None:
        made = create_progress_artifact(round(100 * share, 1), key, text)
    else:
        made = update_progress_artifact(artifact, round(100 * share, 1), text)
    return cast(UUID, made)  # a coroutine only where an event loop runs
