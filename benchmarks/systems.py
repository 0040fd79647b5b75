"""Time of a sum: energy and gradient along a trajectory through the public object.

The potentials have random coefficients, which decide no time, over V_phys with the shipped parameters. Those of
chains have the papers' numbers of terms, or at most 1,000. Waters have PIPs of degrees 6, 4 and 3; two of them
are near up to 6.5 A, three up to 4.5 A, and V_phys' pairs end at 9 A. Atoms swing by about 0.04 A with periods of
10 to 50 fs, in steps of 0.5 fs. Processor time of one thread; the ratio is one of wall times.
"""

from __future__ import annotations

from functools import cache
from time import perf_counter

import numpy as np

import nmer
from benchmarks.swinging import time_of_step
from potentials.nmers.switching import Switching
from potentials.physics.nbody import PhysicsOfNMer
from potentials.physics.parameters import PhysicsParameters
from potentials.pip.potential import Potential
from potentials.systems.manybody import ManyBodyPotential
from potentials.systems.system import System
from recipes.chemistry.atom_types import type_nmer
from recipes.chemistry.fragmentation import fragment_molecule
from recipes.chemistry.molecules import read_molecule
from recipes.chemistry.solvation import solvate
from recipes.chemistry.systems import molecule_of, read_system
from recipes.load import load_recipe
from recipes.physics.table import read_physics_toml, shipped_physics

PAPER = 3000
"""More terms than any of the papers' potentials has."""

WATERS = ("water", "water-water", "water-water-water")

NEAR_WATER = ("ch-water", "ch3-water", "conh-water")

STEPS = 34
"""Steps in a cell, in which a neighbour list is made twice, as in water at 300 K."""

GROWTH = (64, 256, 1024)
"""Numbers of waters; the smallest cell is 12.4 A wide: here V_phys and two waters end at 6 A, three at 4 A."""


def figures() -> dict[str, float]:
    """Return times by name, and the ratios that are made of them."""
    found: dict[str, float] = {}
    for name, chain, terms in (
        ("dipeptide_us_1000_terms", "AceAlaNme", 1000),
        ("dipeptide_us_paper_terms", "AceAlaNme", PAPER),
        ("ala9_us_1000_terms", "AceAla9Nme", 1000),
    ):
        found[name] = round(1e6 * time_of_step(*in_vacuum(chain, terms), 200), 1)
    whole = solvate(None, 256)
    found["water256_ms"] = round(1e3 * time_of_step(in_cell(whole), whole.positions, STEPS), 2)
    one, two = (time_of_step(in_cell(whole, threads=n), whole.positions, STEPS, perf_counter) for n in (1, 2))
    found["two_threads_ratio"] = round(one / two, 2)
    dipeptide = solvate(read_system("AceAlaNme"), 500)
    for name, water in (("dipeptide_500_waters_ms", "own"), ("dipeptide_500_standin_ms", "q-TIP4P/F")):
        found[name] = round(1e3 * time_of_step(in_cell(dipeptide, water), dipeptide.positions, STEPS), 2)
    times = []
    for count in GROWTH:
        box = solvate(None, count)
        times.append(1e3 * time_of_step(in_cell(box, cutoff=6.0, reach=(6.0, 4.0)), box.positions, STEPS))
        found[f"waters_{count}_ms"] = round(times[-1], 2)
    found["growth_exponent"] = round(float(np.polyfit(np.log(GROWTH), np.log(times), 1)[0]), 3)
    return found


def in_vacuum(name: str, terms: int) -> tuple[ManyBodyPotential, np.ndarray]:
    """Return a chain with random potentials of so many terms at most, and its geometry."""
    molecule = read_molecule(name).embedded()
    potentials = {one.name: random_potential(one.name, "paper", terms) for one in fragment_molecule(molecule)}
    return nmer.sum_potential(molecule, potentials), np.array(molecule.positions)


def in_cell(
    system: System,
    water: str = "own",
    *,
    cutoff: float = 9.0,
    reach: tuple[float, float] = (6.5, 4.5),
    threads: int = 1,
) -> ManyBodyPotential:
    """Return the sum of a periodic system with random potentials; two and three waters reach as far as `reach`."""
    names = {one.name for one in fragment_molecule(molecule_of(system))}
    chain = [*names - {"water"}, *(NEAR_WATER if len(names) > 1 else ())]
    potentials = {name: random_potential(name, "paper", PAPER) for name in chain}
    if water == "own":
        for name, r_out in zip(WATERS, (0.0, *reach), strict=True):
            potentials[name] = random_potential(name, "laptop", PAPER, r_out)
    return nmer.sum_potential(system, potentials, water=water, threads=threads, cutoff=cutoff)


def random_potential(name: str, preset: str, terms: int, r_out: float = 0.0) -> Potential:
    """Return a potential of a recipe's n-mer with random coefficients of so many terms at most."""
    recipe, rng = load_recipe(name, preset), np.random.default_rng(0)
    nmer_, fitting = recipe.build_nmer(), recipe.fitting
    basis = fitting.build_basis(nmer_)
    count = min(terms, fitting.max_terms or basis.n_terms, basis.n_terms)
    chosen = None if count == basis.n_terms else tuple(np.sort(rng.choice(basis.n_terms, count, replace=False)))
    switching = None if fitting.switching is None else fitting.switching.build()
    if switching is not None and r_out:
        switching = Switching(switching.atoms, r_out - 1.0, r_out)
    return Potential(
        nmer_,
        fitting.degree,
        fitting.terms,
        rng.uniform(0.5, 1.2, len(basis.pair_names)),
        rng.normal(scale=1e-3, size=count),
        switching,
        selected=chosen,
        options=fitting.basis_options(),
        physics=PhysicsOfNMer(nmer_, type_nmer(nmer_), parameters()),
    )


@cache
def parameters() -> PhysicsParameters:
    """Return the shipped parameters of V_phys."""
    return read_physics_toml(shipped_physics()["polyalanine"]).parameters
