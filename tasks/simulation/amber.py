"""Amber's ff14SB and ff19SB of a peptide in vacuum, to compare a sum with: parameters by OpenMM, compiled here.

OpenMM assigns the parameters, and `tasks.simulation.amber_kernel` computes the energy. Residues are found by their
graphs (`recipes.chemistry.topology`), so that atoms may be in any order. With a ``c_address`` the force fields run
in LAMMPS as a sum does, with the same thermostats, bias, replicas and restarts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Floats, Ints
from potentials.errors import InputError, MissingProgramError
from potentials.evaluation import Evaluation
from potentials.systems.system import System
from potentials.units import COULOMB
from recipes.chemistry.molecules import Molecule, read_molecule
from recipes.chemistry.topology import UNKNOWN, residues_of
from recipes.registry import Need
from tasks.simulation import amber_kernel as kernel

PROTEIN = {"ff14SB": "amber14/protein.ff14SB.xml", "ff19SB": "amber19/protein.ff19SB.xml"}
"""OpenMM's file of each force field."""

PAPERS = {"ff14SB": ("ff14sb",), "ff19SB": ("ff19sb",)}
"""Keys of ``storage/papers.toml``."""

OPENMM = Need("openmm", "pip install 'nmer[run]'")

FORCES = ("HarmonicBondForce", "HarmonicAngleForce", "PeriodicTorsionForce", "CMAPTorsionForce", "NonbondedForce")
"""OpenMM's names of the forces of Amber's proteins."""

MOST_ATOMS = 5000
"""Largest molecule; all pairs are evaluated."""


class AmberPotential:
    """A force field of one molecule in vacuum.

    Parameters
    ----------
    name
        ``ff14SB``.
    symbols, bonds
        Elements, and pairs of atoms counted from 0.
    data
        The parameters, as `tasks.simulation.amber_kernel` takes them.
    """

    cell = None

    def __init__(self, name: str, symbols: Sequence[str], bonds: Sequence[tuple[int, int]], data: Floats) -> None:
        self.name, self.symbols, self.bonds = name, tuple(symbols), tuple(bonds)
        self._data = np.ascontiguousarray(data, dtype=np.float64)

    def evaluate(self, positions: Floats) -> Evaluation:
        """Return energies, gradients, virials and contributions of (m, atoms, 3) in Angstrom."""
        x = np.ascontiguousarray(positions, dtype=np.float64)
        n = len(self.symbols)
        if x.ndim != 3 or x.shape[1:] != (n, 3):
            raise InputError(f"positions have the shape {x.shape}; allowed for {self.name}: (m, {n}, 3)")
        energy, gradient, shares = np.empty(len(x)), np.empty(x.shape), np.empty((len(x), len(kernel.SHARES)))
        kernel.energies_of(self._data, x, energy, gradient, shares)
        virial = np.einsum("mai,maj->mij", gradient, x)
        return Evaluation(energy, gradient, dict(zip(kernel.SHARES, shares.T.copy(), strict=True)), virial)

    def energy_and_gradient(self, positions: ArrayLike) -> tuple[Any, Floats]:
        """Return energies (kcal/mol) and gradients (kcal/mol/Angstrom) of (m, atoms, 3), or of one (atoms, 3)."""
        x = np.asarray(positions, dtype=np.float64)
        found = self.evaluate(x[None] if x.ndim == 2 else x)
        return (float(found.energy[0]), found.gradient[0]) if x.ndim == 2 else (found.energy, found.gradient)

    def energy(self, positions: ArrayLike) -> Any:
        """Return energies as `energy_and_gradient` does."""
        return self.energy_and_gradient(positions)[0]

    def c_address(self) -> tuple[int, int]:
        """Return the addresses of a C function and its data; see `tasks.simulation.lammps_sum.WithAddress`."""
        return kernel.amber_in_c.address, self._data.ctypes.data


def amber_potential(molecule: str | Molecule | System, force_field: str) -> AmberPotential:
    """Return ff14SB or ff19SB of a molecule in vacuum, with its atoms in their order.

    Parameters
    ----------
    molecule
        The name of a chain (``AceAla9Nme``), a molecule, or a system of one without a cell. Amino acids between
        Ace and Nme are allowed, charged ones included; their atoms may be in any order.
    force_field
        ``ff14SB`` or ``ff19SB``.

    Raises
    ------
    InputError
        If OpenMM is missing, the force field is unknown, the molecule has something else than such residues, or
        the system has a cell.
    """
    whole = read_molecule(molecule) if isinstance(molecule, str) else molecule
    if isinstance(whole, System) and whole.cell is not None:
        raise InputError(f"{whole.name} has a cell; allowed for {force_field} here: a molecule in vacuum")
    if len(whole.symbols) > MOST_ATOMS:
        raise InputError(f"{whole.name} has {len(whole.symbols)} atoms; allowed: up to {MOST_ATOMS}")
    topology, order = openmm_topology(whole.symbols, whole.bonds, whole.name, force_field)
    from openmm import app

    system = app.ForceField(PROTEIN[force_field]).createSystem(
        topology, nonbondedMethod=app.NoCutoff, constraints=None, rigidWater=False, removeCMMotion=False
    )
    return AmberPotential(force_field, whole.symbols, whole.bonds, kernel_data(system, order))


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
            "from 0); allowed: amino acids between Ace and Nme"
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
