"""Polarizabilities beneath labels of a method that polarizes less, or more, than XDM's polarizabilities say.

The induced dipoles of a chain are to be those that the labels have: an n-mer's labels contain the method's own
polarization, and V_phys of the whole continues it beyond the n-mers. GFN2-xTB, whose basis is minimal, has 0.6 of
the polarizability of a peptide and 0.26 of that of water. All polarizabilities of molecules that share types are
multiplied by one factor, so that the ratios between types stay those of XDM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import brentq

from potentials.arrays import Floats
from potentials.errors import InputError
from tasks.physics.charges import Observed, blocks
from tasks.physics.induction import Induction

LOWEST, HIGHEST = 0.01, 3.0
"""Factors between which one is looked for; a molecule with less polarizability than the lowest gives has none."""


def as_observed(
    observed: Sequence[Observed], polarizability: Mapping[str, float], factors: tuple[float, float, float]
) -> dict[str, float]:
    """Return the polarizability of each type with which molecules have, on average, the one that was observed.

    Parameters
    ----------
    observed
        Geometries; those of which the molecular polarizability is known count. Of those that share types, the sum
        of the isotropic polarizabilities in Thole's model becomes that of the observed ones.
    polarizability
        Of each type, Angstrom^3; a type that no geometry has keeps its value.
    factors
        Of `Induction`.

    Raises
    ------
    InputError
        If molecules are more polarizable than the factor `HIGHEST` makes them.
    """
    known = [one for one in observed if one.polarizability is not None]
    found = dict(polarizability)
    for members in blocks(known):
        chosen = [known[n] for n in members]
        wanted = sum(isotropic(one.polarizability) for one in chosen if one.polarizability is not None)

        def excess(factor: float, chosen: list[Observed] = chosen, wanted: float = wanted) -> float:
            return sum(_modelled(one, polarizability, factor, factors) for one in chosen) - wanted

        if excess(HIGHEST) < 0:
            raise InputError(
                f"the polarizability of '{chosen[0].name}' is {wanted / len(chosen):.3g} Angstrom^3; allowed: "
                f"that of {HIGHEST:g} times XDM's atomic ones, or less"
            )
        factor = float(brentq(excess, LOWEST, HIGHEST, xtol=1e-4)) if excess(LOWEST) < 0 else 0.0
        found |= {kind: factor * polarizability[kind] for one in chosen for kind in one.types}
    return found


def isotropic(tensor: Floats) -> float:
    """Return a third of the trace of a polarizability (3, 3)."""
    return float(np.trace(tensor)) / 3


def _modelled(
    one: Observed, polarizability: Mapping[str, float], factor: float, factors: tuple[float, float, float]
) -> float:
    """Return the isotropic polarizability of a geometry with all atomic ones times a factor, Angstrom^3."""
    atoms = factor * np.array([polarizability[kind] for kind in one.types])
    return isotropic(Induction(one.topology, one.positions, atoms, factors).molecular_polarizability)
