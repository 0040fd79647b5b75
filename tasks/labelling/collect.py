"""Gather the labels of some configurations from the ledger and judge them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from potentials.molecule import NMer
from recipes.schema import Labelling
from storage.configuration import configuration_ids
from storage.ledger import LabelRow, Ledger
from tasks.labelling.plan import nbody_energy
from tasks.labelling.protocol import protocol_of

Floats = NDArray[np.float64]

USABLE, FLAGGED, FAILED, MISSING = "ok", "flagged", "failed", "missing"
"""Values of `LabelTable.status`."""


@dataclass(frozen=True)
class LabelTable:
    """Labels in the order of the configurations that were asked for.

    Attributes
    ----------
    ids
        Configuration ids.
    part_names
        Names of the sub-calculations.
    sub_energies
        (configurations, sub-calculations), total energies, hartree; nan where there is none.
    energy
        (configurations,), n-body energy, kcal/mol; nan unless every sub-calculation is ok.
    t1, t2
        (configurations,), largest T1 diagnostic and largest amplitude |t2| over the sub-calculations; nan
        where the method has none.
    cpu_seconds
        (configurations,), over all sub-calculations known.
    status
        ``ok``; ``flagged``: it has an energy, but T1 > max_t1 or |t2| > max_t2; ``failed``; ``missing``.
    reason
        Why it is flagged or failed; empty otherwise.
    """

    ids: tuple[str, ...]
    part_names: tuple[str, ...]
    sub_energies: Floats
    energy: Floats
    t1: Floats
    t2: Floats
    cpu_seconds: Floats
    status: tuple[str, ...]
    reason: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(configurations,), whether the status is ``ok``."""
        return np.array([s == USABLE for s in self.status], dtype=np.bool_)


def collect_labels(nmer: NMer, positions: Floats, labelling: Labelling, ledger: Ledger) -> LabelTable:
    """Return the labels of configurations as a ledger has them now.

    Parameters
    ----------
    nmer
        The n-mer.
    positions
        Shape (configurations, atoms, 3), Angstrom.
    labelling
        The protocol and the thresholds of the flags.
    ledger
        Open for reading or writing.

    Raises
    ------
    InputError
        If the engine is not installed, so that its version and with it the protocol are not known.
    """
    protocol = protocol_of(nmer, labelling)
    ids = configuration_ids(nmer, positions)
    known = ledger.rows(ids, protocol.id)
    found = [known.get(i, {}) for i in ids]
    sub_energies = _column(found, protocol.parts, "energy")
    complete = [bool(np.isfinite(row).all()) for row in sub_energies]
    energy = np.full(len(ids), np.nan)
    for i in np.flatnonzero(complete):
        energy[i] = nbody_energy(protocol.plan, dict(zip(protocol.parts, sub_energies[i], strict=True)))
    t1 = _largest(_column(found, protocol.parts, "t1"))
    t2 = _largest(_column(found, protocol.parts, "t2"))
    verdicts = [
        _judge(rows, whole, a, b, labelling)
        for rows, whole, a, b in zip(found, complete, t1.tolist(), t2.tolist(), strict=True)
    ]
    return LabelTable(
        ids=ids,
        part_names=protocol.parts,
        sub_energies=sub_energies,
        energy=energy,
        t1=t1,
        t2=t2,
        cpu_seconds=np.array([sum(r.cpu_seconds for r in rows.values()) for rows in found], dtype=np.float64),
        status=tuple(status for status, _ in verdicts),
        reason=tuple(reason for _, reason in verdicts),
    )


def failure(rows: dict[str, LabelRow]) -> str | None:
    """Return why a configuration failed, with the part that did, or None if no part of it failed."""
    for row in rows.values():
        if row.status != "ok":
            return f"{row.status} in {row.part}: {row.reason}"
    return None


def _judge(rows: dict[str, LabelRow], complete: bool, t1: float, t2: float, limits: Labelling) -> tuple[str, str]:
    reason = failure(rows)
    if reason is not None:
        return FAILED, reason
    if not complete:
        return MISSING, ""
    if t1 > limits.max_t1:  # false for nan
        return FLAGGED, f"T1 = {t1:.4f} is above {limits.max_t1:g}"
    if t2 > limits.max_t2:
        return FLAGGED, f"|t2| = {t2:.4f} is above {limits.max_t2:g}"
    return USABLE, ""


def _column(found: Sequence[dict[str, LabelRow]], parts: Sequence[str], name: str) -> Floats:
    values = [[getattr(rows[p], name) if p in rows else None for p in parts] for rows in found]
    return np.array(values, dtype=np.float64).reshape(len(found), len(parts))


def _largest(values: Floats) -> Floats:
    largest = np.where(np.isnan(values), -np.inf, values).max(axis=1)
    return np.where(np.isinf(largest), np.nan, largest)
