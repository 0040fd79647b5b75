"""Choose training and test configurations from a pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from potentials.arrays import Ints
from potentials.errors import InputError, StageError
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Fitting, SelectionSettings
from storage.records import TEST, TRAIN, Selection
from tasks.selection.coverage import coverage
from tasks.selection.descriptor import checked_descriptor
from tasks.selection.doptimal import Greedy, design_rows
from tasks.selection.features import Features, describe_pool, positions_of, sample_positions, tabulate
from tasks.selection.kmeans import NONE, representatives, share_out, wants_two_levels
from tasks.selection.rules import CANDIDATES, Rules, add_farthest, distinct, near
from tasks.selection.strata import PoolRows, Strata
from tasks.selection.table import Scratch

CANDIDATE_BYTES = 64 * 2**20
"""Bytes of the features of the candidates for the tails."""

TEST_SET, RANDOM = 1, 2
"""Random streams, with the recipe's seed, of the test set and of the random choice, other than the clusters'."""

_NO_ROWS: Ints = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Choice:
    """The chosen configurations, and how well they cover the pool.

    Attributes
    ----------
    selection
        The configurations.
    frames
        Number of frames from which they were chosen.
    coverage
        ``rms``, ``p99``, and ``max`` distance of these frames from the nearest chosen one, in the descriptor.
    random
        The same for as many frames drawn at random.
    more
        Further numbers of the method.
    """

    selection: Selection
    frames: int
    coverage: dict[str, float]
    random: dict[str, float]
    more: Mapping[str, float | int] = field(default_factory=dict)

    def facts(self) -> dict[str, float | int]:
        """Return the numbers that are stored with the version."""
        return {
            "train": int(np.sum(self.selection.split == TRAIN)),
            "test": int(np.sum(self.selection.split == TEST)),
            "frames": self.frames,
            **{f"coverage_{name}": value for name, value in self.coverage.items()},
            **{f"random_{name}": value for name, value in self.random.items()},
            **self.more,
        }


def select(
    nmer: NMer,
    pool: PoolRows,
    settings: SelectionSettings,
    fitting: Fitting | None = None,
    folder: Path | None = None,
    progress: Callable[[int], None] = lambda found: None,
) -> Choice:
    """Pick training and test configurations from a pool.

    The frames are grouped into ``train + test`` clusters, and the frame nearest to each centre is chosen; the test
    set is drawn from these at random, so that both sets cover the same space. The fraction ``tails`` of the
    training set consists instead of the frames farthest from all others. With ``d-optimality`` the rest of the
    training set are the frames that best determine the fit's coefficients. No two configurations are nearer than
    ``duplicate_distance`` and no training configuration is nearer than ``test_distance`` to the test set: such
    training frames are replaced by frames far from all others. The same seed gives the same selection.

    Parameters
    ----------
    nmer
        The n-mer.
    pool
        The sampled frames, in memory or read from their file in blocks.
    settings
        The recipe's selection section.
    fitting
        The recipe's fitting section, which ``d-optimality`` needs.
    folder
        For tables that do not fit in memory.
    progress
        Called from time to time with the number of configurations found so far.

    Raises
    ------
    InputError
        If a descriptor's library is not installed, or the fitting section is missing.
    StageError
        If the pool does not have enough frames, or not at these distances.
    """
    if settings.method == "uncertainty":
        raise InputError("selection.method 'uncertainty' is handled by `add_uncertain`, which needs a potential")
    if settings.method == "d-optimality" and fitting is None:
        raise InputError("selection.method 'd-optimality' needs the recipe's fitting section")
    strata = Strata.of(pool, settings)
    _check_enough(len(pool), strata, settings)
    # one thread for matrix products, since their last digits, and thus ties, depend on the number of threads
    with Scratch(folder) as scratch, threadpool_limits(1, user_api="blas"):
        sample = sample_positions(pool)
        describe = checked_descriptor(settings).make(nmer, settings, sample)
        features = describe_pool(strata, describe, sample, scratch)
        train, test = _choose(nmer, strata, features, settings, fitting, scratch, progress)
        chosen = np.concatenate([train, test])
        frames = features.frames.take(chosen)
        order = np.argsort(frames)
        split = np.repeat([TRAIN, TEST], [len(train), len(test)])
        selection = Selection(positions_of(pool, frames[order]), split[order], frames[order])
        table = features.table
        at_random = np.random.default_rng([settings.seed, RANDOM]).choice(len(table), len(chosen), replace=False)
        return Choice(selection, len(table), coverage(table, chosen), coverage(table, at_random))


def _check_enough(frames: int, strata: Strata, settings: SelectionSettings) -> None:
    wanted, allowed = settings.train + settings.test, int(strata.sizes.sum())
    problem = f"selection: {wanted} configurations are asked for but"
    if frames < wanted:
        raise StageError(f"{problem} the pool has {frames} frames; raise sampling.frames or lower selection.train")
    if allowed < wanted:
        raise StageError(
            f"{problem} only {allowed} of {frames} frames lie within {settings.max_energy:g} kcal/mol of the "
            "lowest of their sampler and force field; raise selection.max_energy or sampling.frames, or lower "
            "selection.train"
        )


def _choose(
    nmer: NMer,
    strata: Strata,
    features: Features,
    settings: SelectionSettings,
    fitting: Fitting | None,
    scratch: Scratch,
    progress: Callable[[int], None],
) -> tuple[Ints, Ints]:
    """Return the training and the test rows."""
    table, rules = features.table, Rules.of(settings, features.table)
    tails = round(settings.tails * settings.train)
    count = settings.train + settings.test - tails
    shares = share_out(strata.weights, strata.sizes, count)
    core, candidates = _core(features, rules, shares, tails, settings, scratch, progress)
    if len(core) < settings.test:
        raise _too_near(len(core), len(table), settings)
    test = _draw_test(core, strata, settings)
    tests = np.bincount(_cells(test, features.starts), minlength=len(shares))
    if fitting is not None and settings.method == "d-optimality":
        design = tabulate(strata, *design_rows(nmer, fitting), scratch)
        greedy = Greedy(design, table, rules, fitting.gamma, np.maximum(shares - tests, 0), features.starts)
        train = greedy.take(settings.train - tails, test, test)
    else:
        train = np.setdiff1d(core, test)
        train = train[~near(table.take(train), table.take(test), rules.test)]
    present, missing = np.concatenate([test, train]), settings.train - len(train)
    train = np.concatenate([train, add_farthest(table, rules, candidates, present, test, missing)])
    if len(train) < settings.train:
        raise _too_near(len(train) + len(test), len(table), settings)
    return train, test


def _core(
    features: Features,
    rules: Rules,
    shares: Ints,
    tails: int,
    settings: SelectionSettings,
    scratch: Scratch,
    progress: Callable[[int], None],
) -> tuple[Ints, Ints]:
    """Return the representative rows of each cell, no two too near, and rows far from all of them."""
    table, count = features.table, int(shares.sum())
    spare = CANDIDATES * (tails + max(count // 100, 50))
    spare = min(spare, max(CANDIDATE_BYTES // (8 * table.shape[1]), 1))
    core, far = _NO_ROWS, NONE
    for (first, last), share in zip(pairwise(features.starts.tolist()), shares.tolist(), strict=True):
        if not share:
            continue
        cell = table.span(first, last)
        found = representatives(
            cell,
            share,
            settings.seed,
            scratch,
            two_levels=wants_two_levels(settings.levels, share),
            spare=spare,
            progress=partial(lambda before, done: progress(before + done), len(core)),
        )
        rows = found.chosen[distinct(cell.take(found.chosen), rules.duplicate)]
        rows = np.concatenate([rows, add_farthest(cell, rules, found.far.rows, rows, _NO_ROWS, share - len(rows))])
        core = np.concatenate([core, first + rows])
        far = far.joined(first + found.far.rows, found.far.distance, spare)
    if len(shares) > 1:  # frames of neighbouring cells may be too near to each other
        core = core[distinct(table.take(core), rules.duplicate)]
        core = np.concatenate([core, add_farthest(table, rules, far.rows, core, _NO_ROWS, count - len(core))])
    return core, far.rows


def _draw_test(core: Ints, strata: Strata, settings: SelectionSettings) -> Ints:
    """Return the rows of the test set, drawn at random from the cells by their weights."""
    rng, cell = np.random.default_rng([settings.seed, TEST_SET]), _cells(core, strata.starts)
    sizes = np.bincount(cell, minlength=len(strata.sizes))
    drawn = [
        rng.choice(core[cell == number], share, replace=False)
        for number, share in enumerate(share_out(np.where(sizes > 0, strata.weights, 0.0), sizes, settings.test))
    ]
    return np.sort(np.concatenate(drawn))


def _cells(rows: Ints, starts: Ints) -> Ints:
    """Return the cell of each row."""
    return np.searchsorted(starts, rows, side="right") - 1


def _too_near(found: int, frames: int, settings: SelectionSettings) -> StageError:
    return StageError(
        f"selection: only {found} of {settings.train + settings.test} configurations were found in {frames} "
        f"frames that are {settings.duplicate_distance:g} A from each other and, in training, "
        f"{settings.test_distance:g} A from the test set; lower selection.duplicate_distance or test_distance, "
        "ask for fewer configurations, or raise sampling.frames"
    )
