"""Coupled cluster in float32: against double precision, a formula in spin orbitals, and what it has to obey."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike
from scipy.spatial.transform import Rotation

from potentials.arrays import Floats
from recipes.schema.labelling import Labelling
from tasks.labelling.coupled_cluster.ccsd import Amplitudes, Orbitals, Solution, ccsd_memory, solve_ccsd
from tasks.labelling.coupled_cluster.ladder import ParticleLadder
from tasks.labelling.coupled_cluster.triples import triples_energy, triples_memory
from tasks.labelling.engines.interface import FAILED, OK, OUT_OF_MEMORY, Job, Result
from tasks.labelling.engines.pyscf import PyscfEngine

WATER = (("O", "H", "H"), ((0.0, 0.0, 0.1173), (0.0, 0.7572, -0.4692), (0.0, -0.7572, -0.4692)))
HYDROGEN = (("H", "H"), ((0.3, 0.1, 2.8), (0.3, 0.4, 3.5)))
BOTH = (WATER[0] + HYDROGEN[0], WATER[1] + HYDROGEN[1])
SINGLE: dict[str, Any] = {"single_precision": True, "density_fitting": True, "cc_tolerance": 1e-7}


def job(molecule: tuple[tuple[str, ...], tuple[tuple[float, ...], ...]], **changes: Any) -> Job:
    base = Job("AB", molecule[0], molecule[1], (), 0, "CCSD(T)", "cc-pVDZ", memory=2.0)  # type: ignore[arg-type]
    return replace(base, **changes)


def run(one: Job) -> Result:
    result = PyscfEngine().run(one)
    assert (result.status, result.reason) == (OK, "")
    return result


def energy(one: Job) -> float:
    found = run(one).energy
    assert found is not None
    return found


def orbitals(seed: int, occupied: int, virtuals: int, auxiliary: int, precision: DTypeLike) -> Orbitals:
    """Return integrals of no molecule, small enough for the equations to converge."""
    random = np.random.default_rng(seed)
    count = occupied + virtuals
    fitted = random.normal(scale=0.1, size=(auxiliary, count, count))
    energies = np.concatenate(
        [np.sort(random.uniform(-2, -1, occupied)), np.sort(random.uniform(0.5, 2, virtuals))]
    )
    return Orbitals((fitted + fitted.transpose(0, 2, 1)).astype(precision), energies, occupied)


def test_the_ladder_is_the_plain_sum() -> None:
    random = np.random.default_rng(0)
    fitted = random.normal(size=(19, 19, 7))
    fitted += fitted.transpose(1, 0, 2)
    t2 = random.normal(size=(4, 19, 19))
    expected = np.einsum("acQ,bdQ,ncd->nab", fitted, fitted, t2, optimize=True)
    np.testing.assert_allclose(ParticleLadder(fitted).contract(t2), expected, rtol=1e-12, atol=1e-10)


def test_triples_are_those_of_spin_orbitals() -> None:
    """(T) of a textbook, E = 1/36 sum t_c D (t_c + t_d), with explicit permutations and spins."""
    space = orbitals(1, 3, 4, 9, np.float64)
    found = solve_ccsd(space, 1e-10, 100)
    assert found.converged
    assert triples_energy(space, found.amplitudes) == pytest.approx(spin_orbital_triples(space, found), rel=1e-10)


def spin_orbital_triples(space: Orbitals, solution: Solution) -> float:
    o, n = space.occupied, len(space.energies)
    same = np.eye(2)

    def spins(tensor: Floats, *kinds: int) -> Floats:
        return tensor.reshape([2 * k for k in kinds])

    coulomb = np.einsum("Qpr,Qqs,xz,yw->pxqyrzsw", space.fitted, space.fitted, same, same, optimize=True)
    plain = spins(np.ascontiguousarray(coulomb), n, n, n, n)  # <pq|rs>
    anti = plain - plain.transpose(0, 1, 3, 2)
    t2 = np.einsum("ijab,xz,yw->ixjyazbw", solution.amplitudes.t2, same, same)
    doubles = spins(np.ascontiguousarray(t2), o, o, n - o, n - o)
    doubles = doubles - doubles.transpose(0, 1, 3, 2)
    singles = spins(np.ascontiguousarray(np.einsum("ia,xz->ixaz", solution.amplitudes.t1, same)), o, n - o)
    e, occ, vir = np.repeat(space.energies, 2), slice(0, 2 * o), slice(2 * o, None)
    connected = np.einsum("jkad,dibc->ijkabc", doubles, anti[vir, occ, vir, vir])
    connected = connected - np.einsum("ilbc,lajk->ijkabc", doubles, anti[occ, vir, occ, occ])
    disconnected = np.einsum("ia,jkbc->ijkabc", singles, anti[occ, occ, vir, vir])

    def one_against_two(x: Floats) -> Floats:
        """P(i/jk) P(a/bc)."""
        x = x - x.transpose(1, 0, 2, 3, 4, 5) - x.transpose(2, 1, 0, 3, 4, 5)
        return np.asarray(x - x.transpose(0, 1, 2, 4, 3, 5) - x.transpose(0, 1, 2, 5, 4, 3))

    connected, disconnected = one_against_two(connected), one_against_two(disconnected)
    gaps = sum(
        np.reshape(x, [-1 if i == place else 1 for i in range(6)])
        for place, x in enumerate([e[occ]] * 3 + [-e[vir]] * 3)
    )
    return float(np.sum(connected * (connected + disconnected) / gaps)) / 36


def test_two_copies_far_apart_have_twice_the_energy() -> None:
    """Extensivity to the last digit, on integrals between two systems that do not see each other."""
    one = orbitals(2, 2, 3, 6, np.float64)
    q, n = one.fitted.shape[:2]
    order = [0, 1, n, n + 1, *range(2, n), *range(n + 2, 2 * n)]  # occupied ones first
    fitted = np.zeros((2 * q, 2 * n, 2 * n))
    fitted[:q, :n, :n] = fitted[q:, n:, n:] = one.fitted
    two = Orbitals(fitted[:, order][:, :, order], np.tile(one.energies, 2)[order], 4)
    alone, both = solve_ccsd(one, 1e-12, 100), solve_ccsd(two, 1e-12, 100)
    assert both.energy == pytest.approx(2 * alone.energy, abs=1e-11)
    triples = triples_energy(one, alone.amplitudes)
    assert abs(triples) > 1e-8
    assert triples_energy(two, both.amplitudes) == pytest.approx(2 * triples, abs=1e-12)
    for name in ("t1", "d1"):
        assert both.diagnostics()[name] == pytest.approx(alone.diagnostics()[name], rel=1e-6)


def test_exchanging_orbitals_of_a_kind_changes_nothing() -> None:
    one = orbitals(3, 3, 4, 8, np.float64)
    for shuffled in list(permutations(range(3)))[1:4]:
        order = [*shuffled, 5, 3, 6, 4]
        other = Orbitals(one.fitted[:, order][:, :, order], one.energies[order], 3)
        first, second = solve_ccsd(one, 1e-12, 100), solve_ccsd(other, 1e-12, 100)
        assert second.energy == pytest.approx(first.energy, abs=1e-11)
        expected = triples_energy(one, first.amplitudes)
        assert triples_energy(other, second.amplitudes) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("method", ["CCSD", "CCSD(T)", "FNO-CCSD(T)"])
def test_float32_is_double_precision_to_a_millionth_hartree(method: str) -> None:
    double = run(job(BOTH, method=method, density_fitting=True))
    single = run(job(BOTH, method=method, **SINGLE))
    assert single.components.keys() == double.components.keys()
    assert single.details == double.details
    for name, value in double.components.items():
        assert single.components[name] == pytest.approx(value, abs=3e-7), name
    assert single.energy != double.energy  # it is another calculation
    assert single.t1 == pytest.approx(double.t1, abs=1e-6)
    assert single.d1 == pytest.approx(double.d1, abs=1e-6)
    assert single.t2 == pytest.approx(double.t2, abs=1e-6)


def test_a_composite_in_float32_is_that_in_double_precision() -> None:
    settings: dict[str, Any] = {"basis": "6-31G", "mp2_basis": "cc-pVDZ", "scale_triples": True}
    assert energy(job(WATER, **settings, **SINGLE)) == pytest.approx(
        energy(job(WATER, **settings, density_fitting=True)), abs=3e-7
    )


def test_turning_and_ghosts_and_distance_in_float32() -> None:
    turned = Rotation.from_rotvec([0.3, -1.1, 0.7]).apply(np.array(BOTH[1])) + np.array([1.0, -2.0, 0.5])
    moved = (BOTH[0], tuple((float(x), float(y), float(z)) for x, y, z in turned))
    whole = energy(job(BOTH, **SINGLE))
    assert energy(job(moved, **SINGLE)) == pytest.approx(whole, abs=3e-7)
    alone = energy(job(WATER, **SINGLE)), energy(job(HYDROGEN, **SINGLE))
    assert alone[0] - 0.01 < energy(job(BOTH, ghosts=(3, 4), **SINGLE)) < alone[0] - 1e-5
    far = (BOTH[0], WATER[1] + tuple((x, y, z + 1000.0) for x, y, z in HYDROGEN[1]))
    assert energy(job(far, **SINGLE)) == pytest.approx(sum(alone), abs=1e-6)


def test_what_float32_does_not_reach_has_not_converged() -> None:
    result = PyscfEngine().run(job(WATER, **SINGLE | {"cc_tolerance": 1e-30}))
    assert (result.status, result.energy) == (FAILED, None)
    assert result.details["cc_converged"] is False and "CCSD did not converge" in result.reason


def test_too_little_memory_is_said_before_it_is_taken() -> None:
    result = PyscfEngine().run(job(BOTH, basis="aug-cc-pVDZ", memory=0.26, **SINGLE))
    assert result.status == OUT_OF_MEMORY and "virtual orbitals need" in result.reason
    # formamide with water in aug-cc-pVTZ: twice as much in double precision
    sizes = (13, 282, 1000)
    assert 6 < ccsd_memory(*sizes, np.float32) < 12 and 2 < triples_memory(*sizes, np.float32) < 12
    assert ccsd_memory(*sizes, np.float64) == pytest.approx(2 * ccsd_memory(*sizes, np.float32))


def test_amplitudes_that_run_away_end_the_iterations() -> None:
    wild = orbitals(4, 2, 3, 6, np.float32)
    found = solve_ccsd(replace(wild, fitted=1e12 * wild.fitted), 1e-7, 100)
    assert not found.converged and found.iterations < 100
    assert isinstance(found.amplitudes, Amplitudes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "CCSD(T)", "basis": "cc-pVDZ"}, "single_precision needs density_fitting"),
        ({"method": "MP2", "density_fitting": True}, "single_precision needs engine 'pyscf' .*CCSD"),
        ({"engine": "psi4", "density_fitting": True}, "single_precision needs engine 'pyscf'"),
        ({"density_fitting": True, "cc_tolerance": 1e-8}, "single_precision needs cc_tolerance = 1e-07"),
    ],
)
def test_single_precision_has_its_conditions(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Labelling(**{"single_precision": True, "cc_tolerance": 1e-7} | settings)


def test_precision_is_part_of_a_protocol_and_its_absence_is_not() -> None:
    plain = Labelling(method="CCSD(T)", density_fitting=True, cc_tolerance=1e-7)
    single = plain.model_copy(update={"single_precision": True})
    assert "single_precision" not in plain.content()
    assert single.content()["single_precision"] is True
