"""Types of atoms for V_phys, derived from the graph: the 1-mer, its neighbour, and the element.

``conh:O`` is the oxygen of -CONH-. A 1-mer with one neighbour is named with it: ``ch3@N:H`` is a hydrogen of CH3-
bonded to N of -CONH-, ``ch3:H`` one whose neighbour a cut bond hides. A cap is not an atom: it has no type. A
molecule that is not divided into 1-mers has its SMILES, all bonds single, in their place: ``CO:O``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from potentials.errors import InputError
from potentials.graph import components
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.physics.topology import Topology
from recipes.chemistry.molecules import Molecule
from recipes.chemistry.onemers import ONE_MERS, Group, OneMer, find_groups

CAP = OneMer("cap", "cap", "[#6X1]")
"""Stands for a cap: written as a carbon with one bond, so that its anchor has the bonds that it has in a chain."""


@dataclass(frozen=True)
class TypedAtoms:
    """The type and the 1-mer of each atom.

    Attributes
    ----------
    types
        Type of each atom; empty for a cap.
    onemers
        Number of the 1-mer of each atom, in the order of first appearance; a cap has that of its anchor.
    """

    types: tuple[str, ...]
    onemers: tuple[int, ...]


def type_molecule(molecule: Molecule, one_mers: Sequence[OneMer] = ONE_MERS) -> tuple[TypedAtoms, Topology]:
    """Return the types of a molecule's atoms, or of several molecules', and the topology of V_phys.

    Parameters
    ----------
    molecule
        The molecule. One that the 1-mers do not cover is a single 1-mer.
    one_mers
        The kinds of 1-mer.

    Raises
    ------
    InputError
        If a bond between two 1-mers cannot be cut.
    """
    types, owners = [""] * molecule.natoms, [0] * molecule.natoms
    number = components(molecule.natoms, molecule.bonds)
    first = 0
    for component in range(int(number.max(initial=-1)) + 1):
        atoms = [a for a in range(molecule.natoms) if number[a] == component]
        place = {a: n for n, a in enumerate(atoms)}
        one = Molecule(
            molecule.name,
            tuple(molecule.symbols[a] for a in atoms),
            tuple((place[i], place[j]) for i, j in molecule.bonds if i in place),
        )
        try:
            groups = find_groups(one, one_mers)
        except InputError:
            groups = ()
        found = _of_groups(one, groups) if groups else _undivided(one)
        for a in atoms:
            types[a], owners[a] = found.types[place[a]], first + found.onemers[place[a]]
        first = max(owners[a] for a in atoms) + 1
    typed = TypedAtoms(tuple(types), tuple(owners))
    return typed, Topology(molecule.natoms, molecule.bonds, typed.onemers)


def type_nmer(nmer: NMer, one_mers: Sequence[OneMer] = ONE_MERS) -> tuple[str, ...]:
    """Return the type of each atom of an n-mer; empty for a cap."""
    return tuple(t for fragment in nmer.fragments for t in _type_fragment(fragment, one_mers))


def _type_fragment(fragment: Fragment, one_mers: Sequence[OneMer]) -> tuple[str, ...]:
    molecule = Molecule(
        fragment.name,
        tuple("C" if a in fragment.caps else symbol for a, symbol in enumerate(fragment.symbols)),
        fragment.bonds,
    )
    wanted = sorted(
        sorted(set(atoms) - set(fragment.caps)) for atoms in fragment.parts or [range(fragment.natoms)]
    )
    try:
        groups = find_groups(molecule, (*one_mers, CAP))
    except InputError:
        groups = ()
    real = [group for group in groups if group.kind is not CAP]
    if sorted(sorted(group.atoms) for group in real) == wanted:
        return _of_groups(molecule, groups).types
    if fragment.caps:
        raise InputError(
            f"fragment '{fragment.name}' is not made of the 1-mers {', '.join(kind.label for kind in one_mers)}, "
            "so its atoms have no types for V_phys; allowed: their n-mers, and whole molecules without caps"
        )
    return _undivided(molecule).types


def _of_groups(molecule: Molecule, groups: Sequence[Group]) -> TypedAtoms:
    """Return the types of a molecule that is covered by groups."""
    owner = {a: n for n, group in enumerate(groups) for a in group.atoms}
    types, owners = [""] * molecule.natoms, [0] * molecule.natoms
    for number, group in enumerate(groups):
        outside = [(owner[b], b) for a in group.heavy for b in molecule.neighbours[a] if owner[b] != number]
        if group.kind is CAP:
            owners[group.heavy[0]] = outside[0][0]
            continue
        name = group.kind.name
        if len(outside) == 1 and (other := groups[outside[0][0]].kind) is not CAP:
            name += f"@{other.name if other.ends is None else molecule.symbols[outside[0][1]]}"
        for atom, label in zip(group.atoms, _labels(molecule, group), strict=True):
            types[atom], owners[atom] = f"{name}:{label}", number
    order = {n: place for place, n in enumerate(dict.fromkeys(owners))}
    return TypedAtoms(tuple(types), tuple(order[n] for n in owners))


def _labels(molecule: Molecule, group: Group) -> list[str]:
    """Return the label of each of a group's atoms: its element, numbered if heavy atoms of it differ."""
    symbols = [molecule.symbols[a] for a in group.heavy]
    counts = Counter(symbols)
    heavy = [s if counts[s] == 1 else f"{s}{symbols[: n + 1].count(s)}" for n, s in enumerate(symbols)]
    carrying = [a for a in group.heavy if set(molecule.neighbours[a]) & set(group.hydrogens)]
    suffix = {
        h: "" if len(carrying) == 1 else str(n)
        for n, a in enumerate(carrying, 1)
        for h in molecule.neighbours[a]
        if h in group.hydrogens
    }
    return [*heavy, *(f"H{suffix[h]}" for h in group.hydrogens)]


def _undivided(molecule: Molecule) -> TypedAtoms:
    """Return the types of a whole molecule: its SMILES, and the element with the number of its symmetry class."""
    from rdkit import Chem

    mol = Chem.RWMol()
    for symbol in molecule.symbols:
        atom = Chem.Atom(symbol)
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    for i, j in molecule.bonds:
        mol.AddBond(i, j, Chem.BondType.SINGLE)
    plain = mol.GetMol()
    plain.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(plain)
    ranks = list(Chem.CanonicalRankAtoms(plain, breakTies=False))
    classes = {symbol: sorted({r for s, r in zip(molecule.symbols, ranks, strict=True) if s == symbol})
               for symbol in set(molecule.symbols)}  # fmt: skip
    hydrogens = Counter(
        next((b for b in molecule.neighbours[a] if molecule.symbols[b] != "H"), None)
        for a in range(molecule.natoms)
        if molecule.symbols[a] == "H"
    )
    for heavy, count in hydrogens.items():
        if heavy is not None:
            plain.GetAtomWithIdx(heavy).SetNumExplicitHs(count)
    bare = Chem.RWMol(plain)
    kept = [a for a in range(molecule.natoms) if molecule.symbols[a] == "H" and molecule.natoms > 1
            and any(molecule.symbols[b] != "H" for b in molecule.neighbours[a])]  # fmt: skip
    for a in sorted(kept, reverse=True):
        bare.RemoveAtom(a)
    name = Chem.MolToSmiles(bare)
    types = []
    for symbol, rank in zip(molecule.symbols, ranks, strict=True):
        several = len(classes[symbol]) > 1
        types.append(f"{name}:{symbol}{classes[symbol].index(rank) + 1 if several else ''}")
    return TypedAtoms(tuple(types), (0,) * molecule.natoms)
