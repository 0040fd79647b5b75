"""The inputs that the PLUMED reader accepts and refuses; each error is a sentence with file and line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nmer.cli.main import main
from potentials.errors import InputError
from tasks.bias.plumed_input import ENERGY, LENGTH, parse_plumed

HEAD = """\
UNITS LENGTH=A ENERGY=kcal/mol TIME=fs
c: COM ATOMS=1-3
d: DISTANCE ATOMS=c,4
t: TORSION ATOMS=1,2,3,4
u: TORSION ATOMS=2,3,4,5
"""
PB = "pb: PBMETAD ARG=d,t SIGMA=0.1,0.2 PACE=5 HEIGHT=0.3 BIASFACTOR=8 TEMP=300 "
GRID = "GRID_MIN=0,-pi GRID_MAX=9,pi "

REFUSED = [
    ("q: OPES_METAD ARG=d PACE=5 BARRIER=1", "action 'OPES_METAD' is not supported; allowed: UNITS, RESTART"),
    ("RANDOM_EXCHANGES", "action 'RANDOM_EXCHANGES' is not supported"),
    ("INCLUDE FILE=/etc/passwd", "action 'INCLUDE' is not supported"),
    ("LOAD FILE=code.so", "action 'LOAD' is not supported"),
    ("WHOLEMOLECULES ENTITY0=1-5", "action 'WHOLEMOLECULES' is not supported"),
    ("MOLINFO STRUCTURE=a.pdb", "action 'MOLINFO' is not supported"),
    ("x:", "action '' is not supported"),
    ("\x1b[31m", "action '?[31m' is not supported"),
    (PB + "ADAPTIVE=GEOM", "keyword 'ADAPTIVE' of PBMETAD is not supported; allowed: ARG, BIASFACTOR"),
    (PB + "SIGMA_MIN=0.1,0.1 SIGMA_MAX=1,1", "keyword 'SIGMA_MIN' of PBMETAD is not supported"),
    (PB + "RESTART=YES", "keyword 'RESTART' of PBMETAD is not supported"),
    (PB + "STRIDE=2", "keyword 'STRIDE' of PBMETAD is not supported"),
    (PB + "TAU=100", "keyword 'TAU' of PBMETAD is not supported"),
    (PB + "INTERVAL_MIN=0,0 INTERVAL_MAX=1,1", "keyword 'INTERVAL_MIN' of PBMETAD is not supported"),
    (PB + "SELECTOR=s", "keyword 'SELECTOR' of PBMETAD is not supported"),
    (PB + GRID + "GRID_RFILES=a,b", "keyword 'GRID_RFILES' of PBMETAD is not supported"),
    (PB + GRID + "GRID_NOSPLINE", "keyword 'GRID_NOSPLINE' of PBMETAD is not supported"),
    (PB + "PF=d,t", "keyword 'PF' of PBMETAD is not supported; allowed: ARG, "),
    (PB + "PF0=d,t", "the family of 'd' has variables of two kinds"),
    (PB + "PF1=d PF2=t", "the families must be PF0, PF1, ... without a gap; given are PF1, PF2"),
    (PB + "PF0=d PF2=t", "without a gap; given are PF0, PF2"),
    (PB + "PF0=d PF1=d,t", "must contain every argument of ARG exactly once"),
    (PB + "PF0=d PF1=u", "must contain every argument of ARG exactly once"),
    (PB.replace("ARG=d,t", "ARG=d,d"), "ARG names a variable twice"),
    (PB.replace("ARG=d,t", "ARG=d,pb.bias"), "ARG=pb.bias is not a variable defined above; allowed: d, t, u"),
    (PB.replace("ARG=d,t", "ARG=*"), "ARG=* is not a variable defined above"),
    (PB.replace("ARG=d,t", "ARG=d, t"), "keyword 't' of PBMETAD is not supported"),
    (PB.replace("ARG=d,t ", ""), "PBMETAD needs ARG"),
    (PB.replace("SIGMA=0.1,0.2", "SIGMA=0.1,0"), "SIGMA must be above 0"),
    (PB.replace("SIGMA=0.1,0.2", "SIGMA=-0.1,0.2"), "SIGMA must be above 0"),
    (PB.replace("SIGMA=0.1,0.2", "SIGMA=0.1"), "SIGMA=0.1 has 1 values; 2 are needed"),
    (PB.replace("SIGMA=0.1,0.2", "SIGMA=0.1,"), "SIGMA=0.1, has an empty value"),
    (PB.replace("SIGMA=0.1,0.2", "SIGMA=nan,0.2"), "SIGMA=nan is not a number"),
    (PB.replace("SIGMA=0.1,0.2", "SIGMA=1_0,0.2"), "SIGMA=1_0 is not a number"),
    (PB.replace("TEMP=300", "TEMP=0"), "PBMETAD needs a TEMP above 0 K"),
    (PB.replace("TEMP=300", "TEMP=-5"), "PBMETAD needs a TEMP above 0 K"),
    (PB.replace("TEMP=300", ""), "PBMETAD needs a TEMP above 0 K"),
    (PB.replace("TEMP=300", "TEMP=inf"), "TEMP=inf is not a number"),
    (PB.replace("BIASFACTOR=8", "BIASFACTOR=0.5"), "BIASFACTOR=0.5 must be at least 1"),
    (PB.replace("PACE=5", "PACE=0"), "PACE=0 must be a whole number of at least 1"),
    (PB.replace("PACE=5", "PACE=4.5"), "PACE=4.5 must be a whole number of at least 1"),
    (PB.replace("PACE=5", "PACE=-5"), "PACE=-5 must be a whole number of at least 1"),
    (PB.replace("PACE=5", "PACE"), "PACE needs a value"),
    (PB.replace("PACE=5", "PACE=5 PACE=6"), "PACE is given twice"),
    (PB.replace("HEIGHT=0.3", ""), "PBMETAD needs HEIGHT"),
    (PB.replace("HEIGHT=0.3", "HEIGHT=1e999"), "HEIGHT=1e999 is not a number"),
    (PB + "FILE=one", "FILE has 1 names; 2 are needed"),
    (PB + "FILE=a,a", "two families would write HILLS files of the same name"),
    (PB + "FILE=x/a,y/a", "two families would write HILLS files of the same name"),
    (PB + "FILE=a,..", "FILE=.. is not a file name"),
    (PB + "FILE=a,/", "FILE=/ is not a file name"),
    (PB + "\n" + PB.replace("pb:", "pq:"), "line 7: two families would write HILLS files of the same name"),
    (PB + "\n" + PB, "line 7: label 'pb' is given to two actions"),
    (PB + "LABEL=pq", "LABEL is given twice"),
    (PB + "GRID_MIN=0,-pi", "GRID_MIN and GRID_MAX must be given together"),
    (PB + "GRID_BIN=50,50", "GRID_BIN and GRID_SPACING need GRID_MIN and GRID_MAX"),
    (PB + "GRID_SPACING=1,1", "GRID_BIN and GRID_SPACING need GRID_MIN and GRID_MAX"),
    (PB + GRID + "GRID_BIN=50", "GRID_BIN=50 has 1 values; 2 are needed"),
    (PB + GRID + "GRID_BIN=0,50", "GRID_BIN=0 must be a whole number of at least 1"),
    (PB + GRID + "GRID_BIN=50.5,50", "GRID_BIN=50.5 must be a whole number of at least 1"),
    (PB + GRID + "GRID_BIN=1e12,50", "a grid of 1,000,000,000,000 or more intervals is too large"),
    (PB + GRID + "GRID_SPACING=0,0.1", "GRID_SPACING must be above 0"),
    (PB + GRID + "GRID_SPACING=1e-300,0.1", "a grid of 20,000,000 or more intervals is too large"),
    (PB + "GRID_MIN=9,-pi GRID_MAX=0,pi", "each GRID_MIN must be below its GRID_MAX"),
    (PB + "GRID_MIN=1,-pi GRID_MAX=1,pi", "each GRID_MIN must be below its GRID_MAX"),
    (PB + "GRID_MIN=0,0 GRID_MAX=9,2pi", "GRID_MIN=0 must be written as -pi for the torsion 't'"),
    (PB + "GRID_MIN=0,-pi GRID_MAX=9,2*pi", "GRID_MAX=2*pi must be written as pi for the torsion 't'"),
    (PB + "GRID_MIN=0,-3.14159265358979 GRID_MAX=9,pi", "must be written as -pi for the torsion 't'"),
    (PB + "GRID_MIN=0,-1*pi GRID_MAX=9,pi", "GRID_MIN=-1*pi must be written as -pi for the torsion 't'"),
    ("w: UPPER_WALLS ARG=d,t AT=1,2 KAPPA=1,2 EXP=4", "EXP=4 has 1 values; 2 are needed"),
    ("w: UPPER_WALLS ARG=d,t AT=1,2 KAPPA=1,2 EPS=4", "EPS=4 has 1 values; 2 are needed"),
    ("w: UPPER_WALLS ARG=d,t AT=1,2 KAPPA=1,2 OFFSET=4", "OFFSET=4 has 1 values; 2 are needed"),
    ("w: UPPER_WALLS ARG=d,t AT=1,2 KAPPA=1", "KAPPA=1 has 1 values; 2 are needed"),
    ("w: UPPER_WALLS ARG=d AT=1 KAPPA=1 EXP=2,2", "EXP=2,2 has 2 values; 1 are needed"),
    ("w: UPPER_WALLS ARG=d AT=1", "UPPER_WALLS needs KAPPA"),
    ("w: LOWER_WALLS ARG=d KAPPA=1", "LOWER_WALLS needs AT"),
    ("w: LOWER_WALLS ARG=d AT=1 KAPPA=1 EPS=0", "EXP and EPS must be above 0"),
    ("w: LOWER_WALLS ARG=d AT=1 KAPPA=1 EXP=-2", "EXP and EPS must be above 0"),
    ("w: LOWER_WALLS ARG=d AT=pi/0 KAPPA=1", "AT=pi/0 is not a number"),
    ("w: LOWER_WALLS ARG=d AT=exp(1) KAPPA=1", "AT=exp(1) is not a number; allowed: 1.5, 2e-3, pi"),
    ("UNITS LENGTH=nm", "UNITS must be the first action, and the only one of its kind"),
    ("d: DISTANCE ATOMS=1,2", "label 'd' is given to two actions"),
    ("x: DISTANCE ATOMS=1,2 NOPBC=on", "NOPBC takes no value"),
    ("x: DISTANCE ATOMS=1,1", "DISTANCE names an atom twice"),
    ("x: DISTANCE ATOMS=c,c", "DISTANCE names an atom twice"),
    ("x: DISTANCE ATOMS=1,2 COMPONENTS", "keyword 'COMPONENTS' of DISTANCE is not supported"),
    ("x: ANGLE ATOMS=1,2,3,4", "ANGLE needs a label and 3 atoms; it has 4"),
    ("DISTANCE ATOMS=1,2", "DISTANCE needs a label and 2 atoms"),
    ("x: DISTANCE ATOMS=0,2", "ATOMS=0 cannot be read; allowed: numbers from 1 and ascending ranges"),
    ("x: DISTANCE ATOMS=@phi-1,2", "ATOMS=@phi-1 cannot be read"),
    ("x: DISTANCE ATOMS=\u0661,2", "cannot be read"),
    ("x: COM ATOMS=5-3", "ATOMS=5-3 cannot be read"),
    ("x: COM ATOMS=1-9:0", "ATOMS=1-9:0 cannot be read"),
    ("x: COM ATOMS=1-999999999", "ATOMS=1-999999999 cannot be read"),
    ("x: COM ATOMS=1,1,2", "COM names an atom twice"),
    ("x: COM", "COM needs ATOMS"),
    ("x.y: DISTANCE ATOMS=1,2", "label 'x.y' must have only letters, digits"),
    ("PRINT ARG=w.bias", "PRINT ARG=w.bias is not known; allowed: d, t, u"),
    ("PRINT ARG=(d|t)", "PRINT ARG=(d|t) is not known"),
    ("PRINT ARG=d.x", "PRINT ARG=d.x is not known"),
    ("PRINT FILE=COLVAR", "PRINT needs ARG"),
    ("...", "'...' ends no block; no block is open"),
    (
        "PBMETAD ...\n ARG=d\n... METAD",
        "line 8: '... METAD' ends no block; allowed: '...' alone, or '... PBMETAD'",
    ),
    ("pb: PBMETAD ...\n ARG=d\n... PBMETAD", "ends no block; allowed: '...' alone, or '... pb:'"),
    ("PBMETAD ...\n ARG=d", "line 6: the block that begins here does not end with '...'"),
]


@pytest.mark.parametrize(("line", "words"), REFUSED)
def test_a_refusal_is_one_sentence_with_file_and_line(
    line: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "in.dat", tmp_path / "out.npz"
    path.write_text(HEAD + line + "\n")
    np.savez(tmp_path / "trajectory.npz", positions=np.zeros((1, 5, 3)), masses=np.ones(5))
    words_of_command = ["bias", "--plumed", str(path), "--trajectory", str(tmp_path / "trajectory.npz")]
    assert main([*words_of_command, "--out", str(out), "--hills", str(tmp_path / "hills")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and len(said.err) < 400
    assert said.err.startswith("nmer: in.dat, line ") and words in said.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.dat", "trajectory.npz"]


@pytest.mark.parametrize("name", ["bias", "forces", "notes", "file", "allow_pickle"])
def test_a_label_that_the_output_has_already_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.dat").write_text(f"{name}: DISTANCE ATOMS=1,2\nPRINT ARG=*\n")
    np.savez(tmp_path / "trajectory.npz", positions=np.ones((1, 2, 3)), masses=np.ones(2))
    words = ["bias", "--plumed", str(tmp_path / "in.dat"), "--trajectory", str(tmp_path / "trajectory.npz")]
    assert main([*words, "--out", str(tmp_path / "out.npz")]) == 2
    assert f"PRINT ARG={name} cannot be written under this name" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"UNITS\0"])
def test_a_file_that_is_not_text_is_refused(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.dat").write_bytes(content)
    words = ["bias", "--plumed", str(tmp_path / "in.dat"), "--trajectory", str(tmp_path / "no.npz")]
    assert main([*words, "--out", str(tmp_path / "out.npz")]) == 2
    assert "in.dat' cannot be read" in capsys.readouterr().err


def test_the_same_input_in_all_of_plumeds_notations() -> None:
    action = "SIGMA=0.1,0.2 PACE=5 HEIGHT=0.3 BIASFACTOR=8 TEMP=300"
    ways = [
        f"pb: PBMETAD ARG=d,t {action}\n",
        f"PBMETAD ARG=d,t LABEL=pb {action} # a comment\n\n# another ...\nENDPLUMED\nnot read\n",
        f"PBMETAD ...\n LABEL=pb ARG=d,t # a comment\n\n {action}\n... PBMETAD\n",
        f"pb: PBMETAD ... # a comment\n  ARG=d,t\n  {action}\n...\n",
        f"pb: PBMETAD ...\n  ARG=d,t\n  {action}\n... pb:\n",
        f"pb: PBMETAD ARG={{d,t}} {action}\nFLUSH STRIDE=10\n",
        f"pb: PBMETAD ARG={{d t}} {action}\r\n",
        f"pb: pbmetad arg=d,t {action.lower()}\n",
    ]
    found = [parse_plumed(HEAD + way, "in.dat") for way in ways]
    assert all(one == found[0] for one in found)
    assert found[0].biases[0].files == ("HILLS.d", "HILLS.t")


def test_numbers_and_atoms_in_plumeds_notations() -> None:
    text = HEAD + "x: COM ATOMS=1-9:4,3\nw: UPPER_WALLS ARG=t,t,t,t,t,t AT=pi/2,0.5*pi,.5pi,-pi,+1.5e0,2pi KAPPA="
    found = parse_plumed(text + ",".join("1" * 6) + "\ny: DISTANCE ATOMS=x,2\n", "in.dat")
    np.testing.assert_allclose([w.at for w in found.walls], np.array([0.5, 0.5, 0.5, -1, 1.5 / np.pi, 2]) * np.pi)
    assert found.cvs[-1].points == ((0, 4, 8, 2), (1,))


@pytest.mark.parametrize(
    ("grid", "bins"),
    [
        ("", ()),
        (GRID, (450, 158)),  # a fifth of SIGMA
        (GRID + "GRID_SPACING=0.7,0.1", (13, 63)),
        (GRID + "GRID_BIN=50,100", (50, 100)),
        (GRID + "GRID_BIN=50,100 GRID_SPACING=0.1,0.1", (90, 100)),  # the larger number counts
        (GRID + "GRID_BIN=50.0,1e2", (50, 100)),
    ],
)
def test_the_grid_is_plumeds(grid: str, bins: tuple[int, ...]) -> None:
    (bias,) = parse_plumed(HEAD + PB + grid, "in.dat").biases
    assert bias.bins == bins
    assert bias.upper == ((9.0, np.pi) if bins else ())


def test_units_by_name_and_by_number() -> None:
    text = "UNITS LENGTH={} ENERGY={} TIME={}\nd: DISTANCE ATOMS=1,2\nw: UPPER_WALLS ARG=d AT=1 KAPPA=1 EXP=1\n"
    for length in LENGTH:
        for energy in ENERGY:
            one = parse_plumed(text.format(length, energy, "ps"), "in.dat")
            other = parse_plumed(
                text.format(repr(LENGTH[length] / 10), repr(ENERGY[energy] * 4.184), "0.001"), "in.dat"
            )
            assert one.walls[0].at == pytest.approx(other.walls[0].at, rel=1e-14) == LENGTH[length]
            assert one.walls[0].kappa == pytest.approx(other.walls[0].kappa, rel=1e-14)
            assert other.time == pytest.approx(1.0)
    for unit in ("0", "-1", "nan", "parsec", "a"):
        with pytest.raises(InputError, match="is not supported; allowed: nm, A, Bohr, um, or a number above 0"):
            parse_plumed(text.format(unit, "eV", "ps"), "in.dat")


def test_arguments_of_print() -> None:
    text = HEAD + PB + "\nw: UPPER_WALLS ARG=d AT=1 KAPPA=1\nPRINT ARG={}\n"
    for arg, names in (
        ("*", ["d", "t", "u", "pb.bias", "w.bias", "w.force2"]),
        ("*.bias", ["pb.bias", "w.bias"]),
        ("w.*", ["w.bias", "w.force2"]),
        ("u,d,u", ["u", "d"]),
    ):
        assert list(parse_plumed(text.format(arg), "in.dat").printed) == names
