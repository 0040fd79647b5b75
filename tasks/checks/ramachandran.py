"""Alanine dipeptide on the Ramachandran grid: the sum and force fields compared with the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from potentials.arrays import Floats
from potentials.errors import StageError
from storage.version import Column
from tasks.checks.columns import FORCE_FIELDS, SUM, ForceFields
from tasks.checks.dipeptide import DIPEPTIDE, dipeptide
from tasks.checks.interface import Check, Findings, Options, Result, Told
from tasks.checks.models import REFERENCE, Model, compared_models
from tasks.checks.reference import CHEAP, own_error, reference, reference_name
from tasks.checks.relaxed_grid import Grid, relaxed_grid, seconds_of_grid
from tasks.checks.subject import Subject
from tasks.plot import Plot
from tasks.xtb import TBLITE

LOW = 10.0
"""Energies above the lowest up to which a simulation visits geometries, kcal/mol (paper I)."""

ALIGNMENTS = {"": "aligned by the mean", "-from-minima": "each from its own minimum"}
"""Endings of the names of figures: which zeros the energies have."""

RANGES = {"": (-np.inf, np.inf), "-below-10": (-np.inf, LOW), "-above-10": (LOW, np.inf)}
"""Endings of the names of figures: energies of the reference above its lowest, kcal/mol."""

HIGHEST = 20.0
"""Energies are drawn up to this, kcal/mol."""


def _step(value: int) -> int:
    if 360 % value:
        raise ValueError(f"step is {value}; allowed: a divisor of 360")
    return value


Step = Annotated[int, AfterValidator(_step)]
"""The spacing of a grid, degrees."""


class RamachandranOptions(Options):
    """Options of the check."""

    step: Step = Field(10, ge=5, le=90, description="spacing of the grid (degrees); a divisor of 360")
    reference: Annotated[str, AfterValidator(reference_name)] = Field(
        CHEAP, description="protocol of the reference energies, at geometries relaxed with GFN2-xTB"
    )
    force_fields: ForceFields = FORCE_FIELDS

    @classmethod
    def quick(cls) -> dict[str, Any]:
        """Return the options of a grid that takes a minute."""
        return {"step": 60}


def rmsd(
    reference: Floats, predicted: Floats, ending: str = "", low: float = -np.inf, high: float = np.inf
) -> float | None:
    """Return the root mean square deviation of two surfaces, kcal/mol; None where no point is in the range.

    Parameters
    ----------
    reference, predicted
        (points,), kcal/mol, with any zeros.
    ending
        One of `ALIGNMENTS`: whether the means of all points are the same, or the lowest energies.
    low, high
        Range of the reference above its lowest energy, kcal/mol.
    """
    zero = np.min if ending else np.mean
    error = (predicted - zero(predicted)) - (reference - zero(reference))
    above = reference - reference.min()
    chosen = (above >= low) & (above < high)
    return float(np.sqrt(np.mean(error[chosen] ** 2))) if chosen.any() else None


def largest(reference: Floats, predicted: Floats, ending: str = "") -> float:
    """Return the largest deviation of two surfaces, kcal/mol; the parameters are those of `rmsd`."""
    zero = np.min if ending else np.mean
    return float(np.abs((predicted - zero(predicted)) - (reference - zero(reference))).max())


def figures(key: str, name: str, reference: Floats, predicted: Floats) -> list[Result]:
    """Return the figures of one model: the names of a force field's begin with its key."""
    start, of = ("", "") if key == SUM else (f"{key}-", f" of {name}")
    words = {"": "all points", "-below-10": "below 10 kcal/mol", "-above-10": "above 10 kcal/mol"}
    found = []
    for ending, zero in ALIGNMENTS.items():
        for where, (low, high) in RANGES.items():
            value = rmsd(reference, predicted, ending, low, high)
            about = f"RMSD{of} on the Ramachandran grid, {words[where]}, {zero} (kcal/mol)"
            found.append(Result(f"{start}rmsd{ending}{where}", about, value))
        about = f"largest deviation{of} on the Ramachandran grid, {zero} (kcal/mol)"
        found.append(Result(f"{start}largest{ending}", about, largest(reference, predicted, ending)))
    return found


def measure(subject: Subject, options: RamachandranOptions, told: Told) -> Findings:
    """Return the surfaces of the reference, the sum and the force fields, and their deviations.

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
    grid = relaxed_grid(relaxing, options.step, subject.store, told)
    energy = grid.energy
    if not against.has_gradients:
        energy = against.energies(molecule, grid.positions, told)
        if failed := int(np.isnan(energy).sum()):
            raise StageError(f"{against.name}: {failed} of {len(energy)} energies failed; see the label ledger")
        error = rmsd(energy, grid.energy)
        notes += [] if error is None else [own_error(relaxing.name, against.name, "RMSD", error)]
    predicted = {model.key: np.asarray(model.evaluate(grid.positions)[0]) for model in models}
    notes.append(
        f"Geometries are relaxed with {relaxing.name} at held torsions, amides trans; all energies are single "
        f"points at these {len(energy)} geometries"
    )
    results = [one for model in models for one in figures(model.key, model.name, energy, predicted[model.key])]
    if any(one.value is None for one in results):
        notes.append(f"No point of this grid is above {LOW:g} kcal/mol")
    return Findings(
        tuple(results),
        _columns(grid, against.name, models, {REFERENCE: energy, **predicted}),
        {
            "reference": against.name,
            "geometries": relaxing.name,
            "step": options.step,
            "models": {model.key: model.name for model in models},
        },
        tuple(notes),
    )


def _columns(grid: Grid, name: str, models: Sequence[Model], energies: Mapping[str, Floats]) -> dict[str, Column]:
    found = {
        "surface.phi": Column(grid.phi, "degree", "phi of each point, (points,)", "the grid"),
        "surface.psi": Column(grid.psi, "degree", "psi of each point, (points,)", "the grid"),
    }
    for key, source in {REFERENCE: name, **{model.key: model.name for model in models}}.items():
        above = energies[key] - energies[key].min()
        found[f"surface.{key}"] = Column(
            above, "kcal/mol", "energy above the model's own lowest, (points,)", source
        )
    return found


def draw(findings: Findings) -> list[Plot]:
    """Return the surfaces beside each other, and the deviations from the reference."""
    return [_surfaces(findings), _differences(findings)]


def _wrapped(table: Mapping[str, Column], key: str) -> Floats:
    """Return a column as (psi, phi), with the first row and column again at +180 degrees."""
    values = np.asarray(table[key].values, dtype=np.float64)
    side = round(len(values) ** 0.5)
    return np.pad(values.reshape(side, side), ((0, 1), (0, 1)), mode="wrap").T


def _panels(count: int, above: float) -> tuple[Any, list[Any]]:
    """Return a figure and its panels, with some inches above each row and above all for titles."""
    from matplotlib.figure import Figure

    columns = count if count < 4 else 2
    rows = -(-count // columns)
    figure = Figure(figsize=(1.4 + 2.4 * columns, 0.5 + above + (2.0 + above) * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for one in axes[-1]:
        one.set_xlabel("phi (degrees)")
    for one in axes[:, 0]:
        one.set_ylabel("psi (degrees)")
    for one in axes.ravel()[count:]:
        one.set_visible(False)
    return figure, list(axes.ravel()[:count])


def _surfaces(findings: Findings) -> Plot:
    table, names = findings.tables()["surface"], findings.facts["models"]
    figure, panels = _panels(1 + len(names), 0.25)
    ticks = np.append(np.unique(np.asarray(table["phi"].values, dtype=np.float64)), 180.0)
    levels = np.linspace(0.0, HIGHEST, 21)
    for axes, (key, name) in zip(panels, {REFERENCE: findings.facts["reference"], **names}.items(), strict=True):
        energy = _wrapped(table, key)
        drawn = axes.contourf(ticks, ticks, energy, levels=levels, cmap="viridis", extend="max")
        axes.contour(ticks, ticks, energy, levels=levels[::2], colors="white", linewidths=0.4)
        axes.set(title=name, xticks=range(-180, 181, 90), yticks=range(-180, 181, 90), aspect="equal")
    label = "energy above its lowest (kcal/mol)"
    figure.colorbar(drawn, ax=panels, label=label, ticks=range(0, int(HIGHEST) + 1, 5))
    head = ["phi_degrees", "psi_degrees", *(f"{key}_kcal_per_mol" for key in (REFERENCE, *names))]
    rows = zip(*(table[key].values for key in ("phi", "psi", REFERENCE, *names)), strict=True)
    return Plot.of("ramachandran-surfaces", figure, head, ([f"{value:.6g}" for value in row] for row in rows))


def _differences(findings: Findings) -> Plot:
    table, names = findings.tables()["surface"], findings.facts["models"]
    figure, panels = _panels(len(names), 0.45)
    ticks = np.append(np.unique(np.asarray(table["phi"].values, dtype=np.float64)), 180.0)
    energy = _wrapped(table, REFERENCE)
    plain = np.asarray(table[REFERENCE].values, dtype=np.float64)
    columns = {}
    errors = {key: np.asarray(table[key].values, dtype=np.float64) - plain for key in names}
    size = max(1.0, float(np.ceil(max(np.abs(error - error.mean()).max() for error in errors.values()))))
    for axes, (key, name) in zip(panels, names.items(), strict=True):
        columns[key] = errors[key] - errors[key].mean()
        shown = _wrapped(table, key) - energy - errors[key].mean()
        drawn = axes.contourf(ticks, ticks, shown, levels=np.linspace(-size, size, 21), cmap="PuOr_r")
        axes.contour(ticks, ticks, energy, levels=[LOW], colors="black", linewidths=0.7)
        values = np.asarray(table[key].values, dtype=np.float64)
        mean, minima = rmsd(plain, values), rmsd(plain, values, "-from-minima")
        title = f"{name}: RMSD {mean:.2f}\n({minima:.2f} from own minima)"
        axes.set(title=title, xticks=range(-180, 181, 90), yticks=range(-180, 181, 90), aspect="equal")
    figure.suptitle(f"deviation from {findings.facts['reference']}, which is at {LOW:g} kcal/mol on the lines")
    label = "deviation, means aligned (kcal/mol)"
    figure.colorbar(drawn, ax=panels, label=label)
    head = ["phi_degrees", "psi_degrees", *(f"{key}_minus_reference_kcal_per_mol" for key in names)]
    rows = zip(table["phi"].values, table["psi"].values, *columns.values(), strict=True)
    return Plot.of("ramachandran-differences", figure, head, ([f"{value:.6g}" for value in row] for row in rows))


def applies(subject: Subject) -> str:
    """Return why the dipeptide is not among the test molecules; empty if it is."""
    return "" if DIPEPTIDE in subject.molecules else f"{DIPEPTIDE} is not among its test molecules"


def seconds(subject: Subject, options: RamachandranOptions) -> float:
    """Return the expected time: of the geometries that the store lacks, and of energies by another protocol."""
    against, points = reference(options.reference, subject.store), (360 // options.step) ** 2
    more = 0.0 if against.has_gradients else against.seconds(dipeptide(), points)
    return 5.0 + seconds_of_grid(reference(), options.step, subject.store) + more


CHECK = Check(
    name="ramachandran",
    title="the Ramachandran surface of alanine dipeptide",
    meaning="Energies of the dipeptide over both torsions, at geometries relaxed on the reference's surface, are "
    "compared with the reference and with Amber force fields. Aligned by the mean, the figures tell the shape of "
    "the surface; each from its own minimum, they tell the energy above the most stable structure as well, as in "
    "the papers. They say nothing about geometries away from the reference's valley floor.",
    measure=measure,
    draw=draw,
    applies=applies,
    options=RamachandranOptions,
    seconds=seconds,
    order=20,
    needs=(TBLITE,),
    papers=("gfn2-xtb",),
)
