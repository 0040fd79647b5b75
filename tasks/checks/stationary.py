"""Stationary points of alanine dipeptide: minima, maxima and the lowest pass, on the surface of each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from potentials.arrays import Floats
from potentials.errors import StageError
from storage.version import Column
from tasks.checks.columns import FORCE_FIELDS, SUM, ForceFields
from tasks.checks.dipeptide import PHI, PSI, dipeptide
from tasks.checks.interface import Check, Findings, Options, Result, Told
from tasks.checks.internal import difference, torsions
from tasks.checks.landmarks import MAXIMA, MINIMA, Landmark, landmarks, near_point, seconds_of_landmarks
from tasks.checks.models import REFERENCE, Model, compared_models, look
from tasks.checks.ramachandran import Step, applies
from tasks.checks.reference import CHEAP, own_error, reference, reference_name
from tasks.checks.relaxed_grid import relaxed_grid
from tasks.checks.subject import Subject
from tasks.plot import Plot
from tasks.xtb import TBLITE


class StationaryOptions(Options):
    """Options of the check."""

    step: Step = Field(10, ge=5, le=90, description="spacing of the grid that points are located on (degrees)")
    reference: Annotated[str, AfterValidator(reference_name)] = Field(
        CHEAP, description="protocol of the reference energies, at the points of GFN2-xTB"
    )
    force_fields: ForceFields = FORCE_FIELDS

    @classmethod
    def quick(cls) -> dict[str, Any]:
        """Return the options of a coarse grid, on which fewer points are found."""
        return {"step": 60}


@dataclass
class _Found:
    """What a model has at the points of the reference.

    Attributes
    ----------
    angles
        (points, 2), phi and psi of its own points, degrees; nan where it has none.
    own
        (points,), energies of its own points, kcal/mol; nan where it has none.
    there
        (points,), energies at the reference's geometries, kcal/mol.
    """

    angles: Floats
    own: Floats
    there: Floats
    lost: list[str] = field(default_factory=list)


def measure(subject: Subject, options: StationaryOptions, told: Told) -> Findings:
    """Return the points of the reference with those that the sum and the force fields have near them.

    Raises
    ------
    InputError
        If potentials or programs are missing.
    StageError
        If energies of the reference failed.
    """
    molecule, relaxing, against = dipeptide(), reference(), reference(options.reference, subject.store)
    relaxing.check(molecule)
    against.check(molecule)
    models, notes = compared_models(subject, molecule, options.force_fields)
    points = landmarks(relaxing, options.step, subject.store, told)
    energy = np.array([one.point.energy for one in points])
    if not against.has_gradients:
        energy = against.energies(molecule, np.array([one.point.positions for one in points]), told)
        if failed := int(np.isnan(energy).sum()):
            raise StageError(f"{against.name}: {failed} of {len(energy)} energies failed; see the label ledger")
        others = np.array([one.name != "m1" for one in points])
        cheap = relative(np.array([one.point.energy for one in points]), points)
        error = _mean(np.abs(cheap - relative(energy, points))[others])
        notes += [] if error is None else [own_error(relaxing.name, against.name, "mean absolute error", error)]
    found = {}
    for number, model in enumerate(models):
        told(number, len(models))
        found[model.key] = _of_model(model, points)
        notes += found[model.key].lost
    told(len(models), len(models))
    notes += _notes(points, relaxing.name, options.step)
    grid = relaxed_grid(relaxing, options.step, subject.store)
    surface = {"phi": grid.phi, "psi": grid.psi, "energy": grid.energy - grid.energy.min()}
    return Findings(
        tuple(one for model in models for one in _results(model, points, energy, found[model.key])),
        {
            **{
                f"surface.{name}": Column(
                    values, unit, f"{name} of each point of the grid, (points,)", relaxing.name
                )
                for (name, values), unit in zip(surface.items(), ("degree", "degree", "kcal/mol"), strict=True)
            },
            **_columns(points, energy, against.name, models, found),
        },
        {
            "reference": against.name,
            "geometries": relaxing.name,
            "models": {model.key: model.name for model in models},
        },
        tuple(notes),
    )


def _of_model(model: Model, points: Sequence[Landmark]) -> _Found:
    there = np.asarray(model.evaluate(np.array([one.point.positions for one in points]))[0])
    found = _Found(np.full((len(points), 2), np.nan), np.full(len(points), np.nan), there)
    for n, one in enumerate(points):
        try:
            own = near_point(model, one.point.positions, one.index)
        except StageError as error:
            found.lost.append(f"{model.name} has no {one.name} near that of the reference: {error}")
            continue
        found.angles[n], found.own[n] = torsions(own.positions, [PHI, PSI]), own.energy
    return found


def _notes(points: Sequence[Landmark], name: str, step: int) -> list[str]:
    notes = [
        f"The points are located on the surface of {name} relaxed at held torsions, on a grid of {step} degrees, "
        "and refined in all coordinates: m1 to m4 are the lowest minima, M1 to M3 the highest maxima, each in "
        "ascending order, and X is the lowest pass from m1 to the lowest minimum with positive phi. The papers' "
        "own coordinates of the points that they call so were not at hand"
    ]
    names = {one.name for one in points}
    wanted = [*(f"m{n + 1}" for n in range(MINIMA)), *(f"M{n + 1}" for n in range(MAXIMA)), "X"]
    if missing := [one for one in wanted if one not in names]:
        notes.append(f"{name} has no {', '.join(missing)} on this grid")
    return notes


def relative(energy: Floats, points: Sequence[Landmark]) -> Floats:
    """Return energies above that of m1, kcal/mol; all nan without it."""
    return np.asarray(energy - energy[[one.name for one in points].index("m1")])


def _results(model: Model, points: Sequence[Landmark], energy: Floats, found: _Found) -> list[Result]:
    start, of = ("", "") if model.key == SUM else (f"{model.key}-", f" of {model.name}")
    expected = relative(energy, points)
    error = relative(found.own, points) - expected
    there = relative(found.there, points) - expected
    turned = np.abs(difference(found.angles, np.array([one.angles for one in points]))).max(axis=1)
    others = np.array([one.name != "m1" for one in points])
    results = [
        Result(
            f"{start}energy-error",
            f"mean absolute error{of} of energies above m1, each model at its own points (kcal/mol)",
            _mean(np.abs(error[others])),
        ),
        Result(
            f"{start}energy-error-same-geometries",
            f"mean absolute error{of} of energies above m1, at the reference's geometries (kcal/mol)",
            _mean(np.abs(there[others])),
        ),
        Result(
            f"{start}torsion-error",
            f"largest deviation{of} of phi or psi at the stationary points (degrees)",
            float(np.nanmax(turned)) if np.isfinite(turned).any() else None,
        ),
        Result(
            f"{start}points-lost",
            f"stationary points of the reference that have none near them{of and f' on the surface{of}'}",
            float(np.isnan(found.own).sum()),
        ),
    ]
    return results


def _mean(values: Floats) -> float | None:
    return float(np.nanmean(values)) if np.isfinite(values).any() else None


def _columns(
    points: Sequence[Landmark], energy: Floats, name: str, models: Sequence[Model], found: Mapping[str, _Found]
) -> dict[str, Column]:
    angles = np.array([one.angles for one in points])
    columns = {
        "points.name": Column(tuple(one.name for one in points), "1", "name of each point, (points,)"),
        "points.reference_phi": Column(angles[:, 0], "degree", "phi of each point, (points,)", name),
        "points.reference_psi": Column(angles[:, 1], "degree", "psi of each point, (points,)", name),
        "points.reference_energy": Column(
            relative(energy, points), "kcal/mol", "energy above m1, (points,)", name
        ),
    }
    for model in models:
        own = found[model.key]
        for number, angle in enumerate(("phi", "psi")):
            columns[f"points.{model.key}_{angle}"] = Column(
                own.angles[:, number], "degree", f"{angle} of its own points, nan where it has none", model.name
            )
        columns[f"points.{model.key}_energy"] = Column(
            relative(own.own, points), "kcal/mol", "energy of its own points above its own m1", model.name
        )
        columns[f"points.{model.key}_energy_there"] = Column(
            relative(own.there, points), "kcal/mol", "energy at the reference's geometries above m1", model.name
        )
    return columns


def draw(findings: Findings) -> list[Plot]:
    """Return where the points are on the surface, and their energies."""
    from matplotlib.figure import Figure

    tables, names = findings.tables(), findings.facts["models"]
    table, surface = tables["points"], tables["surface"]
    figure = Figure(figsize=(8.6, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.1))
    side = round(len(surface["phi"].values) ** 0.5)
    ticks = np.append(np.unique(np.asarray(surface["phi"].values, dtype=np.float64)), 180.0)
    energy = np.pad(np.asarray(surface["energy"].values).reshape(side, side), ((0, 1), (0, 1)), mode="wrap").T
    left.contourf(ticks, ticks, energy, levels=np.linspace(0.0, 20.0, 21), cmap="Greys", alpha=0.6, extend="max")
    points = np.asarray(table["name"].values, dtype=str).tolist()
    place = np.arange(len(points))
    shown = {REFERENCE: findings.facts["reference"], **names}
    for number, (key, name) in enumerate(shown.items()):
        columns = (table[f"{key}_{one}"] for one in ("phi", "psi", "energy"))
        phi, psi, above = (np.asarray(column.values, dtype=np.float64) for column in columns)
        about: dict[str, Any] = {**look(key), "linestyle": "none", "markersize": 6, "label": name}
        if key != REFERENCE:
            about |= {"markerfacecolor": "none", "markeredgewidth": 1.5}
        left.plot(phi, psi, **about)
        right.plot(place + 0.16 * (number - (len(shown) - 1) / 2), above, **about)
    for n, name in enumerate(points):
        at = (float(table["reference_phi"].values[n]), float(table["reference_psi"].values[n]))
        left.annotate(name, at, textcoords="offset points", xytext=(6, 6), fontsize=9, fontweight="bold")
    left.set(xlim=(-180, 180), ylim=(-180, 180), xlabel="phi (degrees)", ylabel="psi (degrees)", aspect="equal")
    left.set(xticks=range(-180, 181, 90), yticks=range(-180, 181, 90))
    left.set_title(f"surface of {findings.facts['geometries']}", fontsize=10)
    right.set(xticks=place, xticklabels=points, ylabel="energy above m1 (kcal/mol)")
    right.grid(axis="y", alpha=0.3)
    right.legend(fontsize=8)
    units = {"1": "", "degree": "_degrees", "kcal/mol": "_kcal_per_mol"}
    head = [name + units[column.unit] for name, column in table.items()]
    rows = zip(*(column.values for column in table.values()), strict=True)
    return [Plot.of("stationary-points", figure, head, ([_text(value) for value in row] for row in rows))]


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | bytes | np.str_) else f"{value:.6g}"


def seconds(subject: Subject, options: StationaryOptions) -> float:
    """Return the expected time: of the surface and the points, and of energies by another protocol."""
    against = reference(options.reference, subject.store)
    more = 0.0 if against.has_gradients else against.seconds(dipeptide(), MINIMA + MAXIMA + 1)
    return 10.0 + seconds_of_landmarks(reference(), options.step, subject.store) + more


CHECK = Check(
    name="stationary-points",
    title="minima, maxima and the lowest pass of alanine dipeptide",
    meaning="Stationary points of the reference's surface are compared with those that the sum and the force "
    "fields have near them: where they are, and how high. Wrong energies of minima give wrong populations, and a "
    "wrong pass gives wrong rates. Points that only the sum has are not searched for.",
    measure=measure,
    draw=draw,
    applies=applies,
    options=StationaryOptions,
    seconds=seconds,
    order=21,
    needs=(TBLITE,),
    papers=("gfn2-xtb",),
)
