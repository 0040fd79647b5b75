"""Turns one after the other, until the gates pass, or there are enough, or what may be spent is spent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from storage.file_system import release_lock, take_lock
from storage.store import Store
from tasks.improving.record import Turn, read_turns
from tasks.improving.settings import ImproveSettings
from tasks.improving.sources import Source
from tasks.improving.turn import Means, finish, run_turn

REFUSED = 2
"""Turns in a row that are not kept, after which no other is begun."""


@dataclass(frozen=True)
class Improved:
    """What the turns of a family or an n-mer have given.

    Attributes
    ----------
    name
        Of the family or the n-mer.
    turns
        All that the store has.
    new
        Number of those that were run now.
    stopped
        Why no other was begun, as a sentence.
    gates
        The gates as they were measured last: name, and whether it passed; empty if they were not.
    """

    name: str
    turns: list[Turn]
    new: int
    stopped: str
    gates: dict[str, bool] = field(default_factory=dict)

    @property
    def core_hours(self) -> float:
        """What all turns took: labels, fits, and simulations."""
        return sum(turn.core_hours for turn in self.turns)


def improve(
    store: Store,
    source: Source,
    settings: ImproveSettings,
    means: Means,
    turns: int,
    core_hours: float | None = None,
    gates: bool = True,
    told: Callable[[Turn], None] = lambda turn: None,
) -> Improved:
    """Run turns until there are so many in the store, or another reason to stop.

    Parameters
    ----------
    store
        The store.
    source
        What is improved.
    settings, means
        The settings, and how the parts of a turn are computed.
    turns
        Number of turns of this family or n-mer in all, with those that the store has.
    core_hours
        What labels, fits and simulations of all turns may take; None: no limit.
    gates
        Whether the gates of a family are measured before each turn and at the end; it stops if they pass.
    told
        Called with each turn that has ended.

    Raises
    ------
    InputError, StageError
        As `run_turn`; or if another process improves the same.
    """
    with _alone(store, source.name):
        finish(store, source.name, means)
        new, passed = 0, dict[str, bool]()
        while True:
            done = read_turns(store, source.name)
            why, passed = _stop(done, source, turns, core_hours, gates, means)
            if why:
                return Improved(source.name, done, new, why, passed)
            left = None if core_hours is None else core_hours - sum(turn.core_hours for turn in done)
            turn = run_turn(store, source, settings, means, left)
            finish(store, source.name, means)
            new += 1
            told(turn)


def _stop(
    done: list[Turn], source: Source, turns: int, core_hours: float | None, gates: bool, means: Means
) -> tuple[str, dict[str, bool]]:
    """Return why no other turn is begun, empty if one is, and the gates if they were measured."""
    refused = 0
    for turn in reversed(done):
        if turn.kept:
            break
        refused += 1
    why = ""
    spent = sum(turn.core_hours for turn in done)
    if len(done) >= turns:
        have = "1 turn" if len(done) == 1 else f"{len(done)} turns"
        why = f"the store has {have} of {source.name}; asked for: {turns}"
    elif core_hours is not None and spent >= core_hours:
        why = f"{spent:.3g} core-hours were spent, and {core_hours:g} were allowed"
    elif refused >= REFUSED:
        why = f"the last {refused} turns were not kept"
    passed: dict[str, bool] = {}
    if gates:
        outcomes = means.step("gates", source.gates)
        passed = {} if outcomes is None else {one.check.name: one.passed is True for one in outcomes}
        if passed and all(passed.values()) and not why:
            why = "all gates pass"
    return why, passed


@contextmanager
def _alone(store: Store, name: str) -> Iterator[None]:
    """Hold the lock on the turns of a family or an n-mer."""
    folder = store.path / "scratch"
    folder.mkdir(exist_ok=True)
    lock = take_lock(
        folder / f"improve-{name}.lock", f"'{name}' in the store at '{store.path}' is being improved by"
    )
    try:
        yield
    finally:
        release_lock(lock)
