"""Energies against reference data and against another program."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from potentials.errors import InputError
from tasks.labelling.engine import Engine, Job, Result
from tasks.labelling.engines import get_engine
from tasks.labelling.plan import HARTREE

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


def triple(engine: Engine, method: str, basis: str, symbols: Any, positions: Any, first: int) -> dict[str, Result]:
    atoms = tuple(range(len(symbols)))
    ghosts = {"AB": (), "A in AB": atoms[first:], "B in AB": atoms[:first]}
    jobs = [Job(part, symbols, positions, g, 0, method, basis, memory=3.0) for part, g in ghosts.items()]
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


def test_psi4_agrees(psi4: str, tmp_path: Path) -> None:
    symbols = ("O", "H", "H", "He")
    positions = ((0.0, 0.0, 0.1173), (0.0, 0.7572, -0.4692), (0.0, -0.7572, -0.4692), (0.2, 0.3, 2.6))
    ours = triple(get_engine("pyscf"), "CCSD(T)", "cc-pVDZ", symbols, positions, 3)
    lines = ["memory 500 mb", "set basis cc-pvdz", "set freeze_core true", "set scf_type pk"]
    lines += ["set e_convergence 9", "set d_convergence 9", "set r_convergence 8"]
    for i, (part, ghosts) in enumerate({"AB": (), "A in AB": (3,), "B in AB": (0, 1, 2)}.items()):
        lines += [f"molecule m{i} {{", "0 1", "symmetry c1", "no_com", "no_reorient", "units angstrom"]
        lines += [
            f"{'@' if a in ghosts else ''}{symbols[a]} " + " ".join(f"{x:.10f}" for x in positions[a])
            for a in range(4)
        ]
        lines += ["}", f"activate(m{i})", "e = energy('ccsd(t)')"]
        lines += [f"print('RESULT', '{part}', '=', repr(float(e)), flush=True)", "clean()"]
    (tmp_path / "in.dat").write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        [psi4, "-i", "in.dat", "-o", "out.dat", "-n", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    words = [line.split("=") for line in done.stdout.splitlines() if line.startswith("RESULT")]
    theirs = {left.removeprefix("RESULT").strip(): float(right) for left, right in words}
    assert set(theirs) == set(ours), done.stdout[-2000:] + done.stderr[-2000:]
    # Psi4's conversion from Angstrom differs in the ninth digit
    for part, energy in theirs.items():
        assert ours[part].energy == pytest.approx(energy, abs=1e-6)
    total = HARTREE * (theirs["AB"] - theirs["A in AB"] - theirs["B in AB"])
    assert interaction(ours) == pytest.approx(total, abs=1e-5)
