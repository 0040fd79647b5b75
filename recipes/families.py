"""Families of recipes, and what the papers report for their members."""

from __future__ import annotations

from dataclasses import dataclass

from potentials.errors import InputError


@dataclass(frozen=True)
class Published:
    """Errors of a published potential against its own CCSD(T) labels.

    Attributes
    ----------
    train_rmsd, test_rmsd
        kcal/mol.
    """

    train_rmsd: float
    test_rmsd: float


FAMILIES: dict[str, tuple[str, ...]] = {
    "polyalanine": (
        "ch",
        "ch3",
        "conh",
        "ch-ch3",
        "ch3-conh",
        "conh-ch3",
        "ch-conh",
        "conh-ch",
        "ch3-ch-conh",
        "conh-ch-ch3",
        "ch3-conh-ch",
        "ch-conh-ch3",
        "ch-conh-ch",
        "conh-ch-conh",
        "conh-conh-pair",
    ),
    "polyalanine-water": ("ch-water", "ch3-water", "conh-water"),
    "water": ("water", "water-water", "water-water-water"),
}
"""Members of each family, in the order in which they are trained.

Polyalanine has the 14 n-mers of paper I, and the pair of -CONH- that are not bonded; with water the 3 of paper II.
Water is a model of its own, of one, two and three molecules.
"""


@dataclass(frozen=True)
class Solvated:
    """A molecule in water in a periodic cell, or water alone, on which the sum of a family is tested.

    Attributes
    ----------
    molecule
        Name of a chain; empty: water alone.
    waters
        Number of water molecules: so many that the cell is twice as wide as V_phys' cut-off of 9 A.
    water
        The model of the waters among themselves, see `tasks.sums.make.sum_potential`.
    seed
        Seed of the geometry and of the waters' places.
    """

    molecule: str
    waters: int
    water: str
    seed: int = 2025


@dataclass(frozen=True)
class Trial:
    """What the sum of a family is tested on by its gates and checks.

    Attributes
    ----------
    molecules
        Names of molecules in vacuum, the smallest first.
    solvated
        A system with water.
    base
        The family of the n-mers without water, which are in the sum too; empty: it is the family itself.
    """

    molecules: tuple[str, ...] = ()
    solvated: Solvated | None = None
    base: str = ""


TRIALS = {
    "polyalanine": Trial(("AceAlaNme", "AceAla3Nme", "AceAla9Nme")),
    "polyalanine-water": Trial(("AceAlaNme",), Solvated("AceAlaNme", 216, "q-TIP4P/F"), "polyalanine"),
    "water": Trial((), Solvated("", 216, "own")),
}
"""Test molecules and systems of each family."""

PUBLISHED = {
    "ch": Published(0.05, 0.14),
    "ch3": Published(0.05, 0.14),
    "ch-water": Published(0.07, 0.08),
    "ch3-water": Published(0.08, 0.08),
    "conh-water": Published(0.18, 0.20),
}
"""Figures of single n-mers in the papers; of all others they say that the test RMSD is below 0.5 kcal/mol."""


def family(name: str) -> tuple[str, ...]:
    """Return the recipes of a family.

    Raises
    ------
    InputError
        If there is no such family.
    """
    if name not in FAMILIES:
        raise InputError(f"family '{name}' is unknown; allowed: {', '.join(FAMILIES)}")
    return FAMILIES[name]
