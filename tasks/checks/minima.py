"""Minima of the n-mers, dimers and trimers and bonded ones: the sum of their bodies against the reference."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import AfterValidator, Field

from potentials.arrays import Floats
from potentials.evaluation import Contribution
from potentials.nmers.nmer import NMer
from potentials.pip.potential import Potential
from potentials.water.model import water_model
from storage.version import Column
from tasks.checks.columns import COLOURS, REFERENCE_COLOUR, SUM
from tasks.checks.interface import Check, Findings, Options, Result, Told
from tasks.checks.nmer_minima import binds_a_cap, minima_of, minimum, rmsd
from tasks.checks.reference import CHEAP, Reference, Surface, reference, reference_name
from tasks.checks.subject import Subject
from tasks.plot import Plot
from tasks.validation.whole import Body, Whole, bodies_of

WATER_MODEL = "q-TIP4P/F"
"""Energy of a single water where the store has no potential of it."""

FAR = 1.0
"""A minimum of the sum whose atoms are farther from the reference's is another one, Angstrom (RMSD)."""


class MinimaOptions(Options):
    """Options of the search."""

    tries: int = Field(16, ge=1, le=1000, description="number of starts of the search of each n-mer's minima")
    most: int = Field(3, ge=1, le=100, description="number of minima of each n-mer, the lowest ones")
    seed: int = Field(0, ge=0, description="of the starts")
    reference: Annotated[str, AfterValidator(reference_name)] = Field(
        CHEAP, description="protocol of the energies; geometries are relaxed by GFN2-xTB"
    )

    @classmethod
    def quick(cls) -> dict[str, Any]:
        """Return fewer starts."""
        return {"tries": 3, "most": 1}


NEAR, CAPPED, BONDED = "near", "cap", "bonded"
"""Kinds of minima: of bodies that are not bonded, without and with a contact of a cap, and of bonded n-mers."""


class Row(NamedTuple):
    """A minimum of the reference and the one of the sum that is reached from it."""

    nmer: str
    kind: str
    number: int
    reference: float
    sum: float
    rmsd: float
    above: float


def wholes(subject: Subject) -> tuple[dict[str, Whole], list[str]]:
    """Return the sum of each n-mer of a family that has bodies, by name, and notes on those without one.

    Raises
    ------
    InputError
        If the subject has no potentials.
    """
    there = subject.potentials()
    found, notes = {}, []
    for name, potential in there.items():
        nmer = potential.nmer
        if len(nmer.fragments) == 1 and len(nmer.fragments[0].parts) < 2:
            continue
        bodies: list[tuple[Body, Potential]] = []
        others: list[Contribution] = []
        missing: list[str] = []
        for body in bodies_of(nmer):
            fitting = next((p for p in there.values() if body.in_order_of(p.nmer) is not None), None)
            if fitting is not None:
                bodies.append((body, fitting))
            elif body.fragments[0].symbols == ("O", "H", "H") and len(body.fragments) == 1:
                others.append(water_model(WATER_MODEL, np.array([body.atoms]), nmer.natoms, None))
            else:
                missing.append("-".join(f.name for f in body.fragments))
        if missing:
            notes.append(f"{name} is left out: the store has no potential of its part {', '.join(missing)}")
        else:
            found[name] = Whole(potential, tuple(bodies), tuple(others))
    return found, notes


def _surface(evaluable: Any) -> Surface:
    """Return one geometry's energy and gradient."""

    def found(x: Floats) -> tuple[float, Floats]:
        values = evaluable.evaluate(x[None])
        return float(values.energy[0]), np.asarray(values.gradient[0])

    return found


def _parts(whole: Whole) -> list[tuple[NMer, Surface]]:
    """Return the fragments of an n-mer as molecules of their own, each with its part of the sum."""
    nmer, found = whole.nmer, []
    for part, fragment in zip(nmer.slices, nmer.fragments, strict=True):
        alone, atoms = NMer(fragment.name, (fragment,)), tuple(range(part.start, part.stop))
        own = next((p for body, p in whole.bodies if body.atoms == atoms), None)
        if own is None:
            found.append((alone, _surface(water_model(WATER_MODEL, np.array([[0, 1, 2]]), 3, None))))
        else:
            found.append((own.nmer, _surface(Whole(own))))
    return found


def rows_of(name: str, whole: Whole, options: MinimaOptions, against: Reference) -> list[Row]:
    """Return the minima of one n-mer."""
    nmer, cheap = whole.nmer, reference()
    surface, near = _surface(whole), len(nmer.fragments) > 1
    right = minima_of(nmer, cheap.surface(nmer), options.tries, options.most, options.seed)
    if not right:
        return []
    energies = against.energies(nmer, np.array([point.positions for point in right]))
    own = [minimum(nmer, surface, point.positions) for point in right]
    if near:
        zero, own_zero = 0.0, 0.0
        for alone, part in _parts(whole):
            lowest = minimum(alone, cheap.surface(alone), np.array(alone.positions))
            theirs = minimum(alone, part, np.array(alone.positions))
            if lowest is None:
                return []
            zero += against.energies(alone, lowest.positions[None])[0]
            own_zero += np.nan if theirs is None else theirs.energy
    else:
        zero, own_zero = energies[0], np.nan if own[0] is None else own[0].energy
    rows: list[Row] = []
    for number, (point, energy, mine) in enumerate(zip(right, energies, own, strict=True), 1):
        kind = BONDED if not near else CAPPED if binds_a_cap(nmer, point.positions) else NEAR
        if mine is None or rmsd(mine.positions, point.positions) > FAR:
            rows.append(Row(name, kind, number, energy - zero, np.nan, np.nan, np.nan))
            continue
        above = against.energies(nmer, mine.positions[None])[0] - energy
        distance = rmsd(mine.positions, point.positions)
        rows.append(Row(name, kind, number, energy - zero, mine.energy - own_zero, distance, above))
    return rows


def _measure(subject: Subject, options: MinimaOptions, told: Told) -> Findings:
    against = reference(options.reference, subject.store)
    every, notes = wholes(subject)
    rows: list[Row] = []
    for done, (name, whole) in enumerate(every.items(), 1):
        found = rows_of(name, whole, options, against)
        if not found:
            notes.append(f"{name} is left out: no minimum of {against.name} was found in {options.tries} starts")
        rows += found
        told(done, len(every))
    lost = [f"{row.nmer} {row.number}" for row in rows if np.isnan(row.rmsd)]
    if lost:
        notes.append(
            f"the sum has no minimum within {FAR:g} A (RMSD) of that of {against.name}: {', '.join(lost)}; these "
            "are not among the errors"
        )
    if any(whole.others for whole in every.values()):
        notes.append(f"the energy of a single water is that of {WATER_MODEL}, as in the sum of a system")
    notes.append(
        "n-mers are capped as in their labels; a minimum in which a cap touches another fragment cannot occur in "
        "a molecule, where the cap is another atom. The energy of a dimer or trimer counts from its relaxed "
        "fragments, that of a bonded n-mer from its lowest minimum"
    )
    return Findings(tuple(_results(rows, against.name)), _columns(rows), {"reference": against.name}, tuple(notes))


def _results(rows: list[Row], against: str) -> list[Result]:
    found = [
        Result(
            "lost",
            "number of minima of the reference that the sum does not have",
            0.0 + sum(np.isnan(r.rmsd) for r in rows),
        )
    ]
    groups = (
        ("", NEAR, "dimers and trimers"),
        ("cap-", CAPPED, "dimers and trimers with a cap in contact"),
        ("bonded-", BONDED, "bonded n-mers"),
    )
    for begin, kind, what in groups:
        mine = [row for row in rows if row.kind == kind and not np.isnan(row.rmsd)]
        if not mine:
            continue
        error = np.array([abs(row.sum - row.reference) for row in mine])
        apart, above = (np.array([getattr(row, name) for row in mine]) for name in ("rmsd", "above"))

        def where(values: Floats, mine: list[Row] = mine) -> str:
            row = mine[int(np.nanargmax(values))]
            return f" ({row.nmer} {row.number})"

        quantity = "energies above the lowest minimum" if kind == BONDED else "binding energies"
        found += [
            Result(
                f"{begin}energy",
                f"mean absolute error of the {quantity} of {what}, reference {against}, kcal/mol",
                float(np.mean(error)),
            ),
            Result(
                f"{begin}energy-largest",
                f"largest error of the {quantity} of {what}{where(error)}, kcal/mol",
                float(error.max()),
            ),
            Result(f"{begin}rmsd", f"mean RMSD of the geometries of {what}, Angstrom", float(np.mean(apart))),
            Result(
                f"{begin}rmsd-largest",
                f"largest RMSD of a geometry of {what}{where(apart)}, Angstrom",
                float(apart.max()),
            ),
            Result(
                f"{begin}above",
                f"largest energy of {against} at the sum's minimum above its own{where(above)}, {what}, kcal/mol",
                float(above.max()),
            ),
        ]
    return found


def _columns(rows: list[Row]) -> dict[str, Column]:
    return {
        "minima.nmer": Column(tuple(r.nmer for r in rows), "1", "n-mer of each minimum"),
        "minima.kind": Column(
            tuple(r.kind for r in rows), "1", "near: bodies that are not bonded; cap: a cap is in contact; bonded"
        ),
        "minima.number": Column(np.array([r.number for r in rows]), "1", "number among the n-mer's minima"),
        "minima.reference": Column(np.array([r.reference for r in rows]), "kcal/mol", "energy of the reference"),
        "minima.sum": Column(
            np.array([r.sum for r in rows]), "kcal/mol", "energy of the sum at its own minimum; nan: there is none"
        ),
        "minima.rmsd": Column(np.array([r.rmsd for r in rows]), "Angstrom", "RMSD of the two geometries"),
        "minima.above": Column(
            np.array([r.above for r in rows]),
            "kcal/mol",
            "energy of the reference at the minimum of the sum, above its own",
        ),
    }


def _draw(findings: Findings) -> list[Plot]:
    from matplotlib.figure import Figure

    data = {name.removeprefix("minima."): np.asarray(c.values) for name, c in findings.data.items()}
    count, against = len(data["nmer"]), findings.facts["reference"]
    figure = Figure(figsize=(6.5, 1.2 + 0.24 * count), layout="constrained")
    energy, geometry = figure.subplots(1, 2, sharey=True)
    place = np.arange(count)
    energy.plot(
        data["reference"],
        place,
        "|",
        markersize=11,
        markeredgewidth=2,
        color=REFERENCE_COLOUR,
        label=f"{against} (reference)",
    )
    energy.plot(data["sum"], place, "o", markersize=5, color=COLOURS[SUM], label="sum of n-mers")
    energy.axvline(0.0, color="0.8", linewidth=0.8, zorder=0)
    energy.set(
        xlabel="binding energy, or above the\nlowest minimum (kcal/mol)\n* a cap is in contact", yticks=place
    )
    energy.set_yticklabels(
        [
            f"{n} {k:.0f}{'*' if kind == CAPPED else ''}"
            for n, k, kind in zip(data["nmer"], data["number"], data["kind"], strict=True)
        ],
        fontsize=8,
    )
    energy.invert_yaxis()
    geometry.barh(place, data["rmsd"], height=0.6, color=COLOURS[SUM])
    geometry.set(xlabel="RMSD of the geometry\n(Angstrom)")
    figure.legend(*energy.get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=8)
    head = [
        "nmer",
        "kind",
        "number",
        "reference_kcal_per_mol",
        "sum_kcal_per_mol",
        "rmsd_angstrom",
        "reference_at_the_sums_minimum_kcal_per_mol",
    ]
    keys = ("number", "reference", "sum", "rmsd", "above")
    table = ([data["nmer"][n], data["kind"][n], *(f"{data[key][n]:.6g}" for key in keys)] for n in range(count))
    return [Plot.of("minima", figure, head, table)]


CHECK = Check(
    name="minima",
    title="minima of dimers, trimers and bonded n-mers",
    meaning=(
        "The lowest minima of each n-mer are searched with GFN2-xTB, and the sum of the n-mer and all of its "
        "parts is relaxed from each. Binding energies and geometries are compared. A minimum that is lost, "
        "or far away, shows a surface that leads elsewhere; minima that only the sum has are not searched for."
    ),
    measure=_measure,
    draw=_draw,
    options=MinimaOptions,
    seconds=lambda subject, options: 8.0 * options.tries,
    order=60,
)
