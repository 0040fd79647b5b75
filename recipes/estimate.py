"""The cost of a recipe, estimated before anything runs: core-hours, memory, and disk of each stage.

The formulas are fits to measured runs on one core of a 2020s server (AVX2), with deviations of up to 35 % for
canonical labels, 10 % for LNO labels, and 15 % for labels in single precision and composites of them. An estimate
should be right within a factor of two. The cost of a label can be given if it was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from ase.data import atomic_numbers

from potentials.nmers.capping import pieces
from potentials.nmers.nmer import NMer
from recipes.engines import ENGINES, JobSize, LabelCost
from recipes.held import held_energy
from recipes.schema.recipe import DESCRIPTORS, Labelling, Recipe, SelectionSettings
from recipes.schema.sampling import FORCE_FIELDS, SAMPLERS, Sampling
from recipes.stages import STAGE

FUNCTIONS = {  # basis functions on H and He, and on B to Ne
    "sto-3g": (1, 5),
    "cc-pvdz": (5, 14),
    "cc-pvtz": (14, 30),
    "cc-pvqz": (30, 55),
    "def2-svp": (5, 14),
    "def2-tzvp": (6, 31),
    "def2-qzvp": (30, 57),
    "aug-cc-pvdz": (9, 23),
    "aug-cc-pvtz": (23, 46),
    "aug-cc-pvqz": (46, 80),
}

TWO_LEVELS = 2000
"""Number of clusters above which the selection has two levels by default."""

SELECTION_TABLE = 0.25
"""Part of the selection's table in memory, GiB; the rest is in a scratch file."""

FRAMES_PER_SECOND = 1500.0
COMPILE_SECONDS = 30.0

_GIB = 1024**3


@dataclass(frozen=True)
class StageEstimate:
    """The cost of one stage.

    Attributes
    ----------
    stage
        Name of the stage.
    count
        Number of items that it makes, in its `unit`.
    core_hours
        CPU time; None if the cost of the method or basis set is not known.
    memory
        Largest memory of one process, GiB; None as above.
    disk
        Size in the store, MB.
    """

    stage: str
    count: int
    core_hours: float | None
    memory: float | None
    disk: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"unit": STAGE[self.stage].unit}


@dataclass(frozen=True)
class LevelEstimate:
    """The labels of one level.

    Attributes
    ----------
    title
        Its level of theory.
    labels
        Number of its labels, training and test.
    derived
        How many of them follow from labels of a higher level, and cost nothing.
    cost
        What each of the others costs; None if that is not known.
    """

    title: str
    labels: int
    derived: int
    cost: LabelCost | None

    @property
    def core_hours(self) -> float | None:
        """CPU time of all labels that are computed; None if not known, zero if there are none."""
        computed = self.labels - self.derived
        if computed and self.cost is None:
            return None
        return 0.0 if self.cost is None else computed * self.cost.cpu_seconds / 3600


def estimate(recipe: Recipe, costs: Sequence[LabelCost | None] | None = None) -> list[StageEstimate]:
    """Return the cost of each stage with an empty store.

    Parameters
    ----------
    recipe
        The recipe.
    costs
        Cost of a label of each level, if they are known better than by formula; see `level_estimates`.
    """
    nmer = recipe.build_nmer()
    frames = recipe.sampling.frames
    train, configurations = recipe.selection.train, recipe.selection.train + recipe.selection.test
    levels = level_estimates(recipe, costs)
    labels, hours = sum(one.labels for one in levels), [one.core_hours for one in levels]
    memory = [one.cost.memory for one in levels if one.cost is not None]
    candidates = recipe.fitting.build_basis(nmer).n_terms
    terms = min(candidates, recipe.fitting.max_terms or candidates)
    coordinates = nmer.natoms * 3
    width = DESCRIPTORS.get(recipe.selection.descriptor).width(nmer)
    fit_rounds = recipe.fitting.starts * min(recipe.fitting.max_iterations, 60)
    fit_seconds = fit_rounds * (train * terms**2 / 2e10 + train * terms * 5e-9)
    if terms < candidates:  # terms are chosen among the candidates
        fit_seconds += (train * candidates**2 + candidates * terms**2) / 2e10
    return [
        StageEstimate(
            "sampling",
            frames,
            (_sampling_seconds(recipe.sampling, nmer) + COMPILE_SECONDS) / 3600,
            0.5,
            frames * (coordinates + 25) * 8 * 0.8 / 1e6,
        ),
        StageEstimate(
            "selection",
            configurations,
            _selection_seconds(recipe.selection, frames, nmer, terms) / 3600,
            0.15 + min(frames * width * 8 * 2 / _GIB, SELECTION_TABLE),
            configurations * coordinates * 8 / 1e6,
        ),
        StageEstimate(
            "labelling",
            labels,
            None if None in hours else sum(filter(None, hours)),
            None if len(memory) < len(levels) else max(memory),
            labels * (coordinates * 8 + 2000) / 1e6,
        ),
        StageEstimate(
            "fitting",
            terms,
            fit_seconds / 3600,
            0.3 + (3 * train * terms + (terms < candidates) * candidates * (candidates + terms)) * 8 / _GIB,
            terms * 60 / 1e6 + 0.05,
        ),
        StageEstimate("validation", configurations, 5.0 / 3600, 0.4, 0.5 + configurations * 100 / 1e6),
    ]


def level_estimates(recipe: Recipe, costs: Sequence[LabelCost | None] | None = None) -> list[LevelEstimate]:
    """Return the labels of each level, the first level's first; of a recipe without levels, its only protocol.

    Parameters
    ----------
    recipe
        The recipe.
    costs
        Cost of a label of each level; None: by formula.
    """
    nmer = recipe.build_nmer()
    size = recipe.selection.train + recipe.selection.test
    levels = [(one.labelling, one.train + one.test) for one in recipe.levels] or [(recipe.labelling, size)]
    if costs is None:
        costs = [label_cost(nmer, labelling) for labelling, _ in levels]
    found = []
    for number, ((labelling, count), cost) in enumerate(zip(levels, costs, strict=True)):
        higher = (n for other, n in levels[number + 1 :] if label_holds(nmer, other, labelling))
        found.append(LevelEstimate(labelling.level, count, max(higher, default=0), cost))
    return found


def label_holds(nmer: NMer, source: Labelling, target: Labelling) -> bool:
    """Return whether a label of an n-mer has all energies that its label of another protocol needs."""
    alike = len(nmer.fragments) == 1 or source.counterpoise == target.counterpoise
    return alike and held_energy(source, target) is not None


def _sampling_seconds(sampling: Sampling, nmer: NMer) -> float:
    """Return the CPU time of the sampling, s: of frames, or of every evaluation of an expensive force field."""
    seconds, fields = 0.0, sampling.force_fields
    for name, share in sampling.shares.items():
        for field in fields:
            frames, step_seconds = share / len(fields), FORCE_FIELDS.get(field).step_seconds
            if step_seconds is None:
                seconds += frames / FRAMES_PER_SECOND
            else:
                seconds += SAMPLERS.get(name).evaluations(sampling, nmer, frames) * step_seconds(nmer)
    return seconds


def _selection_seconds(selection: SelectionSettings, frames: int, nmer: NMer, terms: int) -> float:
    """Return the CPU time of the selection, s, fitted to pools of 600,000 and 3,000,000 frames of 28 features.

    That of uncertainties was measured with potentials of 82 and 250 terms. Four times as many frames as are picked
    are clustered; the picks are at most the training set.
    """
    clusters, descriptor = selection.train + selection.test, DESCRIPTORS.get(selection.descriptor)
    describing, width = 1.0 + frames * descriptor.frame_seconds, descriptor.width(nmer)
    if selection.method == "uncertainty":
        describing += 3.0e-8 * terms * frames
        frames, clusters = min(frames, 4 * selection.train), selection.train
    if selection.levels == "two" or (selection.levels == "auto" and clusters > TWO_LEVELS):
        return describing + width / 28 * (4.3e-6 * frames + 3.0e-4 * clusters)
    return describing + width / 28 * 7.5e-9 * frames * clusters


def label_cost(nmer: NMer, labelling: Labelling) -> LabelCost | None:
    """Return the cost of one label by formula, or None for a method or a basis set without one."""
    sizes = job_sizes(nmer, labelling)
    return None if sizes is None else cost_of_jobs(labelling, sizes)


def job_sizes(nmer: NMer, labelling: Labelling) -> list[JobSize] | None:
    """Return the size of each energy calculation of a label, or None if the basis set is not in the table."""
    table = FUNCTIONS | {"": (0, 0)}
    if labelling.means.own_basis:
        light, heavy = large = (0, 0)
    elif {labelling.basis.lower(), labelling.mp2_basis.lower()} <= set(table) and max(nmer.numbers) <= 10:
        (light, heavy), large = table[labelling.basis.lower()], table[labelling.mp2_basis.lower()]
    else:
        return None

    def size(numbers: Sequence[int], charge: int, whole: JobSize | None = None) -> JobSize:
        few = sum(n <= 2 for n in numbers)
        cores = len(numbers) - few if labelling.frozen_core else 0
        return JobSize(
            few * light + (len(numbers) - few) * heavy if whole is None else whole.functions,
            (sum(numbers) - charge) // 2 - cores,
            cores,
            few * large[0] + (len(numbers) - few) * large[1] if whole is None else whole.large_functions,
        )

    if len(nmer.fragments) == 1 and len(nmer.fragments[0].parts) > 1:
        return [
            size([atomic_numbers[s] for s in piece.fragment.symbols], piece.charge) for piece, _ in pieces(nmer)
        ]
    whole = size(nmer.numbers.tolist(), nmer.charge)
    found = [whole]
    every = range(len(nmer.fragments))
    for count in range(len(nmer.fragments) - 1, 0, -1):
        for group in combinations(every, count):
            numbers = [n for f in group for n in nmer.numbers[nmer.slices[f]].tolist()]
            charge = sum(nmer.fragments[f].charge for f in group)
            found.append(size(numbers, charge, whole if labelling.counterpoise else None))
    return found


def cost_of_jobs(labelling: Labelling, jobs: Sequence[JobSize]) -> LabelCost | None:
    """Return the cost of a label of these calculations by formula, or None for a method without one."""
    return ENGINES.get(labelling.engine).cost(labelling, jobs)
