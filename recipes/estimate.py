"""What a recipe will cost, before anything runs: core-hours, memory, and disk, stage by stage.

The formulas are fits to measured runs on one core of a 2020s server (AVX2): canonical labels within 35 %,
LNO labels within 10 % of what was measured. Read an estimate as right within a factor of two. Whoever has measured
labels at hand passes their cost in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, NamedTuple

from ase.data import atomic_numbers

from potentials.basis import Basis
from potentials.capping import pieces
from potentials.molecule import NMer
from recipes.schema import Labelling, Recipe

FUNCTIONS = {  # basis functions on H and He, and on B to Ne
    "sto-3g": (1, 5),
    "cc-pvdz": (5, 14),
    "cc-pvtz": (14, 30),
    "cc-pvqz": (30, 55),
    "aug-cc-pvdz": (9, 23),
    "aug-cc-pvtz": (23, 46),
    "aug-cc-pvqz": (46, 80),
}

XTB_SECONDS = 0.01
"""CPU time of a GFN2-xTB label: milliseconds for its energies, and its part of the start of a process."""

FORMULA = "formula"
"""Where a cost comes from that nobody measured."""

FRAMES_PER_SECOND = 1500.0
COMPILE_SECONDS = 30.0
_GIB = 1024**3


class JobSize(NamedTuple):
    """How large one energy calculation is.

    Attributes
    ----------
    functions
        Basis functions, those of ghosts among them.
    occupied, frozen
        Correlated and frozen occupied orbitals.
    """

    functions: int
    occupied: int
    frozen: int


@dataclass(frozen=True)
class LabelCost:
    """What one label costs.

    Attributes
    ----------
    cpu_seconds
        CPU time, s.
    memory
        Peak of its process, GiB.
    source
        Where the figures come from.
    """

    cpu_seconds: float
    memory: float
    source: str


@dataclass(frozen=True)
class StageEstimate:
    """The cost of one stage.

    Attributes
    ----------
    stage
        Which stage.
    count, unit
        How many of what it makes.
    core_hours
        CPU time; None where nothing is known about the method's or the basis set's cost.
    memory
        Largest memory of one process, GiB; None as above.
    disk
        What stays in the store, MB.
    """

    stage: str
    count: int
    unit: str
    core_hours: float | None
    memory: float | None
    disk: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def estimate(recipe: Recipe, label: LabelCost | None = None) -> list[StageEstimate]:
    """Return the cost of each stage when nothing is there yet.

    Parameters
    ----------
    recipe
        The recipe.
    label
        Cost of a label where it is known better than by formula.
    """
    nmer = recipe.build_nmer()
    frames = recipe.sampling.frames
    train, labels = recipe.selection.train, recipe.selection.train + recipe.selection.test
    terms = Basis.build(nmer, recipe.fitting.degree, recipe.fitting.terms).n_terms
    coordinates = nmer.natoms * 3
    pairs = nmer.natoms * (nmer.natoms - 1) // 2
    label = label or label_cost(nmer, recipe.labelling)
    fit_rounds = recipe.fitting.starts * min(recipe.fitting.max_iterations, 60)
    fit_seconds = fit_rounds * (train * terms**2 / 2e10 + train * terms * 5e-9)
    return [
        StageEstimate(
            "sampling",
            frames,
            "frames",
            (frames / FRAMES_PER_SECOND + COMPILE_SECONDS) / 3600,
            0.5,
            frames * (coordinates + 25) * 8 * 0.8 / 1e6,
        ),
        StageEstimate(
            "selection",
            labels,
            "configurations",
            (1.0 + frames * labels * pairs * 1.5e-10) / 3600,
            0.3 + frames * pairs * 8 * 2 / _GIB,
            labels * coordinates * 8 / 1e6,
        ),
        StageEstimate(
            "labelling",
            labels,
            "labels",
            None if label is None else labels * label.cpu_seconds / 3600,
            None if label is None else label.memory,
            labels * (coordinates * 8 + 2000) / 1e6,
        ),
        StageEstimate(
            "fitting",
            terms,
            "terms",
            fit_seconds / 3600,
            0.3 + 3 * train * terms * 8 / _GIB,
            terms * 60 / 1e6 + 0.05,
        ),
        StageEstimate("validation", labels, "errors", 5.0 / 3600, 0.4, 0.5 + labels * 100 / 1e6),
    ]


def label_cost(nmer: NMer, labelling: Labelling) -> LabelCost | None:
    """Return what one label costs by formula, or None for a method or a basis set that has none."""
    sizes = job_sizes(nmer, labelling)
    return None if sizes is None else cost_of_jobs(labelling, sizes)


def job_sizes(nmer: NMer, labelling: Labelling) -> list[JobSize] | None:
    """Return the size of each energy calculation of a label, or None if the basis set is not in the table."""
    if labelling.method == "GFN2-xTB":
        light, heavy = 0, 0  # it has a basis of its own
    elif labelling.basis.lower() in FUNCTIONS and max(nmer.numbers) <= 10:
        light, heavy = FUNCTIONS[labelling.basis.lower()]
    else:
        return None

    def size(numbers: Sequence[int], charge: int, functions: int | None = None) -> JobSize:
        own = sum(light if n <= 2 else heavy for n in numbers)
        cores = sum(n > 2 for n in numbers) if labelling.frozen_core else 0
        return JobSize(own if functions is None else functions, (sum(numbers) - charge) // 2 - cores, cores)

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
            found.append(size(numbers, charge, whole.functions if labelling.counterpoise else None))
    return found


def cost_of_jobs(labelling: Labelling, jobs: Sequence[JobSize]) -> LabelCost | None:
    """Return what a label of these calculations costs by formula, or None for a method that has none."""
    method = labelling.method
    if method == "GFN2-xTB":
        return LabelCost(XTB_SECONDS, 0.2, FORMULA)
    if labelling.mp2_basis:
        return None
    if method == "LNO-CCSD(T)":
        n, o, _ = max(jobs, key=lambda job: job.occupied)
        return LabelCost(2.0 + 14.5 * (o / 8) ** 2.5 * (n / 230), 0.3 + 2 * n**3 * 3 * 8 / _GIB, FORMULA)
    cluster = method in ("CCSD", "CCSD(T)")
    if labelling.engine != "pyscf" or not (cluster or (method in ("HF", "MP2") and not labelling.density_fitting)):
        return None
    seconds, memory = 1.5, 0.2
    for n, o, core in jobs:
        v = n - o - core
        seconds += 0.28 + 3.5e-8 * n**4
        if cluster:
            seconds += 2.4e-10 * o**3 * v**4
            memory = max(memory, 0.15 + 1.5 * (v * (v + 1) / 2) ** 2 * 8 / _GIB)
        else:
            memory = max(memory, 0.15 + n**4 / 8 * 8 / _GIB)
    return LabelCost(seconds, memory, FORMULA)
