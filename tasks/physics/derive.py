"""Parameters of V_phys of any molecules, derived from densities, dipoles and force-field tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from ase.data import atomic_numbers

from potentials.errors import StageError
from potentials.physics.parameters import COLUMNS, PhysicsParameters
from potentials.physics.topology import Topology
from recipes.chemistry.atom_types import type_molecule
from recipes.physics.table import DerivedPhysics
from tasks.physics.charges import Observed, fit_charges
from tasks.physics.d4 import d4_dispersion
from tasks.physics.densities import Density, Level, density_of, free_atom
from tasks.physics.geometries import Geometry, conformations
from tasks.physics.levels import DENSITY, FACTORS, XTB, check_programs, facts_of
from tasks.physics.repulsion import lennard_jones
from tasks.physics.response import as_observed
from tasks.physics.samples import Sample
from tasks.physics.xdm import like_pairs, polarizabilities
from tasks.progress import ProgressLine
from tasks.xtb import METHOD, multipoles, polarizability


@dataclass(frozen=True, eq=False)
class _Place:
    """A geometry with the types of its atoms."""

    geometry: Geometry
    types: tuple[str, ...]
    topology: Topology

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.geometry.molecule.symbols

    @property
    def numbers(self) -> Any:
        return np.array([atomic_numbers[s] for s in self.symbols])


def derive_parameters(
    samples: Sequence[Sample],
    level: str = DENSITY,
    *,
    folder: Path,
    dispersion: str | None = None,
    stream: TextIO | None = None,
) -> DerivedPhysics:
    """Return the parameters of all types of some molecules, with residuals and sources.

    Densities are kept in files: running again computes those that are missing.

    Parameters
    ----------
    samples
        The molecules with the numbers of their geometries.
    level
        One of `LEVELS`.
    folder
        Folder of the densities' files.
    dispersion
        One of `MODELS`; by default that of the level.
    stream
        Where progress is shown; standard error by default.

    Raises
    ------
    InputError
        If the level or the model is unknown, or a molecule cannot be described.
    MissingProgramError
        If a package is missing.
    StageError
        If a density does not converge.
    """
    dispersion = check_programs(level, dispersion)
    functional = Level()
    with_density = _densities_needed(samples, level)
    lennard, warnings = _lennard_jones(with_density)
    with ProgressLine("physics", len(with_density), "densities", stream) as line:
        densities = []
        for done, place in enumerate(with_density):
            line.update(done)
            molecule = place.geometry.molecule
            densities.append(
                density_of(place.symbols, place.geometry.positions, molecule.charge, functional, folder)
            )
        line.update(len(with_density))
    types = list(dict.fromkeys(t for place in with_density for t in place.types))
    columns = _polarizable(with_density, densities, functional)
    if dispersion != "xdm":
        columns |= _of_d4(with_density, dispersion)
    if level == XTB:
        fitted = _places(samples, [sample.dipoles for sample in samples])
        observed = _of_xtb(fitted, stream)
        columns["polarizability"] = as_observed(observed, columns["polarizability"], FACTORS)
    else:
        fitted = with_density
        observed = [_of_density(place, density) for place, density in zip(with_density, densities, strict=True)]
    charges = fit_charges(observed, columns["polarizability"], FACTORS)
    if charges.undecided:
        warnings.append(f"combinations of charges that the data leave to the prior: {charges.undecided}")
    columns |= {"charge": charges.values} | lennard
    rows = {t: [columns[column][t] for column in COLUMNS] for t in types}
    rows |= hidden_types(rows)
    table: dict[str, Any] = dict(zip(COLUMNS, np.array(list(rows.values())).T, strict=True))
    a_charge, a_dipole, scale = FACTORS
    parameters = PhysicsParameters(
        tuple(rows), **table, thole_charge=a_charge, thole_dipole=a_dipole, scale_15=scale
    )
    geometries = list({place.geometry.name: place.geometry for place in [*with_density, *fitted]}.values())
    facts = facts_of(samples, level, dispersion, functional, geometries, charges, warnings)
    return DerivedPhysics(parameters, level, facts)


def _places(samples: Iterable[Sample], counts: Sequence[int]) -> list[_Place]:
    found = []
    for sample, count in zip(samples, counts, strict=True):
        if count:
            typed, topology = type_molecule(sample.molecule)
            found += [_Place(g, typed.types, topology) for g in conformations(sample.molecule, count)]
    return found


def _densities_needed(samples: Sequence[Sample], level: str) -> list[_Place]:
    """Return the geometries whose density is needed: at GFN2-xTB's level one for each type is enough."""
    if level != XTB:
        return _places(samples, [sample.densities for sample in samples])
    seen: set[str] = set()
    counts = []
    for sample in samples:
        own = set(type_molecule(sample.molecule)[0].types) if sample.densities else set()
        counts.append(int(bool(own - seen)))
        seen |= own
    return _places(samples, counts)


def _mean(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the mean of the values of each type."""
    collected: dict[str, list[float]] = {}
    for kind, value in values:
        collected.setdefault(kind, []).append(float(value))
    return {kind: float(np.mean(each)) for kind, each in collected.items()}


def _polarizable(
    places: Sequence[_Place], densities: Sequence[Density], level: Level
) -> dict[str, dict[str, float]]:
    """Return XDM's numbers of each type: means over all its atoms in all geometries."""
    names = ("polarizability", "dispersion_polarizability", "c6", "vdw_radius")
    values: dict[str, list[tuple[str, float]]] = {name: [] for name in names}
    for place, density in zip(places, densities, strict=True):
        free = np.array([free_atom(s, level).volume for s in place.symbols])
        alpha = polarizabilities(place.symbols, density.volume, free)
        c6, radius = like_pairs(alpha, density.moments)
        for name, column in zip(names, (alpha, alpha, c6, radius), strict=True):
            values[name] += zip(place.types, column, strict=True)
    return {name: _mean(found) for name, found in values.items()}


def _of_d4(places: Sequence[_Place], model: str) -> dict[str, dict[str, float]]:
    """Return the C6 coefficients of D4 or D4S, and the polarizabilities that belong to them."""
    c6: list[tuple[str, float]] = []
    alpha: list[tuple[str, float]] = []
    for place in places:
        pairs, own = d4_dispersion(place.numbers, place.geometry.positions, place.geometry.molecule.charge, model)
        c6 += zip(place.types, np.diag(pairs), strict=True)
        alpha += zip(place.types, own, strict=True)
    return {"c6": _mean(c6), "dispersion_polarizability": _mean(alpha)}


def _lennard_jones(places: Sequence[_Place]) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Return the Lennard-Jones parameters of each type, and what is to be said of them."""
    depth: list[tuple[str, float]] = []
    radius: list[tuple[str, float]] = []
    remarks: list[str] = []
    for place in places:
        found, said = lennard_jones(place.geometry.molecule)
        remarks += said
        for kind, one in zip(place.types, found, strict=True):
            if one is not None:
                depth.append((kind, one[0]))
                radius.append((kind, one[1]))
    none = dict.fromkeys((t for place in places for t in place.types), 0.0)
    return {"epsilon": none | _mean(depth), "rmin_half": none | _mean(radius)}, list(dict.fromkeys(remarks))


def _of_density(place: _Place, density: Density) -> Observed:
    molecule = place.geometry.molecule
    return Observed(
        place.geometry.name,
        place.types,
        place.topology,
        place.geometry.positions,
        density.dipole,
        density.quadrupole,
        place.numbers - density.population,
        density.points,
        density.potential,
        molecule.charge,
    )


def _of_xtb(places: Sequence[_Place], stream: TextIO | None) -> list[Observed]:
    found = []
    with ProgressLine("physics", len(places), f"{METHOD} dipoles and polarizabilities", stream) as line:
        for done, place in enumerate(places):
            line.update(done)
            charge = place.geometry.molecule.charge
            try:
                one = multipoles(place.numbers, place.geometry.positions, charge)
                response = polarizability(place.numbers, place.geometry.positions, charge)
            except RuntimeError as error:
                raise StageError(f"{METHOD} of {place.geometry.name} does not converge: {error}") from None
            found.append(
                Observed(
                    place.geometry.name,
                    place.types,
                    place.topology,
                    place.geometry.positions,
                    one.dipole,
                    one.quadrupole,
                    one.charges,
                    charge=charge,
                    polarizability=response,
                )
            )
        line.update(len(places))
    return found


def hidden_types(rows: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return the types of atoms whose neighbour a cut bond hides: the mean over the neighbours.

    The mean is neutral because every neighbour's 1-mer has the same labels.
    """
    collected: dict[str, list[list[float]]] = {}
    for kind, row in rows.items():
        onemer, _, label = kind.rpartition(":")
        if "@" in onemer:
            collected.setdefault(f"{onemer.split('@')[0]}:{label}", []).append(row)
    return {kind: np.mean(found, axis=0).tolist() for kind, found in collected.items() if kind not in rows}
