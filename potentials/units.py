"""Physical constants (CODATA 2018), and the units of energy, length and gradient that files are written in.

Internal units are Angstrom, kcal/mol, fs, K, e and u; every conversion factor is defined here. The constants of
other programs and file formats are defined where those are read or written: `ase.units` (CODATA 2014), PLUMED,
QCSchema, i-PI.
"""

from __future__ import annotations

import math

from potentials.errors import InputError

KCAL_IN_KJ = 4.184
"""kJ; exact."""

AVOGADRO = 6.02214076e23
"""1/mol; exact."""

HARTREE = 627.5094740631
"""kcal/mol."""

BOHR = 0.529177210903
"""Angstrom."""

EV = 23.060547830619026
"""kcal/mol."""

KB = 1.380649e-23 * AVOGADRO / 1e3 / KCAL_IN_KJ
"""Boltzmann's constant, kcal/mol/K."""

KB_2010 = 0.0019872043
"""Boltzmann's constant of CODATA 2010, rounded, kcal/mol/K: the frames of existing pools depend on it."""

COULOMB = HARTREE * BOHR
"""Energy of two charges of 1 e at a distance of 1 Angstrom, kcal/mol."""

KCAL = 4.184e-4
"""1 kcal/mol as mass times velocity squared, u Angstrom^2/fs^2."""

SPEED_OF_LIGHT = 299_792_458 * 1e-5
"""Angstrom/fs; exact."""

HBAR = 6.62607015e-34 / (2 * math.pi) * AVOGADRO / KCAL_IN_KJ * 1e12
"""kcal/mol fs."""

ENERGY = {
    "kcal/mol": 1.0,
    "eV": EV,
    "hartree": HARTREE,
    "kJ/mol": 1 / KCAL_IN_KJ,
    "meV": EV / 1e3,
    "millihartree": HARTREE / 1e3,
    "rydberg": HARTREE / 2,
    "cm-1": HARTREE / 219474.6313632,
    "K": KB,
}
"""Units of energy in kcal/mol."""

LENGTH = {"A": 1.0, "bohr": BOHR, "nm": 10.0, "pm": 0.01}
"""Units of length in Angstrom."""

_ENERGY_NAMES = {
    "kcal": "kcal/mol",
    "kcal/mole": "kcal/mol",
    "kcalmol-1": "kcal/mol",
    "kj": "kJ/mol",
    "kj/mole": "kJ/mol",
    "kjmol-1": "kJ/mol",
    "hartrees": "hartree",
    "ha": "hartree",
    "eh": "hartree",
    "e_h": "hartree",
    "au": "hartree",
    "a.u.": "hartree",
    "mha": "millihartree",
    "meh": "millihartree",
    "ry": "rydberg",
    "1/cm": "cm-1",
    "cm^-1": "cm-1",
}
_LENGTH_NAMES = {
    "angstrom": "A",
    "angstroms": "A",
    "ang": "A",
    "å": "A",
    "a0": "bohr",
    "au": "bohr",
    "a.u.": "bohr",
}
_WHOLE = {"au": ("hartree", "bohr"), "a.u.": ("hartree", "bohr")}


def energy_unit(text: str) -> str:
    """Return the name in `ENERGY` of a unit of energy in any accepted spelling.

    Raises
    ------
    InputError
        If it is none of them.
    """
    found = _named(text, ENERGY, _ENERGY_NAMES)
    if found is None:
        raise InputError(f"'{text[:40]}'; allowed: {', '.join(ENERGY)}")
    return found


def gradient_unit(text: str) -> tuple[str, str]:
    """Return the units of energy and length of a gradient's unit, for example of ``hartree/bohr``.

    Raises
    ------
    InputError
        If it is not a unit of energy, a slash, and a unit of length.
    """
    whole = _WHOLE.get(text.strip().lower())
    if whole is not None:
        return whole
    above, _, below = text.strip().rpartition("/")
    energy, length = _named(above, ENERGY, _ENERGY_NAMES), length_unit(below)
    if energy is None or length is None:
        raise InputError(
            f"'{text[:40]}'; allowed: one of {', '.join(ENERGY)} per one of {', '.join(LENGTH)}, for example "
            "hartree/bohr, eV/A, kcal/mol/A"
        )
    return energy, length


def gradient_factor(unit: tuple[str, str]) -> float:
    """Return a gradient's unit, energy and length, in kcal/mol/Angstrom."""
    return ENERGY[unit[0]] / LENGTH[unit[1]]


def length_unit(text: str) -> str | None:
    """Return the name in `LENGTH` of a unit of length in any accepted spelling; None if it is none of them."""
    return _named(text, LENGTH, _LENGTH_NAMES)


def _named(text: str, known: dict[str, float], others: dict[str, str]) -> str | None:
    if text.strip() in known:
        return text.strip()
    plain = "".join(text.split()).lower()
    if text.strip().startswith("MeV"):  # mega, not milli
        return None
    return {name.lower(): name for name in known}.get(plain) or others.get(plain)
