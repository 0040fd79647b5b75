"""What the energies of single molecules and of covalent n-mers count from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import StageError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.load import load_recipe
from recipes.schema.labelling import Labelling
from tasks.labelling.engines.interface import Job
from tasks.labelling.engines.pyscf import PyscfEngine
from tasks.labelling.engines.registry import get_engine
from tasks.labelling.plan import plan_label
from tasks.labelling.protocol import protocol_of
from tasks.labelling.reference import Label, MoleculeLabels, reference_energy, reference_molecules

DIMER = load_recipe("ch3-water").build_nmer()
LEVEL = Labelling(method="HF", basis="sto-3g")
ETHANE = NMer(
    "ethane",
    (
        Fragment(
            "ethane",
            ("C", "C", *("H",) * 6),
            (
                *((0.0, 0.0, 0.0), (1.53, 0.0, 0.0), (-0.39, 1.03, 0.0), (-0.39, -0.51, 0.89)),
                *((-0.39, -0.51, -0.89), (1.92, -1.03, 0.0), (1.92, 0.51, 0.89), (1.92, 0.51, -0.89)),
            ),
            ((0, 1), (0, 2), (0, 3), (0, 4), (1, 5), (1, 6), (1, 7)),
            parts=((0, 2, 3, 4), (1, 5, 6, 7)),
        ),
    ),
    "A2B6",
)


def energy_of(molecule: NMer, level: Labelling, folder: Path, label: Label | None = None) -> float | None:
    return reference_energy(protocol_of(molecule, level), reference_molecules(molecule, level), folder, label)


def energies(molecule: NMer, positions: np.ndarray) -> MoleculeLabels:
    found = []
    for x in positions:
        (job,) = protocol_of(molecule, LEVEL).jobs(x, ["A"], 2.0)
        found.append(PyscfEngine().run(job).energy or np.nan)
    return MoleculeLabels(np.array(found))


def test_a_one_mer_counts_from_its_own_minimum_found_once(tmp_path: Path) -> None:
    molecule = NMer("water", DIMER.fragments[1:], "A1B2")
    assert energy_of(molecule, LEVEL, tmp_path) is None
    assert energy_of(DIMER, LEVEL, tmp_path) == 0.0
    assert energy_of(molecule, LEVEL.model_copy(update={"reference": "none"}), tmp_path) == 0.0
    found = energy_of(molecule, LEVEL, tmp_path, energies)
    assert found == pytest.approx(-74.965901, abs=2e-6)  # HF/STO-3G water, Pople's group
    assert energy_of(molecule, LEVEL, tmp_path) == found  # read, not searched again
    (path,) = (tmp_path / "references").rglob("*.json")
    kept = json.loads(path.read_text())
    assert kept["protocol"] == protocol_of(molecule, LEVEL).id and kept["energy"] == found
    # another protocol has a minimum of its own
    other = LEVEL.model_copy(update={"basis": "6-31g"})
    assert energy_of(molecule, other, tmp_path) is None


def test_with_gradients_the_same_minimum_is_found_by_a_tenth_of_the_labels(tmp_path: Path) -> None:
    nmer = load_recipe("conh").build_nmer()
    molecule = NMer("formamide", nmer.fragments, nmer.symmetry)
    found, counts = [], []
    for gradients in (False, True):
        level = Labelling(engine="xtb", method="GFN2-xTB", counterpoise=False, gradients=gradients)
        count = 0

        def label(one: NMer, positions: np.ndarray, level: Labelling = level) -> MoleculeLabels:
            nonlocal count
            count += len(positions)
            engine = get_engine(level.engine)
            results = [engine.run(protocol_of(one, level).jobs(x, ["A"], 1.0)[0]) for x in positions]
            slopes = np.array([r.gradient for r in results]) if level.gradients else None
            return MoleculeLabels(np.array([r.energy for r in results], dtype=np.float64), slopes)

        found.append(energy_of(molecule, level, tmp_path, label))
        counts.append(count)
    assert found[0] is not None and found[1] == pytest.approx(found[0], abs=2e-7)
    assert counts[1] <= counts[0] / 10


def test_every_piece_of_a_covalent_n_mer_counts_from_its_own_minimum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.labelling.engines.hartree_fock.START_BASIS", "sto-3g")  # quick
    terms = reference_molecules(ETHANE, LEVEL)
    assert [(m.natoms, len(m.caps), factor) for m, factor in terms] == [(8, 0, 1), (5, 1, -1), (5, 1, -1)]
    found = energy_of(ETHANE, LEVEL, tmp_path, energies)
    # ethane in its minimum and two methanes with one bond held at 1.14 A
    whole, methane = (
        energy_of(NMer("x", (f,), s), LEVEL, tmp_path, energies)
        for f, s in ((terms[0][0].fragments[0], "A1B1C1D1E1F1G1H1"), (terms[1][0].fragments[0], "A1B1C1D1E1"))
    )
    assert whole is not None and methane is not None and found is not None
    assert whole == pytest.approx(-78.306180, abs=1e-5)
    assert found == pytest.approx(whole - 2 * methane, abs=1e-6)
    assert len(list((tmp_path / "references").rglob("*.json"))) == 3


def test_the_plan_of_a_covalent_n_mer_gives_its_pieces_with_caps() -> None:
    plan = plan_label(ETHANE, counterpoise=True)
    assert [(p.name, p.coefficient, p.ghosts) for p in plan] == [("AB", 1, ()), ("A", -1, ()), ("B", -1, ())]
    jobs = protocol_of(ETHANE, LEVEL).jobs(ETHANE.positions, ["AB", "A", "B"], 1.0)
    assert [j.symbols for j in jobs] == [ETHANE.symbols, ("C", *("H",) * 4), ("C", *("H",) * 4)]
    cap = np.array(jobs[1].positions[-1])
    np.testing.assert_allclose(cap, [1.14, 0.0, 0.0], atol=1e-12)


def test_a_failed_energy_on_the_way_is_named(tmp_path: Path) -> None:
    molecule = NMer("water", DIMER.fragments[1:], "A1B2")
    with pytest.raises(StageError, match=r"7 of 7 energies .* the minimum of 'water' failed"):
        energy_of(molecule, LEVEL, tmp_path, lambda m, x: MoleculeLabels(np.full(len(x), np.nan)))
    assert not list(tmp_path.rglob("*.json"))


def test_jobs_of_a_plain_molecule_are_as_before() -> None:
    (job,) = protocol_of(NMer("water", DIMER.fragments[1:], "A1B2"), LEVEL).jobs(DIMER.positions[5:], ["A"], 1.0)
    assert isinstance(job, Job) and job.part == "A" and job.symbols == ("O", "H", "H")
