"""The arrays of each kind of version: their names, units, and meanings, both ways."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.physics.nbody import PhysicsOfNMer
from potentials.pip.potential import Potential
from potentials.pip.ranges import SortedDistances
from recipes.schema.recipe import NMerModel
from storage.attributes import of_version
from storage.foreign import read_foreign
from storage.parameters import physics_columns, physics_facts, rebuilt_physics
from storage.potential_facts import (
    read_options,
    read_switching,
    read_terms,
    written_switching,
    written_terms,
    written_variables,
)
from storage.records import Dataset, Pool, Selection
from storage.version import Column, Version

_NAME = re.compile(r"[^\W_][^$\\]{0,199}")
"""Allowed names in an array."""

_XYZ = "Cartesian coordinates (configuration, atom, xyz)"
_SPLIT = "0 training, 1 test"

# Where the numbers of each kind of version come from; the root's `engines` has the programs' versions.
_LEDGER = "label ledger, the rows of these ids under the protocol of the recipe's [labelling]"
_FIT = "fit to the training part of the dataset in `inputs`"
_BASIS = "enumerated from the symmetry and the rules in `facts`"
_IMPORTED = "the files that `facts` names under imported"


def nmer_model(attributes: dict[str, Any]) -> NMerModel:
    """Return a version's n-mer: imported data have it among their facts, the others in their recipe.

    Raises
    ------
    ValueError
        If the recipe is not readable.
    KeyError
        If there is no n-mer in it.
    """
    found = attributes["facts"].get("nmer") or tomllib.loads(attributes["recipe"])["nmer"]
    return NMerModel.model_validate(found)


def texts_of(version: Version, name: str) -> tuple[str, ...]:
    """Return an array of names; they are written to tables, plots, and files of other programs.

    Raises
    ------
    InputError
        If one is not a line of printable text, or has a mark that begins a formula of a spreadsheet or of a plot.
    """
    found = tuple(str(text) for text in version.column(name).tolist())
    for row, text in enumerate(found):
        if not _NAME.fullmatch(text) or not text.isprintable():
            raise InputError(
                f"'{version.path}': row {row} of '{name}' is {text[:60]!a}; allowed: up to 200 printable "
                "characters, the first a letter or a digit, without $ and backslashes"
            )
    return found


def pool_columns(pool: Pool) -> dict[str, Column]:
    """Return a pool's arrays."""
    engine = f"sampling with {', '.join(pool.sources)}"
    settings, computed = "recipe's [sampling]", "computed from positions"
    xyz = "Cartesian coordinates (frame, atom, xyz)"
    temperature = "temperature of the walker or of the modes; 0 for a scan and for conformations"
    window = "index of the centre-of-mass window, from 0; -1 outside all of them"
    apart = "distance between the centres of mass; of three fragments the mean over their pairs"
    energy = "force-field energy without the bias, before caps were put back to length"
    return {
        "positions": Column(pool.positions, "Angstrom", xyz, f"{engine}; caps put back to length"),
        "temperature": Column(pool.temperature, "K", temperature, settings),
        "window": Column(pool.window, "1", window, settings),
        "seed": Column(pool.seed, "1", "seed of the walker or of the sampler", settings),
        "energy": Column(pool.energy, "kcal/mol", energy, engine),
        "com_distance": Column(pool.com_distance, "Angstrom", apart, computed),
        "cvs": Column(pool.cvs, "Angstrom or rad", "collective variables (frame, variable)", computed),
        "cv_names": Column(pool.cv_names, "1", "names of the collective variables", settings),
        "source": Column(pool.source, "1", "which of the sources made the frame, from 0", settings),
        "sources": Column(pool.sources, "1", "sampler and force field", settings),
    }


def _values(version: Version, record: type[Pool] | type[Dataset], texts: Sequence[str]) -> dict[str, Any]:
    """Return the arrays of a record that a version has, those of texts as tuples."""
    names = [name for name in record.__dataclass_fields__ if version.has_column(name)]
    return {name: texts_of(version, name) if name in texts else version.column(name) for name in names}


FIRST_SOURCE = "pbmetad ff14SB"
"""The only source of a pool written before there were several."""


@of_version
def pool_from_version(version: Version) -> Pool:
    """Read a pool; one without sources, of an earlier version, was made by PBMetaD with ff14SB."""
    values = _values(version, Pool, ("cv_names", "sources"))
    values.setdefault("source", np.zeros(len(values["positions"]), dtype=np.int64))
    values.setdefault("sources", (FIRST_SOURCE,))
    return Pool(**values)


@dataclass(frozen=True)
class PoolFile:
    """A pool that stays in its file and is read some frames at a time.

    Attributes
    ----------
    version
        The pool's version.
    """

    version: Version

    def __len__(self) -> int:
        return self.version.length("positions")

    @property
    def sources(self) -> tuple[str, ...]:
        """Sampler and force field of each source, as those of `Pool`."""
        return texts_of(self.version, "sources") if self.version.has_column("sources") else (FIRST_SOURCE,)

    def rows(self, name: str, start: int, stop: int, step: int = 1) -> NDArray[Any]:
        """Return every `step`-th frame's part of an array of `Pool`, from frame `start` to `stop`."""
        if name == "source" and not self.version.has_column(name):  # written before there were several
            return np.zeros(len(range(start, min(stop, len(self)), step)), dtype=np.int64)
        return self.version.rows(name, start, stop, step)


def selection_columns(selection: Selection) -> dict[str, Column]:
    """Return a selection's arrays."""
    chosen, more = "chosen as the recipe's [selection] says", dict[str, Column]()
    if selection.level.any():
        nested = "highest level whose subset has it, from 0 (configuration)"
        more["level"] = Column(selection.level, "1", nested, "chosen as the recipe's levels say")
    return {
        "positions": Column(selection.positions, "Angstrom", _XYZ, "frames of the pool in `inputs`"),
        "split": Column(selection.split, "1", _SPLIT, chosen),
        "frame": Column(selection.frame, "1", "index of the frame in the pool, from 0", chosen),
        **more,
    }


@of_version
def selection_from_version(version: Version) -> Selection:
    """Read a selection."""
    names = [name for name in Selection.__dataclass_fields__ if version.has_column(name)]
    return Selection(**{name: version.column(name) for name in names})


def dataset_columns(dataset: Dataset, imported: bool = False) -> dict[str, Column]:
    """Return a dataset's arrays.

    Parameters
    ----------
    dataset
        The dataset.
    imported
        Whether it came from files, not from the label ledger.
    """
    made = _IMPORTED if imported else "selection in `inputs`, those whose label is usable"
    label = _IMPORTED if imported else _LEDGER
    energy = _IMPORTED if imported else "computed from sub_energies, and from reference_hartree in `facts` if any"
    total = "total energies (configuration, sub-calculation)"
    parts = "sub-calculations of the protocol"
    more: dict[str, Column] = {}
    if dataset.gradient is not None:
        slopes = "gradient of the n-body energy (configuration, atom, xyz)"
        chained = "computed from the ledger's gradients of the sub-calculations, those of caps by the chain rule"
        more["gradient"] = Column(dataset.gradient, "kcal/mol/Angstrom", slopes, chained)
    return {
        "positions": Column(dataset.positions, "Angstrom", _XYZ, made),
        "split": Column(dataset.split, "1", _SPLIT, made),
        "energy": Column(dataset.energy, "kcal/mol", "n-body energy", energy),
        "sub_energies": Column(dataset.sub_energies, "hartree", total, label),
        "sub_names": Column(dataset.sub_names, "1", "names of the sub-calculations", parts),
        "t1": Column(dataset.t1, "1", "largest T1 diagnostic over the sub-calculations", label),
        "t2": Column(dataset.t2, "1", "largest amplitude |t2| over the sub-calculations", label),
        "cpu_seconds": Column(dataset.cpu_seconds, "s", "user + system time of the whole label", label),
        "d1": Column(dataset.d1, "1", "largest D1 diagnostic over the sub-calculations", label),
        "ids": Column(
            dataset.ids, "1", "configuration id: sha256 of its canonical bytes", "computed from positions"
        ),
        **more,
    }


@of_version
def dataset_from_version(version: Version) -> Dataset:
    """Read a dataset; one of the first release has no D1."""
    values = _values(version, Dataset, ("sub_names", "ids"))
    values.setdefault("d1", np.full(len(values["energy"]), np.nan))
    return Dataset(**values)


def potential_columns(potential: Potential) -> dict[str, Column]:
    """Return a potential's arrays."""
    basis, more = potential.basis, {}
    if len(potential.d):
        names = tuple(basis.pair_names[n] for n in basis.variables.shifted)
        shift = "shift of each kind of distance whose variable has one"
        more["d"] = Column(potential.d, "Angstrom", shift, _FIT)
        more["d_names"] = Column(names, "1", "kind of distance each d belongs to", _BASIS)
    if potential.selected is not None:
        numbers = np.array(potential.selected, dtype=np.int64)
        more["selected"] = Column(numbers, "1", "which terms of the whole basis these are, from 0", _FIT)
    if potential.ensemble is not None:
        meaning = "coefficients of an ensemble of fits (member, term); their spread is the uncertainty"
        more["ensemble"] = Column(potential.ensemble, "kcal/mol", meaning, _FIT)
    if potential.ranges is not None:
        meaning = "lowest means of the 1, 2, ... shortest distances of each kind, and highest of the longest"
        more["ranges"] = Column(potential.ranges, "Angstrom", meaning, "training part of the dataset in `inputs`")
        kinds = SortedDistances.of(potential.nmer).kinds
        more["ranges_names"] = Column(kinds, "1", "kind of distance each range belongs to", _BASIS)
    if potential.physics is not None:
        below = "V_phys, the baseline of the fit"
        more["physics_atoms"] = Column(potential.physics.types, "1", "type of each atom; none for a cap", below)
        more |= physics_columns(potential.physics.parameters, below, "physics_")
    k, coefficients = np.asarray(potential.k), np.asarray(potential.coefficients)
    return {
        "k": Column(k, "1/Angstrom", "non-linear parameter of each kind of distance", _FIT),
        "k_names": Column(tuple(basis.pair_names), "1", "kind of distance each k belongs to", _BASIS),
        "coefficients": Column(coefficients, "kcal/mol", "linear coefficient of each term", _FIT),
        "terms": Column(tuple(basis.term_names()), "1", "one monomial of each term's orbit", _BASIS),
        **more,
    }


def potential_facts(potential: Potential, nmer: NMerModel) -> dict[str, Any]:
    """Return the facts from which, with the arrays, a potential is rebuilt."""
    kept, rules = written_terms(potential)
    physics, below = potential.physics, {}
    if physics is not None:
        named = {"name": physics.parameters.name, "reference": physics.reference}
        below["physics"] = physics_facts(physics.parameters) | named
    return {
        "nmer": nmer.model_dump(mode="json"),
        "degree": potential.degree,
        "filter": kept,
        "options": {"rules": rules, **written_variables(potential.options)},
        "number_of_terms": len(potential.coefficients),
        "switching": written_switching(potential.switching),
        **below,
    }


@of_version
def potential_from_version(version: Version, status: str, remarks: Sequence[str] = ()) -> Potential:
    """Read a potential; its status (candidate or released) comes from the gates' verdict, and so may `remarks`."""
    facts = version.attributes()["facts"]
    nmer = NMerModel.model_validate(facts["nmer"]).build(version.nmer)
    optional = ("selected", "ensemble", "ranges")
    selected, ensemble, ranges = (version.column(n) if version.has_column(n) else None for n in optional)
    # a potential of the first format has no options: Morse variables of atoms
    given = facts.get("options", {"rules": (), "forms": {}, "lone_pairs": ()})
    kept, rules = read_terms(facts["filter"], given["rules"], nmer)
    return Potential(
        nmer=nmer,
        degree=facts["degree"],
        terms=kept,
        k=version.column("k"),
        coefficients=version.column("coefficients"),
        switching=read_switching(facts["switching"]),
        name=version.ref,
        status=status,
        selected=None if selected is None else tuple(int(n) for n in selected),
        ensemble=ensemble,
        options=read_options(rules, given),
        d=version.column("d") if version.has_column("d") else np.empty(0),
        remarks=tuple(remarks),
        physics=_physics(version, facts.get("physics"), nmer),
        ranges=ranges,
    )


def _physics(version: Version, facts: dict[str, Any] | None, nmer: NMer) -> PhysicsOfNMer | None:
    """Return the V_phys that a potential was fitted over, from its own arrays."""
    if facts is None:
        return None
    types = tuple(str(t) for t in version.column("physics_atoms").tolist())
    parameters = rebuilt_physics(version, facts, str(facts["name"]), "physics_")
    return PhysicsOfNMer(nmer, types, parameters, float(facts["reference"]))


def potential_of_file(path: Path) -> Potential:
    """Read a potential from its own file, outside of a store; its status is not known there: candidate.

    Raises
    ------
    InputError
        If the file does not exist, is damaged, or holds something else.
    """
    version = read_foreign(path, "give the file of a potential, or NAME@NUMBER of a store")
    if version.kind != "potential":
        raise InputError(f"'{path}' holds a {version.kind}, not a potential")
    return potential_from_version(version, "candidate")
