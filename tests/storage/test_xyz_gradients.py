"""Gradients and forces behind the positions: their sign, their unit, and what energies say of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.units import BOHR, ENERGY, HARTREE, gradient_factor, gradient_unit
from storage.xyz import read_labelled, read_sets
from storage.xyz_gradients import energy_slope
from storage.xyz_options import ReadOptions


def methane(folder: Path) -> tuple[Floats, Floats, Floats]:
    """Return energies in hartree, positions in Angstrom, gradients in hartree/bohr, read apart from our reader."""
    lines = (folder / "ch4-hartree.xyz").read_text().splitlines()
    energy = np.array([float(line) for line in lines[1::7]])
    numbers = np.array([[float(x) for x in line.split()[1:]] for n, line in enumerate(lines) if n % 7 > 1])
    return energy, numbers[:, :3].reshape(-1, 5, 3), numbers[:, 3:].reshape(-1, 5, 3)


def write(path: Path, comments: list[str], positions: Floats, further: Floats) -> Path:
    blocks = []
    for comment, places, values in zip(comments, positions.tolist(), further.tolist(), strict=True):
        rows = [" ".join(map(repr, (*x, *g))) for x, g in zip(places, values, strict=True)]
        blocks.append("\n".join(["5", comment, *(f"{s} {row}" for s, row in zip("HHHHC", rows, strict=True))]))
    path.write_text("\n".join(blocks) + "\n")
    return path


def test_ch4_hartree_has_gradients(reference_data: Callable[[str], Path]) -> None:
    folder = reference_data("cases")
    energy, positions, gradient = methane(folder)
    found = read_labelled(folder / "ch4-hartree.xyz", options=ReadOptions(unit="hartree"))
    np.testing.assert_allclose(found.energy, HARTREE * energy, rtol=1e-15)
    np.testing.assert_array_equal(found.positions, positions)
    assert found.gradient is not None and found.reading is not None
    np.testing.assert_allclose(found.gradient, gradient * HARTREE / BOHR, rtol=1e-12)
    assert found.reading.gradients.startswith("columns 5 to 7 read as gradients, as the energies say (1.00")
    assert found.reading.gradient_unit == "hartree/bohr"
    with pytest.raises(InputError, match="give --unit hartree"):
        read_labelled(folder / "ch4-hartree.xyz")


def test_energies_tell_the_gradient(reference_data: Callable[[str], Path]) -> None:
    energy, positions, gradient = methane(reference_data("cases"))
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 3, 3)))
    turn *= np.sign(np.linalg.det(turn))[:, None, None]
    for x, g in ((positions, gradient), (positions @ turn + 3.0, gradient @ turn)):
        slope, pairs = energy_slope(x, HARTREE * energy, g)
        assert slope == pytest.approx(HARTREE / BOHR, rel=0.01) and pairs >= 20
    assert energy_slope(positions, HARTREE * energy, -gradient)[0] == pytest.approx(-HARTREE / BOHR, rel=0.01)
    noise = np.random.default_rng(1).normal(size=gradient.shape)
    assert np.isnan(energy_slope(positions, energy, noise)[0])
    assert np.isnan(energy_slope(positions[:1], energy[:1], gradient[:1])[0])


@pytest.mark.parametrize("unit", ["hartree/bohr", "hartree/A", "eV/A", "kcal/mol/A", "kJ/mol/A"])
@pytest.mark.parametrize("columns", ["gradient", "forces", None])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_columns_of_every_unit_and_sign(
    unit: str, columns: str | None, sign: float, tmp_path: Path, reference_data: Callable[[str], Path]
) -> None:
    energy, positions, gradient = methane(reference_data("cases"))
    right = gradient * HARTREE / BOHR
    name = unit.rpartition("/")[0]
    numbers = [repr(float(e) * HARTREE / ENERGY[name]) for e in energy]
    path = write(tmp_path / "x.xyz", numbers, positions, sign * right / gradient_factor(gradient_unit(unit)))
    options = ReadOptions(unit=name, gradient_unit=unit, columns=columns)
    if columns is not None and columns != {1.0: "gradient", -1.0: "forces"}[sign]:
        with pytest.raises(
            InputError, match=r"x.xyz', line 1, configuration 1: columns said to be .* change with"
        ):
            read_labelled(path, options=options)
        return
    found = read_labelled(path, options=options)
    np.testing.assert_allclose(found.gradient, right, rtol=1e-9, atol=1e-12)
    wrong = "eV/bohr" if unit != "eV/bohr" else "eV/A"
    with pytest.raises(InputError, match=r"do not tell in eV/bohr|must be multiplied by"):
        read_labelled(path, options=ReadOptions(unit=name, gradient_unit=wrong, columns=columns))


def test_without_near_configurations_somebody_must_say(
    tmp_path: Path, reference_data: Callable[[str], Path]
) -> None:
    energy, positions, gradient = methane(reference_data("cases"))
    path = write(tmp_path / "x.xyz", [repr(float(e)) for e in energy[:3]], positions[:3], gradient[:3])
    with pytest.raises(
        InputError, match="may be gradients or forces, and the energies do not tell; give --columns"
    ):
        read_labelled(path, options=ReadOptions(unit="hartree"))
    for columns, sign in (("gradient", 1.0), ("forces", -1.0)):
        found = read_labelled(path, options=ReadOptions(unit="hartree", columns=columns))
        np.testing.assert_allclose(found.gradient, sign * gradient[:3] * HARTREE / BOHR)
    found = read_labelled(path, options=ReadOptions(unit="hartree", columns="ignore"))
    assert found.gradient is None and found.reading is not None and found.reading.ignored == ("columns 5 to 7",)
    train = write(tmp_path / "t.xyz", [repr(float(e)) for e in energy], positions, gradient)
    _, test = read_sets(train, path, options=ReadOptions(unit="hartree"), fragments=[5])
    assert test is not None
    np.testing.assert_allclose(test.gradient, gradient[:3] * HARTREE / BOHR)


@pytest.mark.parametrize("further", [1, 2, 4, 6])
def test_other_columns_of_plain_xyz_are_not_known(
    further: int, tmp_path: Path, reference_data: Callable[[str], Path]
) -> None:
    energy, positions, _ = methane(reference_data("cases"))
    path = write(tmp_path / "x.xyz", [repr(float(e)) for e in energy], positions, np.ones((40, 5, further)))
    for columns in (None, "gradient"):
        with pytest.raises(InputError, match=r"it is not known what is in column.* 5.*--columns ignore"):
            read_labelled(path, options=ReadOptions(unit="hartree", columns=columns))
    assert read_labelled(path, options=ReadOptions(unit="hartree", columns="ignore")).gradient is None
    path.write_text(path.read_text().replace(" 1.0", " a"))
    with pytest.raises(InputError, match="it is not known what is in column"):
        read_labelled(path, options=ReadOptions(unit="hartree"))


@pytest.mark.parametrize(
    ("energy_key", "column", "more", "options", "sign"),
    [
        ("energy", "forces", "energy_unit=hartree forces_unit=hartree/bohr", {}, -1.0),
        ("energy", "force", "energy_unit=hartree", {"gradient_unit": "hartree/bohr"}, -1.0),
        ("energy", "forces", "energy_unit=hartree", {}, -1.0),  # per bohr or A: the energies tell
        ("REF_energy", "REF_forces", "energy_unit=hartree", {}, -1.0),
        ("dft_energy", "dft_gradient", "", {"unit": "hartree", "energy": "dft_energy"}, 1.0),
        ("energy", "gradient", "energy_unit=hartree", {}, 1.0),
        ("energy", "what", "energy_unit=hartree", {"columns": "gradient"}, 1.0),
        ("nbody_energy", "forces", "energy_unit=hartree", {"columns": "forces"}, -1.0),
    ],
)
def test_columns_of_extended_xyz_by_name(
    energy_key: str,
    column: str,
    more: str,
    options: dict[str, str],
    sign: float,
    tmp_path: Path,
    reference_data: Callable[[str], Path],
) -> None:
    energy, positions, gradient = methane(reference_data("cases"))
    comments = [f"Properties=species:S:1:pos:R:3:{column}:R:3 {energy_key}={float(e)!r} {more}" for e in energy]
    path = write(tmp_path / "x.xyz", comments, positions, sign * gradient)
    found = read_labelled(path, options=ReadOptions(**options))
    np.testing.assert_allclose(found.gradient, gradient * HARTREE / BOHR, rtol=1e-12)
    assert found.reading is not None and found.reading.gradients.startswith(f"columns '{column}' read as")
    write(path, comments, positions, -sign * gradient)
    with pytest.raises(InputError, match=r"columns said to be .* change with the energies as .* do"):
        read_labelled(path, options=ReadOptions(**options))


def test_forces_of_another_energy_are_left_and_unknown_columns_refused(
    tmp_path: Path, reference_data: Callable[[str], Path]
) -> None:
    energy, positions, gradient = methane(reference_data("cases"))

    def path(properties: str, key: str = "nbody_energy") -> Path:
        comments = [
            f"Properties=species:S:1:pos:R:3:{properties} {key}={e!r} energy_unit=eV" for e in energy.tolist()
        ]
        return write(tmp_path / "x.xyz", comments, positions, -gradient)

    found = read_labelled(path("forces:R:3"))
    assert found.gradient is None and found.reading is not None
    assert (
        "forces of 'x.xyz' are not used: by their name they do not belong to the energy" in found.reading.notes[0]
    )
    for harmless in ("momenta:R:3", "tags:I:3", "a:R:1:b:R:2"):
        found = read_labelled(path(harmless))
        assert found.gradient is None and found.reading is not None and found.reading.ignored
    with pytest.raises(InputError, match="it is not known what the columns 'stuff' are; give --columns gradient"):
        read_labelled(path("stuff:R:3"))
    with pytest.raises(InputError, match="has no columns that can be forces"):
        read_labelled(path("tags:I:3"), options=ReadOptions(columns="forces"))
    frames = path("forces:R:3", "energy").read_text()
    path("forces:R:3", "energy").write_text(frames.replace(":forces:", ":momenta:", 1))
    with pytest.raises(InputError, match="line 8, configuration 2 has other columns behind its positions"):
        read_labelled(tmp_path / "x.xyz")
    (tmp_path / "x.xyz").write_text(frames.replace(repr(-float(gradient[1, 0, 0])), "nan", 1))
    with pytest.raises(InputError, match="line 10, configuration 2: a number is not finite: 'nan'"):
        read_labelled(tmp_path / "x.xyz")
