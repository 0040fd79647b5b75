"""XDM: the hole of the hydrogen atom, free atoms, and molecular C6 coefficients."""

import numpy as np
import pytest

from potentials.units import BOHR
from tasks.physics.densities import Level, density_of, free_atom
from tasks.physics.xdm import coefficients, hole_distance, polarizabilities

WATER = ("O", "H", "H"), np.array([[0, 0, 0.1173], [0, 0.7572, -0.4692], [0, -0.7572, -0.4692]])
_D = 1.0872 / np.sqrt(3)
METHANE = (
    ("C", "H", "H", "H", "H"),
    np.array([[0, 0, 0], [_D, _D, _D], [_D, -_D, -_D], [-_D, _D, -_D], [-_D, -_D, _D]]),
)


def test_the_hole_of_a_hydrogen_atom_is_centred_at_its_nucleus() -> None:
    """The exchange hole of one electron is its own density, which the model then describes exactly."""
    r = np.concatenate([np.geomspace(1e-3, 12, 400), [1.0]])
    rho = np.exp(-2 * r) / np.pi
    np.testing.assert_allclose(hole_distance(rho, 2 * rho, (4 - 4 / r) * rho, rho), r, rtol=1e-12)


def test_volumes_of_free_atoms_are_those_of_an_independent_program() -> None:
    expected = {"H": 8.3082, "C": 35.5047, "N": 26.8897, "O": 22.7784}  # PBE0/aug-cc-pVDZ, bohr^3
    for symbol, volume in expected.items():
        assert free_atom(symbol, Level()).volume == pytest.approx(volume, rel=1e-3)


@pytest.mark.parametrize(
    ("molecule", "c6", "alpha"),
    [(WATER, 43.8, 0.769), pytest.param(METHANE, 118.4, 1.374, marks=pytest.mark.slow)],
)
def test_c6_of_small_molecules(molecule, c6, alpha, tmp_path) -> None:
    symbols, positions = molecule
    density = density_of(symbols, positions, 0, Level(), tmp_path)
    free = np.array([free_atom(s, Level()).volume for s in symbols])
    found = polarizabilities(symbols, density.volume, free)
    assert found[0] == pytest.approx(alpha, rel=1e-2)
    assert coefficients(found / BOHR**3, density.moments)[0].sum() == pytest.approx(c6, rel=2e-2)  # of aug-cc-pVTZ
    assert density.population.sum() == pytest.approx(10, abs=1e-2)
