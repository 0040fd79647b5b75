"""A species given by SMILES, or one sentence on why `nmer` cannot make a potential of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ase.data import atomic_numbers, chemical_symbols

from potentials.errors import InputError
from recipes.chemistry.molecules import Molecule, from_smiles
from recipes.chemistry.rdkit_files import rdkit_log

WATER_SMILES = "O"

WORDS = {"water": WATER_SMILES}
"""Words that may be written instead of SMILES."""

OPEN_SHELLS = (range(21, 30), range(39, 48), range(57, 80), range(89, 112))
"""Atomic numbers of transition metals, lanthanides and actinides, which usually have open shells."""

TRIPLETS = {"O=O": "O2", "S=S": "S2", "O=S": "SO"}
"""Molecules with a triplet ground state that their SMILES show with closed shells."""

OPEN_FORMULAS = {"OO": "O2", "SS": "S2", "OS": "SO", "HN": "NH", "CHH": "CH2", "BB": "B2", "HP": "PH"}
"""Neutral molecules with an even number of electrons and a triplet ground state, by their sorted atoms."""

CLOSED_ATOM = frozenset({2, 4, 10, 12, 18, 20, 36, 38, 54, 56, 70, 86, 88, 102})
"""Numbers of electrons of a closed-shell atom or ion: a noble gas, with or without two more s electrons."""

_D10 = {
    **{symbol: {28, 30} for symbol in ("Cu", "Zn", "Ga", "Ge", "As")},
    **{symbol: {46, 48} for symbol in ("Pd", "Ag", "Cd", "In", "Sn", "Sb")},
    **{symbol: {78, 80} for symbol in ("Au", "Hg", "Tl", "Pb", "Bi")},
}

CLOSED_ATOMS = {symbol: CLOSED_ATOM | more for symbol, more in _D10.items()}
"""The same for elements with a filled d shell: Zn2+, Ag+, Sn2+."""

CLOSED = "the engines here compute closed shells only"

HEAVIEST = 86
"""Atomic number of the last element of GFN2-xTB."""

CHARGES = range(-1, 3)
"""Total charges (e) that are stable in vacuum: dianions lose an electron, trications take one from a partner."""


def read_species(text: str, option: str = "--from-smiles") -> Molecule:
    """Return the molecule or ion that SMILES describe, named by its formula, with rdkit's canonical SMILES.

    Parameters
    ----------
    text
        SMILES, or a word of `WORDS`.
    option
        The option that it was given by, named in errors.

    Raises
    ------
    InputError
        If it cannot be read, is more than one species, has open shells, or a charge that is not stable.
    """
    from rdkit import Chem
    from rdkit.Chem.rdMolDescriptors import CalcMolFormula

    where = f"{option} '{text.strip()}'"
    mol = _parsed(WORDS.get(text.strip().lower(), text.strip()), where)
    _check_parts(mol, where)
    _check_shells(Chem.AddHs(mol), where)
    return replace(from_smiles(Chem.MolToSmiles(mol)), name=CalcMolFormula(mol))


def _parsed(smiles: str, where: str) -> Any:
    """Return an rdkit molecule; raises InputError with what is wrong with the SMILES."""
    from rdkit import Chem, rdBase

    if not smiles:
        raise InputError(f"{where} is empty; give SMILES, for example CO for methanol")
    if len(smiles.split()) > 1:
        raise InputError(f"{where} has a blank in it; SMILES have none, for example CO for methanol")
    settings = Chem.SmilesParserParams()
    settings.sanitize = settings.allowCXSMILES = settings.parseName = False
    with rdkit_log() as log:
        mol = Chem.MolFromSmiles(smiles, settings)
    if mol is None:
        raise InputError(f"{where} is not SMILES: {_mistake(log.getvalue(), smiles)}; example: CO for methanol")
    if not mol.GetNumAtoms() or any(atom.GetAtomicNum() == 0 for atom in mol.GetAtoms()):
        raise InputError(f"{where} has an atom that stands for any element; every atom must be one")
    with rdBase.BlockLogs():
        problems = Chem.DetectChemistryProblems(mol)
    if problems:
        raise InputError(f"{where} is no molecule: {_problem(mol, problems[0])}")
    Chem.SanitizeMol(mol)
    return mol


def _mistake(log: str, smiles: str) -> str:
    """Return the error of rdkit's parser."""
    text = " ".join(log.split()).lower()
    for sign, meaning in (
        ("unclosed ring", "a ring is opened by a number and not closed by the same one"),
        ("extra open paren", "a bracket '(' is not closed"),
        ("extra close paren", "a bracket ')' was not opened"),
        ("unclosed branch", "a bracket '(' is not closed"),
    ):
        if sign in text:
            return meaning
    place = re.search(r"position (\d+)", text)
    if place and 1 <= int(place[1]) <= len(smiles):
        number = int(place[1])
        return f"it cannot be read from character {number}, '{smiles[number - 1]}', on"
    return "it cannot be read"


def _problem(mol: Any, problem: Any) -> str:
    """Return what is chemically wrong with a molecule that could be read."""
    if problem.GetType() == "AtomValenceException":
        atom = mol.GetAtomWithIdx(problem.GetAtomIdx())
        bonds = re.search(r", (\d+), is greater", problem.Message())
        return (
            f"its {atom.GetSymbol()} (atom {atom.GetIdx()}, counted from 0) has "
            f"{bonds[1] if bonds else 'too many'} bonds, more than {atom.GetSymbol()} can have"
        )
    return (
        "its small letters (aromatic atoms) do not fit together; write double bonds as '=', or a hydrogen on a "
        "nitrogen as [nH]"
    )


def _check_parts(mol: Any, where: str) -> None:
    """Raise InputError if SMILES describe more than one species."""
    from rdkit import Chem

    species = Chem.GetMolFrags(mol, asMols=True)
    if len(species) < 2:
        return
    names = [Chem.MolToSmiles(one) for one in species]
    salt = all(Chem.GetFormalCharge(one) for one in species)
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    first = next((n for n in names if n != WATER_SMILES), names[0])
    raise InputError(
        f"{where} is {'a salt of ' if salt else ''}{len(species)} {'ions' if salt else 'species'}, {listed}: make "
        f"a recipe for one at a time, for example --from-smiles '{first}' --with water"
    )


def _check_shells(mol: Any, where: str) -> None:
    """Raise InputError unless a species has electrons, closed shells, and a charge that is stable in vacuum."""
    from rdkit import Chem

    charge = Chem.GetFormalCharge(mol)
    numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    for number in numbers:
        name = chemical_symbols[number]
        if any(number in shell for shell in OPEN_SHELLS):
            raise InputError(f"{where} has {name}, a metal whose shells are open as a rule; {CLOSED}")
        if number > HEAVIEST:
            raise InputError(f"{where} has {name}, which GFN2-xTB does not have; allowed: H to Rn")
    electrons = sum(numbers) - charge
    unpaired = sum(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())
    if electrons < 1:
        raise InputError(f"{where} has no electrons, so there is nothing to compute")
    if unpaired or electrons % 2:
        count = f"{unpaired} unpaired electrons" if unpaired > 1 else "1 unpaired electron"
        raise InputError(f"{where} is a radical: {count} among {electrons}; {CLOSED}")
    triplet = TRIPLETS.get(Chem.MolToSmiles(Chem.RemoveHs(mol)))
    if triplet:
        raise InputError(f"{where} is {triplet}, whose ground state has two unpaired electrons; {CLOSED}")
    if charge not in CHARGES:
        why = "a second electron is not bound" if charge < 0 else "it takes an electron from its partner"
        raise InputError(
            f"{where} has the charge {charge:+d}, which does not hold in vacuum: {why}; allowed: -1 to +2"
        )


def closed_shell_problem(symbols: Sequence[str], charge: int) -> str:
    """Return why a species does not have closed shells, as the end of a sentence; empty if it does.

    Every engine here computes closed shells only; for a species with an open-shell ground state that would be a
    different state.

    Parameters
    ----------
    symbols
        Element of each atom, caps included.
    charge
        Total charge, e.
    """
    electrons = sum(atomic_numbers[s] for s in symbols) - charge
    if electrons < 1:
        return f"has {electrons} electrons at charge {charge:+d}; allowed: 2 or more"
    if electrons % 2:
        return (
            f"has {electrons} electrons at charge {charge:+d}, an odd number, so its shells are open; {CLOSED}: "
            "correct charge or geometry"
        )
    formula = "".join(sorted(symbols))
    if len(symbols) == 1 and electrons not in CLOSED_ATOMS.get(symbols[0], CLOSED_ATOM):
        return f"is an atom of {electrons} electrons, whose shells are open; {CLOSED}"
    if formula in OPEN_FORMULAS and not charge:
        return f"is {OPEN_FORMULAS[formula]}, whose ground state has two unpaired electrons; {CLOSED}"
    return ""
