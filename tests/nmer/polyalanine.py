"""Potentials of polyalanine's n-mers with coefficients of no meaning, over V_phys, and a store of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from potentials.nmers.switching import Switching
from potentials.physics.parameters import COLUMNS, PhysicsParameters
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from recipes.families import FAMILIES
from recipes.load import expanded_toml, load_recipe
from storage.contents import potential_columns, potential_facts
from storage.store import Store
from tasks.fitting.baseline import physics_of
from tests.tasks.fitting.test_physics_baseline import parameters

PAIR = "conh-conh-pair"
SMALL = 0.2
"""Size of the coefficients, kcal/mol."""


def chain_parameters(**changes: float) -> PhysicsParameters:
    """Return parameters of all types of a polyalanine chain: those of CH3- on a C count for CH3- on -CH- too."""
    base = parameters(**changes)
    rows = [base.types.index(f"ch3@C:{element}") for element in "CH"]
    columns = {name: np.append(getattr(base, name), getattr(base, name)[rows]) for name in COLUMNS}
    return replace(base, types=(*base.types, "ch3@ch:C", "ch3@ch:H"), name="physics:toy@1", **columns)


PARAMETERS = chain_parameters()


@cache
def potential(name: str, beneath: PhysicsParameters | None = PARAMETERS, seed: int = 1) -> Potential:
    """Return a potential of the lowest degree of a shipped recipe's n-mer, with the recipe's switching."""
    recipe = load_recipe(name)
    nmer, switching = recipe.build_nmer(), recipe.fitting.switching
    terms = "all" if switching is None else "intermolecular"
    degree = max(1, len(nmer.fragments) - 1)
    basis, rng = Basis.build(nmer, degree, terms), np.random.default_rng(seed)
    return Potential(
        nmer,
        degree,
        terms,
        np.full(len(basis.pair_names), 0.8),
        SMALL * rng.normal(size=basis.n_terms),
        None if switching is None else Switching(switching.atoms, switching.r_in, switching.r_out),
        physics=None if beneath is None else physics_of(nmer, beneath),
    )


def store_of(
    folder: Path,
    names: Iterable[str] = FAMILIES["polyalanine"],
    beneath: PhysicsParameters | None = PARAMETERS,
    seed: int = 1,
    change: Callable[[Potential], Potential] = lambda model: model,
) -> Store:
    """Add a version of each potential, changed or not, to a store, which is made if it is not there."""
    store = Store(folder, create=True)
    digest = "" if beneath is None else beneath.digest
    with store.writing():
        for name in names:
            recipe, model = load_recipe(name), change(potential(name, beneath, seed))
            store.add(
                "potential",
                name,
                hashlib.sha256(f"{name} {seed} {digest}".encode()).hexdigest(),
                columns=potential_columns(model),
                recipe=expanded_toml(recipe),
                inputs=[],
                engines={"nmer": "0.1.0"},
                facts=potential_facts(model, recipe.nmer) | {"warnings": []},
            )
    return store
