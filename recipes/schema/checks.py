"""Checks of a recipe that need only its text: geometry, electrons, and sizes.

Those that need a program or its tables are in `tasks.run.checks`, which runs all checks.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from potentials.errors import InputError
from potentials.graph import components
from potentials.nmers.capping import pieces
from potentials.nmers.caps import CAP_LENGTHS
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.pip.basis import Basis
from recipes.chemistry.places import check_geometry, check_places
from recipes.chemistry.species import closed_shell_problem
from recipes.schema.fitting import MOST_MONOMIALS
from recipes.schema.recipe import Recipe
from recipes.schema.sampling import SAMPLERS

FARTHEST = 50.0
"""Largest distance between fragments of a starting geometry, Angstrom; windows end at 50 A too."""

MOST_ATOMS = 200
"""Largest number of atoms of an n-mer."""

MOST_WALKERS = 10_000


def check_molecules(recipe: Recipe) -> None:
    """Raise InputError if no potential can be made of a recipe's molecules, or its numbers are too large.

    Parameters
    ----------
    recipe
        The recipe.

    Raises
    ------
    InputError
        One sentence that begins with the key.
    """
    nmer = recipe.build_nmer()
    if nmer.natoms == 1:
        raise InputError("nmer.fragments is a single atom, which has no geometry to learn; add a second fragment")
    if nmer.natoms > MOST_ATOMS:
        raise InputError(f"nmer.fragments have {nmer.natoms} atoms in all; allowed: up to {MOST_ATOMS}")
    for number, fragment in enumerate(nmer.fragments):
        key = f"nmer.fragments.{number}"
        check_geometry(key, fragment.symbols, np.array(fragment.positions), fragment.bonds)
        _check_connected(key, fragment)
    _check_places(nmer)
    check_electrons(nmer)
    if recipe.fitting.switching is not None:
        recipe.fitting.switching.check(nmer)
    _check_counts(recipe, nmer)


def check_electrons(nmer: NMer) -> None:
    """Raise InputError unless the fragments, and the connected pieces of a covalent n-mer, have closed shells.

    Groups of fragments have closed shells if each of them has.
    """
    for number, fragment in enumerate(nmer.fragments):
        problem = closed_shell_problem(fragment.symbols, fragment.charge)
        if problem:
            raise InputError(f"nmer.fragments.{number} '{fragment.name}' {problem}")
        if len(fragment.parts) > 1:
            _check_pieces(nmer, fragment)


def _check_pieces(nmer: NMer, fragment: Fragment) -> None:
    owner = {atom: part for part, atoms in enumerate(fragment.parts) for atom in atoms}
    for i, j in fragment.bonds:
        for atom in (i, j):
            if owner[i] != owner[j] and fragment.symbols[atom] not in CAP_LENGTHS:
                raise InputError(
                    f"nmer.fragments.0: parts cut the bond [{i}, {j}] at {fragment.symbols[atom]}; caps sit on "
                    f"{' and '.join(CAP_LENGTHS)}"
                )
    for piece, _ in pieces(nmer):
        problem = closed_shell_problem(piece.fragment.symbols, piece.charge)
        if problem:
            raise InputError(f"nmer.fragments.0: the piece of parts {list(piece.parts)}, with its caps, {problem}")


def _check_connected(key: str, fragment: Fragment) -> None:
    """Raise InputError if a fragment's bonds do not join all its atoms."""
    if fragment.natoms == 1:
        return
    if not fragment.bonds:
        raise InputError(f"{key}: '{fragment.name}' has {fragment.natoms} atoms and no bonds; give its bonds")
    label = components(fragment.natoms, fragment.bonds)
    count = int(label.max()) + 1
    if count > 1:
        told = [
            "-".join(f"{fragment.symbols[a]}{a}" for a in np.flatnonzero(label == n)[:6])
            for n in range(min(count, 3))
        ]
        raise InputError(
            f"{key}: the bonds of '{fragment.name}' leave it in {count} pieces, {' and '.join(told)}"
            f"{' and more' if count > 3 else ''}; add the missing bonds, or make each piece a fragment"
        )


def _check_places(nmer: NMer) -> None:
    """Raise InputError if fragments overlap, or are too far apart."""
    x = nmer.positions
    owner = np.repeat(np.arange(len(nmer.fragments)), [f.natoms for f in nmer.fragments])
    check_places("nmer.fragments", nmer.symbols, x)
    for first, second in combinations(range(len(nmer.fragments)), 2):
        between = x[owner == first][:, None] - x[owner == second][None]
        distance = float(np.linalg.norm(between, axis=-1).min())
        if distance > FARTHEST:
            raise InputError(
                f"nmer.fragments {first} and {second} are {distance:.0f} A apart; allowed: up to {FARTHEST:g} A"
            )


def _check_counts(recipe: Recipe, nmer: NMer) -> None:
    """Raise InputError if a recipe asks for too many walkers or monomials."""
    if (walkers := recipe.sampling.walkers) > MOST_WALKERS:
        raise InputError(
            f"sampling has {walkers:,} walkers (temperatures x windows x seeds_per_window x force fields); "
            f"allowed: up to {MOST_WALKERS:,}"
        )
    for name, frames in recipe.sampling.shares.items():
        if (walkers := SAMPLERS.get(name).walkers(recipe.sampling)) > frames:
            raise InputError(
                f"sampling has {walkers:,} walkers for {frames:,} frames; "
                "allowed: one frame for each walker or more"
            )
    fitting = recipe.fitting
    least = max(1, len(nmer.fragments) - 1)  # a lower degree cannot join all fragments
    distances = len(Basis.build(nmer, least, fitting.terms, fitting.basis_options()).variables)
    count = comb(distances + fitting.degree, fitting.degree)
    if count > MOST_MONOMIALS:
        raise InputError(
            f"fitting.degree {fitting.degree} makes {count:,} products of {distances} distances; allowed: up to "
            f"{MOST_MONOMIALS:,}: lower degree, or leave distances out by rules"
        )
