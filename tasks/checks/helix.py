"""Chains folded as helices, PPII and C7 against the extended chain: the sum, force fields, and the reference."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from potentials.arrays import Floats
from potentials.errors import StageError
from recipes.chemistry import conformations as chemistry
from recipes.chemistry.molecules import CHAIN, Molecule, read_molecule
from storage.version import Column
from tasks.checks.columns import (
    COLOURS,
    FORCE_FIELDS,
    MARKERS,
    REFERENCE_COLOUR,
    SUM,
    ForceFields,
    energies,
    key_of,
    models_beside,
)
from tasks.checks.interface import Check, Findings, Options, Result, Told
from tasks.checks.reference import CHEAP, reference, reference_name
from tasks.checks.subject import Subject
from tasks.plot import Plot

EXTENDED = "extended"
"""The fold with which the others are compared."""

SEED = 5
"""Seed of the conformations."""


class HelixOptions(Options):
    """Options of the check of folds."""

    chains: tuple[str, ...] = Field(
        (), description="names of chains; without, the test molecules of the family with two or more residues"
    )
    conformations: int = Field(
        14, ge=7, le=700, description="conformations of each chain; 7 have each fold once, and a mixed one"
    )
    reference: Annotated[str, AfterValidator(reference_name)] = Field(
        CHEAP, description="protocol of the energies of whole chains"
    )
    force_fields: ForceFields = FORCE_FIELDS


def chain_conformations(molecule: Molecule, count: int, seed: int = SEED) -> tuple[list[str], Floats]:
    """Return the fold of each of the first conformations, and the geometries (count, atoms, 3) in Angstrom."""
    names, positions = zip(*itertools.islice(chemistry.conformations(molecule, seed), count), strict=True)
    return list(names), np.array(positions)


def fold_errors(error: Floats, folds: Sequence[str]) -> dict[str, float]:
    """Return figures of the errors of some conformations, whatever the zero of the energy, kcal/mol.

    Parameters
    ----------
    error
        (conformations,), energy of a model minus the reference's.
    folds
        Fold of each.

    Returns
    -------
    ``sd``, the standard deviation; ``largest``, the largest deviation from the mean; and for each fold but the
    extended one the mean error minus that of the extended conformations.
    """
    of = {fold: float(np.mean(error[[n == fold for n in folds]])) for fold in dict.fromkeys(folds)}
    found = {"sd": float(np.std(error)), "largest": float(np.abs(error - error.mean()).max())}
    return found | {fold: value - of[EXTENDED] for fold, value in of.items() if fold in _named(folds)}


def _named(folds: Sequence[str]) -> list[str]:
    """Return the folds that are compared with the extended one; a mixed one is another each time."""
    return [fold for fold in dict.fromkeys(folds) if fold in chemistry.BASINS and fold != EXTENDED]


def _short(chain: str) -> str:
    return chain.removeprefix("Ace").removesuffix("Nme").lower()


def long_chains(subject: Subject) -> tuple[str, ...]:
    """Return the names of the test molecules with two or more residues, the smallest first."""
    from rdkit import Chem

    residue = Chem.MolFromSmarts(chemistry.RESIDUE)
    peptides = [name for name in subject.molecules if CHAIN.fullmatch(name)]
    return tuple(
        name
        for name in peptides
        if len(Chem.MolFromSmiles(read_molecule(name).smiles).GetSubstructMatches(residue)) > 1
    )


def _applies(subject: Subject) -> str:
    return "" if long_chains(subject) else "it has no test molecule of two or more residues"


def _measure(subject: Subject, options: HelixOptions, told: Told) -> Findings:
    chains, count = options.chains or long_chains(subject), options.conformations
    against = reference(options.reference, subject.store)
    results: list[Result] = []
    notes: list[str] = []
    rows: dict[str, list[Any]] = {"chain": [], "fold": [], "reference": []}
    for number, name in enumerate(chains):
        molecule = read_molecule(name)
        folds, positions = chain_conformations(molecule, count)
        models, left_out = models_beside(subject, molecule, options.force_fields)
        notes += [note for note in left_out if note not in notes]
        told_here = partial(_told_of, told, number * count, len(chains) * count)
        whole = against.energies(molecule, positions, told_here)
        if np.isnan(whole).any():
            raise StageError(f"{against.name} has no energy of a conformation of {name}")
        extended = [fold == EXTENDED for fold in folds]
        rows["chain"] += [name] * count
        rows["fold"] += folds
        rows["reference"] += list(whole - whole[extended].mean())
        for model, potential in models.items():
            energy = energies(potential, positions)
            rows.setdefault(key_of(model), [np.nan] * (len(rows["fold"]) - count))
            rows[key_of(model)] += list(energy - energy[extended].mean())
            results += _results(name, model, fold_errors(energy - whole, folds), against.name)
        for key, column in rows.items():
            if len(column) < len(rows["fold"]):  # a force field that lacks this chain
                rows[key] = [*column, *[np.nan] * count]
    notes.append(
        f"{count} conformations of each chain, of which the torsions are held within "
        f"{chemistry.JITTER:g} degrees of those of a fold and the rest is relaxed by MMFF94; they are no minima"
    )
    return Findings(
        tuple(results),
        _columns(rows, against.name),
        {"reference": against.name, "models": [m for m in (SUM, *options.force_fields) if key_of(m) in rows]},
        tuple(notes),
    )


def _told_of(told: Told, before: int, total: int, done: int, _of: int) -> None:
    told(before + done, total)


def _results(chain: str, model: str, found: Mapping[str, float], against: str) -> list[Result]:
    """Return the figures of one model and one chain."""
    begin = _short(chain) if model == SUM else f"{_short(chain)}-{key_of(model)}"
    what = "the sum" if model == SUM else model
    said = {
        "sd": f"standard deviation of the error of {what} over conformations of {chain}",
        "largest": f"largest deviation of that error from its mean for {chain}, {what}",
    }
    return [
        Result(
            f"{begin}-{key}",
            said.get(key, f"error of {what} for the {key} fold of {chain} against the extended one")
            + f", reference {against}, kcal/mol",
            value,
        )
        for key, value in found.items()
    ]


def _columns(rows: Mapping[str, Sequence[Any]], against: str) -> dict[str, Column]:
    found = {
        "chains.chain": Column(tuple(rows["chain"]), "1", "chain of each conformation"),
        "chains.fold": Column(tuple(rows["fold"]), "1", "fold of each conformation"),
    }
    for key, values in rows.items():
        if key not in ("chain", "fold"):
            what = against if key == "reference" else key
            meaning = f"energy of {what} above the mean of the extended conformations of the chain (conformations)"
            found[f"chains.{key}"] = Column(np.array(values), "kcal/mol", meaning)
    return found


def _draw(findings: Findings) -> list[Plot]:
    from matplotlib.figure import Figure

    data = {name.removeprefix("chains."): np.asarray(c.values) for name, c in findings.data.items()}
    chains = list(dict.fromkeys(data["chain"]))
    models, against = findings.facts["models"], findings.facts["reference"]
    figure = Figure(figsize=(6.5, 3.2 * len(chains)), layout="constrained")
    for axes, chain in zip(np.atleast_1d(figure.subplots(len(chains), 1)), chains, strict=True):
        mine = data["chain"] == chain
        folds = list(dict.fromkeys(data["fold"][mine]))
        place = np.array([float(folds.index(fold)) for fold in data["fold"][mine]])
        width = 0.8 / (len(models) + 1)
        for n, model in enumerate((None, *models)):
            values = data["reference" if model is None else key_of(model)][mine]
            axes.plot(
                place + (n - len(models) / 2) * width,
                values,
                linestyle="none",
                markersize=6,
                marker="_" if model is None else MARKERS[model],
                markeredgewidth=2.0 if model is None else 0.0,
                color=REFERENCE_COLOUR if model is None else COLOURS[model],
                label=f"{against} (reference)" if model is None else model,
            )
        axes.axhline(0.0, color="0.7", linewidth=0.8, zorder=0)
        axes.set(title=chain, ylabel="energy above extended\n(kcal/mol)", xticks=range(len(folds)))
        axes.set_xticklabels(folds)
        axes.legend(fontsize=8, ncols=2)
    keys = [key for key in data if key not in ("chain", "fold")]
    head = ["chain", "fold", *(f"{key}_kcal_per_mol" for key in keys)]
    table = (
        [data["chain"][n], data["fold"][n], *(f"{data[key][n]:.6g}" for key in keys)]
        for n in range(len(data["fold"]))
    )
    return [Plot.of("helix", figure, head, table)]


def _seconds(subject: Subject, options: HelixOptions) -> float:
    """GFN2-xTB takes 0.6 s for the 102 atoms of Ace-Ala9-Nme."""
    chains = options.chains or long_chains(subject)
    return 5.0 + options.conformations * sum(0.6 * (read_molecule(name).natoms / 102) ** 2 for name in chains)


CHECK = Check(
    name="helix",
    title="chains as helices, PPII and C7 against the extended chain",
    meaning=(
        "Conformations of chains with the torsions of the alpha and 3-10 helix, of PPII, C7, beta strands and the "
        "extended chain are compared with the reference's energies of the whole chain, of which none was fitted. "
        "The standard deviation tells how well folds are ranked, and the helix against the extended chain whether "
        "what is far along the chain adds up. The conformations are relaxed with a force field and are not minima."
    ),
    measure=_measure,
    draw=_draw,
    applies=_applies,
    options=HelixOptions,
    seconds=_seconds,
    order=40,
)
