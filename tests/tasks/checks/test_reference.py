"""References: total energies of whole molecules, kept in the ledger, and GFN2-xTB's gradient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError, StageError
from potentials.units import HARTREE
from recipes.chemistry.molecules import read_molecule
from storage.ledger import Ledger
from storage.store import Store
from tasks.checks.reference import UNKNOWN, Reference, reference, reference_name, whole
from tasks.xtb import total_energy

WATER = read_molecule("O").embedded()
GEOMETRIES = np.array([WATER.positions, WATER.positions]) * np.array([1.0, 1.02])[:, None, None]
SMALL = reference("ccsd-t-cc-pvdz").labelling.model_copy(update={"method": "HF", "basis": "sto-3g"})


def test_gfn2_xtb_is_that_of_tblite_and_its_gradient_is_the_slope() -> None:
    pytest.importorskip("tblite")
    one = reference()
    found = one.energies(WATER, GEOMETRIES)
    expected = [HARTREE * total_energy(np.array([8, 1, 1]), x, 0) for x in GEOMETRIES]
    assert found == pytest.approx(expected, abs=1e-6)
    surface, x = one.surface(WATER), GEOMETRIES[1].copy()
    gradient = surface(x)[1]
    ahead, behind = x.copy(), x.copy()
    ahead[1, 0] += 1e-3
    behind[1, 0] -= 1e-3
    assert gradient[1, 0] == pytest.approx((surface(ahead)[0] - surface(behind)[0]) / 2e-3, abs=1e-3)
    assert one.name == "GFN2-xTB" and one.missing(WATER, GEOMETRIES) == 2


def test_a_chain_with_more_kinds_of_atom_than_letters_is_one_nmer() -> None:
    chain = read_molecule("AceAla9Nme")
    one = whole(chain, np.arange(3.0 * chain.natoms).reshape(-1, 3))
    assert one.natoms == 102 and one.charge == 0 and tuple(one.symbols) == chain.symbols


def test_single_points_are_labels_and_are_not_computed_twice(tmp_path: Path) -> None:
    pytest.importorskip("pyscf")
    from pyscf import gto, scf

    store = Store(tmp_path / "store", create=True)
    one = Reference("small", SMALL, store)
    assert one.name == "HF/sto-3g" and one.missing(WATER, GEOMETRIES) == 2
    told: list[tuple[int, int]] = []
    found = one.energies(WATER, GEOMETRIES, lambda done, total: told.append((done, total)))
    atoms = list(zip(WATER.symbols, GEOMETRIES[1].tolist(), strict=True))
    assert found[1] == pytest.approx(
        HARTREE * scf.RHF(gto.M(atom=atoms, basis="sto-3g", verbose=0)).kernel(), abs=1e-5
    )
    assert told[-1] == (2, 2) and one.missing(WATER, GEOMETRIES) == 0
    with Ledger.read(store.labels) as ledger:
        (protocol,) = ledger.protocols()
    again = one.energies(WATER, GEOMETRIES[::-1])
    assert np.array_equal(again, found[::-1])
    with Ledger.read(store.labels) as ledger:
        assert list(ledger.protocols()) == [protocol]


def test_the_expected_time_is_measured_where_it_can_be(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", create=True)
    assert reference("orca-dlpno-aug-cc-pvtz", store).seconds(WATER, 3) == 3 * UNKNOWN
    assert 0.5 < reference("df-mp2-def2-tzvp", store).seconds(WATER, 1) < 10.0
    assert reference("df-mp2-def2-tzvp", store).name == "DF-MP2/def2-TZVP"
    assert 0.5 < reference("ccsd-t-cc-pvdz", store).seconds(WATER, 1) < 10.0
    assert reference().seconds(WATER, 100) < 2.0


def test_what_a_reference_cannot_do_is_said() -> None:
    with pytest.raises(InputError, match="gives energies alone"):
        reference("ccsd-t-cc-pvdz").surface(WATER)
    with pytest.raises(InputError, match="protocol 'ccsdt' is unknown"):
        reference("ccsdt")
    with pytest.raises(ValueError, match="allowed: gfn2-xtb"):
        reference_name("nothing")
    assert reference().energies(WATER, np.empty((0, 3, 3))).shape == (0,)


def test_a_density_that_is_not_found_is_an_error_of_the_stage_and_a_gap_among_energies() -> None:
    pytest.importorskip("tblite")
    chain, noise = read_molecule("AceAlaNme").embedded(), np.random.default_rng(0)
    place = np.array(chain.positions)
    tried = place + noise.normal(size=(20, *place.shape))
    lost = [bool(np.isnan(reference().energies(chain, x[None])[0])) for x in tried]
    torn = tried[lost.index(True)]
    with pytest.raises(StageError, match="GFN2-xTB of a geometry did not converge"):
        reference().surface(chain)(torn)
    found = reference().energies(chain, np.array([torn, place]))
    assert np.isnan(found[0]) and np.isfinite(found[1])
