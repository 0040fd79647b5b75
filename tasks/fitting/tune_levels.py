"""How many labels of each level reach a wanted error at the least cost, from a trial.

A chain is some of the candidate levels, the last of which is the top. Its potential is the sum of a fit to the
first level's energies and of one linear fit to each difference, and the errors are taken as independent: the
square of the sum's error is the sum of their squares. Each error falls with the number of labels as its learning
curve does (`tasks.fitting.level_curves`); all fits have the same non-linear parameters, as those of a recipe with
levels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np

from potentials.arrays import Floats, Ints
from tasks.fitting.level_curves import degrees_of, divisions
from tasks.fitting.level_steps import Step, Trial, common_parameters, learned, pairs_of

REACH = 10.0
"""Multiple of the largest fit of a curve up to which the law is used."""

FAR = 2.0
"""Multiple of the largest fit of a curve above which an expectation is said to be extrapolated."""

CERTAIN = 1.5
"""Ratio of the upper end of an expected error to the wanted one above which the trial is too small to tell."""

POINTS, ZOOMS = 33, 6
"""Numbers of labels of each level that are compared at once, and how often the range around the best narrows."""

FEWEST_TESTS, TESTS = 20, 0.2
"""Test labels of a further level: a fraction of its training labels, and at least so many."""

Told = Callable[[int], None]

Steps = Mapping[tuple[int, int | None], Step]
"""By numbers of the level and of the one below."""


@dataclass(frozen=True)
class Allotment:
    """The labels of each level of a chain that are expected to reach an error at the least cost.

    Attributes
    ----------
    chain
        Names of the levels.
    train, test
        Labels of each.
    degrees, gammas
        Of the fit of each: of the energies, and of each difference.
    error, low, high
        Expected error of the sum, and the range that holds two thirds of the resamples, kcal/mol.
    core_hours
        Of the training labels that have to be computed.
    with_tests
        Of those and of the test labels.
    reached
        Whether the wanted error is reached within the reach of the curves; if not, the least error is given.
    extrapolated
        Levels that need more labels than `FAR` times the largest fit of their curve.
    """

    chain: tuple[str, ...]
    train: tuple[int, ...]
    test: tuple[int, ...]
    degrees: tuple[int, ...]
    gammas: tuple[float, ...]
    error: float
    low: float
    high: float
    core_hours: float
    with_tests: float
    reached: bool
    extrapolated: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        names = ("chain", "train", "test", "degrees", "gammas", "extrapolated")
        return vars(self) | {name: list(getattr(self, name)) for name in names}


@dataclass(frozen=True)
class TunedLevels:
    """The steps of all chains, the allotment of each chain, best first, and what to know about the best."""

    steps: tuple[Step, ...]
    allotments: tuple[Allotment, ...]
    notes: tuple[str, ...]
    conclusive: bool


def fits_needed(trial: Trial) -> int:
    """Return the number of divisions over all curves of a trial, for a progress line."""
    degrees = len(degrees_of(trial.nmer, trial.settings))
    return degrees * sum(divisions(len(trial.common(*pair))) for pair in pairs_of(trial))


def tune_levels(trial: Trial, wanted: float, tests: int, told: Told | None = None) -> TunedLevels:
    """Find the labels of each level that reach an error at the least cost, for every chain.

    Parameters
    ----------
    trial
        The trial.
    wanted
        The error to reach, root mean square, kcal/mol.
    tests
        Test configurations of the first level.
    told
        Called with the number of divisions done; see `fits_needed`.

    Raises
    ------
    InputError
        If levels have too few labels in common.
    """
    degrees, parameters = degrees_of(trial.nmer, trial.settings), common_parameters(trial)
    steps: dict[tuple[int, int | None], Step] = {}
    done = 0

    def count(fits: int) -> None:
        if told is not None:
            told(done + fits)

    for upper, lower in pairs_of(trial):
        steps[upper, lower] = learned(trial, upper, lower, degrees, parameters, count)
        done += len(degrees) * divisions(steps[upper, lower].labels)
    found = [allot(trial, steps, chain, wanted, tests) for chain in trial.chains()]
    found.sort(key=lambda one: (not one.reached, one.core_hours if one.reached else one.error))
    notes, conclusive = _judged(trial, steps, found, wanted)
    return TunedLevels(tuple(steps.values()), tuple(found), tuple(notes), conclusive)


def allot(trial: Trial, steps: Steps, chain: tuple[int, ...], wanted: float, tests: int) -> Allotment:
    """Return the cheapest numbers of labels of a chain; where none reaches the error, those of the least error."""
    parts = [steps[upper, lower] for lower, upper in zip((None, *chain), chain, strict=False)]
    low = np.array([float(part.fewest) for part in parts])
    high = np.minimum.accumulate([np.floor(REACH * part.most) for part in parts])
    reachable = _error(parts, high) <= wanted
    best = _cheapest(trial, chain, parts, wanted, low, high) if reachable else high
    train = tuple(int(n) for n in best)
    curves = [part.best(n) for part, n in zip(parts, train, strict=True)]
    rng = np.random.default_rng(trial.settings.seed)
    drawn = [rng.permutation(curve.spread(n)) for curve, n in zip(curves, train, strict=True)]
    spread = np.sqrt(np.sum(np.square(drawn), axis=0))
    test = [tests]
    for n in train[1:]:
        test.append(min(test[-1], max(FEWEST_TESTS, ceil(TESTS * n))))
    both = np.array(train) + np.array(test)
    return Allotment(
        chain=tuple(trial.levels[number].name for number in chain),
        train=train,
        test=tuple(test),
        degrees=tuple(curve.degree for curve in curves),
        gammas=tuple(curve.gamma for curve in curves),
        error=_error(parts, np.array(train, dtype=np.float64)),
        low=float(np.percentile(spread, 16)),
        high=float(np.percentile(spread, 84)),
        core_hours=float(cost_of_chain(trial, chain, list(np.array(train)))) / 3600,
        with_tests=float(cost_of_chain(trial, chain, list(both))) / 3600,
        reached=reachable,
        extrapolated=tuple(part.upper for part, n in zip(parts, train, strict=True) if n > FAR * part.most),
    )


def _error(parts: Sequence[Step], counts: Floats) -> float:
    errors = [part.expected(np.array([n]))[0] for part, n in zip(parts, counts, strict=True)]
    return float(np.sqrt(np.sum(np.square(errors))))


def cost_of_chain(trial: Trial, chain: Sequence[int], counts: Sequence[Floats]) -> Floats:
    """Return the CPU seconds of the labels of a chain, without those that other labels of it hold.

    A configuration with a label of a level has labels of all levels before it.
    """
    total: Floats = np.zeros(())
    for place, number in enumerate(chain):
        level, needed = trial.levels[number], counts[place]
        holders = [
            p for p in range(place + 1, len(chain)) if (trial.levels[chain[p]].name, level.name) in trial.held
        ]
        if holders:
            needed = needed - counts[holders[0]]  # the lowest of them has the most labels
        total = total + level.seconds * np.maximum(needed, 0)
    return total


def _cheapest(
    trial: Trial, chain: tuple[int, ...], parts: Sequence[Step], wanted: float, low: Floats, high: Floats
) -> Ints:
    """Return the cheapest nested numbers of labels within bounds that reach the error."""
    fewest, most, best = low.copy(), high.copy(), high
    size = len(parts)
    for _ in range(ZOOMS):
        ends = zip(low, high, strict=True)
        axes = [np.unique(np.round(np.geomspace(a, b, POINTS)).astype(np.float64)) for a, b in ends]
        grids = np.meshgrid(*axes, indexing="ij", sparse=True)
        square: Floats = np.zeros((1,) * size)
        for part, grid in zip(parts, grids, strict=True):
            square = square + np.square(part.expected(grid))
        allowed = square <= wanted**2
        for below, above in pairwise(grids):
            allowed = allowed & (above <= below)
        if not allowed.any():
            break
        cost = np.where(allowed, cost_of_chain(trial, chain, grids), np.inf)
        place = np.unravel_index(int(np.argmin(cost)), cost.shape)
        best = np.array([axis[p] for axis, p in zip(axes, place, strict=True)])
        step = (high / low) ** 0.2
        low, high = np.maximum(best / step, fewest), np.minimum(best * step, most)
    return np.asarray(best, dtype=np.int64)


def _judged(trial: Trial, steps: Steps, found: Sequence[Allotment], wanted: float) -> tuple[list[str], bool]:
    """Return what is to know about the best allotment, and whether the trial is large enough for it."""
    best, names = found[0], [level.name for level in trial.levels]
    if not best.reached:
        return [
            f"the trial is too small to tell: with up to {REACH:g} times the labels of its largest fits no chain "
            f"reaches {wanted:g} kcal/mol; the least expected error is {best.error:.3g}, of "
            f"{' -> '.join(best.chain)}"
        ], False
    notes, conclusive = [], True
    if best.high > CERTAIN * wanted:
        conclusive = False
        notes.append(
            f"the trial is too small to tell: with these labels the error is expected from {best.low:.2g} to "
            f"{best.high:.2g} kcal/mol, which is more than {CERTAIN:g} times what is wanted"
        )
    for lower, upper, count in zip((None, *best.chain), best.chain, best.train, strict=False):
        step = steps[names.index(upper), None if lower is None else names.index(lower)]
        if count > FAR * step.most:
            notes.append(
                f"{count} labels of {upper} are {count / step.most:.1f} times the {step.most} of the trial's "
                "largest fit: the law continues its curve"
            )
        elif step.best(count).power == 0.0:
            notes.append(f"the error of {upper} does not fall with its labels in the trial")
    return notes, conclusive


def frontier(trial: Trial, tuned: TunedLevels, chain: Sequence[str], errors: Sequence[float]) -> list[Allotment]:
    """Return the cheapest allotments of one chain for several errors; those that are not reached are left out.

    Parameters
    ----------
    trial, tuned
        The trial and its result.
    chain
        Names of the chain's levels.
    errors
        Errors to reach, kcal/mol.
    """
    names = [level.name for level in trial.levels]
    numbers = tuple(names.index(name) for name in chain)
    steps = {
        (names.index(step.upper), None if step.lower is None else names.index(step.lower)): step
        for step in tuned.steps
    }
    found = (allot(trial, steps, numbers, error, 1) for error in errors)
    return [one for one in found if one.reached]
