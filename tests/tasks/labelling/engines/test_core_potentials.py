"""Core potentials: set where a basis was made for one, never on a ghost, and refused where there is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.schema.labelling import Labelling
from storage.configuration import protocol_id
from tasks.labelling.by_hand import label_by_hand, read_configurations
from tasks.labelling.engines.core_potentials import core_potentials
from tasks.labelling.engines.hartree_fock import HartreeFock
from tasks.labelling.engines.interface import OK, Job
from tasks.labelling.engines.pyscf import PyscfEngine
from tasks.labelling.engines.pyscf_program import build_mole
from tasks.labelling.engines.registry import get_engine, new_engine
from tasks.labelling.optimize import find_start
from tasks.labelling.protocol import check_labelling, protocol_of

METHYL_IODIDE = NMer(
    "methyl-iodide",
    (
        Fragment(
            "CH3I",
            ("C", "I", "H", "H", "H"),
            ((0, 0, 0), (0, 0, 2.2), (1.03, 0, -0.34), (-0.515, 0.892, -0.34), (-0.515, -0.892, -0.34)),
            ((0, 1), (0, 2), (0, 3), (0, 4)),
        ),
    ),
    "A1B1C3",
)


@pytest.mark.parametrize(
    ("basis", "symbols", "electrons"),
    [
        ("def2-SVP", "I O H Kr Rb Xe", {"I": 28, "Rb": 28, "Xe": 28}),
        ("def2-TZVPPD", "Ag Au Cl", {"Ag": 28, "Au": 60}),
        ("cc-pVDZ-PP", "I Br", {"I": 28, "Br": 10}),
        ("aug-cc-pVDZ-PP", "Ag Au", {"Ag": 28, "Au": 60}),
        ("LANL2DZ", "Na K I", {"Na": 10, "K": 10, "I": 46}),
        ("stuttgart", "K Cl", {"K": 18, "Cl": 10}),
        ("aug-cc-pVTZ", "Br Cl O H", {}),
        ("6-31G*", "K Br C", {}),
        ("cc-pVDZ", "H C N O", {}),
    ],
)
def test_electrons_that_a_basis_leaves_to_a_potential(basis: str, symbols: str, electrons: dict[str, int]) -> None:
    assert new_engine("pyscf").core_electrons(basis, symbols.split()) == electrons


@pytest.mark.parametrize("engine", ["pyscf", "psi4", "orca"])
def test_a_basis_whose_potential_is_missing_is_refused_by_name(engine: str) -> None:
    with pytest.raises(InputError, match=r"basis 'cc-pVDZ-PP'.* C"):
        new_engine(engine).check_elements("cc-pVDZ-PP", ("C",))


def iodide(reference_data: Callable[[str], Path]) -> tuple[list[NMer], list[dict[str, float]]]:
    path = reference_data("cases") / "iodide-water.xyz"
    comments = re.findall(r"hf=(\S+) mp2_all_electrons=(\S+)", path.read_text())
    return read_configurations(path, [1, 3], [-1, 0]), [
        {"HF": float(hf), "MP2": float(mp2)} for hf, mp2 in comments
    ]


@pytest.mark.parametrize(("method", "count"), [("HF", 1), ("MP2", 2)])
def test_iodide_and_water_bind(method: str, count: int, reference_data: Callable[[str], Path]) -> None:
    """The public case: without the potential it was +66.1 kcal/mol where it is -8.4."""
    configurations, right = iodide(reference_data)
    assert len(configurations) == len(right) == 5
    configurations, right = configurations[:count], right[:count]
    labelling = Labelling(method=method, basis="def2-SVP", frozen_core=False)
    for one, values in zip(label_by_hand(configurations, labelling, 300, 3), right, strict=True):
        assert one["status"] == OK and one["nbody_energy"] == pytest.approx(values[method], abs=1e-4)


def test_the_fitted_way_has_the_potential_too(reference_data: Callable[[str], Path]) -> None:
    """Density fitting and CCSD(T) of our own, with frozen core electrons counted past the potential's."""
    configurations, right = iodide(reference_data)
    fitted = Labelling(method="MP2", basis="def2-SVP", frozen_core=False, density_fitting=True)
    (one,) = label_by_hand(configurations[:1], fitted, 300, 3)
    assert one["nbody_energy"] == pytest.approx(right[0]["MP2"], abs=0.05)
    whole = configurations[0]
    job = Job("AB", whole.symbols, tuple(map(tuple, whole.positions.tolist())), (), -1, "CCSD(T)", "def2-SVP")
    plain, own = PyscfEngine().run(job), PyscfEngine().run(replace(job, density_fitting=True))
    assert plain.details["electrons"] == own.details["electrons"] == 7 + 1 + 18 + 10
    assert plain.details["frozen_orbitals"] == own.details["frozen_orbitals"]
    assert plain.energy is not None and own.energy == pytest.approx(plain.energy, abs=2e-3)


def test_a_ghost_has_the_basis_and_no_potential() -> None:
    positions = ((0.0, 0.0, 0.0), (0.0, 0.0, 3.5), (0.0, 0.76, 4.1), (0.0, -0.76, 4.1))
    job = Job("B", ("I", "O", "H", "H"), positions, (0,), 0, "HF", "def2-SVP")
    mole = build_mole(job)
    assert mole.nelectron == 10 and not mole.has_ecp() and mole.atom_nshells(0) > 0
    assert build_mole(replace(job, ghosts=(), charge=-1)).nelectron == 8 + 18 + 10


@pytest.mark.usefixtures("psi4")
def test_psi4_is_the_second_opinion_without_ghosts() -> None:
    """Both set the same potential; with counterpoise psi4 1.3 would set it on ghosts too, and is refused."""
    job = Job("A", ("I", "H"), ((0.0, 0.0, 0.0), (0.0, 0.0, 1.61)), (), 0, "MP2", "def2-SVP", frozen_core=False)
    ours, theirs = PyscfEngine().run(job), get_engine("psi4").run(job)
    assert ours.energy is not None and theirs.energy == pytest.approx(ours.energy, abs=1e-6)
    labelling = Labelling(engine="psi4", method="MP2", basis="def2-SVP", counterpoise=True)
    ion = Fragment("I-", ("I",), ((0.0, 0.0, 0.0),), (), charge=-1)
    water = Fragment(
        "water", ("O", "H", "H"), ((0.0, 0.0, 3.5), (0.0, 0.76, 4.1), (0.0, -0.76, 4.1)), ((0, 1), (0, 2))
    )
    with pytest.raises(InputError, match=r"labelling.basis 'def2-SVP'.* I.*ghost"):
        check_labelling(NMer("iodide-water", (ion, water), "A1_B1C2"), labelling)


def test_the_minimum_of_hydrogen_iodide_is_found() -> None:
    iodide = Fragment("HI", ("I", "H"), ((0, 0, 0), (0, 0, 1.7)), ((0, 1),))
    molecule = NMer("hydrogen-iodide", (iodide,), "A1B1")
    start = find_start(molecule, HartreeFock(molecule))
    assert np.linalg.norm(start.positions[1] - start.positions[0]) == pytest.approx(1.60, abs=0.02)


def test_only_labels_with_a_potential_have_another_protocol() -> None:
    labelling = Labelling(method="MP2", basis="def2-SVP")
    light = METHYL_IODIDE.fragments[0]
    chlorine = replace(light, symbols=("C", "Cl", "H", "H", "H"))
    heavy, other = (protocol_of(NMer("x", (f,), "A1B1C3"), labelling) for f in (light, chlorine))
    assert other.id == protocol_id(labelling, dict(other.versions)) != heavy.id
    assert "core_electrons" not in other.settings and heavy.settings["core_electrons"] == {"def2-SVP": {"I": 28}}


def test_names_of_files_are_not_read_as_bases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text("H S\n 1.0 1.0\n")
    with pytest.raises(InputError, match="basis 'mine'"):
        core_potentials("mine", ["H"])
