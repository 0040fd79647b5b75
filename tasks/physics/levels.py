"""The levels that parameters of V_phys are derived at, and what is kept beside the parameters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from potentials.errors import InputError, MissingProgramError
from potentials.physics.parameters import PhysicsParameters
from tasks.physics.charges import SOFT, STIFFNESS, STIFFNESS_OF_DIPOLES, THRESHOLD, Charges
from tasks.physics.d4 import DFTD4
from tasks.physics.densities import PER_AREA, PYSCF, SHELLS, Level
from tasks.physics.geometries import Geometry
from tasks.physics.repulsion import OPENMM
from tasks.physics.samples import Sample
from tasks.physics.xdm import A1, A2
from tasks.xtb import TBLITE, check_tblite

DENSITY, XTB = "pbe0/aug-cc-pvdz", "gfn2-xtb"

FORMATS = {DENSITY: 2, XTB: 3}
"""Changes when the same molecules give other parameters at a level."""

LEVELS = {
    DENSITY: "charges from the electrostatic potential and dipoles of PBE0/aug-cc-pVDZ densities, C6 by XDM",
    XTB: "charges and polarizabilities from GFN2-xTB's dipoles, C6 of D4 by dftd4: for a rehearsal with GFN2-xTB "
    "labels",
}
"""What the charges are fitted to at each level."""

DISPERSION = {DENSITY: "xdm", XTB: "d4"}
"""Model of the C6 coefficients of each level."""

RESPONSE = {
    XTB: {"polarizabilities": "XDM's times one factor for molecules that share types: as large as GFN2-xTB's"}
}
"""What is done to XDM's polarizabilities at a level, kept beside the parameters."""

MODELS = ("xdm", "d4", "d4s")
"""Models of the C6 coefficients."""

FACTORS = (PhysicsParameters.thole_charge, PhysicsParameters.thole_dipole, PhysicsParameters.scale_15)
"""Thole's a of charges with dipoles and of dipoles with dipoles (Burnham, Anick, Mankoo and Reiter 2008), and the
factor of charges four bonds apart."""

APPROXIMATIONS = {
    "densities": "density fitting, PySCF's grid of level 3; free atoms without fitting, spherically averaged",
    "damping": "a1 and a2 are those of aug-cc-pVTZ, for damped C6, C8 and C10; here C6 alone is damped",
    "vdw_radius": "the distance of unlike atoms is the sum of halves, not XDM's own for the pair",
    "hidden types": "the mean over the neighbours that a cut bond may hide",
}
"""Where the parameters are less than their sources, kept beside them."""

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
    chosen = dispersion or DISPERSION.get(level)
    content = [FORMATS.get(level), level, chosen, [asdict(sample) for sample in samples]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def facts_of(
    samples: Sequence[Sample],
    level: str,
    dispersion: str,
    functional: Level,
    geometries: Sequence[Geometry],
    charges: Charges,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Return what is kept beside the parameters: residuals, geometries, sources, versions, warnings."""
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
            "dipole_weight": SOFT,
            "threshold": THRESHOLD,
            "stiffness": STIFFNESS_OF_DIPOLES if level == XTB else STIFFNESS,
            "directions_left_to_the_prior": charges.undecided,
            "prior": "Mulliken charges of GFN2-xTB" if level == XTB else "Hirshfeld charges",
        }
        | RESPONSE.get(level, {}),
        "approximations": APPROXIMATIONS,
        "damping": {"a1": A1, "a2_bohr": A2, "b": "6.67 / (a1 Rc + a2)"},
        "units": {
            "dipole": "D",
            "dipole_error": "D",
            "quadrupole_error": "D Angstrom",
            "polarizability": "Angstrom^3",
            "potential_error": "relative",
            "potential_rms": "kcal/mol/e",
        },
        "rms": {
            name: float(np.sqrt(np.mean(np.square(found))))
            for name, found in errors.items()
            if name.endswith("_error") or name == "dipole"
        },
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
