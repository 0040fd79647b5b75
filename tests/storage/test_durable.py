"""Temporary names: no two writers share one, and what is written is for whom the system says."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from storage.durable import temporary_for, write_bytes, write_text


def test_no_two_names_are_the_same_and_gc_knows_them(tmp_path: Path) -> None:
    names = {temporary_for(tmp_path / "report.html") for _ in range(1000)}
    assert len(names) == 1000
    assert all(p.parent == tmp_path and p.match(".*.tmp") and p.name.startswith(".report.html.") for p in names)


@pytest.mark.parametrize("name", ["a" * 255, "ü" * 127, "x"])
def test_the_longest_name_has_a_temporary_one(name: str, tmp_path: Path) -> None:
    write_text(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text"


def test_two_writers_of_one_file_give_one_of_them_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([n]) * 300_000 for n in range(6)]
    errors: list[BaseException] = []

    def write(content: bytes) -> None:
        try:
            for _ in range(20):
                write_bytes(path, content)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert path.read_bytes() in contents and os.listdir(tmp_path) == ["file"]


def test_a_group_may_read_what_its_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever guesses the name could else have a file of the writer's overwritten."""
    (tmp_path / "precious").write_text("precious")
    monkeypatch.setattr("storage.durable.secrets.token_hex", lambda _: "guessed")
    temporary_for(tmp_path / "file").symlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        write_text(tmp_path / "file", "other")
    assert (tmp_path / "precious").read_text() == "precious"
