"""The segments of a simulation on disk: one folder for each replica, one file for each segment.

A file appears under its name when all of it is on the disk. A file that is damaged, and all later ones of its
replica, are removed when they are read: the segments are then run again.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from potentials.errors import InputError
from storage.canonical import canonical_json
from storage.durable import clear_temporaries, disk_errors, make_folder, replacing, write_text
from tasks.simulation.states import Segment, State

FORMAT = 1
"""Number of the layout of the files; folders of another one are refused."""

UNREADABLE = (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error)
"""Errors of numpy for files that are damaged."""

PLAIN = ("steps", "positions", "vectors", "energy", "kinetic", "bias", "counted", "outside", "hills", "read")
"""Arrays of a segment that are written as they are."""


class Segments:
    """The segments of one simulation.

    Parameters
    ----------
    folder
        The folder; it is made.
    contents
        What determines the simulation, as values for JSON; a folder of another one is refused.

    Raises
    ------
    InputError
        If the folder has segments of another simulation, or cannot be written.
    """

    def __init__(self, folder: Path, contents: dict[str, Any]) -> None:
        self.folder = folder
        text = canonical_json({"format": FORMAT} | contents)
        card = folder / "simulation.json"
        with disk_errors(f"'{folder}' cannot be written"):
            make_folder(folder)
            if card.exists():
                if card.read_text(encoding="utf-8") != text:
                    raise InputError(
                        f"'{folder}' has another simulation; allowed: a new folder, or the same settings, start "
                        "and potentials"
                    )
            else:
                write_text(card, text)

    def read(self, replica: int) -> list[Segment]:
        """Return the segments of a replica that are whole, and remove what follows a damaged one."""
        folder = self._of(replica)
        if not folder.is_dir():
            return []
        clear_temporaries(folder)
        found: list[Segment] = []
        for path in sorted(folder.glob("segment-*.npz")):
            if path.name != _name(len(found)):
                path.unlink()
                continue
            try:
                found.append(_read(path))
            except UNREADABLE:
                path.unlink()
        return found

    def cut(self, replica: int, count: int) -> None:
        """Remove all segments of a replica but the first `count`."""
        for path in self._of(replica).glob("segment-*.npz"):
            if path.name >= _name(count):
                path.unlink()

    def write(self, replica: int, number: int, segment: Segment) -> None:
        """Write a segment, and return when it is on the disk."""
        arrays: dict[str, Any] = {name: getattr(segment, name) for name in PLAIN}
        arrays["stopped"] = np.array(segment.stopped)
        arrays["share_names"] = np.array(list(segment.shares), dtype=np.str_)
        arrays |= {f"share{k}": values for k, values in enumerate(segment.shares.values())}
        if (end := segment.end) is not None:
            arrays |= {"end_step": np.array(end.step), "end_x": end.positions, "end_v": end.velocities}
            arrays |= {"restart": end.restart}
            arrays |= {} if end.vectors is None else {"end_vectors": end.vectors}
        path = self._of(replica) / _name(number)
        with (
            disk_errors(f"'{path}' cannot be written"),
            replacing(path) as temporary,
            temporary.open("xb") as file,
        ):
            np.savez(file, **arrays)

    def _of(self, replica: int) -> Path:
        return self.folder / f"replica-{replica:04d}"


def _name(number: int) -> str:
    return f"segment-{number:07d}.npz"


def _read(path: Path) -> Segment:
    with np.load(path, allow_pickle=False) as saved:
        arrays = {name: saved[name] for name in saved.files}  # a damaged array raises an error
    end = None
    if "end_step" in arrays:
        end = State(
            int(arrays["end_step"]), arrays["end_x"], arrays["end_v"], arrays.get("end_vectors"), arrays["restart"]
        )
    names = arrays["share_names"].tolist()
    return Segment(
        **{name: arrays[name] for name in PLAIN},
        shares={name: arrays[f"share{k}"] for k, name in enumerate(names)},
        end=end,
        stopped=str(arrays["stopped"]),
    )
