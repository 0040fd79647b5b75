"""ff14SB for pieces of alanine and glycine chains, from the file that OpenMM ships.

A fragment's atoms have the types and charges of their residue atoms (`recipes.chemistry.residues`); the
rest of the fragment's total charge is spread evenly over its caps. (The papers do not give their rule.) A cap has
the type of a hydrogen there: HC on a methyl, H1 on C-alpha, H5 on a carbonyl carbon, H on an amide nitrogen.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from potentials.errors import InputError
from potentials.nmers.fragment import Fragment
from recipes.chemistry.residues import CAP, residue_atoms
from recipes.registry import Need
from tasks.sampling.force_field import ForceField
from tasks.sampling.force_fields.parameters import Conventions, Given, Parameters, spread

FF14SB = "amber14/protein.ff14SB.xml"

CONVENTIONS = Conventions(mixing="arithmetic", lj14=0.5, coulomb14=0.8333333333333334, torsion="charmm")

CAP_TYPE = {"CB": "protein-HC", "CA": "protein-H1", "C": "protein-H5", "N": "protein-H"}
"""Type of a cap on each residue atom where a bond can be cut."""


def ff14sb_parameters(fragment: Fragment, given: tuple[Given, ...] = ()) -> Parameters:
    """Return a fragment's ff14SB parameters; impropers are among the torsions.

    Parameters
    ----------
    fragment
        The fragment.
    given
        What the recipe gives for each atom; empty if nothing.

    Raises
    ------
    InputError
        If the fragment is not a piece of an alanine or glycine chain, or there are no parameters for types given.
    """
    from openmm import unit

    types, _ = _types_and_charges(fragment, _force_field(), given)
    system = ff14sb_system(fragment, given)
    parameters = Parameters(types=types)
    kcal, angstrom, degree = unit.kilocalorie_per_mole, unit.angstrom, unit.degree
    for charge, sigma, epsilon in _entries(system, "NonbondedForce", "Particle"):
        parameters.charges.append(charge.value_in_unit(unit.elementary_charge))
        parameters.sigma.append(sigma.value_in_unit(angstrom))
        parameters.epsilon.append(epsilon.value_in_unit(kcal))
    for i, j, length, constant in _entries(system, "HarmonicBondForce", "Bond"):
        half = constant.value_in_unit(kcal / angstrom**2) / 2
        parameters.bonds.append((i, j, "harmonic", (half, length.value_in_unit(angstrom))))
    for i, j, k, theta, constant in _entries(system, "HarmonicAngleForce", "Angle"):
        half = constant.value_in_unit(kcal / unit.radian**2) / 2
        parameters.angles.append((i, j, k, half, theta.value_in_unit(degree)))
    for i, j, k, m, periodicity, phase, constant in _entries(system, "PeriodicTorsionForce", "Torsion"):
        phi0 = round(phase.value_in_unit(degree))
        parameters.torsions.append((i, j, k, m, (constant.value_in_unit(kcal), periodicity, phi0, 0.0)))
    _check_complete(fragment, parameters)
    return parameters


def ff14sb_system(fragment: Fragment, given: tuple[Given, ...] = ()) -> Any:
    """Return the OpenMM System of a fragment: no cut-off, no constraints.

    Parameters
    ----------
    fragment
        The fragment.
    given
        What the recipe gives for each atom; empty if nothing.

    Raises
    ------
    InputError
        If the fragment is not a piece of an alanine or glycine chain.
    """
    from openmm import app

    forcefield = _force_field()
    types, charges = _types_and_charges(fragment, forcefield, given)
    # one residue per atom: OpenMM matches residues to templates by elements and bonds alone, so that in a larger
    # residue a hydrogen could get the charge of a cap on the same atom
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

    return app.ForceField(FF14SB)  # a new one for each call, since fragments add their templates


def _entries(system: Any, force_class: str, kind: str) -> Iterator[Any]:
    """Yield the parameters of each particle, bond, angle, or torsion of one kind of force."""
    for force in system.getForces():
        if type(force).__name__ == force_class:
            for number in range(getattr(force, f"getNum{kind}s")()):
                yield getattr(force, f"get{kind}Parameters")(number)


def _types_and_charges(
    fragment: Fragment, forcefield: Any, given: tuple[Given, ...]
) -> tuple[list[str], list[float]]:
    given = given or (Given(),) * fragment.natoms
    known = [atom for atom, own in enumerate(given) if own.type is not None and own.charge is not None]
    names = residue_atoms(fragment, "ff14SB", known)
    types, charges = [], []
    for atom, own in enumerate(given):
        residue, name = names.get(atom, ("", ""))
        kind, charge = CAP_TYPE.get(name, ""), 0.0
        if residue not in ("", CAP):
            (model,) = [a for a in forcefield._templates[residue].atoms if a.name == name]
            kind, charge = model.type, float(model.parameters["charge"])
        if own.type is not None:
            if own.type not in forcefield._atomTypes:
                allowed = ", ".join(forcefield._atomTypes)
                raise InputError(f"sampling.atom_types: ff14SB has no type '{own.type}'; allowed: {allowed}")
            element = forcefield._atomTypes[own.type].element.symbol
            if element != fragment.symbols[atom]:
                raise InputError(
                    f"sampling.atom_types: type '{own.type}' is of {element}, and atom {atom} of fragment "
                    f"'{fragment.name}' is {fragment.symbols[atom]}"
                )
        types.append(own.type or kind)
        charges.append(charge)
    return types, spread(fragment, charges, given)


def _check_complete(fragment: Fragment, parameters: Parameters) -> None:
    """Raise InputError if a bond or an angle has no parameters: OpenMM omits those without an error."""
    wanted: set[tuple[int, ...]] = {tuple(sorted(bond)) for bond in fragment.bonds}
    wanted |= {(i, j, k) for j, bonded in enumerate(fragment.neighbours) for i, k in combinations(bonded, 2)}
    found: set[tuple[int, ...]] = {tuple(sorted((i, j))) for i, j, _, _ in parameters.bonds}
    found |= {(min(i, k), j, max(i, k)) for i, j, k, _, _ in parameters.angles}
    if missing := sorted(wanted - found):
        types = "-".join(parameters.types[atom] for atom in missing[0])
        raise InputError(
            f"fragment '{fragment.name}': ff14SB has no parameters for {types} (atoms "
            f'{", ".join(map(str, missing[0]))}); give other sampling.atom_types, or force_field = "GFN2-xTB"'
        )


FORCE_FIELD = ForceField(
    name="ff14SB",
    title="capped pieces of Ace-, alanine, glycine, -Nme chains, with OpenMM's parameters; atoms keep the charges "
    "they have in the residue, and the rest is spread evenly over the caps",
    needs=(Need("openmm", "pip install 'nmer[run]'"),),
    packages=("openmm",),
    papers=("ff14sb",),
    parameters=ff14sb_parameters,
    conventions=CONVENTIONS,
)
