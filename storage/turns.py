"""Turns of improvement as versions of the store: the configurations that a turn adds, and its record.

A turn adds configurations, cut from simulations with the present potentials, to the selection that these were
fitted to: the new selection has that one and the pool among its inputs, and a column ``turn`` with the number of
the turn that each configuration came with, 0 for those of the recipe. What was fitted to it is a **trial**: a
potential without a verdict, which nothing takes for the newest until it is kept and judged by its gates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from potentials.arrays import Floats, Ints
from storage.canonical import digest
from storage.foreign import Entry
from storage.version import Version

KIND = "turn"

PICKS_FORMAT = 1
"""Increase it when the same configurations and the same selection before make another selection."""


def picks_key(before: str, picked: Sequence[str]) -> str:
    """Return the key of a selection that a turn has made.

    Parameters
    ----------
    before
        Key of the selection to which configurations were added.
    picked
        Configuration ids of those that were added, in their order.
    """
    return digest({"stage": "selection", "picks": PICKS_FORMAT, "before": before, "picked": list(picked)})


def refit_key(fitting: Mapping[str, Any], dataset: str, before: str, number: int) -> str:
    """Return the key of a potential whose coefficients alone were fitted again.

    Parameters
    ----------
    fitting
        Content of the recipe's fitting section.
    dataset, before
        Keys of the dataset, and of the potential whose terms and non-linear parameters it has.
    number
        Number of the format of such fits.
    """
    return digest({"stage": "fitting", "refit": number, "settings": dict(fitting), "inputs": [dataset, before]})


def is_of_turn(selection: Version) -> bool:
    """Return whether a turn has made a selection."""
    return selection.has_column("turn")


def turn_of(selection: Version) -> Ints:
    """Return the number of the turn that each configuration of a selection came with; 0: the recipe's own."""
    if is_of_turn(selection):
        return np.asarray(selection.column("turn"), dtype=np.int64)
    return np.zeros(selection.length("split"), dtype=np.int64)


def temperatures_of(selection: Version) -> Floats | None:
    """Return the temperature (K) of the configurations that are no frames of the pool; None without such."""
    return np.asarray(selection.column("temperature")) if selection.has_column("temperature") else None


def trials(entries: Callable[[str], Sequence[Entry]]) -> set[str]:
    """Return the keys of the potentials that are trials: fitted to configurations of a turn, without a verdict.

    Parameters
    ----------
    entries
        Returns the versions of a kind with what they were made from; no file is opened.
    """

    def made_from(kind: str, below: str, keys: set[str]) -> set[str]:
        return {
            entry.version.key
            for entry in entries(kind)
            if any(i["kind"] == below and i["key"] in keys for i in entry.inputs)
        }

    selections = {e.version.key for e in entries("selection") if any(i["kind"] == "selection" for i in e.inputs)}
    if not selections:
        return set()
    fitted = made_from("potential", "dataset", made_from("dataset", "selection", selections))
    judged = {i["key"] for entry in entries("validation") for i in entry.inputs if i["kind"] == "potential"}
    return fitted - judged
