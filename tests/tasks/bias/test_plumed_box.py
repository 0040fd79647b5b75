"""A box in `nmer bias`: nearest images where the input does not say NOPBC."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from nmer.cli.main import main
from potentials.errors import InputError
from tasks.bias.driver import boxes, drive, joined
from tasks.bias.plumed_input import parse_plumed

HEAD = "UNITS LENGTH=A ENERGY=kcal/mol TIME=fs\n"
CELLS = {
    "orthorhombic": np.diag([14.0, 15.0, 16.0]),
    "truncated octahedron": np.array([[15.0, 0, 0], [5.0, 14.142136, 0], [-5.0, 7.071068, 12.247449]]),
    "not reduced": np.array([[9.0, 1.0, 0.0], [25.0, 12.0, 1.0], [-31.0, -20.0, 13.0]]),
    "left-handed": np.array([[-10.0, 0.0, 2.0], [1.0, 11.0, 0.0], [0.0, 3.0, 12.0]]),
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_the_nearest_image_is_the_nearest_of_all(cell: np.ndarray) -> None:
    (box,) = boxes(cell, 1)
    assert box is not None
    images = np.array(list(product(range(-7, 8), repeat=3))) @ cell
    for vector in np.random.default_rng(1).uniform(-40, 40, size=(40, 3)):
        home = vector - np.rint(vector @ np.linalg.inv(cell)) @ cell
        start = np.array([1.0, 2.0, 3.0])
        step = np.diff(joined(box, np.stack([start, start + vector])), axis=0)
        nearest = np.linalg.norm(home + images, axis=1).min()
        assert np.linalg.norm(step) == pytest.approx(nearest, abs=1e-10)


def run(tmp_path: Path, text: str, **arrays: np.ndarray) -> tuple[int, dict[str, np.ndarray]]:
    """Call the command and return its exit code and what it wrote."""
    (tmp_path / "plumed.dat").write_text(HEAD + text)
    np.savez(tmp_path / "trajectory.npz", **arrays)
    words = ["bias", "--plumed", str(tmp_path / "plumed.dat"), "--trajectory", str(tmp_path / "trajectory.npz")]
    out = tmp_path / "out.npz"
    out.unlink(missing_ok=True)
    code = main([*words, "--out", str(out)])
    return code, dict(np.load(out)) if out.exists() else {}


ACROSS = np.array([[[0.5, 1.0, 1.0], [19.5, 1.0, 1.0]]] * 2)
PAIR = (
    "d: DISTANCE ATOMS=1,2\nopen: DISTANCE ATOMS=1,2 NOPBC\nw: UPPER_WALLS ARG=d AT=0 KAPPA=1\nPRINT ARG=d,open\n"
)
TWENTY = np.diag([20.0, 20.0, 20.0])


@pytest.mark.parametrize(
    ("box", "distance"),
    [
        ({}, [19.0, 19.0]),
        ({"box": TWENTY}, [1.0, 1.0]),
        ({"cell": TWENTY}, [1.0, 1.0]),
        ({"box": TWENTY, "pbc": np.array([True] * 3)}, [1.0, 1.0]),
        ({"box": TWENTY, "pbc": np.array([False] * 3)}, [19.0, 19.0]),
        ({"box": np.zeros((3, 3))}, [19.0, 19.0]),
        ({"box": np.array([TWENTY, np.diag([30.0, 20.0, 20.0])])}, [1.0, 11.0]),
    ],
)
def test_two_atoms_across_a_face(box: dict[str, np.ndarray], distance: list[float], tmp_path: Path) -> None:
    code, found = run(tmp_path, PAIR, positions=ACROSS, masses=np.ones(2), **box)
    assert code == 0
    np.testing.assert_allclose(found["d"], distance, atol=1e-12)
    np.testing.assert_allclose(found["open"], 19.0, atol=1e-12)
    np.testing.assert_allclose(found["bias"], np.square(distance), atol=1e-10)
    sign = -1.0 if distance[0] == 1.0 else 1.0  # the second atom's image is below the first atom
    assert found["forces"][0, 0, 0] == pytest.approx(sign * 2 * distance[0], abs=1e-10)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"box": np.eye(3)[:2]}, "box has shape (2, 3); allowed: (3, 3) or (2, 3, 3)"),
        ({"box": np.ones((3, 3))}, "spans no volume"),
        ({"box": np.diag([20.0, 20.0, 0.0])}, "spans no volume"),
        ({"box": np.full((3, 3), np.nan)}, "box must hold finite real numbers"),
        ({"box": TWENTY.astype(complex)}, "box must hold finite real numbers"),
        ({"box": TWENTY, "cell": TWENTY}, "has both 'box' and 'cell'"),
        ({"box": TWENTY, "pbc": np.array([True, True, False])}, "periodic along all three edges, or none"),
        ({"pbc": np.array([True] * 3)}, "add 'box'"),
        ({"steps": np.array([0.0, 0.5])}, "all of them whole numbers"),
        ({"steps": np.array(["0", "1"])}, "steps must hold finite real numbers"),
        ({"masses": np.array([1.0, -1.0])}, "masses must be above 0 u"),
        ({"masses": np.array([1.0, np.inf])}, "masses must hold finite real numbers"),
        ({"positions": np.full((2, 2, 3), np.nan)}, "positions must hold finite real numbers"),
        ({"positions": np.zeros((2, 2, 3))}, "frame 0: 'd' or its gradient is not a finite number"),
    ],
)
def test_a_trajectory_that_cannot_be_used_is_one_sentence(
    arrays: dict[str, np.ndarray], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = run(tmp_path, PAIR, **{"positions": ACROSS, "masses": np.ones(2)} | arrays)
    said = capsys.readouterr()
    assert (code, found, said.out) == (2, {}, "")
    assert words in said.err and said.err.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04 damaged", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_not_a_trajectory_is_one_sentence(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plumed.dat").write_text(HEAD + PAIR)
    (tmp_path / "trajectory.npz").write_bytes(content)
    words = ["bias", "--plumed", str(tmp_path / "plumed.dat"), "--trajectory", str(tmp_path / "trajectory.npz")]
    assert main([*words, "--out", str(tmp_path / "out.npz")]) == 2
    said = capsys.readouterr().err
    assert "trajectory.npz' cannot be read as .npz" in said and said.count("\n") == 1
    assert not (tmp_path / "out.npz").exists()


VARIABLES = """\
c: COM ATOMS=1-3
e: COM ATOMS=4,5 NOPBC
d: DISTANCE ATOMS=c,6
a: ANGLE ATOMS=1,4,7
t: TORSION ATOMS=2,c,5,8
w: UPPER_WALLS ARG=d,a,t AT=0,0,0 KAPPA=1,2,3
l: LOWER_WALLS ARG=d,a,t AT=9,9,1 KAPPA=1,2,3
PRINT ARG=*
"""


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_wrapping_atoms_changes_only_what_is_not_periodic(cell: np.ndarray) -> None:
    """Atoms of one molecule in any images: the same values and forces; the forces add up to zero."""
    rng = np.random.default_rng(3)
    x = rng.normal(scale=1.2, size=(5, 8, 3))
    wrapped = x + rng.integers(-2, 3, size=x.shape) @ cell
    plumed = parse_plumed(HEAD + VARIABLES, "plumed.dat")
    masses, steps = rng.uniform(1, 16, size=8), np.arange(5)
    found = [drive(plumed, y, masses, steps, 1.0, box) for y, box in ((x, None), (x, cell), (wrapped, cell))]
    for one in found[1:]:
        np.testing.assert_allclose(one.bias, found[0].bias, atol=1e-9)
        np.testing.assert_allclose(one.forces, found[0].forces, atol=1e-9)
    assert np.abs(found[0].forces.sum(axis=1)).max() < 1e-10
    outside = drive(plumed, wrapped, masses, steps, 1.0)
    assert np.abs(outside.bias - found[0].bias).max() > 1.0
    open_centre = parse_plumed(HEAD + VARIABLES.replace("1-3", "1-3 NOPBC"), "plumed.dat")
    assert np.abs(drive(open_centre, wrapped, masses, steps, 1.0, cell).bias - found[0].bias).max() > 0.01


def test_boxes_of_frames() -> None:
    cells = np.array([TWENTY, TWENTY, np.zeros((3, 3)), 2 * TWENTY])
    made = boxes(cells, 4)
    assert made[0] is made[1] and made[2] is None and made[3] is not None
    with pytest.raises(InputError, match="spans no volume"):
        boxes(np.array([[1.0, 0, 0], [0, 1.0, 0], [1.0, 1.0, 1e-9]]), 1)


@pytest.mark.parametrize(
    ("out", "hills", "words"),
    [
        ("folder", None, "it is a folder, or its folder is not there"),
        ("none/out.npz", None, "it is a folder, or its folder is not there"),
        ("out.npz", "plumed.dat", "is not a folder"),
        ("out.npz", "plumed.dat/hills", "is not a folder"),
    ],
)
def test_where_nothing_can_be_written_nothing_is_computed(
    out: str, hills: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trajectory is not read."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "plumed.dat").write_text(HEAD + PAIR)
    given = ["--hills", str(tmp_path / hills)] if hills else []
    command = ["bias", "--plumed", str(tmp_path / "plumed.dat"), "--trajectory", str(tmp_path / "no.npz")]
    assert main([*command, "--out", str(tmp_path / out), *given]) == 2
    assert words in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "plumed.dat"]
