"""Runs checks of a subject one after the other; each that is finished is a version of the store."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from potentials.errors import InputError, NmerError
from recipes.registry import missing
from storage.store import Store
from storage.version import Version
from tasks.checks.interface import Check, Findings, Options, Told, nobody
from tasks.checks.stored import find_check, found_checks, read_findings, with_notes, write_findings
from tasks.checks.subject import Subject
from tasks.progress import ProgressLine

__all__ = ["Outcome", "expected_seconds", "found_checks", "run_check", "run_checks"]

PATIENCE = 3600.0
"""Seconds that finished findings wait for another process that writes to the store."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a check gave.

    Attributes
    ----------
    check, options
        The check, and what it was measured with.
    findings, version
        What it found, and the version that has it; None where it was not measured.
    why
        Why it was not measured; empty if it was.
    stored
        Whether the findings were in the store already.
    """

    check: Check
    options: Options
    findings: Findings | None = None
    version: Version | None = None
    why: str = ""
    stored: bool = False

    @property
    def passed(self) -> bool | None:
        """Whether a gate passed; one that was not measured did not. None for a check that is no gate."""
        if not self.check.gate:
            return None
        return self.findings is not None and self.findings.passed is True


def run_check(check: Check, subject: Subject, options: Options | None = None, told: Told = nobody) -> Findings:
    """Return what a check finds; it is read from the store if it was measured before, else stored.

    Parameters
    ----------
    check
        The check.
    subject
        What is checked; take that of `Subject.pinned` for several checks.
    options
        Of the check; by default its defaults.
    told
        Is called with the number of parts done, and of all.

    Raises
    ------
    InputError
        If something that it needs is missing, it does not apply to the subject, or potentials are missing.
    StageError
        If it does not give a figure.
    """
    return _measured(check, subject, check.options() if options is None else options, told)[0]


def run_checks(
    subject: Subject, chosen: Sequence[Check], options: Mapping[str, Options] | None = None
) -> Iterator[Outcome]:
    """Measure checks in their order, with a progress line each; others go on after one that cannot be measured.

    Parameters
    ----------
    subject
        What is checked.
    chosen
        The checks.
    options
        Options of some checks by their names; the others have their defaults.

    Yields
    ------
    The outcome of each check; what is finished is in the store by then.
    """
    given = options or {}
    for check in chosen:
        settings = given.get(check.name) or check.options()
        with ProgressLine(check.name, 1, "parts") as line:

            def told(done: int, total: int, line: ProgressLine = line) -> None:
                line.total = total
                line.update(done)

            try:
                findings, version, stored = _measured(check, subject, settings, told)
            except NmerError as error:
                outcome = Outcome(check, settings, why=" ".join(str(error).split()))
                line.update(line.done, line.total - line.done)
            else:
                outcome = Outcome(check, settings, findings, version, stored=stored)
                line.update(line.total)
        yield outcome


def expected_seconds(
    subject: Subject, chosen: Sequence[Check], options: Mapping[str, Options] | None = None
) -> dict[str, float]:
    """Return how long each check will take on two cores, s; 0 for one whose findings are there.

    Checks that cannot be measured are left out.
    """
    found = {}
    for check in chosen:
        settings = (options or {}).get(check.name) or check.options()
        try:
            if find_check(check, settings, subject) is not None:
                found[check.name] = 0.0
            elif not _obstacle(check, subject):
                found[check.name] = float(check.seconds(subject, settings))
        except NmerError:  # `run_checks` says why it cannot be measured
            continue
    return found


def _measured(check: Check, subject: Subject, options: Options, told: Told) -> tuple[Findings, Version, bool]:
    """Return findings, their version, and whether they were in the store."""
    there = find_check(check, options, subject)
    if there is not None:
        return read_findings(there), there, True
    if why := _obstacle(check, subject):
        raise InputError(why)
    begun = time.monotonic()
    findings = check.measure(subject, options, told)
    findings = with_notes(findings, check, options, time.monotonic() - begun)
    with _writing(subject.store):
        version = write_findings(check, options, subject, findings)
    return read_findings(version), version, False


def _obstacle(check: Check, subject: Subject) -> str:
    """Return why a check cannot be measured for a subject; empty if it can."""
    return missing(check) or check.applies(subject)


@contextmanager
def _writing(store: Store) -> Iterator[None]:
    """Hold the store's writer lock; what took hours to measure waits while another process writes."""
    until, said = time.monotonic() + PATIENCE, False
    while True:
        try:
            store.check_writable()
            break
        except InputError as error:
            if time.monotonic() > until:
                raise
            if not said:
                print(f"{error}; waiting", file=sys.stderr)
            said = True
            time.sleep(1.0)
    with store.writing():
        yield
