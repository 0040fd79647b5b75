"""A subject whose potentials know the range of their training data, also those of older versions."""

from __future__ import annotations

from dataclasses import replace

from potentials.pip.potential import Potential
from potentials.pip.ranges import training_ranges
from storage.contents import dataset_from_version
from storage.level_datasets import datasets_of_levels
from storage.records import TRAIN
from tasks.checks.subject import Subject


def with_ranges(subject: Subject) -> tuple[Subject, tuple[str, ...]]:
    """Return the subject with the ranges of all its potentials, and the names of those whose range is not known.

    A potential that was fitted before ranges were kept has that of its dataset, if the store still has it.

    Raises
    ------
    InputError
        If potentials are missing.
    """
    found, unknown = dict(subject.use), []
    for name, potential in subject.potentials().items():
        if potential.ranges is not None:
            continue
        known = _of_dataset(subject, potential)
        if known is None:
            unknown.append(name)
        else:
            found[name] = known
    return replace(subject, use=found), tuple(unknown)


def _of_dataset(subject: Subject, potential: Potential) -> Potential | None:
    """Return a potential with the range of the dataset it was fitted to; None where there is none."""
    if not potential.name:
        return None
    dataset = subject.store.input(subject.store.resolve(potential.name), "dataset")
    if dataset is None:
        return None
    training = dataset_from_version(datasets_of_levels(subject.store, dataset)[0]).part(TRAIN)
    limits = training_ranges(potential.nmer, potential.switching, training.positions)
    return None if limits is None else replace(potential, ranges=limits)
