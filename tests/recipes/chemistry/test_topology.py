"""Residues and names from the graph alone: every amino acid, any order of atoms, water, and what is unknown."""

from __future__ import annotations

import numpy as np
import pytest

from recipes.chemistry.molecules import from_smiles, read_molecule
from recipes.chemistry.topology import UNKNOWN, residue_table, residues_of

RESIDUES = {
    "ALA": "N[C@@H](C)C(=O)",
    "GLY": "NCC(=O)",
    "VAL": "NC(C(C)C)C(=O)",
    "LEU": "NC(CC(C)C)C(=O)",
    "ILE": "NC(C(C)CC)C(=O)",
    "SER": "NC(CO)C(=O)",
    "THR": "NC(C(O)C)C(=O)",
    "CYS": "NC(CS)C(=O)",
    "MET": "NC(CCSC)C(=O)",
    "PRO": "N1CCCC1C(=O)",
    "PHE": "NC(Cc1ccccc1)C(=O)",
    "TYR": "NC(Cc1ccc(O)cc1)C(=O)",
    "TRP": "NC(Cc1c[nH]c2ccccc12)C(=O)",
    "ASN": "NC(CC(=O)N)C(=O)",
    "GLN": "NC(CCC(=O)N)C(=O)",
    "ASP": "NC(CC(=O)[O-])C(=O)",
    "ASH": "NC(CC(=O)O)C(=O)",
    "GLU": "NC(CCC(=O)[O-])C(=O)",
    "GLH": "NC(CCC(=O)O)C(=O)",
    "HID": "NC(Cc1c[n]c[nH]1)C(=O)",
    "HIE": "NC(Cc1c[nH]cn1)C(=O)",
    "HIP": "NC(Cc1c[nH]c[nH+]1)C(=O)",
    "LYS": "NC(CCCC[NH3+])C(=O)",
    "LYN": "NC(CCCCN)C(=O)",
    "ARG": "NC(CCCNC(N)=[NH2+])C(=O)",
}


@pytest.mark.parametrize("name", RESIDUES)
def test_every_residue_is_found_with_its_names_in_any_order(name: str) -> None:
    molecule = from_smiles(f"CC(=O){RESIDUES[name]}NC")
    order = np.random.default_rng(len(name)).permutation(molecule.natoms)
    symbols = [molecule.symbols[old] for old in order]
    new = {int(old): n for n, old in enumerate(order)}
    bonds = [(new[i], new[j]) for i, j in molecule.bonds]
    found = residues_of(symbols, bonds)
    assert [one.name for one in found] == ["ACE", name, "NME"]
    assert sorted(a for one in found for a in one.atoms) == list(range(molecule.natoms))
    for one in found:
        assert len(set(one.names)) == len(one.names) == len(one.atoms)
        assert all(symbols[a] == label[0] for a, label in zip(one.atoms, one.names, strict=True))
    middle = dict(zip(found[1].names, found[1].atoms, strict=True))
    joined = {frozenset(bond) for bond in bonds}
    assert frozenset((middle["N"], middle["CA"])) in joined and frozenset((middle["CA"], middle["C"])) in joined
    assert frozenset((middle["C"], dict(zip(found[2].names, found[2].atoms, strict=True))["N"])) in joined


def test_a_chain_runs_from_n_to_c_and_is_one_molecule() -> None:
    chain = read_molecule("AceAla2GlyLeuNme")
    found = residues_of(chain.symbols, chain.bonds)
    assert [one.name for one in found] == ["ACE", "ALA", "ALA", "GLY", "LEU", "NME"]
    assert {one.molecule for one in found} == {0}
    first = dict(zip(found[1].names, found[1].atoms, strict=True))
    assert [first[name] for name in ("N", "CA", "CB", "C", "O")] == [3, 4, 5, 6, 7]


def test_water_and_unknown_molecules() -> None:
    molecule = from_smiles("O.CCO.O")
    found = residues_of(molecule.symbols, molecule.bonds)
    assert [one.name for one in found] == ["HOH", UNKNOWN, "HOH"]
    assert [one.molecule for one in found] == [0, 1, 2]
    assert found[0].names == ("O", "H1", "H2")
    assert found[1].names == ("C1", "C2", "O1", "H1", "H2", "H3", "H4", "H5", "H6")


def test_a_ring_of_residues_and_a_piece_that_is_no_residue() -> None:
    ring = from_smiles("N1CC(=O)NCC(=O)NCC(=O)1")
    assert [one.name for one in residues_of(ring.symbols, ring.bonds)] == ["GLY"] * 3
    strange = from_smiles("CCC(=O)NCC(=O)NC")
    assert [one.name for one in residues_of(strange.symbols, strange.bonds)] == [UNKNOWN, "GLY", "NME"]


def test_the_names_are_those_of_openmm() -> None:
    from openmm import app

    templates = app.ForceField("amber14/protein.ff14SB.xml")._templates
    known = {name: row for rows in residue_table().values() for name, row in rows.items()}
    assert set(known) == {"ACE", "NME", "HOH", *RESIDUES}
    for name, (names, graph) in known.items():
        if name == "HOH":
            continue
        template = templates[name]
        assert [atom.name for atom in template.atoms] == list(names)
        assert {frozenset(bond) for bond in template.bonds} == {
            frozenset((i, j)) for i, row in enumerate(graph.joined) for j in row
        }
        assert sorted(template.externalBonds) == [n for n, many in enumerate(graph.outside) for _ in range(many)]
        assert tuple(atom.element.symbol for atom in template.atoms) == graph.symbols
