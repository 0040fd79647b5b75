"""A recipe for a molecule of the user's own, alone or with a partner: ``nmer new``.

What decides it is written into the file: how the geometry was made, what the frames are sampled with and why, how
many terms there are, and how many labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, comb

import numpy as np
from numpy.typing import NDArray

from potentials.errors import InputError
from potentials.molecule import Fragment, NMer
from recipes.degrees import TermPlan, Terms, plan_terms
from recipes.estimate import label_cost
from recipes.fragmentation import fragment_molecule
from recipes.geometry import oriented, written
from recipes.labelling import Labelling
from recipes.molecules import Molecule, lowest_conformer
from recipes.placing import beside, central_atom, windows_of
from recipes.protocols import find_protocol
from recipes.sampling import ForceField
from recipes.writing import Notes, Settings, Size, recipe_text

Relax = Callable[[NMer], NDArray[np.float64]]
"""A molecule -> its nearest minimum on some surface, (atoms, 3), Angstrom."""

MOST_ATOMS = 20
"""Atoms of an n-mer; the papers' largest has 13."""

SMALL_LABEL = 10.0
"""A canonical label of up to so many CPU-seconds is the smoke preset's."""

LABELS_A_TERM = {1: 15, 2: 60}
"""Training configurations for each term, by the number of molecules: CH4 with water has 43,000 for 710 terms."""

FEWEST_LABELS, MOST_LABELS = 10_000, 47_000
"""Training configurations in the papers."""

SWITCHING = (8.0, 10.0)
"""r_in and r_out, Angstrom."""

LARGEST_T1, LARGEST_T1_OF_ANIONS = 0.03, 0.04
"""Where labels are flagged: CO2, amides, and F- lie at 0.018 to 0.024 in their minima, with one configuration."""

MEMORY = 6
"""Of a label's process where no formula knows it, GiB."""


@dataclass(frozen=True)
class OwnRecipe:
    """A recipe for a molecule of the user's own.

    Attributes
    ----------
    nmer
        The n-mer.
    terms
        The terms of each preset.
    text
        The recipe as TOML.
    """

    nmer: NMer
    terms: TermPlan
    text: str


def own_nmer(name: str, first: Molecule, second: Molecule | None = None, relax: Relax | None = None) -> NMer:
    """Return a molecule, alone or with a partner, as an n-mer with a starting geometry.

    Parameters
    ----------
    name
        Name of the n-mer.
    first, second
        Molecules read from SMILES; whole, so without caps.
    relax
        Finds the minimum of a molecule for which MMFF94 has no parameters.

    Raises
    ------
    InputError
        If there are too many atoms, nothing to be learnt, or a pair that no short-ranged potential describes.
    """
    _check_size(first, second)
    if second is None:
        if first.natoms == 1:
            raise InputError(
                f"{first.name} is a single atom: alone it has no geometry to learn; add a partner: --with water"
            )
        return NMer(name, (_fragment(first, relax),))
    if first.charge and second.charge:
        energy = 332.06 * first.charge * second.charge / SWITCHING[1]
        raise InputError(
            f"{first.name} and {second.name} are both charged: at {SWITCHING[1]:g} A, where the potential ends, "
            f"their energy is still {energy:+.0f} kcal/mol; make a recipe of each with a neutral molecule, and "
            "add charges on top"
        )
    one, other = _fragment(first, relax), _fragment(second, relax)
    return NMer(name, (one, beside(one, other)[0]))


def own_recipe(nmer: NMer, smiles: tuple[str, ...], force_field: ForceField, why: str) -> OwnRecipe:
    """Return the recipe of an n-mer of the user's own.

    Parameters
    ----------
    nmer
        The n-mer.
    smiles
        What its fragments were made from.
    force_field, why
        What the frames are sampled with, and why: one sentence.

    Raises
    ------
    InputError
        If there are too many terms.
    """
    terms = plan_terms(nmer)
    fragments, pair = nmer.fragments, len(nmer.fragments) > 1
    ion = any(f.charge for f in fragments)
    anion = any(f.charge < 0 for f in fragments)
    basis = "aug-cc-pVDZ" if anion else "cc-pVDZ"
    cost = label_cost(nmer, Labelling(method="CCSD(T)", basis=basis))
    what = " with ".join(f.name for f in fragments)
    energies = (
        "counterpoise-corrected two-body energies" if pair else "those above the molecule's own optimized geometry"
    )
    slow = force_field == "GFN2-xTB"
    settings = Settings(
        comment=f"{what}, from the SMILES {' and '.join(smiles)}. Energies are {energies}. Written by nmer new; "
        "docs/new.md tells how each number was chosen.",
        title=what,
        smoke=_smoke(terms.smoke, pair, ion, slow),
        laptop=_laptop(terms.laptop, pair, ion, slow),
        paper=_paper(terms.paper, pair, ion),
        rules=terms.rules,
        switching=((central_atom(fragments[0]), fragments[0].natoms + central_atom(fragments[1])), SWITCHING)
        if pair
        else None,
        force_field=force_field,
        small=cost is not None and cost.cpu_seconds <= SMALL_LABEL,
        windows=windows_of(_distance(fragments)) if pair else (),
        smoke_basis=basis,
        memory=_memory(nmer),
        max_t1=LARGEST_T1_OF_ANIONS if anion else LARGEST_T1,
        notes=_notes(why, ion),
    )
    return OwnRecipe(nmer, terms, recipe_text(nmer, settings))


def _check_size(first: Molecule, second: Molecule | None) -> None:
    atoms = first.natoms + (second.natoms if second else 0)
    if atoms <= MOST_ATOMS:
        return
    largest = first if second is None or first.natoms >= second.natoms else second
    heavy = sum(s != "H" for s in largest.symbols)
    distances = comb(atoms, 2)
    try:
        fragment_molecule(largest)
        advice = f"take it apart with: nmer fragment '{largest.smiles}'"
    except InputError:
        advice = "choose a smaller molecule that has the part that matters (nmer fragment takes chains apart)"
    raise InputError(
        f"'{largest.smiles}' has {heavy} heavy atoms and {largest.natoms} in all"
        f"{f', {atoms} with its partner' if second else ''}: {distances:,} distances, which make "
        f"{comb(distances + 3, 3) - 1:,} products up to degree 3; at most {MOST_ATOMS} atoms "
        f"({comb(MOST_ATOMS, 2)} distances) are taken at once: {advice}"
    )


def _fragment(molecule: Molecule, relax: Relax | None) -> Fragment:
    """Return a whole molecule as a fragment, heavy atoms first, equivalent atoms side by side."""
    positions, known = lowest_conformer(molecule)
    plain = _placed(molecule, molecule.symbols, molecule.bonds, positions)
    classes = NMer("", (plain,)).classes
    order = sorted(
        range(molecule.natoms), key=lambda a: (molecule.symbols[a] == "H", classes.index(classes[a]), a)
    )
    place = {atom: number for number, atom in enumerate(order)}
    bonds = sorted((min(place[i], place[j]), max(place[i], place[j])) for i, j in molecule.bonds)
    symbols = tuple(molecule.symbols[a] for a in order)
    found = _placed(molecule, symbols, tuple(bonds), positions[order])
    if known:
        return found
    if relax is None:
        raise InputError(
            f"MMFF94 has no parameters for '{molecule.smiles}', and GFN2-xTB, which would find its geometry, is "
            "not installed; install it with: pip install 'nmer[xtb]'"
        )
    return _placed(molecule, symbols, tuple(bonds), relax(NMer(molecule.name, (found,))))


def _placed(
    molecule: Molecule,
    symbols: tuple[str, ...],
    bonds: tuple[tuple[int, int], ...],
    positions: NDArray[np.float64],
) -> Fragment:
    first = min((j if i == 0 else i for i, j in bonds if 0 in (i, j)), default=0)
    name = "water" if molecule.smiles == "O" else molecule.name
    return Fragment(name, symbols, written(oriented(positions, first)), bonds, charge=molecule.charge)


def _distance(fragments: tuple[Fragment, ...]) -> float:
    """Return the distance of two fragments' centres at which they have room."""
    return beside(fragments[0], fragments[1])[1]


def _smoke(terms: Terms, pair: bool, ion: bool, slow: bool) -> Size:
    frames = (450 if slow else 9000) if pair else (300 if slow else 3000)
    gates = (2.0, 4.0) if ion or not pair else (1.0, 2.0)
    return Size(frames, 100, 20, terms.degree, terms.max_terms, gates, 3)


def _laptop(terms: Terms, pair: bool, ion: bool, slow: bool) -> Size:
    train = min(3000, max(1000, 500 * ceil(3 * terms.count / 500)))
    frames = (27_000 if slow else 90_000) if pair else (15_000 if slow else 60_000)
    return Size(
        frames,
        train,
        train // 10,
        terms.degree,
        terms.max_terms,
        (0.5, 1.0) if ion else (0.3, 0.5),
        3 if terms.max_terms else None,
    )


def _paper(terms: Terms, pair: bool, ion: bool) -> Size:
    wanted = LABELS_A_TERM[2 if pair else 1] * terms.count
    train = min(MOST_LABELS, max(FEWEST_LABELS, 1000 * round(wanted / 1000)))
    gates = (0.5, 0.5) if ion or not pair else (0.2, 0.3)
    frames = 600_000 if pair else 200_000
    return Size(frames, train, 2000 if pair else 1000, terms.degree, terms.max_terms, gates)


def _memory(nmer: NMer) -> int:
    """Return what a process of the paper preset's labels may take, GiB, with a third to spare."""
    cost = label_cost(nmer, find_protocol("composite-aug-cc-pvtz"))
    return MEMORY if cost is None else max(3, ceil(cost.memory * 4 / 3))


def _notes(why: str, ion: bool) -> Notes:
    plain = Notes()
    switching = "Full up to r_in, nothing from r_out on."
    if ion:
        switching += (
            " The energy of an ion with a dipole of 1.85 D is 1.3 kcal/mol at 10 A: what lies beyond r_in is for "
            "charges and polarizabilities on top of this potential."
        )
    return replace(
        plain,
        force_field=why,
        max_t1="Above the usual 0.02, which common molecules come near or pass; max_t2 stays at 0.2 and "
        "tells better whether one configuration is enough.",
        switching=switching,
        smoke="Shows every stage, and is not a potential for science; `nmer plan` says how long it takes.",
        laptop="A first potential; `nmer plan` says how long it takes. Labels are those of the protocol "
        "fno-aug-cc-pvdz.",
        paper="The size of the papers' potentials: their numbers of frames, and as many configurations for each "
        "term. The papers label with DLPNO-CCSD(T)/aug-cc-pVTZ, this with the open composite near "
        "CCSD(T)/aug-cc-pVTZ, which is the protocol composite-aug-cc-pvtz.",
    )
