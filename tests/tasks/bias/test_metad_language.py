"""The METAD actions that are accepted and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nmer.cli.main import main
from potentials.errors import InputError
from tasks.bias.metad import MetaD
from tasks.bias.plumed_input import parse_plumed
from tasks.bias.plumed_model import PlumedMetaD, Walkers
from tasks.bias.specification import Grid

HEAD = """\
UNITS LENGTH=nm ENERGY=kj/mol TIME=ps
d: DISTANCE ATOMS=1,4
t: TORSION ATOMS=1,2,3,4
"""
MT = "mt: METAD ARG=d,t SIGMA=0.1,0.2 PACE=5 HEIGHT=0.3 BIASFACTOR=8 TEMP=300 "


def read(line: str) -> PlumedMetaD:
    (bias,) = parse_plumed(HEAD + line + "\n", "in.dat").biases
    assert isinstance(bias, PlumedMetaD)
    return bias


def test_every_keyword_reaches_the_settings() -> None:
    words = MT + "GRID_MIN=0,-pi GRID_MAX=3,pi GRID_BIN=50,60 FILE=H FMT=%8.3f "
    found = read(words + "WALKERS_N=4 WALKERS_ID=2 WALKERS_DIR=../all WALKERS_RSTRIDE=50")
    grids = (Grid(0, 30, 50, 1.0), Grid(-np.pi, np.pi, 60, 0.2, True))
    assert found.settings == MetaD((1.0, 0.2), (False, True), 0.3 / 4.184, 5, 8.0, 300.0, grids)
    assert found.walkers == Walkers(4, 2, "../all", 50)
    assert found.every_file == tuple(f"../all/H.{n}" for n in range(4))
    assert found.files == ("../all/H.2",)
    assert read("METAD ARG=t SIGMA=0.1 PACE=5 HEIGHT=1").settings.biasfactor is None
    assert read("METAD ARG=t SIGMA=0.1 PACE=5 HEIGHT=1").files == ("HILLS",)


def test_default_bins_are_a_fifth_of_sigma() -> None:
    found = read(MT + "GRID_MIN=0,-pi GRID_MAX=3,pi")
    assert [grid.bins for grid in found.settings.grids] == [150, 158]


@pytest.mark.parametrize(
    ("head", "keyword", "expected"),
    [
        ("", "", False),
        ("RESTART\n", "", True),
        ("RESTART\n", "RESTART=NO", False),
        ("", "RESTART=YES", True),
        ("RESTART\n", "RESTART=AUTO", True),
    ],
)
def test_restart_is_of_the_file_or_of_the_action(head: str, keyword: str, expected: bool) -> None:
    assert read(head + MT + keyword).restart is expected


REFUSED = [
    (MT + "ADAPTIVE=GEOM", "keyword 'ADAPTIVE' of METAD is not supported; allowed: ARG, BIASFACTOR"),
    (MT + "PF0=d", "keyword 'PF0' of METAD is not supported"),
    (MT + "CALC_RCT", "keyword 'CALC_RCT' of METAD is not supported"),
    (MT + "WALKERS_MPI", "keyword 'WALKERS_MPI' of METAD is not supported"),
    (MT + "TAU=4", "keyword 'TAU' of METAD is not supported"),
    (MT.replace("ARG=d,t", "ARG=t,t"), "ARG names a variable twice"),
    (MT.replace("SIGMA=0.1,0.2", "SIGMA=0.1,0"), "SIGMA must be above 0"),
    (MT.replace("SIGMA=0.1,0.2", "SIGMA=0.1"), "SIGMA=0.1 has 1 values; 2 are needed"),
    (MT.replace("BIASFACTOR=8", "BIASFACTOR=1"), "BIASFACTOR=1 must be above 1"),
    (MT.replace("BIASFACTOR=8", "BIASFACTOR=-1"), "BIASFACTOR=-1 must be above 1"),
    (MT.replace("TEMP=300", ""), "METAD with BIASFACTOR needs a TEMP above 0 K"),
    (MT.replace("HEIGHT=0.3", "HEIGHT=-0.3"), "HEIGHT must be above 0"),
    (MT.replace("PACE=5", "PACE=0"), "PACE=0 must be a whole number of at least 1"),
    (MT + "GRID_MIN=0,0 GRID_MAX=3,pi", "GRID_MIN=0 must be written as -pi for the torsion 't'"),
    (MT + "GRID_MIN=0,-pi GRID_MAX=3,pi GRID_BIN=10000,10000", "a grid of 100,010,000 points is too large"),
    (MT + "FILE=a,b", "FILE=a,b is not a file name"),
    (MT + "FILE=x/..", "FILE=x/.. is not a file name"),
    (MT + "WALKERS_N=2 WALKERS_ID=2", "WALKERS_ID=2 of WALKERS_N=2; allowed: 0 to WALKERS_N - 1"),
    (MT + "WALKERS_N=2 WALKERS_ID=0.5", "WALKERS_ID=0.5 of WALKERS_N=2"),
    (MT + "WALKERS_N=1000000", "at most 10,000 walkers"),
    (MT + "WALKERS_RSTRIDE=5", "WALKERS_DIR and WALKERS_RSTRIDE need WALKERS_N above 1"),
    (MT + "WALKERS_N=2 WALKERS_RSTRIDE=0", "WALKERS_RSTRIDE=0 must be a whole number of at least 1"),
    (MT + "RESTART=MAYBE", "RESTART=MAYBE is not supported; allowed: YES, NO, AUTO"),
    ("RESTART=YES", "action 'RESTART=YES' is not supported"),
    ("RESTART\npb: PBMETAD ARG=d SIGMA=1 PACE=5 HEIGHT=1 TEMP=3", "PBMETAD cannot RESTART"),
    (MT + "\n" + MT.replace("mt:", "mu:"), "line 5: two biases would write HILLS files of the same name"),
    ("METAD ARG=" + ",".join("d" * 9) + " SIGMA=1 PACE=1 HEIGHT=1", "ARG names a variable twice"),
]


@pytest.mark.parametrize(("line", "words"), REFUSED)
def test_a_refusal_is_one_sentence_with_file_and_line(line: str, words: str) -> None:
    with pytest.raises(InputError, match=r"^in\.dat, line [45]: ") as caught:
        parse_plumed(HEAD + line + "\n", "in.dat")
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "HILLS' is missing; RESTART needs the HILLS file of every walker"),
        ("#! FIELDS time d u sigma_d sigma_u height biasf\n", "'time d t sigma_d sigma_t height biasf'"),
        ("1 2 3 4 5 6\n", "has a line that is no hill of 7 numbers"),
        ("1 2 3 4 5 6 x\n", "has a line that is no hill of 7 numbers"),
        ("1 2 3 4 5 6 nan\n", "has a line that is no hill of 7 numbers"),
        ("1 2 3 0.1 0.2 1 7\n", "hills of another BIASFACTOR"),
        ("1 2 3 0.1 0.3 1 8\n", "hills of another SIGMA"),
    ],
)
def test_a_hills_file_that_does_not_fit_is_named(
    content: str | None,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.dat").write_text(HEAD + MT + "RESTART=YES\n")
    if content is not None:
        (tmp_path / "HILLS").write_text(content)
    np.savez("t.npz", positions=np.random.default_rng(1).normal(size=(2, 4, 3)), masses=np.ones(4))
    assert main(["bias", "--plumed", "in.dat", "--trajectory", "t.npz", "--out", "out.npz"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and words in said and "HILLS" in said
    assert not (tmp_path / "out.npz").exists()
