"""How long each stage took, kept in the store beside what it made: the wall time of the run that finished it."""

from __future__ import annotations

import json
from pathlib import Path

from storage.durable import write_text

FILE = "timings.json"
"""In the store's folder: seconds by the key of what was made."""


def record(store: Path, key: str, seconds: float) -> None:
    """Store how long it took to make something, unless that is stored already: finding it again is quick.

    Parameters
    ----------
    store
        Folder of the store, whose writer lock the caller holds.
    key
        Key of what was made.
    seconds
        Wall time, s.
    """
    known = timings(store)
    if key not in known:
        write_text(store / FILE, json.dumps(known | {key: round(seconds, 1)}, indent=1))


def timings(store: Path) -> dict[str, float]:
    """Return the wall time (s) of all that was made in a store since times are kept, by key."""
    try:
        found = json.loads((store / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): float(seconds) for key, seconds in found.items()}
