"""Density-fitted coupled cluster, natural orbitals, and composites against reference energies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase.io import read

from potentials.units import HARTREE
from recipes.schema.labelling import Labelling
from tasks.labelling.engines.interface import OK, OUT_OF_MEMORY, Job, Result
from tasks.labelling.engines.pyscf import PyscfEngine

PARTS = {"AB": 1, "A": -1, "B": -1}


def triple(
    folder: Path, frame: str, settings: Labelling, memory: float = 6.0, parts: tuple[str, ...] = tuple(PARTS)
) -> dict[str, Result]:
    """Return the three results of a counterpoise triple of the reference set, by one engine."""
    name = "methane-water" if frame.startswith("M") else "formamide-water"
    (atoms,) = [a for a in read(folder / f"{name}.xyz", ":") if a.info["frame"] == frame]
    owner = np.array(atoms.arrays["fragment"])
    ghosts = {"AB": (), "A": np.flatnonzero(owner == 1), "B": np.flatnonzero(owner == 0)}
    engine, results = PyscfEngine(), {}
    for part, others in ((p, ghosts[p]) for p in parts):
        job = Job(
            part,
            tuple(atoms.get_chemical_symbols()),
            tuple((float(x), float(y), float(z)) for x, y, z in atoms.positions),
            tuple(int(g) for g in others),
            0,
            settings.method,
            settings.basis,
            fno_threshold=settings.fno_threshold,
            mp2_basis=settings.mp2_basis,
            scale_triples=settings.scale_triples,
            scf_tolerance=settings.scf_tolerance,
            cc_tolerance=settings.cc_tolerance,
            density_fitting=settings.density_fitting,
            single_precision=settings.single_precision,
            memory=memory,
        )
        results[part] = engine.run(job)
    return results


def interaction(results: dict[str, Result]) -> float:
    assert all(r.status == OK for r in results.values()), results
    return HARTREE * sum(PARTS[p] * (r.energy or 0.0) for p, r in results.items())


def reference(folder: Path, frame: str, basis: str) -> dict[str, dict[str, float]]:
    """Return the canonical density-fitted energies of a frame, by part."""
    rows = (json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines())
    return {r["part"]: r for r in rows if (r["frame"], r["basis"], r["method"]) == (frame, basis, "canon")}


def test_fitted_ccsd_t_is_the_reference_to_1e_7_hartree(reference_data: Callable[[str], Path]) -> None:
    folder = reference_data("label-reference")
    found = triple(folder, "M3", Labelling(method="CCSD(T)", basis="cc-pVDZ", density_fitting=True))
    for part, known in reference(folder, "M3", "cc-pVDZ").items():
        result = found[part]
        assert result.components["hf"] == pytest.approx(known["e_hf"], abs=1e-9)
        assert result.components["mp2"] == pytest.approx(known["e_mp2_corr"], abs=1e-9)
        assert result.components["ccsd"] == pytest.approx(known["e_ccsd_corr"], abs=1e-7)
        assert result.components["triples"] == pytest.approx(known["e_t"], abs=1e-8)
        assert result.t1 == pytest.approx(known["t1_diag"], abs=1e-5)
        assert result.details["virtuals"] == known["nvir"]
    assert interaction(found) == pytest.approx(1.19848, abs=1e-4)


def test_natural_orbitals_without_a_threshold_are_canonical(reference_data: Callable[[str], Path]) -> None:
    """Nothing cut off: the same energy in other orbitals. Something cut off: dMP2 mends most of it."""
    folder = reference_data("label-reference")
    whole = triple(folder, "M3", Labelling(method="FNO-CCSD(T)", basis="cc-pVDZ", fno_threshold=1e-12))
    assert interaction(whole) == pytest.approx(1.19848, abs=1e-4)
    assert whole["AB"].components["dmp2"] == pytest.approx(0.0, abs=1e-8)
    cut = triple(folder, "M3", Labelling(method="FNO-CCSD(T)", basis="cc-pVDZ", fno_threshold=2e-4))
    assert cut["AB"].details["virtuals"] < whole["AB"].details["virtuals"]
    assert abs(interaction(cut) - 1.19848) < 0.07
    bare = {part: HARTREE * PARTS[part] * ((r.energy or 0.0) - r.components["dmp2"]) for part, r in cut.items()}
    assert abs(sum(bare.values()) - 1.19848) > 2 * abs(interaction(cut) - 1.19848)


def test_a_composite_adds_up(reference_data: Callable[[str], Path]) -> None:
    """MP2/cc-pVTZ + [CCSD(T) - MP2]/cc-pVDZ from the parts that each gives alone."""
    folder = reference_data("label-reference")
    settings = Labelling(method="CCSD(T)", basis="cc-pVDZ", mp2_basis="cc-pVTZ", density_fitting=True)
    composite = triple(folder, "M3", settings)
    large = triple(folder, "M3", Labelling(method="MP2", basis="cc-pVTZ", density_fitting=True))
    known = reference(folder, "M3", "cc-pVDZ")
    scaled = triple(folder, "M3", settings.model_copy(update={"scale_triples": True}))
    for part in PARTS:
        small = known[part]
        delta = small["e_ccsd_corr"] - small["e_mp2_corr"]
        assert composite[part].energy == pytest.approx((large[part].energy or 0) + delta + small["e_t"], abs=2e-7)
        ratio = large["AB"].components["mp2"] / known["AB"]["e_mp2_corr"]  # of the whole, in every part
        assert scaled[part].components["triples"] == pytest.approx(ratio * small["e_t"], abs=1e-7)
        assert scaled[part].components["triples_unscaled"] == pytest.approx(small["e_t"], abs=1e-8)
        assert (scaled[part].energy or 0) - (composite[part].energy or 0) == pytest.approx(
            (ratio - 1) * small["e_t"], abs=1e-7
        )


def test_a_part_alone_is_the_part_of_the_triple(reference_data: Callable[[str], Path]) -> None:
    """As in a resumed label: the engine that computes B has not seen AB."""
    folder = reference_data("label-reference")
    settings = Labelling(
        method="CCSD(T)", basis="6-31G", mp2_basis="cc-pVDZ", density_fitting=True, scale_triples=True
    )
    whole = triple(folder, "M3", settings)
    alone = triple(folder, "M3", settings, parts=("B",))
    assert alone["B"].energy == pytest.approx(whole["B"].energy, abs=1e-8)


def test_too_little_memory_is_said_before_it_is_taken(reference_data: Callable[[str], Path]) -> None:
    settings = Labelling(method="CCSD(T)", basis="cc-pVDZ", density_fitting=True)
    found = triple(reference_data("label-reference"), "M3", settings, memory=0.015)
    assert found["AB"].status == OUT_OF_MEMORY
    assert "virtual orbitals need" in found["AB"].reason and "GiB" in found["AB"].reason


@pytest.mark.slow
@pytest.mark.parametrize(("frame", "canonical"), [("M1", 4.40951), ("M3", 0.42440)])
def test_the_shipped_composite_is_within_five_hundredths(
    frame: str, canonical: float, reference_data: Callable[[str], Path]
) -> None:
    from recipes.protocols import find_protocol

    found = triple(reference_data("label-reference"), frame, find_protocol("composite-aug-cc-pvtz"))
    assert interaction(found) == pytest.approx(canonical, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("frame", ["M1", "M3", "M5", "M7", "F1", "F2", "F5", "F7"])
def test_the_shipped_natural_orbitals_are_within_three_hundredths(
    frame: str, reference_data: Callable[[str], Path]
) -> None:
    from recipes.protocols import find_protocol

    folder = reference_data("label-reference")
    known = reference(folder, frame, "aug-cc-pVDZ")
    canonical = HARTREE * sum(sign * known[part]["e_tot"] for part, sign in PARTS.items())
    found = triple(folder, frame, find_protocol("fno-aug-cc-pvdz"))
    assert interaction(found) == pytest.approx(canonical, abs=0.03)
