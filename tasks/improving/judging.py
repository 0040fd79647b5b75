"""Whether a trial is better: its errors on frames that were set apart, and on the test set, against those before.

Both potentials are compared on the same configurations. An error above `CAP` counts as `CAP`: one frame in a hole
would else decide alone. An error **rises beyond noise** if the mean square error rises by more than twice its
standard error, which is that of the differences of the squared errors of single configurations, and the root mean
square error by more than a fraction, the tolerance. The first alone would refuse a trial for a rise of a percent
that is certain and does not matter; the second alone for one of a few points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from potentials.arrays import Floats

CAP = 30.0
"""Largest error that counts, kcal/mol: beyond, it is only known that the potential is wrong."""

CERTAIN = 2.0
"""Standard errors by which a mean square error must rise."""


@dataclass(frozen=True)
class Pair:
    """An error before and after.

    Attributes
    ----------
    count
        Number of configurations.
    before, after
        Root mean square errors, kcal/mol, of which none counts more than `CAP`; nan without a configuration.
    rises
        Whether it rises beyond noise.
    """

    count: int
    before: float
    after: float
    rises: bool

    @classmethod
    def of(cls, before: Floats, after: Floats, tolerance: float) -> Pair:
        """Return the errors of two potentials at the same configurations, kcal/mol each; see the module."""
        if not len(before):
            return cls(0, float("nan"), float("nan"), False)
        before, after = (np.minimum(np.abs(e), CAP) for e in (before, after))
        square = after**2 - before**2
        error = float(np.std(square, ddof=1) / np.sqrt(len(square))) if len(square) > 1 else float("inf")
        one, two = (float(np.sqrt(np.mean(e**2))) for e in (before, after))
        certain = bool(np.mean(square) > CERTAIN * error)
        return cls(len(before), one, two, certain and two > (1.0 + tolerance) * one)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; an error that is not known is None."""
        known = self.count > 0
        return {
            "count": self.count,
            "before": self.before if known else None,
            "after": self.after if known else None,
            "rises": self.rises,
        }


@dataclass(frozen=True)
class Verdict:
    """What was found of the trial of one n-mer.

    Attributes
    ----------
    own
        On frames that were set apart, of this turn and of the first.
    fixed, fresh
        On those of the first turn, and of this one.
    held
        On the test set.
    accepted
        Whether the trial may replace the potential.
    why
        Why not, as one clause; empty if it may.
    """

    own: Pair
    fixed: Pair
    fresh: Pair
    held: Pair
    accepted: bool
    why: str = ""

    @classmethod
    def of(cls, own: Pair, fixed: Pair, fresh: Pair, held: Pair) -> Verdict:
        """Return the verdict that follows from the errors."""
        why = ""
        if held.rises:
            why = f"the error on the test set rises beyond noise: {held.before:.3g} to {held.after:.3g} kcal/mol"
        elif own.rises:
            why = f"the error on own frames rises beyond noise: {own.before:.3g} to {own.after:.3g} kcal/mol"
        return cls(own, fixed, fresh, held, not why, why)


def over_all(errors: dict[str, float]) -> float:
    """Return the error of all n-mers together: the root of the mean of their mean squares; nan without any."""
    known = [one for one in errors.values() if np.isfinite(one)]
    return float(np.sqrt(np.mean(np.square(known)))) if known else float("nan")


def decision(before: float, after: float, accepted: int, tried: int) -> tuple[bool, str]:
    """Return whether a turn is kept, and the sentence that says why.

    Parameters
    ----------
    before, after
        Own-frame error of all n-mers with the potentials before, and with the accepted trials, kcal/mol.
    accepted, tried
        Number of trials that were accepted, and of all.
    """
    if not tried:
        return False, "not kept: no geometry inside the training range had a label low enough"
    if not accepted:
        return False, "not kept: an error rises beyond noise with every trial"
    if not after < before:
        return False, f"not kept: the own-frame error does not fall ({before:.3g} to {after:.3g} kcal/mol)"
    rest = "" if accepted == tried else f"; {tried - accepted} of {tried} n-mers keep their potential"
    return True, f"kept: the own-frame error falls from {before:.3g} to {after:.3g} kcal/mol{rest}"
