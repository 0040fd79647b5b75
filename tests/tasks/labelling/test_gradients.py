"""Gradients of n-body energies against central differences of the labels' own energies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from recipes.load import load_recipe
from recipes.schema.labelling import Labelling
from tasks.labelling.engines.registry import get_engine
from tasks.labelling.plan import nbody_energy, nbody_gradient
from tasks.labelling.protocol import Protocol, protocol_of

XTB = Labelling(engine="xtb", method="GFN2-xTB", counterpoise=False, scf_tolerance=1e-12, gradients=True)
STEP = 2e-4


def label(protocol: Protocol, positions: Floats) -> tuple[float, Floats | None]:
    """Return the n-body energy, and its gradient where the protocol has them."""
    engine = get_engine(protocol.labelling.engine)
    jobs = protocol.jobs(positions, protocol.parts, 2.0)
    results = {job.part: engine.run(job) for job in jobs}
    assert {(r.status, r.reason) for r in results.values()} == {("ok", "")}
    energy = nbody_energy(protocol.plan, {part: r.energy or 0.0 for part, r in results.items()})
    if not protocol.labelling.gradients:
        return energy, None
    slopes = {part: np.array(r.gradient) for part, r in results.items()}
    return energy, nbody_gradient(protocol.plan, positions, slopes)


def differences(protocol: Protocol, positions: Floats, directions: Floats) -> Floats:
    """Return the slopes of the n-body energy along directions by central differences of the fourth order."""
    energies = replace(protocol, labelling=protocol.labelling.model_copy(update={"gradients": False}))
    weights = ((1, 2 / 3), (2, -1 / 12))
    return np.array(
        [
            sum(
                w * (label(energies, positions + n * STEP * d)[0] - label(energies, positions - n * STEP * d)[0])
                for n, w in weights
            )
            / STEP
            for d in directions
        ]
    )


def moved(nmer: NMer, seed: int, size: float = 0.08) -> Floats:
    """Return a geometry away from the recipe's, caps at their fixed lengths."""
    random = np.random.default_rng(seed)
    return np.asarray(nmer.place_caps(nmer.positions + size * random.standard_normal(nmer.positions.shape)))


@pytest.mark.parametrize("name", ["ch3-water", "ch-conh", "ch-conh-ch"])
def test_the_gradient_is_that_of_the_n_body_energy(name: str) -> None:
    """A dimer, and a 2-mer and a 3-mer in pieces with caps: every coordinate."""
    nmer = load_recipe(name).build_nmer()
    protocol = protocol_of(nmer, XTB)
    positions = moved(nmer, 3)
    _, gradient = label(protocol, positions)
    assert gradient is not None and gradient.shape == (nmer.natoms, 3)
    directions = np.eye(3 * nmer.natoms).reshape(-1, nmer.natoms, 3)
    expected = differences(protocol, positions, directions).reshape(-1, 3)
    assert np.abs(gradient - expected).max() < 1e-5 * np.abs(expected).max()
    assert np.abs(gradient.sum(axis=0)).max() < 1e-6  # the energy does not change when everything moves
