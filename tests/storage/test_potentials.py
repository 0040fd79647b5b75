"""Potentials there and back, those of older layouts among them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from potentials.nmers.switching import Switching
from potentials.pip.basis import Basis, BasisOptions
from potentials.pip.potential import Potential
from potentials.pip.ranges import training_ranges
from potentials.pip.sites import LonePairs
from potentials.pip.variables import Forms
from recipes.load import load_recipe
from storage.contents import potential_columns, potential_facts, potential_from_version
from storage.version import write_version

RECIPE = load_recipe("ch3-water")
NMER = RECIPE.build_nmer()
PLAIN = Potential(
    NMER, 2, "intermolecular", np.linspace(0.5, 1.6, 12), np.arange(82.0), Switching((0, 5), 4.0, 6.0)
)
OPTIONS = BasisOptions(
    rules=("connected", "A-C intra <= 1"),
    forms=Forms("exp0", "coul"),
    lone_pairs=(LonePairs((5, 6, 7), -0.2, 0.3),),
)


def read_back(path: Path, potential: Potential, first_layout: bool = False) -> Potential:
    """Write and read a potential; the first layout knew neither options nor the arrays that came with them."""
    facts, columns = potential_facts(potential, RECIPE.nmer), potential_columns(potential)
    if first_layout:
        facts = {name: facts[name] for name in ("nmer", "degree", "filter", "number_of_terms", "switching")}
        columns = {name: columns[name] for name in ("k", "k_names", "coefficients", "terms")}
    version = write_version(
        path, "potential", "x", 1, "key", columns=columns, recipe="", inputs=[], engines={}, facts=facts
    )
    return potential_from_version(version, "candidate")


def test_one_of_the_first_layout_is_what_it_was(tmp_path: Path) -> None:
    found = read_back(tmp_path / "1.h5", PLAIN, first_layout=True)
    assert found.options == BasisOptions() and found.selected is None and found.ensemble is None
    assert found.ranges is None
    assert found.energy(NMER.positions) == PLAIN.energy(NMER.positions) != 0.0


def test_every_choice_comes_back(tmp_path: Path) -> None:
    whole = Basis.build(NMER, 2, "intermolecular", OPTIONS)
    rng = np.random.default_rng(1)
    potential = Potential(
        NMER,
        2,
        "intermolecular",
        rng.uniform(0.5, 1.5, len(whole.pair_names)),
        rng.normal(size=20),
        selected=tuple(range(5, 65, 3)),
        options=OPTIONS,
        d=rng.uniform(1.0, 2.0, len(whole.variables.shifted)),
        ranges=training_ranges(NMER, None, NMER.positions + rng.normal(scale=0.1, size=(20, NMER.natoms, 3))),
    )
    found = read_back(tmp_path / "1.h5", potential)
    assert (found.options, found.selected) == (OPTIONS, potential.selected)
    np.testing.assert_array_equal(found.d, potential.d)
    np.testing.assert_array_equal(found.ranges, potential.ranges)
    np.testing.assert_array_equal(found.energy_and_gradient(NMER.positions)[1],
                                  potential.energy_and_gradient(NMER.positions)[1])  # fmt: skip
    assert found.energy(NMER.positions) != replace(found, d=found.d + 0.1).energy(NMER.positions)
