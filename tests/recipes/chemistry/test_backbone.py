"""The torsions of a backbone are found from the bonds, whatever the order of the atoms."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from recipes.chemistry.backbone import backbone_torsions
from recipes.chemistry.molecules import read_molecule

PHI, PSI = (1, 3, 4, 6), (3, 4, 6, 8)


@pytest.mark.parametrize(
    ("name", "count"), [("AceAlaNme", 1), ("AceAla3Nme", 3), ("AceGly2ValNme", 3), ("CCO", 0)]
)
def test_one_pair_a_residue(name: str, count: int) -> None:
    molecule = read_molecule(name)
    found = backbone_torsions(molecule.symbols, molecule.bonds)
    assert len(found) == count
    for phi, psi in found:
        assert phi[1:] == psi[:3] and [molecule.symbols[a] for a in phi] == ["C", "N", "C", "C"]
        assert [molecule.symbols[a] for a in psi] == ["N", "C", "C", "N"]
        for torsion in (phi, psi):
            assert all(b in molecule.neighbours[a] for a, b in pairwise(torsion))
    if name == "AceAlaNme":
        assert found == ((PHI, PSI),)


def test_atoms_in_another_order() -> None:
    molecule = read_molecule("AceAlaNme")
    order = np.random.default_rng(1).permutation(molecule.natoms)  # atom k is now at place order[k]
    symbols = [""] * molecule.natoms
    for atom, place in enumerate(order):
        symbols[place] = molecule.symbols[atom]
    bonds = [(int(order[i]), int(order[j])) for i, j in molecule.bonds]
    ((phi, psi),) = backbone_torsions(symbols, bonds)
    assert phi == tuple(order[list(PHI)]) and psi == tuple(order[list(PSI)])
