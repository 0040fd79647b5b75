"""V_phys: exact gradients, and nothing inside a single 1-mer."""

import numpy as np

from potentials.physics.model import PhysicsPotential
from potentials.physics.nbody import PhysicsOfNMer
from potentials.physics.parameters import PhysicsParameters
from recipes.chemistry.atom_types import type_molecule, type_nmer
from recipes.chemistry.fragmentation import fragment_molecule
from recipes.chemistry.molecules import read_molecule

CHAIN = read_molecule("AceAla3Nme").embedded()
TYPED, TOPOLOGY = type_molecule(CHAIN)
POSITIONS = np.array([CHAIN.positions])


def _parameters() -> PhysicsParameters:
    """Plausible numbers of each element, every 1-mer neutral; also of 1-mers whose neighbour is not known."""
    types = tuple(sorted({*TYPED.types, "ch3:C", "ch3:H"}))
    charge = {"ch3:C": -0.3, "ch3:H": 0.1, "ch:C": -0.1, "ch:H": 0.1}
    charge |= {"conh:C": 0.6, "conh:O": -0.6, "conh:N": -0.4, "conh:H": 0.4}
    names = [f"{t.split('@')[0].split(':')[0]}:{t.split(':')[1]}" for t in types]
    of = {"H": (0.45, 31.0, 1.8, 0.0157, 0.6), "C": (1.37, 330.0, 2.0, 0.1, 1.9)}
    of |= {"N": (1.0, 210.0, 1.95, 0.17, 1.8), "O": (0.79, 170.0, 1.9, 0.21, 1.66)}
    alpha, c6, radius, depth, half = np.array([of[n[-1]] for n in names]).T
    return PhysicsParameters(types, np.array([charge[n] for n in names]), alpha, c6, alpha, radius, depth, half)


PARAMETERS = _parameters()


def test_gradient_is_that_of_the_energy() -> None:
    model = PhysicsPotential(CHAIN.symbols, TOPOLOGY, TYPED.types, PARAMETERS)
    found = model.evaluate(POSITIONS)
    for atom in (0, 5, 20):
        for axis in range(3):
            moved = np.repeat(POSITIONS, 2, axis=0)
            moved[0, atom, axis] += 1e-4
            moved[1, atom, axis] -= 1e-4
            high, low = model.evaluate(moved).energy
            np.testing.assert_allclose((high - low) / 2e-4, found.gradient[0, atom, axis], rtol=0, atol=1e-6)


def test_the_nbody_energies_of_all_orders_add_up_to_the_whole() -> None:
    """Summed over every connected set of 1-mers, V_phys telescopes to V_phys of the whole chain."""
    chain = read_molecule("AceAlaNme").embedded()
    typed, topology = type_molecule(chain)
    positions = np.array([chain.positions])
    model = PhysicsPotential(chain.symbols, topology, typed.types, PARAMETERS)
    total = 0.0
    for found in fragment_molecule(chain, order=6):
        for placement in found.placements:
            types = tuple(
                "" if anchor >= 0 else typed.types[a]
                for a, anchor in zip(placement.atoms, placement.anchors, strict=True)
            )
            total += float(PhysicsOfNMer(found.nmer, types, PARAMETERS).energy(positions[:, placement.atoms])[0])
    np.testing.assert_allclose(total, model.energy(positions)[0], rtol=0, atol=1e-8)
    assert abs(total) > 0.1


def test_a_single_onemer_has_no_energy() -> None:
    for found in fragment_molecule(CHAIN, order=1):
        one = PhysicsOfNMer(found.nmer, type_nmer(found.nmer), PARAMETERS)
        value, gradient = one.energy_and_gradient(found.nmer.positions)
        assert value == 0.0 and not gradient.any()
