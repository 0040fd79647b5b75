"""The input of an exporter: a potential or a dataset, with its provenance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.pip.potential import Potential
from storage.attributes import content_of
from storage.contents import dataset_from_version, nmer_model, potential_from_version
from storage.exchange.minima import minima_of
from storage.exchange.references import References, references_of
from storage.exchange.text import check_elements, plain
from storage.exchange.trajectory_subject import TrajectorySubject
from storage.foreign import read_foreign
from storage.level_facts import lower_keys
from storage.records import TRAIN, Dataset
from storage.store import Store
from storage.trajectories import read_trajectories
from storage.version import Version

LONGEST_IDENTIFIER = 100
"""Characters of a name that become one of C and of files."""


def identifier_of(name: str) -> str:
    """Return a name as C, Python and files allow it."""
    letters = "".join(c if c.isascii() and c.isalnum() else "_" for c in name[:LONGEST_IDENTIFIER])
    return letters if letters[:1].isalpha() else f"p{letters}"


@dataclass(frozen=True, eq=False)
class PotentialSubject:
    """A potential to export.

    Attributes
    ----------
    potential
        The potential.
    attributes
        Its version's: ``recipe``, ``key``, ``inputs``, ``engines``, ``facts``, ``created``.
    training
        (n, atoms, 3), Angstrom, or None if its training data are not available.

    Raises
    ------
    InputError
        If a symbol is not that of an element.
    """

    potential: Potential
    attributes: dict[str, Any]
    training: Floats | None = None

    def __post_init__(self) -> None:
        check_elements(self.potential.nmer)

    @cached_property
    def references(self) -> References:
        """Reference values, the same for every format."""
        return references_of(self.potential, self.training)

    @property
    def title(self) -> str:
        """One line that says what it is, fit for a comment of any language."""
        p, key = self.potential, str(self.attributes.get("key", ""))
        below = "" if p.physics is None else f", V_phys {p.physics.parameters.name} {p.physics_digest[:12]}"
        return plain(
            f"{p.name or p.nmer.name} ({p.status}), symmetry {p.nmer.symmetry}, degree {p.degree}, "
            f"{len(p.coefficients)} terms, key {key[:12]}{below}"
        )

    @property
    def identifier(self) -> str:
        """A name that C and Python allow: ``ch3_water_2``."""
        return identifier_of(self.potential.name or "potential")


@dataclass(frozen=True, eq=False)
class DatasetSubject:
    """A dataset to export.

    Attributes
    ----------
    dataset
        The dataset.
    nmer
        Its n-mer.
    attributes
        Its version's: ``recipe``, ``key``, ``inputs``, ``engines``, ``facts``, ``created``.
    ref
        ``dataset:ch3-water@1``.
    minima
        The minima that its energies are relative to, see `storage.exchange.minima`; none outside of a store.

    Raises
    ------
    InputError
        If a symbol is not that of an element.
    """

    dataset: Dataset
    nmer: NMer
    attributes: dict[str, Any]
    ref: str
    minima: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        check_elements(self.nmer)


def subject_of(ref: str, store: str | Path | None = None) -> PotentialSubject | DatasetSubject | TrajectorySubject:
    """Return the subject that a reference, or the path of a version's file, names.

    Raises
    ------
    InputError
        If there is nothing of that name, or it is neither a potential nor a dataset nor a trajectory.
    """
    if ref.endswith(".h5"):
        version = read_foreign(Path(ref), "give the file of a potential, or NAME@NUMBER of a store")
        status, training, opened = "candidate", None, None
    else:
        opened = Store(store)
        version = opened.resolve(ref)
        status = opened.status(version) if version.kind == "potential" else ""
        training = _training(opened, version) if version.kind == "potential" else None
    if version.kind not in ("potential", "dataset", "trajectory"):
        raise InputError(
            f"'{ref}' is a {version.kind}; what can be exported are potentials, datasets and trajectories"
        )
    with content_of(version.path):
        if version.kind == "trajectory":
            return TrajectorySubject(tuple(read_trajectories(version)), version.attributes(), version.ref)
        if version.kind == "potential":
            return PotentialSubject(potential_from_version(version, status), version.attributes(), training)
        attributes = version.attributes()
        nmer = nmer_model(attributes).build(version.nmer)
        minima = () if opened is None else minima_of(opened.labels, nmer, attributes["facts"])
        return DatasetSubject(dataset_from_version(version), nmer, attributes, version.ref, minima)


def _training(store: Store, version: Version) -> Floats | None:
    """Return the training configurations of a potential, with levels those of the first, where they still are."""
    found = store.input(version, "dataset")
    if found is not None and (lower := lower_keys(found.attributes()["facts"])):
        found = store.find("dataset", lower[0], found.nmer)
    return None if found is None else np.asarray(found.column("positions")[found.column("split") == TRAIN])
