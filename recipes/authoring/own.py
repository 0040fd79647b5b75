"""A recipe for a user's molecule, alone or with one or two partners: ``nmer new``.

The file says how the geometry was made, what the frames are sampled with and why, and how many terms and labels
there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, comb

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Key
from potentials.units import COULOMB
from recipes.authoring.degrees import TermPlan, plan_terms
from recipes.authoring.settings import Notes, Settings, Size
from recipes.authoring.writing import recipe_text
from recipes.chemistry.fragmentation import fragment_molecule
from recipes.chemistry.geometry import oriented, written
from recipes.chemistry.molecules import Molecule, lowest_conformer
from recipes.chemistry.placing import (
    all_beside,
    beside,
    central_key,
    mean_distance,
    windows_of,
    windows_of_three,
)
from recipes.estimate import label_cost
from recipes.protocols import find_protocol
from recipes.schema.labelling import Labelling
from recipes.schema.sampling import FORCE_FIELDS

Relax = Callable[[NMer], Floats]
"""Returns the nearest minimum of a molecule on some surface, (atoms, 3), Angstrom."""

MOST_ATOMS = 20
"""Largest number of atoms of an n-mer; the papers' largest has 13."""

SMALL_LABEL = 10.0
"""The smoke preset has canonical labels if one takes at most this time, CPU-seconds."""

LABELS_A_TERM = {1: 15, 2: 60, 3: 15}
"""Training configurations for each term, by the number of molecules: CH4 with water has 43,000 for 710 terms."""

FEWEST_LABELS, MOST_LABELS = 10_000, 47_000
"""Training configurations in the papers."""

SWITCHING = {2: (8.0, 10.0), 3: (5.5, 7.5)}
"""r_in and r_out, Angstrom, by the number of molecules."""

BODIES = {2: "two", 3: "three"}

GATES = {
    1: ((2.0, 4.0), (0.3, 0.5), (0.5, 0.5)),
    2: ((1.0, 2.0), (0.3, 0.5), (0.2, 0.3)),
    3: ((0.2, 0.4), (0.1, 0.2), (0.05, 0.1)),
}
"""Largest RMSD on the training and on the test set of each preset, kcal/mol, by the number of molecules."""

GATES_OF_IONS = {
    1: ((2.0, 4.0), (0.5, 1.0), (0.5, 0.5)),
    2: ((2.0, 4.0), (0.5, 1.0), (0.5, 0.5)),
    3: ((0.6, 1.2), (0.2, 0.4), (0.1, 0.2)),
}

LARGEST_T1, LARGEST_T1_OF_ANIONS = 0.03, 0.04
"""T1 above which labels are flagged; CO2, amides, and F- have 0.018 to 0.024 at their single-reference minima."""

MEMORY = 6
"""Memory of a label's process if no formula gives it, GiB."""

PRESET_NOTES = {
    "smoke": "Shows every stage, and is not a potential for science; `nmer plan` says how long it takes.",
    "laptop": "A first potential; `nmer plan` says how long it takes. Labels are those of the protocol "
    "fno-aug-cc-pvdz.",
    "paper": "The size of the papers' potentials: their numbers of frames, and as many configurations for each "
    "term. The papers label with DLPNO-CCSD(T)/aug-cc-pVTZ, this with the open composite near "
    "CCSD(T)/aug-cc-pVTZ, which is the protocol composite-aug-cc-pvtz.",
}
"""Comments on the presets."""


@dataclass(frozen=True)
class OwnRecipe:
    """A recipe for a user's molecule.

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


def own_nmer(name: str, first: Molecule, *partners: Molecule, relax: Relax | None = None) -> NMer:
    """Return a molecule, alone or with partners, as an n-mer with a starting geometry.

    Parameters
    ----------
    name
        Name of the n-mer.
    first, partners
        Molecules read from SMILES; whole, so without caps.
    relax
        Finds the minimum of a molecule for which MMFF94 has no parameters.

    Raises
    ------
    InputError
        If there are too many atoms or partners, no geometry to learn, or two charges, which no short-ranged
        potential describes.
    """
    if len(partners) > 2:
        raise InputError(f"{first.name} has {len(partners)} partners; allowed: one or two")
    _check_size(first, *partners)
    if not partners:
        if first.natoms == 1:
            raise InputError(
                f"{first.name} is a single atom: alone it has no geometry to learn; add a partner: --with water"
            )
        return NMer(name, (_fragment(first, relax),))
    charged = [molecule for molecule in (first, *partners) if molecule.charge]
    if len(charged) > 1:
        one, other = charged[:2]
        end = SWITCHING[1 + len(partners)][1]
        energy = COULOMB * one.charge * other.charge / end
        raise InputError(
            f"{one.name} and {other.name} are both charged: at {end:g} A, where the potential ends, "
            f"their energy is still {energy:+.0f} kcal/mol; make a recipe of each with a neutral molecule, and "
            "add charges on top"
        )
    return NMer(name, all_beside([_fragment(molecule, relax) for molecule in (first, *partners)]))


def own_recipe(nmer: NMer, smiles: tuple[str, ...], force_field: str, why: str) -> OwnRecipe:
    """Return the recipe of a user's n-mer.

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
    fragments, bodies = nmer.fragments, len(nmer.fragments)
    ion = any(f.charge for f in fragments)
    anion = any(f.charge < 0 for f in fragments)
    basis = "aug-cc-pVDZ" if anion else "cc-pVDZ"
    what = " with ".join(f.name for f in fragments)
    energies = "those above the molecule's own optimized geometry"
    if bodies > 1:
        energies = f"counterpoise-corrected {BODIES[bodies]}-body energies"
    settings = Settings(
        comment=f"{what}, from the SMILES {' and '.join(smiles)}. Energies are {energies}. Written by nmer new; "
        "docs/new.md tells how each number was chosen.",
        title=what,
        **sizes(terms, bodies, ion, is_slow(force_field)),
        baseline="",
        rules=terms.rules,
        molecules=(),
        levels=(),
        first_gradients=False,
        levels_gamma=None,
        switching=(_keys(nmer), SWITCHING[bodies]) if bodies > 1 else None,
        force_field=force_field,
        small=is_small(nmer, basis),
        windows=_windows(fragments) if bodies > 1 else (),
        smoke_basis=basis,
        memory=label_memory(nmer),
        max_t1=LARGEST_T1_OF_ANIONS if anion else LARGEST_T1,
        notes=_notes(why, ion, bodies),
    )
    return OwnRecipe(nmer, terms, recipe_text(nmer, settings))


def _check_size(*molecules: Molecule) -> None:
    atoms = sum(molecule.natoms for molecule in molecules)
    if atoms <= MOST_ATOMS:
        return
    largest = max(molecules, key=lambda molecule: molecule.natoms)
    partners = {1: "", 2: f", {atoms} with its partner", 3: f", {atoms} with its partners"}[len(molecules)]
    heavy = sum(s != "H" for s in largest.symbols)
    distances = comb(atoms, 2)
    try:
        fragment_molecule(largest)
        advice = f"take it apart with: nmer fragment '{largest.smiles}'"
    except InputError:
        advice = "choose a smaller molecule with the group of interest (nmer fragment takes chains apart)"
    raise InputError(
        f"'{largest.smiles}' has {heavy} heavy atoms and {largest.natoms} in all{partners}: "
        f"{distances:,} distances, which make "
        f"{comb(distances + 3, 3) - 1:,} products up to degree 3; at most {MOST_ATOMS} atoms "
        f"({comb(MOST_ATOMS, 2)} distances) are taken at once: {advice}"
    )


def _fragment(molecule: Molecule, relax: Relax | None) -> Fragment:
    """Return a whole molecule as a fragment, heavy atoms first, equivalent atoms side by side."""
    positions, known = lowest_conformer(molecule)
    name = "water" if molecule.smiles == "O" else molecule.name
    plain = Fragment(name, molecule.symbols, written(positions), molecule.bonds, charge=molecule.charge)
    classes = NMer("", (plain,)).classes
    order = sorted(
        range(molecule.natoms), key=lambda a: (molecule.symbols[a] == "H", classes.index(classes[a]), a)
    )
    place = {atom: number for number, atom in enumerate(order)}
    bonds = sorted((min(place[i], place[j]), max(place[i], place[j])) for i, j in molecule.bonds)
    symbols = tuple(molecule.symbols[a] for a in order)
    found = replace(plain, symbols=symbols, positions=oriented(positions[order], bonds), bonds=tuple(bonds))
    if known:
        return found
    if relax is None:
        raise InputError(
            f"MMFF94 has no parameters for '{molecule.smiles}', and GFN2-xTB, which would find its geometry, is "
            "not installed; install it with: pip install 'nmer[xtb]'"
        )
    return replace(found, positions=oriented(relax(NMer(molecule.name, (found,))), found.bonds))


def _keys(nmer: NMer) -> tuple[Key, ...]:
    """Return the switching key of each fragment: its central atom, or all atoms equivalent to it."""
    keys = [
        tuple(part.start + atom for atom in central_key(fragment))
        for fragment, part in zip(nmer.fragments, nmer.slices, strict=True)
    ]
    return tuple(key if len(key) > 1 else key[0] for key in keys)


def _windows(fragments: tuple[Fragment, ...]) -> tuple[tuple[float, float], ...]:
    """Return windows that the fragments can reach from the distance at which they have room."""
    if len(fragments) == 2:
        return windows_of(beside(fragments[0], fragments[1])[1])
    return windows_of_three(mean_distance(fragments))


def sizes(terms: TermPlan, bodies: int, ion: bool, slow: bool) -> dict[str, Size]:
    """Return the size of each preset, for one to three molecules; a slow force field makes fewer frames."""
    frames = (450 if slow else 9000, 27_000 if slow else 90_000, 600_000)
    if bodies == 1:
        frames = (300 if slow else 3000, 15_000 if slow else 60_000, 200_000)
    laptop = min(3000, max(1000, 500 * ceil(3 * terms.laptop.count / 500)))
    wanted = 1000 * round(LABELS_A_TERM[bodies] * terms.paper.count / 1000)
    paper = min(MOST_LABELS, max(FEWEST_LABELS, wanted))
    labels = ((100, 20), (laptop, laptop // 10), (paper, 2000 if bodies > 1 else 1000))
    counts = {"smoke": terms.smoke, "laptop": terms.laptop, "paper": terms.paper}
    starts = (3, 3 if terms.laptop.max_terms else None, None)
    gates = (GATES_OF_IONS if ion else GATES)[bodies]
    return {
        preset: Size(frames[n], *labels[n], count.degree, count.max_terms, gates[n], starts[n])
        for n, (preset, count) in enumerate(counts.items())
    }


def is_slow(force_field: str) -> bool:
    """Return whether a force field is so slow that its steps take a noticeable time."""
    return FORCE_FIELDS.get(force_field).step_seconds is not None


def is_small(nmer: NMer, basis: str = "cc-pVDZ") -> bool:
    """Return whether a canonical CCSD(T) label in a basis takes at most `SMALL_LABEL`."""
    cost = label_cost(nmer, Labelling(method="CCSD(T)", basis=basis))
    return cost is not None and cost.cpu_seconds <= SMALL_LABEL


def label_memory(nmer: NMer) -> int:
    """Return the memory of a label's process in the paper preset, GiB, with a margin of a third."""
    cost = label_cost(nmer, find_protocol("composite-aug-cc-pvtz"))
    return MEMORY if cost is None else max(3, ceil(cost.memory * 4 / 3))


def _notes(why: str, ion: bool, bodies: int) -> Notes:
    switching = "Full up to r_in, nothing from r_out on."
    if bodies > 2:
        switching = (
            "The product over all pairs: full where all are within r_in, nothing where one is beyond r_out."
        )
    elif ion:
        switching += (
            " The energy of an ion with a dipole of 1.85 D is 1.3 kcal/mol at 10 A: beyond r_in, charges and "
            "polarizabilities must be added to this potential."
        )
    return Notes(
        force_field=why,
        max_t1="Above the usual 0.02, which common molecules come near or pass; max_t2 stays at 0.2 and "
        "tells better whether one configuration is enough.",
        switching=switching,
        **PRESET_NOTES,
    )
