"""OPLS-AA for pieces of alanine and glycine chains, from the file that moltemplate ships.

``oplsaa2024.lt`` lists the types with their charges, and the rules that assign bonded parameters to types; they
are applied by moltemplate's own functions. The charges are those of the OPLS-AA library, not CM1A charges, for
which there is no open program. The rest of the fragment's total charge is spread evenly over its caps.

The types follow the comments of the file: amides 235, 236, 238, 241, and 242, C-alpha 223 and 224, methyls and
hydrogens on carbon 135 and 140, which OPLS-AA's peptides share with the alkanes. A cap has the type of a hydrogen
there: 140 on a methyl and on C-alpha, 279 (formamide's) on a carbonyl carbon, 241 on a nitrogen.
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
from recipes.chemistry.residues import CAP, Name, residue_atoms
from recipes.registry import Need
from tasks.sampling.force_field import ForceField
from tasks.sampling.force_fields.parameters import Conventions, Given, Parameters, spread

LIBRARY = "oplsaa2024.lt"

CONVENTIONS = Conventions(mixing="geometric", lj14=0.5, coulomb14=0.5, torsion="opls")

TYPE: dict[Name, str] = {
    ("ACE", "CH3"): "135",
    ("ALA", "CB"): "135",
    ("ALA", "CA"): "224",
    ("GLY", "CA"): "223",
    ("NME", "CH3"): "242",
    **dict.fromkeys((("ACE", "HH31"), ("ALA", "HB1"), ("ALA", "HA"), ("GLY", "HA2"), ("NME", "HH31")), "140"),
    **{(residue, "C"): "235" for residue in ("ACE", "ALA", "GLY")},
    **{(residue, "O"): "236" for residue in ("ACE", "ALA", "GLY")},
    **{(residue, "N"): "238" for residue in ("ALA", "GLY", "NME")},
    **{(residue, "H"): "241" for residue in ("ALA", "GLY", "NME")},
    **{(CAP, atom): kind for atom, kind in (("CB", "140"), ("CA", "140"), ("C", "279"), ("N", "241"))},
}
"""The type of each residue atom, and of a cap on each atom where a bond can be cut."""

SYMMETRY = {
    "angle": "moltemplate.nbody_Angles",
    "dihedral": "moltemplate.nbody_Dihedrals",
    "improper": "moltemplate.nbody_alt_symmetry.cenIsortJKL",
}
"""moltemplate's modules that define the symmetry of each interaction; for impropers the one the library names."""


def opls_parameters(fragment: Fragment, given: tuple[Given, ...] = ()) -> Parameters:
    """Return a fragment's OPLS-AA parameters.

    Parameters
    ----------
    fragment
        The fragment.
    given
        What the recipe gives for each atom; empty if nothing.

    Raises
    ------
    InputError
        If moltemplate is missing, the fragment is not a piece of an alanine or glycine chain, or there are no
        parameters for types given.
    """
    library = read_library()
    given = given or (Given(),) * fragment.natoms
    names = residue_atoms(fragment, "OPLS-AA", [atom for atom, own in enumerate(given) if own.type is not None])
    types = [own.type or TYPE[names[atom]] for atom, own in enumerate(given)]
    if unknown := [kind for kind in types if kind not in library.charges]:
        raise InputError(
            f"sampling.atom_types: OPLS-AA has no type '{unknown[0]}'; allowed: a number listed in {LIBRARY}"
        )
    library_charges = [0.0 if a in fragment.caps else library.charges[t] for a, t in enumerate(types)]
    parameters = Parameters(
        types=types,
        charges=spread(fragment, library_charges, given),
        sigma=[library.lennard_jones[t][1] for t in types],
        epsilon=[library.lennard_jones[t][0] for t in types],
    )
    full = [library.full_names[t] for t in types]
    for i, j in fragment.bonds:
        k, length = library.coefficients[library.bond(full[i], full[j])]
        parameters.bonds.append((i, j, "harmonic", (k, length)))
    for (i, j, m), name in library.interactions("angle", fragment.bonds, full):
        k, theta = library.coefficients[name]
        parameters.angles.append((i, j, m, k, theta))
    for (i, j, m, n), name in library.interactions("dihedral", fragment.bonds, full):
        parameters.torsions.append((i, j, m, n, library.coefficients[name]))
    for (i, j, m, n), name in library.interactions("improper", fragment.bonds, full):
        k, sign, periodicity = library.coefficients[name]
        parameters.impropers.append((i, j, m, n, k, round(sign), round(periodicity)))
    return parameters


@dataclass(frozen=True)
class Library:
    """The content of ``oplsaa2024.lt``.

    Attributes
    ----------
    charges
        Charge of each type, e.
    full_names
        Each type's name followed by its names in bonded interactions, which the rules refer to.
    lennard_jones
        Epsilon (kcal/mol) and sigma (Angstrom) of each type.
    coefficients
        Coefficients of each bonded interaction, by ``kind:name``.
    rules
        For each kind of interaction its rules in order: ``kind:name``, and a pattern for each atom.
    """

    charges: dict[str, float]
    full_names: dict[str, str]
    lennard_jones: dict[str, tuple[float, ...]]
    coefficients: dict[str, tuple[float, ...]]
    rules: dict[str, list[tuple[str, list[str]]]]

    def bond(self, one: str, two: str) -> str:
        """Return the name of a bond between two types; of several rules the last one applies."""
        fits = importlib.import_module("moltemplate.ttree_lex").MatchesAll
        found = (n for n, p in reversed(self.rules["bond"]) if fits((one, two), p) or fits((two, one), p))
        name = next(found, None)
        if name is None:
            raise InputError(
                f"OPLS-AA has no parameters for a bond of {one} and {two}; give other sampling.atom_types, or "
                'force_field = "GFN2-xTB"'
            )
        return name

    def interactions(
        self, kind: str, bonds: Sequence[tuple[int, int]], types: Sequence[str]
    ) -> list[tuple[tuple[int, ...], str]]:
        """Return the atoms and the name of each interaction of one kind, as moltemplate finds them.

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
        last: dict[tuple[int, ...], str] = {}  # of several rules for the same atoms the last one applies
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
    """Read OPLS-AA from the text of a moltemplate force-field file.

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
            case [command, name, *numbers] if re.fullmatch("(bond|angle|dihedral|improper)_coeff", command):
                library.coefficients[name] = tuple(map(float, numbers))
            case [name, *patterns] if name.split(":")[0] in library.rules and patterns:
                library.rules[name.split(":")[0]].append((name, [_after_colon(p) for p in patterns]))
    return library


def _after_colon(name: str) -> str:
    return name.split(":", 1)[1]


FORCE_FIELD = ForceField(
    name="OPLS-AA",
    title="the same pieces, with the parameters of moltemplate's oplsaa2024.lt and its library charges, not CM1A",
    needs=(Need("moltemplate", "pip install 'nmer[opls]'"),),
    packages=("moltemplate",),
    papers=("opls-aa",),
    parameters=opls_parameters,
    conventions=CONVENTIONS,
)
