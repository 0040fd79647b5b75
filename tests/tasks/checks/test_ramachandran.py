"""Alanine dipeptide's surface: torsions where they are asked for, figures that add up, pictures."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from nmer.cli.main import main
from potentials.arrays import Floats
from potentials.errors import InputError
from storage.store import Store
from storage.version import Column
from tasks.checks import ramachandran
from tasks.checks.dipeptide import CENTRE, OMEGAS, PHI, PSI, at, dipeptide, is_same_isomer
from tasks.checks.interface import Findings, chosen_checks
from tasks.checks.internal import difference, torsions
from tasks.checks.kept import kept_arrays, kept_path
from tasks.checks.page import figures_of
from tasks.checks.ramachandran import RamachandranOptions, draw, figures, largest, rmsd
from tasks.checks.reference import reference
from tasks.checks.relaxed_grid import grid_key, relaxed_grid
from tests.storage.family import family
from tests.tasks.checks.mmff_reference import Mmff
from tests.tasks.checks.smoke import smoke_store


def relaxed_by_rdkit(x: Floats, phi: float, psi: float) -> float:
    """Return the energy at which rdkit's own minimizer ends, with stiff springs on both torsions."""
    from rdkit import Chem
    from rdkit.Chem import AllChem

    mol = Chem.AddHs(Chem.MolFromSmiles(dipeptide().smiles))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    mol.GetConformer().SetPositions(x)
    field = AllChem.MMFFGetMoleculeForceField(mol, AllChem.MMFFGetMoleculeProperties(mol))
    for atoms, angle in ((PHI, phi), (PSI, psi)):
        field.MMFFAddTorsionConstraint(*atoms, False, angle, angle, 1000.0)
    field.Initialize()
    while field.Minimize(maxIts=500):
        pass
    return float(field.CalcEnergy())


def test_the_surface_is_relaxed_at_held_torsions_and_is_computed_once(tmp_path: Path) -> None:
    store, level = Store(tmp_path / "store", create=True), Mmff("gfn2-xtb", reference().labelling)
    told: list[int] = []
    grid = relaxed_grid(level, 90, store, lambda done, total: told.append(done))
    assert grid.side == 4 and set(grid.phi) == set(grid.psi) == set(range(-180, 180, 90)) and told[-1] == 16
    off = difference(torsions(grid.positions, [PHI, PSI]), np.array([grid.phi, grid.psi]).T)
    assert np.abs(off).max() < 1e-4
    assert grid.slope.max() < 0.02
    assert np.abs(torsions(grid.positions, OMEGAS)).min() > 90.0
    for n in range(0, 16, 3):
        expected = relaxed_by_rdkit(grid.positions[n], grid.phi[n], grid.psi[n])
        assert grid.energy[n] == pytest.approx(expected, abs=0.01)
    told.clear()
    again = relaxed_grid(level, 90, store, lambda done, total: told.append(done))
    assert not told and np.array_equal(again.positions, grid.positions)
    path = kept_path(store, grid_key(level, 90))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="remove it, and it is computed again"):
        relaxed_grid(level, 90, store)


def test_arrays_are_kept_by_their_key(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", create=True)
    first = kept_arrays(store, "a" * 64, lambda: {"x": np.arange(3.0)})
    assert np.array_equal(kept_arrays(store, "a" * 64, dict)["x"], first["x"])
    assert not kept_arrays(store, "b" * 64, dict)
    assert kept_arrays(None, "a" * 64, lambda: {"x": [1]})["x"].tolist() == [1]


def test_another_isomer_is_told_from_the_dipeptide() -> None:
    x = at(-80.0, 70.0)
    assert torsions(x, [PHI, PSI]) == pytest.approx([-80.0, 70.0]) and is_same_isomer(x)
    assert not is_same_isomer(x * [1.0, 1.0, -1.0])  # D
    stretched = x.copy()
    stretched[CENTRE[2]] += 0.6
    assert not is_same_isomer(stretched)
    fused = x.copy()
    fused[18] = fused[2] + [0.0, 0.3, 0.9]  # the hydrogen of the hydrogen bond at the oxygen
    assert [dipeptide().symbols[a] for a in (2, 18)] == ["O", "H"] and not is_same_isomer(fused)


def test_figures_do_not_depend_on_the_zero_of_either_energy() -> None:
    rng = np.random.default_rng(0)
    reference_energy = rng.uniform(0, 25, 16)
    predicted = reference_energy + rng.normal(size=16)
    first = {one.name: one.value for one in figures("sum", "sum", reference_energy, predicted)}
    again = {one.name: one.value for one in figures("sum", "sum", reference_energy - 500, predicted + 30)}
    assert first == pytest.approx(again) and len(first) == 8
    error = predicted - reference_energy
    assert first["rmsd"] == pytest.approx(error.std())
    assert first["largest"] == pytest.approx(np.abs(error - error.mean()).max())
    low = reference_energy - reference_energy.min() < 10.0
    assert first["rmsd-below-10"] == pytest.approx(np.sqrt(np.mean((error - error.mean())[low] ** 2)))
    shift = predicted.min() - reference_energy.min()
    assert first["rmsd-from-minima"] == pytest.approx(np.sqrt(np.mean((error - shift) ** 2)))
    assert first["rmsd-from-minima-above-10"] == pytest.approx(np.sqrt(np.mean((error - shift)[~low] ** 2)))
    assert rmsd(np.zeros(4), np.ones(4), low=10.0) is None and largest(np.zeros(4), np.ones(4)) == 0.0


def surfaces() -> Findings:
    phi, psi = (a.ravel() for a in np.meshgrid(*(np.arange(-180.0, 180.0, 60.0),) * 2, indexing="ij"))
    energy = 8.0 - 6.0 * np.cos(np.radians(phi + 80.0)) - 2.0 * np.cos(np.radians(psi - 70.0))
    energies = {"reference": energy, "sum": energy + np.sin(np.radians(psi)), "ff14sb": energy * 1.5}
    results = [one for key in ("sum", "ff14sb") for one in figures(key, key, energy, energies[key])]
    columns = {"phi": phi, "psi": psi, **{key: values - values.min() for key, values in energies.items()}}
    return Findings(
        tuple(results),
        {f"surface.{name}": Column(values, "kcal/mol", "of a test") for name, values in columns.items()},
        {"reference": "a formula", "models": {"sum": "sum of n-mers", "ff14sb": "ff14SB"}},
    )


def test_plots_have_the_numbers_behind_them() -> None:
    found = surfaces()
    by_model = figures_of(found)
    assert set(by_model["sum"]) == set(by_model["ff14sb"])
    assert by_model["ff14sb"]["rmsd"].value == pytest.approx(0.5 * found.data["surface.reference"].values.std())
    both, differences = draw(found)
    assert both.png.startswith(b"\x89PNG") and differences.png.startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO(both.csv)))
    assert len(rows) == 36 and min(float(row["sum_kcal_per_mol"]) for row in rows) == 0.0
    shifts = [
        float(row["sum_minus_reference_kcal_per_mol"]) for row in csv.DictReader(io.StringIO(differences.csv))
    ]
    assert np.sqrt(np.mean(np.square(shifts))) == pytest.approx(by_model["sum"]["rmsd"].value, rel=1e-4)


def test_options_are_checked() -> None:
    (check,) = chosen_checks(["ramachandran"])
    assert check.options is RamachandranOptions and check.options().step == 10  # type: ignore[comparison-overlap]
    for wrong in ({"step": 7}, {"reference": "ccsdt"}, {"force_fields": ("ff99",)}, {"step": 3}):
        with pytest.raises(ValueError, match=r"allowed|greater"):
            RamachandranOptions.model_validate(wrong)


def test_the_command_keeps_its_keys_and_has_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tblite")
    store = smoke_store(tmp_path / "store")
    monkeypatch.setattr(ramachandran, "reference", lambda *_: Mmff("gfn2-xtb", reference().labelling))
    words = ["--step", "90", "--store", str(store.path), "--out", str(tmp_path / "out")]
    assert main(["ramachandran", *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"points", "rmsd", "rmsd_below_10", "rmsd_above_10", "largest", "seconds_per_call", "files"} <= set(
        found
    )
    assert found["points"] == 16 and set(found["models"]) == {"sum", "ff14sb", "ff19sb"}
    assert found["models"]["sum"]["rmsd_from_minima"] == found["rmsd_from_minima"] >= found["rmsd"] > 0.1
    assert sorted(Path(file).suffix for file in found["files"]) == [".csv", ".csv", ".png", ".png"]
    assert all(Path(file).is_file() for file in found["files"])
    assert main(["ramachandran", *words]) == 0
    out = capsys.readouterr().out
    assert "all, each from its own minimum" in out and f"{found['rmsd']:.2f}" in out and "ff19SB" in out


def test_a_store_without_the_potentials_is_told_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ramachandran", "--store", str(family(tmp_path / "store").path)]) == 2
    assert "has no potentials of ch3, conh, ch, ch3-conh" in capsys.readouterr().err
    assert main(["ramachandran", "--step", "7"]) == 2
    assert "--step is 7; allowed: a divisor of 360" in capsys.readouterr().err
