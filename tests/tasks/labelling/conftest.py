"""An engine that takes no time, for whatever is not about energies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recipes.engines import ENGINES
from recipes.registry import PLUGINS
from recipes.schema.labelling import Labelling

INSTANT = Path(__file__).parent / "instant"

SETTINGS = Labelling.model_construct(engine="instant", method="instant", counterpoise=False)
"""Its protocol; it is valid only where the fixture is in use."""


@pytest.fixture
def instant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Add the instant engine, here and in every process that starts; return its folder."""
    marks = tmp_path / "marks"
    marks.mkdir()
    monkeypatch.setenv("NMER_TEST_MARKS", str(marks))
    monkeypatch.setenv(PLUGINS, str(INSTANT))
    ENGINES.forget()
    yield INSTANT
    ENGINES.forget()
