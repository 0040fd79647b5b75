"""Learning curves with and without levels: test error against core-hours of labels.

``python -m benchmarks levels --store PATH`` with a store that ``benchmarks.level_labels`` has labelled; what has
no label yet is left out. The test error is that of the sum of a chain's fits on configurations whose labels of the
top level no fit has seen. All fits have the non-linear parameters of the fit to the GFN2-xTB labels, degrees and
ridge parameters are chosen by cross-validation of the training labels, and each point is the mean over draws of
the training labels.
Beyond its labels the direct fit's error is continued parallel to that of direct fits to MP2 energies of the same
configurations, which have more labels and nearly the same energies, and then by their power law; it is marked so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.level_labels import SYSTEMS, System, configurations, labels
from benchmarks.level_plots import CHAINS, Point, cheapest, picture
from potentials.arrays import Floats, Ints
from recipes.held import held_energy
from recipes.load import load_recipe
from storage.physics import load_physics
from storage.store import Store
from tasks.fitting.baseline import Baseline, physics_of
from tasks.fitting.fit import make_problem
from tasks.fitting.level_curves import CONSTANT, degrees_of, linear_fit
from tasks.fitting.level_steps import Step, Trial, TrialLevel, common_parameters, learned
from tasks.fitting.ridge import weights
from tasks.labelling.protocol import protocol_of
from tasks.labelling.reference import reference_molecules
from tasks.plot import write_plots

DRAWS = 6
"""Draws of the training labels of a point."""

TOP_COUNTS = (10, 20, 40, 60, 80, 120)
"""Training labels of the top level."""

MIDDLE = (40, 80, 150, 200, 300, 400)
"""Training labels of MP2."""

FEWEST_TESTS = 15
"""Smallest number of test labels of a system that is shown."""


@dataclass(frozen=True)
class Data:
    """A system's labels.

    Attributes
    ----------
    trial
        Training configurations and their labels; the levels are those of the benchmark.
    test
        (configurations, atoms, 3), Angstrom.
    energy
        (configurations,), energies of each level there, kcal/mol; nan without a label.
    baseline
        (configurations,), V_phys there, kcal/mol.
    """

    trial: Trial
    test: Floats
    energy: Mapping[str, Floats]
    baseline: Floats | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the levels."""
        return tuple(level.name for level in self.trial.levels)


def data_of(store: Store, system: System) -> Data:
    """Return the labels of a system that the store has."""
    recipe = load_recipe(system.name, "laptop")
    nmer = recipe.build_nmer()
    train, test = configurations(store, nmer, system.name)
    test = test[: system.test]
    levels, energy = [], {}
    for name, labelling in system.levels().items():
        protocol = protocol_of(nmer, labelling)
        table = labels(store, protocol, np.concatenate([train, test]))
        found = np.where(table.usable, table.energy, np.nan)
        timed = table.cpu_seconds[table.usable & (table.cpu_seconds > 0.0)]
        seconds = float(np.median(timed)) if len(timed) else float("nan")
        levels.append(TrialLevel(name, labelling.level, found[: len(train)], seconds))
        energy[name] = found[len(train) :]
    physics, settings = None, recipe.fitting.model_copy(update={"max_terms": None})
    if settings.baseline is not None:
        parameters = physics_of(nmer, load_physics(store, settings.baseline))
        physics = [Baseline.of(parameters, part).energy for part in (train, test)]
    alone = bool(reference_molecules(nmer, recipe.labelling))
    own = system.levels()
    held = frozenset({("top", "mp2")} if held_energy(own["top"], own["mp2"]) is not None else ())
    baselines = (None, None) if physics is None else tuple(physics)
    trial = Trial(nmer, train, tuple(levels), settings, baselines[0], alone, held)
    return Data(trial, test, energy, baselines[1])


class Fits:
    """Linear fits of a system at common non-linear parameters: degrees, and energies on the test set."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.parameters = common_parameters(data.trial)
        self._steps: dict[tuple[str, str | None], Step] = {}
        self._designs: dict[tuple[int, int, int | None], Any] = {}

    def step(self, upper: str, lower: str | None) -> Step:
        """Return the cross-validated learning curves of a level over another."""
        if (upper, lower) not in self._steps:
            data, names = self.data, self.data.names
            degrees = degrees_of(data.trial.nmer, data.trial.settings)
            below = None if lower is None else names.index(lower)
            self._steps[upper, lower] = learned(
                data.trial, names.index(upper), below, degrees, self.parameters, lambda _: None
            )
        return self._steps[upper, lower]

    def predicted(self, upper: str, lower: str | None, rows: Ints) -> tuple[Floats, int]:
        """Return the energies on the test set of a fit to some configurations, and its degree."""
        data, trial = self.data, self.data.trial
        best = self.step(upper, lower).best(len(rows))
        number, below = data.names.index(upper), None if lower is None else data.names.index(lower)
        known, problem, design = self._design(number, below, best.degree)
        problem = replace(problem, gamma=best.gamma)
        found = linear_fit(problem, design, np.searchsorted(known, rows), np.arange(len(known), len(design)))
        if lower is None and data.baseline is not None:
            found = found + data.baseline
        target = trial.levels[number].energy[known] - self._below(number, below, known)
        shift = float(np.median(target)) if trial.unknown_zero else 0.0
        return found + shift, best.degree

    def _below(self, number: int, below: int | None, rows: Ints) -> Floats:
        trial = self.data.trial
        if below is not None:
            return trial.levels[below].energy[rows]
        return np.zeros(len(rows)) if trial.baseline is None else trial.baseline[rows]

    def _design(self, number: int, below: int | None, degree: int) -> Any:
        """Return the configurations with labels, their problem, and its design with that of the test set below."""
        key = (degree, number, below)
        if key not in self._designs:
            trial = self.data.trial
            known = trial.common(number, below)
            energy = trial.levels[number].energy[known]
            target = energy - self._below(number, below, known)
            target = target - np.median(target) if trial.unknown_zero else target
            settings = trial.settings.model_copy(update={"degree": degree})
            problem = make_problem(trial.nmer, trial.positions[known], target, settings)
            problem = replace(problem, weight=weights(energy, settings.delta_e))
            beyond = make_problem(trial.nmer, self.data.test, np.zeros(len(self.data.test)), settings)
            design = np.concatenate([part.design(self.parameters) for part in (problem, beyond)])
            if trial.unknown_zero:
                design = np.column_stack([design, np.full(len(design), CONSTANT)])
            self._designs[key] = known, problem, design
        return self._designs[key]


def point(system: str, fits: Fits, chain: Sequence[str], counts: Sequence[int]) -> Point:
    """Return the test error of a chain against its last level with numbers of labels, the mean over draws.

    Parameters
    ----------
    system
        Its name.
    fits
        Its fits.
    chain, counts
        Levels and labels of each; the subsets are nested.
    """
    data, names = fits.data, fits.data.names
    truth = data.energy[chain[-1]]
    on = np.isfinite(truth) & np.isfinite(data.energy["top"])
    errors, degrees = [], (0,) * len(chain)
    for draw in range(DRAWS):
        rng, rows, chosen = np.random.default_rng(draw), np.arange(0), []
        for name, count in zip(chain[::-1], counts[::-1], strict=True):  # the top's are among those of all levels
            lower = {*chain[: chain.index(name) + 1]}
            known = np.flatnonzero(
                np.all([np.isfinite(data.trial.levels[names.index(n)].energy) for n in lower], axis=0)
            )
            more = rng.permutation(np.setdiff1d(known, rows))[: count - len(rows)]
            rows = np.sort(np.concatenate([rows, more]))
            chosen.append(rows)
        total = np.zeros(len(data.test))
        used = []
        for lower_name, name, part in zip((None, *chain), chain, chosen[::-1], strict=False):
            found, degree = fits.predicted(name, lower_name, part)
            total, used = total + found, [*used, degree]
        errors.append(float(np.sqrt(np.mean((total - truth)[on] ** 2))))
        degrees = tuple(used)
    seconds = {level.name: level.seconds for level in data.trial.levels}
    paid = dict(zip(chain, counts, strict=True))
    if {"mp2", "top"} <= set(chain) and ("top", "mp2") in data.trial.held:
        paid["mp2"] -= paid["top"]  # labels of the top level hold it
    cost = sum(count * seconds[name] for name, count in paid.items()) / 3600
    mean = float(np.sqrt(np.mean(np.square(errors))))
    return Point(system, tuple(chain), tuple(counts), degrees, mean, float(np.std(errors)), cost)


def points_of(system: System, fits: Fits) -> list[Point]:
    """Return the points of every chain with the labels that there are."""
    trial, found = fits.data.trial, []
    sizes = {level.name: int(np.isfinite(level.energy).sum()) for level in trial.levels}
    tops = [n for n in TOP_COUNTS if n <= sizes["top"]]
    for chain in CHAINS:
        for top in tops:
            middles = [m for m in MIDDLE if top < m <= sizes["mp2"]] if "mp2" in chain else [0]
            for middle in middles:
                counts = {"gfn2": sizes["gfn2"], "mp2": middle, "top": top}
                found.append(point(system.name, fits, chain, [counts[name] for name in chain]))
    return found


def direct_hours(direct: Sequence[Point], like: Sequence[Point], error: float) -> tuple[float, bool]:
    """Return the core-hours of a direct fit with an error, and whether it needs more labels than there are.

    Parameters
    ----------
    direct
        Measured points of the direct fit, in the order of their labels.
    like
        Points of direct fits to MP2 energies, in the order of their labels.
    error
        kcal/mol.
    """
    last = direct[-1]
    x, y = _logarithms(direct)
    seconds = last.core_hours / last.counts[0]
    if np.log(error) >= y[-1]:
        return seconds * float(np.exp(np.interp(-np.log(error), -y, x))), False
    u, v = _logarithms(like)
    wanted = np.log(error) - y[-1] + np.interp(x[-1], u, v)
    if wanted >= v[-1]:
        return seconds * float(np.exp(np.interp(-wanted, -v, u))), True
    power = float(np.clip(-np.polyfit(u[-3:], v[-3:], 1)[0], 0.1, 1.0))
    return seconds * float(np.exp(u[-1] + (v[-1] - wanted) / power)), True


def _logarithms(points: Sequence[Point]) -> tuple[Floats, Floats]:
    """Return the logarithms of labels, and of errors that do not rise."""
    return (
        np.log([float(one.counts[0]) for one in points]),
        np.log(np.minimum.accumulate([one.error for one in points])),
    )


def figures(store: str | None = None, out: str | None = None) -> dict[str, float | str]:
    """Return errors and gains by system; with a folder, write the table and the picture there.

    A gain is the core-hours of the direct fit over those of the chain with the same test error.
    """
    if store is None:
        raise SystemExit("levels needs --store; see benchmarks/level_labels.py")
    found: dict[str, float | str] = {}
    every: dict[str, list[Point]] = {}
    gains: dict[str, list[tuple[Point, float, bool]]] = {}
    opened = Store(Path(store))
    for system in SYSTEMS:
        data = data_of(opened, system)
        tests = int(np.isfinite(data.energy["top"]).sum())
        if tests < FEWEST_TESTS:
            continue
        fits = Fits(data)
        points = points_of(system, fits)
        direct = [one for one in points if one.chain == ("top",)]
        most = int(np.isfinite(data.trial.levels[1].energy).sum())
        sizes = sorted({n for n in (*TOP_COUNTS, *MIDDLE) if n <= most})
        like = [point(system.name, fits, ("mp2",), [n]) for n in sizes]
        every[system.name] = points + like
        gains[system.name] = []
        for one in cheapest([p for p in points if len(p.chain) > 1]):
            hours, beyond = direct_hours(direct, like, one.error)
            gains[system.name].append((one, hours / one.core_hours, beyond))
        name = system.name
        found[f"{name}_test_labels"] = tests
        found[f"{name}_seconds"] = " ".join(f"{level.name} {level.seconds:.3g}" for level in data.trial.levels)
        for one in direct:
            found[f"{name}_direct_{one.counts[0]}"] = round(one.error, 4)
        for one, gain, beyond in gains[name]:
            key = "_".join(f"{level}{count}" for level, count in zip(one.chain, one.counts, strict=True))
            found[f"{name}_{key}"] = round(one.error, 4)
            found[f"{name}_{key}_gain"] = f"{gain:.1f}{' extrapolated' if beyond else ''}"
    if out is not None:
        write_plots([picture(every, gains)], Path(out))
    return found
