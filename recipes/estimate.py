"""What a recipe will cost, before anything runs: core-hours, memory, and disk, stage by stage.

The formulas are fits to measured runs on one core of a 2020s server (AVX2): canonical labels within 35 %,
LNO labels within 10 % of what was measured. Read an estimate as right within a factor of two.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from potentials.basis import Basis
from potentials.molecule import NMer
from recipes.schema import Labelling, Recipe

FUNCTIONS = {  # basis functions on H, and on B to F
    "sto-3g": (1, 5),
    "cc-pvdz": (5, 14),
    "cc-pvtz": (14, 30),
    "cc-pvqz": (30, 55),
    "aug-cc-pvdz": (9, 23),
    "aug-cc-pvtz": (23, 46),
    "aug-cc-pvqz": (46, 80),
}

FRAMES_PER_SECOND = 1500.0
COMPILE_SECONDS = 30.0
_GIB = 1024**3


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


def estimate(recipe: Recipe) -> list[StageEstimate]:
    """Return the cost of each stage when nothing is there yet."""
    nmer = recipe.build_nmer()
    frames = recipe.sampling.frames
    train, labels = recipe.selection.train, recipe.selection.train + recipe.selection.test
    terms = Basis.build(nmer, recipe.fitting.degree, recipe.fitting.terms).n_terms
    coordinates = nmer.natoms * 3
    pairs = nmer.natoms * (nmer.natoms - 1) // 2
    label = label_cost(nmer, recipe.labelling)
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
            None if label is None else labels * label[0] / 3600,
            None if label is None else label[1],
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


def label_cost(nmer: NMer, labelling: Labelling) -> tuple[float, float] | None:
    """Return CPU-seconds and memory (GiB) of one label, or None for a basis set that is not in the table."""
    if labelling.basis.lower() not in FUNCTIONS or max(nmer.numbers) > 9:
        return None
    light, heavy = FUNCTIONS[labelling.basis.lower()]
    functions = [sum(light if n <= 2 else heavy for n in nmer.numbers[part]) for part in nmer.slices]
    electrons = [int(nmer.numbers[p].sum()) - f.charge for p, f in zip(nmer.slices, nmer.fragments, strict=True)]
    cores = [int((nmer.numbers[p] > 2).sum()) if labelling.frozen_core else 0 for p in nmer.slices]
    occupied = [e // 2 - c for e, c in zip(electrons, cores, strict=True)]
    whole = sum(functions), sum(occupied), sum(cores)
    jobs = [whole]
    if len(functions) > 1:
        bases = [whole[0]] * len(functions) if labelling.counterpoise else functions
        jobs += list(zip(bases, occupied, cores, strict=True))
    if labelling.method == "LNO-CCSD(T)":
        n, o, _ = whole
        return 2.0 + 14.5 * (o / 8) ** 2.5 * (n / 230), 0.3 + 2 * n**3 * 3 * 8 / _GIB
    seconds, memory = 1.5, 0.2
    for n, o, core in jobs:
        v = n - o - core
        seconds += 0.28 + 3.5e-8 * n**4
        if labelling.method.startswith("CCSD"):
            seconds += 2.4e-10 * o**3 * v**4
            memory = max(memory, 0.15 + 1.5 * (v * (v + 1) / 2) ** 2 * 8 / _GIB)
        else:
            memory = max(memory, 0.15 + n**4 / 8 * 8 / _GIB)
    return seconds, memory
