"""Force-field parameters of an n-mer: ff14SB for its fragments, TIP4P/2005f for water.

Types, charges, and parameters of ff14SB are read from the file that OpenMM ships. A capped fragment keeps the
charges its atoms have in alanine; what is left to the fragment's total charge is spread evenly over its caps. (The
papers do not give their rule.) A cap has the type that a hydrogen has there: HC on CH3-, H1 on C-alpha, H5 on the
carbonyl carbon, H on the amide nitrogen.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from potentials.errors import InputError
from potentials.molecule import Fragment

FF14SB = "amber14/protein.ff14SB.xml"

GROUPS: dict[tuple[str, ...], dict[str, str]] = {
    # heavy atoms with their hydrogens and caps, in any order -> the alanine atom each stands for
    ("C:H3:cap1",): {"C:H3:cap1": "CB"},
    ("C:H1:cap3",): {"C:H1:cap3": "CA"},
    ("C:H0:cap1", "N:H1:cap1", "O:H0:cap0"): {"C:H0:cap1": "C", "N:H1:cap1": "N", "O:H0:cap0": "O"},
}
HYDROGEN_OF = {"CB": "HB1", "CA": "HA", "N": "H"}
CAP_TYPE = {"CB": "protein-HC", "CA": "protein-H1", "C": "protein-H5", "N": "protein-H"}


@dataclass(frozen=True)
class Terms:
    """Force-field terms in LAMMPS' ``real`` units: kcal/mol, Angstrom, degrees, e; atoms from 0.

    Attributes
    ----------
    charges, sigma, epsilon
        One for each atom.
    bonds
        (i, j, style, coefficients): ``harmonic`` K (r - r0)^2, or ``morse`` D, alpha, r0.
    angles
        (i, j, k, K, degrees).
    torsions
        (i, j, k, l, K, periodicity, degrees), impropers among them.
    """

    charges: list[float] = field(default_factory=list)
    sigma: list[float] = field(default_factory=list)
    epsilon: list[float] = field(default_factory=list)
    bonds: list[tuple[int, int, str, tuple[float, ...]]] = field(default_factory=list)
    angles: list[tuple[int, int, int, float, float]] = field(default_factory=list)
    torsions: list[tuple[int, int, int, int, float, int, float]] = field(default_factory=list)


TIP4P_2005F = {  # Gonzalez and Abascal, J. Chem. Phys. 135, 224516 (2011)
    "sigma": 3.1644,
    "epsilon": 93.2 * 0.0019872043,
    "q_h": 0.5564,
    "morse": (432.581 / 4.184, 2.287, 0.9419),
    "angle": (367.810 / 4.184 / 2, 107.4),
    "qdist": 0.147144,  # oxygen to the massless charge at the equilibrium angle
}


def is_water(fragment: Fragment) -> bool:
    """Return whether a fragment is a water molecule, oxygen first."""
    return fragment.symbols == ("O", "H", "H") and not fragment.caps


@cache
def fragment_terms(fragment: Fragment) -> Terms:
    """Return a fragment's force-field terms, atoms counted from 0 within it; found once a process.

    Raises
    ------
    InputError
        If ff14SB, as used here, has no types for the fragment.
    """
    return _water_terms() if is_water(fragment) else _ff14sb_terms(fragment)


def _water_terms() -> Terms:
    water: dict[str, Any] = TIP4P_2005F
    q = water["q_h"]
    return Terms(
        charges=[-2 * q, q, q],
        sigma=[water["sigma"], 1.0, 1.0],
        epsilon=[water["epsilon"], 0.0, 0.0],
        bonds=[(0, i, "morse", water["morse"]) for i in (1, 2)],
        angles=[(1, 0, 2, *water["angle"])],
    )


def _ff14sb_terms(fragment: Fragment) -> Terms:
    from openmm import unit

    system = ff14sb_system(fragment)
    terms = Terms()
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
                terms.torsions.append(
                    (i, j, k, m, constant.value_in_unit(kcal), periodicity, phase.value_in_unit(degree))
                )
    return terms


def ff14sb_system(fragment: Fragment) -> Any:
    """Return the OpenMM System of a capped fragment: no cut-off, no constraints.

    Raises
    ------
    InputError
        If the fragment is not one of the groups that have types here.
    """
    from openmm import app

    forcefield = app.ForceField(FF14SB)
    alanine = {a.name: a for a in forcefield._templates["ALA"].atoms}
    names = _alanine_atoms(fragment)
    types, charges = [], []
    for atom in range(fragment.natoms):
        if atom in fragment.caps:
            types.append(CAP_TYPE[names[fragment.anchor(atom)]])
            charges.append(0.0)
        else:
            types.append(alanine[names[atom]].type)
            charges.append(float(alanine[names[atom]].parameters["charge"]))
    rest = (fragment.charge - sum(charges)) / len(fragment.caps)
    for cap in fragment.caps:
        charges[cap] = rest

    atoms = "".join(
        f'<Atom name="X{i}" type="{t}" charge="{q!r}"/>'
        for i, (t, q) in enumerate(zip(types, charges, strict=True))
    )
    bonds = "".join(f'<Bond atomName1="X{i}" atomName2="X{j}"/>' for i, j in fragment.bonds)
    template = f'<ForceField><Residues><Residue name="FRG">{atoms}{bonds}</Residue></Residues></ForceField>'
    forcefield.loadFile(io.StringIO(template))
    topology = app.Topology()
    residue = topology.addResidue("FRG", topology.addChain())
    placed = [
        topology.addAtom(f"X{i}", app.Element.getBySymbol(s), residue) for i, s in enumerate(fragment.symbols)
    ]
    for i, j in fragment.bonds:
        topology.addBond(placed[i], placed[j])
    return forcefield.createSystem(
        topology, nonbondedMethod=app.NoCutoff, constraints=None, rigidWater=False, removeCMMotion=False
    )


def _alanine_atoms(fragment: Fragment) -> dict[int, str]:
    """Return the alanine atom that each atom but the caps stands for."""
    hydrogens: dict[int, list[int]] = {}
    labels: dict[int, str] = {}
    for atom, symbol in enumerate(fragment.symbols):
        if symbol == "H":
            continue
        bonded = [j if i == atom else i for i, j in fragment.bonds if atom in (i, j)]
        hydrogens[atom] = [b for b in bonded if fragment.symbols[b] == "H" and b not in fragment.caps]
        caps = sum(b in fragment.caps for b in bonded)
        labels[atom] = f"{symbol}:H{len(hydrogens[atom])}:cap{caps}"
    group = GROUPS.get(tuple(sorted(labels.values())))
    if group is None:
        raise InputError(
            f"fragment '{fragment.name}' has no ff14SB types here; allowed: CH3- with 1 cap, -CH- with 3 caps, "
            "-CONH- with 2 caps, and water (O, H, H)"
        )
    names = {atom: group[label] for atom, label in labels.items()}
    return names | {h: HYDROGEN_OF[names[a]] for a, hs in hydrogens.items() for h in hs}
