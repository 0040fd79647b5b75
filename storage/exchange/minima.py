"""The minima that a covalent dataset's energies are relative to, as the store keeps them beside its labels."""

from __future__ import annotations

import json
import math
import re
from itertools import product
from pathlib import Path
from typing import Any

from potentials.errors import InputError
from potentials.nmers.capping import pieces
from potentials.nmers.nmer import NMer
from storage.attributes import content_of

SAME = 1e-9
"""Hartree; energies closer than this count as equal."""


def read_minimum(path: Path) -> dict[str, Any]:
    """Return a minimum as the store keeps it, its energy (hartree) a finite number.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    with content_of(path):
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"'{path}' cannot be read: {error.strerror}") from None
        found["energy"] = float(found["energy"])
        if not math.isfinite(found["energy"]):
            raise InputError(f"'{path}' is damaged: its energy is {found['energy']}")
    return found


def minima_of(labels: Path, nmer: NMer, facts: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the minima that make up a dataset's reference energy; none if the store lacks any of them.

    Parameters
    ----------
    labels
        The store's folder of labels.
    nmer
        The dataset's n-mer.
    facts
        Of the dataset's version: ``protocol_id`` and ``reference_hartree``.

    Returns
    -------
    One for each piece, with ``molecule``, ``symbols``, ``positions`` (Angstrom), and ``energy`` (hartree).
    """
    reference = facts.get("reference_hartree")
    if not reference or len(nmer.fragments) > 1:
        return ()
    protocol = str(facts.get("protocol_id", ""))[:16]
    if not re.fullmatch("[0-9a-f]{16}", protocol):
        return ()
    known = [read_minimum(path) for path in sorted((labels / "references" / protocol).glob("[!.]*.json"))]
    fragment = nmer.fragments[0]
    wanted = [(fragment, 1)]
    if len(fragment.parts) > 1:
        wanted = [(piece.fragment, factor) for piece, factor in pieces(nmer)]
    choices = [[m for m in known if tuple(m.get("symbols", ())) == one.symbols] for one, _ in wanted]
    for minima in product(*choices):  # another conformer has another minimum: the sum shows which were used
        total = sum(factor * m["energy"] for m, (_, factor) in zip(minima, wanted, strict=True))
        if abs(total - reference) < SAME:
            return minima
    return ()
