"""Texts of files from elsewhere: none reaches a generated file, a page, or a terminal as more than text."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest

import nmer
from nmer.cli.main import main
from potentials.errors import InputError, printable
from potentials.nmers.nmer import NMer
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from potentials.units import HARTREE
from recipes.load import expanded_toml, load_recipe
from storage.checksum import seal
from storage.configuration import configuration_ids
from storage.contents import dataset_columns, potential_columns, potential_facts
from storage.exchange.exporter import FORMATS, template, write_export
from storage.exchange.mbx_overlay import monomer_id
from storage.exchange.subject import DatasetSubject, PotentialSubject
from storage.exchange.text import plain, xml_comment
from storage.quality import Purpose
from storage.records import TEST, TRAIN, Dataset
from storage.version import write_version
from storage.xyz import read_labelled
from tasks.metrics import errors
from tasks.pages.render import Made, Snippet, Table
from tasks.validation.report import Report, Section, report_html

RECIPE = load_recipe("ch3-water")
NMER = RECIPE.build_nmer()
RUN = "__import__('os').system('touch PWNED')"
PAYLOADS = {
    "c-comment": '*/ static int x = system("touch PWNED"); /*',
    "trigraph": 'title ??/\nint x = system("touch PWNED");',
    "backslash-newline": '\\\nint x = system("touch PWNED"); \\',
    "include": '\n#include "/etc/passwd"\n',
    "docstring": f'"""\n{RUN}\n"""',
    "docstring-end": f'\\"""\n{RUN}\n"""',
    "f-string": f"{{{RUN}}}",
    "placeholder": "@TABLES@ @REFERENCES@ @TITLE@ @CHECK@",
    "xml": "--><total_steps>9</total_steps><!--",
    "xml-entity": ']]> <!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]> &a;',
    "lammps": '\nshell "touch PWNED"\n',
    "lammps-variable": "${x} $(touch PWNED) & `touch PWNED`",
    "markdown": "](javascript:alert(1)) <img src=x onerror=alert(1)> ```\n# a",
    "html": "<script>alert(1)</script>",
    "formula": "=cmd|'/c calc'!A0",
    "escape": "\x1b]52;c;cm0gLXJmIH4=\x07\x1b[2J\x1b[8m",
    "c1": "\x9b2J\x9d0;title\x9c",
    "bidirectional": "\u202e\u2066exe.txt",
    "null": "a\x00b",
    "carriage": "sound\rdamaged",
    "separator": "one\u2028two\u0085three",
    "long": "A" * 100_000,
    "math": "$\\frac{1}{",
    "percent": "%s%n{0.__class__}",
}


def toy(built: NMer = NMER) -> Potential:
    basis = Basis.build(built, 1)
    rng = np.random.default_rng(1)
    return Potential(
        built, 1, "all", rng.uniform(0.5, 1.5, len(basis.pair_names)), rng.normal(size=basis.n_terms), name="toy@1"
    )


def named(text: str) -> PotentialSubject:
    """Return a potential with a text wherever one can be; reading has its own checks."""
    fragments = tuple(replace(f, name=text) for f in NMER.fragments)
    built = NMer(text, fragments, NMER.symmetry)
    every = ("kind", "nmer", "key", "created", "creator", "recipe", "citation", "licence")
    attributes: dict[str, Any] = dict.fromkeys(every, text) | {
        "inputs": [{"kind": text, "ref": text, "key": text}],
        "engines": {text: text},
    }
    return PotentialSubject(replace(toy(built), name=text, status=text), attributes)


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("name", [e.name for e in FORMATS if e.kind == "potential"])
def test_a_text_stays_a_text_in_every_format(name: str, payload: str) -> None:
    """Line by line, all that differs from the export of a harmless one is the title."""
    hostile = named(PAYLOADS[payload])
    harmless = named("water-1")
    harmless = replace(harmless, potential=replace(harmless.potential, name=hostile.identifier))
    ours, theirs = (FORMATS.get(name).files(subject) for subject in (harmless, hostile))
    assert list(ours) == list(theirs)
    assert re.fullmatch(r"[\w ,.:;()@+=-]{1,200}", hostile.title, re.ASCII)
    assert re.fullmatch(r"[A-Za-z]\w{0,100}", hostile.identifier, re.ASCII)
    for file, text in theirs.items():
        if name == "json":
            json.loads(text)
            continue
        titles = [one.title for one in (harmless, hostile)]
        ids = [monomer_id(one.potential.nmer.fragments[0].name) for one in (harmless, hostile)]
        for before, after in zip(ours[file].splitlines(), text.splitlines(), strict=True):
            allowed = [before.replace(titles[0], titles[1]), before.replace(ids[0], ids[1])]
            allowed.append(before.replace(xml_comment(titles[0]), xml_comment(titles[1])))
            assert after in allowed
        if file.endswith(".py"):
            ast.parse(text)
        if file.endswith(".xml"):
            assert ElementTree.fromstring(text).findtext("total_steps") == "400"


@pytest.mark.parametrize(
    "payload", ["c-comment", "trigraph", "docstring", "docstring-end", "lammps", "placeholder"]
)
@pytest.mark.parametrize("name", ["c", "python", "ipi", "mbx"])
def test_the_check_of_a_hostile_export_runs_no_payload(name: str, payload: str, tmp_path: Path) -> None:
    if shutil.which("gcc") is None or shutil.which("g++") is None:
        pytest.skip("gcc or g++ is missing: on Debian: apt-get install build-essential")
    out = tmp_path / "out"
    write_export(FORMATS.get(name), named(PAYLOADS[payload]), out)
    words = (
        FORMATS.get(name)
        .check.format(file=out)
        .replace("python ", f"{sys.executable} ")
        .replace("-O2", "-O0 -trigraphs")
    )
    folder = out if FORMATS.get(name).folder else tmp_path
    done = subprocess.run(words, shell=True, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "holds" in done.stdout, done.stdout + done.stderr
    assert not list(tmp_path.rglob("PWNED")) and not Path("PWNED").exists()


def potential_file(folder: Path) -> Path:
    path = folder / "foreign.h5"
    write_version(path, "potential", "toy", 1, "0" * 64, columns=potential_columns(toy()), recipe="", inputs=[],
                  engines={}, facts=potential_facts(toy(), RECIPE.nmer))  # fmt: skip
    return path


def dataset_file(folder: Path) -> Path:
    rng = np.random.default_rng(5)
    positions = NMER.positions + rng.normal(scale=0.1, size=(6, 8, 3))
    sub = rng.normal(size=(6, 3)) - (116.8, 40.4, 76.4)
    energy = (sub[:, 0] - sub[:, 1] - sub[:, 2]) * HARTREE
    unknown = np.full(6, np.nan)
    data = Dataset(
        positions=positions, split=np.array([TRAIN] * 4 + [TEST] * 2), energy=energy, sub_energies=sub,
        sub_names=("AB", "A in AB", "B in AB"), t1=unknown, t2=unknown, cpu_seconds=unknown,
        ids=tuple(configuration_ids(NMER, positions)), d1=unknown,
    )  # fmt: skip
    path = folder / "foreign.h5"
    write_version(path, "dataset", "ch3-water", 1, "0" * 64, columns=dataset_columns(data),
                  recipe=expanded_toml(RECIPE), inputs=[], engines={"nmer": "0"}, facts={})  # fmt: skip
    return path


def changed(path: Path, place: str, text: str) -> Path:
    """Put a text into an attribute, a value of the JSON in one (``facts/nmer/...``), or an array of names."""
    path.chmod(0o644)
    with h5py.File(path, "r+") as file:
        name, *inside = place.split("/")
        if name in file:
            values = [text, *file[name].asstr()[1:]]
            del file[name]
            file.create_dataset(name, data=values, dtype=h5py.string_dtype())
        elif inside:
            whole = json.loads(file.attrs[name])
            where = whole
            for key in inside[:-1]:
                where = where[int(key) if key.isdigit() else key]
            last = inside[-1]
            where[int(last) if last.isdigit() else last] = text
            file.attrs[name] = json.dumps(whole)
        else:
            file.attrs[name] = text
        seal(file)
    return path


PLACES = [
    "kind", "nmer", "number", "key", "created", "creator", "recipe", "citation", "licence", "engines/pyscf",
    "facts/nmer/symmetry", "facts/nmer/fragments/0/name", "facts/nmer/fragments/0/geometry", "facts/filter",
    "facts/options/forms/intra", "facts/options/rules", "facts/degree", "k_names", "terms",
]  # fmt: skip


@pytest.mark.parametrize("payload", ["c-comment", "docstring", "escape"])
@pytest.mark.parametrize("place", PLACES)
def test_a_foreign_potential_is_refused_or_harmless(
    place: str, payload: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In every text attribute; refused in one printable sentence, and then nothing is written."""
    path = changed(potential_file(tmp_path), place, PAYLOADS[payload])
    for name in [e.name for e in FORMATS if e.kind == "potential"]:
        out = tmp_path / f"out-{name}"
        code = main(["export", str(path), "--format", name, "--out", str(out)])
        said = capsys.readouterr()
        assert code in (0, 2) and out.exists() == (code == 0), said.err
        if code == 2:
            assert said.err.count("\n") == 1 and said.err.rstrip("\n").isprintable() and not said.out
            continue
        for file in [out] if out.is_file() else sorted(out.iterdir()):
            text = file.read_text()
            assert "\x1b" not in text and "\u202e" not in text
            for code_of_theirs in ('system("touch', RUN, "*/ static", "<total_steps>9", "\nshell "):
                assert name == "json" or code_of_theirs not in text
    for words in (["cite", str(path)], ["export", str(path), "--format", "none", "--out", "x"]):
        main(words)
        said = capsys.readouterr()
        for line in (said.out + said.err).splitlines():
            assert line.replace("\t", " ").isprintable()


@pytest.mark.parametrize("payload", ["lammps", "formula", "escape", "null", "separator", "long", "math", "html"])
@pytest.mark.parametrize("place", ["ids", "sub_names", "nmer", "key", "engines/nmer"])
def test_a_foreign_dataset_is_refused_or_harmless(
    place: str, payload: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        path = changed(dataset_file(tmp_path), place, PAYLOADS[payload])
    except ValueError:  # HDF5's own strings end at a null
        assert payload == "null"
        return
    for name in [e.name for e in FORMATS if e.kind == "dataset"]:
        out = tmp_path / f"out-{name}"
        code = main(["export", str(path), "--format", name, "--out", str(out)])
        said = capsys.readouterr()
        assert code in (0, 2) and out.exists() == (code == 0), said.err
        if place in ("ids", "sub_names"):
            assert code == 2, f"{name} took it"
        if code == 2:
            assert said.err.count("\n") == 1 and said.err.rstrip("\n").isprintable() and not said.out
        elif name == "qcschema":
            assert len(json.loads(out.read_text())["configurations"]) == 6
        else:
            assert len(read_labelled(out / "train.xyz")) == 4


def test_ids_that_would_be_more_than_ids_are_refused_in_memory_too(tmp_path: Path) -> None:
    from storage.exchange.subject import subject_of

    subject = subject_of(str(dataset_file(tmp_path)))
    assert isinstance(subject, DatasetSubject)
    for bad in ("a b", "a\nH 0 0 0", 'x" REF_energy=0', "=1+1", ""):
        other = replace(subject, dataset=replace(subject.dataset, ids=(bad, *subject.dataset.ids[1:])))
        with pytest.raises(InputError, match="has the configuration id"):
            write_export(FORMATS.get("extxyz"), other, tmp_path / "out")
    broken = replace(NMER.fragments[0], symbols=("H 0 0 0\nC", *NMER.fragments[0].symbols[1:]))
    with pytest.raises(InputError, match="has the atom 'H 0 0"):
        replace(subject, nmer=NMer("x", (broken, NMER.fragments[1]), NMER.symmetry))
    assert not (tmp_path / "out").exists()


JSON_PLACES = [
    "name", "status", "nmer/name", "nmer/symmetry", "nmer/fragments/0/name", "nmer/fragments/0/symbols/0",
    "filter", "forms/intra", "rules", "degree", "k", "coefficients", "nmer",
]  # fmt: skip


@pytest.mark.parametrize("payload", ["docstring", "escape", "c-comment", "bidirectional", "long"])
@pytest.mark.parametrize("place", JSON_PLACES)
def test_a_foreign_document_is_refused_or_harmless(place: str, payload: str, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    write_export(FORMATS.get("json"), PotentialSubject(toy(), {}), path)
    whole = json.loads(path.read_text())
    where, *keys = whole, *place.split("/")
    for key in keys[:-1]:
        where = where[int(key) if key.isdigit() else key]
    where[int(keys[-1]) if keys[-1].isdigit() else keys[-1]] = PAYLOADS[payload]
    path.write_text(json.dumps(whole))
    if place in ("name", "nmer/name", "nmer/fragments/0/name") and payload == "c-comment":
        assert nmer.load(path).name.isprintable()  # an odd name, and nothing more
        return
    with pytest.raises(InputError) as caught:
        nmer.load(path)
    assert len(str(caught.value)) < 2100 and str(caught.value).replace("\n", " ").isprintable()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_page_of_a_report_escapes_every_text(payload: str) -> None:
    text = PAYLOADS[payload]
    some = errors(np.zeros(3), np.ones(3))
    page = report_html(
        Report(
            ref=text, title=text, purpose=Purpose(text, "bad", (text,)), train=some, test=some, level=text,
            gates=[{"name": text, "meaning": text, "value": 1.0, "limit": 1.0, "passed": False, "at_least": False,
                    "advice": text}],
            sections=[Section(text, [(text, text)], [text], [Table([text], [[text]], text)])], trust=[text],
            notes=[text], usage=[Snippet(text, text)], recipe=text,
            made=Made([(text, text, text, text, text)], [(text, text, text)], text, text, text, [(text, text)]),
        )
    )  # fmt: skip
    for tag in ("<script", "<img", "<!DOCTYPE x", "<total_steps"):
        assert tag not in page


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_is_printed_is_printable(payload: str) -> None:
    assert all(line.isprintable() for line in re.split("[\n\t]", printable(PAYLOADS[payload])))
    assert printable("|  Å ü\t1\n") == "|  Å ü\t1\n"
    line = plain(PAYLOADS[payload])
    assert len(line) <= 200 and re.fullmatch(r"[\w ,.:;()@+=-]*", line, re.ASCII)
    assert "--" not in xml_comment(PAYLOADS[payload])


def test_a_template_is_filled_once() -> None:
    names = dict.fromkeys(re.findall(r"@([A-Z][A-Z_]*)@", template_source("mbx.md")), "x")
    assert template("mbx.md", names | {"TITLE": "@CHECK@"}).startswith("# @CHECK@\n")


def template_source(name: str) -> str:
    from importlib.resources import files

    return (files("storage.exchange") / "templates" / name).read_text()


def test_a_folder_of_any_name_is_quoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "it's; touch PWNED ü"
    assert main(["export", str(potential_file(tmp_path)), "--format", "python", "--out", str(out)]) == 0
    command = (
        capsys.readouterr().out.splitlines()[-1].removeprefix("check: ").replace("python ", f"{sys.executable} ")
    )
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "holds" in done.stdout and not (tmp_path / "PWNED").exists()
