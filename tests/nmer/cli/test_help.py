"""The pages of the command line: commands by stage, choices, examples that parse, completion; no heavy import."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nmer.cli.main import COMMANDS, application, main

NAMES = [name for commands in COMMANDS.values() for name in commands]
HEAVY = ("numpy", "pydantic", "h5py", "numba", "scipy", "prefect", "dask")


def page(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([*words, "--help"]) == 0
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


def examples(name: str) -> list[str]:
    epilogue = application([name])[name].help_epilogue
    assert isinstance(epilogue, str)
    return [line.removeprefix("Example: ") for line in epilogue.splitlines() if line]


def test_the_first_page_has_every_command_under_its_stage(capsys: pytest.CaptureFixture[str]) -> None:
    whole = page(capsys)
    places = [whole.index(f"─ {stage} ─") for stage in COMMANDS]
    assert places == sorted(places)
    for (_, commands), start, end in zip(COMMANDS.items(), places, [*places[1:], len(whole)], strict=True):
        for name, (_, line) in commands.items():
            assert f"{name} {line}" in whole[start:end]


def test_no_line_of_the_first_page_is_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(line in shown for commands in COMMANDS.values() for _, line in commands.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_page_ends_with_examples_that_parse(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = examples(name)
    assert lines and page(capsys, name).endswith(f"Example: {lines[-1]}")
    for line in lines:
        words = shlex.split(line)
        assert words[:2] == ["nmer", name]
        app = application(words[1:])
        command, _, _ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
        assert command.__module__.startswith("nmer.cli.")


@pytest.mark.parametrize("name", NAMES)
def test_no_page_shows_a_default_that_stands_for_nothing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = page(capsys, name)
    assert not any(f"[default: {empty}]" in shown for empty in ('""', "''", "()", "[]", "None", "False"))


def test_pages_show_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    shown = page(capsys, "simulate")
    assert all(f"[default: {value}]" in shown for value in ("10ps", "300.0", "langevin"))


def test_pages_list_choices(capsys: pytest.CaptureFixture[str]) -> None:
    from deploy.profiles import machine_files
    from recipes.protocols import protocols

    run = page(capsys, "run")
    assert all(name in run for name in (*protocols(), *machine_files(), "smoke", "sampling", "polyalanine"))
    assert "variable-projection, simplex, or fixed" in page(capsys, "fit")


@pytest.mark.parametrize(
    "words", [["-c", "import nmer"], ["-m", "nmer.cli.main", "--help"]], ids=["import", "help"]
)
def test_nothing_heavy_is_imported(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-X", "importtime", *words], capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "nmer" in imported and not imported & set(HEAVY)


def test_completion_of_bash_knows_commands_and_options(tmp_path: Path) -> None:
    script = tmp_path / "nmer.bash"
    assert main(["completion", "bash", "--out", str(script)]) == 0
    for typed, last, wanted in (("nmer ver", 1, {"versions", "verify"}), ("nmer run --pre", 2, {"--preset"})):
        ask = (
            f"source {script}; name=$(complete -p nmer | sed 's/.*-F \\([^ ]*\\).*/\\1/'); "
            f"COMP_WORDS=({typed}) COMP_CWORD={last} COMP_LINE='{typed}' COMP_POINT={len(typed)}; "
            f"$name nmer {typed.split()[-1]} {typed.split()[-2]}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        )
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", ask], capture_output=True, text=True, check=True, env={**os.environ, "PATH": path}
        )
        assert wanted <= {line.split()[0] for line in done.stdout.splitlines() if line}, done.stderr
