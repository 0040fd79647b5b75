"""The mesh against that of the library helPME, which knows nothing of ours."""

from __future__ import annotations

import numpy as np
import pytest

from potentials.physics.periodic.mesh import Mesh

SIDE, POINTS, KAPPA = 12.0, 24, 0.45


def test_potential_and_field_of_charges_and_dipoles_are_those_of_helpme() -> None:
    helpme = pytest.importorskip("helpme_py", reason="helpme-py is missing: pip install helpme-py")
    rng, n = np.random.default_rng(0), 40
    x, charge, dipole = rng.uniform(0, SIDE, size=(n, 3)), rng.normal(size=n), rng.normal(scale=0.1, size=(n, 3))
    charge -= charge.mean()
    mesh = Mesh(n, (POINTS,) * 3, KAPPA, lambda function, parts: [function(*part) for part in parts])
    mesh.place(np.ascontiguousarray(x.T / SIDE), SIDE * np.eye(3))
    found = np.zeros((4, n))
    mesh.potential(charge, np.ascontiguousarray(dipole.T.ravel()), found)
    library = helpme.PMEInstanceD()
    library.setup(1, KAPPA, 6, POINTS, POINTS, POINTS, 1.0, 1)
    library.set_lattice_vectors(SIDE, SIDE, SIDE, 90, 90, 90, helpme.LatticeType.XAligned)
    sources, expected = np.ascontiguousarray(np.column_stack([charge, dipole])), np.zeros((n, 4))
    places = helpme.MatrixD(x)
    library.compute_P_rec(1, helpme.MatrixD(sources), places, places, 1, helpme.MatrixD(expected))
    np.testing.assert_allclose(found, expected.T, atol=1e-7 * np.abs(expected).max())
