"""The flow that trains a family of n-mers, one after the other in one store; others go on after one fails."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

from httpx import TransportError
from prefect import flow

from deploy.machine import LocalMachine, Machine
from flows.names import tagged
from flows.train import train_nmer
from recipes.schema.recipe import Recipe
from recipes.stages import StageName


@flow(name="train-family", flow_run_name="train {name}")
def train_family(
    name: str,
    recipes: list[Recipe],
    store: Path,
    until: StageName = "validation",
    machine: Machine = LocalMachine(),  # noqa: B008 - it is immutable
) -> dict[str, str]:
    """Train one n-mer after the other; what the store has already is not made again.

    Parameters
    ----------
    name
        Name of the family.
    recipes
        Its members.
    store
        Folder of the store.
    until
        The last stage to run.
    machine
        Where each is trained.

    Returns
    -------
    Why each member that failed did, by its name.

    Raises
    ------
    OSError
        If the disk is full: every other member would fail as well.
    httpx.TransportError
        If Prefect's server no longer answers: every other member would fail as well.
    """
    failures: dict[str, str] = {}
    for number, recipe in enumerate(recipes, start=1):
        print(f"{recipe.name}: {number} of {len(recipes)}", file=sys.stderr)
        try:
            with tagged(recipe.name, recipe.preset):
                train_nmer(recipe, store, until, machine)
        except Exception as error:  # whatever it is, the others can still be trained
            if isinstance(error, TransportError) or (
                isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            ):
                raise
            failures[recipe.name] = " ".join(str(error).split()) or type(error).__name__
            print(f"{recipe.name} failed: {failures[recipe.name]}", file=sys.stderr)
    return failures
