"""Units of energies and gradients, as people write them."""

from __future__ import annotations

import re

import pytest

from potentials.errors import InputError
from potentials.units import (
    AVOGADRO,
    BOHR,
    COULOMB,
    ENERGY,
    EV,
    HARTREE,
    HBAR,
    KB,
    SPEED_OF_LIGHT,
    energy_unit,
    gradient_factor,
    gradient_unit,
)
from tests.conftest import sources


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


OWN = {
    "potentials/units.py",
    "storage/exchange/qcschema.py",
    "storage/exchange/templates/ipi_driver.py.in",
    "tasks/bias/plumed_input.py",
    "tasks/bias/specification.py",
}
"""Files with constants of their own: those of another program or format."""


def test_constants_are_nowhere_else() -> None:
    number = re.compile(r"\b(627\.5|0\.5291|0\.00198|0\.00831|332\.06|23\.06|219474|4\.184|2625\.|1\.3806|6\.022)")
    assert {path for path, text in sources(ends=("py", "in")).items() if number.search(text)} == OWN


def test_constants_agree_with_each_other() -> None:
    joule = AVOGADRO / 4184.0
    assert joule * 4.3597447222071e-18 == pytest.approx(HARTREE, rel=1e-12)
    assert joule * 1.380649e-23 == pytest.approx(KB, rel=1e-15)
    assert joule * 1.602176634e-19 == pytest.approx(EV, rel=1e-15)
    assert joule * 1.054571817e-34 * 1e15 == pytest.approx(HBAR, rel=1e-9)
    assert pytest.approx(332.0637133, rel=1e-9) == COULOMB
    assert pytest.approx(2997.92458) == SPEED_OF_LIGHT
