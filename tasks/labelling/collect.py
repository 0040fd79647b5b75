"""Gather the labels of some configurations from the ledger and judge them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Bools, Floats
from potentials.units import HARTREE
from storage.configuration import configuration_ids
from storage.ledger import LabelRow, Ledger
from tasks.labelling.engines.interface import FAILED, OUT_OF_MEMORY, TIMEOUT
from tasks.labelling.protocol import Protocol

INSTABILITY = "instability of RHF (hartree)"
DOUBTFUL = "the SCF solution is a saddle point, or was hard to find and its stability is not known"
"""Why a label is flagged for its SCF."""

USABLE, FLAGGED, MISSING = "ok", "flagged", "missing"
FAILURES = (FAILED, TIMEOUT, OUT_OF_MEMORY)
"""With the three above, the values of `LabelTable.status`."""


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
    t1, t2, d1
        (configurations,), largest T1 diagnostic, amplitude |t2|, and D1 diagnostic over the sub-calculations;
        nan where the method has none.
    cpu_seconds
        (configurations,), over all sub-calculations known.
    memory
        (configurations,), largest over the sub-calculations, GiB; nan where it is not known.
    status
        ``ok``; ``flagged``: it has an energy, but T1 > max_t1, D1 > max_d1, |t2| > max_t2, or a Hartree-Fock
        solution that is unstable by more than max_instability; ``failed``, ``timeout``, ``out-of-memory``;
        ``missing``.
    reason
        Why it is flagged or failed; empty otherwise.
    keep_flagged
        Whether flagged labels go into a dataset as well.
    """

    ids: tuple[str, ...]
    part_names: tuple[str, ...]
    sub_energies: Floats
    energy: Floats
    t1: Floats
    t2: Floats
    d1: Floats
    cpu_seconds: Floats
    memory: Floats
    status: tuple[str, ...]
    reason: tuple[str, ...]
    keep_flagged: bool

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def usable(self) -> Bools:
        """(configurations,), whether the label goes into a dataset: ``ok``, or flagged and kept."""
        wanted = (USABLE, FLAGGED) if self.keep_flagged else (USABLE,)
        return np.array([s in wanted for s in self.status], dtype=np.bool_)

    @property
    def failed(self) -> int:
        """Number of labels that failed or ran into a limit."""
        return sum(s in FAILURES for s in self.status)


def collect_labels(protocol: Protocol, positions: Floats, ledger: Ledger) -> LabelTable:
    """Return the labels of configurations from a ledger.

    Parameters
    ----------
    protocol
        The n-mer and its labelling section, which has the thresholds of the flags.
    positions
        Shape (configurations, atoms, 3), Angstrom.
    ledger
        Open for reading or writing.
    """
    labelling, ids = protocol.labelling, configuration_ids(protocol.nmer, positions)
    found = ledger.arrays(ids, protocol.id, protocol.parts)
    factors = np.array([part.coefficient for part in protocol.plan], dtype=np.float64)
    complete = np.isfinite(found.energies).all(axis=1)
    energy = np.where(complete, HARTREE * (found.energies @ factors), np.nan)
    status = np.where(complete, USABLE, MISSING).astype(object)
    reason = np.full(len(ids), "", dtype=object)
    above = (
        (INSTABILITY, found.instability, labelling.max_instability),
        ("T1", found.t1, labelling.max_t1),
        ("D1", found.d1, labelling.max_d1),
        ("|t2|", found.t2, labelling.max_t2),
    )
    for name, values, limit in reversed(above):  # the first that applies is the reason
        for i in np.flatnonzero(complete & (values > limit)).tolist():  # false for nan
            status[i], reason[i] = FLAGGED, f"{name} = {values[i]:.4f} is above {limit:g}"
    for i in np.flatnonzero(complete & np.isinf(found.instability)).tolist():
        reason[i] = DOUBTFUL
    bad = np.flatnonzero(found.failed).tolist()
    known = ledger.rows([ids[i] for i in bad], protocol.id)
    for i in bad:
        status[i], reason[i] = failure(known[ids[i]]) or (MISSING, "")
    return LabelTable(
        ids=ids,
        part_names=protocol.parts,
        sub_energies=found.energies,
        energy=energy,
        t1=found.t1,
        t2=found.t2,
        d1=found.d1,
        cpu_seconds=found.cpu_seconds,
        memory=found.memory,
        status=tuple(status.tolist()),
        reason=tuple(reason.tolist()),
        keep_flagged=labelling.keep_flagged,
    )


def failure(rows: Mapping[str, LabelRow]) -> tuple[str, str] | None:
    """Return the status and the reason of a label that failed, with its sub-calculation; None if none failed."""
    for row in rows.values():
        if row.status in FAILURES:
            return row.status, f"{row.status} in {row.part}: {row.reason}"
    return None
