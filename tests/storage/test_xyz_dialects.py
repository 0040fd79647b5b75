"""The same xyz as other people and programs write it: read alike, or refused with the file and the line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from potentials.errors import InputError
from potentials.units import ENERGY
from storage.xyz import read_geometries, read_labelled, read_sets
from storage.xyz_options import ReadOptions

ROWS = "O 0.0 0.0 {z}\nH 0.0 0.8 -0.5\nH 0.0 -0.8 -0.5\n"
TWO = f"3\n-5.25\n{ROWS.format(z='0.1')}3\n-4.0\n{ROWS.format(z='0.2')}"


def comments(*texts: str) -> str:
    return "".join(f"3\n{text}\n{ROWS.format(z=f'0.{n + 1}')}" for n, text in enumerate(texts))


def first(old: str, new: str) -> str:
    assert old in TWO
    return TWO.replace(old, new, 1)


def file(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "data.xyz"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


ALIKE: dict[str, str | bytes] = {
    "byte order mark": b"\xef\xbb\xbf" + TWO.encode(),
    "CRLF": TWO.replace("\n", "\r\n"),
    "CR": TWO.replace("\n", "\r"),
    "tabs": TWO.replace(" ", "\t"),
    "blank lines": f"\n{TWO}\n \n\n",
    "Fortran exponents": TWO.replace("-5.25", "-0.525D+01").replace("-4.0", "-0.4d1").replace("0.8", "8.0D-01"),
    "numbered": TWO.replace("O ", "O1 ").replace("H 0.0 0", "H2 0.0 0").replace("H 0.0 -", "H3 0.0 -"),
    "underscores": TWO.replace("H ", "H_1 "),
    "atomic numbers": TWO.replace("O ", "8 ").replace("H ", "1 "),
    "lower case": TWO.replace("O ", "o ").replace("H ", "h "),
    "plus signs": TWO.replace(" 0.8", " +0.8"),
    "extended": comments("energy=-5.25 energy_unit=kcal/mol", "energy = -4.0 energy_unit=kcal/mol"),
    "extended, Z": comments(
        "Properties=Z:I:1:pos:R:3 energy=-5.25 energy_unit=kcal/mol",
        "Properties=Z:I:1:pos:R:3 energy=-4.0 energy_unit=kcal/mol",
    )
    .replace("O ", "8 ")
    .replace("H ", "1 "),
    "extended, unit as a word": comments("energy=-5.25 kcal/mol", "energy=-4.0D0 kcal/mol"),
}


@pytest.mark.parametrize("name", ALIKE)
def test_spellings_are_read_alike(name: str, tmp_path: Path) -> None:
    found = read_labelled(file(tmp_path, ALIKE[name]))
    assert found.symbols == ("O", "H", "H")
    np.testing.assert_allclose(found.energy, [-5.25, -4.0], rtol=1e-15)
    np.testing.assert_array_equal(found.positions[1], [[0, 0, 0.2], [0, 0.8, -0.5], [0, -0.8, -0.5]])
    other = read_geometries(tmp_path / "data.xyz", [3])
    assert other.symbols == (found.symbols,) * 2
    np.testing.assert_array_equal(other.positions, found.positions)
    assert other.notes == (
        f"numbers in the comments of '{tmp_path / 'data.xyz'}', energies among them, are not used",
    )


ATOMS: dict[str, tuple[str, str]] = {
    "D": ("H 0.0 0", "line 4, configuration 1: 'D' is an isotope"),
    "D2": ("H 0.0 0", "line 4, configuration 1: 'D2' is an isotope"),
    "T": ("H 0.0 0", "line 4, configuration 1: 'T' is an isotope"),
    "2H": ("H 0.0 0", "line 4, configuration 1: '2H' is an isotope"),
    "[2H]": ("H 0.0 0", r"line 4, configuration 1: '\[2H\]' is an isotope"),
    "X": ("H 0.0 0", "line 4, configuration 1: 'X' is a dummy or ghost atom"),
    "Xx": ("H 0.0 0", "'Xx' is a dummy or ghost atom"),
    "Bq1": ("H 0.0 0", "'Bq1' is a dummy or ghost atom"),
    "@H": ("H 0.0 0", "'@H' is a dummy or ghost atom"),
    "Gh(H)": ("H 0.0 0", r"'Gh\(H\)' is a dummy or ghost atom"),
    "0": ("H 0.0 0", "'0' is a dummy or ghost atom"),
    "119": ("H 0.0 0", "'119' is not the symbol of an element"),
    "OW": ("O 0", "line 3, configuration 1: 'OW' is not the symbol of an element"),
    "OH2": ("O 0", "'OH2' is not the symbol of an element"),
    "CA1": ("O 0", "'CA1' may be Ca or an atom name of C"),
    "HO1": ("H 0.0 0", "'HO1' may be Ho or an atom name of H"),
    "H+": ("H 0.0 0", r"'H\+' is not the symbol of an element"),
}

NUMBERS: dict[str, str] = {
    "nan": "line 4, configuration 1: a number is not finite: 'nan'",
    "-inf": "line 4, configuration 1: a number is not finite: '-inf'",
    "1e999": "line 4, configuration 1: a number is not finite: '1e999'",
    "0,8": "'0,8' is not a number; write a decimal point, not a comma",
    "1_0": "line 4, configuration 1: a line is not 'element x y z': '1_0' is not a number",
    "0x8": "'0x8' is not a number",
    "********": "is not a number",
    "−0.8": "'−0.8' is not a number",
    "٨": "is not a number",
    "1e8": "a coordinate is larger than",
}

FILES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "holds no configurations"),
    "blank": ("\n \n", "holds no configurations"),
    "NUL": (TWO.encode() + b"\0", "cannot be read as xyz: it is not text"),
    "gzip": (b"\x1f\x8b\x08\x00\x00", "it is not text"),
    "UTF-16": (TWO.encode("utf-16"), "it is UTF-16; save it as UTF-8"),
    "Latin-1": (TWO.encode() + "3\nÅ\n".encode("latin-1"), "line 12 is not UTF-8 text"),
    "truncated": (TWO[:-20], "line 6: 3 atoms are announced and 2 follow"),
    "truncated after the comment": (TWO + "3\n-1.0\n", "line 11: 3 atoms are announced and 0 follow"),
    "truncated after the number": (TWO + "3\n", "line 11: 3 atoms are announced and 0 follow"),
    "no atoms": ("0\n-1.0\n", "line 1: 0 atoms are announced"),
    "a billion atoms": ("999999999\n-1.0\nH 0 0 0\n", "999999999 atoms are announced and 1 follow"),
    "a fraction of atoms": (first("3\n", "3.0\n"), "line 1: '3.0' is not a number of atoms"),
    "negative": (first("3\n", "-3\n"), "line 1: '-3' is not a number of atoms"),
    "foreign digits": (first("3\n", "٣\n"), "is not a number of atoms"),
    "one atom more": (first("0.1\n", "0.1\nH 0 0 3\n"), "line 6: 'H 0.0 -0.8 -0.5' is not a number of atoms"),
    "three words": (first("O 0.0 0.0 0.1", "O 0.0 0.1"), "line 3, configuration 1: a line is not 'element x y z'"),
    "a line with more": (first("0.1\n", "0.1 7\n"), "line 4, configuration 1: the line has 4 columns"),
    "another order": (
        TWO.replace("O 0.0 0.0 0.2\nH 0.0 0.8 -0.5", "H 0.0 0.8 -0.5\nO 0.0 0.0 0.2"),
        "line 6, configuration 2 has the atoms H O H",
    ),
    "one place": (TWO.replace("-0.8", "0.8"), "line 1, configuration 1: atoms 2 and 3 are in one place"),
    "Properties cut": (
        comments("Properties=species:S:1:pos:R energy=1", "energy=2"),
        "line 2, configuration 1: Properties is 'species:S:1:pos:R'; allowed",
    ),
    "Properties of more": (
        comments("Properties=species:S:1:pos:R:3:forces:R:3 energy=1", "energy=2"),
        "Properties describes 7 columns; the atoms' lines have 4",
    ),
    "Properties without positions": (
        comments("Properties=species:S:1:xyz:R:3 energy=1", "energy=2"),
        "needed: species:S:1",
    ),
    "bohr": (comments("energy=1 units=bohr", "energy=2 units=bohr"), "units is 'bohr'; positions are allowed in"),
    "pbc without a cell": (comments('energy=1 pbc="T T T"', "energy=2"), "pbc is 'T T T' and there is no Lattice"),
    "pbc of words": (
        comments('energy=1 Lattice="9 0 0 0 9 0 0 0 9" pbc="yes"', "energy=2"),
        "pbc is 'yes'; allowed: three of T and F",
    ),
    "lengths and angles": (comments('energy=1 Lattice="9 9 9 90 90 90"', "energy=2"), "it has 6 numbers"),
    "a flat cell": (comments('energy=1 Lattice="9 0 0 18 0 0 0 0 9"', "energy=2"), "lie in one plane or on one"),
    "a cell of nan": (comments('energy=1 Lattice="nan 0 0 0 9 0 0 0 9"', "energy=2"), "not finite: 'nan'"),
    "a cell by another name": (comments('energy=1 cell="9 9 9"', "energy=2"), "not written as Lattice and pbc"),
    "i-PI": (comments("# CELL(abcABC): 9 9 9 90 90 90 Step: 1", "2"), "not written as Lattice and pbc"),
    "a cell in nm": (
        comments('energy=1 Lattice="1.5 0 0 0 1.5 0 0 0 1.5"', "energy=2"),
        "line 1, configuration 1: two atoms of one molecule are equally near to each other in two images",
    ),
}


@pytest.mark.parametrize("word", ATOMS)
def test_atoms_that_are_none_are_refused_by_every_reader(word: str, tmp_path: Path) -> None:
    row, message = ATOMS[word]
    path = file(tmp_path, first(row, row.replace(row[0], word, 1)))
    for read in (read_labelled, lambda p: read_geometries(p, [3])):
        with pytest.raises(InputError, match=rf"data.xyz', .*{message}"):
            read(path)


@pytest.mark.parametrize("word", NUMBERS)
def test_numbers_that_are_none_are_refused_by_every_reader(word: str, tmp_path: Path) -> None:
    path = file(tmp_path, first("0.8", word))
    for read in (read_labelled, lambda p: read_geometries(p, [3])):
        with pytest.raises(InputError, match=rf"data.xyz', .*{NUMBERS[word].replace('*', '[*]')}"):
            read(path)


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_none_are_refused_by_every_reader(name: str, tmp_path: Path) -> None:
    content, message = FILES[name]
    path = file(tmp_path, content)
    for read in (read_labelled, lambda p: read_geometries(p, [3])):
        with pytest.raises(InputError, match=rf"data.xyz'.*{message}"):
            read(path)


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        (("-5,25", "-4,0"), {}, "line 2, configuration 1: the comment '-5,25' is not energies: .* not a comma"),
        (("-5.25 kcal/mol", "-4"), {}, "line 2, configuration 1: the comment '-5.25 kcal/mol' is not energies"),
        (("-5.25", ""), {}, "line 7, configuration 2 has 0 energies in its comment; the first has 1"),
        (("-5.25 -4.0", "-4.0"), {}, "line 7, configuration 2 has 1 energies in its comment; the first has 2"),
        (("-5.25", "1e999"), {}, "line 7, configuration 2: a number is not finite"),
        (("1 2 3", "3 4 5"), {}, "has 3 energies in its comment; say which is meant with --energy"),
        (("1 2", "3 4"), {"energy": "third"}, "column 3 is not one of them"),
        (("1 2", "3 4"), {"energy": "nbody"}, "holds plain numbers, and --energy is 'nbody'"),
        (("energy=1", "3"), {}, "line 7, configuration 2: the comment '3' has no keys, unlike the first"),
        (("3", "energy=1"), {}, "line 7, configuration 2: the comment 'energy=1' is not energies"),
        (("E=1", "E=2"), {}, "has no energy; allowed names: .*; --energy takes another: E"),
        (("E=1", "E=2"), {"energy": "E"}, "unit of 'E' is not given; give --unit"),
        (("E=1", "E=2"), {"energy": "F"}, "has no 'F' in its comment; with numbers it has: E"),
        (("energy=1 energy=2", "energy=1"), {}, "energy: '1 and 2' is not a number"),
        (("energy=low", "energy=1"), {}, "energy: 'low' is not a number"),
        (('energy="1 2"', "energy=1"), {}, "energy: '1 2' is not a number"),
        (("REF_energy=1 energy=9", "energy=1"), {}, "line 7, configuration 2 has no energy 'REF_energy'"),
        (("energy=1 energy_unit=eV", "energy=1 energy_unit=hartree"), {}, "names another unit of energy"),
        (("energy=1 energy_unit=eV", "energy=1"), {}, "names another unit of energy"),
        (("energy=1 energy_unit=J", "energy=1"), {}, "energy_unit is 'J'; allowed: kcal/mol"),
        (("energy=1 eV kcal/mol", "energy=1 eV kcal/mol"), {}, "names two units of energy"),
        (("energy=1 eV", "energy=1 eV"), {"unit": "kcal/mol"}, "says its energies are in eV; --unit is kcal/mol"),
    ],
)
def test_energies_that_nobody_can_know_are_refused(
    texts: tuple[str, ...], options: dict[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        read_labelled(file(tmp_path, comments(*texts)), options=ReadOptions(**options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "joule"}, "--unit is 'joule'; allowed: kcal/mol"),
        ({"gradient_unit": "hartree"}, "--gradient-unit is 'hartree'; allowed"),
        ({"columns": "charges"}, "--columns is 'charges'; allowed: gradient, forces, ignore"),
        ({"cell": "whole"}, "--cell is 'whole'; allowed: nearest, ignore"),
        ({"zero": "lowest"}, "--zero is 'lowest'; allowed: minimum, none, or an energy"),
        ({"zero": "nan"}, "--zero is 'nan'"),
        ({"energy": " "}, "--energy is empty"),
    ],
)
def test_options_that_are_not_allowed(options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ReadOptions(**options)


def test_of_two_numbers_it_is_said_which_was_taken(tmp_path: Path) -> None:
    path = file(tmp_path, comments("-5.25, -1.5", "-4.0, 2.5"))
    found = read_labelled(path)
    assert found.energy.tolist() == [-1.5, 2.5] and found.reading is not None
    assert found.reading.energy == "number 2 of 2 in the comment"
    assert "the second was taken" in found.reading.notes[0] and "lower one in 2 of 2" in found.reading.notes[0]
    for word in ("first", "1"):
        told = read_labelled(path, options=ReadOptions(energy=word))
        assert told.energy.tolist() == [-5.25, -4.0] and told.reading is not None
        assert told.reading.energy == "number 1 of 2 in the comment" and not told.reading.notes
    with pytest.raises(InputError, match="--column and --energy set the same"):
        read_labelled(path, 1, ReadOptions(energy="second"))


def test_a_key_and_a_unit_can_be_given(tmp_path: Path) -> None:
    path = file(tmp_path, comments("hf=-7.5 mp2=-8.5", "hf=-4.5 mp2=-5.5"))
    found = read_labelled(path, options=ReadOptions(energy="mp2", unit="kJ/mol"))
    np.testing.assert_allclose(found.energy, np.array([-8.5, -5.5]) / 4.184)
    assert found.reading is not None and found.reading.energy == "'mp2' of the comment"
    assert (found.reading.energy_unit, found.reading.energy_unit_from) == ("kJ/mol", "as --unit says")


def test_a_unit_by_convention_is_said_loudly(tmp_path: Path) -> None:
    found = read_labelled(file(tmp_path, comments("REF_energy=-0.5 energy=3", "REF_energy=0.25 energy=3")))
    np.testing.assert_allclose(found.energy, ENERGY["eV"] * np.array([-0.5, 0.25]))
    assert found.reading is not None
    assert "'REF_energy' of 'data.xyz' was read in eV, as ASE writes" in found.reading.notes[0]
    assert "has 'REF_energy' and energy; 'REF_energy' was taken" in found.reading.notes[1]


@pytest.mark.parametrize(
    ("energies", "refused"),
    [
        (("-40.4828", "-40.4805"), True),  # methane
        (("-76.2", "-75.1"), True),  # water, pulled apart
        (("-113.0", "-112.99"), True),
        (("-25403.0", "-25310.0"), True),  # methane in kcal/mol
        (("-1.17", "-1.10"), False),  # H2, or a dimer near its minimum
        (("-12.5", "-2.0"), False),
        (("4.777", "20.749"), False),
        (("-120.0", "-60.0"), False),  # an ion pair
    ],
)
def test_total_energies_without_a_unit(energies: tuple[str, ...], refused: bool, tmp_path: Path) -> None:
    path = file(tmp_path, comments(*energies))
    if refused:
        with pytest.raises(
            InputError, match="as total energies in hartree are and n-body energies in kcal/mol are"
        ):
            read_labelled(path)
    else:
        found = read_labelled(path).reading
        assert found is not None and bool(found.notes) == (energies[0] in ("-1.17", "-120.0")) * (
            "-60.0" not in energies
        )
    np.testing.assert_allclose(
        read_labelled(path, options=ReadOptions(unit="kcal/mol")).energy[0], float(energies[0])
    )


def test_total_energies_count_from_the_lowest_of_one_molecule_only(tmp_path: Path) -> None:
    train = file(tmp_path, comments("-76.25", "-76.20", "-76.24"))
    test = tmp_path / "test.xyz"
    test.write_text(comments("-76.26"))
    hartree = ENERGY["hartree"]

    def energies(zero: str | None, fragments: tuple[int, ...] = (3,)) -> tuple[list[float], list[float]]:
        one, two = read_sets(train, test, options=ReadOptions(unit="hartree", zero=zero), fragments=fragments)
        assert two is not None and one.reading is not None
        assert (one.reading.zero_from == "") is (zero == "none")
        return (one.energy / hartree).tolist(), (two.energy / hartree).tolist()

    lowest = pytest.approx([0.0, 0.05, 0.01], abs=1e-9), pytest.approx([-0.01], abs=1e-9)
    assert energies(None) == lowest and energies("minimum") == lowest
    assert energies("-76.3")[0] == pytest.approx([0.05, 0.10, 0.06])
    assert energies("-76.3D0", (1, 2))[0] == pytest.approx([0.05, 0.10, 0.06])
    assert energies("none")[0] == pytest.approx([-76.25, -76.20, -76.24])
    with pytest.raises(InputError, match=r"-76.25 to -76.2 hartree, look like total energies; .* the separated"):
        energies(None, (1, 2))
    with pytest.raises(InputError, match="--zero minimum is for one molecule"):
        energies("minimum", (1, 2))


def test_a_test_set_of_another_kind_is_noticed(tmp_path: Path) -> None:
    train, test = file(tmp_path, comments("1.0", "5.0")), tmp_path / "test.xyz"
    test.write_text(comments("-9.0 2.0", "-8.0 3.0"))
    with pytest.raises(
        InputError, match=r"would be number 2 of 2 .*, and that of the training set is the number in"
    ):
        read_sets(train, test)
    test.write_text(comments("627.5", "700.1"))
    _, found = read_sets(train, test)
    assert found is not None and found.reading is not None
    assert "are far from those of the training set, 1 to 5" in found.reading.notes[0]
    train.write_text(comments("REF_energy=1 energy_unit=eV", "REF_energy=2 energy_unit=eV"))
    test.write_text(comments("energy=1 energy_unit=eV"))
    with pytest.raises(
        InputError, match="would be 'energy' of the comment, and that of the training set is 'REF_"
    ):
        read_sets(train, test)


def test_positions_in_bohr_are_noticed(tmp_path: Path) -> None:
    def scaled(factor: float) -> str:
        rows = [(0.0, 0.0, 0.1), (0.0, 0.76, -0.5), (0.0, -0.76, -0.5)]
        lines = [f"{s} {x * factor} {y * factor} {z * factor}" for s, (x, y, z) in zip("OHH", rows, strict=True)]
        return "\n".join(["3", "2.0", *lines, "3", "7.0", *lines, ""])

    for factor, word in ((1.0, ""), (1 / 0.529177, "in bohr"), (0.1, "in nm")):
        reading = read_labelled(file(tmp_path, scaled(factor))).reading
        assert reading is not None and (word in " ".join(reading.notes)) and bool(reading.notes) == bool(word)


def test_geometries_may_differ_in_their_atoms_but_not_in_their_order(tmp_path: Path) -> None:
    other = TWO.replace("O 0.0 0.0 0.2", "S 0.0 0.0 0.2")
    assert read_geometries(file(tmp_path, other), [3]).symbols == (("O", "H", "H"), ("S", "H", "H"))
    swapped = TWO.replace("O 0.0 0.0 0.2\nH 0.0 0.8 -0.5", "H 0.0 0.8 -0.5\nO 0.0 0.0 0.2")
    with pytest.raises(
        InputError, match="line 6, configuration 2 has the atoms H O H, which configuration 1 has in"
    ):
        read_geometries(file(tmp_path, swapped), [3])


def wrapped(data: np.ndarray, rows: np.ndarray) -> np.ndarray:
    places = data @ np.linalg.inv(rows) + np.random.default_rng(2).uniform(size=(len(data), 1, 3))
    return (places - np.floor(places)) @ rows


@pytest.mark.parametrize("cell", ["14 0 0 0 14 0 0 0 14", "18 0 0 9 16 0 -7 5 17", "15 0 0 45 15 0 0 -30 16"])
@pytest.mark.parametrize("pbc", ['pbc="T T T"', "pbc=[T,T,T]", ""])
def test_molecules_cut_by_a_box_are_what_they_were(
    cell: str, pbc: str, tmp_path: Path, reference_data: Callable[[str], Path]
) -> None:
    whole = read_labelled(reference_data("cases") / "k-water-water.xyz", 1)
    rows = np.array([float(x) for x in cell.split()]).reshape(3, 3)
    blocks = []
    for energy, places in zip(whole.energy.tolist(), wrapped(whole.positions, rows), strict=True):
        lines = [f"{s} {x!r} {y!r} {z!r}" for s, (x, y, z) in zip(whole.symbols, places.tolist(), strict=True)]
        comment = f'nbody_energy={energy!r} energy_unit=kcal/mol Lattice="{cell}" {pbc}'
        blocks.append("\n".join(["7", comment, *lines]))
    path = file(tmp_path, "\n".join(blocks))
    found = read_labelled(path, fragments=(1, 3, 3))
    for one, two in ((0, 1), (1, 5), (2, 6), (4, 5)):
        lengths = [np.linalg.norm(x[:, one] - x[:, two], axis=1) for x in (found.positions, whole.positions)]
        np.testing.assert_allclose(*lengths, atol=1e-9)
    assert found.reading is not None and "put together by nearest images in" in found.reading.cell
    assert ("a Lattice without pbc" in found.reading.cell) is (pbc == "")
    geometries = read_geometries(path, (1, 3, 3))
    np.testing.assert_array_equal(geometries.positions, found.positions)
    assert "put together by nearest images" in geometries.notes[-1]
    cut = read_labelled(path, options=ReadOptions(cell="ignore"), fragments=(1, 3, 3))
    assert np.abs(cut.positions - found.positions).max() > 5.0 and cut.reading and not cut.reading.cell
    path.write_text(path.read_text().replace(pbc or 'z"', 'pbc="F F F"' if pbc else 'z"'))
    left = read_labelled(path, fragments=(1, 3, 3)).reading
    assert left is not None and ("left as it is" in left.cell) is (pbc != "")
