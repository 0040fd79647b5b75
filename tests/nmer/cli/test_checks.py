"""plan, show, run and their relatives make the same checks, before anything runs or is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.machine import LocalMachine
from nmer.cli.main import main
from potentials.errors import InputError
from recipes.load import load_recipe, presets, recipe_of_text, shipped_recipes
from tasks.run.checks import check_recipe
from tests.conftest import TINY

WATER = (
    "O   0.000000   0.000000   3.600000\nH   0.759080   0.000000   4.157641\nH  -0.759080   0.000000   4.157641\n"
)
METHYL = '[[nmer.fragments]]\nname = "CH3-"\nbonds = [[0, 1], [0, 2], [0, 3], [0, 4]]\ncaps = [1]\n'
XTB = ("temperatures = [300, 500]", 'force_field = "GFN2-xTB"\ntemperatures = [300, 500]')
ALONE = ('name = "water"\n', 'name = "water"\ncharge = {}\n')

Swap = tuple[str, str]


def charged(charge: int) -> Swap:
    return ALONE[0], ALONE[1].format(charge)


def instead(symbol: str, charge: int = 0) -> list[Swap]:
    """A single atom in the place of water."""
    return [
        (WATER, f"{symbol} 0 0 3.6\n"),
        ("bonds = [[0, 1], [0, 2]]", f"bonds = []\ncharge = {charge}"),
        ("A1B1C3_D1E2", "A1B1C3_D1"),
        XTB,
    ]


def section(name: str, line: str) -> Swap:
    return f"[{name}]\n", f"[{name}]\n{line}\n"


CASES: dict[str, tuple[list[Swap], str]] = {
    # electrons and spin
    "a water of charge 1": ([charged(1), XTB], "'water' has 9 electrons at charge +1, an odd number"),
    "a water of charge -1": ([charged(-1), XTB], "'water' has 11 electrons at charge -1, an odd number"),
    "a charge of its own for each": (
        [charged(1), ("caps = [1]\n", "caps = [1]\ncharge = -1\n"), XTB],
        "'CH3-' has 11 electrons at charge -1",
    ),
    "a charge that the schema has not": ([charged(40)], "nmer.fragments.1.charge"),
    "an open atom": (instead("O"), "is an atom of 8 electrons, whose shells are open"),
    "an odd atom": (instead("Na"), "has 11 electrons at charge +0, an odd number"),
    "an open ion": (instead("Fe", 2), "is an atom of 24 electrons, whose shells are open"),
    "a proton": (instead("H", 1), "has 0 electrons at charge +1"),
    "oxygen": (
        [(WATER, "O 0 0 3.6\nO 0 0 4.8\n"), ("[[0, 1], [0, 2]]", "[[0, 1]]"), ("_D1E2", "_D2"), XTB],
        "is O2, whose ground state has two unpaired electrons",
    ),
    # engine and basis
    "a basis that is none": ([("sto-3g", "cc-pVDX")], "labelling.basis 'cc-pVDX'"),
    "a basis without an element": ([*instead("I", -1), ("sto-3g", "cc-pVDZ")], "'cc-pVDZ'"),
    "a large basis that is none": (
        [('method = "HF"', 'method = "FNO-CCSD(T)"\nmp2_basis = "aug-cc-pVXZ"')],
        "aug-cc-pVXZ",
    ),
    "a functional that is none": ([('method = "HF"', 'method = "DFT"\nfunctional = "b3lyb"')], "'b3lyb'"),
    # force field
    "no types": (
        [
            ('name = "water"', 'name = "ammonia"'),
            ("O   0.0", "N   0.0"),
            ("bonds = [[0, 1], [0, 2]]", "bonds = [[0, 1], [0, 2], [0, 3]]"),
            (WATER[35:], WATER[35:] + "H 0.0 0.9 4.0\n"),
            ("D1E2", "D1E3"),
        ],
        "has no ff14SB types here",
    ),
    "water's types with a charge": ([charged(2)], "has no ff14SB types here"),
    "a type that is none": (
        [section("sampling", 'atom_types = [{ atoms = [0], type = "protein-ZZ", charge = 0.1 }]')],
        "no type 'protein-ZZ'",
    ),
    # places
    "two atoms in one place": ([("H   0.759080   0.000000   4.157641", "H 0.0 0.0 3.6")], "which is one place"),
    "two fragments in one place": ([("3.600000", "0.1"), ("4.157641", "0.657641")], "which is one place"),
    "fragments far apart": (
        [("3.600000", "603.6"), ("4.157641", "604.157641")],
        "nmer.fragments 0 and 1 are",
    ),
    "an atom beyond the sky": ([("H   1.027662", "H   1.0e9")], "too far away"),
    "an atom torn off": ([("H   1.027662", "H   8.027662")], "and bonded; allowed: up to"),
    "an atom at nan": ([("H   1.027662", "H   nan")], "'nan' is not a finite number"),
    "an atom at inf": ([("H   1.027662", "H   inf")], "'inf' is not a finite number"),
    "an atom at 1e999": ([("H   1.027662", "H   1e999")], "too far away"),
    "a number in other digits": ([("H   1.027662", "H   \u0661.0")], "is not a finite number"),
    "a number with a line in it": ([("H   1.027662", "H   1_0.027662")], "is not a finite number"),
    "no geometry": ([(WATER, "")], "the geometry has no atoms"),
    "a charge in the geometry": ([("O   0.000000", "O1-   0.000000")], "is not the symbol of an element"),
    "a column more": ([("3.600000", "3.600000 0.417")], "is not 'element x y z'"),
    # bonds and caps
    "a bond with itself": (
        [("bonds = [[0, 1], [0, 2]]", "bonds = [[0, 1], [0, 2], [1, 1]]")],
        "of an atom with itself",
    ),
    "a bond twice": (
        [("bonds = [[0, 1], [0, 2]]", "bonds = [[0, 1], [0, 2], [1, 0]]")],
        "bond [1, 0] is there twice",
    ),
    "a bond to nobody": (
        [("bonds = [[0, 1], [0, 2]]", "bonds = [[0, 1], [0, 3]]")],
        "atom 3 in bonds or caps is not",
    ),
    "a bond of three": ([("bonds = [[0, 1], [0, 2]]", "bonds = [[0, 1, 2]]")], "nmer.fragments.1.bonds.0"),
    "a bond to minus one": (
        [("bonds = [[0, 1], [0, 2]]", "bonds = [[0, 1], [0, -1]]")],
        "nmer.fragments.1.bonds.1.1",
    ),
    "a bond missing": (
        [("bonds = [[0, 1], [0, 2]]", "bonds = [[0, 1]]"), ("_D1E2", "_D1E1F1")],
        "0.94 A apart and not bonded; add [0, 2] to bonds",
    ),
    "two molecules in a fragment": (
        [
            ("H  -0.759080   0.000000   4.157641", "He  -2.759080   0.000000   4.157641"),
            ("bonds = [[0, 1], [0, 2]]", "bonds = [[0, 1]]"),
            ("_D1E2", "_D1E1F1"),
        ],
        "the bonds of 'water' leave it in 2 pieces, O0-H1 and He2; add the missing bonds",
    ),
    "no bonds": ([("bonds = [[0, 1], [0, 2]]", "bonds = []")], "has 3 atoms and no bonds"),
    "a bond of a ring missing": (
        [(WATER, "O 0 0 3.6\nO 0 0 5.0\nO 1.21 0 4.3\n"), ("_D1E2", "_D1E2")],
        "and not bonded; add [1, 2] to bonds",
    ),
    "a cap twice": ([("caps = [1]", "caps = [1, 1]")], "caps [1, 1] names an atom twice"),
    "a cap that is carbon": ([("caps = [1]", "caps = [0]")], "cap 0 is C; caps are hydrogens"),
    "a cap on oxygen": (
        [("bonds = [[0, 1], [0, 2]]", "bonds = [[0, 1], [0, 2]]\ncaps = [1]")],
        "caps sit on C and N",
    ),
    # switching
    "switching within one body": ([("atoms = [0, 5]", "atoms = [0, 4]")], "switching"),
    "switching of an atom with itself": ([("atoms = [0, 5]", "atoms = [5, 5]")], "switching"),
    # sizes
    "no frames": ([("frames = 200", "frames = 0")], "sampling.frames"),
    "frames without end": ([("frames = 200", "frames = 1000000000000")], "sampling.frames"),
    "frames of thousands of digits": ([("frames = 200", f"frames = {'9' * 5000}")], "mine.toml"),
    "frames in hexadecimal": ([("frames = 200", f"frames = 0x{'f' * 5000}")], "sampling.frames"),
    "configurations without end": ([("train = 18", "train = 1000000000000")], "selection.train"),
    "no configurations": ([("train = 18", "train = 0")], "selection.train"),
    "more configurations than frames": ([("train = 18", "train = 400")], "choose at most as many as there are"),
    "workers without end": ([("workers = 2", "workers = 1000000000")], "resources.workers"),
    "workers below nothing": ([("workers = 2", "workers = -1")], "resources.workers"),
    "absolute zero": ([("[300, 500]", "[0]")], "sampling.temperatures.0"),
    "below it": ([("[300, 500]", "[-300]")], "sampling.temperatures.0"),
    "a star": ([("[300, 500]", "[1e9]")], "sampling.temperatures.0"),
    "a temperature that is none": ([("[300, 500]", "[nan]")], "sampling.temperatures.0"),
    "no temperatures": ([("[300, 500]", "[]")], "sampling.temperatures"),
    "a thousand temperatures": ([("[300, 500]", f"[{', '.join(['300'] * 1000)}]")], "sampling.temperatures"),
    "no timestep": ([section("sampling", "timestep = 0")], "sampling.timestep"),
    "time backwards": ([section("sampling", "timestep = -0.5")], "sampling.timestep"),
    "hardly a timestep": ([section("sampling", "timestep = 1e-300")], "sampling.timestep"),
    "frames nearer than steps": ([("stride = 20", "stride = 0.01")], "must be at least the timestep"),
    "a window without end": ([("[[0, 4], [4, 7]]", "[[0, inf]]")], "sampling.windows"),
    "more walkers than frames": (
        [("frames = 200", "frames = 30\nseeds_per_window = 10")],
        "40 walkers for 30 frames",
    ),
    "walkers without end": (
        [("[300, 500]", f"[{', '.join(['300'] * 100)}]"), section("sampling", "seeds_per_window = 1000")],
        "200,000 walkers",
    ),
    "a negative ridge": ([section("fitting", "gamma = -1")], "fitting.gamma"),
    "weights that are no numbers": ([section("fitting", "delta_e = nan")], "fitting.delta_e"),
    "terms without end": ([("degree = 1", "degree = 8")], "products of 28 distances"),
    "a degree without end": ([("degree = 1", "degree = 100")], "fitting.degree"),
    "time without end": ([("label_timeout = 120", "label_timeout = inf")], "resources.label_timeout"),
    "memory below nothing": ([("label_memory = 3", "label_memory = -3")], "resources.label_memory"),
    "gates at nan": ([("train_rmsd = 50", "train_rmsd = nan")], "gates.train_rmsd"),
    "no walls": ([section("sampling", "bias = { wall_kappa = 0 }")], "sampling.bias.wall_kappa"),
    "a name longer than a file's": ([('"tiny-water"', f'"{"a" * 300}"')], "key 'name'"),
    "a name that is a path": ([('"tiny-water"', '"../tiny"')], "key 'name'"),
    "one atom alone": (
        [
            (METHYL, ""),
            (TINY[TINY.index("geometry") : TINY.index("[[nmer.fragments]]", TINY.index("caps"))], ""),
            *instead("Ar")[:2],
            ("A1B1C3_D1E2", "A1"),
            ("degree = 1", 'degree = 1\nterms = "all"'),
            ("switching = { atoms = [0, 5], r_in = 8.0, r_out = 10.0 }", ""),
        ],
        "a single atom",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_recipe_is_refused_alike_by_every_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    swaps, expected = CASES[name]
    text = TINY
    for old, new in swaps:
        assert old in text, old
        text = text.replace(old, new)
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(text)
    said = set()
    for words in (
        ["plan", "mine.toml"],
        ["show", "mine.toml"],
        ["run", "mine.toml"],
        ["deploy", "mine.toml", "--file-only"],
        ["retry", "mine.toml", "--list"],
    ):
        code = main(words)
        captured = capsys.readouterr()
        assert (code, captured.out) == (2, ""), (words, captured)
        assert captured.err.count("\n") == 1 and len(captured.err) < 1000
        assert captured.err.startswith("nmer: mine.toml: ") and expected in captured.err, captured.err
        said.add(captured.err)
    assert len(said) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


XYZ = "3\n\nO 0 0 0\nH 0 0.76 0.59\nH 0 -0.76 0.59\n"
BY_HAND: dict[str, tuple[str, tuple[str, ...], str]] = {
    "an ion of open shells": (
        XYZ,
        ("3", "--charges", "1"),
        "nmer.fragments.0 'fragment 1' has 9",
    ),
    "a radical": (XYZ, ("2,1",), "'fragment 1' has 9 electrons at charge +0, an odd number"),
    "an open atom": ("1\n\nO 0 0 0\n", ("1",), "is an atom of 8 electrons, whose shells are open"),
    "atoms in one place": (
        XYZ.replace("-0.76", "0.76"),
        ("3",),
        "one place",
    ),
    "the second one": (XYZ + XYZ.replace("0.76 0.59", "0 0.1"), ("3",), "configuration 2"),
    "an atom at nan": (XYZ.replace("-0.76", "nan"), ("3",), "mine.xyz"),
    "an atom at inf": (XYZ.replace("-0.76", "inf"), ("3",), "mine.xyz"),
    "no time": (XYZ, ("3", "--timeout", "nan"), "--timeout"),
    "time without end": (XYZ, ("3", "--timeout", "inf"), "--timeout"),
    "memory below nothing": (XYZ, ("3", "--memory", "-1"), "--memory"),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_labels_by_hand_are_checked_before_any_is_computed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, words, expected = BY_HAND[name]
    monkeypatch.chdir(tmp_path)
    Path("mine.xyz").write_text(text)
    code = main(["label", "mine.xyz", "--protocol", "ccsd-t-cc-pvdz", "--fragments", *words])
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, ""), captured
    assert captured.err.startswith("nmer: ") and captured.err.count("\n") == 1
    assert expected in captured.err, captured.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.xyz"]


@pytest.mark.parametrize("name", ["a" * 81, "A", "", "../x", "a b", "$(x)", "x" * 100_000, "a_b", "\u00fc"])
def test_a_new_recipe_has_a_name_of_its_own(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = main(["new", "--from-smiles", "CO", "--with", "water", "--name", name])
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "") and captured.err.count("\n") == 1 and len(captured.err) < 400
    assert "must be lowercase letters, digits and dashes" in captured.err, captured.err
    assert not list(tmp_path.iterdir())


def test_prefect_runs_pass_the_same_checks(tmp_path: Path) -> None:
    """A flow takes a recipe as a parameter, which no command has seen."""
    from flows.stages import run_stages

    text = TINY.replace(*charged(1)).replace(*XTB)
    recipe = recipe_of_text(text)
    with pytest.raises(InputError, match=r"'water' has 9 electrons at charge \+1"):
        run_stages(recipe, tmp_path / "store", LocalMachine(), "sampling")
    assert not list(tmp_path.iterdir())


def test_what_is_only_missing_here_is_noted_where_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recipe for a program of another machine can be shown, planned, and deployed, and not run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    Path("mine.toml").write_text(TINY.replace('method = "HF"', 'engine = "orca"\nmethod = "DLPNO-CCSD(T)"'))
    for words in (["show"], ["plan"]):
        assert main([*words, "mine.toml"]) == 0
        said = capsys.readouterr().err
        assert said.startswith("note: tiny-water cannot run here: labelling.engine 'orca' needs the program orca")
    assert main(["run", "mine.toml"]) == 2
    assert "mine.toml: labelling.engine 'orca' needs the program orca" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


def test_every_shipped_recipe_passes() -> None:
    for name, path in shipped_recipes().items():
        for preset in presets(path):
            assert check_recipe(load_recipe(name, preset)) == []
