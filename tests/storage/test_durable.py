"""Temporary names: no two writers share one, and what is written is for whom the system says."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

from storage.durable import replacing, temporary_for, write_bytes, write_text
from tests.conftest import sources


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


@pytest.mark.parametrize("folder", [False, True])
def test_what_fails_leaves_the_path_as_it_was(folder: bool, tmp_path: Path) -> None:
    path = tmp_path / "made"
    for error in (ValueError("half way"), None):
        try:
            with replacing(path) as temporary:
                inside = temporary / "file" if folder else temporary
                inside.parent.mkdir(exist_ok=True)
                inside.write_text("text")
                if error:
                    raise error
        except ValueError:
            assert list(tmp_path.iterdir()) == []
    assert (path / "file" if folder else path).read_text() == "text" and os.listdir(tmp_path) == ["made"]


WRITES = re.compile(
    r"\.write_(?:text|bytes)\(|\.open\(\"[wax]|[^.\w]open\([^)\n]*\"[wax]b?\"|copyfile\(|np\.savez?\("
)
IN_SCRATCH = {
    "nmer/cli/bias_command.py": "replacing",
    "nmer/cli/recipe_input.py": "a draft in a temporary folder",
    "nmer/cli/store_commands.py": "replacing",
    "recipes/authoring/generate.py": "the recipes of this checkout",
    "recipes/chemistry/solvation.py": "a program's input",
    "storage/bundle.py": "replacing, and members in a scratch folder",
    "storage/exchange/exporter.py": "replacing",
    "storage/file_system.py": "a probe",
    "storage/foreign.py": "replacing, in another process",
    "storage/ledger.py": "says who holds a lock",
    "storage/store.py": "says who holds a lock",
    "tasks/checks/kept.py": "replacing",
    "tasks/improving/simulations.py": "write_bytes of storage/durable.py",
    "tasks/improving/spent.py": "appends lines, of which readers ignore an unfinished one",
    "tasks/labelling/engines/orca.py": "a program's input",
    "tasks/labelling/engines/program.py": "a program's output",
    "tasks/labelling/engines/psi4_program.py": "a program's input",
    "tasks/labelling/execution/process.py": "a program's output",
    "tasks/physics/densities.py": "replacing",
    "tasks/bias/plumed_engine.py": "a program's input",
    "tasks/bias/shared_hills.py": "appends lines, of which readers ignore an unfinished one",
    "tasks/sampling/engine.py": "a program's input",
    "tasks/sampling/samplers/pbmetad/segments.py": "replacing",
    "tasks/sampling/samplers/pbmetad/walkers.py": "replacing",
    "tasks/selection/table.py": "scratch memory",
    "tasks/simulation/lammps_state.py": "a program's input",
    "tasks/simulation/segments.py": "replacing",
}
"""Where a file is opened for writing, and why it is not one that could be found half written."""


def test_no_kept_file_is_written_in_place() -> None:
    found = {path for path, text in sources().items() if WRITES.search(text)}
    assert found - {"storage/durable.py"} <= set(IN_SCRATCH)
