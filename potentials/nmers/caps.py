"""Caps: hydrogens that close cut bonds, at a fixed distance from the atom that they are bonded to."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats

CAP_LENGTHS = {"C": 1.14, "N": 1.09}
"""Fixed length of the bond from an anchor atom to its cap, in Angstrom (papers I and II)."""


def place_cap(anchor: Floats, outer: Floats, length: float | Floats) -> Floats:
    """Return the positions of caps: on the line from the anchor to the outer end of its bond.

    Parameters
    ----------
    anchor, outer
        (..., 3), Angstrom.
    length
        Of the cap's bond, Angstrom; a number, or (..., 1).
    """
    bond = outer - anchor
    return np.asarray(anchor + length * (bond / np.linalg.norm(bond, axis=-1, keepdims=True)))


def carry_gradient(
    anchor: Floats, outer: Floats, length: float | Floats, gradient: Floats
) -> tuple[Floats, Floats]:
    """Return the gradient on a cap as gradients on the two atoms that define its position, by the chain rule.

    A cap at a + L u, with u the unit vector from its anchor a to the outer end o at distance d, moves with o
    by L / d (1 - u u^T), and with a by the rest.

    Parameters
    ----------
    anchor, outer, length
        As `place_cap` takes them.
    gradient
        (..., 3), the derivatives with respect to the cap.

    Returns
    -------
    on_outer, on_anchor
        (..., 3) each; the first has no component along the bond.
    """
    bond = outer - anchor
    distance = np.linalg.norm(bond, axis=-1, keepdims=True)
    unit = bond / distance
    along = (unit * gradient).sum(axis=-1, keepdims=True)
    on_outer = (gradient - along * unit) * (length / distance)
    return on_outer, gradient - on_outer
