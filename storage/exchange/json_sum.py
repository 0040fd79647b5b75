"""A sum over a molecule as one JSON document: its potentials, where each n-mer occurs, and V_phys of the whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from potentials.errors import InputError
from potentials.evaluation import Contribution
from potentials.physics.model import PhysicsPotential
from potentials.physics.parameters import PhysicsParameters
from potentials.physics.topology import Topology
from potentials.pip.potential import Potential
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.placement import Placement, Placements
from potentials.systems.subset import Subset
from recipes.schema.graph import ELEMENTS
from storage.attributes import check_format
from storage.exchange.subject import PotentialSubject
from storage.exchange.sum_subject import SumSubject
from storage.exchange.text import LONGEST

LAYOUT = 1
"""Newest number of the document's layout; a newer one is refused."""

NUMBER = "nmer_sum_format"
"""Field that has the number."""


def sum_document(
    subject: SumSubject,
    potential: Callable[[PotentialSubject], dict[str, Any]],
    parameters: Callable[[PhysicsParameters], dict[str, Any]],
) -> dict[str, Any]:
    """Return a sum as JSON allows it.

    Parameters
    ----------
    subject
        The sum.
    potential, parameters
        What make the parts of the document of a potential and of the parameters of V_phys.
    """
    model = subject.model
    physics = None
    if model.parameters is not None:
        physics = parameters(model.parameters) | {"systems": [_written_system(one) for one in model.physics]}
    members = zip(model.placements.items(), subject.members, strict=True)
    return {
        NUMBER: LAYOUT,
        "title": subject.title,
        "name": subject.name,
        "units": {"length": "Angstrom", "energy": "kcal/mol", "gradient": "kcal/mol/Angstrom"},
        "symbols": list(model.symbols),
        "remarks": list(model.remarks),
        "nmers": [
            {"nmer": name} | _written_places(places) | {"potential": potential(member.subject)}
            for (name, places), member in members
        ],
        "physics": physics,
        "references": subject.references.plain(),
    }


def _written_places(places: Placements) -> dict[str, Any]:
    anchors = np.where(places.caps, places.anchors, -1)
    return {"atoms": places.atoms.tolist(), "anchors": anchors.tolist(), "lengths": places.lengths.tolist()}


def _written_system(one: Contribution) -> dict[str, Any]:
    model = one.contribution if isinstance(one, Subset) else one
    assert isinstance(model, PhysicsPotential)
    return {
        "atoms": list(one.atoms) if isinstance(one, Subset) else list(range(model.topology.natoms)),
        "factor": int(one.factor) if isinstance(one, Subset) else 1,
        "share": one.share if isinstance(one, Subset) else "",
        "types": list(model.types),
        "bonds": [list(bond) for bond in model.topology.bonds],
        "onemers": list(model.topology.onemers),
    }


def read_sum(
    path: Path,
    found: dict[str, Any],
    potential: Callable[[dict[str, Any]], Potential],
    parameters: Callable[[dict[str, Any]], PhysicsParameters],
) -> ManyBodyPotential:
    """Return the sum of a document.

    Parameters
    ----------
    path
        The document's file, for messages.
    found
        Its content.
    potential, parameters
        What read the parts of a potential and of the parameters of V_phys.

    Raises
    ------
    InputError
        If the document is of a newer layout, or damaged.
    """
    check_format(found[NUMBER], LAYOUT, f"'{path}'", NUMBER)
    try:
        symbols = tuple(found["symbols"])
        if unknown := [s for s in symbols if s not in ELEMENTS]:
            raise InputError(f"symbols has {ascii(unknown[0])[:60]}; allowed: symbols of elements")
        _check_texts(found)
        potentials = {str(row["nmer"]): potential(row["potential"]) for row in found["nmers"]}
        placements = [place for row in found["nmers"] for place in _read_places(row, len(symbols))]
        physics, digest = found["physics"], ""
        contributions: list[Contribution] = []
        if physics is not None:
            read = parameters(physics)
            digest = read.digest
            contributions = [_read_system(row, symbols, read) for row in physics["systems"]]
        onemers = [name for name, p in potentials.items() if p.physics_digest != digest and _is_onemer(p)]
        return ManyBodyPotential(symbols, placements, potentials, contributions, tuple(found["remarks"]), onemers)
    except InputError as error:
        raise InputError(f"'{path}': {error}") from None
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError) as error:
        raise InputError(f"'{path}' is damaged: {repr(error)[:200]}") from None


def _is_onemer(potential: Potential) -> bool:
    """Return whether an n-mer is one 1-mer, whose V_phys is zero whatever the parameters are."""
    fragments = potential.nmer.fragments
    return len(fragments) == 1 and len(fragments[0].parts) < 2


def _check_texts(found: dict[str, Any]) -> None:
    """Raise InputError if a text of a document is not allowed."""
    texts = {"name": found["name"]} | {f"remarks[{n}]": text for n, text in enumerate(found["remarks"])}
    texts |= {f"nmers[{n}].nmer": row["nmer"] for n, row in enumerate(found["nmers"])}
    for where, text in texts.items():
        if not isinstance(text, str) or not text.isprintable() or len(text) > 10 * LONGEST:
            raise InputError(f"{where} is {ascii(text)[:60]}; allowed: one line of printable text")


def _read_places(row: dict[str, Any], natoms: int) -> list[Placement]:
    """Return the occurrences of an n-mer; raises ValueError if a number is not that of an atom."""
    places = []
    for atoms, anchors, lengths in zip(row["atoms"], row["anchors"], row["lengths"], strict=True):
        one = Placement(row["nmer"], tuple(atoms), tuple(anchors), tuple(float(length) for length in lengths))
        if not len(one.atoms) == len(one.anchors) == len(one.lengths):
            raise ValueError("an occurrence has not one anchor and one length an atom")
        for low, numbers in ((0, one.atoms), (-1, one.anchors)):
            if bad := [n for n in numbers if type(n) is not int or not low <= n < natoms]:
                raise ValueError(f"{bad[0]!r} is not an atom of the molecule")
        if not all(0 <= length < 10 for length in one.lengths):
            raise ValueError("a cap is farther than 10 A from its anchor")
        places.append(one)
    return places


def _read_system(row: dict[str, Any], symbols: tuple[str, ...], parameters: PhysicsParameters) -> Contribution:
    """Return V_phys of the whole, or of some atoms with a factor; raises ValueError if a number is not allowed."""
    atoms, bonds = list(row["atoms"]), tuple((i, j) for i, j in row["bonds"])
    numbers = [*atoms, *(a for bond in bonds for a in bond), *row["onemers"], row["factor"]]
    if bad := [n for n in numbers if type(n) is not int]:
        raise ValueError(f"{bad[0]!r} is not a whole number")
    if not all(0 <= a < len(symbols) for a in atoms) or len(set(atoms)) != len(atoms):
        raise ValueError("V_phys has an atom that the molecule does not have, or one twice")
    if not all(0 <= a < len(atoms) for bond in bonds for a in bond):
        raise ValueError("V_phys has a bond of an atom that it does not have")
    topology = Topology(len(atoms), bonds, tuple(row["onemers"]))
    model = PhysicsPotential([symbols[a] for a in atoms], topology, row["types"], parameters)
    if atoms == list(range(len(symbols))) and row["factor"] == 1:
        return model
    return Subset(model, atoms, float(row["factor"]), str(row["share"])[:LONGEST])
