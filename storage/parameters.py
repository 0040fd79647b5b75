"""The arrays and facts of a set of parameters of V_phys, both ways: of a version, and within a potential's."""

from __future__ import annotations

from typing import Any

import numpy as np

from potentials.errors import InputError
from potentials.physics.parameters import COLUMNS, PhysicsParameters
from recipes.physics.table import SCALARS, UNITS
from storage.version import Column, Version

MEANINGS = {
    "charge": "charge; those of every 1-mer add up to zero",
    "polarizability": "polarizability, and the width of Thole's damping",
    "c6": "C6 of two atoms of the type",
    "dispersion_polarizability": "polarizability by which the C6 of unlike atoms are combined",
    "vdw_radius": "half the van der Waals distance of two atoms of the type, which decides the damping",
    "epsilon": "depth of the Lennard-Jones function whose R^-12 term is the repulsion",
    "rmin_half": "half the distance of its minimum",
}


def physics_columns(parameters: PhysicsParameters, source: str, prefix: str = "") -> dict[str, Column]:
    """Return the arrays of a set of parameters; their names begin with the prefix."""
    found = {f"{prefix}types": Column(parameters.types, "1", "types of atoms", source)}
    for name in COLUMNS:
        values = np.asarray(getattr(parameters, name))
        found[f"{prefix}{name}"] = Column(values, UNITS[name], f"of each type: {MEANINGS[name]}", source)
    return found


def physics_facts(parameters: PhysicsParameters) -> dict[str, Any]:
    """Return the facts from which, with the arrays, a set of parameters is rebuilt."""
    return {"digest": parameters.digest} | {name: getattr(parameters, name) for name in SCALARS}


def rebuilt_physics(version: Version, facts: dict[str, Any], name: str, prefix: str = "") -> PhysicsParameters:
    """Return the parameters in the arrays of a version, checked against the digest in their facts.

    Raises
    ------
    InputError
        If their digest is another one.
    """
    types = tuple(str(t) for t in version.column(f"{prefix}types").tolist())
    columns: dict[str, Any] = {column: version.column(f"{prefix}{column}") for column in COLUMNS}
    scalars = {scalar: float(facts[scalar]) for scalar in SCALARS}
    found = PhysicsParameters(types, **columns | scalars, name=name)
    if found.digest != facts["digest"]:
        raise InputError(
            f"the physics parameters in '{version.path}' have the digest {found.digest[:12]}, and it says "
            f"{str(facts['digest'])[:12]}: it is damaged"
        )
    return found
