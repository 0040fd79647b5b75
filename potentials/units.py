"""Units of energy, length and gradient that files of other programs are in (CODATA 2018)."""

from __future__ import annotations

from potentials.errors import InputError

HARTREE = 627.5094740631
"""kcal/mol."""

BOHR = 0.529177210903
"""Angstrom."""

ENERGY = {
    "kcal/mol": 1.0,
    "eV": 23.060547830619026,
    "hartree": HARTREE,
    "kJ/mol": 1 / 4.184,
    "meV": 23.060547830619026e-3,
    "millihartree": HARTREE / 1e3,
    "rydberg": HARTREE / 2,
    "cm-1": HARTREE / 219474.6313632,
    "K": HARTREE / 315775.02480407,
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
    """Return the name in `ENERGY` of a unit of energy, however it is written.

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
    """Return the name in `LENGTH` of a unit of length, however it is written; None if it is none of them."""
    return _named(text, LENGTH, _LENGTH_NAMES)


def _named(text: str, known: dict[str, float], others: dict[str, str]) -> str | None:
    if text.strip() in known:
        return text.strip()
    plain = "".join(text.split()).lower()
    if text.strip().startswith("MeV"):  # the million, not the thousandth
        return None
    return {name.lower(): name for name in known}.get(plain) or others.get(plain)
