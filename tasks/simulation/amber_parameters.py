"""Parameters of Amber's force fields by OpenMM: the topology of a system, the arrays of the compiled kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError, MissingProgramError
from potentials.units import COULOMB
from recipes.chemistry.topology import UNKNOWN, residues_of
from recipes.registry import Need
from tasks.simulation import amber_kernel as kernel

PROTEIN = {"ff14SB": "amber14/protein.ff14SB.xml", "ff19SB": "amber19/protein.ff19SB.xml"}
"""OpenMM's file of each force field."""

WATER = {"ff14SB": "amber14/tip3p.xml", "ff19SB": "amber19/opc.xml"}
"""OpenMM's file of the model of water that each force field is used with."""

FLEXIBLE_WATER = "amber14/tip3p.xml"
"""The same of a water whose bonds and angles have energies, TIP3P."""

OPENMM = Need("openmm", "pip install 'nmer[run]'")

FORCES = ("HarmonicBondForce", "HarmonicAngleForce", "PeriodicTorsionForce", "CMAPTorsionForce", "NonbondedForce")
"""OpenMM's names of the forces of Amber's proteins."""


def papers_of(force_field: str, water: str) -> tuple[str, ...]:
    """Return the keys in ``storage/papers.toml`` of a force field and of a model of water, '' for none."""
    return tuple(name.lower() for name in (force_field, water) if name)


def openmm_topology(
    symbols: Sequence[str], bonds: Sequence[tuple[int, int]], name: str, force_field: str
) -> tuple[Any, Ints]:
    """Return an ``openmm.app.Topology``, residue by residue, and the atom of the system at each of its places.

    Parameters
    ----------
    symbols, bonds
        The system.
    name
        Its name, for messages.
    force_field
        One of `PROTEIN`.

    Raises
    ------
    InputError
        If OpenMM is missing, the force field is unknown, or a residue is.
    """
    if force_field not in PROTEIN:
        raise InputError(f"force field '{force_field[:40]}' is unknown; allowed: {', '.join(PROTEIN)}")
    if lack := OPENMM.lack():
        raise MissingProgramError(f"{force_field} {lack}")
    from openmm import app

    residues = residues_of(symbols, bonds)
    if strange := next((one for one in residues if one.name == UNKNOWN), None):
        formula = "".join(f"{s}{n}" for s, n in sorted(Counter(symbols[a] for a in strange.atoms).items()))
        raise InputError(
            f"{name}: {force_field} has no residue {formula}, which begins at atom {min(strange.atoms)} (counted "
            "from 0); allowed: amino acids between Ace and Nme, and water"
        )
    topology, placed, chains = app.Topology(), {}, {}
    for residue in residues:
        if residue.molecule not in chains:
            chains[residue.molecule] = topology.addChain()
        added = topology.addResidue(residue.name, chains[residue.molecule])
        for atom, label in zip(residue.atoms, residue.names, strict=True):
            placed[atom] = topology.addAtom(label, app.Element.getBySymbol(symbols[atom]), added)
    for i, j in bonds:
        topology.addBond(placed[i], placed[j])
    return topology, np.array([atom for one in residues for atom in one.atoms], dtype=np.int64)


def kernel_data(system: Any, order: Ints) -> Floats:
    """Return the parameters of an OpenMM System in vacuum, as `tasks.simulation.amber_kernel` takes them.

    Parameters
    ----------
    system
        ``openmm.System`` without constraints, virtual sites and cut-off.
    order
        The number of the atom at each of its places.

    Raises
    ------
    InputError
        If it has something that the kernel has not.
    """
    from openmm import unit

    kcal, angstrom = unit.kilocalorie_per_mole, unit.angstrom
    strange = [f.getName() for f in system.getForces() if type(f).__name__ not in FORCES]
    if strange or system.getNumConstraints() or any(system.isVirtualSite(n) for n in range(len(order))):
        raise InputError(f"the force field has {', '.join(strange) or 'constraints or virtual sites'}")
    atom = order.tolist()
    bonds = [
        (atom[i], atom[j], k.value_in_unit(kcal / angstrom**2) / 2, r.value_in_unit(angstrom))
        for i, j, r, k in _entries(system, "HarmonicBondForce", "Bond")
    ]
    angles = [
        (atom[i], atom[j], atom[k], c.value_in_unit(kcal / unit.radian**2) / 2, theta.value_in_unit(unit.radian))
        for i, j, k, theta, c in _entries(system, "HarmonicAngleForce", "Angle")
    ]
    series: dict[tuple[int, ...], list[tuple[float, ...]]] = {}
    for i, j, k, m, many, phase, height in _entries(system, "PeriodicTorsionForce", "Torsion"):
        terms = series.setdefault((atom[i], atom[j], atom[k], atom[m]), [])
        terms.append((height.value_in_unit(kcal), many, phase.value_in_unit(unit.radian)))
    torsions, first = [], 0
    for quad, terms in series.items():
        torsions.append((*quad, first, len(terms)))
        first += len(terms)
    cmaps = [(*(atom[a] for a in row[1:]), row[0]) for row in _entries(system, "CMAPTorsionForce", "Torsion")]
    maps = [_map(size, energy.value_in_unit(kcal)) for size, energy in _entries(system, "CMAPTorsionForce", "Map")]
    points = {round(len(one) ** 0.5) for one in maps}
    if len(points) > 1:
        raise InputError("the force field has CMAP maps of several sizes")
    tables: list[Any] = [bonds, angles, torsions, [t for terms in series.values() for t in terms], cmaps]
    tables += [_pairs(system, atom), np.concatenate(maps) if maps else []]
    header = np.zeros(kernel.HEADER)
    header[kernel.ATOMS] = len(order)
    header[kernel.COUNTS : kernel.COUNTS + 7] = [len(table) for table in tables]
    header[kernel.COUNTS + 7] = max(points, default=0)
    data = np.concatenate([header, *(np.asarray(table, dtype=np.float64).ravel() for table in tables)])
    data[kernel.LENGTH] = len(data)
    return data


def _pairs(system: Any, atom: Sequence[int]) -> Floats:
    """Return the rows of all pairs that are not excluded: atoms, C12, C6, product of the charges in kcal/mol A."""
    from openmm import unit

    (force,) = [f for f in system.getForces() if type(f).__name__ == "NonbondedForce"]
    rows = [force.getParticleParameters(n) for n in range(len(atom))]
    charge = np.array([q.value_in_unit(unit.elementary_charge) for q, _, _ in rows])
    sigma = np.array([s.value_in_unit(unit.angstrom) for _, s, _ in rows])
    epsilon = np.array([e.value_in_unit(unit.kilocalorie_per_mole) for _, _, e in rows])
    n = len(atom)
    product, length = np.outer(charge, charge), (sigma[:, None] + sigma) / 2
    depth = np.sqrt(np.outer(epsilon, epsilon))
    for i, j, q, s, e in (force.getExceptionParameters(m) for m in range(force.getNumExceptions())):
        product[i, j] = product[j, i] = q.value_in_unit(unit.elementary_charge**2)
        length[i, j] = length[j, i] = s.value_in_unit(unit.angstrom)
        depth[i, j] = depth[j, i] = e.value_in_unit(unit.kilocalorie_per_mole)
    i, j = np.triu_indices(n, 1)
    six = length[i, j] ** 6
    places = np.array(atom)
    found = np.stack(
        [places[i], places[j], 4 * depth[i, j] * six**2, 4 * depth[i, j] * six, COULOMB * product[i, j]], axis=1
    )
    acting: Floats = found[(found[:, 2:] != 0).any(axis=1)]
    return acting


def _map(size: int, energy: Sequence[float]) -> Floats:
    """Return the coefficients of each patch of a periodic map, (size * size, 16), by bicubic splines as OpenMM's.

    Parameters
    ----------
    size
        Points along each angle, from 0 on.
    energy
        kcal/mol, the first angle fastest.
    """
    from scipy.interpolate import CubicSpline

    values = np.asarray(energy, dtype=np.float64).reshape(size, size).T  # (first angle, second angle)

    def slope(f: Floats, axis: int) -> Floats:
        moved = np.moveaxis(f, axis, 0)
        around = np.concatenate([moved, moved[:1]])
        found = CubicSpline(np.arange(size + 1.0), around, bc_type="periodic")(np.arange(float(size)), 1)
        return np.moveaxis(found, 0, axis)

    first, second = slope(values, 0), slope(values, 1)
    corner = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [-3, 3, -2, -1], [2, -2, 1, 1]], dtype=np.float64)
    both = np.empty((size, size, 4, 4))  # rows: value at both ends and slope at both ends of the first angle

    def ends(f: Floats, axis: int) -> tuple[Floats, Floats]:
        return f, np.roll(f, -1, axis=axis)

    for row, (f, along) in enumerate(((values, 0), (values, 1), (first, 0), (first, 1))):
        g = ends(f, 0)[along]
        across = ends(second if row < 2 else slope(first, 1), 0)[along]
        for column, (h, moved) in enumerate(((g, 0), (g, 1), (across, 0), (across, 1))):
            both[:, :, row, column] = ends(h, 1)[moved]
    found: Floats = np.einsum("ar,xyrc,bc->xyab", corner, both, corner).reshape(size * size, 16)
    return found


def _entries(system: Any, force_class: str, kind: str) -> Iterator[Any]:
    """Yield the parameters of each bond, angle, torsion or map of one kind of force."""
    for force in system.getForces():
        if type(force).__name__ == force_class:
            for number in range(getattr(force, f"getNum{kind}s")()):
                yield getattr(force, f"get{kind}Parameters")(number)
