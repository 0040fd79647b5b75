"""The commands about what a store keeps: tag, versions, diff, remove, gc, lineage, verify; and its writer lock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nmer.cli.main import main
from storage.store import Store
from tests.storage.family import two_potentials


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return two_potentials(tmp_path / "s")


def call(capsys: pytest.CaptureFixture[str], store: Store, *words: str) -> tuple[int, str, str]:
    code = main([*words, "--store", str(store.path)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_tag_works_in_every_command(capsys: pytest.CaptureFixture[str], store: Store, tmp_path: Path) -> None:
    code, out, _ = call(capsys, store, "tag", "tiny-water@1", "paper-draft")
    assert (code, out) == (0, "tiny-water@1 is now tiny-water@paper-draft\n")
    assert "already" in call(capsys, store, "tag", "tiny-water@paper-draft", "paper-draft")[1]
    assert call(capsys, store, "tag", "dataset:tiny-water@latest", "draft")[0] == 0
    assert call(capsys, store, "tag", "pool:tiny-water@1", "all")[0] == 0
    rows = {r["ref"]: r["tags"] for r in json.loads(call(capsys, store, "versions", "--json")[1])}
    assert rows["tiny-water@1"] == ["paper-draft"] and rows["dataset:tiny-water@1"] == ["draft"]
    assert rows["tiny-water@2"] == []
    assert "paper-draft" in call(capsys, store, "versions")[1]
    ref, out_x = "tiny-water@paper-draft", str(tmp_path / "data.xyz")
    for words in (
        ("get", ref, "--out", str(tmp_path / "got")),
        ("export", ref, "--format", "json", "--out", str(tmp_path / "p.json")),
        ("export", "dataset:tiny-water@draft", "--format", "extxyz", "--out", out_x),
        ("cite", ref),
        ("lineage", ref, "--labels"),
        ("diff", ref, "tiny-water@latest"),
        ("plot", "pool:tiny-water@all", "--out", str(tmp_path / "plots")),
        ("verify", ref),
    ):
        code, out, err = call(capsys, store, *words)
        assert code == 0 and out, (words, err)
    assert (tmp_path / "got" / "tiny-water@1.h5").exists() and Path(out_x).exists()


def test_tags_are_kept_from_accidents(capsys: pytest.CaptureFixture[str], store: Store) -> None:
    call(capsys, store, "tag", "tiny-water@1", "v1")
    code, _, err = call(capsys, store, "tag", "tiny-water@2", "v1")
    assert code == 2 and "--force moves it to tiny-water@2" in err
    code, _, err = call(capsys, store, "tag", "tiny-water@v1", "--remove")
    assert code == 2 and "add --force" in err
    code, _, err = call(capsys, store, "tag", "tiny-water@1")
    assert code == 2 and "nmer tag tiny-water@1 NAME" in err
    code, _, err = call(capsys, store, "remove", "tiny-water@1")
    assert code == 2 and "'nmer tag tiny-water@1 v1 --remove --force' removes the tag" in err
    assert call(capsys, store, "tag", "tiny-water@2", "v1", "--force")[0] == 0
    code, out, _ = call(capsys, store, "tag", "tiny-water@v1", "--remove", "--force", "--json")
    assert code == 0 and json.loads(out)["tags"] == []


def test_diff_prints_tables_and_json(capsys: pytest.CaptureFixture[str], store: Store) -> None:
    code, out, _ = call(capsys, store, "diff", "tiny-water@1", "tiny-water@2")
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "fitting.gamma 0.0005 0.01" in lines
    assert "dataset dataset:tiny-water@1 dataset:tiny-water@1 the same" in lines
    assert any(line.startswith("train: rmsd ") for line in lines)
    assert any(line.startswith("A-B intra ") for line in lines) and lines[-1].startswith("terms: ")
    found = json.loads(call(capsys, store, "diff", "tiny-water@1", "tiny-water@2", "--json")[1])
    assert found["recipe"] == [{"key": "fitting.gamma", "left": 0.0005, "right": 0.01}]
    code, _, err = call(capsys, store, "diff", "tiny-water@1", "pool:tiny-water@1")
    assert code == 2 and "give two of one kind" in err


def test_remove_says_what_went_and_gc_lists_first(capsys: pytest.CaptureFixture[str], store: Store) -> None:
    code, out, _ = call(capsys, store, "remove", "tiny-water@2")
    assert code == 0
    assert [line.split("  ")[0] for line in out.splitlines()] == [
        "removed validation:tiny-water@2",
        "removed tiny-water@2",
        "removed report of tiny-water@2",
    ]
    code, _, err = call(capsys, store, "get", "tiny-water@2")
    assert code == 2 and "'tiny-water@2' was removed" in err
    assert "nothing is left over" in call(capsys, store, "gc")[1]
    scratch = store.scratch(store.resolve("pool:tiny-water@1").key) / "walker"
    scratch.mkdir(parents=True)
    (scratch / "frames").write_bytes(b"x" * 2_000_000)
    for words in (("gc",), ("gc", "--dry-run")):
        code, out, _ = call(capsys, store, *words)
        assert code == 0 and "2.00 MB can be removed" in out and scratch.exists()
    code, out, _ = call(capsys, store, "gc", "--yes", "--json")
    found = json.loads(out)
    assert code == 0 and found["removed"] and found["size_bytes"] == 2_000_000 and not scratch.parent.exists()
    assert call(capsys, store, "gc", "--yes", "--dry-run")[0] == 2


def test_verify_ends_with_1_and_a_line_for_each_damage(capsys: pytest.CaptureFixture[str], store: Store) -> None:
    code, out, _ = call(capsys, store, "verify", "--all")
    assert code == 0 and out == "7 versions and the labels are unchanged\n"
    path = store.resolve("dataset:tiny-water@1").path
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    place = data.index(store.resolve("dataset:tiny-water@1").column("energy").tobytes())
    data[place + 3] ^= 1
    path.write_bytes(data)
    code, out, _ = call(capsys, store, "verify")
    assert code == 1 and out.splitlines()[0] == (
        "damaged: datasets/tiny-water/1.h5, energy: its content is not what its checksum says"
    )
    code, out, _ = call(capsys, store, "verify", "tiny-water@1", "--json")
    found = json.loads(out)
    assert code == 1 and not found["sound"] and found["damages"][0]["what"] == "energy"
    assert found["files"]["datasets/tiny-water/1.h5"] == "damaged"
    assert call(capsys, store, "verify", "tiny-water@1", "--all")[0] == 2


HOLDER = """
import sys
from storage.store import Store
with Store(sys.argv[1]).writing():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_readers_do_not_wait_for_a_writer_and_other_writers_are_told_who_it_is(
    capsys: pytest.CaptureFixture[str], store: Store
) -> None:
    words = [sys.executable, "-c", HOLDER, str(store.path)]
    holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        for command in (("tag", "tiny-water@1", "x"), ("remove", "tiny-water@2"), ("gc",)):
            code, _, err = call(capsys, store, *command)
            assert code == 2 and f"is being written by process {holder.pid} on " in err, command
        for command in (("versions",), ("lineage", "tiny-water@1"), ("cite", "tiny-water@1"), ("verify",)):
            assert call(capsys, store, *command)[0] == 0, command
        assert store.potential("tiny-water@1").name == "tiny-water@1"
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert (store.path / ".lock-holder").exists(), "a killed process could not clean up"
    assert call(capsys, store, "tag", "tiny-water@1", "x")[0] == 0
    assert not (store.path / ".lock-holder").exists()


def test_a_dead_holder_is_not_named(store: Store) -> None:
    from filelock import FileLock

    from potentials.errors import InputError

    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (store.path / ".lock-holder").write_text(f"process {ended.pid} on {os.uname().nodename}\n")
    with FileLock(store.path / ".lock"):
        with pytest.raises(InputError, match="is being written by another process"), Store(store.path).writing():
            pass
        (store.path / ".lock-holder").write_text("process 77 on somewhere-else\n")
        with pytest.raises(InputError, match="process 77 on somewhere-else"), Store(store.path).writing():
            pass


@pytest.mark.parametrize("command", ["tag", "diff", "remove", "gc", "verify", "lineage"])
def test_every_help_has_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code = main([command, "--help"])
    out = capsys.readouterr().out
    assert code == 0 and "Example: nmer" in out and "--json" in out
