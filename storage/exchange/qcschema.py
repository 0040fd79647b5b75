"""Format ``qcschema``: every sub-calculation of a dataset as an AtomicResult of QCSchema, ghosts and all.

A counterpoise-corrected label of two molecules has three records, ``AB``, ``A in AB`` and ``B in AB``; in the last
two the other molecule's atoms are there with ``real`` false. Geometries are in Bohr and energies in hartree.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from potentials.errors import InputError
from potentials.molecule import NMer
from recipes.labelling import Labelling
from storage.exchange.exporter import Exporter, Files
from storage.exchange.subject import DatasetSubject
from storage.records import TRAIN
from storage.xyz import UNITS

BOHR = 0.52917721067
"""Angstrom; that of QCElemental (CODATA 2014)."""

FORMAT = 1
"""Number of the document's layout."""

VALIDATED = 300
"""So many records QCElemental reads after writing; it takes a millisecond for each."""


def qcschema_files(subject: DatasetSubject) -> Files:
    """Return the document: one line for each configuration."""
    head = {
        "nmer_qcschema_format": FORMAT,
        "title": f"{subject.ref}, symmetry {subject.nmer.symmetry}, key {subject.attributes.get('key', '')[:12]}",
        "protocol": _protocol(subject),
    }
    lines = ",\n  ".join(json.dumps(configuration) for configuration in configurations(subject))
    return {"dataset.json": f'{json.dumps(head)[:-1]},\n "configurations": [\n  {lines}\n]}}\n'}


def configurations(subject: DatasetSubject) -> Iterator[dict[str, Any]]:
    """Yield each configuration with its n-body energy (hartree) and its records by name.

    Raises
    ------
    InputError
        If the dataset's sub-calculations are not of whole fragments, or it has none.
    """
    data, nmer = subject.dataset, subject.nmer
    if not data.sub_names:
        raise InputError(f"{subject.ref} was imported with n-body energies alone; qcschema needs sub-calculations")
    groups = {name: _atoms(name, nmer, subject.ref) for name in data.sub_names}
    model = _model(subject)
    engine = str(_protocol(subject).get("engine", "pyscf"))
    versions = {n: v for n, v in subject.attributes["engines"].items() if n != "nmer"}
    provenance = {"creator": engine, "version": next(iter(versions.values()), ""), "routine": "nmer"}
    for n, geometry in enumerate(data.positions / BOHR):
        records = {
            name: {
                "schema_name": "qcschema_output",
                "schema_version": 1,
                "molecule": _molecule(nmer, geometry, *groups[name]),
                "driver": "energy",
                "model": model,
                "keywords": {},
                "properties": {"return_energy": energy, "calcinfo_natom": len(groups[name][0])},
                "return_result": energy,
                "provenance": provenance,
                "success": True,
            }
            for name, energy in zip(data.sub_names, data.sub_energies[n].tolist(), strict=True)
        }
        yield {
            "id": data.ids[n],
            "split": "train" if data.split[n] == TRAIN else "test",
            "nbody_energy": float(data.energy[n]) / UNITS["hartree"],
            "records": records,
        }


def read_back(path: Path, subject: DatasetSubject) -> str:
    """Compare the energies with the dataset's; where QCElemental is there, have it read the first records."""
    found = json.loads(path.read_text(encoding="utf-8"))["configurations"]
    energies = np.array([[r["return_result"] for r in each["records"].values()] for each in found])
    if not np.array_equal(energies, subject.dataset.sub_energies):
        raise InputError("energies read back differ from the dataset's")
    said = f"read back: {len(found)} configurations, {energies.size} records"
    if find_spec("qcelemental") is None:
        return f"{said}; not validated, QCElemental is not installed"
    result = import_module("qcelemental.models").AtomicResult
    records = [record for each in found for record in each["records"].values()][:VALIDATED]
    for record in records:
        result(**record)
    return f"{said}; the first {len(records)} are AtomicResults to QCElemental"


def _atoms(name: str, nmer: NMer, ref: str) -> tuple[list[int], list[bool]]:
    """Return the atoms of a sub-calculation, and which of them are real: ``A in AB``."""
    letters = [chr(ord("A") + n) for n in range(len(nmer.fragments))]
    match = re.fullmatch(r"([A-Z]+)(?: in ([A-Z]+))?", name)
    if match is None or any(f.parts for f in nmer.fragments) or set(match[2] or match[1]) - set(letters):
        raise InputError(
            f"{ref} has the sub-calculation '{name}', a capped piece whose geometry is not kept; "
            "qcschema is for whole molecules"
        )
    atoms: list[int] = []
    real: list[bool] = []
    for letter, part in zip(letters, nmer.slices, strict=True):
        if letter in (match[2] or match[1]):
            own = range(part.start, part.stop)
            atoms += own
            real += [letter in match[1]] * len(own)
    return atoms, real


def _molecule(nmer: NMer, geometry: Any, atoms: list[int], real: list[bool]) -> dict[str, Any]:
    """Return a molecule of QCSchema (Bohr)."""
    places = {atom: n for n, atom in enumerate(atoms)}
    parts = [(f, [places[a] for a in range(s.start, s.stop)]) for f, s in _present(nmer, places)]
    charges = [float(f.charge) if real[p[0]] else 0.0 for f, p in parts]
    return {
        "schema_name": "qcschema_molecule",
        "schema_version": 2,
        "symbols": [nmer.symbols[a] for a in atoms],
        "geometry": geometry[atoms].ravel().tolist(),
        "real": real,
        "fragments": [p for _, p in parts],
        "fragment_charges": charges,
        "fragment_multiplicities": [1] * len(parts),
        "molecular_charge": sum(charges),
        "molecular_multiplicity": 1,
        "fix_com": True,
        "fix_orientation": True,
    }


def _present(nmer: NMer, places: dict[int, int]) -> list[tuple[Any, slice]]:
    pairs = zip(nmer.fragments, nmer.slices, strict=True)
    return [(fragment, part) for fragment, part in pairs if part.start in places]


def _protocol(subject: DatasetSubject) -> dict[str, Any]:
    """Return the recipe's labelling section."""
    found: dict[str, Any] = tomllib.loads(subject.attributes["recipe"]).get("labelling", {})
    return found


def _model(subject: DatasetSubject) -> dict[str, str]:
    """Return method and basis."""
    protocol = Labelling.model_validate(_protocol(subject))
    method = protocol.level if protocol.mp2_basis else protocol.functional or protocol.method
    basis = "" if protocol.engine == "xtb" else protocol.basis
    return {"method": method, "basis": basis}


EXPORTER = Exporter(
    "qcschema",
    "every sub-calculation as an AtomicResult, with ghosts",
    DatasetSubject,
    False,
    qcschema_files,
    read_back=read_back,
)
