"""Checks in files outside of the project, for tests of what runs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recipes.registry import PLUGINS
from tasks.checks.interface import CHECKS

PLUGIN = '''
"""Energies of distorted geometries."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from pydantic import Field

from potentials.errors import StageError
from recipes.registry import Need
from storage.version import Column
from tasks.checks.interface import Check, Findings, Options, Result
from tasks.plot import Plot


class SpreadOptions(Options):
    points: int = Field(6, ge=2, le=100, description="number of geometries of each molecule")
    spread: float = Field(0.02, gt=0, description="standard deviation of the coordinates (A)")

    @classmethod
    def quick(cls):
        return {"points": 2}


def measure(subject, options, told):
    with Path("RUNS").open("a") as file:
        file.write("NAME\\n")
    rng = np.random.default_rng(1)
    energies, names = [], []
    for number, (name, system) in enumerate(subject.systems().items()):
        told(number, len(subject.systems()))
        moved = system.positions + options.spread * rng.normal(size=(options.points, *system.positions.shape))
        energies += list(subject.sum_of(name).energy(moved))
        names += [name] * options.points
    if FAILS:
        raise StageError("it did not converge; use a smaller step")
    figures = [
        Result("largest", "largest energy (kcal/mol)", max(energies), LIMIT, advice="sample ch"),
        Result("mean", "mean energy (kcal/mol)", np.mean(energies)),
        Result("unknown", "what is not known (kcal/mol)", None),
    ]
    columns = {
        "energies.molecule": Column(tuple(names), "1", "molecule"),
        "energies.energy": Column(np.array(energies), "kcal/mol", "energy", "the sum"),
        "energies.point-number": Column(np.arange(len(names)), "1", "number"),
        "positions": Column(moved, "Angstrom", "of the last molecule"),
    }
    return Findings(figures, columns, {"points": np.int64(options.points)}, ("a note of the check",))


def draw(findings):
    figure = Figure()
    axes = figure.subplots()
    axes.plot(findings.data["energies.energy"].values)
    axes.set(xlabel="geometry", ylabel="energy (kcal/mol)", title=f"{findings.facts['points']} points")
    rows = [[value] for value in findings.data["energies.energy"].values]
    return [Plot.of("energies", figure, ["energy (kcal/mol)"], rows)]


CHECK = Check(
    "NAME",
    "Energies of distorted geometries",
    "They show that a sum can be evaluated, and tell nothing of its errors.",
    measure,
    draw,
    applies=lambda subject: "WHY",
    options=SpreadOptions,
    gate=GATE,
    seconds=lambda subject, options: 0.5 * options.points,
    order=ORDER,
    needs=NEEDS,
    papers=("pip",),
)
'''


def plug(
    patch: pytest.MonkeyPatch,
    folder: Path,
    *,
    gate: bool = True,
    limit: float | None = 1e5,
    name: str = "spread",
    why: str = "",
    fails: bool = False,
    needs: str = "()",
    order: int = 0,
) -> Path:
    """Add a check, beside those that were added so far and no others; return a file with a line a measurement.

    Parameters
    ----------
    patch, folder
        For the environment, and a folder for the plugins.
    gate, limit, name, order
        Of the check and of its first figure.
    why, fails, needs
        Why it does not apply; whether it fails after the evaluation; what it needs, as Python.
    """
    folder.mkdir(exist_ok=True)
    runs = folder / "runs.txt"
    words = {"RUNS": runs, "NAME": name, "FAILS": fails, "LIMIT": limit, "WHY": why, "GATE": gate, "NEEDS": needs}
    text = PLUGIN.replace("ORDER", str(order))
    for word, value in words.items():
        text = text.replace(word, str(value))
    (folder / f"{folder.parent.name.replace('-', '_')}_{name.replace('-', '_')}.py").write_text(text)
    patch.setenv(PLUGINS, str(folder))
    patch.setattr(CHECKS, "_package", "recipes.physics")  # which declares none
    CHECKS.forget()
    return runs


@pytest.fixture
def registry() -> Iterator[None]:
    """Forget the checks of a test after it."""
    yield
    CHECKS.forget()
