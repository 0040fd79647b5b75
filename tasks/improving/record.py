"""The record of a turn: a version with its figures, its decision, what it was made from, and the judged frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from potentials.arrays import Floats
from recipes.load import toml_text
from storage.attributes import of_version
from storage.canonical import digest
from storage.store import Store
from storage.turns import KIND
from storage.version import Column, Version, package_versions
from tasks.checks.interface import plain
from tasks.improving.settings import ImproveSettings

TURN_FORMAT = 1
"""Increase it when the same potentials and settings give another turn."""

_JUDGED = "cut from replicas that are set apart, or frames of the pool that are set apart"


@dataclass(frozen=True)
class Turn:
    """A turn that is in the store.

    Attributes
    ----------
    version
        The version.
    facts
        Its figures.
    """

    version: Version
    facts: Mapping[str, Any]

    @property
    def number(self) -> int:
        """Its number, from 1, among those of the same family or n-mer in the store."""
        return int(self.facts["turn"])

    @property
    def kept(self) -> bool:
        """Whether it was kept."""
        return bool(self.facts["kept"])

    @property
    def accepted(self) -> list[str]:
        """References of the potentials that replaced others; empty if it was not kept."""
        rows = self.facts["nmers"] if self.kept else ()
        return [str(row["trial"]) for row in rows if row["accepted"]]

    @property
    def core_hours(self) -> float:
        """What it took: labels, fits, and simulations."""
        return float(sum(self.facts["seconds"].values())) / 3600.0


def decided_by(
    name: str,
    number: int,
    settings: ImproveSettings,
    potentials: Mapping[str, str],
    molecules: Sequence[str],
    first: str,
) -> dict[str, Any]:
    """Return what decides a turn: it is in its facts, and its digest is the key.

    Parameters
    ----------
    name, number
        Of the family or the n-mer, and of the turn.
    settings
        Its settings.
    potentials
        Keys of all potentials before, by n-mer.
    molecules
        What is simulated.
    first
        Key of the first turn, whose judged frames are fixed; empty for the first.
    """
    return {
        "format": TURN_FORMAT,
        "name": name,
        "turn": number,
        "settings": plain(settings.content()),
        "potentials": dict(potentials),
        "molecules": list(molecules),
        "first": first,
    }


@dataclass(frozen=True, eq=False)
class JudgedFrames:
    """The geometries of one n-mer that judge a turn, with their labels.

    Attributes
    ----------
    positions
        (geometries, atoms, 3), Angstrom.
    label
        (geometries,), kcal/mol; nan without a label.
    before, after
        (geometries,), the n-body energies of the potential before and of the trial, kcal/mol.
    """

    positions: Floats
    label: Floats
    before: Floats
    after: Floats


def write_turn(
    store: Store,
    decided: Mapping[str, Any],
    facts: Mapping[str, Any],
    judged: Mapping[str, JudgedFrames],
    inputs: Sequence[Version],
) -> Turn:
    """Write a turn, or return the one that has this key already; the caller holds the store's writer lock.

    Parameters
    ----------
    store
        The store.
    decided
        As `decided_by` returns it.
    facts
        Its figures; see `tasks.improving.turn`.
    judged
        The fresh judged frames of each n-mer.
    inputs
        The simulations, the selections and datasets, and the potentials before and after.
    """
    columns: dict[str, Column] = {}
    for nmer, one in judged.items():
        end = nmer.replace("-", "_")
        columns |= {
            f"positions_{end}": Column(one.positions, "Angstrom", f"judged geometries of {nmer}", _JUDGED),
            f"label_{end}": Column(
                one.label, "kcal/mol", f"n-body energy of {nmer} by the label method", "ledger"
            ),
            f"before_{end}": Column(one.before, "kcal/mol", f"by the potential of {nmer} before", "the potential"),
            f"after_{end}": Column(one.after, "kcal/mol", f"by the trial of {nmer}", "the trial"),
        }
    version = store.add(
        KIND,
        str(decided["name"]),
        digest(dict(decided)),
        columns=columns,
        recipe=toml_text({"molecules": decided["molecules"], "improve": decided["settings"]}),
        inputs=list(inputs),
        engines=package_versions("nmer", "numpy", "scikit-learn"),
        facts=plain(facts) | {"decided_by": dict(decided), "turn": decided["turn"], "papers": []},
    )
    return Turn(version, version.attributes()["facts"])


def read_turns(store: Store, name: str) -> list[Turn]:
    """Return the turns of a family or an n-mer, the first one first."""
    found = [Turn(version, version.attributes()["facts"]) for version in store.versions(KIND, name)]
    return sorted(found, key=lambda one: one.number)


@of_version
def read_judged(version: Version, nmer: str) -> JudgedFrames | None:
    """Return the judged frames of an n-mer that a turn keeps; None if it has none of it."""
    end = nmer.replace("-", "_")
    if not version.has_column(f"positions_{end}"):
        return None
    return JudgedFrames(
        *(np.asarray(version.column(f"{name}_{end}")) for name in ("positions", "label", "before", "after"))
    )
