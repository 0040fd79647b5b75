"""Lineage: from a version down to everything it was made from."""

from __future__ import annotations

from typing import Any

from storage.store import Store
from storage.version import Version


def lineage(store: Store, version: Version) -> dict[str, Any]:
    """Return the tree of what a version was made from.

    Each node has ``ref``, ``kind``, ``key``, ``created``, ``engines``, ``facts``, and ``inputs`` (nodes again).
    An input that is no longer in the store is a node with ``missing: true``.
    """
    attributes = version.attributes()
    inputs = []
    for made_from in attributes["inputs"]:
        below = store.find(made_from["kind"], made_from["key"])
        inputs.append(lineage(store, below) if below else {**made_from, "missing": True, "inputs": []})
    return {
        "ref": version.ref,
        "kind": version.kind,
        "key": version.key,
        "created": version.created,
        "engines": attributes["engines"],
        "facts": attributes["facts"],
        "inputs": inputs,
    }


def lineage_text(node: dict[str, Any], indent: int = 0) -> str:
    """Return a lineage as an indented tree for people."""
    pad = "   " * indent + ("└─ " if indent else "")
    head = f"{pad}{node['ref']}  key {node['key'][:12]}"
    if node.get("missing"):
        return f"{head}  (no longer in the store)"
    engines = ", ".join(f"{name} {number}" for name, number in sorted(node["engines"].items()))
    facts = ", ".join(f"{k} {v}" for k, v in node["facts"].items() if isinstance(v, int | float | str))
    lines = [f"{head}  {node['created']}"]
    below = "   " * (indent + 1)
    if engines:
        lines.append(f"{below}with {engines}")
    if facts:
        lines.append(f"{below}{facts}")
    lines += [lineage_text(child, indent + 1) for child in node["inputs"]]
    return "\n".join(lines)
