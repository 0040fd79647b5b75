"""What nmer show prints of a potential of the store: its errors, its levels, and warnings of the fit."""

from __future__ import annotations

from typing import Any

from nmer.cli.output import print_json, print_rows
from potentials.errors import InputError


def show_potential(ref: str, store: str | None, json: bool) -> int:
    """Print a potential of the store.

    Parameters
    ----------
    ref
        ``ch3-water@1`` or another name of a version.
    store
        Folder of the store; None: the usual one.
    json
        Whether JSON is printed.

    Raises
    ------
    InputError
        If the store does not have it, or it is no potential.
    """
    from storage.store import Store
    from tasks.validation.report import level_rows

    opened = Store(store)
    version = opened.resolve(ref)
    if version.kind != "potential":
        raise InputError(f"'{ref}' is a {version.kind}; allowed: a potential, such as NAME@NUMBER, or a recipe")
    potential, facts, verdict = opened.potential(ref), version.attributes()["facts"], opened.verdict(version)
    judged = {} if verdict is None else verdict.attributes()["facts"]
    levels, warnings = level_rows(facts.get("levels", ())), facts.get("warnings", ())
    if json:
        found: dict[str, Any] = {"ref": version.ref, "key": version.key, "status": potential.status}
        found |= {"terms": len(potential.coefficients), "train": judged.get("train"), "test": judged.get("test")}
        return print_json(found | {"levels": levels, "warnings": list(warnings)})
    print(potential)
    if levels:
        print("\nlevels: labels with CPU-hours, rms of what is fitted, and errors of each fit (kcal/mol)")
        figures = {"rms": "rms:.4f", "RMSD": "train_rmsd:.4f", "held back": "validation:.4f"}
        counts = {"training": "train", "test": "test", "CPU-h": "cpu_hours:.2f", "terms": "terms"}
        print_rows(levels, {"level": "what", **counts, **figures, "test RMSD": "test_rmsd:.4f"})
    for warning in warnings:
        print(f"note: {warning}")
    return 0
