"""OPLS-AA for pieces of alanine and glycine chains, from the file that moltemplate ships.

``oplsaa2024.lt`` lists the types with their charges, and the rules by which bonded terms follow from types. Each
rule is matched by moltemplate's own functions. The charges are the OPLS-AA library's: not CM1A charges, for which
there is no open program. What is left to the fragment's total charge is spread evenly over its caps.

The numbers of the types are chosen here, as the file's comments say: amides 235, 236, 238, 241, and 242, C-alpha
223 and 224, methyls and hydrogens on carbon the alkanes' that OPLS-AA's peptides have, 135 and 140. A cap is a
hydrogen of its place: 140 on a methyl and on C-alpha, 279 (formamide's) on a carbonyl carbon, 241 on a nitrogen.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from potentials.errors import InputError, MissingProgramError
from potentials.nmers.fragment import Fragment
from recipes.registry import Need
from tasks.sampling.force_field import ForceField
from tasks.sampling.force_fields.residues import Name, residue_atoms
from tasks.sampling.force_fields.terms import Given, Rules, Terms, spread

LIBRARY = "oplsaa2024.lt"

RULES = Rules(mixing="geometric", lj14=0.5, coulomb14=0.5, torsion="opls")

TYPE: dict[Name, str] = {
    ("ACE", "CH3"): "135",
    ("ACE", "HH31"): "140",
    ("ALA", "CB"): "135",
    ("ALA", "HB1"): "140",
    ("ALA", "CA"): "224",
    ("ALA", "HA"): "140",
    ("GLY", "CA"): "223",
    ("GLY", "HA2"): "140",
    ("NME", "CH3"): "242",
    ("NME", "HH31"): "140",
    **{(residue, "C"): "235" for residue in ("ACE", "ALA", "GLY")},
    **{(residue, "O"): "236" for residue in ("ACE", "ALA", "GLY")},
    **{(residue, "N"): "238" for residue in ("ALA", "GLY", "NME")},
    **{(residue, "H"): "241" for residue in ("ALA", "GLY", "NME")},
}
"""The type of each residue atom."""

CAP_TYPE = {"CB": "140", "CA": "140", "C": "279", "N": "241"}
"""Type of a cap on each atom of a residue that a bond can be cut at."""

SYMMETRY = {
    "angle": "moltemplate.nbody_Angles",
    "dihedral": "moltemplate.nbody_Dihedrals",
    "improper": "moltemplate.nbody_alt_symmetry.cenIsortJKL",
}
"""moltemplate's modules that know which atoms make a term; the library asks for this kind of improper."""


def opls_terms(fragment: Fragment, given: tuple[Given, ...] = ()) -> Terms:
    """Return a fragment's OPLS-AA terms.

    Parameters
    ----------
    fragment
        The fragment.
    given
        What the recipe says of each atom; empty if nothing.

    Raises
    ------
    InputError
        If moltemplate is missing, the fragment is no piece of an alanine or glycine chain, or there are no
        parameters for types given.
    """
    library = read_library()
    given = given or (Given(),) * fragment.natoms
    types = _types(fragment, library, given)
    library_charges = [0.0 if a in fragment.caps else library.charges[t] for a, t in enumerate(types)]
    terms = Terms(
        types=types,
        charges=spread(fragment, library_charges, given),
        sigma=[library.lennard_jones[t][1] for t in types],
        epsilon=[library.lennard_jones[t][0] for t in types],
    )
    full = [library.full_names[t] for t in types]
    for i, j in fragment.bonds:
        k, length = library.coefficients[library.bond(full[i], full[j])]
        terms.bonds.append((i, j, "harmonic", (k, length)))
    for (i, j, m), name in library.terms("angle", fragment.bonds, full):
        k, theta = library.coefficients[name]
        terms.angles.append((i, j, m, k, theta))
    for (i, j, m, n), name in library.terms("dihedral", fragment.bonds, full):
        terms.torsions.append((i, j, m, n, library.coefficients[name]))
    for (i, j, m, n), name in library.terms("improper", fragment.bonds, full):
        k, sign, periodicity = library.coefficients[name]
        terms.impropers.append((i, j, m, n, k, round(sign), round(periodicity)))
    return terms


def _types(fragment: Fragment, library: Library, given: tuple[Given, ...]) -> list[str]:
    names = residue_atoms(fragment, "OPLS-AA", [atom for atom, one in enumerate(given) if one.type is not None])
    types = []
    for atom, own in enumerate(given):
        anchor = names.get(fragment.anchor(atom)) if atom in fragment.caps else None
        if own.type is not None:
            if own.type not in library.charges:
                raise InputError(
                    f"sampling.atom_types: OPLS-AA has no type '{own.type}'; allowed: a number that {LIBRARY} has"
                )
            types.append(own.type)
        elif atom not in fragment.caps:
            types.append(TYPE[names[atom]])
        elif anchor is not None:
            types.append(CAP_TYPE[anchor[1]])
        else:
            raise InputError(
                f"sampling.atom_types: atom {atom} of fragment '{fragment.name}' is a cap on an atom whose type "
                "is given; give the cap a type as well"
            )
    return types


@dataclass(frozen=True)
class Library:
    """What ``oplsaa2024.lt`` says.

    Attributes
    ----------
    charges
        Charge of each type, e.
    full_names
        Each type's name with its names in bonded terms, which the rules are written in.
    lennard_jones
        Epsilon (kcal/mol) and sigma (Angstrom) of each type.
    coefficients
        Coefficients of each bonded term, by ``kind:name``.
    rules
        For each kind of term its rules in order: ``kind:name``, and a pattern for each atom.
    """

    charges: dict[str, float]
    full_names: dict[str, str]
    lennard_jones: dict[str, tuple[float, ...]]
    coefficients: dict[str, tuple[float, ...]]
    rules: dict[str, list[tuple[str, list[str]]]]

    def bond(self, one: str, two: str) -> str:
        """Return the term of a bond between two types; of several rules the last one holds."""
        fits = importlib.import_module("moltemplate.ttree_lex").MatchesAll
        found = (n for n, p in reversed(self.rules["bond"]) if fits((one, two), p) or fits((two, one), p))
        name = next(found, None)
        if name is None:
            raise InputError(
                f"OPLS-AA has no parameters for a bond of {one} and {two}; give other sampling.atom_types, or "
                'force_field = "GFN2-xTB"'
            )
        return name

    def terms(
        self, kind: str, bonds: Sequence[tuple[int, int]], types: Sequence[str]
    ) -> list[tuple[tuple[int, ...], str]]:
        """Return the atoms and the name of each term of one kind, as moltemplate finds them.

        Parameters
        ----------
        kind
            ``angle``, ``dihedral``, or ``improper``.
        bonds
            Pairs of atoms.
        types
            Full name of each atom's type.
        """
        symmetry = importlib.import_module(SYMMETRY[kind])
        anything = ["*"] * symmetry.bond_pattern.GetNumEdges()
        try:
            found = importlib.import_module("moltemplate.nbody_by_type_lib").GenInteractions_str(
                [(str(i), str(j)) for i, j in bonds],
                symmetry.bond_pattern,
                [(pattern + anything, name) for name, pattern in self.rules[kind]],
                symmetry.canonical_order,
                [str(atom) for atom in range(len(types))],
                list(types),
                [str(bond) for bond in range(len(bonds))],
                ["any"] * len(bonds),
                check_undefined=kind != "improper",
            )
        except importlib.import_module("moltemplate.ttree_lex").InputError:
            raise InputError(
                f"OPLS-AA has no parameters for one {kind} of types {', '.join(types)}; give other "
                'sampling.atom_types, or force_field = "GFN2-xTB"'
            ) from None
        last: dict[tuple[int, ...], str] = {}  # of several rules for the same atoms the last one holds
        for name, members in found.items():
            last |= {tuple(int(a) for a in atoms): name for atoms in members}
        return sorted(last.items())


@cache
def read_library() -> Library:
    """Read OPLS-AA from the installed moltemplate.

    Raises
    ------
    InputError
        If moltemplate is missing.
    """
    try:
        text = (resources.files("moltemplate") / "force_fields" / LIBRARY).read_text(encoding="utf-8")
    except ModuleNotFoundError:
        raise MissingProgramError(
            "sampling.force_field 'OPLS-AA' needs moltemplate; install it with: pip install 'nmer[opls]'"
        ) from None
    return parse_library(text)


def parse_library(text: str) -> Library:
    """Read the parts of a moltemplate force-field file that OPLS-AA is in.

    Parameters
    ----------
    text
        The file's content.
    """
    library = Library({}, {}, {}, {}, {"bond": [], "angle": [], "dihedral": [], "improper": []})
    for line in text.splitlines():
        match line.split("#")[0].replace("@", "").split():
            case ["set", "type", atom, "charge", charge]:
                library.charges[_after_colon(atom)] = float(charge)
            case ["replace{", short, full, "}"]:
                library.full_names[_after_colon(short)] = _after_colon(full)
            case ["pair_coeff", atom, _, *numbers]:
                library.lennard_jones[_after_colon(atom).split("_")[0]] = tuple(map(float, numbers))
            case [command, term, *numbers] if re.fullmatch("(bond|angle|dihedral|improper)_coeff", command):
                library.coefficients[term] = tuple(map(float, numbers))
            case [term, *patterns] if term.split(":")[0] in library.rules and patterns:
                library.rules[term.split(":")[0]].append((term, [_after_colon(p) for p in patterns]))
    return library


def _after_colon(name: str) -> str:
    return name.split(":", 1)[1]


FORCE_FIELD = ForceField(
    name="OPLS-AA",
    title="the same pieces, with the parameters of moltemplate's oplsaa2024.lt and its library charges, not CM1A",
    needs=(Need("moltemplate", "pip install 'nmer[opls]'"),),
    packages=("moltemplate",),
    papers=("opls-aa",),
    terms=opls_terms,
    rules=RULES,
)
