"""A sum over a molecule as C: the energies and gradients of the sum, and what cannot be exported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nmer
from nmer.cli.main import main
from potentials.errors import InputError
from potentials.physics.model import PhysicsPotential
from potentials.systems.cell import Cell
from potentials.systems.manybody import ManyBodyPotential
from recipes.chemistry.molecules import read_molecule
from storage.exchange import sum_subject as sum_subject_module
from storage.exchange.exporter import FORMATS, write_export
from storage.exchange.sum_subject import SumSubject
from storage.store import Store
from tasks.sums.export import sum_subject
from tasks.sums.files import contents_of, load_sum, write_sum
from tasks.sums.make import sum_potential
from tests.contracts.test_exporters import run_check
from tests.contracts.test_exports_of_physics import call, library
from tests.nmer.polyalanine import PAIR, store_of
from tests.potentials.physics import plain
from tests.potentials.systems.test_manybody import ETHANE, total

Floats = np.ndarray

SUMS = [form.name for form in FORMATS if "sum" in form.kinds]
MOLECULE = "AceAla2Nme"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return store_of(tmp_path_factory.mktemp("sums") / "store")


@pytest.fixture(scope="module")
def file(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    chain, path = read_molecule(MOLECULE), tmp_path_factory.mktemp("sum") / "ala2.toml"
    model = sum_potential(chain, family="polyalanine", store=store.path)
    assert model.counts[PAIR] == 1
    write_sum(path, contents_of(model, chain, 0, store))
    return path


@pytest.fixture(scope="module")
def subject(file: Path, store: Store) -> SumSubject:
    return sum_subject(file, store.path, None)


def test_c_and_the_sum_agree_to_ten_digits(subject: SumSubject, tmp_path: Path) -> None:
    write_export(FORMATS.get("c"), subject, tmp_path / "c")
    kernel, model = library(tmp_path / "c"), subject.model
    assert subject.physics is not None and subject.references.tolerance < 1e-6
    (physics,) = model.physics
    assert isinstance(physics, PhysicsPotential)
    for x in subject.references.positions[::7]:
        found, iterated = model.evaluate(x[None]), physics.evaluate(x[None])
        shares, solved = plain.shares_and_gradient(physics, x)
        alone, pull = call(kernel.ala2_correction, x)
        correction = found.gradient[0] - iterated.gradient[0]
        assert alone == pytest.approx(found.energy[0] - iterated.energy[0], rel=1e-10)
        np.testing.assert_allclose(pull, correction, rtol=0, atol=1e-10 * np.abs(correction).max())
        energy, gradient = call(kernel.ala2_energy, x)
        assert energy == pytest.approx(found.energy[0], rel=1e-10)
        assert energy == pytest.approx(alone + sum(shares), rel=1e-10) and abs(sum(shares)) > 1.0
        np.testing.assert_allclose(gradient, correction + solved, rtol=0, atol=1e-10 * np.abs(gradient).max())
        assert kernel.ala2_energy(x.ctypes.data, None) == energy


@pytest.mark.parametrize("name", SUMS)
def test_an_export_of_a_sum_passes_its_check_and_notices_damage(
    name: str, subject: SumSubject, tmp_path: Path
) -> None:
    form = FORMATS.get(name)
    out = tmp_path / f"out{form.suffix}"
    files, _ = write_export(form, subject, out)
    done = run_check(form, out)
    assert done.returncode == 0 and "holds" in done.stdout, done.stdout + done.stderr
    path, old, new = next(damages(files))
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert run_check(form, out).returncode == 1


def damages(files: list[Path]) -> Iterator[tuple[Path, str, str]]:
    """Yield a file of an export, a text in it, and another text: two atoms of an n-mer exchanged."""
    for path in files:
        if path.suffix == ".json":
            text = path.read_text()
            first, second = json.loads(text)["nmers"][0]["atoms"][0][:2]
            yield path, f"[[{first}, {second}", f"[[{second}, {first}"
        if path.name.endswith("_places.h"):
            line = path.read_text().split("static const int places")[1].splitlines()[1]
            first, second, *rest = line.split(", ")
            yield path, line, ", ".join([second.strip(), first.strip(), *rest])


def test_a_document_is_the_same_sum_again(subject: SumSubject, tmp_path: Path) -> None:
    files, _ = write_export(FORMATS.get("json"), subject, tmp_path / "ala2.json")
    model, again = subject.model, nmer.load_sum(files[0])
    assert again.counts == model.counts and again.symbols == model.symbols and again.remarks == model.remarks
    assert again.parameters is not None and model.parameters is not None
    assert again.parameters.digest == model.parameters.digest
    found, mine = (one.evaluate(subject.references.positions) for one in (model, again))
    np.testing.assert_array_equal(mine.energy, found.energy)
    np.testing.assert_array_equal(mine.gradient, found.gradient)
    assert [*mine.shares] == [*found.shares]
    with pytest.raises(InputError, match=r"is the document of a sum, which nmer\.load_sum reads"):
        nmer.load(files[0])


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("nmer_sum_format",), 2, "a newer nmer"),
        (("symbols", 0), "Qq", "symbols has 'Qq'"),
        (("nmers", 0, "atoms", 0, 0), 99, "99 is not an atom"),
        (("nmers", 0, "atoms", 0, 0), -1, "-1 is not an atom"),
        (("nmers", 0, "anchors", 0, 0), 1.5, "1.5 is not an atom"),
        (("nmers", 0, "lengths", 0), [0.0], "has not one anchor and one length"),
        (("nmers", 0, "lengths", 0, 0), float("nan"), "farther than 10 A"),
        (("nmers", 0, "nmer"), "a\nb", "one line of printable text"),
        (("nmers", 0, "potential", "degree"), "x", "is damaged"),
        (("nmers", 0, "potential", "status"), "gold", "allowed: candidate, released"),
        (("nmers",), None, "is damaged: KeyError"),
        (("physics", "digest"), "0" * 64, "not those of its digest"),
        (("physics", "systems", 0, "atoms", 0), 99, "an atom that the molecule does not have"),
        (("physics", "systems", 0, "bonds", 0), [0, 99], "a bond of an atom"),
        (("physics", "systems", 0, "factor"), 1.5, "1.5 is not a whole number"),
        (("physics",), None, "which is what must be added|is damaged"),
    ],
)
def test_a_changed_document_is_refused_in_one_sentence(
    subject: SumSubject, tmp_path: Path, where: tuple[Any, ...], value: Any, said: str
) -> None:
    path = tmp_path / "bad.json"
    if not hasattr(subject, "written"):
        subject.__dict__["written"] = json.loads(FORMATS.get("json").of_sum(subject)["ala2.json"])  # type: ignore[misc]
    found = json.loads(json.dumps(subject.__dict__["written"]))
    table: Any = found
    for step in where[:-1]:
        table = table[step]
    if value is None:
        del table[where[-1]]
    else:
        table[where[-1]] = value
    path.write_text(json.dumps(found))
    with pytest.raises(InputError, match=said) as caught:
        nmer.load_sum(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_waters_and_what_is_subtracted_of_them_are_in_it(tmp_path: Path, store: Store) -> None:
    names = ["ch3-water", "ch-water", "conh-water"]
    both = store_of(tmp_path / "store", [*(v.nmer for v in store.versions("potential")), *names])
    chain = read_molecule("AceAla1Nme").embedded()
    model = sum_potential(chain, store=both.path, newest=True, waters=2)
    water = np.array([[0.0, 0.0, 0.0], [0.76, 0.0, 0.56], [-0.76, 0.0, 0.56]])
    top = np.array(chain.positions)[:, 2].max()
    shifts = np.array([[0.0, 0.0, top + 2.5], [3.0, 0.0, top + 3.0]])
    positions = np.concatenate([chain.positions, *(water + shift for shift in shifts)])
    made = SumSubject(model, "wet", positions)
    assert made.physics is not None and [group.factor for group in made.physics.groups] == [1, -1]
    out = tmp_path / "out"
    write_export(FORMATS.get("c"), made, out)
    assert run_check(FORMATS.get("c"), out).returncode == 0
    (document,), _ = write_export(FORMATS.get("json"), made, tmp_path / "wet.json")
    again = nmer.load_sum(document)
    assert [*again.parts(positions)] == [*model.parts(positions)]
    assert again.energy(positions) == pytest.approx(model.energy(positions), rel=1e-12)


def test_a_sum_without_physics_is_exported_too(tmp_path: Path) -> None:
    write_export(FORMATS.get("c"), SumSubject(total(), "2 CH3", ETHANE), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*physics*")) and (tmp_path / "out" / "p2_CH3.c").exists()
    assert run_check(FORMATS.get("c"), tmp_path / "out").returncode == 0


def test_the_command_exports_a_sum(
    file: Path, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(file), "--format", "c", "--store", str(store.path), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert f"check: cd {tmp_path / 'out'} && gcc" in capsys.readouterr().out
    readme = (tmp_path / "out" / "README").read_text()
    assert "ala2, a sum of" in readme and "pairs that are not bonded" in readme
    assert main(words) == 2 and "exists already" in capsys.readouterr().err


def test_what_cannot_be_exported_is_refused_in_one_sentence(
    file: Path, store: Store, subject: SumSubject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*words: Any) -> str:
        given = ["export", *map(str, words), "--store", str(store.path), "--out", str(tmp_path / "out")]
        assert main(given) == 2 and not (tmp_path / "out").exists()
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    for name in sorted({form.name for form in FORMATS} - set(SUMS)):
        assert f"not a sum; allowed for a sum: {', '.join(SUMS)}" in refused(file, "--format", name)
    assert "--at is for the file of a sum" in refused("ch@1", "--format", "c", "--at", "x.xyz")
    other = tmp_path / "other.toml"
    other.write_text(file.read_text().replace(f'molecule = "{MOLECULE}"', 'molecule = "/etc/passwd"'))
    assert "has no geometry of its molecule; give an xyz file with --at" in refused(other, "--format", "c")
    assert "No such file" in refused(other, "--format", "c", "--at", tmp_path / "none.xyz")
    frame = [
        f"{s} {x!r} {y!r} {z!r}"
        for s, (x, y, z) in zip(subject.model.symbols, subject.positions.tolist(), strict=True)
    ]
    (tmp_path / "at.xyz").write_text("\n".join([str(len(frame)), "", *frame, ""]))
    np.testing.assert_allclose(sum_subject(other, store.path, tmp_path / "at.xyz").positions, subject.positions)
    (tmp_path / "torn.xyz").write_text("\n".join([str(len(frame)), "", "C 9.0 9.0 9.0", *frame[1:], ""]))
    assert "are" in refused(other, "--format", "c", "--at", tmp_path / "torn.xyz")


def test_a_sum_of_more_than_pips_and_physics_is_refused(
    file: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_sum(file, store.path)
    at = np.zeros((len(model.symbols), 3))

    class Field:
        def energy_and_gradient(self, positions: Floats) -> tuple[float | Floats, Floats]:
            raise NotImplementedError

    def with_physics(*more: Any) -> ManyBodyPotential:
        return sum_potential(read_molecule(MOLECULE), family="polyalanine", store=store.path, contributions=more)

    with pytest.raises(InputError, match="the sum has a Field; allowed: n-mers, and V_phys in vacuum"):
        SumSubject(with_physics(Field()), "x", at)
    monkeypatch.setattr(sum_subject_module, "MOST_POLARIZABLE", 10)
    with pytest.raises(InputError, match=r"has \d+ polarizable atoms; allowed in an export: 10"):
        SumSubject(model, "x", at)
    box = Cell(((9.0, 0.0, 0.0), (0.0, 9.0, 0.0), (0.0, 0.0, 9.0)), (True, True, True))
    monkeypatch.setattr(model, "cell", box)
    with pytest.raises(InputError, match="the sum is periodic; allowed: a molecule in vacuum"):
        SumSubject(model, "x", at)
