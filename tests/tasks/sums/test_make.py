"""nmer.sum_potential: a chain from the potentials of its n-mers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import nmer
from potentials.arrays import Floats
from potentials.evaluation import Evaluation
from potentials.graph import distances
from potentials.nmers.nmer import NMer
from potentials.physics.model import PhysicsPotential
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.placement import Placement, Placements
from recipes.chemistry.atom_types import type_molecule
from recipes.chemistry.fragmentation import fragment_molecule
from recipes.chemistry.molecules import Molecule, read_molecule
from recipes.chemistry.pairs import find_pairs
from recipes.families import FAMILIES
from recipes.load import load_recipe
from storage.store import Store
from tasks.fitting.baseline import physics_of
from tests.nmer.polyalanine import PAIR, PARAMETERS, chain_parameters, potential, store_of
from tests.numerical import slopes_of

CHAIN = read_molecule("AceAla2Nme").embedded()
NMERS = {found.name: found for found in fragment_molecule(CHAIN)}


def random_potential(of: NMer, seed: int, terms: str = "all") -> Potential:
    rng = np.random.default_rng(seed)
    basis = Basis.build(of, 1, terms)
    return Potential(of, 1, terms, np.full(len(basis.pair_names), 0.8), rng.normal(size=basis.n_terms))


POTENTIALS = {name: random_potential(found.nmer, n) for n, (name, found) in enumerate(NMERS.items())}


def test_every_n_mer_of_a_chain_is_evaluated_where_it_occurs() -> None:
    model = nmer.sum_potential("AceAla2Nme", POTENTIALS)
    assert model.counts == {name: len(found.placements) for name, found in NMERS.items()}
    assert model.symbols == CHAIN.symbols and sum(model.counts.values()) > len(model.counts)
    positions = np.array(CHAIN.positions)
    parts = model.energies(positions)
    assert model.energy(positions) == pytest.approx(sum(v.sum() for v in parts.values()), rel=1e-12)
    gradient = model.energy_and_gradient(positions)[1]
    np.testing.assert_allclose(gradient, slopes_of(model.energy, positions), rtol=1e-6, atol=1e-6)


def test_a_longer_chain_shares_the_n_mers_and_has_more_of_each() -> None:
    short, long = (nmer.sum_potential(name, _all_fourteen()) for name in ("AceAla3Nme", "AceAla9Nme"))
    assert set(short.counts) == set(long.counts) and len(long.counts) == 14
    assert long.counts["ch"] == 9 and long.counts["conh"] == 10 and long.counts["ch3"] == 11


def _all_fourteen() -> dict[str, Potential]:
    found = fragment_molecule(read_molecule("AceAla3Nme"))
    return {one.name: random_potential(one.nmer, n) for n, one in enumerate(found)}


def test_waters_come_through_the_same_door() -> None:
    dimer = load_recipe("ch3-water").build_nmer()
    kinds = {"ch3-water": random_potential(dimer, 50, "intermolecular")}
    for name in ("ch", "conh"):
        own = NMERS[name].nmer
        pair = NMer(f"{name}-water", (own.fragments[0], dimer.fragments[1]), f"{own.symmetry}_X1Y2")
        kinds[pair.name] = random_potential(pair, 51, "intermolecular")
    model = nmer.sum_potential("AceAla2Nme", POTENTIALS | kinds, waters=2)
    assert model.symbols == (*CHAIN.symbols, *"OHHOHH")
    assert model.counts["ch3-water"] == 2 * model.counts["ch3"]
    chain, far_off = np.array(CHAIN.positions), np.array([0.0, 0.0, 500.0])
    water = np.array([[0.0, 0.0, 0.0], [0.76, 0.0, 0.56], [-0.76, 0.0, 0.56]])
    near, far = (np.concatenate([chain, water + shift, water + far_off]) for shift in (6.0, 500.0))
    alone = nmer.sum_potential("AceAla2Nme", POTENTIALS).energy(chain)
    assert model.energy(far) == pytest.approx(alone, abs=1e-9)  # every term of a dimer dies off with its distance
    assert abs(model.energy(near) - alone) > 1e-6  # type: ignore[operator]


def test_every_missing_potential_is_named_before_anything_is_computed() -> None:
    few = {name: p for name, p in POTENTIALS.items() if name not in ("ch", "conh-ch")}
    with pytest.raises(nmer.InputError, match=r"potentials are missing for the n-mers ch, conh-ch; given are"):
        nmer.sum_potential("AceAla2Nme", few)
    with pytest.raises(nmer.InputError, match=re.escape("ch-water")):
        nmer.sum_potential("AceAla2Nme", POTENTIALS, waters=1)


CHAIN3 = read_molecule("AceAla3Nme").embedded()
AT = np.array(CHAIN3.positions)
NMA = read_molecule("CC(=O)NC").embedded()
WATER = Molecule("water", ("O", "H", "H"), ((0, 1), (0, 2)))


def twice(one: Molecule) -> Molecule:
    n = one.natoms
    return Molecule(f"two {one.name}", one.symbols * 2, (*one.bonds, *((n + i, n + j) for i, j in one.bonds)))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return store_of(tmp_path_factory.mktemp("sums") / "store")


def over_physics(of: NMer, seed: int) -> Potential:
    return replace(random_potential(of, seed), physics=physics_of(of, PARAMETERS))


def whole_physics(molecule: Molecule) -> PhysicsPotential:
    typed, topology = type_molecule(molecule)
    return PhysicsPotential(molecule.symbols, topology, typed.types, PARAMETERS)


def test_a_sum_of_a_store_is_corrections_and_v_phys_of_the_whole(store: Store) -> None:
    model = nmer.sum_potential("AceAla3Nme", family="polyalanine", store=store.path)
    found = {one.name: one.placements for one in fragment_molecule(CHAIN3)}
    found[PAIR] = tuple(p for p in find_pairs(CHAIN3, fragment_molecule(CHAIN3)) if p.nmer == PAIR)
    assert model.counts == {name: len(places) for name, places in found.items()} and model.counts[PAIR] == 3
    assert model.parameters is not None and model.parameters.digest == PARAMETERS.digest
    remark, verdict = model.remarks
    assert verdict.startswith("candidate: not released are the n-mers ch3, conh, ch, ")
    assert "V_phys alone" in remark and "ch3-conh-pair 6" in remark and PAIR not in remark
    parts = model.parts(AT)
    for name, places in found.items():
        geometries = Placements.of(places).positions(AT[None])[0]
        assert parts[name][0] == pytest.approx(potential(name).correction(geometries).energy.sum(), rel=1e-12)
    beneath = whole_physics(CHAIN3).evaluate(AT[None])
    for share, value in beneath.shares.items():
        assert parts[f"V_phys {share}"][0] == pytest.approx(value[0], rel=1e-12)
    assert set(parts) == {*found, *(f"V_phys {share}" for share in beneath.shares)}
    energy, gradient = model.energy_and_gradient(AT)
    assert energy == pytest.approx(float(sum(parts.values())[0]), rel=1e-12)  # type: ignore[index]
    steps = 1e-4 * np.eye(AT.size).reshape(-1, *AT.shape)
    slopes = (np.asarray(model.energy(AT + steps)) - np.asarray(model.energy(AT - steps))) / 2e-4
    np.testing.assert_allclose(gradient.ravel(), slopes, rtol=0, atol=2e-6)


def test_the_newest_versions_are_taken_unless_a_reference_is_given(tmp_path: Path) -> None:
    store_of(tmp_path)
    store = store_of(tmp_path, ["ch", PAIR], seed=2)
    for given, wanted in (({}, 2), ({"ch": "ch@1"}, 1), ({"ch": potential("ch", seed=7)}, 7)):
        model = nmer.sum_potential("AceAla3Nme", given, family="polyalanine", store=store.path)  # type: ignore[arg-type]
        ch, pair = model.potentials["ch"], model.potentials[PAIR]
        assert isinstance(ch, Potential) and isinstance(pair, Potential) and pair.name == f"{PAIR}@2"
        np.testing.assert_array_equal(ch.coefficients, potential("ch", seed=wanted).coefficients)
    again = nmer.sum_potential("AceAla3Nme", store=store.path)
    model = nmer.sum_potential("AceAla3Nme", family="polyalanine", store=store.path)
    assert again.energy(AT) == pytest.approx(model.energy(AT), abs=1e-9)


def test_what_does_not_belong_together_is_refused(tmp_path: Path, store: Store) -> None:
    def of(molecule: str = "AceAla3Nme", given: Any = None, **options: Any) -> ManyBodyPotential:
        return nmer.sum_potential(molecule, given, **({"family": "polyalanine", "store": store.path} | options))

    other = potential("conh-ch", chain_parameters(thole_charge=0.3))
    for model in (other, potential("conh-ch", None)):
        with pytest.raises(nmer.InputError, match=r"different V_phys .*conh-ch over"):
            of(given={"conh-ch": model})
    with pytest.raises(nmer.InputError, match=rf"different V_phys .*{PAIR} over none"):
        of(given={PAIR: potential(PAIR, None)})
    with pytest.raises(nmer.InputError, match=r"n-mers ch2, conh-ch2, .* not in the family 'polyalanine'"):
        of("AceGly2Nme")
    with pytest.raises(nmer.InputError, match="family 'polymer' is unknown"):
        of(family="polymer")
    with pytest.raises(nmer.InputError, match=r"has caps in place of its atoms 1; .* cut bonds at 2, 3, 4"):
        of(given={"ch": "ch3@1"})  # the elements are the same
    with pytest.raises(nmer.InputError, match="is for the atoms C O N H H H"):
        of(given={"ch": "conh@1"})
    with pytest.raises(nmer.InputError, match=r"no potentials of ch3-water, conh-water, ch-water"):
        of(waters=1)
    few = store_of(tmp_path, ["ch3", "conh"])
    with pytest.raises(nmer.InputError, match=rf"'{re.escape(str(few.path))}' has no potentials of ch, ch3-conh"):
        of(store=few.path)
    with pytest.raises(nmer.InputError, match="there is no store"):
        of(store=tmp_path / "none")
    with pytest.raises(nmer.InputError, match="waters is -1"):
        of(waters=-1)


def test_the_v_phys_of_a_1mer_does_not_matter_because_it_is_zero(store: Store) -> None:
    ones = ("ch", "ch3", "conh")
    usual = nmer.sum_potential("AceAla3Nme", store=store.path, family="polyalanine")
    for beneath in (None, chain_parameters(thole_charge=0.3)):
        given = {name: potential(name, beneath) for name in ones}
        model = nmer.sum_potential("AceAla3Nme", given, store=store.path, family="polyalanine")
        assert model.energy(AT) == pytest.approx(usual.energy(AT), abs=1e-9)
        assert model.parameters is not None and model.parameters.digest == PARAMETERS.digest
    plain = {name: potential(name, None) for name in usual.potentials} | {n: potential(n) for n in ones}
    bare = nmer.sum_potential("AceAla3Nme", plain)
    assert bare.parameters is None and not any("V_phys" in part for part in bare.parts(AT))


def test_pairs_without_a_potential_have_v_phys_alone(store: Store) -> None:
    model = nmer.sum_potential("AceAla3Nme", family="polyalanine", store=store.path)
    rest = {name: f"{name}@1" for name in model.potentials if name != PAIR}
    without = nmer.sum_potential("AceAla3Nme", rest, store=store.path)
    assert PAIR not in without.counts and f"{PAIR} 3" in without.remarks[0]
    pair = model.parts(AT)[PAIR][0]
    assert abs(pair) > 1e-3
    assert without.energy(AT) == pytest.approx(model.energy(AT) - pair, abs=1e-10)


def test_a_pair_is_smooth_where_its_switching_begins_and_ends() -> None:
    """Two N-methylacetamides that part."""
    (whole,) = [found for found in fragment_molecule(NMA) if found.order == 3]
    given = {name: potential(name) for name in ("ch3", "conh", "ch3-conh", "conh-ch3", PAIR)}
    model = nmer.sum_potential(twice(NMA), given | {whole.name: over_physics(whole.nmer, 9)})
    assert model.counts[PAIR] == 1 and model.counts["conh"] == 2
    one, own, n = np.array(NMA.positions), potential(PAIR), NMA.natoms
    assert own.switching is not None

    def apart(distance: Floats) -> Floats:
        second = one[None] + distance[:, None, None] * np.array([0.0, 0.0, 1.0])
        return np.concatenate([np.repeat(one[None], len(distance), 0), second], axis=1)

    for edge in (own.switching.r_in, own.switching.r_out):
        distance = edge + 1e-4 * np.arange(-50, 51)
        energy, gradient = model.energy_and_gradient(apart(distance))
        slope = gradient[:, n:, 2].sum(axis=1)
        expected = 0.5e-4 * (slope[1:] + slope[:-1])  # the trapezoidal rule: its error is of the third order
        np.testing.assert_allclose(np.diff(energy), expected, rtol=0, atol=1e-9)
        assert np.abs(np.diff(slope)).max() < 1e-3
    for distance, zero in ((np.linspace(8.0, 12.0, 9), True), (np.linspace(3.5, 7.9, 9), False)):
        share = model.parts(apart(distance))[PAIR]
        assert (share == 0).all() if zero else (np.abs(share) > 0).all()


def test_pairs_of_a_chain_are_found_in_every_conformation(store: Store) -> None:
    """Half of the chain turns about a bond of the middle residue: the energy follows its own slope all around."""
    model = nmer.sum_potential("AceAla3Nme", family="polyalanine", store=store.path)
    alpha = next(g for g in fragment_molecule(CHAIN3) if g.name == "ch-conh").placements[1]
    axis = (alpha.atoms[0], alpha.atoms[4])
    joined = distances(CHAIN3.natoms, [b for b in CHAIN3.bonds if set(b) != set(axis)])
    moving = np.flatnonzero(joined[axis[1]] >= 0)

    def turned(angle: float) -> Floats:
        x, origin = AT.copy(), AT[axis[0]]
        turn = Rotation.from_rotvec(angle * (AT[axis[1]] - origin) / np.linalg.norm(AT[axis[1]] - origin))
        x[moving] = turn.apply(x[moving] - origin) + origin
        return x

    angles = np.linspace(0, 2 * np.pi, 25)
    frames = np.array([turned(a) for a in angles])
    shares = model.energies(frames)[PAIR]
    assert ((shares == 0).any(axis=0) & (shares != 0).any(axis=0)).any()  # one of the pairs comes and goes
    for angle in angles[::6]:
        steps = np.array([turned(angle + 1e-4 * n) for n in range(-3, 4)])
        energy, gradient = model.energy_and_gradient(steps)
        path = np.einsum("nai,nai->n", gradient[1:-1], steps[2:] - steps[:-2])
        np.testing.assert_allclose(energy[2:] - energy[:-2], path, rtol=0, atol=1e-6)
    np.testing.assert_allclose(model.energy(turned(2 * np.pi)), model.energy(AT), rtol=0, atol=1e-9)


@dataclass(frozen=True, eq=False, repr=False)
class Exact(Potential):
    """A correction that is exactly the n-body energy of `whole` minus V_phys' part."""

    nbody: Callable[[Floats], Floats] = field(kw_only=True, default=lambda x: np.zeros(len(x)))

    def correction(self, positions: Any) -> Evaluation:
        x = self.as_batch(positions)[0]
        assert self.physics is not None
        return Evaluation(self.nbody(x) - np.asarray(self.physics.energy(x)), np.zeros_like(x))


def test_what_the_potentials_leave_out_v_phys_of_the_whole_adds() -> None:
    """E(S) = a sum over connected groups of up to three 1-mers, and over pairs of -CONH-, + V_phys(S).

    The n-body energies are made by inclusion and exclusion with V_phys of the chain, restricted to their atoms, so
    that types, exclusions and repulsion of every n-mer have to be those of the whole.
    """
    symbols, found = CHAIN3.symbols, fragment_molecule(CHAIN3)
    typed, topology = type_molecule(CHAIN3)
    pairs = [p for p in find_pairs(CHAIN3, found) if p.nmer == PAIR]
    places = {one.name: one.placements for one in found} | {PAIR: tuple(pairs)}

    def group(x: Floats) -> Floats:
        centre = x.mean(axis=1, keepdims=True)
        return np.asarray(3.0 * np.sin(((x - centre) ** 2).sum(axis=(1, 2)) / 10))

    def real(place: Placement) -> list[int]:
        return [a for a, anchor in zip(place.atoms, place.anchors, strict=True) if anchor < 0]

    def beneath(atoms: list[int], x: Floats) -> Floats:
        part = [typed.types[a] for a in atoms]
        model = PhysicsPotential([symbols[a] for a in atoms], topology.part(atoms), part, PARAMETERS)
        return np.asarray(model.energy(np.ascontiguousarray(x)))

    def nbody(name: str) -> Callable[[Floats], Floats]:
        place = places[name][0]  # the types are the same in each

        def of(x: Floats) -> Floats:
            kept = [n for n, anchor in enumerate(place.anchors) if anchor < 0]
            total = group(x[:, kept])
            for members, factor in potential(name).physics.groups:  # type: ignore[union-attr]
                total = total + factor * beneath([place.atoms[n] for n in members], x[:, members])
            return total

        return of

    potentials = {}
    for name in places:
        base = potential(name)
        values = {f.name: getattr(base, f.name) for f in fields(base)}
        potentials[name] = Exact(**values | {"switching": None}, nbody=nbody(name))
    model = nmer.sum_potential("AceAla3Nme", potentials)
    rng = np.random.default_rng(4)
    frames = AT + rng.normal(scale=0.05, size=(3, *AT.shape))
    whole = np.asarray(whole_physics(CHAIN3).energy(frames))
    for places_of_one in places.values():
        for place in places_of_one:
            whole = whole + group(frames[:, real(place)])
    np.testing.assert_allclose(model.energy(frames), whole, rtol=0, atol=1e-8)
    assert np.abs(model.parts(frames)["V_phys electrostatics"]).min() > 1.0


def test_waters_among_themselves_are_left_to_their_own_model(tmp_path: Path) -> None:
    names = (*FAMILIES["polyalanine"], *FAMILIES["polyalanine-water"])
    store = store_of(tmp_path, names)
    options: dict[str, Any] = {"family": "polyalanine", "store": store.path}
    model = nmer.sum_potential("AceAla3Nme", waters=2, **options)
    alone = nmer.sum_potential("AceAla3Nme", **options)
    water = np.array([[0.0, 0.0, 0.0], [0.76, 0.0, 0.56], [-0.76, 0.0, 0.56]])
    pair = np.concatenate([water, water + np.array([0.0, 2.9, 0.3])])
    far, near = (np.concatenate([AT, pair + AT.mean(axis=0) + shift]) for shift in ([0, 0, 300.0], [0, 0, 9.0]))
    # charges of the chain are neutral in every 1-mer: at 300 A dipoles are left
    assert model.energy(far) == pytest.approx(alone.energy(AT), abs=1e-4)
    assert abs(float(model.energy(near)) - float(alone.energy(AT))) > 1e-2
    symbols = (*CHAIN3.symbols, *"OHHOHH")
    bonds = (*CHAIN3.bonds, *((42 + o, 42 + o + h) for o in (0, 3) for h in (1, 2)))
    whole, own = whole_physics(Molecule("x", symbols, bonds)), whole_physics(twice(WATER))
    parts = model.parts(near)
    beneath = sum(float(value[0]) for name, value in parts.items() if name.startswith("V_phys"))
    waters = float(own.energy(near[42:]))
    assert abs(waters) > 0.1 and parts["V_phys of the waters alone"][0] == pytest.approx(-waters, abs=1e-9)
    assert beneath == pytest.approx(float(whole.energy(near)) - waters, abs=1e-9)
    x, gradient = near, model.energy_and_gradient(near)[1]
    for atom, coordinate in ((0, 0), (20, 2), (42, 1), (44, 2), (46, 0)):
        step = np.zeros_like(x)
        step[atom, coordinate] = 1e-4
        slope = (float(model.energy(x + step)) - float(model.energy(x - step))) / 2e-4
        assert slope == pytest.approx(gradient[atom, coordinate], abs=2e-6)


def test_labels_of_different_levels_are_told() -> None:
    """Approximations of one level may be added up on purpose, but not without a word."""
    of = {name: "labels CCSD(T)/cc-pVDZ" if name == "ch" else "labels GFN2-xTB" for name in POTENTIALS}
    mixed = {name: replace(p, remarks=(of[name],)) for name, p in POTENTIALS.items()}
    model = nmer.sum_potential("AceAla2Nme", mixed)
    (told,) = (remark for remark in model.remarks if "levels" in remark)
    assert "CCSD(T)/cc-pVDZ (ch)" in told and "GFN2-xTB (ch3" in told
    assert not any("levels" in r for r in nmer.sum_potential("AceAla2Nme", POTENTIALS).remarks)


def test_a_molecule_with_water_in_it_is_refused() -> None:
    with pytest.raises(nmer.InputError, match="has water molecules in it; allowed: the molecule without them"):
        nmer.sum_potential("CC.O", POTENTIALS)
