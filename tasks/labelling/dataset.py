"""Freeze the usable labels of a selection into a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from potentials.errors import StageError
from potentials.units import HARTREE
from recipes.schema.recipe import Recipe
from storage.keys import dataset_key
from storage.records import TEST, TRAIN, Dataset, Selection
from tasks.labelling.collect import LabelTable


def freeze(selection: Selection, table: LabelTable, reference: float = 0.0, title: str = "") -> Dataset:
    """Return the dataset of the configurations whose label is usable.

    Failed labels are left out, and flagged ones unless the recipe keeps them.

    Parameters
    ----------
    selection
        The configurations.
    table
        Their labels, in the same order.
    reference
        Zero of the energies, hartree; see `tasks.labelling.reference`.
    title
        Level of theory of the labels, for messages; empty for a recipe without levels.

    Raises
    ------
    StageError
        If the training or the test set would be empty.
    """
    kept = np.flatnonzero(table.usable)
    split = selection.split[kept]
    if not (split == TRAIN).any() or not (split == TEST).any():
        reasons = Counter(reason for reason in table.reason if reason)
        most = f" The most common reason: {reasons.most_common(1)[0][0]}." if reasons else ""
        raise StageError(
            f"labelling: {len(kept)} of {len(table)} labels{f' of {title}' if title else ''} are usable, "
            f"too few for a training and a test set.{most}"
        )
    return Dataset(
        positions=selection.positions[kept],
        split=split,
        energy=table.energy[kept] - HARTREE * reference,
        sub_energies=table.energies[kept],
        sub_names=table.part_names,
        **{name: getattr(table, name)[kept] for name in ("t1", "t2", "d1", "cpu_seconds")},
        ids=tuple(table.ids[i] for i in kept),
        gradient=None if table.gradient is None else table.gradient[kept],
    )


def key_of(
    recipe: Recipe,
    table: LabelTable,
    protocol: str,
    selection: str,
    relative: bool,
    level: int = 0,
    below: Sequence[str] = (),
) -> str:
    """Return the key of the dataset that `freeze` would return, which follows from the usable labels.

    Parameters
    ----------
    recipe
        The recipe.
    table
        The labels of its selection.
    protocol
        Id of the protocol.
    selection
        Key of the selection.
    relative
        Whether energies are relative to minima.
    level
        Which of the recipe's levels they belong to, from 0; 0 for a recipe without levels.
    below
        Keys of the datasets of the levels before it.
    """
    names = [f"{table.ids[i]}:{protocol}" for i in np.flatnonzero(table.usable).tolist()]
    if relative:
        names.append("counted from the minima")
    return dataset_key(recipe, names, selection, level if recipe.levels else None, below)
