"""Files as a stranger could make them: each is a sound version with one thing wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

Change = Callable[[h5py.File], None]


def seal_again(file: h5py.File) -> None:
    """Make the checksums fit again, as a forger would."""
    from storage.checksum import ARRAY, ROOT, seal

    for name in file:
        file[name].attrs.pop(ARRAY, None)
    file.attrs.pop(ROOT, None)
    seal(file)


def attribute(name: str, value: object) -> Change:
    def change(file: h5py.File) -> None:
        file.attrs[name] = value

    return change


def facts(**values: object) -> Change:
    def change(file: h5py.File) -> None:
        file.attrs["facts"] = json.dumps(json.loads(file.attrs["facts"]) | values)

    return change


def without(name: str) -> Change:
    def change(file: h5py.File) -> None:
        del file.attrs[name]

    return change


def array(name: str, make: Callable[[h5py.File], object]) -> Change:
    def change(file: h5py.File) -> None:
        if name in file:
            del file[name]
        made = make(file)
        if made is not None:
            file[name] = made

    return change


def bomb(file: h5py.File) -> None:
    file.create_dataset("k", (10**15,), dtype="f8", chunks=(1000,), compression="gzip")


def zeros(file: h5py.File) -> None:
    made = file.create_dataset("k", (2**32,), dtype="f8", chunks=(2**20,), compression="gzip", compression_opts=9)
    made[: 2**20] = 0.0


def large_chunk(file: h5py.File) -> None:
    file.create_dataset("k", (3,), maxshape=(None,), dtype="f8", chunks=(2**28,), compression="gzip")


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource("/etc/hostname", "k", (4,))
    file.create_virtual_dataset("k", layout)


def external(file: h5py.File) -> None:
    file.create_dataset("k", (4,), dtype="u1", external=[("/etc/hostname", 0, 4)])


def unknown_filter(file: h5py.File) -> None:
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk((4,))
    settings.set_filter(32_001, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(file.id, b"k", h5py.h5t.NATIVE_DOUBLE, space, settings)


def many_copies_of_one_text(file: h5py.File) -> None:
    """Point 300,000 strings to 100 places of the file: 3 GB from 1 MB."""
    del file["terms"]
    made = file.create_dataset("terms", (300_000,), dtype=h5py.string_dtype(), chunks=(100,), compression="gzip")
    made[:100] = "x" * 10_000
    mask, raw = made.id.read_direct_chunk((0,))
    for start in range(100, 300_000, 100):
        made.id.write_direct_chunk((start,), raw, mask)


def regions(file: h5py.File) -> None:
    file.create_dataset("k", data=[file["terms"].regionref[:]], dtype=h5py.regionref_dtype)


def many_arrays(file: h5py.File) -> None:
    for number in range(100):
        file.create_dataset(f"a{number}", data=[1.0])


STRUCTURE: dict[str, tuple[Change, str]] = {
    "external link": (array("k", lambda _: h5py.ExternalLink("/etc/passwd", "/")), "not an array of numbers"),
    "external link beside": (array("more", lambda _: h5py.ExternalLink("/etc/hosts", "/k")), "not an array"),
    "soft link": (array("more", lambda _: h5py.SoftLink("/coefficients")), "not an array of numbers"),
    "soft link to nowhere": (array("k", lambda _: h5py.SoftLink("/nothing")), "not an array of numbers"),
    "virtual": (array("k", virtual), "not an array of numbers"),
    "external storage": (array("k", external), "not an array of numbers"),
    "object reference": (array("k", lambda f: f["terms"].ref), "not an array of numbers"),
    "array of references": (
        array("k", lambda f: f.create_dataset("k", data=[f["terms"].ref], dtype=h5py.ref_dtype) and None),
        "not an array of numbers",
    ),
    "region reference": (
        array(
            "k",
            lambda f: f.create_dataset("k", data=[f["terms"].regionref[:]], dtype=h5py.regionref_dtype) and None,
        ),
        "not an array of numbers",
    ),
    "group": (array("k", lambda f: f.create_group("k") and None), "not an array of numbers"),
    "named type": (array("k", lambda _: np.dtype("f8")), "not an array of numbers"),
    "opaque": (array("k", lambda _: np.void(b"\x80\x04pickle")), "not an array of numbers"),
    "record": (array("k", lambda _: np.zeros(2, dtype=[("a", "f8")])), "not an array of numbers"),
    "complex": (array("k", lambda _: np.zeros(2, dtype=complex)), "not an array of numbers"),
    "empty space": (array("k", lambda _: h5py.Empty("f8")), "not an array of numbers"),
    "one number": (array("k", lambda _: np.float64(1.0)), "dimensions; allowed: 1 to 4"),
    "many dimensions": (array("k", lambda _: np.zeros((1,) * 9)), "has 9 dimensions"),
    "bomb": (array("k", bomb), "larger than the file can hold"),
    "zeros": (array("k", zeros), "larger than the file can hold"),
    "large chunk": (array("k", large_chunk), "larger than the file can hold"),
    "texts": (many_copies_of_one_text, "longer than the file can"),
    "filter": (array("k", unknown_filter), "packed with the filter"),
    "name of an array": (
        array("../k", lambda f: f.create_dataset("..\\k; x", data=[1.0]) and None),
        "an array called",
    ),
    "many arrays": (many_arrays, "allowed: up to 64"),
    "many attributes": (lambda f: [f.attrs.create(f"a{n}", 1) for n in range(100)] and None, "allowed: up to 64"),
    "name of an attribute": (attribute("\x1b[2J", 1), "an attribute called"),
    "array as an attribute": (attribute("facts", ["{}", "{}"]), "not one number or one string"),
    "reference as an attribute": (lambda f: f.attrs.create("more", f["k"].ref), "not one number or one string"),
    "empty attribute": (attribute("created", h5py.Empty("f8")), "not one number or one string"),
    "bytes": (attribute("recipe", np.bytes_(b"x = 1")), "not one number or one string"),
    "not UTF-8": (lambda f: f.attrs.create("facts", b"\xff\xfe{}", dtype=h5py.string_dtype()), "not UTF-8"),
    "attribute of an array": (lambda f: f["k"].attrs.create("unit", [1, 2]), "not one number or one string"),
}
"""Change, and what the message says."""

CONTENT: dict[str, tuple[Change, str]] = {
    "no format": (without("nmer_format"), "is not a version of ours"),
    "format 1 as text": (attribute("nmer_format", "1"), "nmer_format is '1'; allowed: whole numbers, 1 to 1"),
    "format 0": (attribute("nmer_format", 0), "nmer_format is 0; allowed"),
    "format -1": (attribute("nmer_format", -1), "nmer_format is -1; allowed"),
    "format 1.0": (attribute("nmer_format", 1.0), "nmer_format is 1.0; allowed"),
    "format nan": (attribute("nmer_format", float("nan")), "nmer_format is nan; allowed"),
    "format true": (attribute("nmer_format", True), "nmer_format is True; allowed"),
    "format list": (attribute("nmer_format", [1]), "not one number or one string"),
    "format text": (attribute("nmer_format", "latest"), "nmer_format is 'latest'; allowed"),
    "format 2": (attribute("nmer_format", 2), "newer format 2; allowed: nmer_format up to 1"),
    "format 10**15": (attribute("nmer_format", 10**15), "newer format 1000000000000000"),
    "no kind": (without("kind"), "it has no attribute 'kind'"),
    "kind": (attribute("kind", "virus"), "attribute 'kind' is 'virus'; allowed: pool"),
    "kind is a number": (attribute("kind", 3), "attribute 'kind' is 3; allowed"),
    "nmer": (attribute("nmer", "../../etc/cron.d/x"), "attribute 'nmer' is '../../etc/cron.d/x'; allowed"),
    "long nmer": (attribute("nmer", "a" * 5000), "attribute 'nmer' is"),
    "escape": (attribute("nmer", "\x1b]0;owned\x07"), "attribute 'nmer' is '\\x1b]0;owned\\x07'"),
    "number 0": (attribute("number", 0), "attribute 'number' is 0; allowed: 1, 2, 3"),
    "number text": (attribute("number", "one"), "attribute 'number' is 'one'"),
    "number -3": (attribute("number", -3), "attribute 'number' is -3"),
    "key": (attribute("key", "a\nb"), "attribute 'key' is 'a\\nb'; allowed: one line"),
    "created": (attribute("created", 12), "attribute 'created' is 12"),
    "no facts": (without("facts"), "attribute 'facts' is missing"),
    "no recipe": (without("recipe"), "attribute 'recipe' is missing"),
    "facts": (attribute("facts", "{"), "attribute 'facts' is not readable as JSON"),
    "facts nan": (attribute("facts", '{"degree": NaN}'), "not readable as JSON: it holds NaN"),
    "facts list": (attribute("facts", "[]"), "attribute 'facts' is not a JSON object"),
    "facts deep": (attribute("facts", "[" * 100_000 + "]" * 100_000), "nested too deeply"),
    "half a character": (attribute("facts", '{"a": "\\ud800"}'), "not readable as JSON"),
    "long number": (attribute("facts", '{"a": ' + "9" * 5000 + "}"), "not readable as JSON"),
    "inputs": (attribute("inputs", "{}"), "attribute 'inputs' is not a JSON list"),
    "input without a key": (attribute("inputs", '[{"kind": "pool"}]'), "'inputs' has an entry that is not"),
    "input elsewhere": (
        attribute("inputs", '[{"kind": "pool", "ref": "pool:../../x@1", "key": "k"}]'),
        "'inputs' has an entry that is not",
    ),
    "input text": (attribute("inputs", '["pool"]'), "'inputs' has an entry that is not"),
    "engines": (attribute("engines", '{"pyscf": [1]}'), "'engines' has a version that is not a text"),
    "licence": (attribute("licence", 3), "attribute 'licence' is not a text"),
}

POTENTIAL: dict[str, tuple[Change, str]] = {
    "facts empty": (attribute("facts", "{}"), "the content of"),
    "degree": (facts(degree="three"), ""),
    "switching": (facts(switching={"atoms": 3}), "the content of"),
    "nmer number": (facts(nmer=7), ""),
    "options": (facts(options={"rules": 3}), "the content of"),
    "no k": (lambda f: f.pop("k") and None, "'k'"),
    "short k": (array("k", lambda _: np.array([1.0])), ""),
    "k of text": (array("k", lambda f: f.create_dataset("k", data=["a"], dtype=h5py.string_dtype()) and None), ""),
}
"""Sound files of ours whose content is no potential."""


def make(path: Path, sound: Path, change: Change, fix: bool = True) -> Path:
    """Write a copy of a sound file with one thing changed; where that is possible, its checksums fit."""
    path.write_bytes(sound.read_bytes())
    path.chmod(0o644)
    with h5py.File(path, "r+") as file:
        change(file)
    if fix:
        try:
            with h5py.File(path, "r+") as file:
                seal_again(file)
        except Exception:
            pass
    return path


def files_below(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return every file below a folder with its mode and content, without locks."""
    return {
        str(p.relative_to(folder)): (p.stat().st_mode, p.read_bytes())
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name not in (".lock", ".lock-holder") and os.access(p, os.R_OK)
    }
