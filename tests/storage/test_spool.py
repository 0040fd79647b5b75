"""The spool: what was written is read, what was torn is skipped and counted."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from storage.spool import SpoolWriter, encode, read_spool, spool_files

ENTRIES = [{"part": "AB", "energy": -1.1e-7}, {"part": "A in AB", "reason": "ümläut \n and newline"}]


def write(folder: Path) -> Path:
    with SpoolWriter(folder) as spool:
        for entry in ENTRIES:
            spool.append(entry)
    return spool.path


def test_entries_come_back_in_order(tmp_path: Path) -> None:
    part = read_spool(write(tmp_path))
    assert list(part.entries) == ENTRIES
    assert part.skipped == 0


def test_every_torn_end_costs_only_the_last_entry(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    first = len(encode(ENTRIES[0]))
    for length in range(first + 1, len(whole)):
        path.write_bytes(whole[:length])
        part = read_spool(path)
        assert list(part.entries) == ENTRIES[:1]
        assert (part.skipped, part.end) == (1, first)


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    for place in range(len(encode(ENTRIES[0])) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        part = read_spool(path)
        assert list(part.entries) == ENTRIES[1:]
        assert part.skipped >= 1


def test_an_entry_after_a_torn_line_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    path.write_bytes(encode(ENTRIES[0])[:-5] + b"\n" + encode(ENTRIES[1]))
    part = read_spool(path)
    assert list(part.entries) == ENTRIES[1:]
    assert part.skipped == 1


def test_reading_goes_on_where_it_ended(tmp_path: Path) -> None:
    with SpoolWriter(tmp_path) as spool:
        spool.append(ENTRIES[0])
        end = read_spool(spool.path).end
        spool.append(ENTRIES[1])
        assert list(read_spool(spool.path, end).entries) == ENTRIES[1:]


def test_nan_is_refused_and_leaves_the_file_whole(tmp_path: Path) -> None:
    with SpoolWriter(tmp_path) as spool:
        with pytest.raises(ValueError, match="JSON"):
            spool.append({"energy": float("nan")})
        spool.append(ENTRIES[0])
    assert list(read_spool(spool.path).entries) == ENTRIES[:1]


def write_all(spool: SpoolWriter, entries: list[dict[str, object]]) -> None:
    for start in range(0, len(entries), 7):
        spool.extend(entries[start : start + 7])


def test_a_full_disk_keeps_whole_lines(small_disk: Path) -> None:
    folder = small_disk / "spool"
    entries = [{"n": n, "text": "x" * 300} for n in range(20_000)]
    with SpoolWriter(folder) as spool:
        with pytest.raises(OSError, match="No space left"):
            write_all(spool, entries)
        part = read_spool(spool.path)
        assert part.skipped == 0 and part.end == spool.end
        assert list(part.entries) == entries[: len(part.entries)] and len(part.entries) > 100
        (small_disk / "ballast").unlink()
        spool.append(entries[0])
        assert len(read_spool(spool.path).entries) == len(part.entries) + 1


def test_processes_write_files_of_their_own(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        paths = set(pool.map(write, [tmp_path] * 4))
    assert paths == set(spool_files(tmp_path))
    assert len(paths) == 4
