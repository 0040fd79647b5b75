"""Learning curves of linear fits by cross-validation, and the law that continues them.

A fit at given non-linear parameters is linear, and its errors on held-back labels for many subsets of a few labels
cost milliseconds. The error of a configuration is the mean over the subsets that do not have it, so that drawing
configurations again (bootstrap) says how far a curve and its continuation are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import Fitting
from tasks.fitting.fit import make_problem
from tasks.fitting.normal import Normal, solve_equations
from tasks.fitting.projection import Problem
from tasks.fitting.ridge import solve_qr, weights

FOLDS = 5
"""Parts of the labels, each held back once."""

REPEATS = (10, 2000)
"""Largest number of divisions into parts, and labels times divisions that are not exceeded with more than two."""

FRACTIONS = (0.125, 0.25, 0.5, 1.0)
"""Parts of the labels not held back that fits are made to."""

FEWEST = 4
"""Smallest number of labels of a fit."""

RIDGES = (1.0, 0.1, 0.01)
"""Ridge parameters that are tried, in that of the recipe; many labels without noise need but a small one."""

LAW_POINTS = 3
"""Points of a curve, the last ones, that the law is fitted to."""

STEEPEST = 1.0
"""Largest power of the law; steeper curves come from few labels and do not continue."""

DRAWS = 200
"""Resamples of the configurations."""

CONSTANT = 100.0
"""Value of the column for an unknown zero of the energies: so large that the ridge does not act on it."""

LAW = "power law E(n) = E(m) (m / n)^p, 0 <= p <= 1, through the last three points of each curve"

Told = Callable[[int], None]


@dataclass(frozen=True)
class Curve:
    """Errors of fits of one degree and ridge parameter to growing numbers of labels, and their continuation.

    Attributes
    ----------
    degree, terms, gamma
        Of the fit.
    counts
        (points,), numbers of labels.
    errors
        (points,), root mean square error on labels held back, kcal/mol.
    power
        p of the law.
    drawn, drawn_power
        (draws, points) and (draws,), the same with configurations drawn again.
    """

    degree: int
    terms: int
    gamma: float
    counts: Ints
    errors: Floats
    power: float
    drawn: Floats
    drawn_power: Floats

    @classmethod
    def of(cls, degree: int, terms: int, gamma: float, counts: Ints, square: Floats, seed: int = 0) -> Curve:
        """Return the curve of squared errors.

        Parameters
        ----------
        degree, terms, gamma, counts
            As the attributes.
        square
            (points, configurations), squared error of each configuration, kcal^2/mol^2.
        seed
            Decides which configurations are drawn.
        """
        rows = np.random.default_rng(seed).integers(square.shape[1], size=(DRAWS, square.shape[1]))
        drawn = np.sqrt(np.stack([part[rows].mean(axis=1) for part in square], axis=1))
        errors = np.sqrt(square.mean(axis=1))
        power = float(_power(counts, errors))
        return cls(degree, terms, gamma, counts, errors, power, drawn, _power(counts, drawn))

    def expected(self, count: Floats) -> Floats:
        """Return the error to expect with numbers of labels, kcal/mol; see `LAW`.

        Between points it is interpolated in the logarithms; below the first it is not known: infinite.
        """
        return _continued(np.asarray(count, dtype=np.float64), self.counts, self.errors, self.power)

    def spread(self, count: float) -> Floats:
        """Return the same for one number of labels in each resample, (draws,)."""
        at = np.asarray([count], dtype=np.float64)
        pairs = zip(self.drawn, self.drawn_power, strict=True)
        return np.array([_continued(at, self.counts, errors, power)[0] for errors, power in pairs])


def _power(counts: Ints, errors: Floats) -> Floats:
    """Return the power of the law, for errors (..., points)."""
    x = np.log(counts[-LAW_POINTS:].astype(np.float64))
    y = np.log(np.maximum(errors[..., -LAW_POINTS:], 1e-12))
    if len(x) < 2:
        return np.zeros(errors.shape[:-1])
    x = x - x.mean()
    return np.asarray(np.clip(-(y @ x) / (x @ x), 0.0, STEEPEST))


def _continued(count: Floats, counts: Ints, errors: Floats, power: float) -> Floats:
    last = float(counts[-1])
    inside = np.exp(np.interp(np.log(count), np.log(counts), np.log(np.maximum(errors, 1e-12))))
    beyond = errors[-1] * (last / np.maximum(count, last)) ** power
    return np.where(count < counts[0], np.inf, np.where(count > last, beyond, inside))


def degrees_of(nmer: NMer, settings: Fitting, most: int | None = None) -> list[int]:
    """Return the degrees up to the settings' (or `most`) at which an n-mer has terms."""
    found = []
    for degree in range(1, (most or settings.degree) + 1):
        one = settings.model_copy(update={"degree": degree})
        try:
            one.check(nmer)
            if one.build_basis(nmer).n_terms:
                found.append(degree)
        except InputError:  # too few fragments' products at this degree
            continue
    return found


def learning_curves(
    nmer: NMer,
    positions: Floats,
    energy: Floats,
    below: Floats | None,
    settings: Fitting,
    degrees: Sequence[int],
    parameters: Floats,
    unknown_zero: bool = False,
    told: Told | None = None,
    ridges: Sequence[float] = (1.0,),
) -> list[Curve]:
    """Return the learning curves of energies, or of their differences from others, by degree and ridge parameter.

    Parameters
    ----------
    nmer
        The n-mer.
    positions
        (n, atoms, 3), Angstrom.
    energy
        (n,), kcal/mol; they decide the weights.
    below
        (n,), what is subtracted from them: energies of the level below, or V_phys; None: nothing.
    settings
        The fit's settings.
    degrees
        Degrees of the polynomial.
    parameters
        The non-linear parameters.
    unknown_zero
        Whether the zero of the energies is not known, and is one more coefficient.
    told
        Called with the number of divisions done.
    ridges
        Ridge parameters, in that of the settings.

    Raises
    ------
    InputError
        If there are too few labels to hold any back.
    """
    if len(energy) < FOLDS * FEWEST:
        raise InputError(
            f"{len(energy)} labels are too few for a learning curve; allowed: {FOLDS * FEWEST} or more"
        )
    target = energy if below is None else energy - below
    target = target - np.median(target) if unknown_zero else target
    weight = weights(energy, settings.delta_e)
    found, done = [], 0
    for degree in degrees:
        one = settings.model_copy(update={"degree": degree, "max_terms": None})
        problem = replace(make_problem(nmer, positions, target, one), weight=weight)
        design = _design(problem, parameters, unknown_zero)
        counts = _counts(len(energy))
        problems = [replace(problem, gamma=float(f"{ridge * settings.gamma:.6g}")) for ridge in ridges]
        square = np.zeros((len(problems), len(counts), len(energy)))
        for errors in _divisions(problems, design, counts, settings.seed):
            square += np.square(errors) / divisions(len(energy))
            done += 1
            if told is not None:
                told(done)
        terms = problem.basis.n_terms
        found += [
            Curve.of(degree, terms, each.gamma, counts, of_each, settings.seed)
            for each, of_each in zip(problems, square, strict=True)
        ]
    return found


def divisions(labels: int) -> int:
    """Return how often so many labels are divided into parts."""
    most, work = REPEATS
    return int(np.clip(work // labels, 2, most))


def _counts(labels: int) -> Ints:
    """Return the numbers of labels that fits are made to."""
    most = labels - -(-labels // FOLDS)
    return np.unique(np.maximum(np.round(np.multiply(FRACTIONS, most)), FEWEST).astype(np.int64))


def _divisions(problems: Sequence[Problem], design: Floats, counts: Ints, seed: int) -> Iterator[Floats]:
    """Yield the errors of each division, (problems, points, configurations); the problems differ in the ridge."""
    energy, rng = problems[0].energy, np.random.default_rng(seed)
    size = len(energy)
    gram = design @ design.T if design.shape[1] >= counts[0] else None
    for _ in range(divisions(size)):
        errors, order = np.zeros((len(problems), len(counts), size)), rng.permutation(size)
        for held in np.array_split(order, FOLDS):
            rest = order[~np.isin(order, held)]
            for (row, problem), (point, count) in product(enumerate(problems), enumerate(counts)):
                found = linear_fit(problem, design, rest[:count], held, gram)
                errors[row, point, held] = found - energy[held]
        yield errors


def _design(problem: Problem, parameters: Floats, constant: bool) -> Floats:
    design = problem.design(parameters)
    if not constant:
        return design
    return np.column_stack([design, np.full(len(design), CONSTANT)])


def linear_fit(problem: Problem, design: Floats, chosen: Ints, others: Ints, gram: Floats | None = None) -> Floats:
    """Return the energies of some configurations from a ridge fit to others, (others,), kcal/mol.

    With fewer labels than terms the equations of the labels are solved: c = A^T (A A^T + Gamma^2)^-1 e.

    Parameters
    ----------
    problem
        Energies and weights of the first rows of the design.
    design
        (configurations, terms), switched terms without weights.
    chosen, others
        Rows that are fitted, and rows whose energies are wanted.
    gram
        (configurations, configurations), the design times its transpose, if it is there already.
    """
    scale = np.sqrt(problem.weight[chosen])
    target, rows = scale * problem.energy[chosen], scale[:, None] * design[chosen]
    if len(chosen) <= design.shape[1]:
        if gram is None:
            matrix, across = rows @ rows.T, design[others] @ rows.T
        else:
            matrix = scale[:, None] * gram[np.ix_(chosen, chosen)] * scale
            across = gram[np.ix_(others, chosen)] * scale
        matrix[np.diag_indices_from(matrix)] += problem.gamma**2
        return np.asarray(across @ np.linalg.solve(matrix, target))
    coefficients = solve_equations(Normal(rows.T @ rows, rows.T @ target, float(target @ target)), problem.gamma)
    if coefficients is None:
        coefficients = solve_qr(rows, target, problem.gamma)
    return np.asarray(design[others] @ coefficients)
