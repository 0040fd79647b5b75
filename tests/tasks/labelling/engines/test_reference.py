"""Energies against reference data and against another program."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from potentials.errors import InputError
from potentials.units import HARTREE
from tasks.labelling.engines.interface import Engine, Job, Result
from tasks.labelling.engines.registry import get_engine

SIZES = {"M": 5, "F": 6}
SYSTEMS = {"M": "methane-water", "F": "formamide-water"}
PARTS = {"AB": "AB", "A": "A in AB", "B": "B in AB"}


def read_frame(folder: Path, frame: str) -> tuple[tuple[str, ...], tuple[tuple[float, float, float], ...]]:
    lines = (folder / f"{SYSTEMS[frame[0]]}.xyz").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if f"frame={frame} " in line)
    words = [line.split() for line in lines[start + 1 : start + 1 + int(lines[start - 1])]]
    return tuple(w[0] for w in words), tuple((float(w[1]), float(w[2]), float(w[3])) for w in words)


def read_reference(folder: Path, frame: str, basis: str, method: str) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    wanted = [r for r in rows if (r["frame"], r["basis"], r["method"]) == (frame, basis, method)]
    return {PARTS[row["part"]]: row for row in wanted}


def triple(
    engine: Engine, method: str, basis: str, symbols: Any, positions: Any, first: int, **more: Any
) -> dict[str, Result]:
    atoms = tuple(range(len(symbols)))
    ghosts = {"AB": (), "A in AB": atoms[first:], "B in AB": atoms[:first]}
    jobs = [Job(part, symbols, positions, g, 0, method, basis, memory=3.0, **more) for part, g in ghosts.items()]
    results = {job.part: engine.run(job) for job in jobs}
    assert {r.status for r in results.values()} == {"ok"}
    return results


def interaction(results: dict[str, Result]) -> float:
    energy = {part: r.energy or 0.0 for part, r in results.items()}
    return HARTREE * (energy["AB"] - energy["A in AB"] - energy["B in AB"])


def reference_interaction(rows: dict[str, dict[str, Any]]) -> float:
    return float(HARTREE * (rows["AB"]["e_tot"] - rows["A in AB"]["e_tot"] - rows["B in AB"]["e_tot"]))


def test_methane_water_is_the_reference_but_for_its_density_fitting(
    reference_data: Callable[[str], Path],
) -> None:
    folder = reference_data("label-reference")
    reference = read_reference(folder, "M3", "cc-pVDZ", "canon")
    results = triple(get_engine("pyscf"), "CCSD(T)", "cc-pVDZ", *read_frame(folder, "M3"), SIZES["M"])
    assert interaction(results) == pytest.approx(reference_interaction(reference), abs=0.01)
    for part, row in reference.items():
        found = results[part]
        assert found.details["electrons"] == row["nelec"]
        assert found.details["frozen_orbitals"] == row["ncore"]
        assert found.details["basis_functions"] == row["nao"]
        # density fitting moves the total energies, and hardly the diagnostics
        assert found.energy == pytest.approx(row["e_tot"], abs=3e-4)
        assert found.components["triples"] == pytest.approx(row["e_t"], abs=2e-5)
        assert found.t1 == pytest.approx(row["t1_diag"], abs=2e-5)
        assert found.d1 == pytest.approx(row["d1_diag"], abs=5e-5)
        assert found.t2 == pytest.approx(row["max_t2"], abs=1e-3)


@pytest.mark.slow
def test_formamide_water_is_the_reference_without_density_fitting(
    reference_data: Callable[[str], Path],
) -> None:
    folder = reference_data("label-reference")
    reference = read_reference(folder, "F2", "cc-pVDZ", "nodf")
    results = triple(get_engine("pyscf"), "CCSD(T)", "cc-pVDZ", *read_frame(folder, "F2"), SIZES["F"])
    for part, row in reference.items():
        assert results[part].energy == pytest.approx(row["e_tot"], abs=1e-7)


def lno() -> Engine:
    try:
        return get_engine("pyscf-lno")
    except InputError as error:
        pytest.skip(str(error))


def test_lno_is_near_canonical_for_methane_water(reference_data: Callable[[str], Path]) -> None:
    engine, folder = lno(), reference_data("label-reference")
    reference = read_reference(folder, "M3", "cc-pVDZ", "canon")
    results = triple(engine, "LNO-CCSD(T)", "cc-pVDZ", *read_frame(folder, "M3"), SIZES["M"])
    assert interaction(results) == pytest.approx(reference_interaction(reference), abs=0.04)
    for part, row in reference.items():
        assert results[part].components["hf"] == pytest.approx(row["e_hf"], abs=1e-8)
        assert results[part].components["mp2"] == pytest.approx(row["e_mp2_corr"], abs=1e-7)


@pytest.mark.slow
def test_lno_is_the_lno_reference_for_formamide_water(reference_data: Callable[[str], Path]) -> None:
    engine, folder = lno(), reference_data("label-reference")
    reference = read_reference(folder, "F2", "aug-cc-pVDZ", "lno1e-5")
    results = triple(engine, "LNO-CCSD(T)", "aug-cc-pVDZ", *read_frame(folder, "F2"), SIZES["F"])
    assert interaction(results) == pytest.approx(reference_interaction(reference), abs=1e-3)


@pytest.mark.parametrize("method", ["CCSD(T)", "FNO-CCSD(T)"])
@pytest.mark.parametrize("fitted", [False, True])
def test_psi4_agrees(psi4: str, method: str, fitted: bool) -> None:
    if method.startswith("FNO") and not fitted:
        pytest.skip("natural orbitals are fitted in both engines")
    symbols = ("O", "H", "H", "H", "H")
    water = ((0.0, 0.0, 0.1173), (0.0, 0.7572, -0.4692), (0.0, -0.7572, -0.4692))
    positions = (*water, (0.2, 0.3, 2.6), (0.2, 0.4, 3.34))
    ours, theirs = (
        triple(get_engine(name), method, "cc-pVDZ", symbols, positions, 3, density_fitting=fitted)
        for name in ("pyscf", "psi4")
    )
    # psi4's conversion from Angstrom differs in the ninth digit
    for part, result in theirs.items():
        assert ours[part].energy == pytest.approx(result.energy, abs=1e-6)
        assert ours[part].details["frozen_orbitals"] == result.details["frozen_orbitals"]
        assert ours[part].t1 == pytest.approx(result.t1, abs=1e-5)
        assert ours[part].d1 == pytest.approx(result.d1, abs=1e-4)
        for name, value in result.components.items():
            assert ours[part].components[name] == pytest.approx(value, abs=2e-6)
    assert interaction(ours) == pytest.approx(interaction(theirs), abs=1e-4)
