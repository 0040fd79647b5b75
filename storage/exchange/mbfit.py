"""Format ``mbfit``: a dataset as MB-Fit reads it, the n-body energy in the comment."""

from __future__ import annotations

from functools import partial

from storage.exchange.exporter import Files, Format
from storage.exchange.subject import DatasetSubject
from storage.exchange.xyz_files import read_back, xyz_files


def mbfit_files(subject: DatasetSubject) -> Files:
    """Return MB-Fit's xyz: the comment is the n-body energy in kcal/mol."""
    return xyz_files(subject, lambda data, n: repr(float(data.energy[n])))


FORMAT = Format(
    name="mbfit",
    title="MB-Fit's xyz, energies in kcal/mol",
    takes=DatasetSubject,
    files=mbfit_files,
    read_back=partial(read_back, unit="kcal/mol"),
)
