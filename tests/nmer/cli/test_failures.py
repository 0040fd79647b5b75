"""Failures that no part of nmer foresees: one sentence, and no work that a later check would throw away."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nmer.cli.main
from nmer.cli.failures import ending
from nmer.cli.main import main
from storage.store import Store

NMER = str(Path(sys.executable).with_name("nmer"))


def test_an_unforeseen_error_is_a_sentence_and_a_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object, **__: object) -> int:
        raise ZeroDivisionError("float division\nby zero")

    monkeypatch.setattr(nmer.cli.main, "application", lambda words: broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["show", "ch3-water"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "ZeroDivisionError: float division by zero" in said
    log = Path(re.search(r"with the log (\S+)", said)[1])  # type: ignore[index]
    text = log.read_text()
    assert log.parent == tmp_path and log.stat().st_mode & 0o077 == 0
    assert "nmer 'show' 'ch3-water'" in text and "raise ZeroDivisionError" in text and "Python 3" in text


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/a/b"), 2, "'/a/b': Permission denied"),
        (OSError(errno.EROFS, "Read-only file system", "/a"), 2, "'/a': Read-only file system"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 9), 2, "too long"),
        (OSError(errno.EIO, "Input/output error", "/a"), 1, "'/a': Input/output error"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "the disk is full"),
        (OSError("a library's own words"), 1, "a library's own words"),
        (TimeoutError(), 1, "TimeoutError"),
    ],
)
def test_every_error_of_the_system_is_a_sentence(error: OSError, code: int, said: str) -> None:
    found, sentence = ending(error, [])
    assert found == code and said in sentence


def test_words_that_are_not_text_are_refused() -> None:
    for word in (b"ch3\xff", b"ch3\nwater", b"\x1b[31mch3"):
        done = subprocess.run([NMER.encode(), b"show", word], capture_output=True, check=False)
        assert done.returncode == 2 and done.stdout == b""
        assert done.stderr.startswith(b"nmer: argument 2, ") and done.stderr.count(b"\n") == 1


def test_a_terminal_without_the_letters_still_shows_them() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([NMER, "new", "übung", "--from-smiles", "O"], capture_output=True, env=environment)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and done.stderr.isascii()


FIT = ["fit", "--train", "TRAIN", "--symmetry", "A1B4", "--degree", "2", "--out"]
TUNE = ["tune", "--train", "TRAIN", "--symmetry", "A1B4", "--out"]


@pytest.mark.parametrize(
    "words", [FIT, TUNE, ["plot", "ch3-water", "--out"], ["fragment", "CCO", "--draw", "--out"]]
)
def test_an_out_that_is_no_folder_is_refused_before_anything_is_read(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("mine")
    for out in ("taken", "taken/deeper", "/proc/self/none" if os.getuid() else "taken/x/y"):
        assert main([*words, out]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"nmer: cannot write into '{out}'") and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["taken"] and (tmp_path / "taken").read_text() == "mine"


def test_a_busy_store_is_refused_before_prefect_is_loaded(tmp_path: Path) -> None:
    with Store(tmp_path / "store", create=True).writing():
        script = (
            "import sys; from nmer.cli.main import main; code = main(sys.argv[1:]);"
            "print('prefect' in sys.modules); sys.exit(code)"
        )
        words = ["--store", str(tmp_path / "store"), "--preset", "smoke"]
        for what in (["run", "ch3-water"], ["run", "--all", "polyalanine-water"]):
            done = subprocess.run(
                [sys.executable, "-c", script, *what, *words], capture_output=True, text=True, check=False
            )
            assert done.returncode == 2 and done.stdout == "False\n", done.stderr
            assert f"is being written by process {os.getpid()}" in done.stderr


@pytest.mark.parametrize("part", ["label", "fit", "validate"])
def test_a_part_alone_makes_no_store(part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    assert main(["run", "ch3-water", "--preset", "smoke", "--only", part, "--store", str(store)]) == 1
    assert "needs what sampling makes" in capsys.readouterr().err
    assert not store.exists()


def test_deploy_writes_nothing_that_it_cannot_register(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe")
    for words, said in (
        ([], "PREFECT_API_URL is not set"),
        (["--file", "."], "'.' is a folder; --file takes the path of a YAML file"),
        (["--file", "bad.yaml"], "'bad.yaml' cannot be read"),
    ):
        assert main(["deploy", "ch3-water", "--preset", "smoke", *words]) == 2
        shown = capsys.readouterr().err
        assert said in shown and shown.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]
