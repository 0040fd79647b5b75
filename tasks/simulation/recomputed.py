"""What a trajectory says of its frames, computed again: energies by its potentials, and the bias by its hills."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from potentials.arrays import Ints
from potentials.errors import InputError, MissingProgramError
from potentials.evaluation import Evaluable
from potentials.systems.cell import Cell
from potentials.systems.periodicity import evaluate_in_box
from potentials.systems.system import System
from recipes.chemistry.systems import molecule_of
from storage.attributes import content_of
from storage.store import Store
from storage.trajectories import read_trajectories
from storage.trajectory import Trajectory
from storage.version import Version
from tasks.bias.cvs import CV
from tasks.bias.metad import MetaD, MetaDBias
from tasks.bias.specification import Grid
from tasks.simulation.amber import amber_potential
from tasks.sums.make import sum_potential

SAMPLE = 5
"""Frames of each replica that are computed again, the first and the last among them."""

SAME = 1e-5
"""Largest deviation of an energy, as a share of its size and at least of 1 kcal/mol: along a trajectory induced
dipoles are iterated to a tolerance."""

SAME_BIAS = 1e-8
"""Largest deviation of the bias, kcal/mol."""

Found = Iterator[tuple[str | None, str]]
"""The array that is wrong, or None for what could not be compared, and a phrase."""


def recomputed(store: Store, version: Version) -> Found:
    """Yield what is wrong with the energies and the bias of a trajectory, from a sample of its frames.

    Parameters
    ----------
    store
        The store, for the potentials.
    version
        The trajectory.
    """
    with content_of(version.path):
        settings = tomllib.loads(version.attributes()["recipe"])
        trajectories = read_trajectories(version)
        there = [one for one in trajectories if len(one)]
        if not there:
            yield None, "it has no frames to compute again"
            return
        try:
            model = model_of(store, version, settings.get("model", {}), there[0])
        except (InputError, MissingProgramError) as error:
            yield None, f"its energies are not computed again: {error}"
        else:
            for one in there:
                yield from _energies(model, one)
        if "bias" in settings:
            for one in there:
                yield from _bias(settings["bias"], settings.get("simulation", {}), one)


def model_of(store: Store, version: Version, described: Mapping[str, Any], one: Trajectory) -> Evaluable:
    """Return the potential of a trajectory: the sum of the potentials that it was made from, or a force field.

    Parameters
    ----------
    store
        The store.
    version
        The trajectory.
    described
        The section ``[model]`` of its settings.
    one
        A replica with frames, for the atoms, the bonds and the cell.

    Raises
    ------
    InputError
        If a potential is missing, or there is no way to make the sum.
    """
    vectors = one.vectors_of(0)
    cell = None if vectors is None else Cell(tuple(map(tuple, vectors.tolist())), (True, True, True))
    system = System(one.symbols, one.positions[0], one.bonds, cell, version.nmer)
    if "force_field" in described:
        return amber_potential(system, str(described["force_field"]))
    refs = {}
    for named, below in store.inputs(version):
        if below is None:
            raise InputError(f"{named['ref']} is no longer in the store")
        if below.kind == "potential":
            refs[below.nmer] = below.ref
    if not refs:
        raise InputError("it names no potentials and no force field")
    further = {name: described[name] for name in ("water", "cutoff") if name in described}
    whole = system if further or cell is not None else molecule_of(system)
    return sum_potential(whole, refs, store=store.path, **further)


def _energies(model: Evaluable, one: Trajectory) -> Found:
    sample = np.unique(np.linspace(0, len(one) - 1, min(SAMPLE, len(one))).round().astype(np.int64))
    for n in sample:
        found = evaluate_in_box(model, one.positions[n : n + 1], one.vectors_of(int(n)))
        allowed = SAME * max(1.0, abs(float(one.energy[n])))
        pairs = {"energy": (one.energy[n], found.energy[0])}
        for name in set(one.contributions) & set(found.shares):
            pairs[f"contribution '{name}'"] = (one.contributions[name][n], found.shares[name][0])
        for what, (stored, again) in pairs.items():
            if not abs(stored - again) <= allowed:
                yield (
                    "energy" if what == "energy" else "contributions",
                    f"of replica {one.replica} at step {one.steps[n]}: the {what} is {stored:.8g}, and by its "
                    f"potentials {again:.8g} kcal/mol",
                )
                return


def _bias(described: Mapping[str, Any], simulation: Mapping[str, Any], one: Trajectory) -> Found:
    """Compare the bias of every frame of a sample with the hills of which it is made."""
    if one.bias is None or one.hills is None or one.hill_counts is None:
        yield None, f"the bias of replica {one.replica} is not computed again: its hills are not stored"
        return
    cvs = tuple(CV(tuple(int(a) - 1 for a in atoms)) for atoms in described["atoms"])
    settings = MetaD(
        sigma=tuple(described["sigma"]),
        periodic=tuple(described["periodic"]),
        height=float(described["height"]),
        pace=int(described["pace"]),
        biasfactor=described.get("biasfactor"),
        temperature=float(described.get("temperature", 0.0)),
        grids=tuple(Grid(**grid) for grid in described.get("grids", ())),
    )
    box: Any = None if one.vectors is None else tuple(float(edge) for edge in np.diag(one.vectors[0]))
    timestep = float(simulation.get("timestep", 1.0))
    counts: Ints = one.hill_counts
    if (counts < 0).any() or (counts > len(one.hills)).any() or (np.diff(counts) < 0).any():
        yield "hill_counts", f"of replica {one.replica} are not numbers of its {len(one.hills)} hills, ascending"
        return
    bias, added = MetaDBias(settings, cvs, one.natoms, timestep, box, one.replica), 0
    for n in np.unique(np.linspace(0, len(one) - 1, min(10 * SAMPLE, len(one))).round().astype(np.int64)):
        bias.add(one.hills[added : counts[n]])
        added = int(counts[n])
        again = bias(0, one.positions[n])[0]  # at step 0 no hill is added
        if not abs(again - one.bias[n]) <= SAME_BIAS * max(1.0, abs(again)):
            yield (
                "bias",
                f"of replica {one.replica} at step {one.steps[n]} is {one.bias[n]:.8g}, and by its {added} hills "
                f"{again:.8g} kcal/mol",
            )
            return
