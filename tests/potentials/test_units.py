"""Units of energies and gradients, as people write them."""

from __future__ import annotations

import pytest

from potentials.errors import InputError
from potentials.units import BOHR, ENERGY, HARTREE, energy_unit, gradient_factor, gradient_unit


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("kcal/mol", 1.0),
        ("KCAL/MOL", 1.0),
        ("kJ/mol", 0.2390057361),
        ("kj", 0.2390057361),
        ("eV", 23.06054783),
        ("ev", 23.06054783),
        ("meV", 0.02306054783),
        ("Hartree", 627.5094740631),
        ("Eh", 627.5094740631),
        ("a.u.", 627.5094740631),
        ("mEh", 0.6275094740631),
        ("Ry", 313.75473703),
        ("cm-1", 0.002859144),
        ("1/cm", 0.002859144),
        ("K", 0.001987204259),
    ],
)
def test_energies(text: str, value: float) -> None:
    assert ENERGY[energy_unit(text)] == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("hartree/bohr", HARTREE / BOHR),
        ("Eh/a0", HARTREE / BOHR),
        ("a.u.", HARTREE / BOHR),
        ("eV/A", 23.060547830619026),
        ("eV/Angstrom", 23.060547830619026),
        ("kcal/mol/A", 1.0),
        ("kJ/mol/nm", 0.1 / 4.184),
        ("kcal/mol/bohr", 1 / BOHR),
    ],
)
def test_gradients(text: str, value: float) -> None:
    assert gradient_factor(gradient_unit(text)) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("text", ["", "J", "MeV", "kcal/mol/A", "hartree/bohr", "calories", "\n"])
def test_what_is_no_energy(text: str) -> None:
    with pytest.raises(InputError, match="allowed: kcal/mol, eV, hartree"):
        energy_unit(text)


@pytest.mark.parametrize("text", ["", "hartree", "kcal/mol", "eV/", "/A", "eV/inch", "A/eV"])
def test_what_is_no_gradient(text: str) -> None:
    with pytest.raises(InputError, match="for example hartree/bohr"):
        gradient_unit(text)
