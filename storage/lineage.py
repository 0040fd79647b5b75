"""Lineage: everything that a version was made from, down to the labels and frames."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import numpy as np

from potentials.arrays import Floats
from recipes.load import flattened, recipe_of_text
from recipes.schema.section import Section
from recipes.stages import STAGE
from storage.attributes import OF_SYSTEMS, content_of
from storage.configuration import configuration_ids
from storage.contents import nmer_model
from storage.keys import digest
from storage.ledger import Ledger
from storage.level_facts import labelling_of, labelling_table
from storage.store import Store
from storage.tags import Tag, read_tags, tags_of
from storage.turns import temperatures_of
from storage.version import Version

SECTIONS = {"physics": ()} | {stage.makes: stage.sections for stage in STAGE.values()}
"""The sections of the recipe that decide each kind of version; all of it those of systems."""

SEEDS_SHOWN = 12
"""Most seeds named in the printed tree; JSON has all of them."""


def lineage(store: Store, version: Version, labels: bool = False) -> dict[str, Any]:
    """Return the tree of what a version was made from.

    Each node has ``ref``, ``kind``, ``key``, ``created``, ``tags``, ``engines``, ``facts``, ``recipe`` (the
    sections that decided it), and ``inputs`` (nodes again). A potential has its ``status``, a dataset its
    ``labels``, a pool its ``walkers``. An input that is no longer in the store is a node with ``missing: true``.
    What several versions were made from is a full node once; after that it has ``told: true``, and neither inputs
    nor facts: what potentials were made from that turns improved would else be told thousands of times.

    Parameters
    ----------
    store
        The store.
    version
        Where to begin.
    labels
        List every label of a dataset as well, as ``label_list``.
    """
    return _node(store, version, read_tags(store.path), labels, set())


def _node(
    store: Store, version: Version, tags: tuple[Tag, ...], labels: bool, told: set[tuple[str, str]]
) -> dict[str, Any]:
    if (version.kind, version.key) in told:
        return {"ref": version.ref, "kind": version.kind, "key": version.key, "told": True, "inputs": []}
    told.add((version.kind, version.key))
    with content_of(version.path):
        attributes = version.attributes()
        inputs = [
            _node(store, below, tags, labels, told) if below else {**made_from, "missing": True, "inputs": []}
            for made_from, below in store.inputs(version)
        ]
        recipe = tomllib.loads(attributes["recipe"])
        node = {
            "ref": version.ref,
            "kind": version.kind,
            "key": version.key,
            "created": version.created,
            "tags": tags_of(version, tags),
            "engines": attributes["engines"],
            "facts": attributes["facts"],
            "recipe": {name: recipe[name] for name in SECTIONS.get(version.kind, recipe) if name in recipe},
            "not_default": _set_in_recipe(version.kind, attributes["recipe"], attributes["facts"]),
        }
        if "labelling" in node["recipe"]:
            node["recipe"]["labelling"] = labelling_table(attributes["facts"], recipe)
        if version.kind == "potential":
            node["status"] = store.status(version)
        if version.kind == "dataset" and version.has_column("sub_energies"):
            node["labels"] = label_summary(store, version)
            if labels:
                node["label_list"] = label_list(store, version)
        if version.kind == "pool" and version.has_column("seed"):
            node["walkers"] = walkers(version)
        return {**node, "inputs": inputs}


def walkers(pool: Version) -> list[dict[str, Any]]:
    """Return how many frames of a pool each seed, temperature, window, and source gave."""
    table, sources = _origins(pool)
    rows, counts = np.unique(table, axis=0, return_counts=True)
    return [_origin(row, sources) | {"frames": int(count)} for row, count in zip(rows, counts, strict=True)]


def _origins(pool: Version) -> tuple[Floats, list[str]]:
    """Return source, seed, temperature (K), and window of each frame (frames, 4), and the sources' names."""
    columns = [pool.column(name) for name in ("seed", "temperature", "window")]
    if not pool.has_column("source"):  # written before there were several
        return np.stack([np.zeros(len(columns[0])), *columns], axis=1), ["pbmetad ff14SB"]
    return np.stack([pool.column("source"), *columns], axis=1), [str(name) for name in pool.column("sources")]


def _origin(row: Floats, sources: list[str]) -> dict[str, Any]:
    source, seed, temperature, window = row.tolist()
    return {
        "source": sources[int(source)],
        "seed": int(seed),
        "temperature": temperature,
        "window": int(window),
    }


def label_summary(store: Store, dataset: Version) -> dict[str, Any]:
    """Return what the labels of a dataset are: how many, of which protocol, where computed, at what cost.

    ``ids_sha256`` is the digest of the sorted configuration ids: two datasets with the same have labels of the
    same configurations. ``derived`` labels were taken from those of other protocols, and not computed. ``parent``
    is the dataset that it extends: the same protocol, and a subset of these labels.
    """
    ids = [str(i) for i in dataset.column("ids")]
    facts = dataset.attributes()["facts"]
    protocol = facts.get("protocol_id")
    parent = store.find("dataset", facts["parent"]) if "parent" in facts else None
    cpu = dataset.column("cpu_seconds")
    with Ledger.read(store.labels) as ledger:
        hosts = ledger.hosts(ids, protocol) if protocol else {}
        derived = sum(ledger.derived(ids, protocol).values()) if protocol else 0
        settings = ledger.protocols().get(protocol) if protocol else None
    return {
        "count": len(ids),
        "parts": [str(name) for name in dataset.column("sub_names")],
        "protocol": facts.get("protocol"),
        "protocol_id": protocol,
        "settings": settings,
        "hosts": hosts,
        "derived": derived,
        "cpu_hours": None if np.isnan(cpu).any() else float(cpu.sum()) / 3600.0,
        "ids_sha256": digest(sorted(ids)),
        "parent": parent.ref if parent else None,
    }


def label_list(store: Store, dataset: Version) -> list[dict[str, Any]]:
    """Return every label of a dataset with where its configuration comes from; None where that is not known.

    Each has ``configuration``, ``split``, ``energy`` (kcal/mol), ``frame`` (its index in the pool), and the
    ``source``, ``seed``, ``temperature`` (K), and ``window`` of the walker that made the frame.
    """
    selection = store.input(dataset, "selection")
    pool = store.input(selection, "pool") if selection else None
    frames: dict[str, int] = {}
    own: dict[str, float] = {}
    if selection is not None:
        nmer = nmer_model(selection.attributes() if selection.attributes()["recipe"] else dataset.attributes())
        ids = configuration_ids(nmer.build(selection.nmer), selection.column("positions"))
        frames = dict(zip(ids, selection.column("frame").tolist(), strict=True))
        if (temperatures := temperatures_of(selection)) is not None:
            own = dict(zip(ids, temperatures.tolist(), strict=True))
    origins = _origins(pool) if pool is not None else None
    nothing = dict.fromkeys(("source", "seed", "temperature", "window"))
    found = []
    columns = (dataset.column(name) for name in ("ids", "split", "energy"))
    for configuration, split, energy in zip(*columns, strict=True):
        frame = frames.get(str(configuration))
        row = {"configuration": str(configuration), "split": int(split), "energy": float(energy), "frame": frame}
        if frame is not None and frame < 0:  # of a simulation with the potentials themselves
            known = nothing | {"source": "own simulation", "temperature": own.get(str(configuration))}
            row["frame"] = None
        else:
            known = nothing if frame is None or origins is None else _origin(origins[0][frame], origins[1])
        found.append(row | known)
    return found


def _set_in_recipe(kind: str, text: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what a version's sections of the recipe say other than the defaults, by dotted key.

    The labelling section of a dataset is that of its own level.

    A trajectory and a check have settings that are no recipe: all of them are returned.
    """
    if kind in OF_SYSTEMS:
        return flattened(tomllib.loads(text))
    try:
        recipe = recipe_of_text(text)
    except ValueError:  # imported data have no whole recipe
        return {}
    found: dict[str, Any] = {}
    for name in SECTIONS[kind]:
        if name == "nmer":
            found["nmer.symmetry"] = recipe.nmer.symmetry
            continue
        section: Section = getattr(recipe, name) if name != "labelling" else labelling_of(facts, recipe)
        usual = flattened(type(section)().model_dump(mode="json", exclude_none=True), f"{name}.")
        given = flattened(section.model_dump(mode="json", exclude_none=True), f"{name}.")
        found |= {key: value for key, value in given.items() if usual.get(key) != value}
    return found


def lineage_text(node: dict[str, Any], indent: int = 0) -> str:
    """Return a lineage as an indented tree of text; what several versions were made from is told once.

    Parameters
    ----------
    node
        The tree, from `lineage`.
    indent
        Depth of its first line.
    """
    pad = "   " * indent + ("└─ " if indent else "")
    head = f"{pad}{node['ref']}  key {node['key'][:12]}"
    if node.get("missing"):
        return f"{head}  (no longer in the store)"
    if node.get("told"):
        return f"{head}  (told above)"
    named = "".join(f"  {word}" for word in (node.get("status"), *(f"@{tag}" for tag in node["tags"])) if word)
    below = "   " * (indent + 1)
    lines = [f"{head}  {node['created']}{named}", *(f"{below}{line}" for line in _about(node))]
    lines += [lineage_text(child, indent + 1) for child in node["inputs"]]
    return "\n".join(lines)


def _about(node: dict[str, Any]) -> Iterator[str]:
    """Yield the lines about a version itself."""
    if node["engines"]:
        yield "with " + ", ".join(f"{name} {number}" for name, number in sorted(node["engines"].items()))
    told = ("protocol", "protocol_id", "labels", "cpu_seconds", "parent") if "labels" in node else ("start",)
    facts = [
        f"{k} {v:.6g}" if isinstance(v, float) else f"{k} {v}"
        for k, v in node["facts"].items()
        if isinstance(v, int | float | str) and k not in told
    ]
    if facts:
        yield ", ".join(facts)
    if node["not_default"]:
        yield "recipe: " + ", ".join(f"{key} = {value}" for key, value in node["not_default"].items())
    if "walkers" in node:
        seeds = list(dict.fromkeys(str(w["seed"]) for w in node["walkers"]))
        more = f", ... {len(seeds)} in all" if len(seeds) > SEEDS_SHOWN else ""
        frames = sum(w["frames"] for w in node["walkers"])
        yield f"{frames} frames of the seeds {', '.join(seeds[:SEEDS_SHOWN])}{more}"
    if "labels" in node:
        labels = node["labels"]
        hours = "" if labels["cpu_hours"] is None else f", {labels['cpu_hours']:.3g} CPU-hours"
        where = ", ".join(f"{host or 'an unknown machine'} ({n} parts)" for host, n in labels["hosts"].items())
        where = f", computed on {where}" if where else ""
        taken = f", {labels['derived']} taken from labels of other protocols" if labels["derived"] else ""
        yield f"{labels['count']} labels of {len(labels['parts'])} parts{hours}{where}{taken}"
        protocol = labels["protocol_id"]
        yield (
            f"protocol {labels['protocol']}, id {protocol[:12]}, " if protocol else ""
        ) + f"configurations {labels['ids_sha256'][:12]}"
        if labels["parent"]:
            yield f"it extends {labels['parent']}: the same labels and more"
