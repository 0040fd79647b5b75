"""What picks by uncertainty are worth, on real labels: ch3-water, its own pool, and GFN2-xTB."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from potentials.arrays import Floats, Ints
from potentials.nmers.nmer import NMer
from potentials.physics.nbody import PhysicsOfNMer
from potentials.pip.potential import Potential
from recipes.load import recipe_of_text
from recipes.schema.recipe import Fitting, SelectionSettings
from storage.contents import pool_from_version
from storage.records import TRAIN, Pool
from storage.store import Store
from tasks.fitting.baseline import physics_of_dataset
from tasks.fitting.fit import fit_potential
from tasks.labelling.execution.runner import Limits
from tasks.labelling.here import label_here
from tasks.labelling.protocol import protocol_of
from tasks.plan import resolve
from tasks.selection.choose import select
from tasks.selection.uncertain_pool import add_uncertain

FIRST, MORE, TESTED = 300, 450, 2000
"""Training configurations before and after, and other frames of the pool on which errors are measured."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """A pool with the label of every frame, and how potentials are fitted to it."""

    nmer: NMer
    pool: Pool
    energy: Floats
    selection: SelectionSettings
    fitting: Fitting
    physics: PhysicsOfNMer

    @classmethod
    def of(cls, store: Store, folder: Path) -> Labelled:
        """Label the pool of a store's ch3-water, into a ledger in a folder."""
        version = store.resolve("ch3-water@1")
        recipe = recipe_of_text(version.attributes()["recipe"])
        nmer, pool = recipe.build_nmer(), pool_from_version(store.resolve("pool:ch3-water@1"))
        limits = Limits(recipe.resources.label_timeout, recipe.resources.label_memory)
        table = label_here(
            protocol_of(nmer, recipe.labelling), pool.positions, limits, folder / "labels", folder / "scratch"
        )
        physics = physics_of_dataset(resolve(recipe, store), store, store.resolve("dataset:ch3-water@1"))
        assert isinstance(physics, PhysicsOfNMer) and np.isfinite(table.energy).all()
        changes = {"degree": 3, "max_terms": 300, "starts": 3, "max_iterations": 60}
        fitting = recipe.fitting.model_copy(update=changes)
        selection = recipe.selection.model_copy(update={"test": 30, "tails": 0.0})
        return cls(nmer, pool, np.asarray(table.energy), selection, fitting, physics)

    def fit(self, rows: Ints) -> Potential:
        """Return a potential of 300 terms, chosen anew, of some frames."""
        positions, energy = self.pool.positions[rows], self.energy[rows]
        return fit_potential(self.nmer, positions, energy, self.fitting, baseline=self.physics).potential

    def errors(self, seed: int) -> dict[str, tuple[float, float]]:
        """Return the RMS and the largest error on other frames (kcal/mol) of fits to what each method chose."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self.energy))
        test, mine = order[:TESTED], np.sort(order[TESTED:])
        parts = {f.name: getattr(self.pool, f.name) for f in fields(Pool)}
        pool = Pool(**{k: v[mine] if isinstance(v, np.ndarray) else v for k, v in parts.items()})
        base = self.selection.model_copy(update={"seed": seed, "train": FIRST})
        more = base.model_copy(update={"train": MORE})
        first = select(self.nmer, pool, base).selection
        kept = mine[first.frame[first.split == TRAIN]]
        before = self.fit(kept)
        clusters, added = (
            select(self.nmer, pool, more).selection,
            add_uncertain(pool, more, before, first).selection,
        )
        chosen = {
            "K-means": mine[clusters.frame[clusters.split == TRAIN]],
            "random": np.concatenate([kept, rng.choice(np.setdiff1d(mine, kept), MORE - FIRST, replace=False)]),
            "uncertainty": mine[added.frame[added.split == TRAIN]],
        }
        potentials = {"none": before} | {name: self.fit(rows) for name, rows in chosen.items()}
        found = {}
        for name, one in potentials.items():
            error = np.asarray(one.energy(self.pool.positions[test])) - self.energy[test]
            found[name] = (float(np.sqrt(np.mean(error**2))), float(np.abs(error).max()))
        return found


def labelled(folder: Path, nmer_command: Callable[..., CompletedProcess[str]]) -> Labelled:
    """Sample the pool as the smoke preset does, and label all of it."""
    words = ("--preset", "smoke", "--protocol", "gfn2-xtb", "--until", "fitting", "--store", str(folder / "store"))
    done = nmer_command("run", "ch3-water", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return Labelled.of(Store(folder / "store"), folder)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_labels_of_uncertain_frames_are_worth_more_than_those_of_a_spread(
    tmp_path: Path, nmer_command: Callable[..., CompletedProcess[str]]
) -> None:
    errors = labelled(tmp_path, nmer_command).errors(1)
    assert errors["uncertainty"][0] < 0.85 * min(errors["K-means"][0], errors["random"][0])
    assert errors["uncertainty"][1] < min(errors["K-means"][1], errors["random"][1])
