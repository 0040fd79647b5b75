"""A version of parameters: derived once, found again."""

import pytest

from potentials.errors import InputError
from storage.physics import derived_of_version, read_physics
from storage.store import Store
from tasks.physics import levels
from tasks.physics.make import make_physics
from tasks.physics.samples import read_samples


def test_a_version_is_derived_once(tmp_path) -> None:
    store = Store(tmp_path / "store", create=True)
    with store.writing():
        ref = make_physics(store, "water", ["O"], "gfn2-xtb")
        assert ref == "physics:water@1"
        assert len(list(store.densities.glob("*.npz"))) == 1
        again = make_physics(store, "water", ["O"], "gfn2-xtb")
        other = make_physics(store, "water", ["O"])
    assert (again, other) == (ref, "physics:water@2")
    assert read_physics(store.resolve(ref)).types == ("water:O", "water:H")
    facts = derived_of_version(store.resolve(other)).facts
    assert facts["geometries"][0]["atoms"].count(";") == 2
    assert {"origin", "method", "basis", "residuals", "sources", "warnings", "versions"} <= set(facts)


def test_molecules_are_read_from_recipes_and_families() -> None:
    (water,) = read_samples(["water-water"])
    assert water.molecule.symbols == ("O", "H", "H") and water.molecule.positions
    assert {s.molecule.name for s in read_samples(["polyalanine"])} >= {"AceAlaNme", "AceAla2Nme", "water"}
    with pytest.raises(InputError, match="caps"):
        read_samples(["conh-water"])


def test_programs_are_checked_before_anything_is_computed(monkeypatch) -> None:
    monkeypatch.setattr(levels.DFTD4.__class__, "lack", lambda self: f"needs {self.name}")
    with pytest.raises(levels.MissingProgramError, match="needs pyscf"):
        levels.check_programs("pbe0/aug-cc-pvdz", None)
