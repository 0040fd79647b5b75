"""Find the labels of a recipe's selection that failed, by what they said."""

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
    said
        ``status: reason`` of each failed part, for example ``timeout: took longer than 600 s``.
    """

    said: dict[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.said)

    def with_text(self, text: str) -> Failures:
        """Return those whose every failed part has a text in its status or reason; case does not count."""
        wanted = text.lower()
        return Failures({i: said for i, said in self.said.items() if all(wanted in s.lower() for s in said)})

    def reasons(self) -> dict[str, int]:
        """Return how many labels failed with each first reason, the most common one first."""
        return dict(Counter(said[0] for said in self.said.values()).most_common())


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
