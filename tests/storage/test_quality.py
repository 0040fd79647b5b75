"""What a potential says of itself."""

from __future__ import annotations

from pathlib import Path

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
