"""The many-body expansion of a chain with an exact method: all orders together are the whole molecule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from potentials.nmers.nmer import NMer
from potentials.systems.placement import Placement, Placements
from potentials.units import HARTREE
from recipes.chemistry.fragmentation import FoundNMer, fragment_molecule
from recipes.chemistry.molecules import read_molecule
from tasks.labelling.engines.interface import Job
from tasks.labelling.engines.xtb import XtbEngine
from tasks.labelling.plan import plan_label

CHAIN = read_molecule("AceAlaNme").embedded()
POSITIONS = np.array(CHAIN.positions)


def gfn2_xtb(symbols: Sequence[str], positions: np.ndarray) -> float:
    """Total energy, kcal/mol."""
    places = tuple((float(x), float(y), float(z)) for x, y, z in positions)
    result = XtbEngine().run(Job("A", tuple(symbols), places, (), 0, "GFN2-xTB", "", scf_tolerance=1e-12))
    assert result.energy is not None, result.reason
    return HARTREE * result.energy


def placed(placement: Placement, positions: np.ndarray) -> np.ndarray:
    return Placements.of([placement]).positions(positions[None])[0, 0]


def n_body_energies(found: Sequence[FoundNMer], positions: np.ndarray) -> dict[frozenset[int], float]:
    """V(S) = E(S) - sum of V(T) over the connected proper subsets, written down as it stands, kcal/mol."""
    energies: dict[frozenset[int], float] = {}
    for one in found:
        for placement in one.placements:
            own = frozenset(a for a, anchor in zip(placement.atoms, placement.anchors, strict=True) if anchor < 0)
            energies[own] = gfn2_xtb(one.skeleton.symbols, placed(placement, positions))
    bodies: dict[frozenset[int], float] = {}
    for own in sorted(energies, key=len):
        bodies[own] = energies[own] - sum(v for other, v in bodies.items() if other < own)
    return bodies


def label(nmer: NMer, positions: np.ndarray) -> float:
    """The n-body energy as the labelling stage computes it, but for its reference, kcal/mol."""
    total = 0.0
    for part in plan_label(nmer, counterpoise=False):
        symbols, geometry = nmer.symbols, positions
        if part.piece is not None:
            symbols, geometry = part.piece.fragment.symbols, part.piece.positions(positions)
        total += part.coefficient * gfn2_xtb(symbols, geometry)
    return total


@pytest.fixture(scope="module")
def found() -> tuple[FoundNMer, ...]:
    pytest.importorskip("tblite")
    return fragment_molecule(CHAIN, order=6)


def test_all_orders_together_are_the_whole_molecule(found: tuple[FoundNMer, ...]) -> None:
    bodies = n_body_energies(found, POSITIONS)
    whole = gfn2_xtb(CHAIN.symbols, POSITIONS)
    assert len(bodies) == sum(len(one.placements) for one in found)
    through_three, rest = 0.0, 0.0
    for one in found:
        for placement in one.placements:
            own = frozenset(a for a, anchor in zip(placement.atoms, placement.anchors, strict=True) if anchor < 0)
            if one.order <= 3:
                through_three += label(one.nmer, placed(placement, POSITIONS))
            else:
                rest += bodies[own]
    print(f"through order 3: {through_three - whole:+.4f} kcal/mol from the whole; the remainder is {rest:+.4f}")
    assert through_three + rest == pytest.approx(whole, abs=1e-8)
    assert 1e-3 < abs(rest) < 5.0  # an expansion that leaves nothing out would prove nothing here


def test_the_labels_of_an_n_mer_are_its_n_body_energies(found: tuple[FoundNMer, ...]) -> None:
    bodies = n_body_energies([one for one in found if one.order <= 3], POSITIONS)
    for one in found:
        if one.order in (2, 3):
            placement = one.placements[0]
            own = frozenset(a for a, anchor in zip(placement.atoms, placement.anchors, strict=True) if anchor < 0)
            assert label(one.nmer, placed(placement, POSITIONS)) == pytest.approx(bodies[own], abs=1e-9)
