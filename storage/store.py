"""The store: a folder of immutable versions, and the references and keys by which they are found.

Layout: ``nmer-store.json`` marks the folder and its format; ``pools/``, ``selections/``, ``datasets/``,
``physics/``, ``potentials/``, and ``validations/`` hold ``<n-mer>/<number>.h5``; ``trajectories/``, ``checks/``
and ``turns/`` ``<system>/<number>.h5``; each has ``<number>.removed`` where one was removed;
``tags.json`` holds the names people gave to versions; ``labels/`` the ledger and its spool;
``reports/<n-mer>@<number>/`` the page, the plots, and the expanded recipe; ``scratch/`` what a run resumes from;
``densities/`` those that physics parameters are derived from; ``surfaces/`` relaxed geometries of a reference;
``.index`` the versions read before, see `storage.index`. A file that cannot be read is left out with a warning; it
is an error only if it is asked for by its number.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from potentials.errors import InputError
from potentials.pip.potential import Potential
from storage import tags
from storage.attributes import FOLDERS, OF_SYSTEMS, NewerError, allowed_name, check_format
from storage.citations import citation_text, licence_of
from storage.contents import potential_from_version
from storage.durable import clear_temporaries, disk_errors, write_text
from storage.file_system import release_lock, take_lock
from storage.foreign import Entry
from storage.index import Index, Unreadable, number_of
from storage.quality import remarks
from storage.turns import trials
from storage.version import KINDS, NMER, Column, Version, write_version

STORE_FORMAT = 1
MARKER = "nmer-store.json"
REMOVED = ".removed"
"""Ending of the file that keeps the number of a removed version taken."""


class Store:
    """A store of versions.

    Parameters
    ----------
    path
        The folder; by default ``NMER_STORE``, else ``nmer-store`` in the working directory.
    create
        Make the folder if it does not exist.

    Raises
    ------
    InputError
        If the folder is not a store, or a store of a newer format, or does not exist.
    """

    def __init__(self, path: str | Path | None = None, create: bool = False) -> None:
        self.path = Path(path) if path is not None else default_store()
        self._index = Index(self.path)
        marker = self.path / MARKER
        with disk_errors(f"the store at '{self.path}' cannot be read"):
            if not os.path.lexists(marker):
                self._check_free()
                if not create:
                    raise InputError(
                        f"there is no store at '{self.path}'; 'nmer run' makes one, or give --store PATH or "
                        "NMER_STORE"
                    )
                self._make(marker)
            content = marker.read_bytes()
        try:
            found = json.loads(content)["nmer_store_format"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError(
                f"'{marker}' does not name a store format; the folder is not a store of ours"
            ) from None
        check_format(found, STORE_FORMAT, f"'{marker}'", "nmer_store_format")

    def _make(self, marker: Path) -> None:
        try:
            write_text(marker, json.dumps({"nmer_store_format": STORE_FORMAT}) + "\n")
        except OSError as error:
            raise InputError(
                f"no store can be made at '{self.path}': {error.strerror}; give another folder with --store"
            ) from None

    def _check_free(self) -> None:
        # left by a process that was killed while it made the store
        inside = self.path.iterdir() if self.path.is_dir() else ()
        if self.path.is_file():
            raise InputError(
                f"'{self.path}' is not a store of ours but a file; give a folder with --store, into which "
                "'nmer unbundle FILE' takes bundles"
            )
        if any(not p.match(f".{MARKER}.*.tmp") for p in inside):
            raise InputError(
                f"'{self.path}' is not a store of ours (it has no {MARKER}); "
                "give an empty or new folder with --store"
            )

    @property
    def labels(self) -> Path:
        """Folder of the label ledger and its spool."""
        return self.path / "labels"

    @property
    def densities(self) -> Path:
        """Folder of the densities that parameters of V_phys are derived from."""
        return self.path / "densities"

    def scratch(self, key: str) -> Path:
        """Return the folder where the content with this key is being made; a rerun resumes from it."""
        return self.path / "scratch" / key[:16]

    def report(self, potential: Version) -> Path:
        """Return the folder of a potential's report."""
        return self.path / "reports" / f"{potential.nmer}@{potential.number}"

    def plumed(self, pool: Version) -> Path:
        """Return the folder of a pool's PLUMED files."""
        return self.path / "plumed" / f"{pool.nmer}-{pool.key[:12]}"

    def versions(self, kind: str | None = None, nmer: str | None = None) -> list[Version]:
        """Return the versions, oldest first within each kind and n-mer."""
        return [entry.version for entry in self.entries(kind, nmer)]

    def entries(self, kind: str | None = None, nmer: str | None = None) -> list[Entry]:
        """Return the versions as `versions` does, each with what it was made from."""
        return [entry for each in ((kind,) if kind else KINDS) for entry in self._index.look(each, nmer)[0]]

    def current(self, nmer: str | None = None) -> list[Version]:
        """Return the potentials as `versions` does, without trials of improvement that were not kept."""
        left_out = trials(self.entries)
        return [version for version in self.versions("potential", nmer) if version.key not in left_out]

    def unreadable(self, kind: str | None = None, nmer: str | None = None) -> list[Unreadable]:
        """Return the files that `versions` leaves out, and why."""
        return [
            bad for each in ((kind,) if kind else KINDS) for bad in self._index.look(each, nmer, warn=False)[1]
        ]

    def find(self, kind: str, key: str, nmer: str | None = None) -> Version | None:
        """Return the version with this key, or None."""
        return next((v for v in self.versions(kind, nmer) if v.key == key), None)

    def inputs(self, version: Version) -> list[tuple[dict[str, str], Version | None]]:
        """Return what a version was made from, each with its version; None if the store no longer has it."""
        return [(i, self.find(i["kind"], i["key"])) for i in version.attributes()["inputs"]]

    def input(self, version: Version, kind: str) -> Version | None:
        """Return the first version of one kind that a version was made from, if the store still has it."""
        return next((below for named, below in self.inputs(version) if named["kind"] == kind), None)

    def get(self, kind: str, key: str) -> Version:
        """Return the version with this key; raises KeyError if it is not there."""
        version = self.find(kind, key)
        if version is None:
            raise KeyError(f"no {kind} with key {key[:12]} in '{self.path}'")
        return version

    def add(
        self,
        kind: str,
        nmer: str,
        key: str,
        *,
        columns: Mapping[str, Column],
        recipe: str,
        inputs: list[Version],
        engines: Mapping[str, str],
        facts: Mapping[str, Any],
    ) -> Version:
        """Freeze a new version, or return the one that has this key already.

        The caller holds the store's writer lock.
        """
        if wanted := allowed_name("nmer", nmer):
            what = "a system" if kind in OF_SYSTEMS else "an n-mer"
            raise InputError(f"{what} cannot be called '{nmer[:120]}' in a store; allowed: {wanted}")
        present = self.find(kind, key, nmer)
        if present is not None:
            return present
        path = self.next_path(kind, nmer)
        clear_temporaries(path.parent)
        made_from = [{"kind": v.kind, "ref": v.ref, "key": v.key} for v in inputs]
        version = write_version(
            path,
            kind,
            nmer,
            number_of(path.name),
            key,
            columns=columns,
            recipe=recipe,
            inputs=made_from,
            engines=engines,
            facts=facts,
            citation=citation_text(kind, nmer, recipe, engines, facts, inputs),
            licence=licence_of(recipe),
        )
        self.take(Entry(version, tuple(made_from), kind == "validation" and facts.get("passed") is True))
        return version

    def take(self, entry: Entry) -> None:
        """Index a version that was just written into the store; the caller holds the writer lock."""
        self._index.put(entry)
        self._index.save()

    def next_path(self, kind: str, nmer: str) -> Path:
        """Return the file that the next version of an n-mer gets."""
        folder = self.path / FOLDERS[kind] / nmer
        taken = [*folder.glob("*.h5"), *folder.glob(f"*{REMOVED}")]
        return folder / f"{1 + max((number_of(p.name) for p in taken), default=0)}.h5"

    def resolve(self, ref: str) -> Version:
        """Return the version that a reference names.

        Parameters
        ----------
        ref
            ``ch3-water@1``, ``ch3-water@latest``, ``ch3-water@released``, or a user's tag,
            ``ch3-water@paper-draft``; for other kinds than potentials with the kind in front,
            ``dataset:ch3-water@1``.

        Raises
        ------
        InputError
            If the reference is not readable or names nothing.
        """
        match = re.fullmatch(rf"(?:(\w+):)?({NMER})@([0-9]{{1,18}}|{tags.NAME})", ref)
        kind = (match[1] or "potential") if match else ""
        if not match or kind not in KINDS:
            raise InputError(
                f"reference '{ref}' is not readable; allowed: NAME@NUMBER, NAME@latest, NAME@released, NAME@TAG, "
                f"with one of {', '.join(k + ':' for k in KINDS)} in front for other kinds"
            )
        nmer, which = match[2], match[3]
        if which == "latest":
            found = self.current(nmer) if kind == "potential" else self.versions(kind, nmer)
        elif which == "released":
            found = [v for v in self.versions(kind, nmer) if self.status(v) == "released"]
        else:
            found = self._numbered(kind, nmer, which)
        if not found:
            raise self._unknown(ref, kind, nmer, which)
        return found[-1]

    def _numbered(self, kind: str, nmer: str, which: str) -> list[Version]:
        """Return the version with a number or a tag; damage to others does not matter."""
        key = None
        if not which.isdecimal():
            tag = next(
                (t for t in tags.read_tags(self.path) if (t.kind, t.nmer, t.name) == (kind, nmer, which)), None
            )
            if tag is None:
                return []
            which, key = str(tag.number), tag.key
        path = self.path / FOLDERS[kind] / nmer / f"{int(which)}.h5"
        found = self._index.one(kind, nmer, int(which))
        if isinstance(found, Unreadable):
            raise (NewerError if found.newer else InputError)(found.why)
        if found is None:
            return []
        if key is not None and found.version.key != key:
            raise InputError(f"'{path}' is not the version that was tagged: its key is not {key[:12]}")
        return [found.version]

    def _unknown(self, ref: str, kind: str, nmer: str, which: str) -> InputError:
        mark = self.path / FOLDERS[kind] / nmer / f"{which}{REMOVED}"
        if os.path.isfile(mark):
            return InputError(f"'{ref}' was removed from the store at '{self.path}'")
        have = [v.ref for v in self.versions(kind)]
        with suppress(InputError):  # damaged tags are reported elsewhere
            have += [t.ref for t in tags.read_tags(self.path) if t.kind == kind]
        bad = self.unreadable(kind, nmer)
        more = f"; what cannot be read: {bad[0].why}" if bad else ""
        return InputError(
            f"'{ref}' is not in the store at '{self.path}'; it has: {', '.join(have) or 'none'}{more}"
        )

    def status(self, potential: Version) -> str:
        """Return ``released`` if the newest verdict on a potential passed every gate, else ``candidate``."""
        verdict = self._verdict(potential)
        return "released" if verdict is not None and verdict.passed else "candidate"

    def verdict(self, potential: Version) -> Version | None:
        """Return the newest validation of a potential, or None."""
        verdict = self._verdict(potential)
        return None if verdict is None else verdict.version

    def _verdict(self, potential: Version) -> Entry | None:
        for entry in reversed(self.entries("validation", potential.nmer)):
            if any(i["key"] == potential.key for i in entry.inputs):
                return entry
        return None

    def potential(self, ref: str) -> Potential:
        """Return a potential, ready to evaluate: ``store.potential("ch3-water@latest")``."""
        version = self.resolve(ref)
        if version.kind != "potential":
            raise InputError(f"'{ref}' is a {version.kind}, not a potential; give NAME@NUMBER without a kind")
        said = remarks(self.verdict(version), self.input(version, "dataset"))
        return potential_from_version(version, self.status(version), said)

    def check_writable(self) -> None:
        """Raise InputError at once, as `writing` does, if another process is writing to the store."""
        with self.writing():
            pass

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the store's writer lock.

        Raises
        ------
        InputError
            If another process holds it (the message names that process), or the file system has no locks.
        """
        with disk_errors(f"the store at '{self.path}' cannot be written"):
            lock = take_lock(self.path / ".lock", f"the store at '{self.path}' is being written by")
        try:
            yield
            self._index.save()
        finally:
            release_lock(lock)


def default_store() -> Path:
    """Return the store's folder when none is given: ``NMER_STORE``, else ``nmer-store`` here."""
    return Path(os.environ.get("NMER_STORE") or "nmer-store")
