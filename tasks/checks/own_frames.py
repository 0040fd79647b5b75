"""The gate of own frames: n-mers cut from the sum's own simulation, and whole molecules, against the label method.

The frames are those that the gate of stability kept. Each n-mer is labelled as its training data were, and the
labels are in the ledger of the store like any other. Its n-body energy is compared with the label, and the error
with the uncertainty of the potential. Energies of a whole molecule are relative to the same minimum of the sum.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from potentials.arrays import Bools, Floats
from potentials.errors import InputError
from storage.version import Column
from tasks.checks.interface import Check, Findings, Result, Told, nobody
from tasks.checks.own_frames_plots import draw
from tasks.checks.own_labels import Budget, Cut, Frames, Labelled, Method, cut, labels_of, method_of, whole_method
from tasks.checks.own_simulation import part_of
from tasks.checks.ranges import with_ranges
from tasks.checks.run import run_check
from tasks.checks.stability import CHECK as STABILITY
from tasks.checks.stability import StabilityOptions
from tasks.checks.subject import Subject
from tasks.checks.targets import Target, targets, why_not
from tasks.simulation.lammps_state import LAMMPS

LIMIT = 1.0
"""Largest RMS error, kcal/mol."""

FACTOR = 2.0
"""Largest factor between error and uncertainty, either way."""


class OwnFramesOptions(StabilityOptions):
    """Options of the simulation whose frames are taken, and of the labels."""

    most: int = Field(40, ge=1, le=10_000, description="geometries of each n-mer that are labelled")
    most_core_hours: float = Field(1.0, ge=0, le=1e6, description="labels that would take longer are not computed")


@dataclass(frozen=True, eq=False)
class Compared:
    """An n-mer on own frames.

    Attributes
    ----------
    cut
        Its geometries.
    label, predicted
        (geometries,), n-body energies, kcal/mol; nan where there is no label.
    uncertainty
        (geometries,), kcal/mol; nan where it is not known.
    outside
        (geometries,), whether it is outside of the training range, or None.
    """

    cut: Cut
    label: Floats
    predicted: Floats
    uncertainty: Floats
    outside: Bools | None

    @property
    def error(self) -> Floats:
        """(geometries with a label,), kcal/mol."""
        return np.asarray((self.predicted - self.label)[np.isfinite(self.label)])

    def rms(self, chosen: Bools | None = None) -> float | None:
        """Return the RMS error, of some geometries only, kcal/mol; None without labels."""
        known = np.isfinite(self.label) & (True if chosen is None else chosen)
        return float(np.sqrt(np.mean((self.predicted - self.label)[known] ** 2))) if known.any() else None

    def ratios(self) -> Floats:
        """Return error over uncertainty where both are known and the potential is mostly switched on."""
        known = np.isfinite(self.label) & (self.uncertainty > 0.0) & self.cut.mostly_on
        return np.asarray((self.predicted - self.label)[known] / self.uncertainty[known])

    def result(self) -> Result:
        """Return the figure of its RMS error."""
        rms = self.rms()
        meaning = f"{self.cut.name}: RMS error of the n-body energy on own frames (kcal/mol)"
        ratio = self.ratios()
        if len(ratio):
            meaning += f"; {_rms(ratio):.2g} times its uncertainty"
        bad = rms is not None and rms > LIMIT
        return Result(f"rms-{self.cut.name}", meaning, rms, LIMIT, advice=self.advice() if bad else "")

    def advice(self) -> str:
        """Return which geometries to label."""
        potential, name = self.cut.potential, self.cut.name
        if self.outside is None or not self.outside.any():
            return f"label {name} from own frames, and fit it again: they are inside of the training range"
        where = [one for one in potential.training.farthest(self.cut.positions) if one is not None]
        kinds: dict[tuple[str, bool], list[Any]] = {}
        for one in where:
            i, j = one.pairs[0]
            elements = "..".join(sorted((potential.symbols[i], potential.symbols[j])))
            kinds.setdefault((elements, one.mean < one.limit), []).append(one)
        (elements, short), found = max(kinds.items(), key=lambda item: len(item[1]))
        means, limits = [one.mean for one in found], [one.limit for one in found]
        side = f"begin at {max(limits):.2f}" if short else f"end at {min(limits):.2f}"
        return (
            f"sample {name} where {elements} is {min(means):.2f} to {max(means):.2f} A (training data {side} A; "
            f"{100 * self.outside.mean():.3g} % of its geometries are outside of their range)"
        )


@dataclass(frozen=True, eq=False)
class Whole:
    """A whole molecule on own frames.

    Attributes
    ----------
    frames
        Its frames; the first is the minimum to which energies are relative.
    predicted, reference
        (frames,), kcal/mol above the first; nan where there is no label.
    level
        Of the reference.
    """

    frames: Frames
    predicted: Floats
    reference: Floats
    level: str

    def results(self) -> list[Result]:
        """Return its figures."""
        error = (self.predicted - self.reference)[1:]
        error = error[np.isfinite(error)]
        name, word = self.frames.target.name, self.frames.target.word
        rms, spread = (_rms(error), float(error.std())) if len(error) else (None, None)
        about = f"{name}: sum against {self.level} on {len(error)} own frames"
        advice = "label own frames of the n-mers whose errors are largest; if these are small, n-mers are missing"
        whole = f"{about}, RMS error, energies above the same minimum (kcal/mol)"
        return [
            Result(f"whole-{word}", whole, rms, LIMIT, advice=advice),
            Result(f"spread-{word}", f"{about}, standard deviation of the errors (kcal/mol)", spread),
        ]


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))


def measure(subject: Subject, options: OwnFramesOptions, told: Told = nobody) -> Findings:
    """Compare n-mers and whole molecules of own frames with the label method.

    Raises
    ------
    InputError
        If potentials are missing, or another process holds the ledger.
    StageError
        If a disk is full.
    """
    begun = time.monotonic()
    own = StabilityOptions(**{name: getattr(options, name) for name in StabilityOptions.model_fields})
    watched = run_check(STABILITY, subject, own, part_of(told, 0, 2))
    subject, _ = with_ranges(subject)
    frames = [frames_of(target, watched.data) for target in targets(subject, options.molecules)]
    cuts, budget, notes = cut(frames, options.most, options.seed), Budget(options.most_core_hours), []
    compared: list[Compared] = []
    methods: dict[str, Method] = {}
    steps = len(cuts) + len(frames)
    for number, one in enumerate(cuts):
        told(50 + round(50 * number / steps), 100)
        method = method_of(subject.store, one.potential)
        if isinstance(method, str):
            notes.append(f"{one.name} is not compared: {method}")
            compared.append(_compared(one, Labelled(np.full(len(one.positions), np.nan))))
            continue
        methods[one.name] = method
        if not method.same_programs:
            notes.append(
                f"{one.name}: the programs that labelled its training data had other versions than those here"
            )
        labelled = labels_of(subject.store, method, one.positions, budget)
        notes += _said(one.name, labelled)
        compared.append(_compared(one, labelled))
    wholes = []
    for number, of in enumerate(frames):
        told(50 + round(50 * (len(cuts) + number) / steps), 100)
        whole, said = _whole(subject, of, methods, budget)
        wholes += [whole] if whole is not None else []
        notes += said
    told(1, 1)
    results = (
        [one.result() for one in compared] + _uncertainty(compared) + [r for w in wholes for r in w.results()]
    )
    levels = sorted({m.protocol.labelling.level for m in methods.values()})
    return Findings(
        tuple(results),
        _data(compared, wholes),
        {"level": ", ".join(levels), "picoseconds": options.picoseconds},
        tuple(notes),
        time.monotonic() - begun,
    )


def frames_of(target: Target, data: Mapping[str, Column]) -> Frames:
    """Return the frames of a target that the gate of stability kept."""
    rows = np.asarray(data["kept.molecule"].values) == target.name
    names = ("temperature", "replica", "frame", "x", "y", "z")
    table = {name: np.asarray(data[f"kept.{name}"].values)[rows] for name in names}
    natoms = len(target.system.symbols)
    positions = np.stack([table[axis] for axis in "xyz"], axis=1).reshape(-1, natoms, 3)
    first = slice(None, None, natoms)
    return Frames(
        target,
        positions,
        np.asarray(table["temperature"][first], dtype=np.float64),
        np.asarray(table["replica"][first], dtype=np.int64),
        np.asarray(table["frame"][first], dtype=np.int64),
    )


def _compared(one: Cut, labelled: Labelled) -> Compared:
    potential = one.potential
    predicted = np.asarray(potential.energy(one.positions))
    unknown = np.full(len(predicted), np.nan)
    uncertainty = unknown if potential.ensemble is None else np.asarray(potential.uncertainty(one.positions))
    outside = None if potential.ranges is None else np.asarray(potential.extrapolates(one.positions))
    return Compared(one, labelled.energy, predicted, uncertainty, outside)


def _said(name: str, labelled: Labelled) -> list[str]:
    """Return sentences on labels that there are not."""
    if labelled.problem:
        return [f"{name} is not compared: {labelled.problem}; allowed: most_core_hours, or fewer with most"]
    if labelled.failed:
        return [f"{labelled.failed} of {len(labelled.energy)} labels of {name} failed, and are left out"]
    return []


def _whole(
    subject: Subject, frames: Frames, methods: Mapping[str, Method], budget: Budget
) -> tuple[Whole | None, list[str]]:
    """Return the comparison of a whole molecule, and what there is to say."""
    name = frames.target.name
    method = whole_method(methods, frames.target)
    if isinstance(method, str):
        return None, [f"{name} is not compared as a whole: {method}"]
    try:
        labelled = labels_of(subject.store, method, frames.positions, budget)
    except InputError as error:
        return None, [f"{name} is not compared as a whole: {error}"]
    if labelled.problem or not np.isfinite(labelled.energy[0]):
        why = labelled.problem or "the label of its minimum failed"
        return None, [f"{name} is not compared as a whole: {why}"]
    predicted = np.asarray(frames.target.model.energy(frames.positions))
    notes = _said(name, labelled)
    reference = labelled.energy - labelled.energy[0]
    return Whole(frames, predicted - predicted[0], reference, method.protocol.labelling.level), notes


def _uncertainty(compared: Sequence[Compared]) -> list[Result]:
    """Return the figures of error over uncertainty, and of the errors inside of the training range."""
    ratios = [one.ratios() for one in compared]
    means = [np.mean(one**2) for one in ratios if len(one)]
    ratio = float(np.sqrt(np.mean(means))) if means else None
    factor = None if ratio is None else max(ratio, 1.0 / ratio) if ratio > 0 else np.inf
    said = "" if ratio is None else f": errors are {ratio:.2g} times their uncertainties, RMS over all n-mers"
    worst = max(
        ((_rms(r), c.cut.name) for r, c in zip(ratios, compared, strict=True) if len(r)), default=(0.0, "")
    )
    advice = "label own frames of the n-mers with the largest errors, and fit again"
    if ratio is not None and ratio > FACTOR:
        advice = f"label own frames of {worst[1]}, whose errors are {worst[0]:.2g} times their uncertainties"
    elif ratio is not None and ratio < 1.0 / FACTOR:
        advice = "the uncertainties are larger than the errors: more labels, or a lower fitting.gamma, reduce them"
    inside = [
        (one.predicted - one.label)[np.isfinite(one.label) & ~one.outside]
        for one in compared
        if one.outside is not None
    ]
    every = np.concatenate(inside) if inside else np.empty(0)
    about = f"factor between error and uncertainty, either way{said}"
    return [
        Result("uncertainty", about, factor, FACTOR, advice=advice),
        Result(
            "inside",
            f"RMS error of the {len(every)} n-mers of own frames inside of the training range (kcal/mol)",
            _rms(every) if len(every) else None,
        ),
    ]


def _data(compared: Sequence[Compared], wholes: Sequence[Whole]) -> dict[str, Column]:
    """Return the tables of n-mers and of whole molecules."""

    def joined(values: Sequence[Any]) -> Floats:
        return np.concatenate([np.asarray(v, dtype=np.float64) for v in values]) if values else np.empty(0)

    outside = [
        np.full(len(one.label), np.nan) if one.outside is None else one.outside.astype(np.float64)
        for one in compared
    ]
    names = [(w.frames.target.name, w.level) for w in wholes for _ in w.predicted]
    return {
        "nmers.nmer": Column(tuple(c.cut.name for c in compared for _ in c.label), "1", "n-mer"),
        "nmers.molecule": Column(tuple(m for c in compared for m in c.cut.molecule), "1", "cut from"),
        "nmers.frame": Column(joined([c.cut.frame for c in compared]).astype(np.int64), "1", "kept frame"),
        "nmers.label": Column(
            joined([c.label for c in compared]), "kcal/mol", "n-body energy by the label method"
        ),
        "nmers.predicted": Column(joined([c.predicted for c in compared]), "kcal/mol", "n-body energy"),
        "nmers.uncertainty": Column(joined([c.uncertainty for c in compared]), "kcal/mol", "nan: not known"),
        "nmers.outside": Column(joined(outside), "1", "1 outside of the training range, 0 inside, nan not known"),
        "whole.molecule": Column(tuple(name for name, _ in names), "1", "molecule"),
        "whole.level": Column(tuple(level for _, level in names), "1", "level of the reference"),
        "whole.temperature": Column(joined([w.frames.temperature for w in wholes]), "K", "thermostat"),
        "whole.replica": Column(joined([w.frames.replica for w in wholes]).astype(np.int64), "1", "replica"),
        "whole.frame": Column(joined([w.frames.frame for w in wholes]).astype(np.int64), "1", "frame; 0: minimum"),
        "whole.reference": Column(joined([w.reference for w in wholes]), "kcal/mol", "above the minimum"),
        "whole.predicted": Column(joined([w.predicted for w in wholes]), "kcal/mol", "above the minimum"),
    }


def seconds(subject: Subject, options: OwnFramesOptions) -> float:
    """Return the expected time with GFN2-xTB, s; other labels take up to the core-hours that are allowed."""
    return STABILITY.seconds(subject, options) + 60.0


CHECK = Check(
    name="own-frames",
    title="n-mers and whole molecules of the sum's own frames against the label method",
    meaning="N-mers are cut from frames of the gate of stability and labelled as the training data were. The "
    "error of each, and of whole molecules where the method can compute them, must be at most 1 kcal/mol (RMS), "
    "and errors must be as large as the uncertainties say, within a factor of two. It tells whether the sum is "
    "right where its own simulation goes; other places it may go to later are not tested.",
    measure=measure,
    draw=draw,
    applies=why_not,
    options=OwnFramesOptions,
    format=2,
    gate=True,
    seconds=seconds,
    order=20,
    needs=(LAMMPS,),
)
