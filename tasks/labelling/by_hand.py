"""Label the configurations of an xyz file, without a store, with a named protocol or that of a recipe."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.units import HARTREE
from recipes.schema.labelling import Labelling
from storage.gradients import gradient_of
from storage.xyz import read_geometries
from tasks.labelling.collect import flag
from tasks.labelling.engines.interface import OK
from tasks.labelling.execution.runner import Limits, run_label
from tasks.labelling.plan import nbody_energy, nbody_gradient
from tasks.labelling.protocol import Protocol, check_labelling, protocol_of

FIELDS = (
    *("status", "reason", "energy", "components", "t1", "d1", "t2", "triples_fraction"),
    *("cpu_seconds", "memory", "details"),
)
"""What is returned of each sub-calculation, besides its name and its coefficient."""


def read_configurations(
    path: Path, fragments: Sequence[int], charges: Sequence[int], told: Callable[[str], None] = lambda note: None
) -> list[NMer]:
    """Return the configurations of an xyz or extended xyz file, each as an n-mer.

    Parameters
    ----------
    path
        The file; positions in Angstrom.
    fragments
        Number of atoms of each fragment, in the file's order.
    charges
        Charge of each fragment, e; empty: all neutral.
    told
        Is given a sentence for each thing in the file that is not used or was changed.

    Raises
    ------
    InputError
        If the file cannot be read, or the fragments do not add up to its atoms.
    """
    if charges and len(charges) != len(fragments):
        raise InputError(f"--charges has {len(charges)} numbers; --fragments has {len(fragments)}")
    if not fragments or min(fragments) < 1:
        raise InputError("--fragments needs the number of atoms of each fragment, for example 5,3")
    found = []
    for number, symbols, positions in _numbered(path, fragments, told):
        if sum(fragments) != len(symbols):
            raise InputError(
                f"'{path}': configuration {number} has {len(symbols)} atoms; --fragments "
                f"{','.join(map(str, fragments))} adds up to {sum(fragments)}"
            )
        found.append(_nmer(symbols, positions, fragments, charges or [0] * len(fragments)))
    return found


def read_configurations_of(path: Path, nmer: NMer, told: Callable[[str], None] = lambda note: None) -> list[NMer]:
    """Return the configurations of an xyz or extended xyz file, each as a recipe's n-mer at another geometry.

    Fragments, charges, bonds, caps, and parts are those of the n-mer.

    Parameters
    ----------
    path
        The file; positions in Angstrom, atoms in the n-mer's order.
    nmer
        The recipe's n-mer.
    told
        Is given a sentence for each thing in the file that is not used or was changed.

    Raises
    ------
    InputError
        If the file cannot be read, or its atoms are not those of the n-mer in their order.
    """
    found = []
    for number, symbols, positions in _numbered(path, [f.natoms for f in nmer.fragments], told):
        if tuple(symbols) != tuple(nmer.symbols):
            raise InputError(
                f"'{path}': configuration {number} has the atoms {' '.join(symbols[:30])}; '{nmer.name}' has "
                f"{' '.join(nmer.symbols)}, in this order"
            )
        fragments = tuple(
            replace(fragment, positions=_plain(positions[part]))
            for fragment, part in zip(nmer.fragments, nmer.slices, strict=True)
        )
        found.append(NMer(nmer.name, fragments, nmer.symmetry))
    return found


def label_by_hand(
    configurations: Sequence[NMer], labelling: Labelling, timeout: float, memory: float
) -> Iterator[dict[str, Any]]:
    """Label configurations one after the other, each in a process with limits, and yield each result.

    Parameters
    ----------
    configurations
        The configurations.
    labelling
        The protocol.
    timeout, memory
        Limits of one label: wall time (s), resident memory (GiB).

    Yields
    ------
    dict
        ``configuration`` (from 1), ``status``, ``reason``, ``nbody_energy`` (kcal/mol), ``nbody_energy_hartree``,
        ``nbody_gradient`` ((atoms, 3), kcal/mol/Angstrom, where the protocol has gradients),
        ``cpu_seconds``, ``parts`` (one object for each sub-calculation: ``name``, ``coefficient``, ``status``,
        ``energy`` and ``components`` (hartree), diagnostics, ``cpu_seconds``, ``memory`` (GiB), ``details``:
        counts of electrons and orbitals, and what was unusual about the SCF). Energies are None where
        something failed. A single molecule's energy is its total energy.

    Raises
    ------
    InputError
        If the engine is missing or cannot do what is asked.
    """
    for nmer in {nmer.symbols: nmer for nmer in configurations}.values():
        check_labelling(nmer, labelling)
    limits = Limits(timeout, memory)
    with tempfile.TemporaryDirectory(prefix="nmer-by-hand-") as scratch:
        for number, nmer in enumerate(configurations, 1):
            protocol = protocol_of(nmer, labelling)
            jobs = protocol.jobs(nmer.positions, protocol.parts, memory)
            entries = list(run_label(labelling.engine, jobs, limits, Path(scratch)))
            yield {"configuration": number, **_summary(protocol, nmer.positions, entries)}


def _numbered(
    path: Path, fragments: Sequence[int], told: Callable[[str], None]
) -> Iterator[tuple[int, Sequence[str], Floats]]:
    """Yield the number (from 1), symbols and positions of each configuration of a file, then tell its notes."""
    read = read_geometries(path, fragments)
    yield from zip(count(1), read.symbols, read.positions, strict=False)
    for note in read.notes:
        told(note)


def _plain(positions: Floats) -> tuple[tuple[float, float, float], ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in positions)


def _summary(protocol: Protocol, positions: Floats, entries: list[dict[str, Any]]) -> dict[str, Any]:
    coefficients = {part.name: part.coefficient for part in protocol.plan}
    bad = next((e for e in entries if e["status"] != OK), None)
    energy, gradient = None, None
    if bad is None and len(entries) == len(coefficients):
        energy = nbody_energy(protocol.plan, {e["part"]: e["energy"] for e in entries})
        if protocol.labelling.gradients:
            slopes = {e["part"]: gradient_of(e["gradient"]) for e in entries}
            gradient = nbody_gradient(protocol.plan, positions, slopes).tolist()
    status, reason = (OK, "") if bad is None else (bad["status"], f"{bad['part']}: {bad['reason']}")
    flags = _flags(entries, protocol.labelling)
    if status == OK and flags:
        status, reason = "flagged", flags
    return {
        "status": status,
        "reason": reason,
        "nbody_energy": energy,
        "nbody_energy_hartree": None if energy is None else energy / HARTREE,
        **({"nbody_gradient": gradient} if protocol.labelling.gradients else {}),
        "cpu_seconds": round(math.fsum(e.get("cpu_seconds") or 0.0 for e in entries), 3),
        "parts": [
            {"name": e["part"], "coefficient": coefficients[e["part"]]} | {name: e.get(name) for name in FIELDS}
            for e in entries
        ],
    }


def _flags(entries: list[dict[str, Any]], limits: Labelling) -> str:
    values = {name: max((e.get(name) or 0.0 for e in entries), default=0.0) for name in ("t1", "d1", "t2")}
    told = [entry.get("details") or {} for entry in entries]
    doubtful = any(one.get("scf_saddle") or one.get("scf_unchecked") for one in told)
    instability = max((one.get("instability", 0.0) for one in told), default=0.0)
    return flag(values | {"instability": math.inf if doubtful else instability}, limits)


def _nmer(symbols: Sequence[str], positions: Floats, fragments: Sequence[int], charges: Sequence[int]) -> NMer:
    """Return an n-mer of unbonded atoms: for labels neither bonds nor symmetry matter."""
    start, parts, blocks = 0, [], []
    for number, (size, charge) in enumerate(zip(fragments, charges, strict=True)):
        here = slice(start, start + size)
        name = f"fragment {number + 1}"
        parts.append(Fragment(name, tuple(symbols[here]), _plain(positions[here]), (), charge=charge))
        blocks.append("".join(f"{ascii_uppercase[(start + a) % 26]}1" for a in range(size)))
        start += size
    return NMer("by-hand", tuple(parts), "_".join(blocks))
