"""The page of a family or a system from what the store has, and from what was just measured."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from potentials.errors import InputError
from recipes.families import FAMILIES, TRIALS, Trial
from storage.durable import write_text
from storage.quality import Purpose, level_of
from storage.store import Store
from storage.version import Version
from tasks.checks.files import report_folder, write_files
from tasks.checks.interface import checks
from tasks.checks.page import FamilyPage, Measured, Member, family_page
from tasks.checks.published import dipeptide_table
from tasks.checks.run import Outcome, found_checks
from tasks.checks.status import SumStatus
from tasks.checks.stored import shortened
from tasks.checks.subject import Subject
from tasks.pages.origins import made_of
from tasks.pages.render import sentence
from tasks.pages.usage import trust_of, use_of_sum
from tasks.validation.of_store import PAGE, purpose_of

UNKNOWN = "not measured yet"


def write_family_page(subject: Subject, outcomes: Sequence[Outcome] = ()) -> Path:
    """Write the page of a family or a system with the plots and tables of its checks; return the page.

    Parameters
    ----------
    subject
        What is checked; take that of `Subject.pinned`.
    outcomes
        What was just measured or tried. Of other checks the newest findings of exactly this subject are shown.

    Raises
    ------
    OSError
        If a file cannot be written.
    InputError
        If a version is damaged.
    """
    folder, page = report_folder(subject.store, subject.name), page_of(subject, outcomes)
    for one in page.measured:
        if one.findings is not None:
            write_files(one.check, one.findings, folder)
    write_text(folder / PAGE, family_page(page))
    return folder / PAGE


def page_of(subject: Subject, outcomes: Sequence[Outcome] = ()) -> FamilyPage:
    """Return what the page of a subject shows; the parameters are those of `write_family_page`."""
    store, versions, status = subject.store, members_of(subject), _status(subject)
    measured = measured_of(subject, outcomes)
    found = {one.check.name: one.findings for one in measured if one.findings is not None}
    potentials = [version for version in versions.values() if version is not None]
    named = [store.resolve(one.version) for one in measured if one.version]
    table = dipeptide_table(found)
    members = [member_of(store, nmer, version) for nmer, version in versions.items()]
    molecule, base = subject.molecules[0] if subject.molecules else "", subject.trial.base or subject.family
    physics = {str(v.attributes()["facts"].get("physics", {}).get("name", "")) for v in potentials} - {""}
    return FamilyPage(
        name=subject.name,
        kind="family" if subject.name == subject.family else "system",
        purpose=purpose_of_sum(members, measured, status),
        members=members,
        measured=measured,
        molecules=[*subject.molecules, *([subject.system.name] if subject.system is not None else [])],
        physics=f"V_phys: {', '.join(sorted(physics))}" if physics else "",
        tables=[table] if table is not None else [],
        usage=use_of_sum(molecule, base, trust_of(potentials)) if molecule and base else [],
        made=made_of(store, [*named, *potentials], whole=False),
    )


def measured_of(subject: Subject, outcomes: Sequence[Outcome] = ()) -> list[Measured]:
    """Return every check with what was found of exactly this subject, in the order of the report."""
    given = {one.check.name: one for one in outcomes}
    try:
        stored = {one.name: one for one in found_checks(subject.store, subject)}
    except InputError:  # potentials are missing, so that nothing was measured of them
        stored = {}
    found = []
    for check in checks():
        outcome, there = given.get(check.name), stored.get(check.name)
        if outcome is not None and outcome.findings is not None:
            ref = outcome.version.ref if outcome.version is not None else ""
            found.append(Measured(check, outcome.findings, ref, "", shortened(check, outcome.options)))
        elif there is not None:
            ref, shorter = there.version.ref, list(there.about.get("shortened", ()))
            found.append(Measured(check, there.findings, ref, "", shorter))
        else:
            found.append(Measured(check, None, "", (outcome.why if outcome else "") or UNKNOWN))
    return found


def member_of(store: Store, nmer: str, version: Version | None) -> Member:
    """Return what is said of one potential of a sum; None as the version: the store has none."""
    if version is None:
        return Member(nmer)
    verdict, source = store.verdict(version), store.input(version, "dataset")
    facts = verdict.attributes()["facts"] if verdict is not None else {}
    labels = source.attributes()["facts"] if source is not None else {}
    gates = facts.get("gates", ())
    return Member(
        nmer=nmer,
        ref=version.ref,
        purpose=purpose_of(store, version),
        level=level_of(tomllib.loads(version.attributes()["recipe"])) or str(labels.get("protocol") or ""),
        labels=labels.get("labels"),
        test_rmsd=facts.get("test", {}).get("rmsd"),
        passed=sum(bool(gate["passed"]) for gate in gates),
        gates=len(gates),
        link=f"../{version.nmer}@{version.number}/{PAGE}",
    )


def purpose_of_sum(members: Sequence[Member], measured: Sequence[Measured], status: SumStatus) -> Purpose:
    """Return what a sum is good for: the verdict of its gates, and what limits the use of its potentials.

    Parameters
    ----------
    members
        Its potentials.
    measured
        Its gates and checks.
    status
        Whether it is released.
    """
    why = "; ".join(status.why)
    limits: dict[str, list[str]] = {}
    for member in members:
        if member.purpose.reservation:
            limits.setdefault(member.purpose.reservation, []).append(member.nmer)
    said = [f"{sentence(what)}: {_many(names, len(members))}." for what, names in limits.items()]
    gates = [one for one in measured if one.check.gate]
    failed = [one.check.name for one in gates if one.findings is not None and one.findings.passed is False]
    if status.status != "released":
        first = "Not released: do not use the sum in a simulation."
        if failed:
            first += f" {len(failed)} of {len(gates)} gates failed: {', '.join(failed)}."
        elif any(one.shortened for one in gates):
            first += " Its gates were measured with other options than the default, which release nothing."
        waiting = any(one.purpose.badge in ("candidate", "missing") for one in members)
        known = (failed or any(one.shortened for one in gates)) and not waiting
        return Purpose("candidate", "bad", (first, *([] if known else [f"{sentence(why)}."]), *said))
    first = f"Released: {why}. It can be simulated as these gates simulated it."
    if not limits:
        return Purpose("released", "good", (first,))
    badges = dict.fromkeys(member.purpose.badge for member in members if member.purpose.reservation)
    badge = next(iter(badges)) if len(badges) == 1 else "released, with reservations"
    return Purpose(badge, "warn", (first, *said), next(iter(limits)))


def _many(names: Sequence[str], total: int) -> str:
    return f"all {total} potentials" if len(names) == total else ", ".join(names)


def members_of(subject: Subject) -> Mapping[str, Version | None]:
    """Return the version of each potential of a subject; of a family also those that are missing."""
    try:
        used: dict[str, Version | None] = dict(subject.versions())
    except InputError:
        used = {}
    trial = TRIALS.get(subject.name, Trial())
    own = subject.name if subject.name == subject.family else ""
    names = [*FAMILIES.get(trial.base, ()), *FAMILIES.get(own, ())]
    for nmer in names:
        if nmer not in used:
            there = subject.store.current(nmer)
            used[nmer] = there[-1] if there else None
    order = {name: number for number, name in enumerate(names)}
    return dict(sorted(used.items(), key=lambda item: order.get(item[0], len(order))))


def _status(subject: Subject) -> SumStatus:
    """Return whether the sums of a subject are released; they are not if they cannot be made."""
    try:
        return subject.status()
    except InputError as error:
        return SumStatus("candidate", (str(error),))
