"""Malformed and hostile inputs: each is one sentence with exit code 2, and nothing is written.

A case is the words of a command, the files it finds in its working directory, and what the sentence has to say.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from nmer.cli.main import main
from potentials.errors import LONGEST
from tests.conftest import TINY

LIMIT = LONGEST + 20
"""Letters of the longest sentence with the name of the command: long values are cut."""


@dataclass(frozen=True)
class Case:
    """One bad input."""

    name: str
    words: tuple[str, ...]
    said: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)


def recipe(name: str, old: str, new: str, said: str, command: str = "plan") -> Case:
    """Return a case of the tiny recipe with one text in the place of another."""
    assert old in TINY, old
    return Case(f"recipe-{name}", (command, "r.toml"), said, {"r.toml": TINY.replace(old, new, 1)})


def toml(name: str, content: str | bytes, said: str) -> Case:
    """Return a case of a recipe file that is no recipe."""
    return Case(f"toml-{name}", ("show", "r.toml"), said, {"r.toml": content})


METHANE = """5
{comment}
C 0.0 0.0 0.0
H 0.63 0.63 0.63
H -0.63 -0.63 0.63
H -0.63 0.63 -0.63
H 0.63 -0.63 -0.63
"""
GOOD = "".join(METHANE.format(comment=0.1 * i).replace("0.63", f"{0.6 + 0.01 * i:.2f}") for i in range(12))
FIT = ("fit", "--train", "t.xyz", "--symmetry", "A1B4", "--degree", "2")


def xyz(name: str, content: str | bytes, said: str, words: tuple[str, ...] = FIT) -> Case:
    """Return a case of an xyz file."""
    return Case(f"xyz-{name}", words, said, {"t.xyz": content})


def fit(name: str, said: str, **options: str) -> Case:
    """Return a case of a good file and a bad option of fit."""
    given = {"--train": "t.xyz", "--symmetry": "A1B4", "--degree": "2"}
    given |= {f"--{key.replace('_', '-')}": value for key, value in options.items()}
    words = [word for pair in given.items() for word in pair]
    return Case(f"fit-{name}", ("fit", *words), said, {"t.xyz": GOOD})


def machine(name: str, text: str, said: str) -> Case:
    """Return a case of a machine's profile."""
    return Case(
        f"machine-{name}", ("run", "ch3-water", "--preset", "smoke", "--on", "m.toml"), said, {"m.toml": text}
    )


def arrays(**values: object) -> bytes:
    """Return an .npz file."""
    stream = BytesIO()
    np.savez(stream, **{name: np.asarray(value) for name, value in values.items()})
    return stream.getvalue()


FRAMES = arrays(positions=np.zeros((2, 3, 3)) + np.arange(9).reshape(3, 3), masses=[16.0, 1.0, 1.0])
PB = "d: DISTANCE ATOMS=1,2 NOPBC\npb: PBMETAD ARG=d SIGMA=0.1 HEIGHT=0.3 PACE=1 TEMP=300 {more}\n"


def plumed(name: str, text: str, said: str, frames: bytes = FRAMES) -> Case:
    """Return a case of a PLUMED input."""
    words = ("bias", "--plumed", "p.dat", "--trajectory", "t.npz", "--out", "o.npz")
    return Case(f"plumed-{name}", words, said, {"p.dat": text, "t.npz": frames})


def archive(members: Mapping[str, bytes], way: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip file."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", way) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return stream.getvalue()


def bundle(name: str, content: bytes, said: str) -> Case:
    """Return a case of a bundle."""
    return Case(f"bundle-{name}", ("unbundle", "b.zip", "--store", "s"), said, {"b.zip": content})


WATER = "bonds = [[0, 1], [0, 2]]"
RECIPES = [
    recipe("unknown-key", "train = 18", "trian = 18", "key 'selection.trian' is unknown (did you mean 'train'?)"),
    recipe("unknown-section", "[gates]", "[gatez]", "gatez"),
    recipe("text-for-a-number", "train = 18", 'train = "many"', "selection.train"),
    recipe("fraction-for-a-count", "train = 18", "train = 18.5", "selection.train"),
    recipe("no-configurations", "train = 18", "train = 0", "selection.train"),
    recipe("negative-count", "train = 18", "train = -1", "selection.train"),
    recipe("absurd-count", "train = 18", "train = 1_000_000_000_000", "selection.train"),
    recipe("nan", "degree = 1", "degree = 1\ngamma = nan", "fitting.gamma"),
    recipe("infinity", "degree = 1", "degree = 1\ndelta_e = inf", "fitting.delta_e"),
    recipe("degree-zero", "degree = 1", "degree = 0", "fitting.degree"),
    recipe("unknown-method", 'method = "HF"', 'method = "CCSDTQ"', "labelling.method"),
    recipe("unknown-basis", "sto-3g", "cc-pVDX", "cc-pVDX"),
    recipe("basis-with-a-newline", '"sto-3g"', '"sto-3g\\nimport os"', "labelling.basis"),
    recipe("basis-with-code", '"sto-3g"', "'sto-3g\"); import os; (\"'", "labelling.basis"),
    recipe("basis-with-a-path", '"sto-3g"', '"../../etc/passwd"', "labelling.basis"),
    recipe("basis-with-nul", '"sto-3g"', '"sto-3g\\u0000"', "labelling.basis"),
    recipe("long-basis", '"sto-3g"', f'"{"x" * 100_000}"', "labelling.basis"),
    recipe("name-with-a-path", 'name = "tiny-water"', 'name = "../tiny"', "name"),
    recipe("name-with-capitals", 'name = "tiny-water"', 'name = "Tiny Water"', "name"),
    recipe("long-name", 'name = "tiny-water"', f'name = "{"a" * 300}"', "name"),
    recipe("empty-name", 'name = "tiny-water"', 'name = ""', "name"),
    recipe("symmetry-of-other-atoms", "A1B1C3_D1E2", "A1B1C3_D1E3", "symmetry"),
    recipe("symmetry-with-code", "A1B1C3_D1E2", "A1B1C3_D1E2; rm", "symmetry"),
    recipe("self-bond", WATER, "bonds = [[0, 0], [0, 2]]", "bond"),
    recipe("double-bond", WATER, "bonds = [[0, 1], [1, 0], [0, 2]]", "bond"),
    recipe("bond-out-of-range", WATER, "bonds = [[0, 1], [0, 9]]", "bond"),
    recipe("missing-bond", WATER, "bonds = [[0, 1]]", "bond"),
    recipe("switching-in-one-body", "atoms = [0, 5]", "atoms = [0, 1]", "switching"),
    recipe("switching-out-of-range", "atoms = [0, 5]", "atoms = [0, 99]", "switching"),
    recipe("switching-inside-out", "r_in = 8.0, r_out = 10.0", "r_in = 10.0, r_out = 8.0", "r_in"),
    recipe("no-workers", "workers = 2", "workers = -1", "resources.workers"),
    recipe("timeout-zero", "label_timeout = 120", "label_timeout = 0", "resources.label_timeout"),
    recipe("memory-nan", "label_memory = 3", "label_memory = nan", "resources.label_memory"),
]

TOMLS = [
    toml("empty", "", "name"),
    toml("broken", "name = ", "not valid TOML"),
    toml("twice-the-same-key", 'name = "a"\nname = "b"\n', "not valid TOML"),
    toml("not-utf-8", b'name = "\xff\xfe"', "r.toml"),
    toml("utf-16", 'name = "a"'.encode("utf-16"), "r.toml"),
    toml("binary", bytes(range(256)), "r.toml"),
    toml("deep-arrays", "a = " + "[" * 100_000 + "]" * 100_000, "r.toml"),
    toml("deep-tables", "\n".join(f"[{'.'.join(['a'] * n)}]" for n in (1, 5000)), "r.toml"),
    toml("huge", 'title = "' + "x" * 40_000_000 + '"', "r.toml"),
    toml("array-for-a-table", 'name = "a"\nnmer = []\n', "nmer"),
    toml("no-fragments", 'name = "a"\n[nmer]\nfragments = []\n', "fragments"),
    Case("toml-folder", ("show", "d.toml"), "d.toml", {"d.toml/x": "x"}),
    Case("toml-missing", ("show", "none.toml"), "recipe file 'none.toml' does not exist"),
]

XYZS = [
    xyz("empty", "", "t.xyz"),
    xyz("binary", bytes(range(256)) * 4, "t.xyz"),
    xyz("count-is-a-word", GOOD.replace("5", "five", 1), "t.xyz"),
    xyz("count-negative", GOOD.replace("5", "-5", 1), "t.xyz"),
    xyz("count-huge", GOOD.replace("5", "999999999999", 1), "t.xyz"),
    xyz("cut-off", GOOD[:-40], "t.xyz"),
    xyz("no-energy", METHANE.format(comment="methane") * 12, "t.xyz"),
    xyz("one-energy-missing", GOOD + METHANE.format(comment="methane"), "t.xyz"),
    xyz("energy-nan", GOOD + METHANE.format(comment="nan"), "t.xyz"),
    xyz("energy-infinite", GOOD + METHANE.format(comment="1e999"), "t.xyz"),
    xyz("coordinate-nan", GOOD.replace("C 0.0", "C nan", 1), "t.xyz"),
    xyz("coordinate-a-word", GOOD.replace("C 0.0", "C zero", 1), "t.xyz"),
    xyz("decimal-commas", GOOD.replace("0.6", "0,6"), "t.xyz"),
    xyz("unknown-element", GOOD.replace("C 0.0", "Qq 0.0", 1), "t.xyz"),
    xyz("dummy-atom", GOOD.replace("C 0.0", "X 0.0", 1), "t.xyz"),
    xyz(
        "other-order",
        GOOD + METHANE.format(comment="1.0").replace("C 0.0 0.0 0.0\n", "") + "C 0.0 0.0 0.0\n",
        "t.xyz",
    ),
    xyz("other-molecule", GOOD.replace("C 0.0", "N 0.0", 1), "t.xyz"),
    xyz("two-columns", GOOD.replace("C 0.0 0.0 0.0", "C 0.0 0.0"), "t.xyz"),
    xyz("unknown-columns", GOOD.replace("C 0.0 0.0 0.0", "C 0.0 0.0 0.0 7"), "t.xyz"),
    xyz("missing", "", "none.xyz", ("fit", "--train", "none.xyz", "--symmetry", "A1B4", "--degree", "2")),
    Case("xyz-folder", FIT, "t.xyz", {"t.xyz/x": "x"}),
    xyz("import-no-energy", METHANE.format(comment=""), "t.xyz", ("import", "x", *FIT[1:5], "--store", "s")),
    xyz("import-name", GOOD, "name '../x'", ("import", "../x", *FIT[1:5], "--store", "s")),
    xyz("tune-no-energy", METHANE.format(comment=""), "t.xyz", ("tune", *FIT[1:5])),
    xyz("label-cut-off", GOOD[:-40], "t.xyz", ("label", "t.xyz", "--fragments", "5", "--protocol", "gfn2-xtb")),
    xyz(
        "label-fragments", GOOD, "--fragments", ("label", "t.xyz", "--fragments", "4,x", "--protocol", "gfn2-xtb")
    ),
    xyz("label-sizes", GOOD, "atoms", ("label", "t.xyz", "--fragments", "4,3", "--protocol", "gfn2-xtb")),
    xyz("label-protocol", GOOD, "nonsense", ("label", "t.xyz", "--fragments", "5", "--protocol", "nonsense")),
]

FITS = [
    fit("symmetry", "symmetry", symmetry="A1B5"),
    fit("symmetry-of-nothing", "symmetry", symmetry=""),
    fit("symmetry-with-code", "symmetry", symmetry="A1B4;x"),
    fit("degree", "degree", degree="0"),
    fit("degree-huge", "degree", degree="99"),
    fit("gamma", "gamma", gamma="-1"),
    fit("gamma-nan", "gamma", gamma="nan"),
    fit("delta-e", "--delta-e", delta_e="0"),
    fit("filter", "rule", filter="__import__('os')"),
    fit("variables", "variables", variables="exp,exp,exp"),
    fit("variable", "variables", variables="sinh"),
    fit("optimizer", "optimizer", optimizer="magic"),
    fit("starts", "starts", starts="0"),
    fit("folds", "folds", folds="-3"),
    fit("max-terms", "--max-terms", max_terms="0"),
    fit("out", "cannot write into 't.xyz'", out="t.xyz"),
]

MACHINES = [
    machine("broken", "system = ", "not valid TOML"),
    machine("no-system", 'title = "x"', "key 'system' is missing"),
    machine("system", 'system = "cray"', "key 'system' is 'cray'"),
    machine("unknown-key", 'system = "slurm"\n[labels]\nwalltme = "1:00:00"', "did you mean 'walltime'?"),
    machine("walltime", 'system = "slurm"\n[labels]\nwalltime = "soon"', "labels.walltime"),
    machine("queue", 'system = "slurm"\n[labels]\nqueue = "a b; rm"', "labels.queue"),
    machine("directive", 'system = "slurm"\n[labels]\ndirectives = ["--x\\nrm -rf"]', "one line"),
    machine("skip", 'system = "slurm"\n[labels]\nskip = ["mem"]', "labels.skip"),
    machine("module", 'system = "slurm"\nmodules = ["$(x)"]', "modules"),
    machine("image", 'system = "kubernetes"\nimage = "a b"', "image"),
    machine("namespace", 'system = "kubernetes"\nnamespace = "../x"', "namespace"),
    machine("address", 'system = "scheduler"\naddress = "node:1"', "tcp://host:port"),
    machine("relative-path", 'system = "slurm"\nscratch = "tmp"', "whole path"),
    machine("deep", "a = " + "[" * 100_000 + "]" * 100_000, "m.toml"),
]

PLUMEDS = [
    plumed("binary", "\x00\x01", "p.dat"),
    plumed("unknown-action", "d: DISTANCE ATOMS=1,2 NOPBC\nx: MAGIC ARG=d\n", "MAGIC"),
    plumed("unknown-keyword", PB.format(more="GRID_MIN=0 GRID_MAX=9 WISH=1"), "WISH"),
    plumed("no-temperature", PB.replace("TEMP=300", "TEMP=0").format(more="BIASFACTOR=10"), "TEMP"),
    plumed("sigma", PB.replace("SIGMA=0.1", "SIGMA=-0.1").format(more=""), "SIGMA"),
    plumed("pace", PB.replace("PACE=1", "PACE=0").format(more=""), "PACE"),
    plumed("biasfactor", PB.format(more="BIASFACTOR=0.5"), "BIASFACTOR"),
    plumed("atom-out-of-range", PB.replace("ATOMS=1,2", "ATOMS=1,99").format(more=""), "99"),
    plumed("unknown-argument", PB.replace("ARG=d", "ARG=e").format(more=""), "e"),
    plumed("grid-inside-out", PB.format(more="GRID_MIN=9 GRID_MAX=1 GRID_BIN=10"), "GRID"),
    plumed("frames-shape", PB.format(more=""), "t.npz", arrays(positions=np.zeros((2, 3)), masses=[1.0])),
    plumed("frames-missing", PB.format(more=""), "t.npz", arrays(x=1.0)),
    plumed("frames-binary", PB.format(more=""), "t.npz", b"\x00" * 100),
    plumed("frames-pickled", PB.format(more=""), "t.npz", arrays(positions=np.array([{}]), masses=[1.0])),
    plumed(
        "frames-nan", PB.format(more=""), "t.npz", arrays(positions=np.full((2, 3, 3), np.nan), masses=np.ones(3))
    ),
]

BUNDLES = [
    bundle("empty", b"", "b.zip"),
    bundle("not-a-zip", b"PK\x03\x04nothing", "b.zip"),
    bundle("no-manifest", archive({"a.txt": b"x"}), "b.zip"),
    bundle("manifest-no-json", archive({"manifest.json": b"{"}), "b.zip"),
    bundle("manifest-huge", archive({"manifest.json": b" " * 300_000_000}, zipfile.ZIP_DEFLATED), "b.zip"),
    bundle("manifest-list", archive({"manifest.json": b"[]"}), "b.zip"),
    bundle("manifest-deep", archive({"manifest.json": b"[" * 100_000}), "b.zip"),
    bundle("upwards", archive({"manifest.json": b"{}", "../evil": b"x"}), "b.zip"),
    bundle("absolute", archive({"manifest.json": b"{}", "/evil": b"x"}), "b.zip"),
]

STORES = [
    Case("store-none", ("versions", "--store", "none"), "there is no store at 'none'"),
    Case("store-file", ("versions", "--store", "f"), "'f' is not a store of ours but a file", {"f": "x"}),
    Case("store-foreign", ("versions", "--store", "d"), "'d' is not a store of ours", {"d/letter": "dear"}),
    *(
        Case(
            f"store-format-{name}",
            ("versions", "--store", "d"),
            "format",
            {"d/nmer-store.json": f'{{"nmer_store_format": {value}}}'},
        )
        for name, value in (
            ("newer", "7"),
            ("text", '"1"'),
            ("zero", "0"),
            ("negative", "-1"),
            ("float", "1.5"),
            ("bool", "true"),
            ("null", "null"),
            ("list", "[1]"),
        )
    ),
    Case("store-marker-broken", ("versions", "--store", "d"), "d", {"d/nmer-store.json": "{"}),
    Case("store-marker-list", ("versions", "--store", "d"), "d", {"d/nmer-store.json": "[]"}),
    Case("store-marker-binary", ("versions", "--store", "d"), "d", {"d/nmer-store.json": b"\xff\xfe"}),
    *(
        Case(
            f"ref-{number}", (command, ref, "--store", "d"), "", {"d/nmer-store.json": '{"nmer_store_format": 1}'}
        )
        for number, (command, ref) in enumerate(
            [
                ("lineage", "ch3-water"),
                ("lineage", "ch3-water@1"),
                ("lineage", "../x@1"),
                ("get", "ch3-water@-1"),
                ("get", "@"),
                ("cite", "potential:@latest"),
                ("verify", "a@b@c"),
                ("remove", "x" * 5000 + "@1"),
                ("diff", "a@1"),
            ]
        )
    ),
]

WORDS = [
    Case("command", ("frobnicate",), "frobnicate"),
    Case("option", ("plan", "ch3-water", "--presett", "smoke"), "presett"),
    Case("recipe", ("run", "ch3-watr"), "recipe 'ch3-watr' is unknown (did you mean 'ch3-water'?)"),
    Case("preset", ("run", "ch3-water", "--preset", "huge"), "preset 'huge' is unknown"),
    Case("protocol", ("run", "ch3-water", "--preset", "smoke", "--protocol", "ccsdtq"), "ccsdtq"),
    Case("until", ("run", "ch3-water", "--until", "lunch"), "sampling"),
    Case("workers", ("run", "ch3-water", "--preset", "smoke", "--workers", "0"), "--workers 0"),
    Case("family", ("run", "--all", "polymer", "--preset", "smoke"), "polymer"),
    Case("recipe-and-family", ("run", "ch3-water", "--all", "polyalanine"), "not both"),
    Case("new-smiles", ("new", "x", "--from-smiles", "C(("), "C(("),
    Case("new-radical", ("new", "x", "--from-smiles", "[CH3]"), "CH3"),
    Case("new-salt", ("new", "x", "--from-smiles", "[Na+].[Cl-]"), "."),
    Case("new-isotope", ("new", "x", "--from-smiles", "[2H]O[2H]"), "isotope"),
    Case("new-name", ("new", "../x", "--from-smiles", "O"), "../x"),
    Case("fragment-nonsense", ("fragment", "AceAla999999999Nme"), "AceAla"),
    Case("fragment-pdb", ("fragment", "p.pdb"), "p.pdb", {"p.pdb": "ATOM  nonsense\n"}),
    Case("fragment-empty-pdb", ("fragment", "p.pdb"), "p.pdb", {"p.pdb": ""}),
    Case("fragment-mol", ("fragment", "p.mol"), "p.mol", {"p.mol": "x\n" * 9}),
    Case("machine-name", ("run", "ch3-water", "--preset", "smoke", "--on", "slrm"), "did you mean 'slurm'?"),
    Case("deploy-cron", ("deploy", "ch3-water", "--preset", "smoke", "--cron", "daily"), "five fields"),
    Case("deploy-nothing", ("deploy",), "give recipes"),
    Case(
        "deploy-yaml",
        ("deploy", "ch3-water", "--preset", "smoke", "--file", "p.yaml"),
        "p.yaml",
        {"p.yaml": "a: [b"},
    ),
]

EMPTY = {"s/nmer-store.json": '{"nmer_store_format": 1}'}
SUM = ("sum", "AceAla3Nme", "--store", "s")
SUMS = [
    Case("sum-store", ("sum", "AceAla3Nme", "--store", "none"), "there is no store at 'none'"),
    Case("sum-empty", SUM, "the store at 's' has no potentials of ch3, conh, ch,", EMPTY),
    Case("sum-molecule", ("sum", "AceXyzNme", "--store", "s"), "residue 'Xyz' is unknown", EMPTY),
    Case("sum-1-mers", ("sum", "CCO", "--store", "s"), "belong to no 1-mer", EMPTY),
    Case("sum-family", (*SUM, "--family", "polymer"), "family 'polymer' is unknown", EMPTY),
    Case(
        "sum-other-family",
        ("sum", "AceGly2Nme", "--store", "s", "--family", "polyalanine"),
        "ch2, conh-ch2",
        EMPTY,
    ),
    Case("sum-use", (*SUM, "--use", "ch"), "--use is 'ch'", EMPTY),
    Case("sum-use-file", (*SUM, "--use", "ch=/etc/passwd.json"), "N-MER=REFERENCE of the store", EMPTY),
    Case("sum-use-ref", (*SUM, "--use", "ch=../x@1"), "ch", EMPTY),
    Case("sum-waters", (*SUM, "--waters", "-1"), "waters is -1", EMPTY),
    Case("sum-many-waters", (*SUM, "--waters", "10000000000"), "allowed: 0 to 100000", EMPTY),
    Case("sum-waters-word", (*SUM, "--waters", "many"), "waters", EMPTY),
    Case("sum-out", (*SUM, "--out", "s"), "exists already", EMPTY),
]
FRAGMENTS = [
    Case("fragment-write-file", ("fragment", "CCC", "--write", "f"), "--write", {"f": "x"}),
    Case("fragment-write-there", ("fragment", "CCC", "--write", "d"), "not overwritten", {"d/ch2.toml": "x"}),
    Case("fragment-water", ("fragment", "CCC", "--water"), "--water needs --write"),
]

CASES = [*RECIPES, *TOMLS, *XYZS, *FITS, *MACHINES, *PLUMEDS, *BUNDLES, *STORES, *WORDS, *SUMS, *FRAGMENTS]


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Return every file of a folder with its size and when it was last changed."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    } | {str(path.relative_to(folder)): (0, 0) for path in folder.rglob("*") if path.is_dir()}


def test_there_are_enough() -> None:
    assert len(CASES) >= 120 and len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_one_sentence_and_nothing_is_written(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    for name, content in case.files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    before = snapshot(tmp_path)
    code = main(list(case.words))
    out, err = capsys.readouterr()
    assert (code, out) == (2, ""), f"exit code {code}: {err}{out[:500]}"
    assert err.startswith("nmer: ") and err.count("\n") == 1 and err.rstrip().isprintable(), err[:2000]
    assert case.said in err and "Traceback" not in err, err[:2000]
    assert len(err) <= LIMIT, f"{len(err)} letters"
    assert snapshot(tmp_path) == before


def test_the_good_inputs_of_the_cases_are_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the cases spoil is sound before."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.toml").write_text(TINY)
    (tmp_path / "t.xyz").write_text(GOOD)
    (tmp_path / "p.dat").write_text(PB.format(more="GRID_MIN=0 GRID_MAX=20 GRID_BIN=200 BIASFACTOR=10"))
    (tmp_path / "t.npz").write_bytes(FRAMES)
    checks: list[Callable[[], int]] = [
        lambda: main(["plan", "r.toml"]),
        lambda: main(list(FIT)),
        lambda: main(["bias", "--plumed", "p.dat", "--trajectory", "t.npz", "--out", "o.npz"]),
    ]
    for check in checks:
        assert check() == 0, capsys.readouterr().err
