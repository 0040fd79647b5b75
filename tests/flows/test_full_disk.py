"""A run on a disk that fills up: one sentence, nothing finished is lost, and the same command goes on."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from potentials.errors import AGAIN
from storage.store import Store
from tests.conftest import spooled


def resize(disk: Path, kilobytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(disk)], check=True)


def check_full(words: list[str], store: Path) -> list[str]:
    """Run on a disk that is too small; return which versions there are then."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 1, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr and "ERROR" not in done.stderr, done.stderr
    assert last.startswith("nmer: ") and "disk is full" in last and last.endswith(AGAIN)
    versions = Store(store).versions()
    assert len(list(store.rglob("*.h5*"))) == len(versions), "none is half written"
    return [version.kind for version in versions]


@pytest.mark.parametrize("sizes", [(330,), pytest.param((80, 200, 280, 330), marks=pytest.mark.slow)])
def test_a_run_on_a_disk_that_fills_up(
    small_disk: Path,
    tiny_recipe: Path,
    tmp_path: Path,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
    sizes: tuple[int, ...],
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", server)
    recipe, store = tmp_path / "tiny-water.toml", small_disk / "store"
    recipe.write_text(tiny_recipe.read_text().replace("[resources]", "[resources]\nkeep_hills = false"))
    words = [str(Path(sys.executable).with_name("nmer")), "run", str(recipe), "--store", str(store)]
    ballast, over = small_disk / "ballast", threading.Event()
    ballast.unlink()
    for size in sizes:  # too small for the frames, or for the pool beside them
        resize(small_disk, size)
        assert check_full(words, store) == []
    resize(small_disk, 2000)

    def fill() -> None:
        while len(spooled(store)) < 4 and not over.wait(0.02):
            pass
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while not over.is_set():
                file.write(bytes(4096))

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        assert check_full(words, store) == ["pool", "selection"]
    finally:
        over.set()
        thread.join()
    before = spooled(store)
    assert 4 <= len(before) < 66
    ballast.unlink()
    done = subprocess.run(words, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    assert len(Store(store).versions()) == 5
    every = spooled(store)
    assert before == [part for part in every if part in before], "what was finished is there once"
    assert len(set(every)) == len(every) == 66
