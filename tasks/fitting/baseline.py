"""The baseline of a fit: physics that is subtracted from the labels and added when a potential is evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.nmers.capping import pieces
from potentials.nmers.nmer import NMer
from potentials.physics.model import PhysicsPotential
from potentials.physics.nbody import PhysicsOfNMer, onemers_of
from potentials.physics.parameters import PhysicsParameters
from potentials.physics.topology import Topology
from recipes.chemistry.atom_types import type_nmer
from storage.exchange.minima import geometries_of_minima
from storage.level_facts import level_of
from storage.physics import load_physics
from storage.store import Store
from storage.version import Version
from tasks.plan import Plan


@dataclass(frozen=True)
class Baseline:
    """Energies and gradients of the physics that a PIP is added to.

    Attributes
    ----------
    energy
        (n,), kcal/mol.
    gradient
        (n, atoms, 3), kcal/mol/Angstrom; needed where gradients are fitted.
    """

    energy: Floats
    gradient: Floats | None = None

    @classmethod
    def of(cls, physics: PhysicsOfNMer, positions: Floats) -> Baseline:
        """Return V_phys' n-body energies and gradients at (n, atoms, 3) in Angstrom."""
        found = physics.evaluate(np.ascontiguousarray(positions))
        return cls(found.energy, found.gradient)


def physics_of(nmer: NMer, parameters: PhysicsParameters, minima: Sequence[Floats] = ()) -> PhysicsOfNMer:
    """Return V_phys' n-body energy of an n-mer, relative to the minima to which its labels are relative.

    Parameters
    ----------
    nmer
        The n-mer; the types of its atoms follow from its graph.
    parameters
        The parameters.
    minima
        (atoms, 3) in Angstrom of each piece of a covalent n-mer, in the order of
        `potentials.nmers.capping.pieces`; empty where the labels' energies are absolute n-body energies.

    Raises
    ------
    InputError
        If there are no parameters for an atom of the n-mer.
    """
    found = PhysicsOfNMer(nmer, type_nmer(nmer), parameters)
    if not minima or len(nmer.fragments[0].parts) < 2:  # V_phys of a single 1-mer is zero
        return found
    whole, reference = Topology(nmer.natoms, nmer.bonds, onemers_of(nmer)), 0.0
    for (piece, factor), minimum in zip(pieces(nmer), minima, strict=True):
        real = [n for n, atom in enumerate(piece.atoms) if found.types[atom]]  # new caps come after these
        atoms = [piece.atoms[n] for n in real]
        symbols, types = ([names[a] for a in atoms] for names in (nmer.symbols, found.types))
        model = PhysicsPotential(symbols, whole.part(atoms), types, parameters)
        reference += factor * float(model.energy(minimum[real]))
    return replace(found, reference=reference)


def physics_of_dataset(plan: Plan, store: Store, dataset: Version) -> PhysicsOfNMer | None:
    """Return V_phys of a plan's n-mer, relative to what a dataset's energies are relative to.

    Parameters
    ----------
    plan
        The plan.
    store
        The store.
    dataset
        The labels; with levels those of the first, which alone is fitted over V_phys.

    Returns
    -------
    None where the recipe has no baseline.

    Raises
    ------
    InputError
        If the parameters or a minimum are not there, there are none for an atom, or the name stands for other
        parameters than when the plan was made.
    """
    name = plan.recipe.fitting.baseline
    if name is None:
        return None
    parameters = load_physics(store, name)
    if parameters.digest != plan.baseline(store):
        raise InputError(f"'{name}' is another version than when the run began, {parameters.name}; run it again")
    facts = dataset.attributes()["facts"]
    reference, minima = float(facts.get("reference_hartree", 0.0)), tuple[Floats, ...]()
    if reference and len(plan.nmer.fragments[0].parts) > 1:
        number = level_of(facts)
        references = plan.levels[-1 if number is None else number].references
        minima = geometries_of_minima(store.labels, str(facts["protocol_id"]), references, reference)
    return physics_of(plan.nmer, parameters, minima)


def remainder(
    energy: Floats, gradient: Floats | None, baseline: Baseline | Floats | None
) -> tuple[Floats, Floats | None]:
    """Return energies and gradients minus a baseline.

    Parameters
    ----------
    energy, gradient
        (n,) in kcal/mol, and (n, atoms, 3) in kcal/mol/Angstrom where they are fitted.
    baseline
        The baseline; an array is its energies.

    Raises
    ------
    InputError
        If an array has another shape or a number that is not finite, or gradients are fitted and the baseline has
        none.
    """
    if baseline is None:
        return energy, gradient
    if not isinstance(baseline, Baseline):
        baseline = Baseline(baseline)
    checked("baseline", baseline.energy, energy.shape)
    if gradient is None:
        return energy - baseline.energy, None
    if baseline.gradient is None:
        raise InputError(
            "a baseline without its gradient cannot be subtracted from gradients; give it, or leave gradients out"
        )
    checked("baseline's gradient", baseline.gradient, gradient.shape)
    return energy - baseline.energy, gradient - baseline.gradient


def checked(name: str, values: Floats, shape: tuple[int, ...]) -> None:
    """Raise InputError unless an array of a training set has the shape that is wanted and finite numbers."""
    if values.shape != shape or not np.isfinite(values).all():
        raise InputError(f"the training set's {name} has shape {values.shape}; allowed: finite, {shape}")
