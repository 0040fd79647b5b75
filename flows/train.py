"""The flow that trains one n-mer: sampling, selection, labelling, fitting, validation."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from deploy.machine import LocalMachine, Machine
from flows.names import run_name
from flows.stages import run_stages
from recipes.schema.recipe import Recipe
from recipes.stages import StageName


@flow(name="train-nmer", flow_run_name=run_name("train"))
def train_nmer(
    recipe: Recipe,
    store: Path | None = None,
    until: StageName = "validation",
    machine: Machine = LocalMachine(),  # noqa: B008 - it is immutable
) -> dict[str, str]:
    """Train one n-mer's potential; what the store has already is not made again.

    Parameters
    ----------
    recipe
        The recipe.
    store
        Folder of the store; by default ``NMER_STORE``, else ``nmer-store`` in the working directory.
    until
        The last stage to run.
    machine
        Where sampling, labels, and the fit are computed.

    Returns
    -------
    The key of what each stage made or found.

    Raises
    ------
    potentials.errors.StageError, potentials.errors.InputError
        See `flows.stages.run_stages`.
    """
    return run_stages(recipe, store, machine, until)
