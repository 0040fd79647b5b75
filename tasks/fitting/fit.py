"""Fit a PIP: several starts of the non-linear parameters, chosen by validation, refitted to all training data."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from potentials.basis import Basis
from potentials.errors import InputError, StageError
from potentials.molecule import NMer
from potentials.pip import morse
from potentials.potential import Potential
from potentials.switching import Switching
from recipes.schema import Fitting
from storage.records import Floats
from tasks.fitting.forward import choose_terms
from tasks.fitting.normal import normal_equations
from tasks.fitting.posterior import Posterior
from tasks.fitting.projection import Problem, Slopes
from tasks.fitting.ridge import weights
from tasks.fitting.search import search
from tasks.progress import ProgressLine

ROUGH = 1e-5
"""Relative change of the objective at which a start is good enough to be compared with others."""

RIGID = 1e-6
"""Range of a distance over the training set below which it is one number, Angstrom."""

PRELIMINARY_TERMS = 1500
"""Terms that the k are fitted with before others are chosen: those of the lowest degrees."""


@dataclass(frozen=True)
class FitResult:
    """What a fit found.

    Attributes
    ----------
    potential
        The potential.
    objective
        Weighted sum of squares with the ridge term, on the whole training set.
    validation
        Weighted RMSD on the validation split for each start, kcal/mol.
    train_rmsd, train_weighted_rmsd, train_max
        Errors of the potential on the whole training set: root mean square, the same with the fit's weights,
        and the largest; kcal/mol.
    sigma
        Scale of the uncertainty: with it, errors on the validation split are as large as said; kcal/mol.
    leverage
        (n,), of each training configuration, from 0 to 1; near 1, a label has decided its own fitted value.
    curve
        (terms, RMSD on the validation split in kcal/mol) while terms were chosen; empty where all are kept.
    warnings
        One sentence for each thing a careful reader should know.
    seconds
        CPU time.
    """

    potential: Potential
    objective: float
    validation: tuple[float, ...]
    train_rmsd: float
    train_weighted_rmsd: float
    train_max: float
    sigma: float
    leverage: Floats
    curve: tuple[tuple[int, float], ...]
    warnings: tuple[str, ...]
    seconds: float

    @property
    def k(self) -> Floats:
        """Non-linear parameters: the k of each kind of distance, then the d where there are any."""
        return self.potential.parameters


def fit_potential(
    nmer: NMer,
    positions: Floats,
    energy: Floats,
    settings: Fitting,
    progress: ProgressLine | None = None,
    gradient: Floats | None = None,
    baseline: Floats | None = None,
) -> FitResult:
    """Fit a potential to training data; the test set is never seen.

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
        Counts the starts.
    gradient
        (n, atoms, 3), kcal/mol/Angstrom, where it is known: fitted as well.
    baseline
        (n,), energies of physics-based terms that the PIP is added to, kcal/mol: subtracted from the labels. The
        weights are those of the labels.

    Raises
    ------
    InputError
        If the arrays do not fit the n-mer or each other, or hold a number that is not finite.
    StageError
        If there are too few configurations to hold any back for validation.
    """
    began = time.process_time()
    whole = make_problem(nmer, positions, energy, settings, gradient, baseline)
    rng = np.random.default_rng(settings.seed)
    order = rng.permutation(len(energy))
    held = np.zeros(len(energy), dtype=bool)
    held[order[: max(1, round(settings.validation_fraction * len(energy)))]] = True
    curve: tuple[tuple[int, float], ...] = ()
    if settings.max_terms is not None and settings.max_terms < whole.basis.n_terms:
        basis, curve = _chosen_basis(whole.part(~held), whole.part(held), settings)
        whole = replace(whole, basis=basis)
    fitted = ~held
    fitted[order[held.sum() + settings.start_configurations :]] = False
    part, rest = whole.part(fitted), whole.part(held)
    found, scores = [], []
    for number in range(1 if settings.optimizer == "fixed" else settings.starts):
        start = _start(number, whole.basis, settings, rng)
        rough = search(
            part, start, parameter_bounds(part.basis, settings), settings.max_iterations, settings.optimizer, ROUGH
        )
        found.append(rough.k)
        scores.append(_validation_error(part, rest, found[-1]))
        if progress is not None:
            progress.update(done=number + 1)
    best = found[int(np.argmin(scores))]
    k, objective, converged = search(
        whole, best, parameter_bounds(whole.basis, settings), settings.max_iterations, settings.optimizer
    )
    coefficients = whole.coefficients(k, final=True)
    sigma = _sigma(whole.part(~held), rest, k, settings)
    design = whole.design(k) * np.sqrt(whole.weight)[:, None]
    full = Posterior.of(design, settings.gamma)
    potential = _potential(nmer, settings, whole.basis, k, coefficients, full, sigma)
    error = np.asarray(potential.energy(positions)) - whole.energy
    return FitResult(
        potential=potential,
        objective=objective,
        validation=tuple(scores),
        train_rmsd=float(np.sqrt(np.mean(error**2))),
        train_weighted_rmsd=float(np.sqrt(whole.weight @ error**2 / whole.weight.sum())),
        train_max=float(np.abs(error).max()),
        sigma=sigma,
        leverage=full.leverage(design),
        curve=curve,
        warnings=_warnings(whole, k, converged, settings),
        seconds=time.process_time() - began,
    )


def make_problem(
    nmer: NMer,
    positions: Floats,
    energy: Floats,
    settings: Fitting,
    gradient: Floats | None = None,
    baseline: Floats | None = None,
) -> Problem:
    """Return the weighted least squares problem of a training set; see `fit_potential`."""
    _check(nmer, positions, energy)
    for name, values, shape in (("gradient", gradient, positions.shape), ("baseline", baseline, energy.shape)):
        if values is not None and (values.shape != shape or not np.isfinite(values).all()):
            raise InputError(f"the training set's {name} has shape {values.shape}; allowed: finite, {shape}")
    switching, factor = None, np.ones(len(energy))
    if settings.switching is not None:
        switching = Switching(settings.switching.atoms, settings.switching.r_in, settings.switching.r_out)
        factor = switching.evaluate(positions)[0]
    slopes = None
    if gradient is not None and settings.gradient_weight > 0:
        slopes = Slopes(gradient, settings.gradient_weight, switching)
    basis = settings.build_basis(nmer)
    target = energy if baseline is None else energy - baseline
    weight = weights(energy, settings.delta_e)
    return Problem(basis, positions, target, factor, weight, settings.gamma, slopes)


def first_start(basis: Basis, settings: Fitting) -> Floats:
    """Return the first start of the non-linear parameters, (parameters,)."""
    kinds = len(basis.pair_names)
    start = np.array([settings.k] * kinds + [settings.d] * (len(basis.parameter_names) - kinds))
    return start if settings.optimizer == "fixed" else np.clip(start, *parameter_bounds(basis, settings).T)


def parameter_bounds(basis: Basis, settings: Fitting) -> Floats:
    """Return the bounds of each non-linear parameter, (parameters, 2)."""
    kinds = len(basis.pair_names)
    shifts = len(basis.parameter_names) - kinds
    return np.array([settings.k_bounds] * kinds + [settings.d_bounds] * shifts)


def low_degrees(basis: Basis) -> Basis:
    """Return the basis of the highest degree with at most `PRELIMINARY_TERMS` terms; at least degree 1."""
    degree = basis.degree
    while degree > 1 and basis.up_to(degree).n_terms > PRELIMINARY_TERMS:
        degree -= 1
    return basis.up_to(degree)


def _chosen_basis(
    problem: Problem, held: Problem, settings: Fitting
) -> tuple[Basis, tuple[tuple[int, float], ...]]:
    """Return the terms that lower the error most, and the error on held-out data while they were chosen.

    The k come from a fit with the terms of low degree.
    """
    assert settings.max_terms is not None
    start = replace(problem, basis=low_degrees(problem.basis)).some(settings.start_configurations)
    first = first_start(problem.basis, settings)
    k = search(
        start, first, parameter_bounds(start.basis, settings), settings.max_iterations, settings.optimizer
    ).k
    scale = np.sqrt(problem.weight)
    x = morse(problem.basis, k, problem.positions)[0]
    with ProgressLine("candidates", len(scale), "configurations") as line:
        normal = normal_equations(problem.basis, x, scale * problem.factor, scale * problem.energy, line.update)
    with ProgressLine("choosing", settings.max_terms, "terms") as line:
        chosen = choose_terms(normal, settings.gamma, settings.max_terms, line.update)
    del normal
    design = held.design(k)
    errors = ((count, chosen.errors(design, held.energy, count)) for count in chosen.counts())
    curve = tuple((count, float(np.sqrt(np.mean(error**2)))) for count, error in errors)
    return problem.basis.select(np.sort(chosen.order)), curve


def _sigma(part: Problem, held: Problem, k: Floats, settings: Fitting) -> float:
    """Return the sigma for which a fit to one part is as wrong on the other as its posterior says."""
    posterior = Posterior.of(part.design(k) * np.sqrt(part.weight)[:, None], settings.gamma)
    design = held.design(k)
    return posterior.sigma(design, design @ part.coefficients(k) - held.energy)


def _potential(
    nmer: NMer, settings: Fitting, basis: Basis, k: Floats, coefficients: Floats, full: Posterior, sigma: float
) -> Potential:
    switching = None
    if settings.switching is not None:
        switching = Switching(settings.switching.atoms, settings.switching.r_in, settings.switching.r_out)
    ensemble = None
    if settings.ensemble:
        ensemble = full.members(coefficients, sigma, settings.ensemble, settings.seed)
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


def _start(number: int, basis: Basis, settings: Fitting, rng: np.random.Generator) -> Floats:
    if number == 0:
        return first_start(basis, settings)
    kinds = len(basis.pair_names)
    low, high = settings.k_bounds
    k = np.exp(rng.uniform(np.log(low), np.log(high), kinds))
    return np.concatenate([k, rng.uniform(*settings.d_bounds, len(basis.parameter_names) - kinds)])


def _validation_error(train: Problem, held: Problem, k: Floats) -> float:
    """Return the weighted RMSD on held-out data of the coefficients fitted to the rest."""
    square = (held.predict(k, train.coefficients(k)) - held.energy) ** 2
    return float(np.sqrt(held.weight @ square / held.weight.sum()))


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
    inside = int(np.count_nonzero(factor))  # beyond the switch a configuration says nothing about coefficients
    if inside < 2 * basis.n_terms:
        within = "" if inside == len(factor) else f" within the switching radius (of {len(factor)})"
        found.append(
            f"{inside} training configurations{within} for {basis.n_terms} terms: the ridge decides much of the "
            "fit; raise selection.train or lower fitting.degree"
        )
    if not converged:
        found.append(
            f"the k were still moving after {settings.max_iterations} iterations; raise fitting.max_iterations"
        )
    return tuple(found)
