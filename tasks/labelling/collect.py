"""Gather the labels of some configurations from the ledger and judge them; find those that failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from potentials.arrays import Bools, Floats
from potentials.nmers.nmer import NMer
from potentials.units import HARTREE
from recipes.schema.labelling import Labelling
from storage.configuration import configuration_ids
from storage.ledger import LabelArrays, Ledger
from tasks.labelling.engines.interface import FAILED, OK, OUT_OF_MEMORY, TIMEOUT
from tasks.labelling.plan import nbody_gradient, plan_label
from tasks.labelling.protocol import Protocol

DOUBTFUL = "the SCF solution is a saddle point, or was hard to find and its stability is not known"
"""Why a label is flagged whose instability is infinite."""

DIAGNOSTICS = {"instability": "instability of RHF (hartree)", "t1": "T1", "d1": "D1", "t2": "|t2|"}
"""What a label is flagged for if it is above ``max_...`` of the protocol."""

USABLE, FLAGGED, MISSING = "ok", "flagged", "missing"
FAILURES = (FAILED, TIMEOUT, OUT_OF_MEMORY)
"""With the three above, the values of `LabelTable.status`."""


@dataclass(frozen=True)
class LabelTable(LabelArrays):
    """Labels in the order of the configurations that were asked for, with what the ledger knows of them.

    Attributes
    ----------
    ids
        Configuration ids.
    part_names
        Names of the sub-calculations.
    energy
        (configurations,), n-body energy, kcal/mol; nan unless every sub-calculation is ok.
    status
        ``ok``; ``flagged``: it has an energy, but T1 > max_t1, D1 > max_d1, |t2| > max_t2, or a Hartree-Fock
        solution that is unstable by more than max_instability; ``failed``, ``timeout``, ``out-of-memory``;
        ``missing``.
    reason
        Why it is flagged or failed; empty otherwise.
    keep_flagged
        Whether flagged labels go into a dataset as well.
    gradient
        (configurations, atoms, 3), gradient of the n-body energy, kcal/mol/Angstrom, nan where `energy` is; None
        where the protocol has no gradients.
    """

    ids: tuple[str, ...]
    part_names: tuple[str, ...]
    energy: Floats
    status: tuple[str, ...]
    reason: tuple[str, ...]
    keep_flagged: bool
    gradient: Floats | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def usable(self) -> Bools:
        """(configurations,), whether the label goes into a dataset: ``ok``, or flagged and kept."""
        wanted = (USABLE, FLAGGED) if self.keep_flagged else (USABLE,)
        return np.array([s in wanted for s in self.status], dtype=np.bool_)


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

    Raises
    ------
    InputError
        If a gradient of the ledger has not the atoms of its sub-calculation.
    """
    labelling, ids = protocol.labelling, configuration_ids(protocol.nmer, positions)
    found = ledger.arrays(ids, protocol.id, protocol.parts)
    factors = np.array([part.coefficient for part in protocol.plan], dtype=np.float64)
    complete = np.isfinite(found.energies).all(axis=1)
    gradient = None
    if labelling.gradients:
        gradient = ledger_gradient(protocol.nmer, labelling.counterpoise, ledger, protocol.id, ids, positions)
        complete &= np.isfinite(gradient).all(axis=(1, 2))
        gradient[~complete] = np.nan
    energy = np.where(complete, HARTREE * (found.energies @ factors), np.nan)
    status = np.where(complete, USABLE, MISSING).astype(object)
    reason = np.full(len(ids), "", dtype=object)
    for i in np.flatnonzero(complete).tolist():
        if why := flag({name: getattr(found, name)[i] for name in DIAGNOSTICS}, labelling):
            status[i], reason[i] = FLAGGED, why
    bad = np.flatnonzero(found.failed).tolist()
    known = ledger.rows([ids[i] for i in bad], protocol.id)
    for i in bad:
        bad_rows = (row for row in known[ids[i]].values() if row.status in FAILURES)
        status[i], reason[i] = next(
            ((row.status, f"{row.status} in {row.part}: {row.reason}") for row in bad_rows), (MISSING, "")
        )
    return LabelTable(
        **vars(found),
        ids=ids,
        part_names=protocol.parts,
        energy=energy,
        status=tuple(status.tolist()),
        reason=tuple(reason.tolist()),
        keep_flagged=labelling.keep_flagged,
        gradient=gradient,
    )


def ledger_gradient(
    nmer: NMer, counterpoise: bool, ledger: Ledger, protocol: str, ids: Sequence[str], positions: Floats
) -> Floats:
    """Return the gradients of n-body energies from the ledger's gradients of the sub-calculations.

    Parameters
    ----------
    nmer, counterpoise
        What is labelled, and whether in the basis of the whole n-mer.
    ledger
        Open for reading or writing.
    protocol
        Id of the protocol.
    ids, positions
        Of the configurations; positions are (configurations, atoms, 3), Angstrom.

    Returns
    -------
    (configurations, atoms, 3), kcal/mol/Angstrom; nan where the ledger lacks one.

    Raises
    ------
    InputError
        If a gradient of the ledger has not the atoms of its sub-calculation.
    """
    plan = plan_label(nmer, counterpoise)
    found = ledger.gradients(ids, protocol, {part.name: part.size for part in plan})
    return nbody_gradient(plan, np.asarray(positions, dtype=np.float64), found)


def flag(values: Mapping[str, float], limits: Labelling) -> str:
    """Return why a label with an energy is flagged; empty if it is not.

    Parameters
    ----------
    values
        The largest of each of `DIAGNOSTICS` over the sub-calculations; nan where the method has none.
    limits
        The labelling section with the thresholds.
    """
    if values["instability"] == np.inf:
        return DOUBTFUL
    for name, meaning in DIAGNOSTICS.items():
        limit: float = getattr(limits, f"max_{name}")
        if values[name] > limit:
            return f"{meaning} = {values[name]:.4f} is above {limit:g}"
    return ""


@dataclass(frozen=True)
class Failures:
    """Failed labels by configuration.

    Attributes
    ----------
    messages
        ``status: reason`` of each failed part, for example ``timeout: took longer than 600 s``.
    """

    messages: dict[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.messages)

    def with_text(self, text: str) -> Failures:
        """Return the labels whose failed parts all have a text in their status or reason; case is ignored."""
        wanted = text.lower()
        return Failures({i: told for i, told in self.messages.items() if all(wanted in s.lower() for s in told)})

    def reasons(self) -> dict[str, int]:
        """Return how many labels failed with each first reason, the most common one first."""
        return dict(Counter(told[0] for told in self.messages.values()).most_common())


def find_failures(ledger: Ledger, protocol: Protocol, ids: Iterable[str]) -> Failures:
    """Return the failed labels among some configurations.

    Parameters
    ----------
    ledger
        Open for reading or writing.
    protocol
        The protocol.
    ids
        Configuration ids.
    """
    unique = list(dict.fromkeys(ids))
    bad = ledger.arrays(unique, protocol.id, protocol.parts).failed.nonzero()[0].tolist()
    known = ledger.rows([unique[i] for i in bad], protocol.id)
    return Failures(
        {
            i: tuple(f"{row.status}: {row.reason}" for row in parts.values() if row.status != OK)
            for i, parts in known.items()
        }
    )
