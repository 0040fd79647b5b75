"""The plan of a run: what a recipe means here, resolved once and read by every stage."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.engines import ENGINES
from recipes.physics.levels import beneath
from recipes.schema.labelling import Labelling
from recipes.schema.recipe import Recipe
from recipes.stages import STAGE
from storage.keys import pool_key, selection_key_of
from storage.physics import find_physics
from storage.store import Store
from tasks.labelling.protocol import Protocol, protocol_of
from tasks.labelling.reference import reference_molecules
from tasks.selection.earlier import earlier, with_key


@dataclass(frozen=True)
class LevelPlan:
    """One level of a recipe with all that is decided before anything runs.

    Attributes
    ----------
    nmer
        The recipe's n-mer.
    labelling
        The settings of its protocol.
    protocol
        How its configurations are labelled; None where the engine is not installed.
    references
        Molecules whose minima by its own protocol the energies are relative to, each with its factor.
    train, test
        How many configurations it labels.
    """

    nmer: NMer
    labelling: Labelling
    protocol: Protocol | None
    references: tuple[tuple[NMer, int], ...]
    train: int
    test: int

    @property
    def title(self) -> str:
        """The usual name of its level of theory."""
        return self.labelling.level

    def labels(self) -> Protocol:
        """Return the protocol.

        Raises
        ------
        InputError
            If the engine is not installed.
        """
        return self.protocol or protocol_of(self.nmer, self.labelling)


@dataclass(frozen=True)
class Plan:
    """A recipe with all that is decided before anything runs.

    Attributes
    ----------
    recipe
        The recipe; the potential of ``selection.potential`` is named by its key.
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
    levels
        The levels, that of the first, cheapest protocol first; one for a recipe without levels. The last is that
        of `protocol` and `references`.
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
    levels: tuple[LevelPlan, ...]
    physics: str = ""

    def labels(self) -> Protocol:
        """Return the protocol, with levels that of the last; raises InputError as `LevelPlan.labels` does."""
        return self.levels[-1].labels()

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
        configurations = self.recipe.selection.train + self.recipe.selection.test
        labels = sum(level.train + level.test for level in self.levels)
        counts = {"frames": self.recipe.sampling.frames, "terms": self.terms, "labels": labels}
        return counts.get(STAGE[stage].unit, configurations)


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
        If a covalent n-mer cannot be fragmented, or the potential that selects configurations is not in the store
        or cannot do so.
    """
    nmer, pool = recipe.build_nmer(), pool_key(recipe)
    if recipe.selection.method == "uncertainty":
        recipe = with_key(recipe, earlier(recipe, pool, store))
    levels = tuple(_level(nmer, labelling, counts) for labelling, counts in _levels(recipe))
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
        protocol=levels[-1].protocol,
        references=levels[-1].references,
        terms=min(terms, recipe.fitting.max_terms or terms),
        levels=levels,
        physics=physics,
    )


def _levels(recipe: Recipe) -> list[tuple[Labelling, tuple[int, int]]]:
    """Return the protocol and the numbers of training and test configurations of each level."""
    if not recipe.levels:
        return [(recipe.labelling, (recipe.selection.train, recipe.selection.test))]
    return [(level.labelling, level.counts) for level in recipe.levels]


def _level(nmer: NMer, labelling: Labelling, counts: tuple[int, int]) -> LevelPlan:
    """Return the plan of a level."""
    try:
        protocol = protocol_of(nmer, labelling)
    except InputError:
        protocol = None
    return LevelPlan(nmer, labelling, protocol, reference_molecules(nmer, labelling), *counts)


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
