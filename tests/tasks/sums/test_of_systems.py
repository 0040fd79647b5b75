"""nmer.sum_potential of systems: any number of molecules in any order, in vacuum and in a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import nmer
from potentials.arrays import Floats
from potentials.nmers.switching import Switching
from potentials.pip.potential import Potential
from potentials.systems.cell import Cell
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.system import System
from potentials.water.model import water_model
from recipes.chemistry.molecules import Molecule
from recipes.chemistry.solvation import WATER
from recipes.families import FAMILIES
from tests.nmer.polyalanine import PAIR, chain_parameters, potential, store_of

CHAIN = nmer.read_system("AceAlaNme")
EDGE = 12.0
BOX = Cell(((EDGE, 0.0, 0.0), (0.0, EDGE + 1, 0.0), (0.0, 0.0, EDGE + 2)), (True, True, True))
WATERS = ("water", "water-water", "water-water-water")
ONES = ("ch", "ch3", "conh")
Bonds = tuple[tuple[int, int], ...]
Part = tuple[tuple[str, ...], Floats, Bonds]


def water_at(place: Sequence[float], turn: int, order: tuple[int, int, int] = (0, 1, 2)) -> Part:
    at = Rotation.random(random_state=turn).apply(np.array(WATER[1])) + place
    bonds = tuple((order.index(0), order.index(h)) for h in (1, 2))
    return tuple(WATER[0][a] for a in order), at[list(order)], bonds


def system(parts: Sequence[Part], cell: Cell | None = None) -> System:
    bonds: list[tuple[int, int]] = []
    begin = 0
    for symbols, _, joined in parts:
        bonds += [(min(i, j) + begin, max(i, j) + begin) for i, j in joined]
        begin += len(symbols)
    return System(
        tuple(s for symbols, _, _ in parts for s in symbols),
        np.concatenate([at for _, at, _ in parts]),
        tuple(bonds),
        cell,
    )


CENTRE = CHAIN.positions.mean(axis=0)
SOLUTE: Part = (CHAIN.symbols, CHAIN.positions - CENTRE, CHAIN.bonds)
PLACES = [(0.0, 0.5, 4.6), (2.4, 1.3, 5.0), (-1.0, 2.5, 6.0), (0.0, -0.5, -4.8)]


def short(name: str, beneath: Any = None) -> Potential:
    """Radii that fit into a small box."""
    found = potential(name) if beneath is None else potential(name, None)
    if found.switching is None:
        return found
    return replace(found, switching=Switching(found.switching.atoms, 3.5, 5.0))


def potentials(names: Sequence[str], beneath: Any = None) -> dict[str, Potential]:
    return {name: short(name, beneath) for name in names}


CHAIN_NAMES = [name for name in FAMILIES["polyalanine"] if name != "ch-conh-ch"]
NEAR_NAMES = FAMILIES["polyalanine-water"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = (*FAMILIES["polyalanine"], *NEAR_NAMES, *WATERS)
    return store_of(tmp_path_factory.mktemp("systems") / "store", names).path


def test_a_system_in_vacuum_has_the_energy_of_its_molecules_with_their_waters(store: Path) -> None:
    """All pairs that are tried, and those that neighbour lists find; waters before, between, and H O H."""
    waters = [water_at(place, n) for n, place in enumerate(PLACES)]
    plain = system([SOLUTE, *waters])
    given: dict[str, Any] = {"family": "polyalanine", "store": store}
    usual = nmer.sum_potential("AceAlaNme", waters=4, **given)
    x = plain.positions
    for model in (
        nmer.sum_potential(plain, water="none", **given),
        nmer.sum_potential("AceAlaNme", waters=4, water="none", **given),
    ):
        assert model.energy(x) == pytest.approx(usual.energy(x), abs=1e-10)
        np.testing.assert_allclose(model.energy_and_gradient(x)[1], usual.energy_and_gradient(x)[1], atol=1e-10)
        assert any("the waters among themselves" in remark for remark in model.remarks)
    mixed = system(
        [water_at(PLACES[2], 2, (1, 0, 2)), waters[0], SOLUTE, water_at(PLACES[3], 3, (2, 1, 0)), waters[1]]
    )
    other = nmer.sum_potential(mixed, water="none", **given)
    assert other.energy(mixed.positions) == pytest.approx(usual.energy(x), abs=1e-10)
    assert usual.parts(x)["conh-water"][0] == pytest.approx(
        other.parts(mixed.positions)["conh-water"][0], abs=1e-10
    )


def test_own_water_is_that_of_all_its_n_mers_over_v_phys_of_everything(store: Path) -> None:
    parts = [SOLUTE, *(water_at(place, n) for n, place in enumerate(PLACES))]
    whole = system(parts)
    model = nmer.sum_potential(whole, family="polyalanine", store=store)
    x, begin = whole.positions, CHAIN.natoms
    shares = model.parts(x)
    for bodies, name in enumerate(WATERS, 1):
        expected = 0.0
        for members in combinations(range(4), bodies):
            atoms = [begin + 3 * m + a for m in members for a in range(3)]
            expected += float(potential(name).correction(x[atoms]).energy[0])
        assert abs(expected) > 1e-3
        assert shares[name][0] == pytest.approx(expected, abs=1e-10)
    # V_phys of everything, once
    left_out = nmer.sum_potential(whole, family="polyalanine", store=store, water="none").parts(x)
    assert "V_phys of the waters alone" in left_out and "V_phys of the waters alone" not in shares
    same = [name for name in shares if name.startswith("V_phys")]
    assert all(shares[name][0] == pytest.approx(left_out[name][0], abs=1e-10) for name in same)


@pytest.mark.parametrize("periodic", [False, True])
def test_a_model_of_water_that_is_complete_replaces_v_phys_of_the_waters(store: Path, periodic: bool) -> None:
    """A sum of chain, dimers with water, and q-TIP4P/F of the waters, which are in any order."""
    cell = Cell(tuple(map(tuple, 22.0 * np.eye(3))), (True, True, True)) if periodic else None
    parts = [water_at(PLACES[1], 1, (1, 0, 2)), SOLUTE, *(water_at(place, 5) for place in (PLACES[0], PLACES[3]))]
    whole = system(parts, cell)
    names = [*CHAIN_NAMES, *NEAR_NAMES]
    given = potentials(names)
    model = nmer.sum_potential(whole, given, water="q-TIP4P/F")
    rest = nmer.sum_potential(whole, given, water="none")
    x = whole.positions
    shares = model.parts(x)
    assert any(share.startswith("V_phys") for share in shares)
    waters = np.array([[1, 0, 2], [25, 26, 27], [28, 29, 30]])
    alone = water_model("q-TIP4P/F", waters, whole.natoms, cell).evaluate(x[None])
    assert not set(WATERS) & set(shares) and ("V_phys of the waters alone" in shares) is not periodic
    assert shares["q-TIP4P/F"][0] == pytest.approx(alone.energy[0], abs=1e-9)
    assert model.energy(x) == pytest.approx(float(rest.energy(x)) + alone.energy[0], abs=1e-9)
    gradient = model.energy_and_gradient(x)[1]
    np.testing.assert_allclose(gradient, rest.energy_and_gradient(x)[1] + alone.gradient[0], atol=1e-9)


def test_missing_potentials_are_all_named_and_wrong_ones_refused(store: Path) -> None:
    whole = system([SOLUTE, *(water_at(place, n) for n, place in enumerate(PLACES))])
    given = potentials([*CHAIN_NAMES, *NEAR_NAMES, *WATERS])
    few = {name: p for name, p in given.items() if name not in ("ch", "ch-water", "water-water", PAIR)}
    with pytest.raises(nmer.InputError, match=r"missing for the n-mers ch, ch-water, water-water; given are"):
        nmer.sum_potential(whole, few)
    with pytest.raises(nmer.InputError, match=r"fitted over different V_phys .*water-water over"):
        nmer.sum_potential(
            whole, given | {"water-water": potential("water-water", chain_parameters(thole_charge=0.3))}
        )
    with pytest.raises(nmer.InputError, match="potential of n-mer ch-water has no switching"):
        nmer.sum_potential(whole, given | {"ch-water": replace(given["ch-water"], switching=None)})
    with pytest.raises(nmer.InputError, match=r"of n-mer ch-water has caps in place of its atoms"):
        nmer.sum_potential(whole, given | {"ch-water": given["ch3-water"]})
    with pytest.raises(nmer.InputError, match=r"is for the atoms C O N H H H O H H; the molecule has"):
        nmer.sum_potential(whole, given | {"ch-water": given["conh-water"]})
    with pytest.raises(nmer.InputError, match="water is 'TIP3P'; allowed: own, q-TIP4P/F, none"):
        nmer.sum_potential(whole, given, water="TIP3P")
    with pytest.raises(nmer.InputError, match="waters is 2, and the system has its own waters"):
        nmer.sum_potential(whole, given, waters=2)
    with pytest.raises(nmer.InputError, match=r"n-mers conh-ch2.* not in the family|ch2"):
        nmer.sum_potential(nmer.read_system("AceGlyNme"), family="polyalanine", store=store)
    with pytest.raises(nmer.InputError, match=r"O1 \(counted from 0\) belong to no 1-mer"):
        nmer.sum_potential(nmer.read_system("CO"), given)


def test_pairs_of_different_molecules_count_and_pairs_without_a_potential_are_told() -> None:
    nma = nmer.read_system("CC(=O)NC")
    apart = nma.positions + np.array([0.0, 0.0, 4.0])
    two = system([(nma.symbols, nma.positions, nma.bonds), (nma.symbols, apart, nma.bonds)])
    names = ("ch3", "conh", "ch3-conh", "conh-ch3", "ch3-conh-ch3")
    given = {name: potential(name) for name in names if name != "ch3-conh-ch3"}
    from recipes.chemistry.fragmentation import fragment_molecule
    from recipes.chemistry.molecules import read_molecule
    from tests.tasks.sums.test_make import over_physics

    whole = next(f for f in fragment_molecule(read_molecule("CC(=O)NC")) if f.order == 3)
    given[whole.name] = over_physics(whole.nmer, 9)
    with_pair = nmer.sum_potential(two, given | {PAIR: potential(PAIR)})
    atoms = Molecule("two", two.symbols, two.bonds)
    usual = nmer.sum_potential(atoms, given | {PAIR: potential(PAIR)})
    assert with_pair.energy(two.positions) == pytest.approx(usual.energy(two.positions), abs=1e-10)
    assert abs(with_pair.parts(two.positions)[PAIR][0]) > 1e-4
    assert with_pair.remarks == usual.remarks
    told = nmer.sum_potential(two, given).remarks[0]
    assert f"{PAIR} 1" in told and "ch3-ch3-pair 4" in told


def images(whole: System, model: ManyBodyPotential, names: Sequence[str]) -> dict[str, float]:
    """The energies of n-mers of waters from all images, by trying all pairs and triples around the first body."""
    assert whole.vectors is not None
    x = whole.whole().positions
    waters = [list(m) for m in whole.molecules if len(m) == 3]
    order = [sorted(m, key=lambda a: whole.symbols[a] != "O") for m in waters]
    steps = np.array([(a, b, c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)]) @ whole.vectors
    wrapped = []
    for m in order:
        at = x[m]
        wrapped.append(at - np.floor(at[0] @ np.linalg.inv(whole.vectors)) @ whole.vectors)
    every = [(n, at + step) for n, at in enumerate(wrapped) for step in steps]
    found = {}
    for name in names:
        bodies = len(name.split("-"))
        potential_, total = model.potentials[name], 0.0
        assert isinstance(potential_, Potential)
        batch = []
        for at in wrapped:
            near = [b for _, b in every if 0 < np.linalg.norm(b[0] - at[0]) < 5.0]
            batch += [np.concatenate([at, *others]) for others in combinations(near, bodies - 1)]
        total = float(potential_.correction(np.array(batch)).energy.sum()) / bodies if batch else 0.0
        found[name] = total
    return found


def test_a_periodic_system_is_that_of_all_images() -> None:
    """Without V_phys: energies from images one by one, gradients and virial by central differences."""
    rng = np.random.default_rng(5)
    places = [(x, y, z) for x in (1, 4, 7, 10) for y in (0, 3.2, 6.4, 9.6) for z in (0, 3.4, 6.8, 10.2)]
    chosen = rng.permutation(len(places))[:40]
    waters = [water_at(np.array(places[n]) + rng.uniform(-0.3, 0.3, 3), int(n)) for n in chosen]
    whole = system(waters, BOX)
    names = ("water-water", "water-water-water")
    model = nmer.sum_potential(whole, potentials(WATERS, "none"))
    assert model.cell is BOX and model.counts["water"] == 40
    x = whole.positions
    shares = model.parts(x)
    for name, expected in images(whole, model, names).items():
        assert abs(expected) > 1e-3
        assert shares[name][0] == pytest.approx(expected, abs=1e-9)
    torn = x + rng.integers(-2, 3, x.shape) @ np.array(BOX.vectors)
    energy, gradient = model.energy_and_gradient(torn)
    assert energy == pytest.approx(model.energy(x), abs=1e-9)
    np.testing.assert_allclose(gradient, model.energy_and_gradient(x)[1], atol=1e-9)
    for atom, axis in ((0, 0), (4, 2), (11, 1)):
        step = np.zeros_like(x)
        step[atom, axis] = 1e-4
        slope = (float(model.energy(x + step)) - float(model.energy(x - step))) / 2e-4
        assert slope == pytest.approx(gradient[atom, axis], abs=1e-5)
    virial = model.evaluate(torn[None]).virial
    assert virial is not None
    for i, j in ((0, 0), (1, 2)):
        strain = np.zeros((3, 3))
        strain[i, j] = 1e-5
        energies = [
            float(model.evaluate((x @ (np.eye(3) + s))[None], np.array(BOX.vectors) @ (np.eye(3) + s)).energy[0])
            for s in (strain, -strain)
        ]
        assert (energies[0] - energies[1]) / 2e-5 == pytest.approx(virial[0, i, j], abs=2e-4)


def test_a_large_cell_has_nearly_the_energy_of_vacuum() -> None:
    """With V_phys: the dipoles of the images are left, whose effect falls with the volume."""
    parts = [SOLUTE, *(water_at(place, n) for n, place in enumerate(PLACES))]
    given = potentials([*CHAIN_NAMES, *NEAR_NAMES, *WATERS])
    x = system(parts).positions
    for water in ("own", "q-TIP4P/F"):
        vacuum = float(nmer.sum_potential(system(parts), given, water=water).energy(x))
        apart = []
        for edge in (22.0, 50.0):
            rows = edge * np.eye(3)
            cell = Cell(tuple(map(tuple, rows)), (True, True, True))
            model = nmer.sum_potential(system(parts, cell), given, water=water)
            torn = x + np.random.default_rng(0).integers(-1, 2, x.shape) @ rows
            assert model.energy(torn) == pytest.approx(model.energy(x), abs=1e-9)
            apart.append(abs(float(model.energy(x)) - vacuum))
        assert abs(vacuum) > 1 and 1e-3 < apart[0] < 0.1 and apart[1] < apart[0] / 5


def test_a_cell_that_is_narrower_than_twice_a_radius_is_refused() -> None:
    narrow = Cell(((9.8, 0.0, 0.0), (0.0, 13.0, 0.0), (0.0, 0.0, 13.0)), (True, True, True))
    whole = system([water_at((1, 1, 1), 0), water_at((4, 4, 4), 1)], narrow)
    with pytest.raises(nmer.InputError, match=r"9\.800 A wide, and n-mer water-water ends at 5 A"):
        nmer.sum_potential(whole, potentials(WATERS, "none"))
    with pytest.raises(nmer.InputError, match=r"is 12\.000 A wide, and the cut-off ends at 9 A"):
        nmer.sum_potential(replace(whole, cell=BOX), potentials(WATERS))
