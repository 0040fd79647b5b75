"""Deployments: the file, what stays in it, and a run through a real server and a real worker."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.deployments import Plan, of_recipe, updated_file
from nmer.cli.main import main
from potentials.errors import InputError
from recipes.families import FAMILIES
from recipes.load import load_recipe
from recipes.schema.recipe import Recipe
from recipes.stages import STAGES
from storage.store import Store
from tests.conftest import ROOT, until

Nmer = Callable[..., subprocess.CompletedProcess[str]]


def test_prefect_reads_back_the_recipe_itself(tmp_path: Path) -> None:
    file = tmp_path / "prefect.yaml"
    words = ["conh-ch-conh", "ch3-water", "--preset", "laptop", "--file-only", "--file", str(file)]
    assert main(["deploy", *words]) == 0
    found = yaml.safe_load(file.read_text())  # as Prefect does: YAML 1.1
    for entry, name in zip(found["deployments"], ("conh-ch-conh", "ch3-water"), strict=True):
        assert entry["name"] == f"{name}-laptop"
        assert Recipe(**entry["parameters"]["recipe"]) == load_recipe(name, "laptop")
        assert isinstance(entry["parameters"]["recipe"]["labelling"]["cc_tolerance"], float)


def test_the_shipped_file_is_what_the_command_writes() -> None:
    shipped = yaml.safe_load((ROOT / "deploy" / "prefect.yaml").read_text())
    by_name = {entry["name"]: entry for entry in shipped["deployments"]}
    members = [name for family in FAMILIES.values() for name in family]
    families = {name: f"{name}-family-laptop" if name in members else f"{name}-laptop" for name in FAMILIES}
    deployed = {name: f"{name}-laptop" for name in members}
    checks = {name: f"check-{name}" for name in FAMILIES}
    assert set(by_name) == {*deployed.values(), *families.values(), *checks.values()}
    assert len(by_name) == len(shipped["deployments"])
    for name, deployment in checks.items():
        assert by_name[deployment]["parameters"] == {"name": name} and by_name[deployment]["schedules"] == []
        assert by_name[deployment]["entrypoint"] == "flows.check.check_family"
    for name, deployment in [*deployed.items(), *families.items()]:
        assert by_name[deployment]["tags"] == ["nmer", name, "laptop"]
        assert "store" not in by_name[deployment]["parameters"]  # that of whoever runs it
    for name in members:
        assert Recipe(**by_name[f"{name}-laptop"]["parameters"]["recipe"]) == load_recipe(name, "laptop")
    for name, family in FAMILIES.items():
        recipes = [Recipe(**r) for r in by_name[families[name]]["parameters"]["recipes"]]
        assert recipes == [load_recipe(member, "laptop") for member in family]


def test_what_the_user_wrote_stays() -> None:
    plan = Plan("nmer", {"store": "/data/store"}, None)
    smoke = of_recipe(load_recipe("ch3-water", "smoke"), plan, "1")
    text = updated_file("", [smoke])
    mine = text.replace("schedules: []", "schedules: [{cron: 0 20 * * 5}]  # Friday evening").replace(
        "name: nmer}", "name: big}"
    )
    mine += "- {name: another, entrypoint: other.flow}\n"
    again = updated_file(mine, [{**smoke, "version": "2"}])
    assert "# Friday evening" in again
    found = yaml.safe_load(again)["deployments"]
    assert [entry["name"] for entry in found] == ["ch3-water-smoke", "another"]
    assert found[0]["version"] == "2" and found[0]["schedules"] == [{"cron": "0 20 * * 5"}]
    assert found[0]["work_pool"]["name"] == "big"
    assert (
        yaml.safe_load(updated_file(mine, [{**smoke, "schedules": []}], schedule=True))["deployments"][0][
            "schedules"
        ]
        == []
    )


@pytest.mark.parametrize("text", ["deployments: {a: 1}", "- 1", "a: [", "just words"])
def test_a_file_of_another_kind_is_left_alone(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"'other\.yaml' is not"):
        updated_file(text, [], "other.yaml")
    file = tmp_path / "prefect.yaml"
    file.write_text(text)
    assert main(["deploy", "ch3-water", "--file-only", "--file", str(file)]) == 2
    assert file.read_text() == text and str(file) in capsys.readouterr().err


def test_bad_words_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "prefect.yaml"
    for words, says in (
        (["deploy"], "give recipes, or --all"),
        (["deploy", "ch3-water", "--cron", "daily"], "five fields"),
        (["deploy", "ch9"], "ch9"),
        (["deploy", "--all", "polyglycine"], "polyalanine"),
        (["deploy", "--check", "polyglycine"], "polyalanine"),
        (["deploy", "--check", "polyalanine", "--only", "sample"], "leave out --all and --check"),
        (["deploy", "ch3-water"], "PREFECT_API_URL is not set"),
    ):
        if words[-1] == "ch3-water" and os.environ.get("PREFECT_API_URL"):
            continue
        assert main([*words, "--file", str(file)]) == 2
        assert says in capsys.readouterr().err


def test_a_worker_runs_a_deployment(server: str, tiny_recipe: Path, tmp_path: Path) -> None:
    """nmer deploy, prefect worker start, prefect deployment run: headless, on a server of one's own."""
    environment = {**os.environ, "PREFECT_API_URL": server, "PREFECT_LOGGING_LEVEL": "INFO"}
    store = tmp_path / "store"
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]

    def call(*words: str) -> str:
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    nmer = [sys.executable, "-m", "nmer.cli.main"]
    told = json.loads(call(*nmer, "deploy", str(tiny_recipe), "--store", str(store), "--json"))
    assert told["registered"] and told["deployments"] == ["train-nmer/tiny-water"]
    with temporary_settings({PREFECT_API_URL: server}), get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("train-nmer/tiny-water")
        schema = json.dumps(deployment.parameter_openapi_schema)
        assert "fno_threshold" in schema and deployment.enforce_parameter_schema
    bad = subprocess.run(
        [*prefect, "deployment", "run", "train-nmer/tiny-water", "--param", 'recipe={"name": 5}'],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert bad.returncode != 0  # refused by the schema before anything runs
    call(*prefect, "deployment", "run", "train-nmer/tiny-water")
    worker = subprocess.Popen(
        [*prefect, "worker", "start", "--pool", "nmer", "--type", "process", "--run-once"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _ = worker.communicate(timeout=400)
    finally:
        for process in [*psutil.Process(worker.pid).children(recursive=True)] if worker.poll() is None else []:
            process.kill()
        worker.kill()
    assert worker.returncode == 0, said
    assert until(lambda: bool(Store(store).versions("validation"))), said
    assert Store(store).resolve("tiny-water@released").number == 1, said
    assert len(Store(store).resolve("dataset:tiny-water@1").column("energy")) == 22
    check_pages(server, store, said)


def check_pages(server: str, store: Path, said: str) -> None:
    """Look at what the run shows; tests share a database, and only this run has this store."""
    assert "labelling is complete" in said and "preset none" in said
    with temporary_settings({PREFECT_API_URL: server}), get_client(sync_client=True) as client:
        here = [a for a in client.read_artifacts() if str(store) in str(a.data)]
        (outcome,) = (a for a in here if a.key == "nmer-tiny-water")
        assert "**tiny-water@1**: released" in str(outcome.data)
        assert outcome.flow_run_id is not None
        run = client.read_flow_run(outcome.flow_run_id)
        assert run.name == "train tiny-water" and set(run.tags) == {"nmer", "tiny-water"}
        mine = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        tasks = client.read_task_runs(flow_run_filter=mine)
        assert {(t.name, frozenset(t.tags)) for t in tasks} == {
            (f"{stage} tiny-water", frozenset({"nmer", "tiny-water", stage})) for stage in STAGES
        }
        shown = {a.key: a for a in client.read_artifacts(flow_run_filter=mine)}
    assert set(shown) == {
        "nmer-tiny-water",
        "nmer-tiny-water-correlation",
        "nmer-tiny-water-dashboard",
        "nmer-tiny-water-report",
        *(f"nmer-tiny-water-{stage}" for stage in STAGES),
    }
    labelling = shown["nmer-tiny-water-labelling"]
    assert labelling.data == 100.0 and labelling.description == "labelling 22 of 22 labels, 0 failed, 0 left"
    assert labelling.task_run_id in {t.id for t in tasks if t.name == "labelling tiny-water"}
    report = store / "reports" / "tiny-water@1"
    kind, plot = str(shown["nmer-tiny-water-correlation"].data).split(",")
    assert kind == "data:image/png;base64" and base64.b64decode(plot) == (report / "parity.png").read_bytes()
    assert (report / "report.html").as_uri() in str(shown["nmer-tiny-water-report"].data)
