"""The sum of potentials with the same non-linear parameters, as one polynomial over the union of their terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from potentials.arrays import Ints
from potentials.errors import InputError
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential


def sum_of(parts: Sequence[Potential]) -> Potential:
    """Return the sum of potentials of one n-mer with the same non-linear parameters, as one polynomial.

    V_phys and the range of the training data are those of the first. The members of the ensemble are the sums of
    the members of the parts, which must have been drawn independently of each other.

    Parameters
    ----------
    parts
        The potentials; they may have other degrees and other terms.

    Raises
    ------
    InputError
        If parameters, variables, rules, switching, or numbers of members differ, or a further part has a V_phys.
    """
    first = parts[0]
    for part in parts[1:]:
        same = (
            part.nmer == first.nmer
            and (part.terms, part.options, part.switching) == (first.terms, first.options, first.switching)
            and np.array_equal(part.parameters, first.parameters)
            and (None if part.ensemble is None else len(part.ensemble))
            == (None if first.ensemble is None else len(first.ensemble))
        )
        if not same or part.physics is not None:
            raise InputError(
                "potentials add up to one polynomial only if they have the same n-mer, non-linear parameters, "
                "variables, rules, switching, and number of members, and V_phys is part of the first alone"
            )
    degree = max(part.degree for part in parts)
    numbers = [numbers_of(part) for part in parts]  # terms are numbered by degree: the same at any highest degree
    kept = np.unique(np.concatenate(numbers))
    places = [np.searchsorted(kept, these) for these in numbers]
    coefficients = np.zeros(len(kept))
    ensemble = None if first.ensemble is None else np.zeros((len(first.ensemble), len(kept)))
    for part, place in zip(parts, places, strict=True):
        coefficients[place] += part.coefficients
        if ensemble is not None and part.ensemble is not None:
            ensemble[:, place] += part.ensemble
    every = len(kept) == Basis.build(first.nmer, degree, first.terms, first.options).n_terms
    return replace(
        first,
        degree=degree,
        coefficients=coefficients,
        selected=None if every else tuple(int(n) for n in kept),
        ensemble=ensemble,
    )


def numbers_of(potential: Potential) -> Ints:
    """Return the number of each of a potential's terms among all of its n-mer, (terms,)."""
    if potential.selected is None:
        return np.arange(len(potential.coefficients))
    return np.array(potential.selected, dtype=np.int64)
