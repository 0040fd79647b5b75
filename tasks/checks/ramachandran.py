"""Alanine dipeptide on the Ramachandran grid: the sum of n-mer potentials compared with GFN2-xTB."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from potentials.arrays import Floats
from potentials.evaluation import Contribution
from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from recipes.chemistry.molecules import Molecule, read_molecule
from tasks.plot import Plot
from tasks.xtb import METHOD, Xtb

DIPEPTIDE = "AceAlaNme"
PHI, PSI = (1, 3, 4, 6), (3, 4, 6, 8)
"""Atoms of the two torsions in the dipeptide's order: C N CA C, and N CA C N."""

OMEGAS = ((0, 1, 3, 4), (4, 6, 8, 9))
"""Atoms of the two amides' torsions: C C N CA, and CA C N C; both stay trans."""

LOW = 10.0
"""Energies above the lowest up to which a simulation visits geometries, kcal/mol (paper I)."""

STIFFNESS = 1000.0
"""Force constant of the restraint on a torsion, kcal/mol/degree^2."""

CIS = 1000.0
"""Energy added for a cis amide, more than any torsional barrier, kcal/mol."""

LOWER = 0.01
"""Energy by which a geometry must be lower to replace another, kcal/mol."""

Told = Callable[[int], None]


@dataclass(frozen=True)
class Scan:
    """Energies on the grid.

    Attributes
    ----------
    phi, psi
        (points,), degrees.
    reference, predicted
        (points,), kcal/mol: above the lowest reference energy, and shifted to have the same mean.
    """

    phi: Floats
    psi: Floats
    reference: Floats
    predicted: Floats

    @classmethod
    def of(cls, phi: Floats, psi: Floats, reference: Floats, predicted: Floats) -> Scan:
        """Return the scan of energies with any two zeros: n-body energies are relative to their own minima."""
        above = reference - reference.min()
        return cls(phi, psi, above, predicted - predicted.mean() + above.mean())

    def rmsd(self, low: float = -np.inf, high: float = np.inf) -> float:
        """Return the root mean square deviation where the reference is between two energies, kcal/mol."""
        chosen = (self.reference >= low) & (self.reference < high)
        return float(np.sqrt(np.mean((self.predicted - self.reference)[chosen] ** 2)))

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain values for JSON."""
        return {
            "points": len(self.reference),
            "rmsd": self.rmsd(),
            "rmsd_below_10": self.rmsd(high=LOW),
            "rmsd_above_10": self.rmsd(low=LOW),
            "largest": float(np.abs(self.predicted - self.reference).max()),
        }


def grid_geometries(step: int, told: Told | None = None) -> tuple[Molecule, Floats, Floats, Floats]:
    """Return alanine dipeptide with both torsions held on a grid and all else relaxed with MMFF94.

    Parameters
    ----------
    step
        Degrees; a divisor of 360.
    told
        Called with the number of points done.

    Returns
    -------
    molecule, phi, psi, positions
        phi and psi (points,) in degrees; positions (points, atoms, 3) in Angstrom, in the molecule's order.
    """
    molecule = read_molecule(DIPEPTIDE).embedded()
    force_field = _Mmff(molecule)
    angles = np.arange(-180, 180, step, dtype=np.float64)
    phis, psis = (a.ravel() for a in np.meshgrid(angles, angles, indexing="ij"))
    positions = np.empty((len(phis), molecule.natoms, 3))
    energy = np.full(len(phis), np.inf)
    start = np.array(molecule.positions, dtype=np.float64)
    # a geometry turned far from its own torsions may end in a higher minimum: each point that is found lower is
    # passed on to its neighbours, which keep what is lower than their own
    side, waiting = len(angles), deque((point, start) for point in range(len(phis)))
    done = 0
    while waiting:
        point, guess = waiting.popleft()
        relaxed, value = force_field.relaxed(guess, float(phis[point]), float(psis[point]))
        if np.isinf(energy[point]):
            done += 1
            if told is not None:
                told(done)
        if value < energy[point] - LOWER:
            positions[point], energy[point] = relaxed, value
            row, column = divmod(point, side)
            for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                waiting.append(((row + down) % side * side + (column + right) % side, relaxed))
    return molecule, phis, psis, positions


class _Mmff:
    """MMFF94 of a molecule with its two torsions held."""

    def __init__(self, molecule: Molecule) -> None:
        from rdkit import Chem
        from rdkit.Chem import AllChem

        self._mol = Chem.AddHs(Chem.MolFromSmiles(molecule.smiles))
        self._mol.AddConformer(Chem.Conformer(self._mol.GetNumAtoms()))
        self._properties = AllChem.MMFFGetMoleculeProperties(self._mol)

    def relaxed(self, start: Floats, phi: float, psi: float) -> tuple[Floats, float]:
        """Return the geometry (atoms, 3; Angstrom) and the energy (kcal/mol) of the minimum from a start.

        An amide that has turned cis counts as `CIS` higher: it is another isomer with other n-mers.
        """
        from rdkit.Chem import AllChem, rdMolTransforms

        place = self._mol.GetConformer()
        place.SetPositions(start)
        for atoms, angle in ((PHI, phi), (PSI, psi)):
            rdMolTransforms.SetDihedralDeg(place, *atoms, angle)
        field = AllChem.MMFFGetMoleculeForceField(self._mol, self._properties)
        for atoms, angle in ((PHI, phi), (PSI, psi)):
            field.MMFFAddTorsionConstraint(*atoms, False, angle, angle, STIFFNESS)
        for _ in range(20):
            if field.Minimize(maxIts=500) == 0:
                break
        cis = sum(abs(rdMolTransforms.GetDihedralDeg(place, *omega)) < 90 for omega in OMEGAS)
        return np.array(place.GetPositions()), float(field.CalcEnergy()) + CIS * cis


def gfn2_xtb(molecule: Molecule, positions: Floats) -> Floats:
    """Return GFN2-xTB's total energies, (points,), kcal/mol.

    Raises
    ------
    InputError
        If tblite is missing.
    RuntimeError
        If a calculation does not converge.
    """
    first = tuple((float(x), float(y), float(z)) for x, y, z in positions[0])
    whole = Fragment(molecule.name, molecule.symbols, first, molecule.bonds, charge=molecule.charge)
    with threadpool_limits(limits=1):  # more threads than one make a small molecule slower
        surface = Xtb(NMer(molecule.name, (whole,)))
        return np.array([surface(geometry)[0] for geometry in positions])


def scan_dipeptide(potential: Contribution, step: int, told: Told | None = None) -> Scan:
    """Return a potential's energies beside GFN2-xTB's on the Ramachandran grid.

    Parameters
    ----------
    potential
        Of the dipeptide's atoms in the order of `recipes.chemistry.molecules.read_molecule`.
    step
        Of the grid, degrees.
    told
        Called with the number of geometries relaxed.
    """
    start = read_molecule(DIPEPTIDE).embedded()
    gfn2_xtb(
        start, np.array([start.positions])
    )  # a missing program is reported before hundreds of geometries are relaxed
    molecule, phi, psi, positions = grid_geometries(step, told)
    reference = gfn2_xtb(molecule, positions)
    predicted = np.asarray(potential.energy_and_gradient(positions)[0])
    return Scan.of(phi, psi, reference, predicted)


def scan_plot(scan: Scan) -> Plot:
    """Draw the reference and the sum side by side, contour lines a few kcal/mol apart."""
    from matplotlib.figure import Figure

    side = round(len(scan.phi) ** 0.5)
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    levels = np.arange(0.0, 31.0, 1.5)
    for axes, energy, title in (
        (panels[0], scan.reference, METHOD),
        (panels[1], scan.predicted, f"sum of n-mers, RMSD {scan.rmsd():.2f} kcal/mol"),
    ):
        x, y, z = (values.reshape(side, side) for values in (scan.phi, scan.psi, energy))
        drawn = axes.contourf(x, y, np.clip(z, 0.0, 30.0), levels=levels, cmap="viridis")
        axes.contour(x, y, np.clip(z, 0.0, 30.0), levels=levels[::2], colors="white", linewidths=0.4)
        axes.set(title=title, xlabel="phi (degrees)", xticks=range(-180, 181, 90), yticks=range(-180, 181, 90))
    panels[0].set_ylabel("psi (degrees)")
    figure.colorbar(drawn, ax=panels, label="energy above the lowest (kcal/mol)")
    head = ["phi_degrees", "psi_degrees", "reference_kcal_per_mol", "predicted_kcal_per_mol"]
    columns = zip(scan.phi, scan.psi, scan.reference, scan.predicted, strict=True)
    return Plot.of("ramachandran", figure, head, ([f"{value:.6g}" for value in row] for row in columns))
