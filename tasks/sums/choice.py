"""Which potentials a sum is made of: those that are given, or the newest of the store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.pip.potential import Potential
from potentials.systems.placement import Placement
from recipes.families import FAMILIES
from recipes.families import family as members_of
from storage.quality import LABELS
from storage.store import Store
from tasks.sums.loading import load


def choose(
    needed: Sequence[str],
    allowed: Sequence[str],
    potentials: Mapping[str, Potential | str] | None,
    *,
    family: str | None,
    further: Sequence[str],
    store: str | Path | None,
    newest: bool,
) -> dict[str, Potential]:
    """Return the potentials of the n-mers that occur, as far as they are there.

    Parameters
    ----------
    needed, allowed
        Names of the n-mers that must have a potential, and of those that may have one.
    potentials, family, store, newest
        As `nmer.sum_potential` takes them.
    further
        Endings of the family's name, and names, of families whose members are allowed too: ``-water``, ``water``.

    Raises
    ------
    InputError
        If an n-mer is not in the family, or the store lacks a potential that is needed.
    """
    given: dict[str, Potential | str] = dict(potentials or {})
    occurring = {*needed, *allowed}
    if family is not None:
        names = [f"{family}{end}" if end.startswith("-") else end for end in further]
        members = {*members_of(family), *(m for name in names if name in FAMILIES for m in members_of(name))}
        if strange := [name for name in needed if name not in members]:
            raise InputError(f"n-mers {', '.join(strange)} of the molecule are not in the family '{family}'")
        allowed = [name for name in allowed if name in members]
    if potentials is None or family is not None or newest:
        missing, others = ([name for name in names if name not in given] for names in (needed, allowed))
        given |= _newest(missing, others, store)
    return {name: load(p, store) if isinstance(p, str) else p for name, p in given.items() if name in occurring}


def _newest(needed: Sequence[str], allowed: Sequence[str], store: str | Path | None) -> dict[str, str]:
    """Return references to the newest potentials of a store, of those that are needed and those that are there."""
    opened = Store(store)
    there = {version.nmer: version.ref for version in opened.current()}  # the newest last
    if missing := [name for name in needed if name not in there]:
        raise InputError(f"the store at '{opened.path}' has no potentials of {', '.join(missing)}")
    return {name: there[name] for name in (*needed, *allowed) if name in there}


def check_there(needed: Sequence[str], ready: Collection[str]) -> None:
    """Raise InputError that names every n-mer whose potential is missing."""
    if missing := [name for name in needed if name not in ready]:
        have = ", ".join(ready) or "none"
        raise InputError(f"potentials are missing for the n-mers {', '.join(missing)}; given are: {have}")


def check_caps(place: Placement, nmer: NMer) -> None:
    """Raise InputError unless an n-mer has its caps where bonds are cut, or says nothing of caps.

    CH3- and -CH- have the same elements in the same order, and other caps; n-mers of files have none.
    """
    cut = {n: place.atoms.index(anchor) for n, anchor in enumerate(place.anchors) if anchor >= 0}
    caps = {cap: anchor for cap, anchor, _ in nmer.caps}
    if len(nmer.symbols) == len(place.atoms) and caps and caps != cut:
        given, wanted = (", ".join(map(str, sorted(each))) or "none" for each in (caps, cut))
        raise InputError(
            f"the potential of n-mer {place.nmer} has caps in place of its atoms {given}; the molecule has cut "
            f"bonds at {wanted}"
        )


def levels(potentials: Mapping[str, Potential]) -> list[str]:
    """Return a remark if the labels of the potentials, where that is known, are of different levels."""
    of: dict[str, list[str]] = {}
    for name, potential in potentials.items():
        for remark in potential.remarks:
            if remark.startswith(LABELS):
                of.setdefault(remark.removeprefix(LABELS), []).append(name)
    listed = "; ".join(f"{level} ({', '.join(names)})" for level, names in of.items())
    return [f"labels of different levels: {listed}"] if len(of) > 1 else []


def without_potential(counts: Mapping[str, int], physics: bool) -> list[str]:
    """Return a remark on pairs that are not bonded and have no potential, by their numbers."""
    if not counts:
        return []
    beneath = "V_phys alone" if physics else "nothing"
    listed = ", ".join(f"{name} {count}" for name, count in counts.items())
    return [f"pairs that are not bonded and have {beneath}: {listed}"]
