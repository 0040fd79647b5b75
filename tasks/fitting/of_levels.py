"""The labels of a chain of datasets as the levels of a fit, and what a potential's facts say of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import StageError
from potentials.pip.potential import Potential
from recipes.schema.recipe import Fitting
from storage.records import TEST, TRAIN, Dataset
from tasks.fitting.levels import FittedLevel, LevelData
from tasks.fitting.summed import numbers_of
from tasks.metrics import errors


@dataclass(frozen=True)
class Step:
    """The labels of one level beside those of the level below, at the same configurations.

    Attributes
    ----------
    title
        What the level is.
    upper
        Its labels: those that the level below has too.
    lower
        Those of the level below in the same order; None for the first level.
    missing
        How many training and test labels are left out because the level below has none.
    """

    title: str
    upper: Dataset
    lower: Dataset | None
    missing: int

    def data(self, split: int, settings: Fitting) -> LevelData:
        """Return the training (0) or the test (1) labels as data of a fit."""
        here = np.flatnonzero(self.upper.split == split)
        upper, lower = self.upper.rows(here), None if self.lower is None else self.lower.rows(here)
        return LevelData(
            title=self.title,
            positions=upper.positions,
            energy=upper.energy,
            below=None if lower is None else lower.energy,
            gradient=upper.gradient,
            below_gradient=None if lower is None else lower.gradient,
            settings=settings,
        )

    @property
    def warning(self) -> str:
        """What is to be said of labels that are left out; empty where none are."""
        if not self.missing:
            return ""
        return (
            f"level {self.title}: {self.missing} of its {self.missing + len(self.upper)} labels are not fitted, "
            "because the level below has no label there"
        )


def steps_of(titles: Sequence[str], datasets: Sequence[Dataset]) -> list[Step]:
    """Return the steps of a chain of datasets, the first level's first.

    Parameters
    ----------
    titles, datasets
        Of each level.

    Raises
    ------
    StageError
        If two levels have too few configurations in common to fit a difference.
    """
    found = [Step(titles[0], datasets[0], None, 0)]
    for title, upper, lower in zip(titles[1:], datasets[1:], datasets, strict=False):
        rows, below = shared_rows(upper, lower)
        step = Step(title, upper.rows(rows), lower.rows(below), len(upper) - len(rows))
        if (known := int((step.upper.split == TRAIN).sum())) < 2:
            raise StageError(
                f"level {title} has {known} training labels at configurations that the level below has labelled; "
                "a difference needs at least 2"
            )
        found.append(step)
    return found


def shared_rows(upper: Dataset, lower: Dataset) -> tuple[Ints, Ints]:
    """Return the rows of configurations that two datasets share, in the order of the first; of each dataset."""
    places = {name: row for row, name in enumerate(lower.ids)}
    rows = np.array([row for row, name in enumerate(upper.ids) if name in places], dtype=np.int64)
    return rows, np.array([places[upper.ids[row]] for row in rows], dtype=np.int64)


def level_facts(steps: Sequence[Step], datasets: Sequence[Dataset], levels: Sequence[FittedLevel]) -> list[Any]:
    """Return what a potential's facts say of each level, as plain values.

    Parameters
    ----------
    steps
        The labels.
    datasets
        The datasets of the levels, with labels that are not fitted: they have been paid for.
    levels
        The fits.
    """
    found = []
    for step, dataset, level in zip(steps, datasets, levels, strict=True):
        test = step.data(TEST, Fitting())
        known = dataset.cpu_seconds[np.isfinite(dataset.cpu_seconds)]
        found.append(
            {
                "title": level.title,
                "train": level.labels,
                "test": len(test.energy),
                "terms": level.terms,
                "rms": level.rms,
                "train_rmsd": level.train,
                "validation": level.validation,
                "test_rmsd": energy_error(level.potential, test),
                "train_gradient_rmsd": level.train_gradient,
                "test_gradient_rmsd": gradient_error(level.potential, test),
                "sigma": level.sigma,
                "largest_leverage": level.leverage,
                "outside": level.outside,
                "cpu_seconds": float(known.sum()) if len(known) else None,
            }
        )
    return found


def energy_error(potential: Potential, test: LevelData) -> float | None:
    """Return the RMSD of a level's fit on test labels, of a difference on differences, kcal/mol; None without."""
    if not len(test.energy):
        return None
    wanted = test.energy if test.below is None else test.energy - test.below
    return errors(np.asarray(potential.energy(test.positions)), wanted).rmsd


def gradient_error(potential: Potential, test: LevelData) -> float | None:
    """Return the same of a component of the gradients, kcal/mol/Angstrom; None where they are not known."""
    if not len(test.energy) or test.gradient is None or (test.below is not None and test.below_gradient is None):
        return None
    wanted = test.gradient if test.below_gradient is None else test.gradient - test.below_gradient
    return errors(potential.evaluate(test.positions).gradient.ravel(), wanted.ravel()).rmsd


def level_coefficients(whole: Potential, levels: Sequence[FittedLevel]) -> Floats:
    """Return each level's coefficients of the terms of the sum, (levels, terms), kcal/mol; 0 where it has none."""
    kept = numbers_of(whole)
    found = np.zeros((len(levels), len(kept)))
    for row, level in zip(found, levels, strict=True):
        row[np.searchsorted(kept, numbers_of(level.potential))] = level.potential.coefficients
    return found
