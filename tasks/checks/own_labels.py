"""N-mers cut from the frames of a simulation, and what the label method says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from potentials.arrays import Bools, Floats, Ints
from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import MOSTLY_ON
from potentials.pip.potential import Potential
from potentials.systems.trust import Occurrences
from potentials.units import HARTREE
from recipes.load import recipe_of_text
from recipes.schema.labelling import Labelling
from storage.store import Store
from tasks.checks.reference import whole
from tasks.checks.targets import Target
from tasks.labelling.calibrate import expected_cost_in
from tasks.labelling.execution.dispatch import scratch_folder
from tasks.labelling.execution.runner import Limits
from tasks.labelling.here import label_here, missing_labels
from tasks.labelling.protocol import Protocol, protocol_of
from tasks.labelling.reference import MoleculeLabels, reference_energy, reference_molecules

CHEAP = 1.0
"""Time of a label up to which the minima of a reference energy are searched, s: hundreds of labels."""


@dataclass(frozen=True, eq=False)
class Frames:
    """Geometries of one target from its own simulation.

    Attributes
    ----------
    target
        The target.
    positions
        (frames, atoms, 3), Angstrom; the first is the minimum from which the simulation began.
    temperature, replica, frame
        (frames,), where each is from.
    """

    target: Target
    positions: Floats
    temperature: Floats
    replica: Ints
    frame: Ints


@dataclass(frozen=True, eq=False)
class Cut:
    """Geometries of one n-mer, cut from frames.

    Attributes
    ----------
    potential
        Its potential.
    positions
        (geometries, atoms, 3), caps in place, Angstrom.
    molecule
        (geometries,), names of the targets.
    frame
        (geometries,), number among the frames of the target.
    """

    potential: Potential
    positions: Floats
    molecule: tuple[str, ...]
    frame: Ints

    @property
    def name(self) -> str:
        """The name of the n-mer."""
        return self.potential.nmer.name

    @property
    def mostly_on(self) -> Bools:
        """Whether the correction counts at least by half: beyond, the energy is that of V_phys."""
        if self.potential.switching is None:
            return np.ones(len(self.positions), dtype=np.bool_)
        return np.asarray(self.potential.switching.evaluate(self.positions)[0] >= MOSTLY_ON)


@dataclass(frozen=True)
class Method:
    """How an n-mer is labelled.

    Attributes
    ----------
    protocol
        The protocol of its potential's recipe with the programs installed here.
    limits
        Of one label.
    reference
        Energy that is subtracted from the labels, hartree.
    scratch
        Folder for temporary files.
    same_programs
        Whether the programs are those of the training labels.
    """

    protocol: Protocol
    limits: Limits
    reference: float
    scratch: Path
    same_programs: bool


@dataclass(frozen=True, eq=False)
class Labelled:
    """What the label method says of some geometries.

    Attributes
    ----------
    energy
        (geometries,), kcal/mol; nan where there is none.
    problem
        Why there are none, as one clause; empty if there are.
    failed
        Number of labels that failed.
    """

    energy: Floats
    problem: str = ""
    failed: int = 0


@dataclass
class Budget:
    """Core-hours that may be spent on labels.

    Attributes
    ----------
    core_hours
        What is left.
    """

    core_hours: float


def cut(frames: Sequence[Frames], most: int, seed: int) -> list[Cut]:
    """Return the n-mers of frames, up to so many geometries of each, drawn at random.

    Geometries at which a switched potential is zero are left out.

    Parameters
    ----------
    frames
        Of all targets; the first of each, a minimum, is left out.
    most
        Largest number of geometries of an n-mer.
    seed
        Of the draw.
    """
    found: dict[str, list[tuple[str, Occurrences]]] = {}
    for one in frames:
        for of in one.target.model.occurrences(one.positions[1:], _vectors(one)):
            if isinstance(of.potential, Potential):
                found.setdefault(of.nmer, []).append((one.target.name, of))
    made = []
    for name, parts in found.items():
        potential = parts[0][1].potential
        assert isinstance(potential, Potential)
        positions = np.concatenate([of.geometries for _, of in parts])
        molecule = np.array([target for target, of in parts for _ in of.geometries], dtype=object)
        frame = np.concatenate([of.configuration + 1 for _, of in parts])
        on = np.arange(len(positions))
        if potential.switching is not None:
            on = np.flatnonzero(potential.switching.evaluate(positions)[0])
        rng = np.random.default_rng([seed, *name.encode()])
        chosen = np.sort(rng.permutation(on)[:most])
        made.append(Cut(potential, positions[chosen], tuple(molecule[chosen].tolist()), frame[chosen]))
    return [one for one in made if len(one.positions)]


def _vectors(one: Frames) -> Floats | None:
    return one.target.system.vectors


def method_of(store: Store, potential: Potential) -> Method | str:
    """Return how a potential's n-mer is labelled, or why that is not known, as one clause.

    Raises
    ------
    InputError
        If another process holds the ledger.
    StageError
        If a reference energy that is not known cannot be computed.
    """
    if not potential.name:
        return "its potential is not in the store"
    version = store.resolve(potential.name)
    try:
        recipe = recipe_of_text(version.attributes()["recipe"])
        protocol = protocol_of(potential.nmer, recipe.labelling)
    except ValueError:
        return "its recipe cannot be read"
    except InputError as error:
        return str(error)
    limits = Limits(recipe.resources.label_timeout, recipe.resources.label_memory)
    scratch = scratch_folder(recipe.resources, store.path)
    dataset = store.input(version, "dataset")
    facts = {} if dataset is None else dataset.attributes()["facts"]
    same = facts.get("protocol_id", protocol.id) == protocol.id
    reference = facts.get("reference_hartree")
    if reference is None:
        reference = _reference(store, protocol, limits, scratch)
    if reference is None:
        return "the reference energy of its labels is not known, since the store does not have its dataset"
    return Method(protocol, limits, float(reference), scratch, same)


def _reference(store: Store, protocol: Protocol, limits: Limits, scratch: Path) -> float | None:
    """Return a reference energy, hartree: known, or computed where a label takes less than `CHEAP`; else None."""
    references = reference_molecules(protocol.nmer, protocol.labelling)
    known = reference_energy(protocol, references, store.labels)
    cost = expected_cost_in(store.labels, protocol.nmer, protocol.labelling)
    if known is not None or cost is None or cost.cpu_seconds > CHEAP:
        return known

    def label(molecule: NMer, positions: Floats) -> MoleculeLabels:
        return MoleculeLabels.of(label_here(protocol.of(molecule), positions, limits, store.labels, scratch))

    return reference_energy(protocol, references, store.labels, label)


def whole_method(methods: Mapping[str, Method], target: Target) -> Method | str:
    """Return how a whole molecule is computed: as all n-mers are labelled; or why it is not, as one clause."""
    if target.system.cell is not None:
        return "it is in a periodic cell"
    each = list(methods.values())
    if not each:
        return "no protocol of its n-mers is known"
    levels = {_plain(one.protocol.labelling) for one in each}
    if len(levels) > 1:
        return "the labels of its n-mers are of different levels"
    nmer = whole(target.system, target.system.positions)
    first = each[0]
    labelling = first.protocol.labelling.model_copy(update={"gradients": False})
    limits = Limits(max(one.limits.timeout for one in each), max(one.limits.memory for one in each))
    protocol = replace(first.protocol, nmer=nmer, labelling=labelling)
    return Method(protocol, limits, 0.0, first.scratch, first.same_programs)


def _plain(labelling: Labelling) -> str:
    """Return what decides the energy of a whole molecule, as text: not counterpoise, and not gradients."""
    content = labelling.content()
    without = (*labelling.FLAGS, "counterpoise", "gradients")
    return repr(sorted((k, v) for k, v in content.items() if k not in without))


def labels_of(store: Store, method: Method, positions: Floats, budget: Budget) -> Labelled:
    """Return the energies of geometries by the label method, computed if the ledger lacks them and time allows.

    Parameters
    ----------
    store
        The store with the ledger.
    method
        How they are labelled.
    positions
        (geometries, atoms, 3), Angstrom.
    budget
        The core-hours that may be spent; it is lowered by the expected cost.

    Raises
    ------
    InputError
        If another process holds the ledger, or the engine cannot do what is asked.
    StageError
        If a disk is full.
    """
    nmer: NMer = method.protocol.nmer
    nothing = np.full(len(positions), np.nan)
    lacking = missing_labels(method.protocol, positions, method.limits, store.labels)
    if lacking:
        cost = expected_cost_in(store.labels, nmer, method.protocol.labelling)
        level = method.protocol.labelling.level
        if cost is None:
            return Labelled(nothing, f"the cost of {level} for {nmer.name} is not known")
        hours = lacking * cost.cpu_seconds / 3600.0
        if hours > budget.core_hours:
            return Labelled(
                nothing, f"{lacking} labels of {nmer.name} by {level} would take about {hours:.2g} core-hours"
            )
        if cost.memory > method.limits.memory:
            return Labelled(
                nothing,
                f"a label of {nmer.name} by {level} needs about {cost.memory:.2g} GiB; its recipe allows "
                f"{method.limits.memory:g}",
            )
        budget.core_hours -= hours
    table = label_here(method.protocol, positions, method.limits, store.labels, method.scratch)
    energy = np.asarray(table.energy) - HARTREE * method.reference
    return Labelled(energy, failed=int(np.isnan(energy).sum()))
