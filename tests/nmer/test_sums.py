"""nmer.sum_potential: a chain from the potentials of its n-mers."""

from __future__ import annotations

import re

import numpy as np
import pytest

import nmer
from potentials.nmers.nmer import NMer
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from recipes.chemistry.fragmentation import fragment_molecule
from recipes.chemistry.molecules import read_molecule
from recipes.load import load_recipe
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
