"""Format ``json``: everything about a potential as one document, and its reader.

``python -m storage.exchange.json_document FILE.json`` compares a document with its own reference values.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from potentials.errors import InputError
from potentials.evaluation import Contribution
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.physics.nbody import PhysicsOfNMer
from potentials.physics.parameters import COLUMNS, PhysicsParameters
from potentials.pip.potential import Potential
from potentials.systems.manybody import ManyBodyPotential
from recipes.physics.table import SCALARS
from recipes.schema.graph import ELEMENTS
from storage.attributes import check_format
from storage.exchange.exporter import Files, Format
from storage.exchange.json_sum import NUMBER, read_sum, sum_document
from storage.exchange.python_source import json_lines
from storage.exchange.references import with_caps_placed
from storage.exchange.subject import PotentialSubject
from storage.exchange.sum_subject import SumSubject
from storage.exchange.tables import Tables
from storage.exchange.text import LONGEST
from storage.parameters import physics_facts
from storage.potential_facts import (
    read_options,
    read_switching,
    read_terms,
    written_switching,
    written_terms,
    written_variables,
)

LAYOUT = 2
"""Newest number of the document's layout; a newer one is refused. A document without V_phys has the number 1."""

CHECK = "python -m storage.exchange.json_document {file}"


def json_files(subject: PotentialSubject) -> Files:
    """Return the document."""
    return {f"{subject.identifier}.json": json_lines(document(subject)) + "\n"}


def files_of_sum(subject: SumSubject) -> Files:
    """Return the document of a sum."""
    found = sum_document(subject, contents, _written_parameters)
    return {f"{subject.identifier}.json": json_lines(found) + "\n"}


def document(subject: PotentialSubject) -> dict[str, Any]:
    """Return a potential as JSON allows it; docs/exchange.md describes every field."""
    return contents(subject) | {
        "references": with_caps_placed(subject.potential, subject.references).plain(),
        "held_references": subject.references.plain() if subject.potential.nmer.caps else None,
    }


def contents(subject: PotentialSubject) -> dict[str, Any]:
    """Return a potential without reference values as JSON allows it."""
    p, a = subject.potential, subject.attributes
    ensemble = None if p.ensemble is None else p.ensemble.tolist()
    kept, rules = written_terms(p)
    return {
        "nmer_potential_format": 1 if p.physics is None else LAYOUT,
        "title": subject.title,
        "name": p.name,
        "status": p.status,
        "units": {"length": "Angstrom", "energy": "kcal/mol", "gradient": "kcal/mol/Angstrom"},
        "provenance": {name: a.get(name) for name in ("key", "created", "creator", "engines", "inputs", "recipe")},
        "nmer": {
            "name": p.nmer.name,
            "symmetry": p.nmer.symmetry,
            "fragments": json.loads(json.dumps([asdict(f) for f in p.nmer.fragments])),
        },
        "degree": p.degree,
        "filter": kept,
        "rules": rules,
        **written_variables(p.options),
        "switching": written_switching(p.switching),
        "k_names": list(p.basis.pair_names),
        "k": p.k.tolist(),
        "d_names": [p.basis.pair_names[n] for n in p.basis.variables.shifted],
        "d": p.d.tolist(),
        "selected": None if p.selected is None else list(p.selected),
        "coefficients": p.coefficients.tolist(),
        "terms": monomials_of_terms(p),
        "ensemble": ensemble,
        **({} if p.ranges is None else {"ranges": p.ranges.tolist()}),
        "tables": Tables.of(p).plain(),
        "caps": [list(cap) for cap in p.nmer.caps],
        **({} if p.physics is None else {"physics": _written_physics(p.physics)}),
    }


def _written_physics(physics: PhysicsOfNMer) -> dict[str, Any]:
    """Return V_phys as JSON allows it: the PIP of the document is a correction to it."""
    found = {"reference": physics.reference, "atoms": list(physics.types)}
    return _written_parameters(physics.parameters) | found


def _written_parameters(parameters: PhysicsParameters) -> dict[str, Any]:
    columns = {name: np.asarray(getattr(parameters, name)).tolist() for name in COLUMNS}
    named = {"name": parameters.name, "types": list(parameters.types)}
    return physics_facts(parameters) | named | columns


def _read_physics(found: dict[str, Any] | None, nmer: NMer) -> PhysicsOfNMer | None:
    if found is None:
        return None
    return PhysicsOfNMer(nmer, tuple(found["atoms"]), _read_parameters(found), float(found["reference"]))


def _read_parameters(found: dict[str, Any]) -> PhysicsParameters:
    columns: dict[str, Any] = {name: np.array(found[name], dtype=np.float64) for name in COLUMNS}
    damping = {name: float(found[name]) for name in SCALARS}
    parameters = PhysicsParameters(tuple(found["types"]), **columns | damping, name=found["name"])
    if parameters.digest != found["digest"]:
        raise InputError("the document's physics parameters are not those of its digest")
    return parameters


def monomials_of_terms(potential: Potential) -> list[list[list[int]]]:
    """Return for each term its monomials, each as the variables whose product it is, counted from 0."""
    found: list[list[list[int]]] = [[] for _ in potential.coefficients]
    for rows, term in zip(potential.basis.rows, potential.basis.term, strict=True):
        for number in np.flatnonzero(term >= 0):
            found[term[number]].append(rows[number].tolist())
    return found


def read_document(path: Path) -> tuple[Potential, dict[str, Any]]:
    """Read a potential from a document; return it and the document.

    Raises
    ------
    InputError
        If the file cannot be read, is another document, or of a newer layout.
    """
    found = _loaded(path)
    if NUMBER in found:
        raise InputError(f"'{path}' is the document of a sum, which nmer.load_sum reads; allowed: a potential's")
    if "nmer_potential_format" not in found:
        raise InputError(f"'{path}' is not a potential's document; it has no nmer_potential_format")
    return _read_potential(path, found), found


def read_sum_document(path: Path) -> tuple[ManyBodyPotential, dict[str, Any]]:
    """Read a sum from a document; return it and the document; raises InputError as `read_document`."""
    found = _loaded(path)
    if NUMBER not in found:
        raise InputError(f"'{path}' is not a sum's document; it has no {NUMBER}")
    return read_sum(path, found, lambda part: _read_potential(path, part), _read_parameters), found


def _loaded(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"'{path}' cannot be read as JSON: {error}") from None
    return found if isinstance(found, dict) else {}


def _read_potential(path: Path, found: dict[str, Any]) -> Potential:
    check_format(found["nmer_potential_format"], LAYOUT, f"'{path}'", "nmer_potential_format")
    try:
        _check_texts(path, found)
        return _potential(found)
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError) as error:
        raise InputError(f"'{path}' is damaged: {repr(error)[:200]}") from None


def _check_texts(path: Path, found: dict[str, Any]) -> None:
    """Raise InputError if a text of a document is not allowed."""
    fragments = found["nmer"]["fragments"]
    texts = {"name": found["name"], "nmer.name": found["nmer"]["name"], "nmer.symmetry": found["nmer"]["symmetry"]}
    if "physics" in found:
        texts["physics.name"] = found["physics"]["name"]
        for name in ("atoms", "types"):
            texts |= {f"physics.{name}[{n}]": text for n, text in enumerate(found["physics"][name])}
    texts |= {f"nmer.fragments[{n}].name": f["name"] for n, f in enumerate(fragments)}
    for where, text in texts.items():
        if not isinstance(text, str) or not text.isprintable() or len(text) > LONGEST:
            raise InputError(f"'{path}': {where} is {ascii(text)[:60]}; allowed: one line of printable text")
    if found["status"] not in ("candidate", "released"):
        raise InputError(f"'{path}': status is {ascii(found['status'])[:60]}; allowed: candidate, released")
    for n, fragment in enumerate(fragments):
        for symbol in fragment["symbols"]:
            if symbol not in ELEMENTS:
                raise InputError(
                    f"'{path}': nmer.fragments[{n}] has the atom {ascii(symbol)[:60]}; allowed: symbols of "
                    "elements"
                )


def _potential(found: dict[str, Any]) -> Potential:
    given, ensemble, ranges = found["nmer"], found["ensemble"], found.get("ranges")
    nmer = NMer(given["name"], tuple(map(_fragment, given["fragments"])), given["symmetry"])
    kept, rules = read_terms(found["filter"], found["rules"], nmer)
    return Potential(
        nmer=nmer,
        degree=found["degree"],
        terms=kept,
        k=np.array(found["k"]),
        coefficients=np.array(found["coefficients"]),
        switching=read_switching(found["switching"]),
        name=found["name"],
        status=found["status"],
        selected=None if found["selected"] is None else tuple(found["selected"]),
        ensemble=None if ensemble is None else np.array(ensemble),
        options=read_options(rules, found),
        d=np.array(found["d"], dtype=np.float64),
        physics=_read_physics(found.get("physics"), nmer),
        ranges=None if ranges is None else np.array(ranges),
    )


def _fragment(found: dict[str, Any]) -> Fragment:
    tuples = {name: tuple(map(tuple, found[name])) for name in ("positions", "bonds", "parts")}
    plain = {"symbols": tuple(found["symbols"]), "caps": tuple(found["caps"])}
    return Fragment(**{**found, **tuples, **plain})


def read_back(path: Path, subject: PotentialSubject) -> str:
    """Compare the written document with the potential it is of."""
    potential, _ = read_document(path)
    references = subject.references
    energy, gradient = potential.held().energy_and_gradient(references.positions)
    if not (np.array_equal(energy, references.energy) and np.array_equal(gradient, references.gradient)):
        raise InputError("the document read back is not the same potential")
    return f"read back: {len(references)} energies and gradients, bit for bit the same"


def main(path: Path) -> int:
    """Print the largest deviations from the reference values; return 0 where they hold."""
    surfaces: dict[str, tuple[str, Contribution]]
    if NUMBER in _loaded(path):
        model, found = read_sum_document(path)
        surfaces = {"references": ("", model)}
    else:
        potential, found = read_document(path)
        surfaces = {
            "references": ("", potential),
            "held_references": (", caps held", potential.held()),  # older documents have none
        }
    all_hold = True
    for name, (what, surface) in surfaces.items():
        references = found.get(name)
        if references is None:
            continue
        energy, gradient = surface.energy_and_gradient(references["positions"])
        off = float(np.abs(energy - np.array(references["energy"])).max())
        wrong = float(np.abs(gradient - np.array(references["gradient"])).max())
        holds = max(off, wrong) <= references["tolerance"]
        all_hold = all_hold and holds
        print(
            f"{len(references['energy'])} configurations{what}, largest deviations: energy {off:.2e} kcal/mol, "
            f"gradient {wrong:.2e} kcal/mol/A: {'holds' if holds else 'DOES NOT HOLD'}"
        )
    return 0 if all_hold else 1


FORMAT = Format(
    name="json",
    title="everything as one JSON document, which `nmer.load` reads",
    takes=PotentialSubject,
    files=json_files,
    suffix=".json",
    check=CHECK,
    carries_physics=True,
    of_sum=files_of_sum,
    read_back=read_back,
)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
