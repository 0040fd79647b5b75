"""Polarizabilities beneath labels of a method that polarizes less, or more, than XDM's polarizabilities say.

The induced dipoles of a chain are to be those that the labels have: an n-mer's labels contain the method's own
polarization, and V_phys of the whole continues it beyond the n-mers. In GFN2-xTB, whose basis is minimal, a
peptide has 0.64 and water 0.26 of the polarizability that XDM's atoms give it. All polarizabilities of
molecules that share types are multiplied by one factor, so that the ratios between types stay those of XDM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import brentq

from potentials.errors import InputError
from tasks.physics.charges import Observed, blocks
from tasks.physics.induction import Induction, isotropic

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
    found = dict(polarizability)
    known = [one for one in observed if one.polarizability is not None]
    for members in blocks(known):
        chosen = [known[n] for n in members]
        factor = _factor(chosen, polarizability, factors)
        found |= {kind: factor * polarizability[kind] for one in chosen for kind in one.types}
    return found


def _factor(
    chosen: Sequence[Observed], polarizability: Mapping[str, float], factors: tuple[float, float, float]
) -> float:
    """Return the factor of all atomic polarizabilities of some geometries that share types."""
    wanted = sum(isotropic(one.polarizability) for one in chosen if one.polarizability is not None)

    def excess(factor: float) -> float:
        total = 0.0
        for one in chosen:
            atoms = factor * np.array([polarizability[kind] for kind in one.types])
            total += isotropic(Induction(one.topology, one.positions, atoms, factors).molecular_polarizability)
        return total - wanted

    if excess(HIGHEST) < 0:
        raise InputError(
            f"the polarizability of '{chosen[0].name}' is {wanted / len(chosen):.3g} Angstrom^3; allowed: that of "
            f"{HIGHEST:g} times XDM's atomic ones, or less"
        )
    return float(brentq(excess, LOWEST, HIGHEST, xtol=1e-4)) if excess(LOWEST) < 0 else 0.0
