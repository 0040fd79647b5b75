"""A fit to files, without a recipe: the potential, its errors, and the files that are written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.physics.nbody import PhysicsOfNMer
from potentials.physics.parameters import PhysicsParameters
from recipes.chemistry.atom_types import type_nmer
from recipes.chemistry.molecules import bonds_of
from recipes.load import section_toml
from recipes.schema.recipe import Fitting, NMerModel
from storage.citations import citation_text
from storage.contents import potential_columns, potential_facts
from storage.durable import write_text
from storage.keys import digest
from storage.records import TEST, TRAIN
from storage.version import package_versions, write_version
from storage.xyz import Labelled
from tasks.fitting.baseline import Baseline
from tasks.fitting.fit import fit_potential
from tasks.fitting.folds import check_folds, cross_validate
from tasks.fitting.result import FitResult
from tasks.holes import Hole, find_holes
from tasks.metrics import Errors, WindowErrors, errors, errors_by_energy
from tasks.parity import energy_parity, gradient_parity
from tasks.plot import Plot, write_plots
from tasks.progress import ProgressLine

LOW = 30.0
"""Energies below this are visited by simulations, kcal/mol."""

SeveralErrors = tuple[str, Errors, list[WindowErrors]]


@dataclass(frozen=True)
class FileFit:
    """A fit and the data that it was made from and tested on.

    Attributes
    ----------
    model
        The n-mer.
    settings
        The fitting section.
    train, test
        The data.
    result
        The fit.
    predicted, predicted_gradient
        (train + test,) in kcal/mol, and (train + test, atoms, 3) in kcal/mol/Angstrom.
    folds
        Cross-validated RMSD of each fold, kcal/mol; empty where none was asked for.
    holes
        The lowest point that each search of the fitted surface found.
    """

    model: NMerModel
    settings: Fitting
    train: Labelled
    test: Labelled | None
    result: FitResult
    predicted: Floats
    predicted_gradient: Floats
    folds: tuple[float, ...]
    holes: tuple[Hole, ...]

    def errors(self) -> Iterator[SeveralErrors]:
        """Yield the errors of the training and the test set, of all configurations and by energy."""
        lowest = float(self.train.energy.min())
        count = len(self.train)
        for name, data, predicted in (
            ("training", self.train, self.predicted[:count]),
            ("test", self.test, self.predicted[count:]),
        ):
            if data is not None:
                yield name, errors(predicted, data.energy), errors_by_energy(predicted, data.energy, lowest)

    def gradient_errors(self) -> dict[str, Errors]:
        """Return the errors of the components of gradients (kcal/mol/A) of each set whose file has any."""
        count = len(self.train)
        found = {}
        for name, data, predicted in (
            ("training", self.train, self.predicted_gradient[:count]),
            ("test", self.test, self.predicted_gradient[count:]),
        ):
            if data is not None and data.gradient is not None:
                found[name] = errors(predicted.ravel(), data.gradient.ravel())
        return found

    def summary(self) -> dict[str, Any]:
        """Return the figures as plain values for JSON."""
        found = {name: (every, windows) for name, every, windows in self.errors()}
        train, test = found["training"][0], found["test"][0] if "test" in found else None
        slopes = {name: every.rmsd for name, every in self.gradient_errors().items()}
        more = self.result.gradient_leverage
        return {
            "symmetry": self.model.symmetry,
            "degree": self.result.potential.degree,
            "terms": len(self.result.potential.coefficients),
            "train_rmsd": train.rmsd,
            "train_mae": train.mae,
            "test_rmsd": test.rmsd if test else None,
            "test_mae": test.mae if test else None,
            "test_largest": test.largest if test else None,
            "test_rmsd_below_30": self._below(LOW) if test else None,
            "train_gradient_rmsd": slopes.get("training"),
            "test_gradient_rmsd": slopes.get("test"),
            "gradient_weight": self.settings.gradient_weight if more is not None else None,
            "validation_rmsd": self.result.validation_energy,
            "validation_gradient_rmsd": self.result.validation_gradient,
            "validation_score": min(self.result.validation),
            "fold_rmsd": list(self.folds),
            "seconds": self.result.seconds,
            "by_energy": {name: [w.as_dict() for w in windows] for name, (_, windows) in found.items()},
            "parameters": dict(
                zip(self.result.potential.basis.parameter_names, self.result.k.tolist(), strict=True)
            ),
            "baseline": self.result.potential.physics_digest or None,
            "largest_leverage": float(self.result.leverage.max()),
            "largest_gradient_leverage": None if more is None else float(more.max()),
            "uncertainty": self.result.sigma,
            "terms_curve": [list(point) for point in self.result.curve],
            "holes": [{"search": h.search, "energy": h.energy, "below": h.below} for h in self.holes],
            "warnings": [*self.result.warnings, *self._hole_warnings(), *self.data_notes()],
            "data": {
                name: data.reading.as_dict()
                for name, data in (("training", self.train), ("test", self.test))
                if data is not None and data.reading is not None
            },
        }

    def data_notes(self) -> list[str]:
        """Return the notes of the reader on what may be wrong with the data."""
        return [n for data in (self.train, self.test) if data and data.reading for n in data.reading.notes]

    def _below(self, energy: float) -> float | None:
        """Return the RMSD of test configurations whose energy is below a value, both in kcal/mol."""
        assert self.test is not None
        chosen = self.test.energy < energy
        predicted = self.predicted[len(self.train) :]
        return errors(predicted[chosen], self.test.energy[chosen]).as_dict()["rmsd"]

    def remarks(self) -> list[str]:
        """Return remarks on the fit and its data, one sentence per line."""
        lines = []
        slopes = self.gradient_errors()
        if slopes:
            told = ", ".join(f"{name} {every.rmsd:.4f}" for name, every in slopes.items())
            weight = self.settings.gradient_weight
            fitted = (
                f"fitted, weight {weight:g} A^2" if self.result.gradient_leverage is not None else "not fitted"
            )
            lines.append(f"gradients ({fitted}): RMSD of a component, kcal/mol/A: {told}")
        if self.folds:
            lines.append(f"cross-validated RMSD: {', '.join(f'{f:.4f}' for f in self.folds)} kcal/mol")
        lines += [f"note: {warning}" for warning in (*self.result.warnings, *self._hole_warnings())]
        lines.append(f"{self.result.seconds:.1f} CPU-s")
        return lines

    def _hole_warnings(self) -> list[str]:
        return [hole.warning for hole in self.holes if hole.is_hole]


def fit_files(
    model: NMerModel,
    train: Labelled,
    test: Labelled | None,
    settings: Fitting,
    folds: int = 0,
    parameters: PhysicsParameters | None = None,
) -> FileFit:
    """Fit a potential to labelled configurations; the test set is only predicted.

    Parameters
    ----------
    model
        The n-mer.
    train, test
        Configurations with energies.
    settings
        The fitting section.
    folds
        Number of parts for cross-validation; 0: none.
    parameters
        Parameters of V_phys, whose n-body energy is subtracted; None: nothing is.

    Raises
    ------
    InputError
        If the test set has other atoms, the settings do not fit the n-mer, or V_phys is zero or has no parameters
        for an atom.
    """
    if test is not None and test.symbols != train.symbols:
        raise InputError(f"the test set has the atoms {' '.join(test.symbols)}, not {' '.join(train.symbols)}")
    if folds:
        check_folds(folds, len(train.energy))
    nmer = model.build("")
    physics = None if parameters is None else _physics(nmer, parameters)
    with ProgressLine("fitting", settings.starts, "starts") as progress:
        result = fit_potential(
            nmer, train.positions, train.energy, settings, progress, gradient=train.gradient, baseline=physics
        )
    scores: tuple[float, ...] = ()
    if folds:
        selected = result.potential.selected
        below = None if physics is None else Baseline.of(physics, train.positions)
        data = nmer, train.positions, train.energy, settings
        scores = cross_validate(*data, result.k, folds, train.gradient, below, selected)
    positions = train.positions if test is None else np.concatenate([train.positions, test.positions])
    predicted, slopes = result.potential.energy_and_gradient(positions)
    holes = find_holes(nmer, lambda x: np.asarray(result.potential.energy(x)), train.positions, train.energy)
    return FileFit(model, settings, train, test, result, np.asarray(predicted), slopes, scores, tuple(holes))


def _physics(nmer: NMer, parameters: PhysicsParameters) -> PhysicsOfNMer:
    """Return V_phys of an n-mer of a file, whose fragments are whole molecules; bonds follow from distances."""
    if len(nmer.fragments) < 2:
        raise InputError("V_phys of one molecule that is not divided into 1-mers is zero; leave --baseline out")
    fragments = tuple(replace(f, bonds=bonds_of(f.symbols, np.array(f.positions))) for f in nmer.fragments)
    return PhysicsOfNMer(nmer, type_nmer(NMer(nmer.name, fragments, nmer.symmetry)), parameters)


def leverage_csv(energy: Floats, leverage: Floats, of_gradient: Floats | None = None) -> str:
    """Return the leverage of the training configurations as CSV, the largest first."""
    lines = ["configuration,energy_kcal_per_mol,leverage" + ("" if of_gradient is None else ",gradient_leverage")]
    for number in np.argsort(-leverage, kind="stable"):
        more = "" if of_gradient is None else f",{of_gradient[number]:.6f}"
        lines.append(f"{number + 1},{energy[number]:.10g},{leverage[number]:.6f}{more}")
    return "\n".join(lines) + "\n"


def write_fit(found: FileFit, folder: Path) -> list[Path]:
    """Write a fit into a folder: the potential, its figures, the parity plot, and the numbers behind it.

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    count = len(found.train)
    reference = found.train.energy
    if found.test is not None:
        reference = np.concatenate([reference, found.test.energy])
    split = np.where(np.arange(len(reference)) < count, TRAIN, TEST)
    by_name = {name: every for name, every, _ in found.errors()}
    nothing = errors(np.empty(0), np.empty(0))
    title = f"{found.model.symmetry}, degree {found.settings.degree}"
    ids = tuple(str(number + 1) for number in [*range(count), *range(len(reference) - count)])
    recipe = section_toml({"nmer": found.model, "fitting": found.settings})
    engines = package_versions("nmer", "numpy", "scipy")
    potential = found.result.potential
    facts = potential_facts(found.result.potential, found.model) | {
        "warnings": [*found.result.warnings, *found.data_notes()]
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "potential.h5").unlink(missing_ok=True)
        write_version(
            folder / "potential.h5",
            "potential",
            "fit",
            1,
            digest(
                [recipe, found.result.k.tolist(), potential.coefficients.tolist()]
                + ([potential.physics_digest] if potential.physics else [])
            ),
            columns=potential_columns(found.result.potential),
            recipe=recipe,
            inputs=[],
            engines=engines,
            facts=facts,
            citation=citation_text("potential", "fit", recipe, engines, facts),
        )
        write_text(folder / "fit.json", json.dumps(found.summary(), indent=2) + "\n")
        result = found.result
        write_text(
            folder / "leverage.csv", leverage_csv(found.train.energy, result.leverage, result.gradient_leverage)
        )
        sets = by_name["training"], by_name.get("test", nothing)
        plots = [energy_parity(title, reference, found.predicted, split, ids, *sets), *_gradients(found, title)]
        for kind in ("csv", "png"):
            (folder / f"gradient-parity.{kind}").unlink(missing_ok=True)  # those of an earlier fit
        drawn = write_plots(plots, folder)
    except OSError as error:
        raise InputError(
            f"cannot write into '{folder}': {error.strerror}; give another folder with --out"
        ) from None
    return [*(folder / name for name in ("potential.h5", "fit.json", "leverage.csv")), *drawn]


def _gradients(found: FileFit, title: str) -> list[Plot]:
    """Return the parity plot of gradients if the files have any."""
    known = found.gradient_errors()
    if not known:
        return []
    count, nothing = len(found.train), errors(np.empty(0), np.empty(0))
    references, predicted, splits, ids = [], [], [], list[str]()
    for data, part, which in (
        (found.train, found.predicted_gradient[:count], TRAIN),
        (found.test, found.predicted_gradient[count:], TEST),
    ):
        if data is not None and data.gradient is not None:
            references.append(data.gradient)
            predicted.append(part)
            splits.append(np.full(len(data), which))
            ids += [str(number + 1) for number in range(len(data))]
    reference, fitted, split = np.concatenate(references), np.concatenate(predicted), np.concatenate(splits)
    sets = known.get("training", nothing), known.get("test", nothing)
    return [gradient_parity(title, reference, fitted, split, ids, *sets)]
