"""What a run shows on Prefect's pages: where it is, and at its end the errors and the gates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger

from flows.state import outcome
from recipes.schema import Recipe
from storage.store import Store
from storage.version import package_versions


def log_start(recipe: Recipe, path: Path) -> None:
    """Write to the run's log which recipe is trained, by which nmer, and where."""
    version = package_versions("nmer")["nmer"]
    get_run_logger().info("nmer %s: %s, preset %s, store %s", version, recipe.name, recipe.preset or "none", path)


def log_stage(recipe: Recipe, stage: str, key: str, seconds: float) -> None:
    """Write to the run's log that a stage is complete."""
    get_run_logger().info("%s: %s is complete, key %s, %.1f s", recipe.name, stage, key[:12], seconds)


def show_outcome(recipe: Recipe, path: Path, until: str) -> None:
    """Leave the outcome of a run as an artifact; its key follows the recipe, so that Prefect keeps its history.

    Parameters
    ----------
    recipe
        The recipe.
    path
        Folder of the store.
    until
        The last stage that ran.
    """
    create_markdown_artifact(
        markdown=outcome_markdown(outcome(recipe, Store(path), until)),
        key=f"nmer-{recipe.name}".lower(),
        description=f"{recipe.name}, preset {recipe.preset or 'none'}",
    )


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
    lines += [
        f"- gate not passed: {gate['meaning']} is {gate['value']:.3g}, the limit is {gate['limit']:.3g}"
        for gate in result.get("gates", [])
        if not gate["passed"]
    ]
    lines += [f"- {warning}" for warning in result.get("warnings", [])]
    if "report" in result:
        lines += ["", f"Report: `{result['report']}`"]
    return "\n".join(lines) + "\n"
