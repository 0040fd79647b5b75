"""The lines that a page offers for copying run as they stand."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest

from nmer.cli.main import application
from tasks.pages.usage import trust_of, use_of_potential, use_of_sum
from tests.storage.family import family


def test_the_lines_for_a_potential_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = family(tmp_path / "store")
    monkeypatch.setenv("NMER_STORE", str(store.path))
    assert trust_of([store.resolve("tiny-water@1")]) == []  # it has neither an ensemble nor ranges
    found = {one.title: one.text for one in use_of_potential("tiny-water@1")}
    names: dict[str, object] = {}
    exec(found["Python"], names)
    assert np.isfinite(names["energy"]) and np.isfinite(names["gradient"]).all()  # type: ignore[call-overload]
    exec(found["ASE"], {})


TRUST = ("uncertainty", "extrapolates")


@pytest.mark.parametrize(
    "text",
    [
        one.text
        for one in (*use_of_potential("ch3-water@1", TRUST), *use_of_sum("AceAlaNme", "polyalanine", TRUST))
    ],
)
def test_commands_and_python_can_be_read(text: str) -> None:
    lines = [line for line in text.splitlines() if line.startswith("nmer ")]
    for line in lines:
        words = shlex.split(line)[1:]
        application(words).parse_args(words, exit_on_error=False, print_error=False)
    if not lines:
        compile(text, "page", "exec")
