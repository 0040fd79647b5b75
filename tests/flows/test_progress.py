"""Progress on Prefect's pages: a real server, and one that is gone."""

from __future__ import annotations

import io
import logging
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from prefect import flow, runtime, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import Artifact
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows import progress
from flows.progress import show_progress
from recipes.load import load_recipe
from recipes.schema.recipe import Recipe
from tasks.progress import ProgressLine, watched_by
from tests.conftest import until


@pytest.fixture
def recipe(tiny_recipe: Path) -> Recipe:
    return load_recipe(str(tiny_recipe))


def artifacts_of_this_run() -> list[Artifact]:
    mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[runtime.flow_run.id]))
    with get_client(sync_client=True) as client:
        return client.read_artifacts(artifact_filter=mine)


def wait_for(share: float) -> Artifact:
    """Return the one artifact of this run once it shows a share."""
    assert until(lambda: [a.data for a in artifacts_of_this_run()] == [share]), artifacts_of_this_run()
    return artifacts_of_this_run()[0]


def test_counts_show_while_the_stage_works(server: str, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.1)
    stream = io.StringIO()

    @task
    def labelling() -> str:
        with ProgressLine("labelling", 8, "labels", stream) as line:
            line.update(1, 1)
            shown = wait_for(25.0)
            assert shown.description == "labelling 1 of 8 labels, 1 failed, 6 left"
            with ProgressLine("choosing", 2, "terms", stream) as other:
                other.update(1)
            line.update(6, 1)
            wait_for(87.5)
            line.update(7, 1)
        return str(runtime.task_run.id)

    @flow
    def run() -> None:
        with watched_by(partial(show_progress, recipe)):
            made_by = labelling()
        (last,) = artifacts_of_this_run()
        assert last.key == "nmer-tiny-water-labelling" and last.type == "progress" and last.data == 100.0
        assert str(last.task_run_id) == made_by
        assert last.description == "labelling 7 of 8 labels, 1 failed, 0 left"
        with ProgressLine("labelling", 8, "labels", stream) as line:
            line.update(3)
        assert len(artifacts_of_this_run()) == 1, "outside, nothing watches"

    with temporary_settings({PREFECT_API_URL: server}):
        run()


def test_a_server_that_is_gone_stops_no_stage(
    server: str, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The way to a server is cut while a stage works; where it comes back, the next update is shown again."""
    monkeypatch.setattr(progress, "INTERVAL", 0.1)
    way = Way(int(server.split(":")[2].split("/")[0]))
    told = "the progress of sampling is not shown"

    @flow
    def run() -> None:
        with (
            watched_by(partial(show_progress, recipe)),
            ProgressLine("sampling", 4, "frames", io.StringIO()) as line,
        ):
            line.update(1)
            wait_for(25.0)
            way.cut()
            assert until(lambda: told in caplog.text)
            line.update(2)
            time.sleep(1.0)  # several updates that fail
            way.open()
            line.update(3)
            wait_for(75.0)
            line.update(4)
        assert [a.data for a in artifacts_of_this_run()] == [100.0]

    caplog.set_level(logging.WARNING, "prefect.flow_runs")
    try:
        way.open()
        address = f"http://127.0.0.1:{way.port}/api"
        with temporary_settings({PREFECT_API_URL: address, PREFECT_CLIENT_MAX_RETRIES: 0}):
            run()
    finally:
        way.cut()
    assert caplog.text.count(told) == 1


class Way:
    """A way to a server on this machine that can be cut."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._sockets: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.port = 0

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))  # the same port again after a cut
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        for one in [self._listener, *self._sockets]:
            if one is not None and one.fileno() >= 0:
                with suppress(OSError):  # the other end may have gone first
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self._sockets.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # closed
            while True:
                ends = listener.accept()[0], socket.create_connection(("127.0.0.1", self._target))
                self._sockets += ends
                for pair in (ends, ends[::-1]):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # closed
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
