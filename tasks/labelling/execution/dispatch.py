"""Label configurations on a Dask cluster: find the missing labels, compute them, and count the results."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from distributed import Client

from potentials.arrays import Floats
from recipes.engines import LabelCost
from recipes.schema.recipe import Resources
from storage.configuration import configuration_ids
from storage.ledger import LabelRow, Ledger
from tasks.labelling.calibrate import measured_cost, system_of
from tasks.labelling.collect import find_failures
from tasks.labelling.derive import derive_labels
from tasks.labelling.engines.interface import OK
from tasks.labelling.engines.registry import get_engine
from tasks.labelling.execution.label_queue import LabelQueue
from tasks.labelling.execution.runner import Limits
from tasks.labelling.execution.worker import LabelTask, LabelWork
from tasks.labelling.protocol import Protocol, check_labelling
from tasks.progress import ProgressLine

TOGETHER = 10.0
"""CPU time of the labels that share a process, s: the start of one takes a second, whatever a label takes."""

MOST_TOGETHER = 200
"""Largest number of labels that share a process on account of their cost."""


@dataclass(frozen=True)
class LabelCounts:
    """The labels of a run at its end; duplicates count once.

    Attributes
    ----------
    ok
        Labels with every energy.
    failed
        Number of failed labels by status and reason, for example ``timeout: took longer than 600 s``.
    already
        Labels that had succeeded or failed before this run and were not tried again.
    computed
        Labels that ended in this run.
    missing
        Labels without a result, for a reason other than the label itself; the next run tries them again.
    """

    ok: int
    failed: dict[str, int]
    already: int
    computed: int
    missing: int


def label_configurations(
    protocol: Protocol,
    positions: Floats,
    resources: Resources,
    labels_folder: Path,
    client: Client,
    progress: ProgressLine | None,
    scratch: Path,
    retry: Collection[str] = (),
) -> LabelCounts:
    """Compute the labels that the ledger of a folder does not have, and write them there.

    It may be killed at any time and called again: finished labels are in the spool and are not computed twice, nor
    are those that follow from labels of other protocols. A label that fails is a row with its reason and does not
    stop the others. A label that ran into a limit is tried again when the limit is higher.

    Parameters
    ----------
    protocol
        The n-mer, and how it is labelled.
    positions
        Shape (configurations, atoms, 3), Angstrom.
    resources
        Limits of one label: wall time (s) and memory (GiB).
    labels_folder
        Folder of the ledger, on a local disk of this machine; its ``spool`` must be seen by the workers.
    client
        Client of the cluster. Its workers should have one thread each: the kernel kills a label's process when the
        thread that started it ends.
    progress
        Progress line to update; None: no progress is shown.
    scratch
        Folder for temporary files on the workers.
    retry
        Failed labels with one of these texts in their ``status: reason``, for example ``timeout`` or ``did not
        converge``, are tried again, whatever the limits.

    Raises
    ------
    InputError
        If the engine is missing or cannot do what is asked, or another process holds the ledger.
    StageError
        If the cluster has no workers for too long, is lost, a disk is full, or no label finishes.
    """
    nmer, labelling = protocol.nmer, protocol.labelling
    check_labelling(nmer, labelling)
    engine = get_engine(labelling.engine)
    geometries = dict(zip(configuration_ids(nmer, positions), positions, strict=True))
    limits = Limits(resources.label_timeout, resources.label_memory)
    with Ledger.open(labels_folder.resolve()) as ledger:
        ledger.record_protocol(protocol.id, protocol.settings)
        derive_labels(ledger, protocol, np.asarray(list(geometries.values())))
        work, failed = work_left(ledger, protocol, list(geometries), limits, retry)
        cores, least = sum(client.ncores().values()), engine.labels_per_process
        grouped = batches(list(work), least, cores, lambda: measured_cost(nmer, labelling, ledger))
        tasks = (
            LabelTask(
                labels=tuple(
                    LabelWork(i, tuple(protocol.jobs(geometries[i], work[i], limits.memory))) for i in batch
                ),
                protocol=protocol.id,
                engine=labelling.engine,
                system=system_of(nmer),
                limits=limits,
                spool=ledger.spool,
                scratch=scratch.resolve(),
            )
            for batch in grouped
        )
        already = len(geometries) - len(work)
        queue = LabelQueue(ledger, client, protocol.parts, limits, progress, already - failed, failed)
        try:
            queue.run(tasks)
        finally:
            queue.cancel()
            ledger.ingest()
        return _count(ledger, protocol, list(geometries), already, queue.computed)


def scratch_folder(resources: Resources, store: Path) -> Path:
    """Return the folder for engines' temporary files: the recipe's, else one in the store."""
    return Path(resources.scratch).expanduser() if resources.scratch else store / "scratch" / "labels"


def work_left(
    ledger: Ledger, protocol: Protocol, ids: Sequence[str], limits: Limits, retry: Collection[str] = ()
) -> tuple[dict[str, tuple[str, ...]], int]:
    """Return the parts to compute of each label that has any, and the number of failed labels not tried again.

    Parameters
    ----------
    ledger
        The ledger.
    protocol
        The protocol.
    ids
        Configuration ids, each once.
    limits, retry
        As in `missing_parts`.
    """
    lacks = ~np.isfinite(ledger.arrays(ids, protocol.id, protocol.parts).energies).all(axis=1)
    rest = [ids[n] for n in np.flatnonzero(lacks).tolist()]
    known = ledger.rows(rest, protocol.id)
    needs = {i: missing_parts(known.get(i, {}), protocol.parts, limits, retry) for i in rest}
    work = {i: parts for i, parts in needs.items() if parts}
    return work, len(rest) - len(work)


def missing_parts(
    rows: dict[str, LabelRow], parts: Sequence[str], limits: Limits, retry: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the parts of a label to compute; none if it is complete, or failed and is not tried again.

    Parameters
    ----------
    rows
        Its rows by part.
    parts
        Names of all its parts.
    limits
        The present limits; a label that ran into a lower one is tried again.
    retry
        Texts; a failed label with one of them in its ``status: reason`` is tried again in any case.
    """
    for row in rows.values():
        said = f"{row.status}: {row.reason}".lower()
        wanted = any(text.lower() in said for text in retry)
        if row.status != OK and not wanted and not _exceeded_lower_limit(row, limits):
            return ()
    return tuple(part for part in parts if part not in rows or rows[part].status != OK)


def batches(
    wanted: Sequence[str], least: int, cores: int, measured: Callable[[], LabelCost | None]
) -> Iterator[Sequence[str]]:
    """Yield the labels that share a process, group by group.

    Parameters
    ----------
    wanted
        The labels.
    least
        The engine's number of labels in a process.
    cores
        How many processes there are.
    measured
        Returns what a label has cost, None as long as that is not known; it is asked while labels are computed,
        each time that twice as many have been given out.
    """
    start, asked, together = 0, 0, labels_together(least, measured())
    while start < len(wanted):
        if least > 1 and start > 2 * asked:
            asked, together = start, labels_together(least, measured())
        size = batch_size(together, len(wanted), cores)
        yield wanted[start : start + size]
        start += size


def labels_together(least: int, measured: LabelCost | None) -> int:
    """Return how many labels may share a process: the engine's number, or as many as take `TOGETHER`.

    Parameters
    ----------
    least
        The engine's number; its labels share no process where it is 1.
    measured
        What a label has cost. One that is only expected by formula may take a multiple of it, and nothing is told
        of a group before it ends.
    """
    if least == 1 or measured is None:
        return least
    return max(least, min(MOST_TOGETHER, int(TOGETHER / max(measured.cpu_seconds, 1e-3))))


def batch_size(per_process: int, labels: int, cores: int) -> int:
    """Return how many labels share a process: as many as may, or fewer so that no core is left idle."""
    return max(1, min(per_process, math.ceil(labels / max(cores, 1))))


def _exceeded_lower_limit(row: LabelRow, limits: Limits) -> bool:
    now = {"timeout": ("limit_seconds", limits.timeout), "out-of-memory": ("limit_memory", limits.memory)}
    if row.status not in now:
        return False
    name, limit = now[row.status]
    return bool(limit > json.loads(row.details).get(name, float("inf")))


def _count(ledger: Ledger, protocol: Protocol, ids: list[str], already: int, computed: int) -> LabelCounts:
    counts, failures = ledger.counts(ids, protocol.id, protocol.parts), find_failures(ledger, protocol, ids)
    return LabelCounts(counts.done, failures.reasons(), already, computed, counts.missing)
