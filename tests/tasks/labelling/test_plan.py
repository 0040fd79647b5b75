"""The counterpoise sum against qcmanybody, with real energies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.units import HARTREE
from recipes.schema.recipe import Labelling
from tasks.labelling.engines.registry import get_engine
from tasks.labelling.plan import nbody_energy, plan_label
from tasks.labelling.protocol import protocol_of

WATER = Fragment(
    "water", ("O", "H", "H"), ((0.0, 0.0, 0.12), (0.0, 0.76, -0.47), (0.0, -0.76, -0.47)), ((0, 1), (0, 2))
)
HELIUM = Fragment("helium", ("He",), ((0.0, 0.0, 0.0),), ())
LITHIUM = Fragment("lithium ion", ("Li",), ((0.0, 0.0, 0.0),), (), charge=1)


def placed(fragments: Sequence[Fragment]) -> np.ndarray:
    """Return positions with the fragments at the corners of a triangle."""
    corners = np.array([[0.0, 0.0, 0.0], [0.3, 0.2, 2.7], [2.1, -0.4, 1.5]])
    return np.vstack([np.array(f.positions) + corners[i] for i, f in enumerate(fragments)])


def label(nmer: NMer, positions: np.ndarray, settings: Labelling) -> float:
    """Return the n-body energy, kcal/mol."""
    protocol = protocol_of(nmer, settings)
    engine = get_engine(settings.engine)
    results = {job.part: engine.run(job) for job in protocol.jobs(positions, protocol.parts, 1.0)}
    assert {r.status for r in results.values()} == {"ok"}
    return nbody_energy(protocol.plan, {part: r.energy or 0.0 for part, r in results.items()})


@pytest.mark.parametrize(
    ("fragments", "symmetry", "counterpoise"),
    [
        ((WATER, HELIUM), "A1B2_C1", True),
        ((WATER, HELIUM), "A1B2_C1", False),
        ((LITHIUM, WATER), "A1_B1C2", True),
        ((HELIUM, WATER, HELIUM), "A1_B1C2_D1", True),
        ((HELIUM, WATER, HELIUM), "A1_B1C2_D1", False),
    ],
)
def test_the_sum_is_that_of_qcmanybody(fragments: tuple[Fragment, ...], symmetry: str, counterpoise: bool) -> None:
    core_module = pytest.importorskip("qcmanybody.core", reason="qcmanybody is not installed")
    from pyscf import gto
    from pyscf.mp.mp2 import RMP2
    from pyscf.scf.hf import RHF
    from qcelemental.models import Molecule
    from qcmanybody.models.v1 import BsseEnum

    nmer = NMer("test", fragments, symmetry)
    positions = placed(fragments)
    bohr = 1 / 0.52917721092  # PySCF's own
    molecule = Molecule(
        symbols=nmer.symbols,
        geometry=positions * bohr,
        fragments=[list(range(s.start, s.stop)) for s in nmer.slices],
        fragment_charges=[f.charge for f in fragments],
        fix_com=True,
        fix_orientation=True,
    )
    size = len(fragments)
    kind = BsseEnum.cp if counterpoise else BsseEnum.nocp
    core = core_module.ManyBodyCore(
        molecule=molecule,
        bsse_type=[kind],
        levels=dict.fromkeys(range(1, size + 1), "mp2"),
        return_total_data=False,
        supersystem_ie_only=False,
        embedding_charges=None,
    )
    energies = {}
    for _, name, part in core.iterate_molecules():
        atoms = [
            (s if real else f"ghost-{s}", xyz)
            for s, real, xyz in zip(part.symbols, part.real, part.geometry, strict=True)
        ]
        charge = int(part.molecular_charge)
        field = RHF(gto.M(atom=atoms, unit="Bohr", basis="sto-3g", charge=charge, verbose=0)).run(conv_tol=1e-11)
        energies[name] = {"energy": float(RMP2(field, frozen=0).run().e_tot)}
    body = core.analyze(energies)["results"]
    expected = body[f"{kind.value}_corrected_{size}_body_contribution_to_energy"]

    settings = Labelling(
        method="MP2", basis="sto-3g", counterpoise=counterpoise, frozen_core=False, scf_tolerance=1e-11
    )
    ours = label(nmer, positions, settings)
    assert abs(ours) > 1e-3
    assert ours == pytest.approx(expected * HARTREE, abs=2e-6)


def test_a_single_fragment_has_one_part() -> None:
    plan = plan_label(NMer("w", (WATER,), "A1B2"), counterpoise=True)
    assert [(p.name, p.coefficient, p.atoms, p.ghosts) for p in plan] == [("A", 1, (0, 1, 2), ())]
    assert nbody_energy(plan, {"A": -2.0}) == pytest.approx(-1255.0189481262)


def test_names_and_ghosts_of_a_dimer() -> None:
    nmer = NMer("d", (LITHIUM, WATER), "A1_B1C2")
    parts = [(p.name, p.coefficient, p.atoms, p.ghosts, p.charge) for p in plan_label(nmer, counterpoise=True)]
    assert parts == [
        ("AB", 1, (0, 1, 2, 3), (), 1),
        ("A in AB", -1, (0,), (1, 2, 3), 1),
        ("B in AB", -1, (1, 2, 3), (0,), 0),
    ]
    bare = [(p.name, p.ghosts) for p in plan_label(nmer, counterpoise=False)]
    assert bare == [("AB", ()), ("A", ()), ("B", ())]


def test_a_missing_energy_is_an_error() -> None:
    with pytest.raises(KeyError, match="B in AB"):
        nbody_energy(plan_label(NMer("d", (HELIUM, HELIUM), "A1_B1"), True), {"AB": 1.0, "A in AB": 1.0})
