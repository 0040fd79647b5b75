"""Labels that follow from labels of other protocols in the ledger: nothing is computed twice.

A CCSD(T) label has the Hartree-Fock and the MP2 energy of the same atoms in the same basis among its components,
and a label with gradients has its energy; which of them are exactly those of another protocol is declared by the
engine (`recipes.engines.EngineDeclaration.held`). Versions of programs, core potentials, tolerances and everything
else that the other protocol's method reads must agree. The rows written here take no CPU time, and their details
name the protocol that they were taken from.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from potentials.arrays import Floats
from recipes.engines import Held
from recipes.held import held_energy
from recipes.schema.labelling import Labelling
from storage.configuration import configuration_ids
from storage.ledger import DERIVED, LabelRow, Ledger
from tasks.labelling.engines.interface import OK
from tasks.labelling.protocol import Protocol

BATCH = 2000
"""Configurations whose rows are in memory at once."""

SCF_DETAILS = ("scf_route", "instability", "scf_saddle", "scf_unchecked")
"""What is known of the SCF solution, which is that of the derived label as well."""


@dataclass(frozen=True)
class Source:
    """A protocol of the ledger whose labels have an energy that is wanted.

    Attributes
    ----------
    protocol
        Its id.
    level
        Its level of theory.
    held
        Where its labels have the energy.
    """

    protocol: str
    level: str
    held: Held


def derive_labels(ledger: Ledger, protocol: Protocol, positions: Floats, holders: Sequence[Protocol] = ()) -> int:
    """Write the labels of a protocol that follow exactly from labels of other protocols.

    A row that is ok is never replaced; a part that had failed becomes ok if another protocol's has the energy.
    What the SCF solution's stability was stays with the energy; diagnostics of coupled cluster do not, unless the
    protocol is coupled cluster itself.

    Parameters
    ----------
    ledger
        Open for writing.
    protocol
        The n-mer, and the protocol whose labels are wanted.
    positions
        (configurations, atoms, 3), Angstrom.
    holders
        Protocols to look at first; all others of the ledger are looked at as well.

    Returns
    -------
    int
        How many labels became complete; of configurations that occur twice, one.
    """
    ids = list(dict.fromkeys(configuration_ids(protocol.nmer, positions)))
    lacking = _incomplete(ledger, protocol, ids)
    sources = find_sources(ledger, protocol, holders) if lacking else []
    if not sources:
        return 0
    ledger.record_protocol(protocol.id, protocol.settings)
    for start in range(0, len(lacking), BATCH):
        ledger.add(_entries(ledger, protocol, lacking[start : start + BATCH], sources))
    return len(lacking) - len(_incomplete(ledger, protocol, lacking))


def find_sources(ledger: Ledger, protocol: Protocol, holders: Sequence[Protocol] = ()) -> list[Source]:
    """Return the protocols of a ledger whose labels hold the energies of another.

    Parameters
    ----------
    ledger
        Open for reading or writing.
    protocol
        The protocol whose energies are wanted.
    holders
        Protocols that come first.
    """
    known = {one.id: one.settings for one in holders} | ledger.protocols()
    found = []
    for name, settings in known.items():
        if name == protocol.id or not _same_programs(settings, protocol.settings):
            continue
        try:
            labelling = Labelling.model_validate(Labelling.completed(settings["labelling"]))
        except ValidationError:  # of an engine that is not installed here, or of a newer release
            continue
        held = held_energy(labelling, protocol.labelling)
        if held is not None:
            found.append(Source(name, labelling.level, held))
    return found


def _same_programs(one: Mapping[str, Any], target: Mapping[str, Any]) -> bool:
    """Return whether two protocols' settings have the same programs, and the target's core potentials."""
    cores, wanted = one.get("core_electrons", {}), target.get("core_electrons", {})
    basis = target["labelling"]["basis"]
    return bool(
        all(one.get(name) == target[name] for name in ("format", "versions"))
        and cores.get(basis) == wanted.get(basis)
        and all(cores.get(name) == electrons for name, electrons in wanted.items())
    )


def _incomplete(ledger: Ledger, protocol: Protocol, ids: Sequence[str]) -> list[str]:
    lacks = ~np.isfinite(ledger.arrays(ids, protocol.id, protocol.parts).energies).all(axis=1)
    return [ids[n] for n in np.flatnonzero(lacks).tolist()]


def _entries(
    ledger: Ledger, protocol: Protocol, ids: Sequence[str], sources: Sequence[Source]
) -> Iterator[dict[str, Any]]:
    """Yield an entry for each part of some labels that is not ok and that a source has."""
    known = ledger.rows(ids, protocol.id)
    done = {(i, part) for i, rows in known.items() for part, row in rows.items() if row.status == OK}
    for source in sources:
        for i, rows in ledger.rows(ids, source.protocol).items():
            for part in protocol.parts:
                if part in rows and (i, part) not in done:
                    entry = _entry(rows[part], protocol, source)
                    if entry is not None:
                        done.add((i, part))
                        yield entry


def _entry(row: LabelRow, protocol: Protocol, source: Source) -> dict[str, Any] | None:
    """Return the entry that follows from a source's row; None if that is not ok or lacks a component."""
    held, told = source.held, json.loads(row.details)
    components, details = told.get("components", {}), told.get("details", {})
    if row.status != OK or row.energy is None or not set(held.components.values()) <= set(components):
        return None
    if held.components:
        components = {name: components[there] for name, there in held.components.items()}
        functions = row.basis_functions if held.functions == "basis_functions" else details.get(held.functions)
        details = {name: details[name] for name in SCF_DETAILS if name in details}
    else:
        functions = row.basis_functions
    counts = {
        "electrons": row.electrons,
        "frozen_orbitals": 0 if protocol.labelling.method == "HF" else row.frozen_orbitals,
        "basis_functions": functions,
        "scf_converged": row.scf_converged,
        "cc_converged": row.cc_converged if held.diagnostics else None,
    }
    diagnostics = {name: getattr(row, name) for name in ("t1", "t2", "d1") if held.diagnostics}
    if not held.components:
        diagnostics["triples_fraction"] = row.triples_fraction
    return {
        "configuration": row.configuration,
        "protocol": protocol.id,
        "part": row.part,
        "status": OK,
        "energy": sum(components.values()) if held.components else row.energy,
        "components": components,
        "finished": time.time(),
        "system": row.system,
        **{name: value for name, value in diagnostics.items() if value is not None},
        **({"host": told["host"]} if "host" in told else {}),
        DERIVED: source.protocol,
        "derived_from_level": source.level,
        "details": details | {name: value for name, value in counts.items() if value is not None},
    }
