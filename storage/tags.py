"""Tags: names that people give to versions, ``ch3-water@paper-draft``.

All tags of a store are in ``tags.json`` in its folder, with a checksum. The file is rewritten and renamed, so that
an interrupted change leaves either the old or the new tags. A tag holds the number and the key of its version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from potentials.errors import InputError
from storage.attributes import allowed_name, check_format, ref_of
from storage.canonical import digest
from storage.durable import disk_errors, write_text
from storage.version import Version

FILE = "tags.json"
TAGS_FORMAT = 1
NAME = r"[a-z][a-z0-9-]{0,99}"
"""What a tag may look like, as a regular expression."""

RESERVED = ("latest", "released")
"""Names reserved for the store."""


@dataclass(frozen=True)
class Tag:
    """A name that somebody gave to a version.

    Attributes
    ----------
    kind, nmer
        What is named.
    name
        The tag.
    number, key
        Which version.
    created
        When it was set, UTC.
    """

    kind: str
    nmer: str
    name: str
    number: int
    key: str
    created: str

    @property
    def ref(self) -> str:
        """How it is written: ``ch3-water@paper-draft``, ``dataset:ch3-water@paper-draft``."""
        return ref_of(self.kind, self.nmer, self.name)

    def is_on(self, version: Version) -> bool:
        """Return whether a version carries the tag."""
        return (self.kind, self.nmer, self.number) == (version.kind, version.nmer, version.number)


def read_tags(store: Path) -> tuple[Tag, ...]:
    """Return the tags of a store's folder.

    Raises
    ------
    InputError
        If the file is damaged, or of a newer format.
    """
    path = store / FILE
    with disk_errors(f"'{path}' cannot be read"):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return ()
    try:
        values = json.loads(content)
        check_format(values["nmer_tags_format"], TAGS_FORMAT, f"'{path}'", "nmer_tags_format")
        tags = tuple(_tag(tag) for tag in values["tags"])
        good = values["sha256"] == digest(values["tags"])
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"'{path}' is damaged: {' '.join(str(error).split())}; {_REMEDY}") from None
    if not good:
        raise InputError(f"'{path}' is damaged: its checksum does not match; {_REMEDY}")
    return tags


_REMEDY = "restore it from a copy, or delete it and set the tags again"


def _tag(values: dict[str, Any]) -> Tag:
    tag = Tag(**values)
    for name, value in values.items():
        wanted = allowed_name(name, value)
        if wanted:
            raise ValueError(f"the {name} of a tag is {str(value)[:40]!r}; allowed: {wanted}")
    if not re.fullmatch(NAME, tag.name):
        raise ValueError(f"a tag is called {tag.name[:40]!r}")
    return tag


def tags_of(version: Version, tags: Sequence[Tag]) -> list[str]:
    """Return the names of a version's tags."""
    return sorted(tag.name for tag in tags if tag.is_on(version))


def set_tag(store: Path, version: Version, name: str, force: bool = False) -> bool:
    """Give a version a tag; the caller holds the store's writer lock.

    Parameters
    ----------
    store
        Folder of the store.
    version
        The version.
    name
        The tag.
    force
        Move it from the version that carries it now.

    Returns
    -------
    Whether that is new.

    Raises
    ------
    InputError
        If the name is not allowed, or another version carries it and `force` is not given.
    """
    if not re.fullmatch(NAME, name) or name in RESERVED:
        raise InputError(
            f"tag '{name}' is not allowed; allowed: lowercase letters, digits, and dashes, with a letter first, "
            f"at most 100, and neither {' nor '.join(RESERVED)}"
        )
    tags = read_tags(store)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    now = Tag(version.kind, version.nmer, name, version.number, version.key, created)
    before = next((tag for tag in tags if tag.ref == now.ref), None)
    if before is not None and before.is_on(version):
        return False
    if before is not None and not force:
        raise InputError(
            f"the tag '{name}' is on {version.nmer}@{before.number}; --force moves it to {version.ref}"
        )
    _write(store, [*(tag for tag in tags if tag.ref != now.ref), now])
    return True


def remove_tag(store: Path, version: Version, name: str) -> None:
    """Take a tag from a version; the caller holds the store's writer lock.

    Raises
    ------
    InputError
        If the version does not carry it.
    """
    tags = read_tags(store)
    if name not in tags_of(version, tags):
        have = ", ".join(tags_of(version, tags)) or "none"
        raise InputError(f"{version.ref} does not carry the tag '{name}'; its tags: {have}")
    _write(store, [tag for tag in tags if not (tag.is_on(version) and tag.name == name)])


def _write(store: Path, tags: Sequence[Tag]) -> None:
    rows = [asdict(tag) for tag in sorted(tags, key=lambda tag: tag.ref)]
    values = {"nmer_tags_format": TAGS_FORMAT, "sha256": digest(rows), "tags": rows}
    with disk_errors(f"'{store / FILE}' cannot be written"):
        write_text(store / FILE, json.dumps(values, indent=1) + "\n")
