"""The plan of a run: what a recipe means here, resolved once and read by every stage."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.engines import ENGINES
from recipes.physics.levels import beneath
from recipes.schema.recipe import Recipe
from recipes.stages import STAGE
from storage.keys import pool_key, selection_key_of
from storage.physics import find_physics
from storage.store import Store
from tasks.labelling.protocol import Protocol, protocol_of
from tasks.labelling.reference import reference_molecules


@dataclass(frozen=True)
class Plan:
    """A recipe with all that is decided before anything runs.

    Attributes
    ----------
    recipe
        The recipe.
    nmer
        Its n-mer.
    pool, selection
        Keys of the pool and of the selection. The later keys follow from the labels.
    protocol
        How configurations are labelled; None where the engine is not installed.
    references
        Molecules whose minima the energies are relative to, each with its factor.
    terms
        Number of terms of the potential.
    physics
        Digest of the parameters of V_phys that are the baseline of the fit; empty where there are none, or they
        were not known when the plan was made.
    """

    recipe: Recipe
    nmer: NMer
    pool: str
    selection: str
    protocol: Protocol | None
    references: tuple[tuple[NMer, int], ...]
    terms: int
    physics: str = ""

    def labels(self) -> Protocol:
        """Return the protocol.

        Raises
        ------
        InputError
            If the engine is not installed.
        """
        return self.protocol or protocol_of(self.nmer, self.recipe.labelling)

    def baseline(self, store: Store) -> str:
        """Return the digest of the parameters of V_phys that are the baseline of the fit; empty if it has none.

        Raises
        ------
        InputError
            If neither the store nor nmer has them, or they are of another level than the labels.
        """
        name = self.recipe.fitting.baseline
        return "" if name is None else self.physics or _baseline(self.recipe, store)

    def total(self, stage: str) -> int:
        """Return how many frames, configurations, labels, ... a stage makes in all."""
        labels = self.recipe.selection.train + self.recipe.selection.test
        counts = {"frames": self.recipe.sampling.frames, "terms": self.terms}
        return counts.get(STAGE[stage].unit, labels)


def resolve(recipe: Recipe, store: Store | None = None) -> Plan:
    """Return the plan of a recipe.

    Parameters
    ----------
    recipe
        The recipe.
    store
        The store, if there is one: it may have the parameters of V_phys that the recipe names.

    Raises
    ------
    InputError
        If a covalent n-mer cannot be fragmented.
    """
    nmer, pool = recipe.build_nmer(), pool_key(recipe)
    try:
        protocol = protocol_of(nmer, recipe.labelling)
    except InputError:
        protocol = None
    physics = ""
    if recipe.fitting.baseline is not None:
        with suppress(InputError):  # the run may make them; `Plan.baseline` says what is missing
            physics = _baseline(recipe, store)
    terms = recipe.fitting.build_basis(nmer).n_terms
    return Plan(
        recipe=recipe,
        nmer=nmer,
        pool=pool,
        selection=selection_key_of(recipe, pool),
        protocol=protocol,
        references=reference_molecules(nmer, recipe.labelling),
        terms=min(terms, recipe.fitting.max_terms or terms),
        physics=physics,
    )


def _baseline(recipe: Recipe, store: Store | None) -> str:
    """Return the digest of the parameters of a recipe's baseline; raises InputError as `Plan.baseline` does."""
    name, engine = str(recipe.fitting.baseline), recipe.labelling.engine
    derived, _ = find_physics(store, name)
    rehearsal = {one.physics_level for one in ENGINES if one.physics_level}
    wanted = ENGINES.get(engine).physics_level
    if (derived.level if derived.level in rehearsal else "") != wanted:
        raise InputError(
            f"fitting.baseline '{name}' has the level {derived.level}, and labels of engine '{engine}' need "
            f"{wanted or 'that of densities'}; allowed: parameters of that level, such as a version of "
            f"{beneath(name.partition('@')[0], engine)}"
        )
    return derived.parameters.digest
