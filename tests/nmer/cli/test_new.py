"""`nmer new`: the file, what is printed, what is refused, and that the recipe runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from nmer.cli.main import main
from potentials.arrays import Floats
from recipes.load import load_recipe
from recipes.protocols import find_protocol
from recipes.schema.recipe import Labelling, Recipe
from tasks.fitting.fit import fit_potential
from tasks.labelling.engines.registry import get_engine
from tasks.labelling.plan import nbody_energy
from tasks.labelling.protocol import protocol_of
from tasks.sampling.pool import sample_pool

FIVE = {
    "methanol-water": "CO",
    "ammonia-water": "N",
    "acetamide-water": "CC(=O)N",
    "co2-water": "O=C=O",
    "fluoride-water": "[F-]",
}


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["new", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_new_says_what_was_decided_and_what_to_do_next(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, "hydrate", "--from-smiles", "[F-]", "--with", "water")
    assert (code, err) == (0, "") and [p.name for p in tmp_path.iterdir()] == ["hydrate.toml"]
    for told in ("F- with water", "A1_B1C2, 4 atoms, charge -1", "GFN2-xTB because", "CCSD(T)/aug-cc-pVDZ", "222"):
        assert told in out
    commands = [line.strip() for line in out.split("next:\n")[1].splitlines()]
    assert commands[2] == "nmer run hydrate.toml --preset smoke"
    for command in commands[:2]:
        assert main(command.split()[1:]) == 0
    assert main(["show", "hydrate.toml", "--cvs"]) == 0
    assert "angle A-B-C" in capsys.readouterr().out


def test_new_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "ice.toml"
    code, out, _ = call(capsys, "ice", "--from-smiles", "water", "--with", "water", "--out", str(path), "--json")
    facts = json.loads(out)
    assert code == 0 and facts["file"] == str(path) and path.is_file()
    assert (facts["symmetry"], facts["atoms"], facts["charge"]) == ("A1B2_A1B2", 6, 0)
    assert facts["force_field"] == "ff14SB" and "TIP4P/2005f" in facts["why"] and facts["needs"] == ""
    assert facts["presets"]["paper"]["degree"] == 5 and facts["presets"]["paper"]["train"] == 47_000
    assert 0 < facts["presets"]["smoke"]["core_hours"] < facts["presets"]["paper"]["core_hours"]


def test_new_refuses_in_one_sentence_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("# mine\n")
    for words, expected in (
        (("Mine", "--from-smiles", "C"), "name 'Mine' must be lowercase letters, digits and dashes"),
        (("../mine", "--from-smiles", "C"), "must be lowercase"),
        (("ch3-water", "--from-smiles", "C"), "is the name of a shipped recipe"),
        (("mine", "--from-smiles", "C"), "file 'mine.toml' exists and is not overwritten"),
        (("a", "--from-smiles", "C", "--out", "a.txt"), "must be the path of a .toml file, for example a.toml"),
        (("a", "--from-smiles", "C", "--out", "no/a.toml"), "there is no folder 'no'"),
        (("a", "--from-smiles", "CCX"), "--from-smiles 'CCX' is not SMILES"),
        (("a", "--from-smiles", "C", "--with", "[OH]"), "--with '[OH]' is a radical"),
        (("a", "--from-smiles", "C", "--with", "water", "--with", "[OH]"), "--with '[OH]' is a radical"),
        (("a", "--from-smiles", "C", "--with", "O", "--with", "O", "--with", "O"), "has 3 partners; allowed"),
        (("a", "--from-smiles", "[Na+]", "--with", "O", "--with", "[Cl-]"), "are both charged: at 7.5 A"),
        (("water-water-water", "--from-smiles", "O"), "is the name of a shipped recipe"),
        (("a", "--from-smiles", "[I-]", "--with", "water"), "'aug-cc-pVDZ' is not known to PySCF for element I"),
        (("a",), "--from-smiles"),
    ):
        code, out, err = call(capsys, *words)
        assert (code, out) == (2, "") and expected in err and err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["mine.toml"]
    assert (tmp_path / "mine.toml").read_text() == "# mine\n"


def test_fluoride_with_water_is_sampled_labelled_and_fitted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A single atom, an ion, and no caps, with the real samplers and engines at a toy size."""
    path = tmp_path / "toy.toml"
    assert call(capsys, "toy", "--from-smiles", "[F-]", "--with", "water", "--out", str(path))[0] == 0
    recipe = load_recipe(str(path), "smoke")
    nmer = recipe.build_nmer()
    small = {"frames": 60, "temperatures": (500.0,), "equilibration": 0.05, "stride": 20.0}
    pool = sample_pool(nmer, recipe.sampling.model_copy(update=small), tmp_path / "scratch")
    assert pool.positions.shape == (60, 4, 3) and set(pool.sources) == {"pbmetad GFN2-xTB"}
    np.testing.assert_array_equal(pool.window, np.repeat([0, 1, 2], 20))
    with threadpool_limits(limits=1):  # as in a label's process
        energies = [pair_energy(recipe, x, find_protocol("gfn2-xtb")) for x in pool.positions]
    assert min(energies) < -5.0  # kcal/mol: the ion is bound
    fitted = fit_potential(nmer, pool.positions, np.array(energies), recipe.fitting)
    assert len(fitted.potential.coefficients) == 37
    near = int(np.argmin(energies))
    with threadpool_limits(limits=1):
        label = pair_energy(recipe, pool.positions[near], recipe.labelling)
    assert label == pytest.approx(energies[near], abs=15.0)


def test_fluoride_with_two_waters_is_sampled_labelled_fitted_and_vanishes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "toy.toml"
    words = ("toy", "--from-smiles", "[F-]", "--with", "water", "--with", "water", "--out", str(path))
    code, out, _ = call(capsys, *words)
    assert code == 0 and "A1_B1C2_B1C2, 7 atoms, charge -1" in out and "60 of 163" in out
    recipe = load_recipe(str(path), "smoke")
    nmer = recipe.build_nmer()
    small = {"frames": 60, "temperatures": (300.0,), "equilibration": 0.05, "stride": 20.0}
    pool = sample_pool(nmer, recipe.sampling.model_copy(update=small), tmp_path / "scratch")
    assert len(pool) == 60 and set(pool.window) == {0, 1}
    with threadpool_limits(limits=1):  # as in a label's process
        energies = np.array([pair_energy(recipe, x, find_protocol("gfn2-xtb")) for x in pool.positions])
    assert np.ptp(energies) > 0.1 and np.abs(energies).max() < 20.0
    settings = recipe.fitting.model_copy(update={"max_terms": None})
    fitted = fit_potential(nmer, pool.positions, energies, settings)
    assert len(fitted.potential.coefficients) == 163 and fitted.train_rmsd < 0.5 * energies.std()
    swapped = pool.positions[:, [0, 4, 5, 6, 1, 2, 3]]
    assert np.abs(fitted.potential.energy(swapped) - fitted.potential.energy(pool.positions)).max() < 1e-12
    for part in nmer.slices:
        away = pool.positions.copy()
        away[:, part] += [0.0, 200.0, 0.0]
        assert np.abs(fitted.potential.energy(away)).max() < 1e-6


def pair_energy(recipe: Recipe, positions: Floats, labelling: Labelling) -> float:
    protocol = protocol_of(recipe.build_nmer(), labelling)
    engine, jobs = get_engine(labelling.engine), protocol.jobs(positions, protocol.parts, 3.0)
    results = {job.part: engine.run(job) for job in jobs}
    energies = {part: result.energy for part, result in results.items() if result.energy is not None}
    assert all((result.t1 or 0.0) < recipe.labelling.max_t1 for result in results.values())
    return nbody_energy(protocol.plan, energies)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", FIVE)
def test_the_smoke_preset_runs_to_its_end(
    name: str, tmp_path: Path, nmer_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    made = nmer_command("new", name, "--from-smiles", FIVE[name], "--with", "water", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    words = ("run", f"{name}.toml", "--preset", "smoke", "--protocol", "gfn2-xtb")
    done = nmer_command(*words, cwd=tmp_path, timeout=2800)
    assert done.returncode == 0 and f"{name}@1 is released" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["water-water", "water-water-water"])
def test_two_and_three_waters_are_released(
    name: str, tmp_path: Path, nmer_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    words = ("run", name, "--preset", "smoke", "--protocol", "gfn2-xtb")
    done = nmer_command(*words, cwd=tmp_path, timeout=500)
    assert done.returncode == 0 and f"{name}@1 is released" in done.stdout, done.stdout + done.stderr
