"""A failed run is told: the shipped automation, a notification block, and a web server that takes the message."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from prefect.automations import Automation
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags, LogFilter, LogFilterFlowRunId
from prefect.settings import PREFECT_API_URL, temporary_settings

from deploy.environment import RUN_LOGS
from tests.conftest import ROOT

NOBODY = "00000000-0000-0000-0000-000000000000"


@contextmanager
def receiver() -> Iterator[tuple[str, queue.Queue[dict[str, str]]]]:
    """Yield the address of a web server on this machine, and what is posted to it."""
    received: queue.Queue[dict[str, str]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{web.server_port}", received
        finally:
            web.shutdown()
            thread.join()


def test_a_failed_run_is_told(server: str, tiny_recipe: Path, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in RUN_LOGS and k != "PREFECT_LOGGING_LEVEL"}
    environment["PREFECT_API_URL"] = server

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *words]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
        )

    named = tmp_path / "tiny-fail.toml"
    named.write_text(tiny_recipe.read_text().replace('"tiny-water"', '"tiny-fail"'))
    (tmp_path / "gone.toml").write_text('system = "scheduler"\naddress = "tcp://127.0.0.1:9"\n')
    with receiver() as (address, received), temporary_settings({PREFECT_API_URL: server}):
        block = CustomWebhookNotificationBlock(
            name="test", url=address, json_data={"subject": "{{subject}}", "body": "{{body}}"}
        ).save("nmer-failures", overwrite=True)
        shipped = (ROOT / "deploy" / "notify.yaml").read_text()
        assert shipped.count(NOBODY) == 1
        (tmp_path / "notify.yaml").write_text(shipped.replace(NOBODY, str(block)))
        made = call("prefect", "--no-prompt", "automation", "create", "--from-file", "notify.yaml")
        assert made.returncode == 0, made.stdout + made.stderr
        try:
            done = call("nmer.cli.main", "run", "tiny-fail.toml", "--on", "gone.toml")
            assert done.returncode == 1
            assert done.stderr.splitlines()[1].startswith("nmer: no Dask scheduler answers at 'tcp://127.0.0.1:9'")
            message = received.get(timeout=60)
        finally:
            Automation.read(name="nmer-failures").delete()
        assert message["subject"] == "nmer: train tiny-fail failed"
        assert "no Dask scheduler answers at 'tcp://127.0.0.1:9'" in message["body"]
        with get_client(sync_client=True) as client:
            tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=["nmer", "tiny-fail"]))
            (run,) = client.read_flow_runs(flow_run_filter=tagged)
            assert f"prefect flow-run logs {run.id}" in message["body"]
            logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])))
    said = [log.message for log in logs]
    assert any(s.startswith("nmer ") and "tiny-fail, preset none" in s for s in said)
    assert any("no Dask scheduler answers" in s for s in said), "and why it failed"
    assert len(done.stderr.splitlines()) == 2, "of all that, the terminal shows nothing"
