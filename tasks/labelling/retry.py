"""Find the failed labels of a recipe's selection by their status and reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from storage.ledger import Ledger
from tasks.labelling.engines.interface import OK
from tasks.labelling.protocol import Protocol


@dataclass(frozen=True)
class Failures:
    """Failed labels by configuration.

    Attributes
    ----------
    messages
        ``status: reason`` of each failed part, for example ``timeout: took longer than 600 s``.
    """

    messages: dict[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.messages)

    def with_text(self, text: str) -> Failures:
        """Return the labels whose failed parts all have a text in their status or reason; case is ignored."""
        wanted = text.lower()
        return Failures({i: told for i, told in self.messages.items() if all(wanted in s.lower() for s in told)})

    def reasons(self) -> dict[str, int]:
        """Return how many labels failed with each first reason, the most common one first."""
        return dict(Counter(told[0] for told in self.messages.values()).most_common())


def find_failures(ledger: Ledger, protocol: Protocol, ids: Iterable[str]) -> Failures:
    """Return the failed labels among some configurations.

    Parameters
    ----------
    ledger
        Open for reading or writing.
    protocol
        The protocol.
    ids
        Configuration ids.
    """
    unique: Sequence[str] = list(dict.fromkeys(ids))
    bad = ledger.arrays(unique, protocol.id, protocol.parts).failed.nonzero()[0].tolist()
    known = ledger.rows([unique[i] for i in bad], protocol.id)
    return Failures(
        {
            i: tuple(f"{row.status}: {row.reason}" for row in parts.values() if row.status != OK)
            for i, parts in known.items()
        }
    )
