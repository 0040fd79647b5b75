"""The plan of a run: what a recipe means here, resolved once and read by every stage."""

from __future__ import annotations

from dataclasses import dataclass

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Recipe
from recipes.stages import STAGE
from storage.keys import pool_key, selection_key_of
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
    """

    recipe: Recipe
    nmer: NMer
    pool: str
    selection: str
    protocol: Protocol | None
    references: tuple[tuple[NMer, int], ...]
    terms: int

    def labels(self) -> Protocol:
        """Return the protocol.

        Raises
        ------
        InputError
            If the engine is not installed.
        """
        return self.protocol or protocol_of(self.nmer, self.recipe.labelling)

    def total(self, stage: str) -> int:
        """Return how many frames, configurations, labels, ... a stage makes in all."""
        labels = self.recipe.selection.train + self.recipe.selection.test
        counts = {"frames": self.recipe.sampling.frames, "terms": self.terms}
        return counts.get(STAGE[stage].unit, labels)


def resolve(recipe: Recipe) -> Plan:
    """Return the plan of a recipe.

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
    terms = recipe.fitting.build_basis(nmer).n_terms
    return Plan(
        recipe=recipe,
        nmer=nmer,
        pool=pool,
        selection=selection_key_of(recipe, pool),
        protocol=protocol,
        references=reference_molecules(nmer, recipe.labelling),
        terms=min(terms, recipe.fitting.max_terms or terms),
    )
