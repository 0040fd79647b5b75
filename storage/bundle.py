"""A bundle: a version with everything it was made from, in one file.

It is an uncompressed zip of a small store, so that unpacking it with any program gives a store, with
``manifest.json`` beside it: what is in it, and the sha256 of every member. The rows of the label ledger are in a
spool file. All of a bundle is checked before any of it is used; see `read_bundle`.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from potentials.errors import InputError
from storage.archive import damaged, open_archive, read_member
from storage.arrays import check_regular
from storage.attributes import FOLDERS, OF_SYSTEMS, check_format, ref_of
from storage.bundle_labels import SPOOL, label_files
from storage.canonical import canonical_json
from storage.durable import replacing
from storage.foreign import check_whole
from storage.store import MARKER, Store
from storage.version import Version

BUNDLE_FORMAT = 1
"""Number of a bundle's layout; a newer number than this is refused."""

MANIFEST, README = "manifest.json", "README.txt"

Progress = Callable[[int], object]
"""Called with the number of bytes done."""

_NMER = r"[a-z0-9][a-z0-9-]*"
_MEMBERS = re.compile(
    rf"({'|'.join(FOLDERS.values())})/{_NMER}/[1-9]\d*\.h5|reports/{_NMER}@[1-9]\d*/[A-Za-z0-9_][A-Za-z0-9_.-]*"
    rf"|labels/references/[0-9a-f]{{16}}/[0-9a-f]{{16}}\.json|{re.escape(SPOOL)}"
    rf"|{re.escape(MANIFEST)}|{re.escape(README)}|{re.escape(MARKER)}"
)
_CHUNK = 1 << 20

MOST_MANIFEST = 8 * 2**20
"""Largest manifest, bytes; a bundle of 20,000 members needs three million."""

_README = """This file is a bundle of nmer: a version with all it was made from, and the labels' ledger rows.

Unpacked, it is a store: nmer versions --store FOLDER. To take it into a store of your own: nmer unbundle FILE.
Without nmer: the .h5 files are HDF5, and every array says its unit, its meaning and its source; the root
attribute recipe is TOML, inputs, engines and facts are JSON. Each line of {spool} is a row of the
label ledger: a checksum (crc32), a space, JSON. manifest.json has the sha256 of every file.
"""


@dataclass(frozen=True)
class Bundled:
    """A version in a bundle; ``number`` is that of the store it comes from."""

    kind: str
    nmer: str
    number: int
    key: str

    @property
    def member(self) -> str:
        """Name of its file, in the bundle as in a store."""
        return f"{FOLDERS[self.kind]}/{self.nmer}/{self.number}.h5"

    @property
    def ref(self) -> str:
        """Its name in the store it comes from."""
        return ref_of(self.kind, self.nmer, self.number)


@dataclass(frozen=True)
class Bundle:
    """What is in a bundle.

    Attributes
    ----------
    path
        The file.
    ref
        Reference of the version that the bundle was made for.
    versions
        All versions, each after what it was made from.
    files
        Size in bytes and sha256 of every member but the manifest.
    missing
        References of versions of the lineage that are not in it.
    protocols
        Settings of each protocol of the labels, by its id.
    """

    path: Path
    ref: str
    versions: tuple[Bundled, ...]
    files: dict[str, tuple[int, str]]
    missing: tuple[str, ...]
    protocols: dict[str, dict[str, Any]]

    @property
    def size(self) -> int:
        """Bytes of all members."""
        return sum(size for size, _ in self.files.values())


def family_of(store: Store, version: Version, pool: bool = True) -> tuple[list[Version], list[str]]:
    """Return a version after all it was made from, the newest verdicts on its potentials, and what is missing.

    Parameters
    ----------
    store
        The store.
    version
        Any version.
    pool
        Whether pools are included.
    """
    found: list[Version] = []
    missing: list[str] = []

    def add(one: Version) -> None:
        if one in found:
            return
        for made_from, below in store.inputs(one):
            if below is None or (below.kind == "pool" and not pool):
                missing.append(made_from["ref"])
            else:
                add(below)
        found.append(one)

    add(version)
    judged = [v for v in found if v.kind == "potential"] if version.kind in OF_SYSTEMS else [version]
    for verdict in (store.verdict(one) for one in judged if one.kind == "potential"):
        if verdict is not None:
            add(verdict)
    return found, list(dict.fromkeys(missing))


def write_bundle(
    store: Store, version: Version, out: Path, pool: bool = True, progress: Progress | None = None
) -> Bundle:
    """Write a version with its lineage into one file, whole or not at all.

    Parameters
    ----------
    store
        The store.
    version
        Any version.
    out
        The file.
    pool
        Whether pools are included; they are the largest files.
    progress
        Called with the number of bytes done.

    Raises
    ------
    InputError
        If the file exists or cannot be written.
    """
    if out.exists():
        raise InputError(f"'{out}' exists already; give another path with --out")
    family, missing = family_of(store, version, pool)
    bundled = tuple(Bundled(v.kind, v.nmer, v.number, v.key) for v in family)
    texts, protocols = label_files(store, family)
    texts |= {README: _README.format(spool=SPOOL).encode(), MARKER: (store.path / MARKER).read_bytes()}
    paths = {one.member: v.path for one, v in zip(bundled, family, strict=True)}
    for one in family:
        if one.kind == "potential":
            report = store.report(one)
            own = [p for p in sorted(report.glob("[!.]*")) if p.is_file() and not p.is_symlink()]
            paths |= {f"reports/{report.name}/{p.name}": p for p in own}
    files: dict[str, tuple[int, str]] = {}
    try:
        with (
            replacing(out) as temporary,
            temporary.open("xb") as whole,
            zipfile.ZipFile(whole, "w", allowZip64=True) as archive,
        ):
            for name, content in sorted(texts.items()):
                files[name] = len(content), hashlib.sha256(content).hexdigest()
                archive.writestr(_info(name), content)
            for name, path in paths.items():
                with path.open("rb") as source, archive.open(_info(name, path.stat().st_size), "w") as target:
                    files[name] = _copy(source, target, progress)
            made = Bundle(out, version.ref, bundled, files, tuple(missing), protocols)
            archive.writestr(_info(MANIFEST), json.dumps(_manifest(made), indent=1))
    except OSError as error:
        raise InputError(f"'{out}' cannot be written: {error.strerror}") from None
    return made


def read_bundle(path: Path, progress: Progress | None = None) -> Bundle:
    """Read the contents of a bundle, and check every member against its checksum.

    Parameters
    ----------
    path
        The file.
    progress
        Called with the number of bytes checked.

    Raises
    ------
    InputError
        If it is not a bundle, of a newer format, or damaged.
    """
    check_regular(path, "give a bundle, as nmer bundle writes it")
    with open_archive(path) as archive:
        bundle = _read_manifest(path, archive)
        for name in bundle.files:
            _take_out(bundle, archive, name, None, progress)
    return bundle


def unpack(bundle: Bundle, names: Iterable[str], folder: Path) -> None:
    """Write members of a checked bundle into a folder under their own names, which all stay within it.

    Raises
    ------
    InputError
        If the bundle is not what it was when it was checked.
    """
    with open_archive(bundle.path) as archive:
        for name in names:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as handle:
                _take_out(bundle, archive, name, handle, None)


def _take_out(
    bundle: Bundle, archive: zipfile.ZipFile, name: str, target: IO[bytes] | None, progress: Progress | None
) -> None:
    """Read a member, into a file if one is given, and compare it with what the manifest says."""
    expected = bundle.files[name]  # so its name was checked
    with archive.open(name) as source:
        if archive.getinfo(name).file_size != expected[0] or _copy(source, target, progress) != expected:
            raise damaged(bundle.path, f"'{name}' is not what was written")


@contextmanager
def bundle_as_store(path: Path, kinds: Sequence[str] = ("potential", "validation")) -> Iterator[Store]:
    """Yield a temporary store with a bundle's versions of some kinds; it is removed when the block ends.

    Raises
    ------
    InputError
        As `read_bundle` does.
    """
    bundle = read_bundle(path)
    with TemporaryDirectory(prefix="nmer-bundle-") as folder:
        chosen = [v.member for v in bundle.versions if v.kind in kinds]
        unpack(bundle, [MARKER, *chosen], Path(folder))
        for name in chosen:
            check_whole(Path(folder) / name)
        yield Store(folder)


def _manifest(bundle: Bundle) -> dict[str, Any]:
    return {
        "nmer_bundle_format": BUNDLE_FORMAT,
        "creator": f"nmer {package_version('nmer')}",
        "ref": bundle.ref,
        "versions": [vars(v) | {"ref": v.ref, "file": v.member} for v in bundle.versions],
        "missing": list(bundle.missing),
        "files": {name: {"size": size, "sha256": sha} for name, (size, sha) in bundle.files.items()},
        "protocols": bundle.protocols,
    }


def _read_manifest(path: Path, archive: zipfile.ZipFile) -> Bundle:
    names = [info.filename for info in archive.infolist()]
    if MANIFEST not in names:
        raise InputError(f"'{path}' is not a bundle of nmer: it has no {MANIFEST}")
    try:
        found = json.loads(read_member(path, archive, MANIFEST, MOST_MANIFEST))
        check_format(found["nmer_bundle_format"], BUNDLE_FORMAT, f"'{path}'", "nmer_bundle_format")
        versions = tuple(
            Bundled(str(v["kind"]), str(v["nmer"]), int(v["number"]), str(v["key"])) for v in found["versions"]
        )
        files = {str(n): (int(f["size"]), str(f["sha256"])) for n, f in found["files"].items()}
        missing, protocols = tuple(str(ref) for ref in found["missing"]), dict(found["protocols"])
        canonical_json(protocols)
        bundle = Bundle(path, str(found["ref"]), versions, files, missing, protocols)
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(path, f"its {MANIFEST} is not readable ({error})") from None
    for name in {*names, *files}:
        if not _MEMBERS.fullmatch(name):
            raise damaged(path, f"'{name}' does not belong in a bundle")
    if sorted(names) != sorted([*files, MANIFEST]):
        raise damaged(path, f"its members are not those of its {MANIFEST}")
    if {v.member for v in versions} != {name for name in files if name.endswith(".h5")} or MARKER not in files:
        raise damaged(path, f"its versions are not those of its {MANIFEST}")
    return bundle


def _info(name: str, size: int = 0) -> zipfile.ZipInfo:
    """Return a member without a time stamp, so that the same versions make the same file."""
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o644 << 16
    info.file_size = size
    return info


def _copy(source: IO[bytes], target: IO[bytes] | None, progress: Progress | None) -> tuple[int, str]:
    """Copy a file in pieces; return its size and sha256."""
    size, sha = 0, hashlib.sha256()
    while piece := source.read(_CHUNK):
        sha.update(piece)
        size += len(piece)
        if target is not None:
            target.write(piece)
        if progress is not None:
            progress(len(piece))
    return size, sha.hexdigest()
