"""Harmonic frequencies of alanine dipeptide at two minima: the sum and force fields against the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field
from scipy.optimize import linear_sum_assignment

from potentials.arrays import Bools, Floats
from potentials.errors import StageError
from storage.version import Column
from tasks.checks.columns import FORCE_FIELDS, SUM, ForceFields
from tasks.checks.dipeptide import dipeptide, masses
from tasks.checks.hessian import STEP, Stationary, hessian, rigid_frequencies
from tasks.checks.interface import Check, Findings, Options, Result, Told
from tasks.checks.landmarks import Landmark, landmarks, near_point, seconds_of_landmarks
from tasks.checks.models import REFERENCE, Model, compared_models, look, reference_model
from tasks.checks.ramachandran import Step, applies
from tasks.checks.reference import reference
from tasks.checks.subject import Subject
from tasks.plot import Plot
from tasks.sampling.force_fields.minimum import modes_of
from tasks.xtb import TBLITE


class FrequencyOptions(Options):
    """Options of the check."""

    step: Step = Field(10, ge=5, le=90, description="spacing of the grid that minima are located on (degrees)")
    minima: tuple[str, ...] = Field(("m1", "m4"), description="names of minima, see the check stationary-points")
    force_fields: ForceFields = FORCE_FIELDS

    @classmethod
    def quick(cls) -> dict[str, Any]:
        """Return the options of a coarse grid and of the lowest minimum."""
        return {"step": 60, "minima": ("m1",)}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Frequencies of a model beside the reference's at the same minimum.

    Attributes
    ----------
    ordered
        (modes,), the model's in ascending order, cm^-1.
    matched
        (modes,), the model's of the mode that is most like each of the reference's, cm^-1.
    overlap
        (modes,), the absolute overlap of these modes.
    """

    ordered: Floats
    matched: Floats
    overlap: Floats

    @property
    def alike(self) -> Bools:
        """(modes,), whether more than half of a mode is in that of the reference."""
        return np.asarray(self.overlap**2 > 0.5)


def compare(reference_point: Stationary, own: Stationary) -> Comparison:
    """Return the frequencies of a point beside those of the reference, by order and by the likeness of modes.

    Modes are compared after the geometries are superposed, weighted by mass; each is assigned to one of the
    reference's such that the squared overlaps add up to the most.
    """
    turn = _rotation(own.positions, reference_point.positions)
    first = reference_point.modes.vectors.reshape(len(reference_point.modes.curvature), -1)
    second = (own.modes.vectors @ turn).reshape(len(own.modes.curvature), -1)
    overlap = np.abs(first @ second.T)
    _, partner = linear_sum_assignment(-(overlap**2))
    frequencies = own.modes.wavenumbers
    return Comparison(frequencies, frequencies[partner], overlap[np.arange(len(partner)), partner])


def _rotation(x: Floats, onto: Floats) -> Floats:
    """Return the rotation matrix R with x R nearest to another geometry, weighted by mass (Kabsch 1976)."""
    weight = masses()[:, None]
    centred, target = (one - (weight * one).sum(axis=0) / weight.sum() for one in (x, onto))
    left, _, right = np.linalg.svd((weight * centred).T @ target)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    return np.asarray(left @ flip @ right)


def measure(subject: Subject, options: FrequencyOptions, told: Told) -> Findings:
    """Return the frequencies of each model at its own minima, started from the reference's.

    Raises
    ------
    InputError
        If potentials or programs are missing.
    StageError
        If the reference does not have a minimum.
    """
    molecule, relaxing = dipeptide(), reference()
    relaxing.check(molecule)
    models, notes = compared_models(subject, molecule, options.force_fields)
    points = {one.name: one for one in landmarks(relaxing, options.step, subject.store, told)}
    if missing := [name for name in options.minima if name not in points]:
        known = ", ".join(name for name, one in points.items() if one.index == 0)
        raise StageError(f"{relaxing.name} has no {', '.join(missing)} on this grid; it has {known}")
    results: list[Result] = []
    columns: dict[str, Column] = {}
    steps = len(options.minima) * (1 + len(models))
    for number, name in enumerate(options.minima):
        told(number * (1 + len(models)), steps)
        point = points[name]
        results += _soundness(reference_model(relaxing, molecule), point, name)
        compared: dict[str, Comparison] = {}
        for count, model in enumerate(models, 1):
            try:
                own = near_point(model, point.point.positions, 0)
            except StageError as error:
                notes.append(f"{model.name} has no {name} near that of the reference: {error}")
                results += _results(model, name, point.point.modes.wavenumbers, None)
                continue
            compared[model.key] = compare(point.point, own)
            results += _results(model, name, point.point.modes.wavenumbers, compared[model.key])
            if model.key == SUM:
                results += _soundness(model, Landmark(name, 0, own), name, "sum-")
            told(number * (1 + len(models)) + count, steps)
        columns |= _columns(name, point, relaxing.name, models, compared)
    notes.append(
        f"Frequencies are harmonic, each model at its own minimum; Hessians by central differences of {STEP:g} A"
    )
    return Findings(
        tuple(results),
        columns,
        {"reference": relaxing.name, "minima": list(options.minima), "models": {m.key: m.name for m in models}},
        tuple(notes),
    )


def _soundness(model: Model, landmark: Landmark, name: str, start: str = "reference-") -> list[Result]:
    """Return how far a Hessian is from one of other displacements, and from six modes without frequency."""
    x = landmark.point.positions
    fine = modes_of(hessian(model, x, STEP / 2.0), masses(), x).wavenumbers
    rigid = rigid_frequencies(hessian(model, x), masses())
    return [
        Result(
            f"{start}step-error-{name}",
            f"largest change of a frequency of {model.name} at {name} when displacements are halved (cm-1)",
            float(np.abs(fine - landmark.point.modes.wavenumbers).max()),
        ),
        Result(
            f"{start}rigid-modes-{name}",
            f"largest frequency of the six rigid motions of {model.name} at {name}, not projected out (cm-1)",
            float(np.abs(rigid).max()),
        ),
    ]


def _results(model: Model, name: str, expected: Floats, found: Comparison | None) -> list[Result]:
    """Return the figures of a model at a minimum; without values if it has none there."""
    start, of = ("", "") if model.key == SUM else (f"{model.key}-", f" of {model.name}")
    about = f"of the frequencies{of} at {name}, modes in ascending order (cm-1)"
    meanings = {
        "mad": f"mean absolute deviation {about}",
        "largest": f"largest deviation {about}",
        "alike": f"modes{of} at {name} of {len(expected)} with more than half of the reference's in them",
        "mad-alike": f"mean absolute deviation of the frequencies{of} at {name}, of these modes (cm-1)",
    }
    values: dict[str, float | None] = dict.fromkeys(meanings)
    if found is not None:
        error = np.abs(found.ordered - expected)
        alike = np.abs(found.matched - expected)[found.alike]
        values = {"mad": float(error.mean()), "largest": float(error.max()), "alike": float(found.alike.sum())}
        values["mad-alike"] = float(alike.mean()) if alike.size else None
    if model.key != SUM:  # a methyl that turned by a third is the same, and its modes have other atoms
        meanings = {key: meanings[key] for key in ("mad", "largest")}
    return [Result(f"{start}{key}-{name}", meaning, values[key]) for key, meaning in meanings.items()]


def _columns(
    name: str, point: Landmark, source: str, models: Sequence[Model], compared: Mapping[str, Comparison]
) -> dict[str, Column]:
    found = {
        f"{name}.reference": Column(
            point.point.modes.wavenumbers, "cm-1", "harmonic frequencies in ascending order, (modes,)", source
        )
    }
    for model in models:
        if model.key in compared:
            one = compared[model.key]
            about = {"": (one.ordered, "cm-1", "harmonic frequencies in ascending order, (modes,)")}
            about["_matched"] = (one.matched, "cm-1", "frequency of the mode most like each of the reference's")
            about["_overlap"] = (one.overlap, "1", "absolute overlap of these modes")
            found |= {f"{name}.{model.key}{end}": Column(*values, model.name) for end, values in about.items()}
    return found


def draw(findings: Findings) -> list[Plot]:
    """Return the deviations of each model's frequencies, one plot for each minimum."""
    from matplotlib.figure import Figure

    plots, names = [], findings.facts["models"]
    for minimum in findings.facts["minima"]:
        table = findings.tables()[minimum]
        expected = np.asarray(table[REFERENCE].values, dtype=np.float64)
        figure = Figure(figsize=(8.0, 4.6), layout="constrained")
        axes = figure.subplots(2, 1, sharex=True)
        here = {key: name for key, name in names.items() if key in table}
        for key, name in here.items():
            error = np.asarray(table[key].values, dtype=np.float64) - expected
            about: dict[str, Any] = {**look(key), "markersize": 4, "linewidth": 0.5}
            label = f"{name}: mean {np.abs(error).mean():.1f}, largest {np.abs(error).max():.0f}"
            for axis in axes if key == SUM else axes[:1]:
                axis.plot(expected, error, **about, label=label)
        for axis in axes:
            axis.axhline(0.0, color="black", linewidth=0.6)
            axis.set_ylabel("deviation (cm$^{-1}$)")
            axis.grid(alpha=0.3)
            if axis.lines[1:]:
                axis.legend(fontsize=8)
        axes[0].set_title(f"harmonic frequencies at {minimum}, modes in order", fontsize=10)
        axes[1].set_xlabel(f"frequency of {findings.facts['reference']} (cm$^{{-1}}$)")
        units = {"1": "", "cm-1": "_per_cm"}
        head = ["mode", *(name + units[column.unit] for name, column in table.items())]
        rows = zip(*(column.values for column in table.values()), strict=True)
        text = ([n, *(f"{value:.6g}" for value in row)] for n, row in enumerate(rows, 1))
        plots.append(Plot.of(f"frequencies-{minimum}", figure, head, text))
    return plots


def seconds(subject: Subject, options: FrequencyOptions) -> float:
    """Return the expected time: of the surface, of its points, and of the Hessians."""
    return 10.0 + 10.0 * len(options.minima) + seconds_of_landmarks(reference(), options.step, subject.store)


CHECK = Check(
    name="frequencies",
    title="harmonic frequencies of alanine dipeptide",
    meaning="Harmonic frequencies at the lowest and at a high minimum tell how stiff the surface is in every "
    "direction about them: short-range errors show in bends and stretches, errors of torsions in the softest "
    "modes. They say nothing away from the minima, and nothing of anharmonicity.",
    measure=measure,
    draw=draw,
    applies=applies,
    options=FrequencyOptions,
    seconds=seconds,
    order=22,
    needs=(TBLITE,),
    papers=("gfn2-xtb",),
)
