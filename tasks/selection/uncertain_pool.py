"""Add the frames of a pool of which a potential is least certain to the configurations that it was fitted to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from potentials.arrays import Floats, Ints
from potentials.errors import StageError
from potentials.pip.potential import Potential
from recipes.schema.recipe import SelectionSettings
from storage.records import TEST, TRAIN, Selection
from tasks.selection.choose import RANDOM, Choice
from tasks.selection.coverage import coverage
from tasks.selection.descriptor import checked_descriptor
from tasks.selection.features import describe_pool, positions_of, sample_positions, tabulate
from tasks.selection.rules import Rules
from tasks.selection.strata import PoolRows, Strata
from tasks.selection.table import Scratch, Table
from tasks.selection.uncertain import OUT, Present, check_trust, row_bytes, spread_out, uncertainty_inside


def add_uncertain(
    pool: PoolRows,
    settings: SelectionSettings,
    potential: Potential,
    kept: Selection,
    folder: Path | None = None,
    progress: Callable[[int], None] = lambda frames: None,
) -> Choice:
    """Return the configurations of an earlier selection and the pool's most uncertain frames.

    The training and the test set of the earlier selection stay. The training set is filled up with frames inside
    the potential's range, the most uncertain ones spread by K-means; see `tasks.selection.uncertain`. The recipe's
    ``max_energy`` and smallest distances hold for them. The pool is read in blocks.

    Parameters
    ----------
    pool
        The sampled frames, in memory or read from their file in blocks.
    settings
        The recipe's selection section.
    potential
        The potential, fitted to labels of `kept`, with an ensemble and the range of its training data.
    kept
        The configurations that stay; the test set is `settings.test` of them.
    folder
        For tables that do not fit in memory.
    progress
        Called from time to time with the number of frames whose uncertainty is known.

    Raises
    ------
    InputError
        If the potential has no ensemble or no ranges, or a descriptor's library is not installed.
    StageError
        If too few frames are inside the range and apart from the other configurations.
    """
    check_trust(potential)
    wanted = settings.train - int((kept.split == TRAIN).sum())
    strata = Strata.of(pool, settings)
    with Scratch(folder) as scratch, threadpool_limits(1, user_api="blas"):
        sample = sample_positions(pool)
        describe = checked_descriptor(settings).make(potential.nmer, settings, sample)
        features, centre = describe_pool(strata, describe, sample, scratch), describe(sample).mean(axis=0)
        present = (describe(kept.positions) - centre).astype(np.float32)
        table, done = features.table, 0

        def uncertain(positions: Floats) -> Floats:
            nonlocal done
            step = max(256, 2**24 // row_bytes(potential, 0))
            parts = [
                uncertainty_inside(potential, positions[n : n + step]) for n in range(0, len(positions), step)
            ]
            done += len(positions)
            progress(done)
            return np.concatenate(parts)[:, None] if parts else np.zeros((0, 1))

        spread = tabulate(strata, uncertain, 1, scratch)
        rules = Rules.of(settings, table)
        there = Present(present, present[kept.split == TEST])
        picks = spread_out(table, spread, wanted, there, rules, settings, settings.seed, scratch)
        if len(picks) < wanted:
            raise _too_few(len(picks), wanted, spread, settings)
        picked = features.frames.take(picks)
        at_random = np.random.default_rng([settings.seed, RANDOM]).choice(
            len(table), min(len(kept) + wanted, len(table)), replace=False
        )
        return Choice(
            _joined(kept, pool, np.sort(picked)),
            len(table),
            coverage(table, picks, present),
            coverage(table, at_random),
            _facts(spread, picks),
        )


def _joined(kept: Selection, pool: PoolRows, frames: Ints) -> Selection:
    """Return the configurations that stay, and training frames, in the order of the pool's frames.

    Those that stay keep their levels; of the frames only the first level has labels until subsets are chosen.
    """
    whole = (
        np.concatenate([kept.positions, positions_of(pool, frames)]),
        np.concatenate([kept.split, np.full(len(frames), TRAIN, dtype=kept.split.dtype)]),
        np.concatenate([kept.frame, frames]),
        np.concatenate([kept.level, np.zeros(len(frames), dtype=np.int64)]),
    )
    order = np.argsort(whole[2], kind="stable")
    return Selection(*(values[order] for values in whole))


def _facts(spread: Table, picks: Ints) -> dict[str, float | int]:
    """Return how many frames are inside the range, and their uncertainties and those of the picks, kcal/mol."""
    inside, total = 0, 0.0
    for _, block in spread.blocks():
        values = block[block[:, 0] > OUT, 0].astype(np.float64)
        inside, total = inside + len(values), total + float(values.sum())
    of_picks = spread.take(picks)[:, 0].astype(np.float64)
    return {
        "picked": len(picks),
        "frames_inside": inside,
        "uncertainty_inside": total / max(inside, 1),
        "uncertainty_picked": float(of_picks.mean()),
    }


def _too_few(found: int, wanted: int, spread: Table, settings: SelectionSettings) -> StageError:
    inside = sum(int((block[:, 0] > 0).sum()) for _, block in spread.blocks())
    return StageError(
        f"selection: only {found} of {wanted} further configurations were found: {inside} of {len(spread)} frames "
        f"are inside the potential's range and uncertain, and they must be {settings.duplicate_distance:g} A from "
        f"each other and {settings.test_distance:g} A from the test set; lower selection.train or a distance, "
        "or raise sampling.frames"
    )
