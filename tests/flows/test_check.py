"""The flow of gates and checks: what it returns, keeps in the store, and shows on Prefect's pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.check import check_family
from potentials.errors import InputError
from storage.store import Store
from tests.tasks.checks.plugins import plug, registry
from tests.tasks.checks.smoke import smoke_store

__all__ = ["registry"]

pytestmark = pytest.mark.usefixtures("registry")


def test_a_run_measures_stores_and_shows(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = plug(monkeypatch, tmp_path / "plugins")
    plug(monkeypatch, tmp_path / "plugins", name="other", fails=True, gate=False, limit=None)
    store = smoke_store(tmp_path / "store")
    given = {"molecules": ["AceAlaNme"], "options": {"spread": {"points": 3}}}
    with temporary_settings({PREFECT_API_URL: server}):
        first = check_family("polyalanine", store.path, **given)
        again = check_family("polyalanine", store.path, **given)
        with get_client(sync_client=True) as client:
            shown = {a.key: a for a in client.read_artifacts() if a.key and a.key.startswith("nmer-check-")}
            tasks = {t.name.rpartition("-")[0] for t in client.read_task_runs() if t.name.startswith("check ")}
    assert runs.read_text().split() == ["spread", "other", "other"]
    assert first["gates"] == again["gates"] and first["gates"][-1]["name"] == "spread: largest"
    assert [one["stored"] for one in first["measured"]] == [False, False]
    assert [one["stored"] for one in again["measured"]] == [True, False]
    assert again["measured"][1]["why"].startswith("it did not converge")
    (version,) = Store(store.path).versions("check")
    assert version.ref == again["measured"][0]["version"] == "check:polyalanine@1"
    page = str(shown["nmer-check-polyalanine"].data)
    assert "| spread: largest |" in page and "points 3 instead of 6" in page and "candidate" in page
    assert "| ch3@1: gradient |" in page and "it did not converge" in page
    assert shown["nmer-check-polyalanine-spread-energies"].data and "nmer-check-polyalanine-spread" in shown
    assert {"check spread", "check other"} <= tasks
    assert (store.path / "reports" / "polyalanine" / "spread-energies.png").exists()
    assert "Energies of distorted geometries" in Path(again["report"]).read_text()


def test_mistakes_are_told_before_anything_is_measured(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = plug(monkeypatch, tmp_path / "plugins")
    store = smoke_store(tmp_path / "store")
    with temporary_settings({PREFECT_API_URL: server}):
        with pytest.raises(InputError, match=r"option 'spread\.pints' is unknown"):
            check_family("polyalanine", store.path, options={"spread": {"pints": 3}})
        with pytest.raises(InputError, match="family 'polyglycine' is unknown"):
            check_family("polyglycine", store.path)
    assert not runs.exists()
