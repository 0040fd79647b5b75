"""Write the recipes of the papers' n-mers from the fragments of a chain: ``python -m recipes.authoring.generate``.

`ch3-water.toml` was written by hand and stays as it is, because stores have its keys; all others follow its style.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.authoring.settings import LevelSize, Notes, Settings, Size
from recipes.authoring.writing import recipe_text
from recipes.chemistry.fragmentation import FoundNMer, fragment_molecule
from recipes.chemistry.molecules import chain
from recipes.chemistry.pairs import SUFFIX
from recipes.chemistry.placing import all_beside, mean_distance, windows_of
from recipes.families import FAMILIES

CHAIN = "AceAla2Nme"
"""The shortest chain that has all n-mers of polyalanine."""

BY_HAND = "ch3-water"

RECIPES = Path(__file__).resolve().parents[1]
"""Where the shipped recipes are."""

ALKANE = ("ch", "ch3")
"""1-mers with terms up to degree 5; all others have terms up to degree 3."""

BASELINE = "physics:polyalanine"
"""Parameters of V_phys beneath the PIPs."""

WATER_RADII = (4.5, 6.5)
"""Radii of the switching with water, Angstrom."""

PAIR = "conh-conh-pair"

PAIR_RADII = (6.0, 8.0)
"""Radii of the switching of a pair, between the middles of the C-N bonds, Angstrom."""

FOLDED = ("AceAla4Nme", "AceAla6Nme")
"""Chains from whose conformations some frames are cut; errors of sums are those of others (docs/physics.md)."""

BETWEEN_AMIDES = "conh-ch-conh"
"""The 3-mer whose -CONH- a fold stacks: some of its frames are cut from `FOLDED`, as those of the pair."""

UNSCREENED = ("conh", "ch-ch3")
"""Larger n-mers that keep all terms of degree 3; the others keep those whose atoms are connected."""

PAPER_TERMS = 2871
"""Largest number of terms of an n-mer in paper I."""

WATER_TERMS = 1267
"""Number of terms of -CONH- with water in paper II."""

SMALL_MP2, MP2, TOP = "df-mp2-aug-cc-pvdz", "df-mp2-aug-cc-pvtz", "composite-aug-cc-pvtz"
"""Protocols of the preset ``levels`` above GFN2-xTB; labels of the last hold those of the two before."""

ORIGIN = "Made by recipes/authoring/generate.py; docs/fragments.md tells how."

WATER_DISTANCE = 3.6
"""Distance from the first atom of a 1-mer to the oxygen of the water beside it, Angstrom."""

WATER_HYDROGEN = (0.75908, 0.557641)
"""Distances of each H of water from its O, across and along the bisector, Angstrom."""


def recipe_texts() -> dict[str, str]:
    """Return the text of each generated recipe by its name."""
    found = {nmer.name: nmer for nmer in fragment_molecule(chain(CHAIN))}
    texts = {
        name: recipe_text(found[name].nmer, gas_phase_settings(found[name]))
        for name in FAMILIES["polyalanine"]
        if not name.endswith(SUFFIX)
    }
    pair = NMer(PAIR, all_beside([found["conh"].fragment] * 2))
    texts[PAIR] = recipe_text(pair, pair_settings(pair))
    for name in FAMILIES["polyalanine-water"]:
        if name != BY_HAND:
            one = found[name.removesuffix("-water")].fragment
            nmer = NMer(name, (one, water_beside(one)))
            texts[name] = recipe_text(nmer, water_settings(nmer))
    return texts


AMIDE_T1 = 0.03
"""T1 above which the preset ``levels`` flags labels of n-mers with -CONH-, the limit of recipes of own molecules:
11 of 125 composite labels of ``conh`` have 0.020 to 0.025, and amides 0.018 at their minima."""


AMIDE_FIRST_GAMMA, AMIDE_GAMMA = 5e-5, 0.005
"""Ridge of the first level of ``conh`` in that preset, and of its differences. The gradients of the first level
fix what a larger ridge would; the differences have none. With 5e-4 for all, the test error is 0.13 kcal/mol, and
simulations at 700 K fall through a hole beyond the labels (O-H below 2.6 Angstrom); with 5e-4 and 0.01 those of
one in eight seeds do. With these values none of eight does, and the test error is 0.16."""


METHANE_GAMMA = 1e-5
"""Ridge of all levels of ``ch`` and ``ch3`` in that preset. Labels have no noise, and those of GFN2-xTB have
gradients: with 0.0005 the sum's errors for ``ch`` are 0.14 (train) and 0.07 (test) kcal/mol, with this 0.03 and
0.01, and simulations at 700 K find no hole."""


WATER_GAMMA = 0.01
"""Ridge of the differences of ``conh-water`` in that preset: 800 labels of MP2 are few for 321 terms. Errors of
labels held back are 0.32 kcal/mol with 5e-4, 0.26 with this, 0.25 with 0.02. From MP2/aug-cc-pVDZ to the composite
the rms is 0.24, of which 12 terms fitted to 100 labels leave 0.05: MP2 in the larger basis is not needed."""


def levels_of(
    order: int, small: bool, few: tuple[int, int] = (60, 15), methane: bool = False, amide: bool = False
) -> tuple[LevelSize, ...]:
    """Return the levels above GFN2-xTB of an n-mer, by its order.

    The difference from GFN2-xTB to MP2 is fitted better with terms of degree 3 where these are not too many.
    Most of the change from MP2/aug-cc-pVDZ to the composite is that of the basis set: of formamide's energies
    1.6 kcal/mol (root mean square), of which MP2 in the larger basis leaves 0.4. Three-body energies change
    by less than 0.1 kcal/mol with the basis, and by 0.01 to 0.06 from MP2 to CCSD(T): few labels are enough,
    with few terms.

    Parameters
    ----------
    order
        Number of its 1-mers; water counts as one.
    small
        Whether its terms of degree 3 are few.
    few
        Training and test configurations of the last level of a 3-mer.
    methane
        Whether it is a capped group that is CH4: terms of degree 5 are few. Measured for ``ch`` with a ridge of
        5e-6, errors of labels held back, kcal/mol: 2,000 labels of MP2/aug-cc-pVDZ 0.015 with degree 4, 0.013 with
        5; 240 of MP2/aug-cc-pVTZ 0.025 with 3, 0.013 with 4; 100 of the composite 0.045 with 2, 0.013 with 3.
    amide
        Whether it has a -CONH-.
    """
    t1 = AMIDE_T1 if amide else None
    if order == 3:
        return LevelSize(SMALL_MP2, 800, 100), LevelSize(TOP, *few, degree=1, max_t1=t1)
    if methane:
        return LevelSize(SMALL_MP2, 2000, 200, 5), LevelSize(MP2, 240, 60, 4), LevelSize(TOP, 100, 25, 3)
    first = LevelSize(SMALL_MP2, 800, 100)
    if order == 1:
        ridge = AMIDE_GAMMA
        return (
            LevelSize(SMALL_MP2, 2000, 200, 3, gamma=ridge),
            LevelSize(MP2, 240, 60, gamma=ridge),
            LevelSize(TOP, 100, 25, max_t1=t1, gamma=ridge),
        )
    if small:
        first = LevelSize(SMALL_MP2, 1200, 120, 3)
    return first, LevelSize(MP2, 240, 60), LevelSize(TOP, 100, 25, max_t1=t1)


def amide_in_water() -> tuple[LevelSize, ...]:
    """Return the levels above GFN2-xTB of ``conh-water``."""
    return (
        LevelSize(SMALL_MP2, 800, 100, gamma=WATER_GAMMA),
        LevelSize(TOP, 100, 25, degree=1, max_t1=AMIDE_T1, gamma=WATER_GAMMA),
    )


def gas_phase_settings(found: FoundNMer) -> Settings:
    """Return the settings of an n-mer of paper I."""
    order, small, folded = found.order, found.name in ALKANE, found.name == BETWEEN_AMIDES
    screened = order > 1 and found.name not in UNSCREENED
    terms = PAPER_TERMS if order == 3 else None
    few = None if small or found.name == "ch-ch3" else 60 if order < 3 else 40
    energy = "those above its own optimized geometry" if order == 1 else f"{order}-body energies"
    return Settings(
        comment=f"The {found.label} {order}-mer of a polyalanine chain, closed with caps where bonds are cut: one "
        "of the 14 gas-phase n-mers of paper I (Zhou, Bull-Vulpe, Pan, Paesani 2025). Energies are "
        f"{energy}. {ORIGIN}",
        title=f"{found.label} (capped), {order}-mer of polyalanine",
        baseline=BASELINE,
        smoke=Size(
            3000,
            100 if order < 3 else 60,
            20 if order < 3 else 12,
            3 if small else 2,
            few,
            (2.0, 4.0) if order == 1 else (1.0, 2.0),
            3,
            cut=100 if folded else 0,
        ),
        laptop=Size(
            60_000,
            (2000, 3000, 4000)[order - 1],
            (200, 300, 400)[order - 1],
            5 if small else 3,
            1000 if screened else None,
            (0.3, 0.5),
            2 if order == 3 else 3 if screened else None,
            cut=2000 if folded else 0,
        ),
        paper=Size(
            200_000,
            47_000 if found.name == BETWEEN_AMIDES else (10_000, 20_000, 40_000)[order - 1],
            (1000, 1000, 2000)[order - 1],
            5 if small else 3,
            terms,
            (0.5, 0.5),
            cut=10_000 if folded else 0,
        ),
        molecules=FOLDED if folded else (),
        rules=("connected",) if screened else (),
        small=order == 1,
        levels=levels_of(order, order == 1, (48, 12) if folded else (60, 15), small, "conh" in found.name),
        first_gradients=order == 1,
        levels_gamma=None if order > 1 else METHANE_GAMMA if small else AMIDE_FIRST_GAMMA,
    )


def water_settings(nmer: NMer) -> Settings:
    """Return the settings of a dimer with water of paper II."""
    one = nmer.fragments[0]
    small = one.name != "-CONH-"
    return Settings(
        comment=f"The {one.name} 1-mer, closed with caps where bonds are cut, with one water molecule: a dimer of "
        "paper II (Zhou and Paesani 2025, polyalanine in water). Energies are counterpoise-corrected two-body "
        f"energies. {ORIGIN}",
        title=f"{one.name} (capped) with water",
        baseline=BASELINE,
        smoke=Size(9000, 100, 20, 2, None if small else 60, (1.0, 2.0), 3),
        laptop=Size(
            90_000,
            2000 if small else 3000,
            200 if small else 300,
            3,
            None if small else 1000,
            (0.3, 0.5),
            None if small else 3,
        ),
        paper=Size(
            600_000,
            43_000 if small else 47_000,
            2000,
            3,
            None if small else WATER_TERMS,
            (0.1, 0.1) if small else (0.2, 0.3),
        ),
        switching=((0, one.natoms), WATER_RADII),
        notes=Notes(switching="The papers name the cosine form but not the radii. Beyond r_out V_phys is left."),
        small=small,
        levels=levels_of(2, small) if small else amide_in_water(),
    )


def pair_settings(nmer: NMer) -> Settings:
    """Return the settings of two -CONH- that are not bonded to each other."""
    size = nmer.fragments[0].natoms
    return Settings(
        comment="Two -CONH- of a chain that are not bonded to each other, closed with caps where bonds are cut: "
        "the hydrogen bonds of a helix, beyond the n-mers of paper I (Zhou, Bull-Vulpe, Pan, Paesani 2025). "
        f"Energies are counterpoise-corrected two-body energies. {ORIGIN}",
        title="-CONH- with -CONH- (capped), not bonded to each other",
        baseline=BASELINE,
        smoke=Size(9000, 100, 20, 2, 60, (1.0, 2.0), 3, cut=200),
        laptop=Size(90_000, 4000, 400, 3, 1000, (0.3, 0.5), 2, cut=3000),
        paper=Size(600_000, 47_000, 2000, 3, PAPER_TERMS, (0.5, 0.5), cut=20_000),
        molecules=FOLDED,
        rules=("connected",),
        switching=(((0, 2), (size, size + 2)), PAIR_RADII),
        windows=windows_of(mean_distance(nmer.fragments)),
        small=False,
        levels=(LevelSize(SMALL_MP2, 800, 100), LevelSize(TOP, 60, 15, max_t1=AMIDE_T1)),
        notes=Notes(
            switching="From the middle of the C-N bond; beyond r_out V_phys is left. Two -CONH- 8 A apart are 5 A "
            "apart at their nearest atoms.",
        ),
    )


def water_beside(fragment: Fragment) -> Fragment:
    """Return a water molecule beside a fragment's first atom, where there is room, its hydrogens pointing away."""
    placed = np.array(fragment.positions)
    ways = np.vstack([np.eye(3)[::-1], -np.eye(3)[::-1]])
    room = [round(np.linalg.norm(placed - WATER_DISTANCE * way, axis=1).min(), 1) for way in ways]
    way = ways[int(np.argmax(room))]
    side = np.roll(way, 1)
    across, along = WATER_HYDROGEN
    oxygen = WATER_DISTANCE * way
    atoms = (oxygen, oxygen + along * way + across * side, oxygen + along * way - across * side)
    positions = tuple((float(x) + 0.0, float(y) + 0.0, float(z) + 0.0) for x, y, z in atoms)
    return Fragment("water", ("O", "H", "H"), positions, ((0, 1), (0, 2)))


def main() -> int:
    """Write the recipe files."""
    for name, text in recipe_texts().items():
        (RECIPES / f"{name}.toml").write_text(text, encoding="utf-8")
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
