"""What a potential says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storage.quality import purpose
from storage.store import Store
from tests.storage.family import family


def test_a_potential_of_a_store_says_in_three_lines_what_is_known(tmp_path: Path) -> None:
    family(tmp_path)
    store = Store(tmp_path)
    (ref,) = (v.ref for v in store.versions("potential"))
    facts = store.versions("validation")[0].attributes()["facts"]
    first, second, third = repr(store.potential(ref)).splitlines()
    assert ref in first and "n-mer tiny-water" in first and "C H H H H O H H (A1B1C3_D1E2)" in first
    assert "6 terms (intermolecular) up to degree 1" in second and "28 variables (exp) of 12 kinds" in second
    assert "released" in third and "HF/sto-3g" in third
    assert all(f"{facts[name]['rmsd']:.3g}" in third for name in ("train", "test"))


def test_damage_to_the_other_versions_does_not_hide_a_potential(tmp_path: Path) -> None:
    family(tmp_path)
    store = Store(tmp_path)
    (ref,) = (v.ref for v in store.versions("potential"))
    energy = store.potential(ref).energy(store.potential(ref).nmer.positions)
    for kind in ("dataset", "validation"):
        (version,) = store.versions(kind)
        version.path.chmod(0o644)
        version.path.write_bytes(version.path.read_bytes()[:2000])
    found = Store(tmp_path).potential(ref)
    assert found.energy(found.nmer.positions) == energy and len(repr(found).splitlines()) == 3


def gates(*passed: bool) -> list[dict[str, object]]:
    return [{"name": f"g{n}", "meaning": f"gate {n}", "passed": one} for n, one in enumerate(passed)]


def recipe(method: str, basis: str, preset: str) -> dict[str, object]:
    labelling = {"engine": "pyscf", "method": method, "basis": basis}
    if method == "GFN2-xTB":
        labelling |= {"engine": "xtb", "counterpoise": False}
    return {"preset": preset, "labelling": labelling}


TEST = {"rmsd": 0.07, "count": 200}


@pytest.mark.parametrize(
    ("verdicts", "of", "terms", "train", "badge", "tone", "word"),
    [
        ((), recipe("CCSD(T)", "aug-cc-pVTZ", "paper"),
         700, 43000, "candidate", "bad", "no gate has judged it"),
        ((True, False), recipe("CCSD(T)", "cc-pVTZ", "paper"),
         700, 43000, "candidate", "bad", "1 of 2 gates failed"),
        ((True,), recipe("CCSD(T)", "cc-pVDZ", "smoke"),
         82, 100, "released: a smoke run", "warn", "no potential for"),
        ((True,), recipe("GFN2-xTB", "cc-pVTZ", "smoke"),
         40, 5000, "released: a smoke run", "warn", "5,000 training labels"),
        ((True,), recipe("GFN2-xTB", "cc-pVTZ", "laptop"),
         635, 2000, "released: GFN2-xTB", "warn", "not coupled cluster"),
        ((True,), recipe("MP2", "cc-pVTZ", "paper"),
         635, 9000, "released: MP2/cc-pVTZ", "warn", "not coupled cluster"),
        ((True,), {},
         82, 9000, "released: labels of unknown level", "warn", "is not stated"),
        ((True,), recipe("CCSD(T)", "cc-pVTZ", "laptop"),
         710, 1000, "released: few labels", "warn", "1,000 training"),
        ((True,), recipe("FNO-CCSD(T)", "cc-pVTZ", "laptop"),
         710, 2000, "released", "good", "sums of molecules"),
    ],
)  # fmt: skip
def test_what_a_potential_is_good_for(
    verdicts: tuple[bool, ...], of: dict[str, Any], terms: int, train: int, badge: str, tone: str, word: str
) -> None:
    found = purpose(gates(*verdicts), of, terms, train, TEST)
    assert (found.badge, found.tone) == (badge, tone) and word in found.sentences[0]
    assert (tone == "good") == (found.badge == "released")


def test_a_missing_test_set_is_no_zero() -> None:
    found = purpose(gates(True), recipe("CCSD(T)", "cc-pVTZ", ""), 82, 500, {"rmsd": None, "count": 0})
    assert "RMSD" not in " ".join(found.sentences) and found.tone == "good"


def test_levels_are_told_and_the_first_ones_labels_decide_whether_they_are_few() -> None:
    levels = [{"title": "GFN2-xTB", "train": 2000}, {"title": "B", "train": 90}, {"title": "C", "train": 40}]
    found = purpose(gates(True), recipe("CCSD(T)", "cc-pVTZ", ""), 700, 40, TEST, levels)
    assert found.badge == "released"
    assert (
        "It is the sum of fits to 2,000 training labels of GFN2-xTB, and to 90 of the difference from GFN2-xTB to "
        "B, and to 40 of the difference from B to C."
    ) in " ".join(found.sentences)
    few = purpose(gates(True), recipe("CCSD(T)", "cc-pVTZ", ""), 1001, 40, TEST, levels)
    assert few.badge == "released: few labels"
