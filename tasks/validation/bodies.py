"""The sub-n-mers of an n-mer: their potentials in the store, or what stands in for them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.evaluation import Contribution
from potentials.nmers.nmer import NMer
from potentials.pip.potential import Potential
from potentials.water.model import water_model
from potentials.water.qtip4pf import QTip4pF
from recipes.schema.labelling import Labelling
from storage.contents import nmer_model, potential_from_version
from storage.records import Dataset
from storage.store import Store
from storage.version import Version
from tasks.strata import stratified
from tasks.validation.reach import Effort, thermal
from tasks.validation.whole import Body, Whole, bodies_of
from tasks.validation.xtb_bodies import XtbBodies
from tasks.xtb import METHOD, lacks_tblite

WATER = ("O", "H", "H")

LITTLE = Effort(walkers=4, steps=150, pairs=6, stages=16, relaxations=3, configurations=40)
"""How long is searched where GFN2-xTB, thousands of times slower than a potential, stands in for sub-n-mers."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The whole capped n-mer of a potential, as far as it is known.

    Attributes
    ----------
    whole
        Its energy; None if energies of sub-n-mers are not known.
    lowest
        The lowest energy that there is, kcal/mol; see `lowest_energy`.
    refs
        What the energy of each sub-n-mer is from: a reference to a version, or the name of a method.
    keys
        What identifies these, for the key of a verdict.
    note
        A sentence on what was put in place of potentials, or is missing; empty if nothing is.
    effort
        How long holes are searched for; None: the usual effort.
    """

    whole: Whole | None = None
    lowest: float = 0.0
    refs: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    note: str = ""
    effort: Effort | None = None


@dataclass(frozen=True)
class _Described:
    """What decides whether a potential belongs to a whole: n-mer, V_phys, level of the labels, and its zero."""

    nmer: NMer
    physics: str
    level: str
    from_minimum: bool
    created: str

    @property
    def is_onemer(self) -> bool:
        return len(self.nmer.fragments) == 1 and len(self.nmer.fragments[0].parts) < 2


@lru_cache(maxsize=10_000)
def _described(path: Path, key: str, version: Version) -> _Described | None:
    try:
        attributes = version.attributes()
        facts = attributes["facts"]
        labelling = Labelling.model_validate(Labelling.completed(tomllib.loads(attributes["recipe"])["labelling"]))
        nmer = nmer_model(attributes).build(version.nmer)
    except (InputError, KeyError, ValueError, ValidationError):
        return None  # from files, whose level is not known, or damaged
    physics = str((facts.get("physics") or {}).get("digest", ""))
    return _Described(nmer, physics, labelling.level, labelling.reference == "optimized", attributes["created"])


@dataclass(frozen=True)
class Found:
    """What each sub-n-mer of a potential's n-mer is in the store.

    Attributes
    ----------
    bodies
        The sub-n-mers with the newest version of each that was fitted over the same V_phys to labels of the same
        level; None: there is none.
    """

    bodies: tuple[tuple[Body, Version | None], ...]

    @property
    def missing(self) -> tuple[Body, ...]:
        """Those without a potential."""
        return tuple(body for body, version in self.bodies if version is None)

    @property
    def keys(self) -> tuple[str, ...]:
        """What identifies the energies of the sub-n-mers, in ascending order: for the key of a verdict."""
        found = {version.key for _, version in self.bodies if version is not None}
        return (*sorted(found), *sorted({_in_place_of(body) for body in self.missing}))


def _in_place_of(body: Body) -> str:
    """Return what stands in for the potential of a sub-n-mer."""
    if len(body.fragments) == 1 and body.fragments[0].symbols == WATER and not body.fragments[0].caps:
        return QTip4pF.share
    return "nothing" if lacks_tblite() else METHOD


def find_bodies(store: Store, version: Version) -> Found:
    """Return the newest potentials of a store for the sub-n-mers of a potential's n-mer.

    They are recognized by their atoms, bonds and caps; names do not matter. Those of 1-mers, where V_phys is zero,
    may have been fitted over any V_phys.
    """
    own = _described(version.path, version.key, version)
    if own is None:
        nmer = nmer_model(version.attributes()).build(version.nmer)
        return Found(tuple((body, None) for body in bodies_of(nmer)))
    known = []
    for other in store.current():
        described = _described(other.path, other.key, other)
        if described is not None and described.level == own.level:
            known.append((described.created, other.number, described, other))
    known.sort(key=lambda one: one[:2])

    def newest(body: Body) -> Version | None:
        for _, _, described, other in reversed(known):
            belongs = described.is_onemer or described.physics == own.physics
            if belongs and body.in_order_of(described.nmer) is not None:
                return other
        return None

    return Found(tuple((body, newest(body)) for body in bodies_of(own.nmer)))


def surroundings(
    store: Store, version: Version, potential: Potential, dataset: Dataset, coldest: float = 300.0
) -> Surroundings:
    """Return the whole capped n-mer of a potential.

    Potentials of sub-n-mers are the newest of the store. In place of a water's, the intramolecular energy of
    q-TIP4P/F is taken; in place of others GFN2-xTB's energies where tblite is installed.

    Parameters
    ----------
    store
        The store.
    version, potential
        The potential and its version.
    dataset
        What it was fitted to.
    coldest
        Lowest temperature of the sampling, K.
    """
    found = find_bodies(store, version)
    read = {v.key: potential_from_version(v, "candidate") for _, v in found.bodies if v is not None}
    refs = {v.nmer: v.ref for _, v in found.bodies if v is not None}
    bodies = tuple((body, read[v.key]) for body, v in found.bodies if v is not None)
    waters = [body for body in found.missing if _in_place_of(body) == QTip4pF.share]
    others = [body for body in found.missing if _in_place_of(body) != QTip4pF.share]
    notes, instead = [], list[Contribution]()
    if waters:
        refs["water"] = QTip4pF.share
        notes.append(
            f"the energy of a single water is that of {QTip4pF.share}, as the store has no potential of it"
        )
        instead += [water_model(QTip4pF.share, np.array([b.atoms]), potential.nmer.natoms) for b in waters]
    if others and lacks_tblite():
        names = ", ".join(dict.fromkeys(body.title for body in others))
        said = (
            f"the store has no potentials of {names} that were fitted like this one, and tblite, which could "
            "stand in for them, is not installed"
        )
        return Surroundings(None, 0.0, refs, found.keys, said)
    if others:
        names = ", ".join(dict.fromkeys(body.title for body in others))
        refs |= {body.title: METHOD for body in others}
        notes.append(f"the store has no potentials of {names} that were fitted like this one: {METHOD} stands in")
        instead.append(XtbBodies(potential.nmer, others, dataset.positions))
    whole = Whole(potential, bodies, tuple(instead))
    described = [_described(v.path, v.key, v) for v in (version, *(v for _, v in found.bodies if v is not None))]
    from_minima = all(one is not None and one.from_minimum for one in described)
    some = dataset if not others else dataset.rows(stratified(dataset.energy, None, LITTLE.configurations, 0))
    lowest = lowest_energy(whole, some, from_minima, coldest)
    return Surroundings(whole, lowest, refs, found.keys, "; ".join(notes), LITTLE if others else None)


def lowest_energy(whole: Whole, dataset: Dataset, from_minima: bool, coldest: float) -> float:
    """Return the lowest energy of a whole n-mer that its labels know of, kcal/mol.

    It is the lowest of the labels' total energies, and the lowest that follows from them: a covalent n-mer's
    energies are relative to its own minimum, 0; several molecules at their minima have the lowest interaction
    energy of a label. Where energies are not relative to minima, the minimum is below the lowest label by the mean
    thermal energy of the coldest sampling, at most.

    Parameters
    ----------
    whole
        The n-mer.
    dataset
        The labels.
    from_minima
        Whether the energies of the n-mer and its sub-n-mers are relative to minima.
    coldest
        Lowest temperature of the sampling, K.
    """
    labelled = total_labels(whole, dataset)
    if not from_minima:
        return float(labelled.min()) - thermal(whole.nmer, coldest)[0]
    if len(whole.nmer.fragments) == 1:
        return min(0.0, float(labelled.min()))
    lower = (*(b for b, _ in whole.bodies if len(b.fragments) > 1),)
    interaction = dataset.energy.copy()
    for body, potential in whole.bodies:
        if body in lower:
            interaction += whole.body_energy(body, potential, dataset.positions)
    return float(min(labelled.min(), interaction.min()))


def total_labels(whole: Whole, dataset: Dataset) -> Floats:
    """Return the energy of the whole n-mer at each label: the label's n-body energy, and all lower ones."""
    fitted = np.asarray(whole.potential.energy(dataset.positions))
    return np.asarray(whole.evaluate(dataset.positions).energy - fitted + dataset.energy)
