"""Whether a sum is released: all its n-mers are, and every gate of a family passed on exactly its potentials."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from potentials.errors import InputError
from potentials.systems.belonging import physics_of
from potentials.systems.manybody import ManyBodyPotential
from recipes.families import FAMILIES
from storage.canonical import digest
from storage.store import Store
from tasks.checks.interface import Check, checks, plain
from tasks.sums.versions import versions_of

KIND = "check"


@dataclass(frozen=True)
class SumStatus:
    """The verdict on a sum.

    Attributes
    ----------
    status
        ``released`` or ``candidate``.
    why
        Clauses: why it is a candidate, or what released it.
    """

    status: str
    why: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The verdict and its reasons, without a full stop."""
        return f"{self.status}: {'; '.join(self.why)}"


@dataclass(frozen=True, eq=False)
class _Tested:
    """The newest verdict of each gate on one subject."""

    name: str
    keys: frozenset[str]
    about: Mapping[str, Any]
    passed: Mapping[str, bool]
    shortened: Mapping[str, bool]

    def lacking(self, gates: Collection[Check]) -> list[str]:
        """Return why the subject does not release a sum: gates that failed, and those that were not measured."""
        failed = [gate.name for gate in gates if self.passed.get(gate.name) is False]
        absent = [gate.name for gate in gates if gate.name not in self.passed]
        other = [
            f"{name} ({'passed' if self.shortened[name] else 'failed'})"
            for name in absent
            if name in self.shortened
        ]
        absent = [name for name in absent if name not in self.shortened]
        said = {
            f"gates of {self.name} failed": failed,
            f"measured of {self.name} with other options than the default": other,
            f"not measured of {self.name}": absent,
        }
        return [f"{what}: {', '.join(names)}" for what, names in said.items() if names]


def status_of_sum(model: ManyBodyPotential, store: Store | str | Path | None = None) -> SumStatus:
    """Return whether a sum is released.

    It is if all of its n-mers are, and each of its potentials is among those on which every gate passed with its
    default options: for a family on all of its test molecules, or for a system that is the sum's own. Of several
    families, as of a molecule in water, each releases its own potentials.

    Parameters
    ----------
    model
        The sum.
    store
        The store of its potentials, or its folder; by default as for `nmer.load`.
    """
    advice = f"see nmer check {_family_of(model.potentials)}"
    waiting = [name for name, one in model.potentials.items() if getattr(one, "status", "") != "released"]
    if waiting:
        return SumStatus("candidate", (f"not released are the n-mers {', '.join(waiting)}", advice))
    try:
        opened = store if isinstance(store, Store) else Store(store)
        keys = {version.key for version in versions_of(model.potentials, opened).values()}
        found = list(_tested(opened, keys))
    except InputError as error:
        return SumStatus("candidate", (f"its gates are not known: {error}",))
    own = fingerprint(model)
    gates = [check for check in checks() if check.gate] if found else []
    counting = [one for one in found if one.about.get("whole") or own in one.about.get("sums", ())]
    complete = [one for one in counting if gates and not one.lacking(gates)]
    others = {name for one in complete for tested in one.about["sums"] for name in tested["others"]}
    if keys <= {key for one in complete for key in one.keys} and set(own["others"]) <= others:
        names = dict.fromkeys(one.name for one in complete if one.keys & keys)
        return SumStatus("released", (f"all of its n-mers are, and all gates of {', '.join(names)} passed",))
    lacking = list(dict.fromkeys(why for one in counting for why in one.lacking(gates)))
    return SumStatus("candidate", (*(lacking or ["its gates were not run on these potentials"]), advice))


def with_status(model: ManyBodyPotential, store: Store | str | Path | None = None) -> ManyBodyPotential:
    """Return a sum whose last remark says whether it is released, and why not; see `status_of_sum`."""
    model.remarks = (*model.remarks, status_of_sum(model, store).sentence)
    return model


def fingerprint(model: ManyBodyPotential) -> dict[str, Any]:
    """Return what tells a sum from those of other systems: atoms and n-mers, and other energies by name."""
    atoms = digest({"symbols": list(model.symbols), "counts": dict(model.counts)})
    others = [getattr(one, "share", type(one).__name__) for one in model.physics if not physics_of(one)]
    return {"atoms": atoms, "others": others}


def _tested(store: Store, keys: set[str]) -> Iterator[_Tested]:
    """Yield what the gates said of each subject that has some of the potentials with the given keys."""
    gates: dict[str, Check] = {}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in store.entries(KIND):
        below = {one["key"] for one in entry.inputs}
        if not below & keys:
            continue
        gates = gates or {check.name: check for check in checks() if check.gate}
        facts = entry.version.attributes()["facts"]
        decided = facts["decided_by"]
        check = gates.get(decided["check"])
        if check is None or decided["format"] != check.format:
            continue
        kind = "passed" if decided["options"] == plain(check.options().content()) else "shortened"
        empty: dict[str, Any] = {"keys": below, "passed": {}, "shortened": {}}
        one = found.setdefault((entry.version.nmer, decided["subject"]), empty)
        one["about"], one[kind][check.name] = facts["subject"], facts["passed"] is True
    for (name, _), one in found.items():
        yield _Tested(name, frozenset(one["keys"]), one["about"], one["passed"], one["shortened"])


def _family_of(nmers: Collection[str]) -> str:
    """Return the family to check: the last that has one of the n-mers; FILE for those of none."""
    names = [name for name, members in FAMILIES.items() if any(nmer in members for nmer in nmers)]
    return names[-1] if names else "FILE"
