"""Minima from energies alone, against gradients of another route."""

from __future__ import annotations

from dataclasses import replace
from string import ascii_uppercase

import numpy as np
import pytest
from scipy.optimize import minimize

from potentials.errors import StageError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.units import BOHR, HARTREE
from recipes.load import load_recipe
from recipes.protocols import find_protocol
from tasks.labelling.engines.interface import Job
from tasks.labelling.engines.pyscf import PyscfEngine
from tasks.labelling.engines.registry import new_engine
from tasks.labelling.optimize import ENOUGH, CapsInPlace, Start, find_start, minimise, moved
from tasks.labelling.reference import reference_molecules, usual_energies
from tasks.xtb import Xtb
from tests.numerical import slopes_of

METHANE = NMer("ch3", load_recipe("ch3-water").build_nmer().fragments[:1], "A1B1C3")
WATER = NMer("water", load_recipe("ch3-water").build_nmer().fragments[1:], "A1B2")

CH_FRAGMENT = Fragment(
    "-CH-",
    ("C", "H", "H", "H", "H"),
    ((0, 0, 0), (0.63, 0.63, 0.63), (-0.66, -0.66, 0.66), (-0.66, 0.66, -0.66), (0.66, -0.66, -0.66)),
    ((0, 1), (0, 2), (0, 3), (0, 4)),
    (2, 3, 4),
)
CH = NMer("ch", (CH_FRAGMENT,), "A1B1C3")


def energy(molecule: NMer, x: np.ndarray, method: str, basis: str) -> float:
    job = Job("A", molecule.symbols, tuple(map(tuple, x.tolist())), (), 0, method, basis, memory=2.0)
    found = PyscfEngine().run(job).energy
    assert found is not None
    return found


def bottom(surface: CapsInPlace, x: np.ndarray) -> float:
    """Return the energy of the minimum that SciPy's BFGS finds with gradients, hartree."""

    def flat(q: np.ndarray) -> tuple[float, np.ndarray]:
        energy, gradient = surface(q.reshape(x.shape))
        return energy, gradient.ravel()

    return float(minimize(flat, x.ravel(), jac=True, method="BFGS", options={"gtol": 1e-6}).fun)


@pytest.mark.parametrize("molecule", [METHANE, WATER], ids=["capped methyl", "water"])
def test_the_minimum_is_that_of_a_simplex_search(molecule: NMer) -> None:
    """MP2/STO-3G; the other route knows neither Hessian nor directions: internal coordinates and a simplex."""

    def water(q: np.ndarray) -> np.ndarray:
        r, angle = q
        return np.array([[0, 0, 0], [r, 0, 0], [r * np.cos(angle), r * np.sin(angle), 0.0]])

    def methane(q: np.ndarray) -> np.ndarray:
        r, angle = q  # C3v: the cap on the axis at 1.14 A, three bonds r at an angle to it
        turns = 2 * np.pi / 3 * np.arange(3)
        ring = np.sin(angle) * np.array([np.cos(turns), np.sin(turns)])
        hydrogens = r * np.array([*ring, np.full(3, np.cos(angle))]).T
        return np.array([[0, 0, 0], [0, 0, 1.14], *hydrogens])

    build, guess = (water, (0.97, 1.85)) if molecule is WATER else (methane, (1.09, 1.91))
    other = minimize(
        lambda q: energy(molecule, build(q), "MP2", "STO-3G"),
        guess,
        method="Nelder-Mead",
        options={"xatol": 1e-5, "fatol": 1e-9},
    )
    asked = []

    def energies(x: np.ndarray) -> np.ndarray:
        asked.append(len(x))
        return np.array([energy(molecule, one, "MP2", "STO-3G") for one in x])

    x, lowest = minimise(molecule, energies, find_start(molecule, new_engine("pyscf").cheap_surface(molecule)))
    assert lowest == pytest.approx(other.fun, abs=2e-7)
    for cap, anchor, length in molecule.caps:
        assert np.linalg.norm(x[cap] - x[anchor]) == pytest.approx(length, abs=1e-12)
    assert len(asked) <= 5  # rounds, each at once for a cluster
    assert set(asked) == {1 + 2 * (3 * molecule.natoms - 6 - len(molecule.caps))}


def test_a_search_that_need_not_be_exact_ends_after_a_step_that_was_predicted() -> None:
    """Ethane, from HF/def2-SVP to GFN2-xTB: one central difference in each direction, and one energy."""
    pytest.importorskip("tblite")
    recipe = load_recipe("ch-ch3")
    molecule = max((one for one, _ in reference_molecules(recipe.build_nmer(), recipe.labelling)), key=len_of)
    model, asked = Xtb(molecule), list[int]()

    def energies(geometries: np.ndarray) -> np.ndarray:
        asked.append(len(geometries))
        return np.array([model(x)[0] / HARTREE for x in geometries])

    start = find_start(molecule, new_engine("pyscf").cheap_surface(molecule))
    found = minimise(molecule, energies, start, ENOUGH)[1]
    assert len(asked) == 2 and asked[1] == 1
    for name in ("composite-aug-cc-pvtz", "df-mp2-aug-cc-pvdz"):
        assert sum(asked) == usual_energies(molecule, find_protocol(name))
    exact = minimise(molecule, energies, start)[1]
    assert exact - 1e-7 <= found <= exact + ENOUGH
    assert sum(asked[2:]) > 2 * sum(asked[:2])
    full = usual_energies(molecule, find_protocol("gfn2-xtb"))
    assert full > 2.9 * sum(asked[:2]), "only searches with composites and fitted MP2 end early"


def len_of(molecule: NMer) -> int:
    return molecule.natoms


def test_a_surface_without_a_minimum_is_named() -> None:
    x = WATER.positions
    start = Start(x, 0.1 * np.eye(9)[:3].reshape(3, 3, 3))
    with pytest.raises(StageError, match=r"minimum of 'water' was not found .* labelling\.reference = 'none'"):
        minimise(WATER, lambda geometries: geometries[:, 0, 0], start)


def test_a_chain_of_caps_keeps_its_lengths_in_the_start() -> None:
    """-CH- has three caps on one anchor."""
    molecule = CH
    start = find_start(molecule, new_engine("pyscf").cheap_surface(molecule))
    assert start.directions.shape == (15 - 6 - 3, 5, 3)
    for cap, anchor, length in molecule.caps:
        assert np.linalg.norm(start.positions[cap] - start.positions[anchor]) == pytest.approx(length, abs=1e-12)
        for direction in start.directions:
            bond = start.positions[cap] - start.positions[anchor]
            assert (direction[cap] - direction[anchor]) @ bond == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("molecule", [METHANE, CH], ids=["one cap", "three caps on one anchor"])
def test_the_gradient_with_caps_in_place_is_the_derivative(molecule: NMer) -> None:
    pytest.importorskip("tblite")
    surface = CapsInPlace(molecule, new_engine("xtb").cheap_surface(molecule))
    x = molecule.positions + np.random.default_rng(0).normal(scale=0.03, size=molecule.positions.shape)
    gradient = surface(x)[1]
    expected = slopes_of(lambda positions: surface(positions)[0], x, 1e-3)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=2e-6)


def test_both_cheap_surfaces_lead_to_the_same_minimum() -> None:
    pytest.importorskip("tblite")
    model = Xtb(CH)

    def energies(geometries: np.ndarray) -> np.ndarray:
        return np.array([model(x)[0] / HARTREE for x in geometries])

    starts = (find_start(CH, new_engine(name).cheap_surface(CH)) for name in ("xtb", "pyscf"))
    found = [minimise(CH, energies, start)[1] for start in starts]
    assert found[0] == pytest.approx(found[1], abs=2e-7)


def test_bonds_change_as_they_do_to_first_order() -> None:
    """Formamide: straight lines would lengthen its bonds where groups turn."""
    pytest.importorskip("tblite")
    recipe = load_recipe("conh")
    ((molecule, _),) = reference_molecules(recipe.build_nmer(), recipe.labelling)
    start = find_start(molecule, new_engine("xtb").cheap_surface(molecule))
    bonds = np.array(molecule.bonds)

    def lengths(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(x[bonds[:, 1]] - x[bonds[:, 0]], axis=1))

    move = 0.02 * np.ones(len(start.directions))
    slope = (lengths(moved(molecule, start, 1e-5 * move)) - lengths(moved(molecule, start, -1e-5 * move))) / 2e-5
    x = moved(molecule, start, move)
    straight = start.positions + np.tensordot(move, start.directions, axes=1)
    np.testing.assert_allclose(lengths(x), lengths(start.positions) + slope, atol=1e-8)
    assert np.abs(lengths(straight) - lengths(x)).max() > 0.01
    np.testing.assert_allclose(x, straight, atol=0.1)


def test_a_soft_torsion_leads_to_the_bottom() -> None:
    """A methyl beside an amide turns so softly that its curvature changes sevenfold within a step."""
    pytest.importorskip("tblite")
    recipe = load_recipe("ch-conh-ch3")
    fragment = replace(recipe.build_nmer().fragments[0], parts=())
    molecule = NMer("piece", (fragment,), "".join(f"{letter}1" for letter in ascii_uppercase[: fragment.natoms]))
    surface, rounds = CapsInPlace(molecule, new_engine("xtb").cheap_surface(molecule)), []

    def energies(geometries: np.ndarray) -> np.ndarray:
        rounds.append(len(geometries))
        return np.array([surface(x)[0] for x in geometries])

    x, lowest = minimise(molecule, energies, find_start(molecule, new_engine("xtb").cheap_surface(molecule)))
    assert len(rounds) <= 8
    assert lowest == pytest.approx(bottom(surface, x), abs=1e-6)


def test_a_direction_that_stiffens_within_a_step_is_not_searched_for_long() -> None:
    """An amide, from GFN2-xTB to GFN1-xTB: straight moves and updates alone take more than 20 steps."""
    pytest.importorskip("tblite")
    from tblite.interface import Calculator

    recipe = load_recipe("ch3-conh")
    molecule = reference_molecules(recipe.build_nmer(), recipe.labelling)[2][0]
    calculator, rounds = Calculator("GFN1-xTB", molecule.numbers, molecule.positions / BOHR), []
    calculator.set("verbosity", 0)
    calculator.set("accuracy", 1e-3)

    def gfn1(x: np.ndarray) -> tuple[float, np.ndarray]:
        calculator.update(x / BOHR)
        found = calculator.singlepoint()
        return float(found.get("energy")), found.get("gradient") / BOHR

    def energies(geometries: np.ndarray) -> np.ndarray:
        rounds.append(len(geometries))
        return np.array([gfn1(x)[0] for x in geometries])

    x, lowest = minimise(molecule, energies, find_start(molecule, new_engine("xtb").cheap_surface(molecule)))
    assert len(rounds) <= 12
    assert lowest == pytest.approx(bottom(CapsInPlace(molecule, gfn1), x), abs=1e-6)
