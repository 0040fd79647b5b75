"""Bonds that are stretched: the SCF converges by what it takes, and a doubtful solution is flagged."""

from __future__ import annotations

import numpy as np
import pytest
from pyscf import gto, scf

from tasks.labelling.engines.interface import OK, Job
from tasks.labelling.engines.pyscf import PyscfEngine
from tasks.labelling.engines.self_consistent import UNSTABLE, by_response, lowest_triplet, settle


def stretched(distance: float, **changes: object) -> Job:
    settings = {"method": "HF", "basis": "cc-pVDZ"} | changes
    positions = ((0.0, 0.0, 0.0), (0.0, 0.0, distance))
    return Job("A", ("F", "H"), positions, (), 0, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("method", "fitted"), [("HF", False), ("MP2", True)])
def test_hydrogen_fluoride_far_apart_has_an_energy_and_a_flag(method: str, fitted: bool) -> None:
    found = PyscfEngine().run(stretched(4.0, method=method, density_fitting=fitted))
    assert found.status == OK and found.details["scf_converged"]
    assert found.details["instability"] > 0.1 and "scf_saddle" not in found.details
    if method == "HF":
        assert found.energy == pytest.approx(-99.5953, abs=0.08), "of the roots the one that is a minimum"


def test_an_ordinary_bond_has_no_flag() -> None:
    found = PyscfEngine().run(stretched(0.92))
    assert found.status == OK and "instability" not in found.details and "scf_route" not in found.details


@pytest.mark.parametrize("distance", [1.0, 1.8, 3.0])
def test_the_lowest_eigenvalue_is_that_of_the_whole_matrix(distance: float) -> None:
    """The whole triplet Hessian from integrals in orbitals: independent of the iterations here."""
    mole = gto.M(atom=f"F 0 0 0; H 0 0 {distance}", basis="6-31g", verbose=0)
    field = scf.RHF(mole)
    settle(field)
    assert field.converged
    occupied, virtual = field.mo_coeff[:, field.mo_occ > 0], field.mo_coeff[:, field.mo_occ == 0]
    no, nv = occupied.shape[1], virtual.shape[1]
    eri = mole.intor("int2e")
    abij = np.einsum("pqrs,pa,qb,ri,sj->aibj", eri, virtual, virtual, occupied, occupied, optimize=True)
    ajib = np.einsum("pqrs,pa,qj,rb,si->aibj", eri, virtual, occupied, virtual, occupied, optimize=True)
    gaps = field.mo_energy[field.mo_occ == 0][:, None] - field.mo_energy[field.mo_occ > 0]
    hessian = np.diag(gaps.ravel()) - (abij + ajib).reshape(no * nv, no * nv)
    lowest = np.linalg.eigvalsh(0.5 * (hessian + hessian.T))[0]
    assert lowest_triplet(field, by_response(field)) == pytest.approx(lowest, abs=2e-4)
    assert (lowest < -UNSTABLE) == (distance > 1.5)
