"""Formats that carry V_phys give the n-body energy with it; the others refuse such a potential."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmer.cli.main import main
from potentials.errors import PolarizationError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.physics.model import PhysicsPotential
from potentials.physics.nbody import PhysicsOfNMer, onemers_of
from potentials.physics.topology import Topology
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from recipes.chemistry.atom_types import type_molecule, type_nmer
from recipes.load import load_recipe
from storage.contents import potential_columns, potential_facts
from storage.exchange.exporter import FORMATS, write_export
from storage.exchange.physics_tables import ITERATED
from storage.exchange.references import TOLERANCE
from storage.exchange.subject import PotentialSubject, subject_of
from storage.version import write_version
from tests.contracts.test_exporters import OWN_KERNELS, of_kind, run_check
from tests.potentials.physics import chains, plain

Floats = np.ndarray

KINDS: dict[str, Switching | None] = {"ch-conh": None, "conh-water": Switching((0, 6), 4.0, 6.0), "ch3": None}
"""A covalent 2-mer with caps, an n-mer with water beyond its switching, and a 1-mer, whose V_phys is exactly 0."""

CARRIERS = [name for name in of_kind("potential") if FORMATS.get(name).carries_physics]


def potential_of(name: str, **changed: float) -> Potential:
    """Return a potential over V_phys; the hydrogens of a water have no polarizability."""
    built, switching = load_recipe(name).build_nmer(), KINDS[name]
    types = type_nmer(built)
    parameters = chains.parameters(tuple(t for t in types if t), **changed)
    soft = np.where(np.array(parameters.types) == "water:H", 0.0, parameters.polarizability)
    parameters = replace(parameters, polarizability=soft, name="toy@1")
    physics = PhysicsOfNMer(built, types, parameters, 0.125)
    basis, rng = Basis.build(built, 2), np.random.default_rng(3)
    k, coefficients = rng.uniform(0.5, 1.5, len(basis.pair_names)), rng.normal(size=basis.n_terms)
    return Potential(built, 2, "all", k, coefficients, switching, physics=physics)


def subject_of_file(name: str, folder: Path) -> PotentialSubject:
    """Return the subject that a version's file is read as."""
    made = potential_of(name)
    facts = potential_facts(made, load_recipe(name).nmer)
    more: dict[str, Any] = {"recipe": "", "inputs": [], "engines": {}, "facts": facts}
    path = folder / f"{name}.h5"
    write_version(path, "potential", "toy", 1, "0" * 64, columns=potential_columns(made), **more)
    found = subject_of(str(path))
    assert isinstance(found, PotentialSubject)
    return found


def plain_physics(physics: PhysicsOfNMer, positions: Floats) -> tuple[float, Floats]:
    """Return V_phys' n-body energy and gradient of one configuration by the formulas."""
    energy, gradient = -physics.reference, np.zeros_like(positions)
    whole = Topology(physics.nmer.natoms, physics.nmer.bonds, onemers_of(physics.nmer))
    for atoms, factor in physics.groups:
        chosen = list(atoms)
        symbols, types = [physics.symbols[a] for a in atoms], [physics.types[a] for a in atoms]
        model = PhysicsPotential(symbols, whole.part(atoms), types, physics.parameters)
        shares, slope = plain.shares_and_gradient(model, positions[chosen])
        energy += factor * sum(shares)
        gradient[chosen] += factor * slope
    return energy, gradient


def exported_module(subject: PotentialSubject, path: Path) -> dict[str, Any]:
    write_export(FORMATS.get("python"), subject, path)
    module: dict[str, Any] = {"__name__": "mine"}
    exec(path.read_text(), module)
    return module


def library(folder: Path) -> ctypes.CDLL:
    """Compile an exported kernel, without a warning."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is missing: on Debian: apt-get install build-essential")
    command = "gcc -O2 -std=c99 -Wall -Wextra -pedantic -Werror -shared -fPIC *.c -lm -o kernel.so"
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(folder / "kernel.so"))


def call(function: Any, positions: Floats) -> tuple[float, Floats]:
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_void_p, ctypes.c_void_p]
    xyz, gradient = np.ascontiguousarray(positions), np.empty(positions.shape)
    return function(xyz.ctypes.data, gradient.ctypes.data), gradient


CHECKED = [(name, kind) for name in CARRIERS for kind in KINDS if name in OWN_KERNELS or kind == "conh-water"]


@pytest.mark.parametrize(("name", "kind"), [*CHECKED, ("lammps", "ch-conh")])
def test_an_export_with_physics_passes_its_own_check(name: str, kind: str, tmp_path: Path) -> None:
    subject = subject_of_file(kind, tmp_path)
    found, potential = subject.references, subject.potential
    assert potential.physics is not None and found.tolerance == TOLERANCE and len(found) == 100
    below = potential.physics.energy(found.positions)
    correction = potential.correction(potential.nmer.place_caps(found.positions)).energy
    np.testing.assert_allclose(found.energy - correction, below, rtol=0, atol=1e-12)
    assert (np.ptp(below) > 0.3) == (kind != "ch3")
    out = tmp_path / "out" / "export"
    files, _ = write_export(FORMATS.get(name), subject, out)
    assert any(potential.physics_digest in path.read_text() for path in files)
    done = run_check(FORMATS.get(name), out)
    assert done.returncode == 0 and "holds" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_have_the_energies_of_the_formulas(kind: str, tmp_path: Path) -> None:
    """The polynomial alone is ours; what comes on top is V_phys in plain NumPy."""
    subject = PotentialSubject(potential_of(kind), {})
    physics, positions = subject.potential.physics, subject.references.positions[::10]
    assert physics is not None
    module = exported_module(subject, tmp_path / "mine.py")
    write_export(FORMATS.get("c"), subject, tmp_path / "c")
    kernel = library(tmp_path / "c")
    ours = replace(subject.potential, physics=None).held()
    for x in positions:
        alone, below = ours.energy_and_gradient(x), plain_physics(physics, x)
        for energy, correction in (
            (module["energy_and_gradient"](x), module["correction"](x)),
            (call(kernel[f"{subject.identifier}_energy"], x), call(kernel[f"{subject.identifier}_correction"], x)),
        ):
            for mine, one, other in zip(energy, alone, below, strict=True):
                np.testing.assert_allclose(mine, one + other, rtol=0, atol=1e-10)
            for mine, one in zip(correction, alone, strict=True):
                np.testing.assert_allclose(mine, one, rtol=0, atol=1e-11)
    together = module["energy_and_gradient"](positions)
    np.testing.assert_array_equal(together[0], [module["energy"](x) for x in positions])
    assert together[1].shape == positions.shape
    assert np.isnan(call(kernel[f"{subject.identifier}_energy"], np.zeros_like(x))[0])


@pytest.mark.parametrize(("name", "number"), [("c", "THOLE_DIPOLE 0.055"), ("python", '"thole_dipole": 0.055')])
def test_a_changed_number_of_the_physics_fails_the_check(name: str, number: str, tmp_path: Path) -> None:
    subject, out = subject_of_file("conh-water", tmp_path), tmp_path / "export"
    files, _ = write_export(FORMATS.get(name), subject, out)
    holding = [path for path in files if number in path.read_text()]
    assert len(holding) == 1
    holding[0].write_text(holding[0].read_text().replace(number, f"{number}001"))
    assert run_check(FORMATS.get(name), out).returncode == 1


def test_a_polarization_catastrophe_is_not_an_energy(tmp_path: Path) -> None:
    good = potential_of("conh-water")
    bad = replace(good, physics=potential_of("conh-water", thole_dipole=1e4, polarizability=9.0).physics)
    with pytest.raises(PolarizationError):
        bad.energy(good.nmer.positions)
    subject = PotentialSubject(bad, {})
    subject.__dict__["references"] = PotentialSubject(good, {}).references
    module = exported_module(subject, tmp_path / "mine.py")
    with pytest.raises(ValueError, match="the induced dipoles have no stable solution"):
        module["energy"](good.nmer.positions)
    write_export(FORMATS.get("c"), subject, tmp_path / "c")
    energy, gradient = call(library(tmp_path / "c")[f"{subject.identifier}_energy"], good.nmer.positions)
    assert np.isnan(energy) and np.isnan(gradient).all()


def test_many_atoms_are_compared_within_the_error_of_iterated_dipoles(tmp_path: Path) -> None:
    """Two dipeptides have 44 polarizable atoms: ours are iterated, those of an export solved for directly."""
    molecule = chains.embedded("AceAlaNme")
    typed, topology = type_molecule(molecule)
    owner = np.array(topology.onemers)
    parts = tuple(tuple(map(int, np.flatnonzero(owner == n))) for n in range(owner.max() + 1))
    one = Fragment("one", molecule.symbols, molecule.positions, bonds=molecule.bonds, parts=parts)
    other = replace(one, name="other", positions=tuple((x, y, z + 8.0) for x, y, z in molecule.positions))
    pair = NMer("pair", (one, other))
    physics = PhysicsOfNMer(pair, 2 * typed.types, chains.parameters(typed.types))
    basis = Basis.build(pair, 1)
    potential = Potential(pair, 1, "all", np.ones(len(basis.pair_names)), np.ones(basis.n_terms), physics=physics)
    subject = PotentialSubject(potential, {}, np.array([pair.positions]))
    assert subject.references.tolerance == ITERATED
    assert exported_module(subject, tmp_path / "mine.py")["check"]()


def test_formats_that_cannot_carry_physics_refuse_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subject_of_file("conh-water", tmp_path)
    assert set(of_kind("potential")) - set(CARRIERS) == {"mbx"}
    words = ["export", str(tmp_path / "conh-water.h5"), "--format", "mbx", "--out", str(tmp_path / "out")]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "format 'mbx' cannot carry V_phys, over which toy@1 was fitted" in said
    assert "allowed: c, ipi, json, lammps, python" in said and not (tmp_path / "out").exists()
