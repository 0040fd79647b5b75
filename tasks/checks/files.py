"""Plots and tables of findings as files: PNG and CSV in the folder of the reports of a family or a system."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from storage.durable import write_text
from storage.store import Store
from storage.version import Column
from tasks.checks.interface import Check, Findings
from tasks.plot import Plot, write_plots

MOST_WIDE = 12
"""Most columns of a two-dimensional array that a CSV has; larger ones are in the version alone."""


def report_folder(store: Store, name: str) -> Path:
    """Return the folder of the reports of a family or a system."""
    return store.path / "reports" / name


def write_files(check: Check, findings: Findings, folder: Path) -> list[Path]:
    """Write the plots of findings, each with its CSV, and every table; return the files.

    A file is called after the check and the plot or the table; older ones are replaced.

    Parameters
    ----------
    check
        The check.
    findings
        What it found.
    folder
        The folder; it is made.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    files: list[Path] = []
    for plot in check.draw(findings):
        files += write_plots([plot], folder, prefix_of(check, plot))
    for name, text in tables_of(findings).items():
        if text:
            path = folder / "tables" / f"{check.name}-{name}.csv"
            write_text(path, text)
            files.append(path)
    return files


def prefix_of(check: Check, plot: Plot) -> str:
    """Return what the names of a plot's files begin with, besides the plot's own name."""
    same = plot.name == check.name or plot.name.startswith(f"{check.name}-")
    return "" if same else f"{check.name}-"


def tables_of(findings: Findings) -> dict[str, str]:
    """Return every table of findings as CSV by its name; empty where none of its columns fits into one."""
    return {name: table_csv(columns) for name, columns in findings.tables().items()}


def table_csv(columns: dict[str, Column]) -> str:
    """Return the columns of one table as CSV, with units in the head; empty if none fits into one."""
    head: list[str] = []
    found: list[list[str]] = []
    for name, column in columns.items():
        values = np.asarray(column.values)
        if values.ndim == 1:
            head.append(_head(name, column.unit))
            found.append([_cell(value) for value in values])
        elif values.ndim == 2 and values.shape[1] <= MOST_WIDE:
            head += [_head(f"{name} {n}", column.unit) for n in range(values.shape[1])]
            found += [[_cell(value) for value in part] for part in values.T]
    stream = io.StringIO()
    if head:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(zip(*found, strict=True))
    return stream.getvalue()


def _head(name: str, unit: str) -> str:
    return name if unit == "1" else f"{name} ({unit})"


def _cell(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float | np.floating) else str(value)
