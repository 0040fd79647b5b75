"""Parameters of V_phys of any molecules, derived from densities, dipoles and force-field tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from ase.data import atomic_numbers

from potentials.errors import InputError, MissingProgramError
from potentials.physics.parameters import COLUMNS, PhysicsParameters
from potentials.physics.topology import Topology
from recipes.chemistry.atom_types import type_molecule
from recipes.physics.table import DerivedPhysics
from tasks.physics.charges import STIFFNESS, THRESHOLD, Charges, Observed, fit_charges
from tasks.physics.d4 import DFTD4, d4_dispersion
from tasks.physics.densities import PER_AREA, PYSCF, SHELLS, Density, Level, density_of, free_atom
from tasks.physics.geometries import Geometry, conformations
from tasks.physics.repulsion import OPENMM, lennard_jones
from tasks.physics.samples import Sample
from tasks.physics.xdm import A1, A2, like_pairs, polarizabilities
from tasks.progress import ProgressLine
from tasks.xtb import METHOD, TBLITE, check_tblite, multipoles

FORMAT = 1
"""Changes when the same molecules give other parameters."""

DENSITY, XTB = "pbe0/aug-cc-pvdz", "gfn2-xtb"

LEVELS = {
    DENSITY: "charges from the electrostatic potential and dipoles of PBE0/aug-cc-pVDZ densities, C6 by XDM",
    XTB: "charges from GFN2-xTB's dipoles, C6 by its D4 model: for a rehearsal with GFN2-xTB labels",
}
"""What the charges are fitted to at each level."""

DISPERSION = {DENSITY: "xdm", XTB: "d4"}
"""Model of the C6 coefficients of each level."""

MODELS = ("xdm", "d4", "d4s")
"""Models of the C6 coefficients."""

THOLE = (0.4, 0.055)
"""Thole's a of charges with dipoles (Fanourgakis and Xantheas 2008) and of dipoles with dipoles."""

SOURCES = {
    "polarizabilities": "alpha_free V/V_free: Becke and Johnson 2007 (XDM), CRC Handbook, 88th edition",
    "xdm": "Becke and Johnson, J. Chem. Phys. 127, 154108 (2007)",
    "d4": "Caldeweyher et al., J. Chem. Phys. 150, 154122 (2019)",
    "d4s": "Tkachenko et al., J. Phys. Chem. Lett. 15, 10629 (2024)",
    "vdw_radius": "half of XDM's a1 Rc + a2 of two atoms of the type",
    "repulsion": "ff14SB: Maier et al., J. Chem. Theory Comput. 11, 3696 (2015); water: TIP3P",
    DENSITY: "Adamo and Barone, J. Chem. Phys. 110, 6158 (1999)",
    XTB: "Bannwarth, Ehlert and Grimme, J. Chem. Theory Comput. 15, 1652 (2019)",
}


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
        observed = _dipoles(fitted, stream)
    else:
        fitted = with_density
        observed = [_of_density(place, density) for place, density in zip(with_density, densities, strict=True)]
    charges = fit_charges(observed, columns["polarizability"], THOLE)
    columns |= {"charge": charges.values} | lennard
    rows = {t: [columns[column][t] for column in COLUMNS] for t in types}
    rows |= hidden_types(rows)
    table: dict[str, Any] = dict(zip(COLUMNS, np.array(list(rows.values())).T, strict=True))
    parameters = PhysicsParameters(tuple(rows), **table, thole_charge=THOLE[0], thole_dipole=THOLE[1])
    geometries = list({place.geometry.name: place.geometry for place in [*with_density, *fitted]}.values())
    facts = _facts(samples, level, dispersion, functional, geometries, charges, warnings)
    return DerivedPhysics(parameters, level, facts)


def check_programs(level: str, dispersion: str | None) -> str:
    """Return the model of the C6 coefficients, if a level and the model are known and their packages installed.

    Raises
    ------
    InputError
        If the level or the model is unknown.
    MissingProgramError
        If a package is missing.
    """
    if level not in LEVELS:
        raise InputError(f"level '{level[:40]}' is unknown; allowed: {', '.join(LEVELS)}")
    dispersion = dispersion or DISPERSION[level]
    if dispersion not in MODELS:
        raise InputError(f"dispersion '{dispersion[:40]}' is unknown; allowed: {', '.join(MODELS)}")
    if level == XTB:
        check_tblite()
    lacks = [PYSCF.lack(), OPENMM.lack(), DFTD4.lack() if dispersion != "xdm" else None]
    if lack := next((one for one in lacks if one), None):
        raise MissingProgramError(f"V_phys {lack}")
    return dispersion


def origin_of(samples: Sequence[Sample], level: str, dispersion: str | None) -> str:
    """Return the sha256 of what parameters are derived from: equal ones need not be derived again."""
    content = [FORMAT, level, dispersion or DISPERSION.get(level), [asdict(sample) for sample in samples]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


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


def _dipoles(places: Sequence[_Place], stream: TextIO | None) -> list[Observed]:
    found = []
    with ProgressLine("physics", len(places), f"{METHOD} dipoles", stream) as line:
        for done, place in enumerate(places):
            line.update(done)
            charge = place.geometry.molecule.charge
            one = multipoles(place.numbers, place.geometry.positions, charge)
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
                )
            )
        line.update(len(places))
    return found


def hidden_types(rows: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return the types of atoms whose neighbour a cut bond hides: the mean over the neighbours."""
    collected: dict[str, list[list[float]]] = {}
    for kind, row in rows.items():
        onemer, _, label = kind.rpartition(":")
        if "@" in onemer:
            collected.setdefault(f"{onemer.split('@')[0]}:{label}", []).append(row)
    return {kind: np.mean(found, axis=0).tolist() for kind, found in collected.items() if kind not in rows}


def _facts(
    samples: Sequence[Sample],
    level: str,
    dispersion: str,
    functional: Level,
    geometries: Sequence[Geometry],
    charges: Charges,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Return what is kept beside the parameters."""
    errors: dict[str, list[float]] = {}
    for one in charges.residuals:
        for name, value in one.items():
            if isinstance(value, float):
                errors.setdefault(name, []).append(value)
    packages = ["numpy", PYSCF.name, "rdkit", OPENMM.name] + [TBLITE.name] * (level == XTB)
    return {
        "origin": origin_of(samples, level, dispersion),
        "method": LEVELS[level],
        "basis": functional.name,
        "dispersion": dispersion,
        "fit": {
            "shells": list(SHELLS),
            "points_per_area": PER_AREA,
            "threshold": THRESHOLD,
            "stiffness": STIFFNESS,
            "directions_left_to_the_prior": charges.undecided,
            "prior": "Mulliken charges of GFN2-xTB" if level == XTB else "Hirshfeld charges",
        },
        "damping": {"a1": A1, "a2_bohr": A2, "b": "6.67 / (a1 Rc + a2)"},
        "units": {
            "dipole": "D",
            "quadrupole": "D Angstrom",
            "potential_error": "relative",
            "potential_rms": "kcal/mol/e",
        },
        "rms": {name: float(np.sqrt(np.mean(np.square(found)))) for name, found in errors.items()},
        "residuals": [dict(one) for one in charges.residuals],
        "geometries": [_written(geometry) for geometry in geometries],
        "sources": {k: v for k, v in SOURCES.items() if k not in (*MODELS, *LEVELS) or k in (dispersion, level)},
        "versions": {name: version(name) for name in packages + [DFTD4.name] * (dispersion != "xdm")},
        "warnings": list(warnings),
    }


def _written(geometry: Geometry) -> dict[str, Any]:
    atoms = zip(geometry.molecule.symbols, geometry.positions, strict=True)
    return {
        "name": geometry.name,
        "source": geometry.source,
        "atoms": "; ".join(f"{symbol} {x:.5f} {y:.5f} {z:.5f}" for symbol, (x, y, z) in atoms),
    }
