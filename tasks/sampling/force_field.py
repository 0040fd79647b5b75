"""What a force field declares: a module of ``tasks/sampling/force_fields`` binds a `ForceField` to FORCE_FIELD."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from potentials.arrays import Floats
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.registry import Registry
from recipes.schema import sampling
from recipes.schema.sampling import ForceFieldDeclaration
from tasks.sampling.force_fields.terms import Given, Rules, Terms

ForceFunction = Callable[[Floats], tuple[float, Floats]]
"""(atoms, 3) in Angstrom -> energy in kcal/mol and forces (atoms, 3) in kcal/mol/Angstrom."""


@dataclass(frozen=True, kw_only=True)
class ForceField(ForceFieldDeclaration):
    """A force field: either terms that LAMMPS evaluates, or a calculator that takes their place.

    Attributes
    ----------
    terms
        Returns the terms of a fragment other than water, from it and what the recipe says of its atoms; raises
        InputError if it has no types or parameters for it.
    rules
        What it asks of LAMMPS besides.
    calculator
        Returns the energy and the forces of an n-mer as a function; raises InputError if it cannot be used for it.
    """

    terms: Callable[[Fragment, tuple[Given, ...]], Terms] | None = None
    rules: Rules | None = None
    calculator: Callable[[NMer], ForceFunction] | None = None


FORCE_FIELDS = cast(Registry[ForceField], sampling.FORCE_FIELDS)
