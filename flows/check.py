"""The flow that measures the gates and checks of a family, as ``nmer check`` does; what was measured is kept."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_image_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from flows.artifacts import LARGEST, leave
from flows.names import tagged
from flows.progress import show_line
from storage.store import Store
from tasks.checks.files import report_folder, write_files
from tasks.checks.interface import Check, Options, chosen_checks
from tasks.checks.page_of_store import write_family_page
from tasks.checks.rows import verdict_document
from tasks.checks.run import Outcome, run_checks
from tasks.checks.settings import all_options
from tasks.checks.subject import Subject
from tasks.progress import watched_by


@flow(name="check-family", flow_run_name="check {name}")
def check_family(
    name: str,
    store: Path | None = None,
    only: list[str] = [],  # noqa: B006 - Prefect shows it as the default; it is not changed
    skip: list[str] = [],  # noqa: B006
    molecules: list[str] = [],  # noqa: B006
    water: str | None = None,
    use: dict[str, str] = {},  # noqa: B006
    options: dict[str, dict[str, Any]] = {},  # noqa: B006
    quick: bool = False,
) -> dict[str, Any]:
    """Measure the gates and checks of the sum of a family; what the store has already is not measured again.

    Parameters
    ----------
    name
        Name of the family.
    store
        Folder of the store; by default ``NMER_STORE``, else ``nmer-store`` in the working directory.
    only, skip
        Names of the checks to measure, and to leave out; none: all, and none.
    molecules
        Test molecules in place of the family's own.
    water
        Model of the waters, by default that of the family's test system.
    use
        References of potentials in place of the newest, by n-mer.
    options
        Options of checks by their names.
    quick
        Whether the checks have their shorter options; such gates release nothing.

    Returns
    -------
    What ``nmer check --json`` prints; a failed gate is no failure of the run.

    Raises
    ------
    potentials.errors.InputError
        If there is no such family, check or option, or potentials are missing.
    """
    opened = Store(store)
    opened.check_writable()
    chosen = chosen_checks(only, skip)
    given = all_options(chosen, options, quick)
    subject = Subject.of_family(name, opened, molecules, water=water, use=use).pinned()
    files = {}
    with tagged(name, None), watched_by(partial(show_line, f"nmer-check-{name}")):
        outcomes = [_measure(subject, check, given) for check in chosen]
    for outcome in outcomes:
        if outcome.findings is not None:
            written = write_files(outcome.check, outcome.findings, report_folder(opened, name))
            files[outcome.check.name] = [str(path) for path in written]
    document = verdict_document(subject, outcomes, files) | {"report": str(write_family_page(subject, outcomes))}
    _show(name, document)
    return document


def _measure(subject: Subject, check: Check, options: Mapping[str, Options]) -> Outcome:
    """Measure one check as a task of its own, so that Prefect's pages show its state and time."""

    def measure() -> None:
        found.extend(run_checks(subject, [check], options))  # not returned: Prefect would look through it

    found: list[Outcome] = []
    task(name=f"check {check.name}", cache_policy=NO_CACHE)(measure)()
    (outcome,) = found
    said = f"not measured: {outcome.why}" if outcome.findings is None else "measured"
    verdict = {True: ", passed", False: ", not passed", None: ""}[outcome.passed]
    get_run_logger().info("%s: %s%s", check.name, said, verdict)
    return outcome


def _show(name: str, document: Mapping[str, Any]) -> None:
    """Store the gates and checks as a page of the run, and its plots."""
    key = f"nmer-check-{name}"
    about = f"gates and checks of {name}"
    leave(create_markdown_artifact, markdown=document_markdown(document), key=key, description=about)
    for one in document["measured"]:
        for path in map(Path, one["files"]):
            content = path.read_bytes() if path.suffix == ".png" else b""
            plot = base64.b64encode(content).decode()
            if plot and len(plot) <= LARGEST:
                address = f"data:image/png;base64,{plot}"
                leave(create_image_artifact, image_url=address, key=f"{key}-{path.stem}", description=one["title"])


def document_markdown(document: Mapping[str, Any]) -> str:
    """Return what ``nmer check --json`` prints as a page."""
    lines = [f"**{document['subject']}**: {document['verdict']}", "", "| gate or check | value | limit | passed |"]
    lines += ["|---|---|---|---|"]
    for row in (*document["gates"], *document["checks"]):
        value = "-" if row["value"] is None else f"{row['value']:.4g}"
        limit = "-" if row["limit"] is None else f"{'≥' if row['at_least'] else '≤'} {row['limit']:g}"
        passed = {True: "yes", False: "no", None: "-"}[row["passed"]]
        lines.append(f"| {row['name']} | {value} | {limit} | {passed} |")
    rows = [row for row in (*document["gates"], *document["checks"]) if row["why"] or row["advice"]]
    lines += ["", *(f"- {row['name']}: {'; '.join(filter(None, (row['why'], row['advice'])))}" for row in rows)]
    lines += [f"- {one['name']}: {note}" for one in document["measured"] for note in one["notes"]]
    return "\n".join(lines) + "\n"
