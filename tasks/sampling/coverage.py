"""The pairs of collective variables that best show what a pool covers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Sampling
from storage.records import Pool
from tasks.bias.cvs import CV, CVFamily, cv_families
from tasks.bias.specification import hill_width


@dataclass(frozen=True)
class PlottedVariable:
    """A variable along the frames of a pool.

    Attributes
    ----------
    label
        Name in plots.
    column
        Name in tables.
    unit
        ``Å`` or ``degrees``.
    values
        (frames,), in that unit.
    limits
        Ends of an axis, which include all values.
    """

    label: str
    column: str
    unit: str
    values: Floats
    limits: tuple[float, float]


def telling_pairs(nmer: NMer, settings: Sampling, pool: Pool) -> list[tuple[PlottedVariable, PlottedVariable]]:
    """Return up to three pairs of variables.

    Between fragments: the distance of the centres of mass with an angle that orients each fragment, and the two
    angles. For a single fragment: the variable with the largest spread, in units of the width of its hills, with
    each of the next two. Each CV family is represented by its first variable.

    Parameters
    ----------
    nmer
        The n-mer.
    settings
        The recipe's sampling section.
    pool
        Its frames.
    """
    columns = {name: n for n, name in enumerate(pool.cv_names)}
    found: list[tuple[float, CVFamily, PlottedVariable]] = []
    for family in cv_families(nmer, settings.bias.families):
        cv = family.cvs[0]
        column = columns.get(f"{cv.kind} {'-'.join(str(a) for a in cv.atoms)}")
        if column is None:
            continue
        spread = _spread(cv, pool.cvs[:, column]) / hill_width(family, settings.bias)
        if spread > 1e-6:  # the bond of a cap, for example, never changes
            found.append((spread, family, _variable(nmer, family, pool.cvs[:, column])))
    found.sort(key=lambda one: -one[0])
    if len(nmer.fragments) < 2:
        chosen = [variable for _, _, variable in found[:3]]
        return [(chosen[0], other) for other in chosen[1:]]
    turning = [one for one in found if one[1].intermolecular and one[1].cvs[0].kind != "distance"] or found
    orienting = _one_for_each_side(nmer, turning)
    label = centres_label(nmer)
    centres = PlottedVariable(label, "com_distance", "Å", pool.com_distance, _around(pool.com_distance))
    pairs = [(centres, other) for other in orienting]
    if len(orienting) == 2:
        pairs.append((orienting[0], orienting[1]))
    return pairs


def centres_label(nmer: NMer) -> str:
    """Return the name in plots of the distance that defines the windows."""
    return f"{'mean ' if len(nmer.fragments) > 2 else ''}distance of the centres of mass"


def _one_for_each_side(nmer: NMer, ranked: list[tuple[float, CVFamily, PlottedVariable]]) -> list[PlottedVariable]:
    """Return the first variable, and the next that orients another fragment, or else the next."""
    if len(ranked) < 2:
        return [variable for _, _, variable in ranked]
    border = nmer.slices[0].stop
    sides = [sum(atom < border for atom in family.cvs[0].atoms) for _, family, _ in ranked]
    other = next((n for n, side in enumerate(sides) if side != sides[0]), 1)
    return [ranked[0][2], ranked[other][2]]


def _variable(nmer: NMer, family: CVFamily, values: Floats) -> PlottedVariable:
    cv = family.cvs[0]
    caps = {cap for cap, _, _ in nmer.caps}
    atoms = [f"cap{a}" if a in caps else f"{nmer.symbols[a]}{a}" for a in cv.atoms]
    label, column = f"{cv.kind} {'–'.join(atoms)}", f"{cv.kind}_{'-'.join(atoms)}"
    if cv.kind == "distance":
        return PlottedVariable(label, column, "Å", values, _around(values))
    degrees = np.rad2deg(values)
    limits = (0.0, 180.0) if family.intermolecular else _around(degrees)
    limits = (-180.0, 180.0) if cv.kind == "torsion" else limits
    return PlottedVariable(label, column, "degrees", degrees, limits)


def _around(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.02 * (high - low) if high - low > 1e-6 else 0.05
    return low - margin, high + margin


def _spread(cv: CV, values: Floats) -> float:
    """Return the standard deviation, Angstrom or rad; for a torsion the circular one."""
    if cv.kind != "torsion":
        return float(values.std())
    length = np.hypot(np.cos(values).mean(), np.sin(values).mean())
    return float(np.sqrt(-2.0 * np.log(np.clip(length, 1e-12, 1.0))))
