"""What a run shows on Prefect's pages: its settings, and at its end the errors, the gates, and the plot."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect.artifacts import create_image_artifact, create_link_artifact, create_markdown_artifact
from prefect.logging import get_run_logger

from deploy.dashboard import print_dashboard
from flows.server import few_retries
from recipes.schema.recipe import Recipe
from storage.store import Store
from storage.version import package_versions
from tasks.plan import Plan
from tasks.run.state import failed_gates, outcome

LARGEST = 200_000
"""Bytes of a plot that goes into Prefect's database; each run brings one."""


def log_start(recipe: Recipe, path: Path) -> None:
    """Write to the run's log which recipe is trained, by which nmer, and where."""
    version = package_versions("nmer")["nmer"]
    get_run_logger().info("nmer %s: %s, preset %s, store %s", version, recipe.name, recipe.preset or "none", path)


def log_stage(recipe: Recipe, stage: str, key: str, seconds: float) -> None:
    """Write to the run's log that a stage is complete."""
    get_run_logger().info("%s: %s is complete, key %s, %.1f s", recipe.name, stage, key[:12], seconds)


def show_dashboard(recipe: Recipe, link: str) -> None:
    """Show the address of Dask's dashboard, in the terminal and on the run's page; it ends with the cluster."""
    print_dashboard(link)
    leave(create_link_artifact, link=link, key=f"nmer-{recipe.name}-dashboard", description="Dask's dashboard")


def show_outcome(plan: Plan, path: Path, until: str) -> None:
    """Store a run's outcome as artifacts, with the parity plot and the path of the report of a potential.

    The artifacts' keys depend only on the recipe, so that Prefect keeps the history of each.

    Parameters
    ----------
    plan
        The recipe's plan.
    path
        Folder of the store.
    until
        The last stage that ran.
    """
    recipe, result = plan.recipe, outcome(plan, Store(path), until)
    key, about = f"nmer-{recipe.name}", f"{recipe.name}, preset {recipe.preset or 'none'}"
    leave(create_markdown_artifact, markdown=outcome_markdown(result), key=key, description=about)
    if "report" not in result:
        return
    report, potential = Path(result["report"]).resolve(), f"{result['potential']}, {about}"
    plot = base64.b64encode(report.with_name("parity.png").read_bytes()).decode()
    if len(plot) <= LARGEST:
        address = f"data:image/png;base64,{plot}"
        leave(create_image_artifact, image_url=address, key=f"{key}-correlation", description=potential)
    leave(
        create_link_artifact,
        link=report.as_uri(),
        link_text=str(report),
        key=f"{key}-report",
        description=potential,
    )


def leave(create: Callable[..., Any], **what: Any) -> None:
    """Store an artifact, or log that the server did not accept it; a run does not fail for that."""
    try:
        with few_retries():
            create(**what)
    except Exception as error:  # the client's errors differ with what is wrong with the server
        get_run_logger().warning("artifact %s is not shown: %s", what["key"], " ".join(str(error).split()))


def outcome_markdown(result: dict[str, Any]) -> str:
    """Return what `nmer run --json` prints as a page: stages, errors, gates, notes."""
    lines = ["| stage | done | failed | version |", "|---|---|---|---|"]
    for stage in result["stages"]:
        lines.append(f"| {stage['stage']} | {stage['done']} | {stage['failed']} | {stage['version'] or '-'} |")
    if "potential" in result:
        lines += ["", f"**{result['potential']}**: {result.get('status', 'candidate')}, {result['terms']} terms"]
    if "train" in result:
        lines += ["", "| kcal/mol | configurations | RMSD | MAE | largest |", "|---|---|---|---|---|"]
        for part in ("train", "test"):
            e = result[part]
            lines.append(f"| {part} | {e['count']} | {e['rmsd']:.4f} | {e['mae']:.4f} | {e['largest']:.4f} |")
    lines += [f"- {line}" for line in failed_gates(result)]
    lines += [f"- {warning}" for warning in result.get("warnings", [])]
    if "report" in result:
        lines += ["", f"Report: `{result['report']}`"]
    return "\n".join(lines) + "\n"
