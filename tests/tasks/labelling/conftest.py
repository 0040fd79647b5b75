"""An engine that takes no time, for whatever is not about energies."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import pytest

from tasks.labelling.engines.registry import ENGINES

INSTANT = Path(__file__).parent / "instant"


@pytest.fixture
def instant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the instant engine in the place of xtb, here and in every process that starts; return its folder."""
    marks = tmp_path / "marks"
    marks.mkdir()
    monkeypatch.setenv("NMER_TEST_MARKS", str(marks))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(INSTANT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setitem(ENGINES, "xtb", ENGINES.get("xtb"))  # type: ignore[arg-type]  # puts it back afterwards
    runpy.run_path(str(INSTANT / "sitecustomize.py"))
    return INSTANT
