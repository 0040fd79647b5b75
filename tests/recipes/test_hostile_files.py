"""Files that are no recipes: one sentence each, exit code 2, in a moment, and nothing written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nmer.cli.main import main
from potentials.errors import InputError
from recipes.load import load_recipe
from tests.conftest import TINY

Made = Callable[[Path], str | bytes | None]

CONTENTS: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "key 'name' is missing"),
    "no TOML": ("dear nmer, please", "not valid TOML"),
    "JSON": ('{"name": "x"}', "not valid TOML"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8 text: byte 0 is 0x89"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "not UTF-8 text"),
    "Latin-1": (TINY.replace("A capped", "Ein gek\u00fcrztes").encode("latin-1"), "not UTF-8 text: byte"),
    "UTF-16": (TINY.encode("utf-16"), "not UTF-8 text"),
    "NUL": (TINY.replace("tiny-water", "tiny\x00water"), "not valid TOML"),
    "half a file": (TINY[: TINY.index("geometry") + 30], "not valid TOML"),
    "a key twice": (TINY.replace("format = 1", "format = 1\nformat = 1"), "not valid TOML"),
    "a table twice": (TINY + "\n[sampling]\nframes = 3\n", "not valid TOML"),
    "a table over a value": ("name = 1\n[name]\nx = 1\n", "not valid TOML"),
    "lists without end": ("name = " + "[" * 50_000 + "]" * 50_000, "nested deeper than those of a recipe"),
    "tables without end": ("name = " + "{a = " * 20_000 + "1" + "}" * 20_000, "nested deeper"),
    "a key without end": ("a." * 100_000 + "b = 1", "a line has more than 300 points"),
    "a header without end": ("[" + "a." * 100_000 + "b]\nx = 1", "a line has more than 300 points"),
    "many long keys": ("\n".join("a." * 299 + f"b{n} = 1" for n in range(400)), "mine.toml"),
    "a key in a table without end": ("x = {" + "a." * 100_000 + "b = 1}", "a line has more than 300 points"),
    "a megabyte": (TINY + "# " + "x" * 1_000_000, "larger than a recipe can be; allowed: up to 256 kB"),
    "a number of 5,000 digits": (TINY.replace("frames = 200", "frames = " + "9" * 5000), "mine.toml"),
    "a number in hexadecimal": (TINY.replace("frames = 200", "frames = 0x" + "f" * 9000), "too long to show"),
    "a date": (TINY.replace("frames = 200", "frames = 2025-01-01"), "sampling.frames"),
    "a text for a number": (TINY.replace("frames = 200", 'frames = "two hundred"'), "sampling.frames"),
    "a truth for a text": (TINY.replace('"tiny-water"', "true"), "key 'name'"),
    "a number for a table": ("sampling = 3\n" + TINY[: TINY.index("[sampling]")], "key 'sampling'"),
    "a text for a table": ('sampling = "much"\n' + TINY[: TINY.index("[sampling]")], "key 'sampling'"),
    "a list for a table": (TINY.replace("[gates]", "[[gates]]"), "key 'gates'"),
    "a table for a list": (TINY.replace("windows = [[0, 4], [4, 7]]", "windows = { a = 1 }"), "sampling.windows"),
    "another format": (TINY.replace("format = 1", "format = 2"), "key 'format'"),
    "a format in words": (TINY.replace("format = 1", 'format = "1"'), "key 'format'"),
    "an unknown key with a colour": (TINY.replace("format = 1", '"x\\u001b[31m" = 1'), "x\\x1b[31m"),
    "an unknown key of 100 kB": (TINY.replace("format = 1", f'"{"k" * 100_000}" = 1'), "is unknown"),
    "an unknown table": (TINY + "\n[os]\nsystem = 'rm'\n", "key 'os' is unknown"),
    "a key of Python": (TINY.replace("format = 1", "__class__ = 1"), "key '__class__' is unknown"),
    "presets that are a number": ("presets = 3\n" + TINY, "key 'presets' must be a table of tables"),
    "presets that are a list": ("presets = [1]\n" + TINY, "key 'presets' must be a table of tables"),
    "a preset that is a number": (TINY + "\n[presets]\nsmoke = 3\n", "key 'presets' must be a table of tables"),
}


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    code = main(list(words))
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, ""), captured
    assert captured.err.startswith("nmer: ") and captured.err.count("\n") == 1 and len(captured.err) < 1500
    assert captured.err.rstrip("\n").isprintable()
    return captured.err


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_that_is_no_recipe(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content, expected = CONTENTS[name]
    monkeypatch.chdir(tmp_path)
    file = Path("mine.toml")
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    for command in ("show", "run"):
        said = refused(capsys, command, "mine.toml")
        assert "mine.toml: " in said and expected in said, said
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


def test_a_byte_order_mark_and_lines_of_windows_are_read(tmp_path: Path) -> None:
    plain_file, file = tmp_path / "plain.toml", tmp_path / "mine.toml"
    plain_file.write_text(TINY)
    plain = load_recipe(str(plain_file))
    file.write_bytes(TINY.encode("utf-8-sig"))
    assert load_recipe(str(file)) == plain
    file.write_bytes(TINY.replace("\n", "\r\n").encode("utf-8-sig"))
    assert load_recipe(str(file)) == plain


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none.toml", "recipe file 'none.toml' does not exist"),
        ("folder.toml", "recipe file 'folder.toml' is a folder"),
        ("none/mine.toml", "does not exist"),
        ("file/mine.toml", "does not exist"),
        ("pipe.toml", "is no regular file"),
        ("loop.toml", "cannot be read"),
        ("a" * 5000 + ".toml", "cannot be read: File name too long"),
        ("x" * 100_000, "is unknown"),
        ("./" + "a/" * 3000 + "x.toml", "recipe file"),
        ("mi\x1b[31mne.toml", "is not printable text"),
        ("mi\nne.toml", "is not printable text"),
        ("/dev/null/x.toml", "does not exist"),
        ("/dev/zero.toml", "does not exist"),
        ("../../../../../../etc/passwd", "not valid TOML"),
        ("", "recipe"),
        (".", "recipe"),
        ("..", "recipe"),
        ("~", "is unknown"),
        ("$(touch pwned)", "is unknown"),
        ("ch3-water; rm -rf x", "is unknown"),
        ("--preset", "--preset"),
        ("ch3-water.toml", "does not exist"),
        ("CH3-WATER", "is unknown"),
    ],
)
def test_a_name_that_leads_to_no_recipe(
    name: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.toml").mkdir()
    Path("file").write_text("")
    os.mkfifo("pipe.toml")
    Path("loop.toml").symlink_to("loop.toml")
    before = sorted(tmp_path.rglob("*"))
    said = refused(capsys, "plan", name)
    assert expected in said, said
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("preset", ["../x", "a\nb", "\x1b[31m", "$(x)", "", "x" * 100_000, "{0}", "a b;c"])
def test_a_preset_that_is_none_or_has_no_name(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import tomllib

    import tomlkit

    monkeypatch.chdir(tmp_path)
    said = refused(capsys, "run", "ch3-water", "--preset", preset)
    known = "ch3-water.toml: preset" in said and "is unknown; allowed: laptop, levels, paper, smoke" in said
    assert known if preset.isprintable() else "is not printable text" in said
    values = tomllib.loads(TINY) | {"presets": {preset: {"gates": {"train_rmsd": 3}}}}
    Path("mine.toml").write_text(tomlkit.dumps(values))
    if preset:
        with pytest.raises(InputError, match=r"mine\.toml: key 'preset'"):
            load_recipe("mine.toml", preset)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]
