"""q-TIP4P/F: literature values, plain sums in vacuum and in cells, OpenMM, derivatives, and lists of pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.systems.cell import Cell
from potentials.systems.manybody import ManyBodyPotential
from potentials.water.model import WATER_MODELS, water_model
from potentials.water.qtip4pf import FADING, QTip4pF
from tests.potentials.water import waters as plain

DEBYE = 4.80320471
"""1 e Angstrom."""


def of(count: int, vectors: Floats | None = None, **options: float) -> QTip4pF:
    cell = None if vectors is None else Cell(tuple(map(tuple, vectors)), (True, True, True))
    return QTip4pF(np.arange(3 * count).reshape(-1, 3), 3 * count, cell, **options)


def whole(positions: Floats, vectors: Floats) -> tuple[Floats, float]:
    """Return the plain sum of a box, and its electrostatics, of whole molecules and a cut-off of 9 A."""
    waters = positions.reshape(-1, 3, 3)
    charged = plain.ewald(*plain.sites(waters), vectors, 0.45, 14)
    n, oxygens = len(waters), waters[:, 0]
    i, j = np.triu_indices(n, 1)
    apart = oxygens[i] - oxygens[j]
    r = np.linalg.norm(apart - np.rint(apart @ np.linalg.inv(vectors)) @ vectors, axis=1)
    x = np.clip((r - (9 - FADING)) / FADING, 0, 1)
    on = 1 - 10 * x**3 + 15 * x**4 - 6 * x**5
    far = np.linspace(9 - FADING, 60, 200_001)
    y = np.clip((far - (9 - FADING)) / FADING, 0, 1)
    off = 10 * y**3 - 15 * y**4 + 6 * y**5
    tail = np.trapezoid(off * plain.lennard_jones(far) * far**2, far) - 4 * 0.1852 * 3.1589**6 / (3 * 60**3)
    vdw = (on * plain.lennard_jones(r)).sum() + 2 * np.pi * n * n / np.linalg.det(vectors) * tail
    return plain.intramolecular(waters) + charged + vdw, charged


def test_one_molecule_has_the_published_minimum_and_dipole() -> None:
    found = of(1).evaluate(plain.monomer()[None])
    assert abs(found.energy[0]) < 1e-12 and np.abs(found.gradient).max() < 1e-10
    placed, charges = plain.sites(plain.monomer()[None])
    assert np.linalg.norm(charges @ placed) * DEBYE == pytest.approx(2.194, abs=1e-3)


def test_the_dimer_has_the_published_depth() -> None:
    start = np.concatenate([plain.monomer(), [[2.8, 0, 0], [3.3, 0.3, 0.75], [3.3, 0.3, -0.75]]])
    model = of(2)

    def energy(x: Floats) -> tuple[float, Floats]:
        value, slope = model.energy_and_gradient(x.reshape(6, 3))
        return float(value), slope.ravel()

    found = minimize(energy, start.ravel(), jac=True, method="BFGS", options={"gtol": 1e-6})
    apart = np.linalg.norm(found.x.reshape(6, 3)[0] - found.x.reshape(6, 3)[3])
    assert found.fun == pytest.approx(-6.55, abs=0.02) and apart == pytest.approx(2.75, abs=0.05)


def test_in_vacuum_all_pairs_count_wherever_the_waters_stand() -> None:
    positions, _ = plain.cluster(2, 3.2, seed=3)
    waters = positions.reshape(-1, 3, 3)
    placed, charges = plain.sites(waters)
    i, j = np.triu_indices(len(charges), 1)
    between = i // 3 != j // 3
    r = np.linalg.norm(placed[i] - placed[j], axis=1)[between]
    a, b = np.triu_indices(len(waters), 1)
    vdw = plain.lennard_jones(np.linalg.norm(waters[a, 0] - waters[b, 0], axis=1)).sum()
    expected = plain.intramolecular(waters) + 332.0637133 * (charges[i] * charges[j])[between] @ (1 / r) + vdw
    found = of(8).evaluate(positions[None])
    assert found.energy[0] == pytest.approx(expected, rel=1e-8)
    assert sum(found.shares.values())[0] == pytest.approx(found.energy[0])

    order = np.random.default_rng(5).permutation(30)  # six atoms belong to no water
    scattered = np.full((30, 3), 7.0)
    scattered[order[:24]] = positions
    elsewhere = QTip4pF(order[:24].reshape(-1, 3), 30).evaluate(scattered[None])
    assert elsewhere.energy[0] == pytest.approx(found.energy[0], rel=1e-13)
    np.testing.assert_allclose(elsewhere.gradient[0, order[:24]], found.gradient[0], atol=1e-9)
    assert not elsewhere.gradient[0, order[24:]].any()


SKEW = np.array([[1.0, 0, 0], [0.2, 0.96, 0], [-0.15, 0.1, 0.97]])


@pytest.mark.parametrize(
    "skew", [np.diag([1, 1.05, 1.1]), SKEW, SKEW[::-1] * [1, -1, 1]], ids=["bar", "skew", "turned"]
)
def test_in_a_cell_it_is_ewalds_sum_and_derivatives_are_exact(skew: Floats) -> None:
    positions, length = plain.cluster(6, 3.25, seed=4)
    positions, vectors = positions @ skew, length * skew
    model = of(216, vectors)
    found = model.evaluate(positions[None])
    if np.linalg.det(skew) > 0:
        expected, charged = whole(positions, vectors)
        assert found.shares["electrostatics"][0] == pytest.approx(charged, abs=0.01)  # of 36,000 of single charges
        assert found.energy[0] == pytest.approx(expected, abs=0.01)
    assert found.virial is not None
    rng = np.random.default_rng(1)
    way, strain, h = rng.normal(size=positions.shape), rng.normal(size=(3, 3)), 1e-4
    sides = [model.evaluate(positions[None] + s * h * way).energy[0] for s in (1, -1)]
    assert (sides[0] - sides[1]) / (2 * h) == pytest.approx((found.gradient[0] * way).sum(), rel=1e-5, abs=1e-3)
    h = 1e-6
    sides = []
    for s in (h, -h):
        stretched = np.eye(3) + s * strain
        sides.append(model.evaluate((positions @ stretched.T)[None], vectors @ stretched.T).energy[0])
    assert (sides[0] - sides[1]) / (2 * h) == pytest.approx((found.virial[0] * strain).sum(), rel=1e-6, abs=1e-3)


def test_every_atom_may_be_in_any_image_and_the_cell_may_be_narrow() -> None:
    positions, length = plain.cluster(4, 3.1, seed=6)
    vectors = length * np.eye(3)  # 12.4 A: the nearest images of sites differ from those of their oxygens
    model, other = of(64, vectors, cutoff=6.2), of(64, vectors, cutoff=5.0, skin=0.5)
    images = np.random.default_rng(2).integers(-3, 4, (192, 3)) @ vectors
    for each in (model, other):
        found, moved = (each.evaluate(x[None]) for x in (positions, positions + images))
        assert moved.energy[0] == pytest.approx(found.energy[0], rel=1e-9)
        np.testing.assert_allclose(moved.gradient, found.gradient, atol=1e-6)
    placed = plain.sites(positions.reshape(-1, 3, 3))
    charged = plain.ewald(*placed, vectors, 0.6, 12)
    assert model.evaluate(positions[None]).shares["electrostatics"][0] == pytest.approx(charged, abs=0.01)


def test_a_list_of_pairs_is_made_again_when_it_must_be() -> None:
    positions, length = plain.cluster(7, 3.1, seed=7)
    vectors = length * np.eye(3)
    model = of(343, vectors, cutoff=7.0)
    rng = np.random.default_rng(8)
    lists = []
    for step in range(6):
        positions = positions + rng.normal(0, 0.05, positions.shape)
        cell = vectors * (1 + 0.01 * step)
        found = model.evaluate(positions[None], cell)
        lists.append(model._near)
        fresh = of(343, vectors, cutoff=7.0).evaluate(positions[None], cell)
        assert found.energy[0] == pytest.approx(fresh.energy[0], rel=1e-11)
        np.testing.assert_allclose(found.gradient, fresh.gradient, atol=1e-8)
    assert 1 < len({id(one) for one in lists}) < 6


def test_openmm_has_the_same_periodic_energy_and_forces() -> None:
    mm = pytest.importorskip("openmm")
    positions, length = plain.cluster(6, 3.25, seed=9)
    model = of(216, length * np.eye(3))
    found = model.evaluate(positions[None])
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in length / 10 * np.eye(3)))
    charges, vdw = mm.NonbondedForce(), mm.NonbondedForce()
    stretch = mm.CustomBondForce("d*((a*x)^2-(a*x)^3+7/12*(a*x)^4); x=r-0.09419; d=485.72056; a=22.87")
    bend = mm.HarmonicAngleForce()
    for force in (charges, vdw):
        force.setNonbondedMethod(mm.NonbondedForce.PME)
        force.setCutoffDistance(0.9)
    charges.setPMEParameters(4.2, 64, 64, 64)
    vdw.setUseSwitchingFunction(True)
    vdw.setSwitchingDistance(0.8)
    vdw.setUseDispersionCorrection(False)  # OpenMM counts n (n + 1)/2 pairs of oxygens
    for k in range(216):
        o = 4 * k
        for mass in (16, 1, 1, 0):
            system.addParticle(mass)
        system.setVirtualSite(o + 3, mm.ThreeParticleAverageSite(o, o + 1, o + 2, 0.73612, 0.13194, 0.13194))
        for q, depth in ((0, 0.7748768), (0.5564, 0), (0.5564, 0), (-1.1128, 0)):
            charges.addParticle(q, 1, 0)
            vdw.addParticle(0, 0.31589, depth)
        for i, j in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
            for force in (charges, vdw):
                force.addException(o + i, o + j, 0, 1, 0)
        stretch.addBond(o, o + 1, [])
        stretch.addBond(o, o + 2, [])
        bend.addAngle(o + 1, o, o + 2, np.radians(107.4), 367.5644)
    for force in (charges, vdw, stretch, bend):
        system.addForce(force)
    context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
    with_m = np.concatenate([positions.reshape(-1, 3, 3), np.zeros((216, 1, 3))], axis=1).reshape(-1, 3)
    context.setPositions(with_m / 10)
    context.computeVirtualSites()
    state = context.getState(getEnergy=True, getForces=True)
    energy = state.getPotentialEnergy()._value / 4.184
    forces = state.getForces(asNumpy=True)._value.reshape(-1, 4, 3)[:, :3].reshape(-1, 3) / 41.84
    assert found.energy[0] - model._tail * 216**2 / length**3 == pytest.approx(energy, abs=0.02)
    np.testing.assert_allclose(-found.gradient[0], forces, atol=2e-3)


def test_it_is_a_contribution_to_a_sum() -> None:
    positions, _ = plain.cluster(2, 3.2, seed=3)
    model = water_model("q-TIP4P/F", np.arange(24).reshape(-1, 3), 24)
    total = ManyBodyPotential(("O", "H", "H") * 8, [], {}, [model])
    assert total.parts(positions)["q-TIP4P/F"][0] == total.energy(positions)
    assert set(WATER_MODELS) == {"q-TIP4P/F"} and "8 waters among 24 atoms" in repr(model)


def test_what_does_not_fit_is_refused() -> None:
    waters, cell = np.array([[0, 1, 2]]), Cell(((12.0, 0, 0), (0, 20, 0), (0, 0, 20)), (True, True, True))
    with pytest.raises(InputError, match=r"'SPC' is unknown; allowed: q-TIP4P/F"):
        water_model("SPC", waters, 3)
    with pytest.raises(InputError, match="must be different ones of the system's 3"):
        QTip4pF([[0, 1, 3]], 3)
    with pytest.raises(InputError, match="must be different ones"):
        QTip4pF([[0, 1, 1]], 3)
    with pytest.raises(InputError, match="along all three vectors"):
        QTip4pF(waters, 3, Cell(cell.vectors, (True, True, False)))
    with pytest.raises(InputError, match=r"the cut-off is 0.5 A"):
        QTip4pF(waters, 3, cell, cutoff=0.5)
    with pytest.raises(InputError, match=r"12.000 A wide, and q-TIP4P/F ends at 9 A"):
        QTip4pF(waters, 3, cell).evaluate(plain.monomer()[None])
    with pytest.raises(InputError, match="made without a cell"):
        of(1).evaluate(plain.monomer()[None], np.eye(3))
    with pytest.raises(InputError, match=r"shape \(2, 3, 3\); allowed: \(3, 3\) or \(1, 3, 3\)"):
        QTip4pF(waters, 3, cell).evaluate(plain.monomer()[None], np.zeros((2, 3, 3)))
    with pytest.raises(InputError, match=r"positions have shape \(3, 3\); allowed: \(n, 3, 3\)"):
        of(1).evaluate(plain.monomer())
    with pytest.raises(InputError, match="not a finite number"):
        of(2).evaluate(np.concatenate([plain.monomer()] * 2)[None])
