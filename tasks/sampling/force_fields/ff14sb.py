"""ff14SB for pieces of alanine and glycine chains, from the file that OpenMM ships.

Types, charges, and parameters are read from the file. A fragment's atoms have the types and charges of the residue
atoms they stand for (`tasks.sampling.force_fields.residues`); what is left to the fragment's total charge is
spread evenly over its caps. (The papers do not give their rule.) A cap has the type that a hydrogen has there: HC
on a methyl, H1 on C-alpha, H5 on a carbonyl carbon, H on an amide nitrogen.
"""

from __future__ import annotations

import io
from itertools import combinations
from typing import Any

from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from recipes.registry import Need
from tasks.sampling.force_field import ForceField
from tasks.sampling.force_fields.residues import residue_atoms
from tasks.sampling.force_fields.terms import Given, Rules, Terms, spread

FF14SB = "amber14/protein.ff14SB.xml"

RULES = Rules(mixing="arithmetic", lj14=0.5, coulomb14=0.8333333333333334, torsion="charmm")

CAP_TYPE = {"CB": "protein-HC", "CA": "protein-H1", "C": "protein-H5", "N": "protein-H"}
"""Type of a cap on each atom of a residue that a bond can be cut at."""


def ff14sb_terms(fragment: Fragment, given: tuple[Given, ...] = ()) -> Terms:
    """Return a fragment's ff14SB terms, impropers among the torsions.

    Parameters
    ----------
    fragment
        The fragment.
    given
        What the recipe says of each atom; empty if nothing.

    Raises
    ------
    InputError
        If the fragment is no piece of an alanine or glycine chain, or has no parameters for types given.
    """
    from openmm import unit

    types, _ = _types_and_charges(fragment, _force_field(), given)
    system = ff14sb_system(fragment, given)
    terms = Terms(types=types)
    kcal, angstrom, degree = unit.kilocalorie_per_mole, unit.angstrom, unit.degree
    for force in system.getForces():
        name = type(force).__name__
        if name == "NonbondedForce":
            for i in range(force.getNumParticles()):
                charge, sigma, epsilon = force.getParticleParameters(i)
                terms.charges.append(charge.value_in_unit(unit.elementary_charge))
                terms.sigma.append(sigma.value_in_unit(angstrom))
                terms.epsilon.append(epsilon.value_in_unit(kcal))
        elif name == "HarmonicBondForce":
            for n in range(force.getNumBonds()):
                i, j, length, k = force.getBondParameters(n)
                constant = k.value_in_unit(kcal / angstrom**2) / 2
                terms.bonds.append((i, j, "harmonic", (constant, length.value_in_unit(angstrom))))
        elif name == "HarmonicAngleForce":
            for n in range(force.getNumAngles()):
                i, j, k, theta, constant = force.getAngleParameters(n)
                half = constant.value_in_unit(kcal / unit.radian**2) / 2
                terms.angles.append((i, j, k, half, theta.value_in_unit(degree)))
        elif name == "PeriodicTorsionForce":
            for n in range(force.getNumTorsions()):
                i, j, k, m, periodicity, phase, constant = force.getTorsionParameters(n)
                phi0 = round(phase.value_in_unit(degree))
                terms.torsions.append((i, j, k, m, (constant.value_in_unit(kcal), periodicity, phi0, 0.0)))
    _check_complete(fragment, terms)
    return terms


def ff14sb_system(fragment: Fragment, given: tuple[Given, ...] = ()) -> Any:
    """Return the OpenMM System of a fragment: no cut-off, no constraints.

    Parameters
    ----------
    fragment
        The fragment.
    given
        What the recipe says of each atom; empty if nothing.

    Raises
    ------
    InputError
        If the fragment is no piece of an alanine or glycine chain.
    """
    from openmm import app

    forcefield = _force_field()
    types, charges = _types_and_charges(fragment, forcefield, given)
    # a residue for each atom: OpenMM matches residues to templates by elements and bonds alone; within a larger
    # one a hydrogen could get the charge of a cap beside it
    degrees = [len(bonded) for bonded in fragment.neighbours]
    templates = "".join(
        f'<Residue name="X{i}"><Atom name="X" type="{t}" charge="{q!r}"/>'
        + '<ExternalBond atomName="X"/>' * degree
        + "</Residue>"
        for i, (t, q, degree) in enumerate(zip(types, charges, degrees, strict=True))
    )
    forcefield.loadFile(io.StringIO(f"<ForceField><Residues>{templates}</Residues></ForceField>"))
    topology = app.Topology()
    chain = topology.addChain()
    residues = [topology.addResidue(f"X{i}", chain) for i in range(fragment.natoms)]
    placed = [
        topology.addAtom("X", app.Element.getBySymbol(s), residue)
        for s, residue in zip(fragment.symbols, residues, strict=True)
    ]
    for i, j in fragment.bonds:
        topology.addBond(placed[i], placed[j])
    return forcefield.createSystem(
        topology,
        nonbondedMethod=app.NoCutoff,
        constraints=None,
        rigidWater=False,
        removeCMMotion=False,
        residueTemplates={residue: residue.name for residue in residues},
    )


def _force_field() -> Any:
    from openmm import app

    return app.ForceField(FF14SB)  # a new one each time: fragments add their templates to it


def _types_and_charges(
    fragment: Fragment, forcefield: Any, given: tuple[Given, ...]
) -> tuple[list[str], list[float]]:
    given = given or (Given(),) * fragment.natoms
    known = [atom for atom, one in enumerate(given) if one.type is not None and one.charge is not None]
    names = residue_atoms(fragment, "ff14SB", known)
    types, charges = [], []
    for atom, own in enumerate(given):
        if atom in known:
            kind, charge = "", 0.0
        elif atom in fragment.caps:
            anchor = names.get(fragment.anchor(atom))
            if anchor is None:
                raise InputError(
                    f"sampling.atom_types: atom {atom} of fragment '{fragment.name}' is a cap on an atom whose "
                    "type is given; give the cap a type and a charge as well"
                )
            kind, charge = CAP_TYPE[anchor[1]], 0.0
        else:
            residue, name = names[atom]
            (model,) = [a for a in forcefield._templates[residue].atoms if a.name == name]
            kind, charge = model.type, float(model.parameters["charge"])
        if own.type is not None and own.type not in forcefield._atomTypes:
            raise InputError(
                f"sampling.atom_types: ff14SB has no type '{own.type}'; allowed: "
                + ", ".join(forcefield._atomTypes)
            )
        if own.type is not None:
            element = forcefield._atomTypes[own.type].element.symbol
            if element != fragment.symbols[atom]:
                raise InputError(
                    f"sampling.atom_types: type '{own.type}' is of {element}, and atom {atom} of fragment "
                    f"'{fragment.name}' is {fragment.symbols[atom]}"
                )
        types.append(own.type or kind)
        charges.append(charge)
    return types, spread(fragment, charges, given)


def _check_complete(fragment: Fragment, terms: Terms) -> None:
    """Raise InputError if a bond or an angle has no parameters: OpenMM leaves out what it has none for."""
    wanted: set[tuple[int, ...]] = {tuple(sorted(bond)) for bond in fragment.bonds}
    wanted |= {(i, j, k) for j, bonded in enumerate(fragment.neighbours) for i, k in combinations(bonded, 2)}
    found: set[tuple[int, ...]] = {tuple(sorted((i, j))) for i, j, _, _ in terms.bonds}
    found |= {(min(i, k), j, max(i, k)) for i, j, k, _, _ in terms.angles}
    if missing := sorted(wanted - found):
        types = "-".join(terms.types[atom] for atom in missing[0])
        raise InputError(
            f"fragment '{fragment.name}': ff14SB has no parameters for {types} (atoms "
            f'{", ".join(map(str, missing[0]))}); give other sampling.atom_types, or force_field = "GFN2-xTB"'
        )


FORCE_FIELD = ForceField(
    name="ff14SB",
    title="capped pieces of Ace-, alanine, glycine, -Nme chains, with OpenMM's parameters; atoms keep the charges "
    "they have in the residue, and the rest goes evenly to the caps",
    needs=(Need("openmm", "pip install 'nmer[run]'"),),
    packages=("openmm",),
    papers=("ff14sb",),
    terms=ff14sb_terms,
    rules=RULES,
)
