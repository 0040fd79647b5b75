"""What differs between two versions of one kind: recipe, programs, data, errors, parameters, terms."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from potentials.errors import InputError
from recipes.load import flattened, recipe_of_text
from storage.attributes import OF_SYSTEMS, content_of
from storage.configuration import configuration_ids
from storage.contents import nmer_model
from storage.records import TEST, TRAIN
from storage.store import Store
from storage.version import KINDS, Version

Chain = dict[str, Version]


def difference(store: Store, left: Version, right: Version) -> dict[str, Any]:
    """Return what differs between two versions, as plain values for JSON.

    Always there: ``left``, ``right``, ``kind``, ``made_from``, ``recipe`` and ``programs`` (only what differs).
    Where it applies: ``frames``, ``data``, ``errors``, ``gates``, ``k``, ``terms``.

    Parameters
    ----------
    store
        The store.
    left, right
        Two versions of one kind.

    Raises
    ------
    InputError
        If they are of different kinds.
    """
    if left.kind != right.kind:
        raise InputError(f"{left.ref} is a {left.kind} and {right.ref} a {right.kind}; give two of one kind")
    with content_of(left.path, right.path):
        return _difference(store, left, right)


def _difference(store: Store, left: Version, right: Version) -> dict[str, Any]:
    if left.kind in OF_SYSTEMS:
        return _of_systems(left, right)
    chains = chain(store, left), chain(store, right)
    found: dict[str, Any] = {
        "left": left.ref,
        "right": right.ref,
        "kind": left.kind,
        "made_from": _made_from(*chains),
        "recipe": _changes(settings_of(left), settings_of(right)),
        "programs": _programs(*chains),
    }
    if left.kind == "pool":
        found["frames"] = {"left": left.length("positions"), "right": right.length("positions")}
    if left.kind == "selection" or all("dataset" in c for c in chains):
        found["data"] = _data(*(c["selection" if left.kind == "selection" else "dataset"] for c in chains))
    verdicts = _verdict(store, left), _verdict(store, right)
    if any(verdicts):
        gates = ({gate["name"]: gate for gate in facts.get("gates", ())} for facts in verdicts)
        found |= {"errors": _errors(*verdicts), "gates": _side_by_side("name", *gates)}
    if left.kind == "potential":
        found |= {"k": _side_by_side("name", _k(left), _k(right)), "terms": _terms(left, right)}
    return found


def _of_systems(left: Version, right: Version) -> dict[str, Any]:
    """Compare two trajectories or two checks: the potentials of both, their settings and programs, their facts."""
    attributes = left.attributes(), right.attributes()
    below = [{(i["kind"], i["ref"].partition("@")[0]): i for i in a["inputs"]} for a in attributes]
    made_from = []
    for key in dict.fromkeys((*below[0], *below[1])):
        one, two = (inputs.get(key) for inputs in below)
        refs = {"left": one["ref"] if one else None, "right": two["ref"] if two else None}
        made_from.append({"kind": key[0], **refs, "same": bool(one and two and one["key"] == two["key"])})
    settings, programs, facts = (
        _changes(*(flattened(read(a)) for a in attributes))
        for read in (lambda a: tomllib.loads(a["recipe"]), lambda a: a["engines"], lambda a: a["facts"])
    )
    found: dict[str, Any] = {
        "left": left.ref,
        "right": right.ref,
        "kind": left.kind,
        "made_from": made_from,
        "recipe": settings,
        "programs": [{"stage": left.kind, **row} for row in programs],
        "facts": facts,
    }
    if left.kind == "trajectory":
        found["frames"] = {"left": left.length("positions"), "right": right.length("positions")}
        names = ("replica_frames", "steps", "positions", "velocities", "energy")
        found["same_frames"] = all(np.array_equal(left.column(name), right.column(name)) for name in names)
    return found


def chain(store: Store, version: Version) -> Chain:
    """Return a version and what it was made from, as far as the store has it, by kind: of each the nearest."""
    found: Chain = {}
    waiting, seen = [version], {version.ref}
    for one in waiting:  # it grows: breadth first, and each version once, however many ways lead to it
        found.setdefault(one.kind, one)
        below = [v for _, v in store.inputs(one) if v is not None and v.ref not in seen]
        seen |= {v.ref for v in below}
        waiting += below
    return found


def _made_from(left: Chain, right: Chain) -> list[dict[str, Any]]:
    found = []
    for kind in (k for k in KINDS if k != "validation"):
        one, two = left.get(kind), right.get(kind)
        if one or two:
            refs = {"left": one.ref if one else None, "right": two.ref if two else None}
            found.append({"kind": kind, **refs, "same": bool(one and two and one.key == two.key)})
    return found


def settings_of(version: Version) -> dict[str, Any]:
    """Return a version's recipe by dotted key, with all defaults, also of keys added after it.

    A recipe that is not readable is unchanged.
    """
    text = version.attributes()["recipe"]
    try:
        return flattened(recipe_of_text(text).model_dump(mode="json", exclude_none=True))
    except ValueError:
        return flattened(tomllib.loads(text))


def _side_by_side(title: str, one: dict[Any, Any], two: dict[Any, Any]) -> list[dict[str, Any]]:
    """Return the values of both, in the order of the left one; a value that one side lacks is None."""
    return [{title: k, "left": one.get(k), "right": two.get(k)} for k in dict.fromkeys((*one, *two))]


def _changes(one: dict[str, Any], two: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the values that differ; see `_side_by_side`."""
    return [row for row in _side_by_side("key", one, two) if row["left"] != row["right"]]


def _programs(left: Chain, right: Chain) -> list[dict[str, Any]]:
    found = []
    for kind in (k for k in KINDS if k in left and k in right):
        one, two = (c[kind].attributes()["engines"] for c in (left, right))
        found += [{"stage": kind, **row} for row in _changes(one, two)]
    return found


def _data(left: Version, right: Version) -> dict[str, Any]:
    """Compare the configurations of two datasets or selections, and the energies of those they share."""
    one, two = ({i: n for n, i in enumerate(_ids(v))} for v in (left, right))
    shared = [i for i in one if i in two]
    places = np.array([one[i] for i in shared], dtype=np.int64), np.array([two[i] for i in shared], dtype=np.int64)
    splits = left.column("split"), right.column("split")
    found: dict[str, Any] = {
        "left": _counts(left, splits[0]),
        "right": _counts(right, splits[1]),
        **_overlap(one, two),
        "moved": int((splits[0][places[0]] != splits[1][places[1]]).sum()),
    }
    if left.kind == right.kind == "dataset":
        protocols = [found[side]["protocol_id"] for side in ("left", "right")]
        found["same_protocol"] = protocols[0] == protocols[1]
        if shared:
            change = right.column("energy")[places[1]] - left.column("energy")[places[0]]
            found["largest_energy_change"] = float(np.abs(change).max())
            found["rms_energy_change"] = float(np.sqrt(np.mean(change**2)))
            if left.has_column("gradient") and right.has_column("gradient"):
                slopes = right.column("gradient")[places[1]] - left.column("gradient")[places[0]]
                found["largest_gradient_change"] = float(np.abs(slopes).max())
    return found


def _ids(version: Version) -> list[str]:
    if version.has_column("ids"):
        return [str(i) for i in version.column("ids")]
    nmer = nmer_model(version.attributes()).build(version.nmer)
    return list(configuration_ids(nmer, version.column("positions")))


def _counts(version: Version, split: Any) -> dict[str, Any]:
    facts = version.attributes()["facts"]
    return {
        "ref": version.ref,
        "configurations": len(split),
        "train": int((split == TRAIN).sum()),
        "test": int((split == TEST).sum()),
        "protocol": facts.get("protocol"),
        "protocol_id": facts.get("protocol_id"),
    }


def _verdict(store: Store, version: Version) -> dict[str, Any]:
    """Return the facts of a potential's newest verdict, or of a verdict; empty where there is none."""
    verdict = store.verdict(version) if version.kind == "potential" else version
    if verdict is None or verdict.kind != "validation":
        return {}
    facts: dict[str, Any] = verdict.attributes()["facts"]
    return facts


def _errors(left: dict[str, Any], right: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the errors side by side: each set, and the test set's windows of energy."""
    rows = _side_by_side("window", dict(_error_rows(left)), dict(_error_rows(right)))
    found = [dict(zip(("set", "low", "high"), row.pop("window"), strict=True)) | row for row in rows]
    return sorted(found, key=lambda row: (row["low"] is not None, row["low"] or 0.0))  # windows come last


def _error_rows(facts: dict[str, Any]) -> Iterator[tuple[tuple[str, Any, Any], dict[str, Any]]]:
    for name in ("train", "validation", "test"):
        if name in facts:
            yield (name, None, None), facts[name]
    for window in facts.get("by_energy", ()):
        values = {k: v for k, v in window.items() if k not in ("low", "high")}
        yield ("test", window["low"], window["high"]), values


def _k(potential: Version) -> dict[str, Any]:
    return dict(zip(map(str, potential.column("k_names")), map(float, potential.column("k")), strict=True))


def _terms(left: Version, right: Version) -> dict[str, Any]:
    one, two = ([str(term) for term in v.column("terms")] for v in (left, right))
    return {"left": len(one), "right": len(two), **_overlap(one, two)}


def _overlap(one: Collection[str], two: Collection[str]) -> dict[str, int]:
    shared = len(set(one) & set(two))
    return {"shared": shared, "only_left": len(one) - shared, "only_right": len(two) - shared}
