"""Format ``qcschema``: every sub-calculation of a dataset as an AtomicResult of QCSchema, including ghost atoms.

A counterpoise-corrected label of two molecules has three records, ``AB``, ``A in AB`` and ``B in AB``; in the
last two the other molecule's atoms are there with ``real`` false. A covalent n-mer has one record for each piece
that its n-body energy needs, cut bonds closed with caps: ``ABC``, ``AB``, ``BC``, ``B``, a letter for each 1-mer.
The n-body energy is the sum of the records' energies times the document's ``factors``, less ``reference_energy``,
the same sum of the pieces' minima, which are among the ``references`` where the store has them.
Geometries are in Bohr and energies in hartree. Where the dataset has gradients, a configuration has that of its
n-body energy, ``nbody_gradient``, hartree/Bohr, a row for each atom of the n-mer; the records are energies.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np

from potentials.errors import InputError
from potentials.nmers.capping import Piece, pieces
from potentials.nmers.nmer import NMer
from recipes.schema.labelling import Labelling
from storage.exchange.exporter import Files, Format
from storage.exchange.subject import DatasetSubject
from storage.exchange.text import plain
from storage.level_facts import labelling_table
from storage.records import TRAIN
from storage.xyz import UNITS

BOHR = 0.52917721067
"""Angstrom, in QCElemental (CODATA 2014), which reads these files; not that of `potentials.units`."""

LAYOUT = 1
"""Number of the document's layout."""

VALIDATED = 300
"""Most records that QCElemental validates after writing, at a millisecond each."""


def qcschema_files(subject: DatasetSubject) -> Files:
    """Return the document: one line for each configuration."""
    head = {
        "nmer_qcschema_format": LAYOUT,
        "title": plain(
            f"{subject.ref}, symmetry {subject.nmer.symmetry}, key {subject.attributes.get('key', '')[:12]}"
        ),
        "protocol": _protocol(subject),
        "factors": factors(subject),
        "reference_energy": float(subject.attributes["facts"].get("reference_hartree", 0.0)),
        "references": _references(subject),
    }
    lines = ",\n  ".join(map(json.dumps, configurations(subject)))
    return {"dataset.json": f'{json.dumps(head)[:-1]},\n "configurations": [\n  {lines}\n]}}\n'}


@dataclass(frozen=True)
class Part:
    """A sub-calculation: which atoms it has, which of them are real, and its factor in the n-body energy.

    Attributes
    ----------
    atoms
        In the n-mer's numbers; those of a piece without its new caps.
    real
        Whether each has a nucleus and electrons.
    factor
        In the sum that is the n-body energy.
    piece
        The piece of a covalent n-mer that it is, or None.
    """

    atoms: tuple[int, ...]
    real: tuple[bool, ...]
    factor: int
    piece: Piece | None = None

    def geometry(self, positions: Any) -> Any:
        """Return where its atoms are, new caps included (atoms, 3), Angstrom."""
        return positions[list(self.atoms)] if self.piece is None else self.piece.positions(positions)


def factors(subject: DatasetSubject) -> dict[str, int]:
    """Return the factor of each record's energy in the n-body energy, by the record's name."""
    return {name: part.factor for name, part in _parts(subject).items()}


def configurations(subject: DatasetSubject) -> Iterator[dict[str, Any]]:
    """Yield each configuration with its n-body energy (hartree) and its records by name.

    Raises
    ------
    InputError
        If the dataset has no sub-calculations, or others than its n-mer has.
    """
    data, parts, common = subject.dataset, _parts(subject), _common(subject)
    for n, positions in enumerate(data.positions):
        records = {
            name: _record(common, _molecule(subject.nmer, part, part.geometry(positions)), energy)
            for (name, part), energy in zip(parts.items(), data.sub_energies[n].tolist(), strict=True)
        }
        yield {
            "id": data.ids[n],
            "split": "train" if data.split[n] == TRAIN else "test",
            "nbody_energy": float(data.energy[n]) / UNITS["hartree"],
            **({} if data.gradient is None else {"nbody_gradient": _in_bohr(data.gradient[n])}),
            "records": records,
        }


def read_back(path: Path, subject: DatasetSubject) -> str:
    """Compare the energies with the dataset's; where QCElemental is there, have it read the first records."""
    document = json.loads(path.read_text(encoding="utf-8"))
    found = document["configurations"]
    energies = np.array([[r["return_result"] for r in each["records"].values()] for each in found])
    if not np.array_equal(energies, subject.dataset.sub_energies):
        raise InputError("energies read back differ from the dataset's")
    said = f"read back: {len(found)} configurations, {energies.size} records"
    if find_spec("qcelemental") is None:
        return f"{said}; not validated, QCElemental is not installed"
    result = import_module("qcelemental.models").AtomicResult
    records = [record for each in found for record in each["records"].values()][:VALIDATED]
    for record in (*records, *(reference["record"] for reference in document["references"])):
        result(**record)
    return f"{said}; the first {len(records)} are AtomicResults to QCElemental"


def _in_bohr(gradient: Any) -> list[list[float]]:
    """Return a gradient (kcal/mol/Angstrom) in hartree/Bohr."""
    return (gradient * (BOHR / UNITS["hartree"])).tolist()  # type: ignore[no-any-return]


def _parts(subject: DatasetSubject) -> dict[str, Part]:
    """Return the dataset's sub-calculations by name."""
    data, nmer = subject.dataset, subject.nmer
    if not data.sub_names:
        raise InputError(f"{subject.ref} was imported with n-body energies alone; qcschema needs sub-calculations")
    known = {}
    if len(nmer.fragments) == 1 and len(nmer.fragments[0].parts) > 1:
        for piece, factor in pieces(nmer):
            name = "".join(ascii_uppercase[p] for p in piece.parts)
            known[name] = Part(piece.atoms, (True,) * len(piece.atoms), factor, piece)
    else:
        known = {name: part for name in data.sub_names if (part := _of_fragments(name, nmer)) is not None}
    if unknown := set(data.sub_names) - set(known):
        wrong = plain(min(unknown))
        raise InputError(f"{subject.ref} has the sub-calculation '{wrong}', which its n-mer does not have")
    return {name: known[name] for name in data.sub_names}


def _of_fragments(name: str, nmer: NMer) -> Part | None:
    """Return a sub-calculation of whole fragments, ``A in AB``; None where the name is not of one."""
    whole = ascii_uppercase[: len(nmer.fragments)]
    match = re.fullmatch(r"([A-Z]+)(?: in ([A-Z]+))?", name)
    if match is None or set(match[2] or match[1]) - set(whole):
        return None
    atoms: list[int] = []
    real: list[bool] = []
    for letter, part in zip(whole, nmer.slices, strict=True):
        if letter in (match[2] or match[1]):
            own = range(part.start, part.stop)
            atoms += own
            real += [letter in match[1]] * len(own)
    return Part(tuple(atoms), tuple(real), (-1) ** (len(whole) - len(match[1])))


def _common(subject: DatasetSubject) -> dict[str, Any]:
    """Return what all records of a dataset have in common."""
    protocol = Labelling.model_validate(_protocol(subject))
    method = protocol.level if protocol.mp2_basis else protocol.functional or protocol.method
    versions = {n: v for n, v in subject.attributes["engines"].items() if n != "nmer"}
    return {
        "schema_name": "qcschema_output",
        "schema_version": 1,
        "driver": "energy",
        "model": {"method": method, "basis": "" if protocol.means.own_basis else protocol.basis},
        "keywords": {},
        "provenance": {
            "creator": protocol.engine,
            "version": next(iter(versions.values()), ""),
            "routine": "nmer",
        },
        "success": True,
    }


def _record(common: dict[str, Any], molecule: dict[str, Any], energy: float) -> dict[str, Any]:
    """Return an AtomicResult of QCSchema."""
    properties = {"return_energy": energy, "calcinfo_natom": len(molecule["symbols"])}
    return common | {"molecule": molecule, "properties": properties, "return_result": energy}


def _molecule(nmer: NMer, part: Part, geometry: Any) -> dict[str, Any]:
    """Return a molecule of QCSchema (Bohr)."""
    places = {atom: n for n, atom in enumerate(part.atoms)}
    if part.piece is None:
        symbols = [nmer.symbols[a] for a in part.atoms]
        present = [(f, s) for f, s in zip(nmer.fragments, nmer.slices, strict=True) if s.start in places]
        blocks = [(f, [places[a] for a in range(s.start, s.stop)]) for f, s in present]
        fragments = [block for _, block in blocks]
        charges = [float(f.charge) if part.real[block[0]] else 0.0 for f, block in blocks]
    else:
        symbols = list(part.piece.fragment.symbols)
        fragments, charges = [list(range(len(symbols)))], [float(part.piece.charge)]
    return _molecule_of(symbols, geometry, fragments, charges) | {
        "real": [*part.real, *(True for _ in symbols[len(part.real) :])]
    }


def _molecule_of(
    symbols: Sequence[str], geometry: Any, fragments: list[list[int]], charges: list[float]
) -> dict[str, Any]:
    return {
        "schema_name": "qcschema_molecule",
        "schema_version": 2,
        "symbols": list(symbols),
        "geometry": (np.asarray(geometry) / BOHR).ravel().tolist(),
        "fragments": fragments,
        "fragment_charges": charges,
        "fragment_multiplicities": [1] * len(fragments),
        "molecular_charge": sum(charges),
        "molecular_multiplicity": 1,
        "fix_com": True,
        "fix_orientation": True,
    }


def _references(subject: DatasetSubject) -> list[dict[str, Any]]:
    """Return a record of each minimum that the energies are relative to; each is of one neutral molecule."""
    common, found = _common(subject), []
    for each in subject.minima:
        molecule = _molecule_of(each["symbols"], each["positions"], [list(range(len(each["symbols"])))], [0.0])
        found.append({"molecule": each["molecule"], "record": _record(common, molecule, float(each["energy"]))})
    return found


def _protocol(subject: DatasetSubject) -> dict[str, Any]:
    """Return the labelling section of the dataset: the recipe's, or that of its level."""
    return labelling_table(subject.attributes["facts"], tomllib.loads(subject.attributes["recipe"]))


FORMAT = Format(
    name="qcschema",
    title="every sub-calculation as an AtomicResult, with ghosts",
    takes=DatasetSubject,
    files=qcschema_files,
    suffix=".json",
    read_back=read_back,
)
