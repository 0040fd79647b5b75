"""V_phys of a periodic cell, with its exact gradient and virial."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from potentials.arrays import Floats
from potentials.energy_function import EnergyFunction
from potentials.errors import InputError, NmerError
from potentials.evaluation import Evaluation
from potentials.neighbours import check_cutoff
from potentials.physics.isolated import SHARES
from potentials.physics.model import TOLERANCE
from potentials.physics.parameters import PhysicsParameters
from potentials.physics.periodic.settings import check_damping, settings
from potentials.physics.periodic.sums import Sums, Work, sums_of
from potentials.physics.topology import Topology

CUTOFF = 9.0
"""Of pairs of atoms, Angstrom."""

SWITCHING = 1.0
"""Width of the switching of dispersion and repulsion, Angstrom."""

ALONG = 1e-7
"""Root mean square of the dipoles' residual at which the iterations of a trajectory end, e Angstrom."""

ACCURACY = 1e-5
"""Relative error of the forces that Ewald's parameter and the mesh are chosen for."""


class PeriodicPhysics(EnergyFunction):
    """V_phys of a periodic cell, or of a cell minus that of some of its atoms alone.

    Charges and induced dipoles interact with all images (Ewald's sum, a conductor around the crystal). Dispersion
    and repulsion are switched off between ``cutoff - switching`` and `cutoff`; what is beyond is added as if the
    system were uniform. Atoms may be given in any image.

    With `without`, the energy is V_phys of all minus V_phys of these atoms alone, in the same cell: what interacts
    in both is not computed, except that the dipoles of both are solved for.

    Parameters
    ----------
    symbols
        Element of each atom.
    topology
        Bonds and 1-mers, which decide the pairs without charges, dispersion, or repulsion.
    types
        Type of each atom.
    parameters
        Their parameters.
    cell
        (3, 3), the cell's vectors, one a row, Angstrom.
    cutoff
        Of pairs of atoms, Angstrom: of dispersion, repulsion, and the real-space part of Ewald's sum.
    switching
        Width of the switching of dispersion and repulsion, Angstrom.
    accuracy
        Relative error of the forces by which Ewald's parameter and the mesh are chosen.
    without
        Atoms whose own V_phys is subtracted.
    threads
        Number of threads of an evaluation.

    Raises
    ------
    InputError
        If the numbers of atoms differ, a type has no parameters, the system is charged, the cell is narrower than
        twice the cut-off, or a number is not allowed.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        topology: Topology,
        types: Sequence[str],
        parameters: PhysicsParameters,
        cell: Floats,
        cutoff: float = CUTOFF,
        *,
        switching: float = SWITCHING,
        accuracy: float = ACCURACY,
        without: Sequence[int] = (),
        threads: int = 1,
    ) -> None:
        if threads < 1:
            raise InputError(f"threads is {threads}; allowed: 1 or more")
        self.settings = settings(cutoff, switching, accuracy)
        self.vectors, self.threads = cell_vectors(cell), threads
        self._sums = sums_of(symbols, topology, types, parameters, without, self.settings)
        check_cutoff(self.vectors, cutoff)
        thole = min(parameters.thole_charge, parameters.thole_dipole)
        check_damping(cutoff, parameters.polarizability[parameters.rows(types)], thole)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom."""
        return self._sums.symbols

    @property
    def topology(self) -> Topology:
        """Bonds and 1-mers."""
        return self._sums.topology

    @property
    def types(self) -> tuple[str, ...]:
        """Type of each atom."""
        return self._sums.types

    @property
    def parameters(self) -> PhysicsParameters:
        """The parameters of the types."""
        return self._sums.parameters

    def evaluate(self, positions: Floats, vectors: Floats | None = None) -> Evaluation:
        """Return the energies, gradients and virials of (n, atoms, 3) in Angstrom; `shares` has the contributions.

        The shares are ``electrostatics`` (of fixed charges), ``polarization``, ``dispersion``, ``repulsion``. The
        virial is the derivative with respect to a strain of positions and cell.

        Parameters
        ----------
        positions
            (n, atoms, 3), Angstrom.
        vectors
            (3, 3) or (n, 3, 3), cells in place of the system's. Ewald's parameter stays as it is, and so does the
            mesh unless a cell is more than 5 % longer than the mesh was chosen for.

        Raises
        ------
        InputError
            If a cell is narrower than twice a cut-off, a molecule reaches half through it, or two atoms are in one
            place.
        PolarizationError
            If the induced dipoles of a configuration have no stable solution.
        """
        return _evaluate(Work(self._sums, self.vectors, self.threads), self, positions, vectors, TOLERANCE, False)

    def trajectory(self, tolerance: float = ALONG) -> PeriodicTrajectory:
        """Return V_phys of configurations that follow one another; see `PeriodicTrajectory`."""
        return PeriodicTrajectory(self, self._sums, tolerance)


class PeriodicTrajectory(EnergyFunction):
    """V_phys in a cell of configurations that follow one another, such as the steps of a simulation.

    The first dipoles of a step are extrapolated from the last six, and the list of near pairs is kept
    while no atom moved far. Past and list belong to this object: every trajectory, and every thread, has its own.

    Parameters
    ----------
    model
        V_phys.
    sums
        Its system.
    tolerance
        Root mean square of the dipoles' residual at which the iterations end, e Angstrom.
    """

    def __init__(self, model: PeriodicPhysics, sums: Sums, tolerance: float = ALONG) -> None:
        self._model, self.tolerance = model, tolerance
        self._work = Work(sums, model.vectors, model.threads)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom."""
        return self._model.symbols

    @property
    def iterations(self) -> int:
        """Iterations of the last step; of the whole system and of the part without which it is taken, the more."""
        return max(dipoles.iterations for dipoles in self._work.sets)

    @property
    def lists(self) -> int:
        """How many lists of near pairs were made."""
        return self._work.listing.made

    def evaluate(self, positions: Floats, vectors: Floats | None = None) -> Evaluation:
        """Return energies, gradients, shares and virials of the next steps; see `PeriodicPhysics.evaluate`."""
        try:
            return _evaluate(self._work, self._model, positions, vectors, self.tolerance, True)
        except NmerError:
            self.forget()
            raise

    def forget(self) -> None:
        """Start the next step without a past."""
        self._work.forget()


def cell_vectors(cell: Floats) -> Floats:
    """Return the three vectors of a cell, (3, 3); raises InputError if they are none."""
    vectors = np.array(cell, dtype=np.float64)
    if vectors.shape != (3, 3) or not np.isfinite(vectors).all() or not abs(np.linalg.det(vectors)) > 0:
        raise InputError("a periodic cell needs three vectors of three finite numbers that span a volume")
    return vectors


def _evaluate(
    work: Work,
    model: PeriodicPhysics,
    positions: Floats,
    vectors: Floats | None,
    tolerance: float,
    remember: bool,
) -> Evaluation:
    m = len(positions)
    cells = np.asarray(model.vectors if vectors is None else vectors, dtype=np.float64)
    if cells.shape not in ((3, 3), (m, 3, 3)) or not np.isfinite(cells).all():
        raise InputError(f"cells of shape {cells.shape}; allowed: (3, 3) or ({m}, 3, 3), finite")
    cells = np.broadcast_to(cells, (m, 3, 3))
    shares, gradient, virial = np.empty((m, 4)), np.empty(positions.shape), np.empty((m, 3, 3))
    for c, (places, cell) in enumerate(zip(positions, cells, strict=True)):
        cell = np.ascontiguousarray(cell)
        shares[c], gradient[c], virial[c] = work.evaluate(places, cell, tolerance, remember=remember, number=c)
    return Evaluation(shares.sum(axis=1), gradient, dict(zip(SHARES, shares.T, strict=True)), virial)
