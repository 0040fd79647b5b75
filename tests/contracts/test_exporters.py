"""What every exporter promises: what it writes checks itself, the same each time, and notices damage."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nmer
from nmer.cli.main import main
from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis, BasisOptions
from potentials.pip.potential import Potential
from potentials.pip.ranges import training_ranges
from potentials.pip.sites import LonePairs
from potentials.pip.variables import Forms
from recipes.chemistry.molecules import from_smiles, read_molecule
from recipes.load import expanded_toml, load_recipe
from recipes.registry import PLUGINS, missing
from storage.configuration import configuration_ids
from storage.contents import dataset_columns, dataset_from_version, potential_columns, potential_facts
from storage.durable import write_text
from storage.exchange.exporter import FORMATS, Format, format_for, write_export
from storage.exchange.json_document import LAYOUT
from storage.exchange.qcschema import BOHR
from storage.exchange.references import TOLERANCE
from storage.exchange.subject import DatasetSubject, PotentialSubject, subject_of
from storage.exchange.trajectory_subject import TrajectorySubject
from storage.records import TEST, TRAIN, Dataset
from storage.store import Store
from storage.trajectory import Trajectory
from storage.version import write_version
from storage.xyz import UNITS
from tasks.labelling.plan import nbody_energy
from tasks.labelling.protocol import protocol_of
from tasks.labelling.reference import reference_molecules
from tests.conftest import ROOT

RECIPE = load_recipe("ch3-water")
NMER = RECIPE.build_nmer()
PAIRS = (LonePairs((5, 6, 7)),)
KINDS: dict[str, tuple[int, str, BasisOptions, Switching | None, bool]] = {
    "switched": (3, "intermolecular", BasisOptions(), Switching((0, 5), 5.0, 7.0), False),
    "one-degree": (1, "all", BasisOptions(), None, False),
    "gaussian": (2, "all", BasisOptions(forms=Forms("gau0", "gau")), Switching((0, 5), 4.0, 6.0), False),
    "lone-pairs": (
        2,
        "intermolecular",
        BasisOptions(("connected",), Forms("exp0", "coul0"), PAIRS),
        Switching((0, 5), 5.0, 7.0),
        True,
    ),
    "coulomb": (2, "all", BasisOptions(forms=Forms("exp", "coul"), lone_pairs=PAIRS), None, True),
}
"""Degree, terms, options, switching, and whether only some terms are selected."""


def potential_file(kind: str, folder: Path) -> Path:
    """Write a potential of every choice a fit has, with coefficients that mean nothing."""
    degree, terms, options, switching, some = KINDS[kind]
    basis = Basis.build(NMER, degree, terms, options)
    rng = np.random.default_rng(len(kind))
    selected = tuple(range(1, basis.n_terms, 3)) if some else None
    potential = Potential(
        NMER,
        degree,
        terms,
        rng.uniform(0.3, 1.5, len(basis.pair_names)),
        rng.normal(size=len(selected) if selected else basis.n_terms),
        switching,
        selected=selected,
        options=options,
        d=rng.uniform(0.5, 1.5, len(basis.variables.shifted)),
        ranges=training_ranges(NMER, None, NMER.positions[None]) if some else None,
    )
    path = folder / f"{kind}.h5"
    write_version(
        path,
        "potential",
        f"toy-{kind}",
        1,
        "0" * 64,
        columns=potential_columns(potential),
        recipe="",
        inputs=[],
        engines={},
        facts=potential_facts(potential, RECIPE.nmer),
    )
    return path


@pytest.fixture(params=KINDS)
def potential(request: pytest.FixtureRequest, tmp_path: Path) -> PotentialSubject:
    found = subject_of(str(potential_file(request.param, tmp_path)))
    assert isinstance(found, PotentialSubject)
    return found


@pytest.fixture
def plain(tmp_path: Path) -> PotentialSubject:
    found = subject_of(str(potential_file("switched", tmp_path)))
    assert isinstance(found, PotentialSubject)
    return found


@pytest.fixture
def dataset(tmp_path: Path) -> DatasetSubject:
    found = subject_of(str(dataset_file(tmp_path)))
    assert isinstance(found, DatasetSubject)
    return found


@pytest.fixture
def trajectory() -> TrajectorySubject:
    return trajectory_subject()


def trajectory_subject(cell: bool = True, chain: str = "AceAla2Nme") -> TrajectorySubject:
    """Return two replicas of a peptide with two waters, whose numbers mean nothing."""
    system = from_smiles(f"{read_molecule(chain).smiles}.O.O")
    found, rng = [], np.random.default_rng(4)
    for replica, frames in ((0, 5), (2, 3)):
        vectors = (
            np.array([[21.0, 0, 0], [1.0, 20.0, 0], [-2.0, 1.5, 22.0]])
            * np.linspace(1, 1.1, frames)[:, None, None]
        )
        found.append(
            Trajectory(
                symbols=system.symbols,
                bonds=system.bonds,
                masses=np.ones(system.natoms),
                steps=100 + np.arange(frames) * 20,
                times=50 + np.arange(frames) * 10.0,
                positions=rng.normal(scale=12.0, size=(frames, system.natoms, 3)),
                velocities=np.zeros((0, system.natoms, 3)),
                velocity_steps=np.zeros(0, dtype=np.int64),
                energy=rng.normal(size=frames),
                kinetic=rng.random(frames),
                temperature=rng.random(frames),
                vectors=vectors if cell else None,
                replica=replica,
            )
        )
    attributes = {"engines": {"lammps": "2025.7.22"}, "key": "0" * 64, "facts": {}, "recipe": ""}
    return TrajectorySubject(tuple(found), attributes, "trajectory:toy@1")


def dataset_file(folder: Path) -> Path:
    """Write a counterpoise-corrected dataset of 12 configurations; its energies mean nothing."""
    rng = np.random.default_rng(5)
    positions = NMER.positions + rng.normal(scale=0.1, size=(12, 8, 3))
    sub = rng.normal(size=(12, 3)) - (116.8, 40.4, 76.4)
    energy = (sub[:, 0] - sub[:, 1] - sub[:, 2]) * UNITS["hartree"]
    unknown = np.full(12, np.nan)
    data = Dataset(
        positions=positions,
        split=np.array([TRAIN] * 9 + [TEST] * 3),
        energy=energy,
        sub_energies=sub,
        sub_names=("AB", "A in AB", "B in AB"),
        t1=unknown,
        t2=unknown,
        cpu_seconds=unknown,
        ids=tuple(configuration_ids(NMER, positions)),
        d1=unknown,
    )
    folder.mkdir(exist_ok=True)
    path = folder / "dataset.h5"
    write_version(
        path,
        "dataset",
        "ch3-water",
        1,
        "0" * 64,
        columns=dataset_columns(data),
        recipe=expanded_toml(RECIPE),
        inputs=[],
        engines={"nmer": "0", "pyscf": "2.9.0"},
        facts={},
    )
    return path


def of_kind(kind: str) -> list[str]:
    return [form.name for form in FORMATS if form.kind == kind]


def run_check(form: Format[Any], out: Path) -> subprocess.CompletedProcess[str]:
    """Run an export's own check as a user would, and skip where it needs a program that is not here."""
    command = form.check.format(file=out).replace("python ", f"{sys.executable} ")
    if lacking := missing(form):
        pytest.skip(f"the check of format '{form.name}' {lacking}")
    folder = out if form.folder else out.parent
    return subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


NAMES = {
    "potential": ("c", "ipi", "json", "lammps", "mbx", "python"),
    "dataset": ("extxyz", "mbfit", "qcschema"),
    "trajectory": ("dcd", "xtc"),
}
"""The formats that this suite tests."""


def table() -> list[str]:
    """Return the rows of the table in the docs."""
    rows = []
    for form in sorted(FORMATS, key=lambda one: (one.kind != "potential", one.name)):
        command = form.check.format(file=f"FILE{form.suffix}")
        check = f"`{command}`" if command else "read back when written"
        out = f"file, `{form.suffix}`" if form.suffix else "folder"
        inside = " in it" if form.check and form.folder else ""
        needs = ", ".join(need.name for need in form.needs)
        physics = ("yes" if form.carries_physics else "no") if form.kind == "potential" else ""
        cells = (f"`{form.name}`", ", ".join(form.kinds), out, form.title, physics, f"{check}{inside}", needs)
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def test_every_format_declares_what_it_is() -> None:
    assert {kind: tuple(sorted(of_kind(kind))) for kind in NAMES} == NAMES
    papers = tomllib.loads((ROOT / "storage" / "papers.toml").read_text())
    page = (ROOT / "docs" / "exchange.md").read_text()
    for form in FORMATS:
        assert form.title and set(form.papers) <= set(papers)
        assert form.check or form.read_back
        assert ("{file}" in form.check) <= (not form.folder)
    assert "\n".join(table()) in page


TOY = """
from storage.exchange.exporter import Format
from storage.exchange.subject import PotentialSubject


def files(subject):
    numbers = "\\n".join(repr(float(c)) for c in subject.potential.coefficients)
    return {f"{subject.identifier}.txt": f"# {subject.title}\\n{numbers}\\n"}


FORMAT = Format(
    name="plain",
    title="the coefficients, one a line",
    takes=PotentialSubject,
    files=files,
    suffix=".txt",
    check="grep -c . {file}",
)
"""


def test_a_format_in_one_file_of_its_own_is_a_format_like_all_others(
    plain: PotentialSubject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "plugins", tmp_path / "out.txt"
    folder.mkdir()
    (folder / "toy_format.py").write_text(TOY)
    monkeypatch.setenv(PLUGINS, str(folder))
    potential = str(tmp_path / "switched.h5")
    FORMATS.forget()
    try:
        assert main(["export", potential, "--format", "plain", "--out", str(out)]) == 0
        assert f"check: grep -c . {out}" in capsys.readouterr().out
        assert main(["export", potential, "--format", "none", "--out", str(tmp_path / "b")]) == 2
        assert "plain" in capsys.readouterr().err
    finally:
        monkeypatch.undo()
        FORMATS.forget()
    np.testing.assert_array_equal(np.loadtxt(out), plain.potential.coefficients)
    assert main(["export", potential, "--format", "plain", "--out", str(tmp_path / "c")]) == 2
    assert "format 'plain' is unknown" in capsys.readouterr().err


def test_what_a_format_cannot_express_is_refused_in_one_sentence(tmp_path: Path) -> None:
    four = NMer("four", NMER.fragments[1:] * 4)
    basis = Basis.build(four, 1)
    potential = Potential(four, 1, "all", np.ones(len(basis.pair_names)), np.ones(basis.n_terms))
    with pytest.raises(InputError, match="'mbx' is for 1 to 3 fragments") as caught:
        write_export(FORMATS.get("mbx"), PotentialSubject(potential, {}), tmp_path / "out")
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


OWN_KERNELS = ("c", "python")
"""The others are built on these two, or on ours: a potential with and one without switching is enough for them."""


@pytest.mark.parametrize(
    ("name", "kind"),
    [(n, k) for n in of_kind("potential") for k in KINDS if n in OWN_KERNELS or k in ("switched", "coulomb")],
)
def test_a_potential_passes_its_own_check(name: str, kind: str, tmp_path: Path) -> None:
    potential = subject_of(str(potential_file(kind, tmp_path)))
    assert isinstance(potential, PotentialSubject)
    assert potential.references.tolerance == TOLERANCE and len(potential.references) == 100
    out = tmp_path / "made" / "export"
    files, _ = write_export(FORMATS.get(name), potential, out)
    assert files and all(path.is_file() for path in files)
    done = run_check(FORMATS.get(name), out)
    assert done.returncode == 0 and "holds" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("name", of_kind("potential"))
def test_a_damaged_potential_fails_its_check(name: str, plain: PotentialSubject, tmp_path: Path) -> None:
    out = tmp_path / "export"
    files, _ = write_export(FORMATS.get(name), plain, out)
    k = repr(float(plain.potential.k[-1]))
    holding = [path for path in files if k in path.read_text()]
    assert holding, f"no file of format {name} has {k}"
    for path in holding:
        path.write_text(path.read_text().replace(k, repr(float(plain.potential.k[-1]) + 1e-7)))
    assert run_check(FORMATS.get(name), out).returncode == 1


@pytest.mark.parametrize("name", FORMATS.names())
def test_the_same_export_has_the_same_bytes(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    subject = request.getfixturevalue({"potential": "plain"}.get(FORMATS.get(name).kind, FORMATS.get(name).kind))
    assert FORMATS.get(name).files(subject) == FORMATS.get(name).files(subject)
    files, _ = write_export(FORMATS.get(name), subject, tmp_path / "one")
    for path in files:
        assert str(tmp_path).encode() not in path.read_bytes()
    before = {path: path.read_bytes() for path in files}
    with pytest.raises(InputError, match="exists already; give another path with --out"):
        write_export(FORMATS.get(name), subject, tmp_path / "one")
    assert {path: path.read_bytes() for path in files} == before


def test_references_reach_into_the_switching_region_and_beyond(plain: PotentialSubject) -> None:
    found, switching = plain.references, plain.potential.switching
    assert switching is not None
    first, second = switching.atoms
    r = np.linalg.norm(found.positions[:, first] - found.positions[:, second], axis=1)
    assert ((r > switching.r_in) & (r < switching.r_out)).sum() >= 25
    assert (r > switching.r_out).sum() >= 10 and not found.energy[r > switching.r_out].any()
    assert (r < switching.r_in).sum() >= 50


@pytest.mark.parametrize("name", of_kind("dataset"))
def test_a_dataset_is_read_back(name: str, dataset: DatasetSubject, tmp_path: Path) -> None:
    _, said = write_export(FORMATS.get(name), dataset, tmp_path / "export")
    assert said.startswith("read back: 12 configurations")


@pytest.mark.parametrize("name", of_kind("dataset"))
def test_a_dataset_that_reads_back_otherwise_is_not_left_behind(
    name: str, dataset: DatasetSubject, tmp_path: Path
) -> None:
    wrong = replace(dataset, dataset=replace(dataset.dataset, energy=dataset.dataset.energy + 1e-3))
    wrong.dataset.sub_energies[:] += 1e-3
    bad = replace(
        FORMATS.get(name), files=lambda _: FORMATS.get(name).files(subject_of(str(dataset_file(tmp_path / "x"))))
    )
    with pytest.raises(InputError, match="read back"):
        write_export(bad, wrong, tmp_path / "export")
    assert not (tmp_path / "export").exists() and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["extxyz", "mbfit"])
def test_import_reads_it_back(
    name: str, dataset: DatasetSubject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, store = tmp_path / "xyz", tmp_path / "store"
    words = ["export", str(dataset_file(tmp_path / "again")), "--format", name, "--out", str(out), "--json"]
    assert main(words) == 0 and json.loads(capsys.readouterr().out)["read_back"]
    train, test = str(out / "train.xyz"), str(out / "test.xyz")
    words = [
        "import",
        "mine",
        "--train",
        train,
        "--test",
        test,
        "--symmetry",
        "A1B1C3_D1E2",
        "--store",
        str(store),
    ]
    assert main(words) == 0
    found, data = dataset_from_version(Store(store).resolve("dataset:mine@1")), dataset.dataset
    np.testing.assert_allclose(found.energy, data.energy, rtol=1e-14)
    np.testing.assert_array_equal(found.positions, data.positions)
    np.testing.assert_array_equal(found.split, data.split)


def test_qcschema_has_ghosts_in_bohr_and_hartree(dataset: DatasetSubject, tmp_path: Path) -> None:
    write_export(FORMATS.get("qcschema"), dataset, tmp_path / "q.json")
    first = json.loads((tmp_path / "q.json").read_text())["configurations"][0]
    record = first["records"]["B in AB"]
    assert record["molecule"]["real"] == [False] * 5 + [True] * 3
    assert record["molecule"]["fragments"] == [[0, 1, 2, 3, 4], [5, 6, 7]]
    assert record["return_result"] == dataset.dataset.sub_energies[0, 2]
    assert record["molecule"]["geometry"][0] == pytest.approx(
        dataset.dataset.positions[0, 0, 0] / 0.529177, rel=1e-6
    )
    values = {name: r["return_result"] for name, r in first["records"].items()}
    assert values["AB"] - values["A in AB"] - values["B in AB"] == pytest.approx(first["nbody_energy"], abs=1e-12)
    bare = replace(dataset, dataset=replace(dataset.dataset, sub_names=()))
    with pytest.raises(InputError, match="qcschema needs sub-calculations"):
        write_export(FORMATS.get("qcschema"), bare, tmp_path / "none.json")
    pieces = replace(dataset, dataset=replace(dataset.dataset, sub_names=("whole", "1", "2")))
    with pytest.raises(InputError, match="sub-calculation '1', which its n-mer does not have"):
        write_export(FORMATS.get("qcschema"), pieces, tmp_path / "none.json")
    assert not (tmp_path / "none.json").exists()


@pytest.mark.parametrize("name", ["ch3", "ch3-conh", "ch-conh-ch3", "ch3-water"])
def test_qcschema_records_are_the_sub_calculations_that_were_labelled(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name, "smoke")
    built, labelling = recipe.build_nmer(), recipe.labelling.model_copy(update={"engine": "pyscf"})
    protocol = protocol_of(built, labelling)
    rng = np.random.default_rng(3)
    positions = built.positions + rng.normal(scale=0.05, size=(4, built.natoms, 3))
    sub = rng.normal(size=(4, len(protocol.plan))) - 100.0
    store = Store(tmp_path / "store", create=True)
    terms = reference_molecules(built, labelling)
    for number, (molecule, _) in enumerate(terms):
        minimum = {"molecule": molecule.name, "symbols": molecule.symbols, "energy": -40.0 - number**2}
        path = store.labels / "references" / protocol.id[:16] / f"{number:016x}.json"
        write_text(path, json.dumps(minimum | {"positions": molecule.positions.tolist()}))
    reference = sum(factor * (-40.0 - number**2) for number, (_, factor) in enumerate(terms))
    n_body = np.array([nbody_energy(protocol.plan, dict(zip(protocol.parts, row, strict=True))) for row in sub])
    unknown = np.full(4, np.nan)
    data = Dataset(
        positions=positions,
        split=np.array([TRAIN] * 3 + [TEST]),
        energy=n_body - reference * UNITS["hartree"],
        sub_energies=sub,
        sub_names=protocol.parts,
        t1=unknown,
        t2=unknown,
        cpu_seconds=unknown,
        ids=configuration_ids(built, positions),
        d1=unknown,
    )
    facts = {"protocol_id": protocol.id, "reference_hartree": reference}
    with store.writing():
        store.add("dataset", name, "0" * 64, columns=dataset_columns(data), recipe=expanded_toml(recipe),
                  inputs=[], engines={"pyscf": "2"}, facts=facts)  # fmt: skip
    subject = subject_of(f"dataset:{name}@1", store.path)
    assert isinstance(subject, DatasetSubject)
    _, said = write_export(FORMATS.get("qcschema"), subject, tmp_path / "q.json")
    document = json.loads((tmp_path / "q.json").read_text())
    assert document["factors"] == {part.name: part.coefficient for part in protocol.plan}
    assert document["reference_energy"] == reference and len(document["references"]) == len(terms)
    for found, geometry in zip(document["configurations"], positions, strict=True):
        energy = sum(document["factors"][n] * r["return_result"] for n, r in found["records"].items())
        assert energy - reference == pytest.approx(found["nbody_energy"], abs=1e-9)
        for job in protocol.jobs(geometry, protocol.parts, 1.0):
            molecule = found["records"][job.part]["molecule"]
            assert tuple(molecule["symbols"]) == job.symbols
            np.testing.assert_allclose(
                np.reshape(molecule["geometry"], (-1, 3)) * BOHR, job.positions, rtol=0, atol=1e-12
            )
            assert tuple(n for n, real in enumerate(molecule["real"]) if not real) == job.ghosts
            assert molecule["molecular_charge"] == job.charge
    alone = subject_of(str(store.resolve(f"dataset:{name}@1").path))
    assert isinstance(alone, DatasetSubject) and alone.minima == ()
    assert find_spec("qcelemental") is None or "are AtomicResults to QCElemental" in said


def test_each_kind_has_its_formats(plain: PotentialSubject, dataset: DatasetSubject) -> None:
    for name in of_kind("potential"):
        with pytest.raises(InputError, match=f"format '{name}' is for a potential, not a dataset"):
            format_for(name, type(dataset))
    with pytest.raises(InputError, match=r"format 'c\+' is unknown; allowed for a potential: c, "):
        format_for("c+", type(plain))
    for name in of_kind("dataset"):
        with pytest.raises(InputError, match=f"format '{name}' is for a dataset, not a potential"):
            format_for(name, type(plain))


def test_a_json_document_is_the_same_potential_again(potential: PotentialSubject, tmp_path: Path) -> None:
    _, said = write_export(FORMATS.get("json"), potential, tmp_path / "p.json")
    assert "bit for bit" in said
    found, p = nmer.load(tmp_path / "p.json"), potential.potential
    assert (found.options, found.selected, found.switching, found.name) == (
        p.options,
        p.selected,
        p.switching,
        p.name,
    )
    assert found.nmer == p.nmer
    assert (found.ranges is None) == (p.ranges is None)
    if p.ranges is not None:
        np.testing.assert_array_equal(found.ranges, p.ranges)
    document = json.loads((tmp_path / "p.json").read_text())
    x = p.basis.variables.values(p.parameters, p.basis.variables.distances(p.nmer.positions[None]))[0]
    by_hand = sum(
        c * sum(np.prod(x[m]) for m in term)
        for c, term in zip(document["coefficients"], document["terms"], strict=True)
    )
    factor = p.switching.evaluate(p.nmer.positions[None])[0][0] if p.switching else 1.0
    assert factor * by_hand == pytest.approx(p.energy(p.nmer.positions), abs=1e-10)
    newer = f'"nmer_potential_format": {LAYOUT + 1}'
    with pytest.raises(InputError, match=f"newer format {LAYOUT + 1}"):
        nmer.load(rewritten(tmp_path / "p.json", '"nmer_potential_format": 1', newer))


def rewritten(path: Path, old: str, new: str) -> Path:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return path


def test_the_python_file_is_an_ase_calculator_of_its_own(plain: PotentialSubject, tmp_path: Path) -> None:
    from ase import Atoms

    write_export(FORMATS.get("python"), plain, tmp_path / "mine.py")
    assert "import nmer" not in (tmp_path / "mine.py").read_text()
    module: dict[str, Any] = {"__name__": "mine"}
    exec((tmp_path / "mine.py").read_text(), module)
    ours, theirs = (
        Atoms(NMER.symbols, NMER.positions, calculator=c)
        for c in (plain.potential.calculator(), module["calculator"]())
    )
    assert theirs.get_potential_energy() == pytest.approx(ours.get_potential_energy(), abs=1e-12)
    np.testing.assert_allclose(theirs.get_forces(), ours.get_forces(), atol=1e-12)
    with pytest.raises(ValueError, match="two atoms are in one place"):
        module["energy"](np.zeros((8, 3)))
    with pytest.raises(ValueError, match="positions must be finite"):
        module["energy"](np.zeros((7, 3)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("compiler", ["gcc -std=c99", "g++ -std=c++11"])
def test_compilers_have_nothing_to_say(kind: str, compiler: str, tmp_path: Path) -> None:
    if shutil.which(compiler[:3]) is None:
        pytest.skip(f"{compiler[:3]} is missing: on Debian: apt-get install build-essential")
    name, suffix = ("c", "c") if compiler.startswith("gcc") else ("mbx", "cpp")
    subject = subject_of(str(potential_file(kind, tmp_path)))
    assert isinstance(subject, PotentialSubject)
    write_export(FORMATS.get(name), subject, tmp_path / "out")
    command = f"{compiler} -O1 -Wall -Wextra -pedantic -Werror -fsyntax-only *.{suffix}"
    done = subprocess.run(command, shell=True, cwd=tmp_path / "out", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_one_molecule_is_a_one_body_class_for_mbx(tmp_path: Path) -> None:
    single = NMer("ch3", NMER.fragments[:1], "A1B1C3")
    basis = Basis.build(single, 3)
    rng = np.random.default_rng(2)
    potential = Potential(single, 3, "all", rng.uniform(0.5, 1.5, 4), rng.normal(size=basis.n_terms))
    for name in of_kind("potential"):
        write_export(FORMATS.get(name), PotentialSubject(potential, {}), tmp_path / name)
    assert "std::vector<double> eval(const double* xyz1," in (tmp_path / "mbx" / "potential_mbx.h").read_text()
    for name in ("mbx", "lammps"):
        done = run_check(FORMATS.get(name), tmp_path / name)
        assert done.returncode == 0, done.stdout + done.stderr
