"""Fit a PIP: several starts of the non-linear parameters, chosen by validation, refitted to all training data."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError, StageError
from potentials.nmers.nmer import NMer
from potentials.physics.nbody import PhysicsOfNMer
from potentials.pip.basis import Basis
from potentials.pip.potential import Potential
from recipes.schema.recipe import Fitting
from tasks.fitting.baseline import Baseline, checked, remainder
from tasks.fitting.forward import choose_terms
from tasks.fitting.projection import Problem, Slopes
from tasks.fitting.residuals import Residuals
from tasks.fitting.result import FitResult, completed, held_back
from tasks.fitting.ridge import weights
from tasks.fitting.search import search
from tasks.progress import ProgressLine

ROUGH = 1e-5
"""Relative change of the objective at which the search from a start ends, before starts are compared."""

RIGID = 1e-6
"""Range of a distance over the training set below which it counts as constant, Angstrom."""

PRELIMINARY_TERMS = 1500
"""Largest number of terms, those of the lowest degrees, that the k are fitted with before terms are chosen."""


def fit_potential(
    nmer: NMer,
    positions: Floats,
    energy: Floats,
    settings: Fitting,
    progress: ProgressLine | None = None,
    gradient: Floats | None = None,
    baseline: PhysicsOfNMer | Baseline | Floats | None = None,
    groups: Floats | None = None,
) -> FitResult:
    """Fit a potential to training data; the test set is not used.

    Parameters
    ----------
    nmer
        The n-mer.
    positions
        (n, atoms, 3), Angstrom.
    energy
        (n,), n-body energies, kcal/mol.
    settings
        The recipe's fitting section.
    progress
        Progress line that counts the starts.
    gradient
        (n, atoms, 3), kcal/mol/Angstrom; fitted as well if given.
    baseline
        Physics that the PIP is added to: subtracted from energies and gradients. V_phys of the n-mer becomes part
        of the potential; an array is (n,) energies, kcal/mol. The weights are those of the labels, not of the
        differences.
    groups
        (n, columns), further properties of each configuration, such as its temperature and window. A fit to some
        of them draws from every group; see `Problem.some`.

    Raises
    ------
    InputError
        If the arrays do not fit the n-mer or each other, or hold a number that is not finite.
    StageError
        If there are too few configurations to hold any back for validation.
    """
    began = time.process_time()
    physics = baseline if isinstance(baseline, PhysicsOfNMer) else None
    if isinstance(baseline, PhysicsOfNMer):
        _check(nmer, positions, energy)
        baseline = Baseline.of(baseline, positions)
    whole = make_problem(nmer, positions, energy, settings, gradient, baseline, groups)
    rng = np.random.default_rng(settings.seed)
    order, held = held_back(len(energy), settings.validation_fraction, rng)
    curve: tuple[tuple[int, float], ...] = ()
    if settings.max_terms is not None and settings.max_terms < whole.basis.n_terms:
        basis, curve = _chosen_basis(whole.part(~held), whole.part(held), settings)
        whole = replace(whole, basis=basis)
    fitted = ~held
    fitted[order[held.sum() + settings.start_configurations :]] = False
    part, rest = whole.part(fitted), whole.part(held)
    found: list[Floats] = []
    held_errors: list[Residuals] = []
    for number in range(1 if settings.optimizer == "fixed" else settings.starts):
        start = start_of(number, whole.basis, settings, rng)
        rough = search(
            part, start, settings.parameter_bounds(part.basis), settings.max_iterations, settings.optimizer, ROUGH
        )
        found.append(rough.k)
        held_errors.append(rest.residuals(rough.k, part.coefficients(rough.k)))
        if progress is not None:
            progress.update(done=number + 1)
    scores = [errors.score(rest.weight) for errors in held_errors]
    best = int(np.argmin(scores))
    k, objective, converged = search(
        whole, found[best], settings.parameter_bounds(whole.basis), settings.max_iterations, settings.optimizer
    )

    def made(coefficients: Floats, ensemble: Floats | None) -> Potential:
        potential = _potential(nmer, settings, whole.basis, k, coefficients, ensemble)
        return replace(potential, physics=physics)

    return completed(
        whole,
        held,
        k,
        settings,
        made,
        objective=objective,
        scores=scores,
        held_errors=held_errors[best],
        curve=curve,
        warnings=_warnings(whole, k, converged, settings),
        began=began,
    )


def make_problem(
    nmer: NMer,
    positions: Floats,
    energy: Floats,
    settings: Fitting,
    gradient: Floats | None = None,
    baseline: Baseline | Floats | None = None,
    groups: Floats | None = None,
) -> Problem:
    """Return the weighted least squares problem of a training set; see `fit_potential`."""
    _check(nmer, positions, energy)
    if gradient is not None:
        checked("gradient", gradient, positions.shape)
    if groups is not None and (groups.ndim != 2 or len(groups) != len(energy)):
        raise InputError(f"the training set's groups have shape {groups.shape}; allowed: ({len(energy)}, columns)")
    fitted = gradient if settings.gradient_weight > 0 else None
    energy_left, gradient_left = remainder(energy, fitted, baseline)
    switching, factor = None, np.ones(len(energy))
    if settings.switching is not None:
        switching = settings.switching.build()
        factor = switching.evaluate(positions)[0]
    slopes = None
    if gradient_left is not None:
        slopes = Slopes(gradient_left, settings.gradient_weight, switching)
    basis = settings.build_basis(nmer)
    weight = weights(energy, settings.delta_e)
    return Problem(basis, positions, energy_left, factor, weight, settings.gamma, slopes, groups)


def low_degrees(basis: Basis) -> Basis:
    """Return the basis up to the highest degree with at most `PRELIMINARY_TERMS` terms; never an empty one."""
    degree = basis.degree
    lowest = next(d for d, term in enumerate(basis.term, start=1) if (term >= 0).any())
    while degree > lowest and basis.up_to(degree).n_terms > PRELIMINARY_TERMS:
        degree -= 1
    return basis.up_to(degree)


def _chosen_basis(
    problem: Problem, held: Problem, settings: Fitting
) -> tuple[Basis, tuple[tuple[int, float], ...]]:
    """Return the terms that lower the error most, and the error on held-out data while they were chosen.

    The k are fitted with the terms of low degree to some of the configurations, drawn by the seed.
    """
    assert settings.max_terms is not None
    start = replace(problem, basis=low_degrees(problem.basis)).some(settings.start_configurations, settings.seed)
    first = settings.first_start(problem.basis)
    k = search(start, first, settings.parameter_bounds(start.basis), settings.max_iterations, settings.optimizer).k
    with ProgressLine("candidates", len(problem.energy), "configurations") as line:
        normal = problem.normal(k, line.update)
    with ProgressLine("choosing", settings.max_terms, "terms") as line:
        chosen = choose_terms(normal, settings.gamma, settings.max_terms, line.update)
    del normal
    design = held.design(k)
    errors = ((count, chosen.errors(design, held.energy, count)) for count in chosen.counts())
    curve = tuple((count, float(np.sqrt(np.mean(error**2)))) for count, error in errors)
    return problem.basis.select(np.sort(chosen.order)), curve


def _potential(
    nmer: NMer, settings: Fitting, basis: Basis, k: Floats, coefficients: Floats, ensemble: Floats | None
) -> Potential:
    switching = None if settings.switching is None else settings.switching.build()
    return Potential(
        nmer,
        settings.degree,
        settings.terms,
        k[: len(basis.pair_names)],
        coefficients,
        switching,
        selected=basis.selected,
        ensemble=ensemble,
        options=settings.basis_options(),
        d=k[len(basis.pair_names) :],
    )


def _check(nmer: NMer, positions: Floats, energy: Floats) -> None:
    if positions.shape != (len(energy), nmer.natoms, 3) or energy.ndim != 1:
        raise InputError(
            f"training positions have shape {positions.shape} and energies {energy.shape}; allowed: "
            f"(n, {nmer.natoms}, 3) in Angstrom and (n,) in kcal/mol"
        )
    if not (np.isfinite(positions).all() and np.isfinite(energy).all()):
        raise InputError("the training set holds a number that is not finite; leave failed labels out")
    if len(energy) < 2:
        raise StageError(
            f"{len(energy)} training configurations: a fit needs at least 2, one of them for validation; "
            "raise selection.train"
        )


def start_of(number: int, basis: Basis, settings: Fitting, rng: np.random.Generator) -> Floats:
    """Return the nonlinear parameters where a start begins: the first in the middle, the others drawn."""
    if number == 0:
        return settings.first_start(basis)
    kinds = len(basis.pair_names)
    low, high = settings.k_bounds
    k = np.exp(rng.uniform(np.log(low), np.log(high), kinds))
    return np.concatenate([k, rng.uniform(*settings.d_bounds, len(basis.parameter_names) - kinds)])


def _warnings(problem: Problem, k: Floats, converged: bool, settings: Fitting) -> tuple[str, ...]:
    basis, factor, found = problem.basis, problem.factor, []
    kinds = len(basis.pair_names)
    moves = np.ptp(basis.variables.distances(problem.positions), axis=0) > RIGID
    free = np.bincount(basis.variables.kind, moves, minlength=kinds) > 0  # a cap's own bond has one length
    decided = np.concatenate([free, free[basis.variables.shifted]])
    for what, part, bounds in (("k (1/A)", slice(kinds), "k_bounds"), ("d (A)", slice(kinds, None), "d_bounds")):
        low, high = getattr(settings, bounds)
        at_bound = [
            f"{name} = {value:.3g}"
            for name, value, known in zip(basis.parameter_names[part], k[part], decided[part], strict=True)
            if settings.optimizer != "fixed" and known and min(value - low, high - value) < 1e-6 * (high - low)
        ]
        if at_bound:
            found.append(
                f"{what} at its bound [{low:g}, {high:g}]: {', '.join(at_bound)}; the data do not decide it, or "
                f"fitting.{bounds} is too narrow"
            )
    inside = int(np.count_nonzero(factor))  # beyond r_out a configuration does not affect coefficients
    values, what = inside, "training configurations"
    if problem.slopes is not None:  # a gradient has as many independent numbers as the molecule has modes
        values, what = inside * max(2, 3 * problem.positions.shape[1] - 5), f"{what} with gradients"
    if values < 2 * basis.n_terms:
        within = "" if inside == len(factor) else f" within the switching radius (of {len(factor)})"
        found.append(
            f"{inside} {what}{within} for {basis.n_terms} terms: the ridge decides much of the fit; raise "
            "selection.train or lower fitting.degree"
        )
    if not converged:
        found.append(
            f"the k were still moving after {settings.max_iterations} iterations; raise fitting.max_iterations"
        )
    return tuple(found)
