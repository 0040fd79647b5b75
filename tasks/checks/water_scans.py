"""Sixteen scans of a water that approaches alanine dipeptide: the sum, force fields, and the reference."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.systems.system import System
from recipes.chemistry.molecules import Molecule, read_molecule
from tasks.checks.approach import HOH, NEAR, OH, TILTS, Approach, best_approach, sites, with_water
from tasks.checks.columns import (
    FORCE_FIELDS,
    SUM,
    ForceFields,
    energies,
    models_beside,
)
from tasks.checks.dipeptide import PHI, PSI
from tasks.checks.interface import Check, Findings, Options, Told
from tasks.checks.internal import turned
from tasks.checks.reference import CHEAP, Reference, reference, reference_name
from tasks.checks.relaxation import relaxed
from tasks.checks.scans import Scans, columns, compared, draw_scans
from tasks.checks.subject import Subject

DIPEPTIDE = "AceAlaNme"

CONFORMATIONS = {
    "C5": (-155.0, 160.0),
    "pPII": (-75.0, 145.0),
    "C7eq": (-80.0, 75.0),
    "alphaR": (-65.0, -40.0),
}
"""phi and psi of each conformation, degrees; the rest is relaxed by the reference."""

SEPARATED = 1000.0
"""Distance at which the sum and the force fields have no interaction energy, Angstrom."""


class WaterScanOptions(Options):
    """Options of the scans."""

    conformations: tuple[str, ...] = Field(
        tuple(CONFORMATIONS), min_length=1, description=f"conformations: {', '.join(CONFORMATIONS)}"
    )
    shortest: float = Field(1.4, ge=0.8, le=3.0, description="shortest hydrogen bond, Angstrom")
    longest: float = Field(6.0, ge=3.0, le=30.0, description="longest hydrogen bond, Angstrom")
    spacing: float = Field(0.1, ge=0.01, le=0.5, description="Angstrom between two points of a scan")
    reference: Annotated[str, AfterValidator(reference_name)] = Field(
        CHEAP, description="protocol of the interaction energies; geometries are those of GFN2-xTB"
    )
    force_fields: ForceFields = FORCE_FIELDS


def relaxed_at(against: Reference, molecule: Molecule, angles: tuple[float, float]) -> Floats:
    """Return the dipeptide (atoms, 3; Angstrom) with phi and psi held and all else relaxed by the reference."""
    held = list(zip((PHI, PSI), angles, strict=True))
    start = np.array(molecule.positions)
    for atoms, angle in held:
        start = turned(start, molecule.bonds, atoms, angle)
    return relaxed(against.surface(molecule), molecule.symbols, start, held).positions


def _measure(subject: Subject, options: WaterScanOptions, told: Told) -> Findings:
    if unknown := [c for c in options.conformations if c not in CONFORMATIONS]:
        raise InputError(f"conformation '{unknown[0][:40]}' is unknown; allowed: {', '.join(CONFORMATIONS)}")
    against = reference(options.reference, subject.store)
    molecule = read_molecule(DIPEPTIDE).embedded()
    scanned, notes = _scan(subject, molecule, options, told)
    results, table, missing = compared(scanned)
    if np.isnan(scanned.outside).any():
        notes.append(
            "some potentials do not have the range of their training data, so that it is not known which points "
            "are outside"
        )
    if missing:
        notes.append(
            f"{against.name} has no minimum of these scans, which are not among the depths: {', '.join(missing)}"
        )
    if failed := int(np.isnan(scanned.reference).sum()):
        notes.append(f"{against.name} has no energy at {failed} points, which are left out")
    notes.append(
        f"interaction energies of {against.name} are E(both) - E(dipeptide) - E(water) without counterpoise; the "
        f"water is rigid ({OH} A, {HOH} degrees), and approaches along the direction that has the lowest energy "
        f"of GFN2-xTB at {NEAR:g} A, among those within {TILTS[-1]:g} degrees of the bond of the site; the "
        "dipeptide is relaxed by GFN2-xTB with phi and psi held"
    )
    facts = {"reference": against.name, "models": list(scanned.models)}
    return Findings(tuple(results), columns(scanned, against.name) | table, facts, tuple(notes))


def _scan(subject: Subject, molecule: Molecule, options: WaterScanOptions, told: Told) -> tuple[Scans, list[str]]:
    """Return the energies of all points, and notes."""
    against, cheap, groups = reference(options.reference, subject.store), reference(), sites(molecule)
    count = round((options.longest - options.shortest) / options.spacing) + 1
    distances: Floats = np.asarray(options.shortest + options.spacing * np.arange(count), dtype=np.float64)
    both = _with_far_water(molecule)
    whole = Molecule(both.name, both.symbols, both.bonds)
    water = read_molecule("O")
    models, notes = models_beside(subject, both, options.force_fields, "none")
    total, done = len(options.conformations) * len(groups), 0
    parts: list[tuple[str, str, Floats, dict[str, Floats], Floats]] = []
    for conformation in options.conformations:
        relaxed = relaxed_at(cheap, molecule, CONFORMATIONS[conformation])
        alone = against.energies(molecule, relaxed[None])[0]
        for site in groups:
            line = best_approach(site, relaxed, partial(cheap.energies, whole))
            placed = line.positions(relaxed, distances)
            alone_water = against.energies(water, placed[:1, molecule.natoms :])[0]
            values = against.energies(whole, placed) - alone - alone_water
            found = {name: _interaction(model, line, relaxed, placed) for name, model in models.items()}
            outside = _outside(models[SUM], placed)
            parts.append((conformation, site.name, values, found, outside))
            done += 1
            told(done, total)
    scanned = Scans(
        [c for c, *_ in parts for _ in distances],
        [s for _, s, *_ in parts for _ in distances],
        np.tile(distances, len(parts)),
        np.concatenate([values for *_, values, _, _ in parts]),
        {name: np.concatenate([found[name] for *_, found, _ in parts]) for name in models},
        np.concatenate([outside for *_, outside in parts]),
    )
    return scanned, notes


def _outside(model: Any, placed: Floats) -> Floats:
    """Return 1 for each geometry outside of the training data, else 0; nan where their range is not known."""
    try:
        return np.asarray(model.extrapolates(placed), dtype=np.float64)
    except InputError:  # potentials of older versions do not have it
        return np.full(len(placed), np.nan)


def _with_far_water(molecule: Molecule) -> System:
    """Return the molecule with a water that is far from it."""
    water = 30.0 + OH * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    return with_water(molecule, np.concatenate([np.array(molecule.positions), water]))


def _interaction(model: Any, line: Approach, relaxed: Floats, placed: Floats) -> Floats:
    far = line.positions(relaxed, np.array([SEPARATED]))
    return energies(model, placed) - energies(model, far)


def _applies(subject: Subject) -> str:
    if DIPEPTIDE not in subject.molecules:
        return f"{DIPEPTIDE} is not among its test molecules"
    if not any(name.endswith("-water") for name in subject.potentials()):  # those that are in its key
        return "its sums have no water"
    molecule = read_molecule(DIPEPTIDE).embedded()
    try:
        subject.sum_of(_with_far_water(molecule), "none")
    except InputError as error:
        return f"a water has no sum with {DIPEPTIDE}: {error}"
    return ""


CHECK = Check(
    name="water-scans",
    title="sixteen scans of a water along the hydrogen bonds of alanine dipeptide",
    meaning=(
        "A rigid water approaches each oxygen and each amide hydrogen of the dipeptide in four conformations "
        "along the axis of the hydrogen bond. The interaction energies, of which none was fitted, are compared "
        "with the reference's: the depth and place of each minimum, and the error below 10 kcal/mol. Each scan is "
        "one line: what lies beside it is not seen."
    ),
    measure=_measure,
    draw=draw_scans,
    applies=_applies,
    options=WaterScanOptions,
    seconds=lambda subject, options: 30.0 + 10.0 * len(options.conformations),
    order=50,
)
