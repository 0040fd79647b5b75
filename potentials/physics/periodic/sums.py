"""V_phys of one configuration in a cell, minus that of a part of its atoms if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from potentials.arrays import Bools, Floats, Ints
from potentials.errors import InputError
from potentials.neighbours import nearest_images
from potentials.physics.catastrophe import catastrophe, unstable_pair
from potentials.physics.pairs import ALPHA, CHARGE
from potentials.physics.parameters import PhysicsParameters
from potentials.physics.periodic.dipoles import Dipoles
from potentials.physics.periodic.induced import add_induced
from potentials.physics.periodic.listing import Listing
from potentials.physics.periodic.mesh import NONE, Mesh
from potentials.physics.periodic.pairs import permanent
from potentials.physics.periodic.settings import Settings
from potentials.physics.periodic.tail import tail
from potentials.physics.periodic.threads import Runner
from potentials.physics.solver import SLOW
from potentials.physics.thole import WIDEST
from potentials.physics.topology import Topology
from potentials.units import COULOMB

NEUTRAL = 1e-6
"""Largest charge of a system, e."""


@dataclass(frozen=True, eq=False)
class Sums:
    """What V_phys in a cell needs beside positions; nothing in it changes, so that threads may share it.

    Attributes
    ----------
    symbols, topology, types, parameters
        See `PeriodicPhysics`.
    part
        (n,), the atoms whose own V_phys is subtracted; all False: none.
    settings
        Where the sums end.
    """

    symbols: tuple[str, ...]
    topology: Topology
    types: tuple[str, ...]
    parameters: PhysicsParameters
    part: Bools
    settings: Settings
    atoms: Floats = field(init=False)
    kind: Ints = field(init=False)
    tables: Floats = field(init=False)
    tails: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        parameters = self.parameters
        row = parameters.rows(self.types)
        used, kind = np.unique(row, return_inverse=True)
        alpha, charge = parameters.polarizability[row], parameters.charge[row]
        with np.errstate(divide="ignore"):
            stiffness, width = np.where(alpha > 0, 1 / alpha, 0.0), np.where(alpha > 0, alpha ** (-2 / 3), WIDEST)
        tables = (parameters.pair_c6, parameters.pair_damping, parameters.pair_r12)
        for name, value in (
            ("atoms", np.array([charge, alpha, stiffness, width])),
            ("kind", np.ascontiguousarray(kind, dtype=np.int64)),
            ("tables", np.array([table[np.ix_(used, row)] for table in tables])),
            (
                "tails",
                tail(parameters, row, self.part, self.settings.switch, self.settings.cutoff),
            ),
        ):
            object.__setattr__(self, name, value)
        for who, chosen in (("the system has", self.part | True), ("the part has", self.part)):
            if abs(total := float(charge[chosen].sum())) > NEUTRAL:
                raise InputError(f"{who} a charge of {total:.6g} e; allowed in a periodic cell: 0")

    @property
    def factors(self) -> tuple[float, float, float]:
        """Thole's a of charges and of dipoles, and the factor of the charges of scaled pairs."""
        return self.parameters.thole_charge, self.parameters.thole_dipole, self.parameters.scale_15


WIDER = 1.05
"""When a cell grows, the number of mesh points stays until they are so many times their largest distance apart."""


class Work:
    """The pairs, the mesh, and the dipoles of configurations one after the other; not shared between threads.

    Parameters
    ----------
    sums
        The system.
    vectors
        (3, 3), the cell for which the number of mesh points is chosen.
    threads
        Number of threads.
    """

    def __init__(self, sums: Sums, vectors: Floats, threads: int = 1) -> None:
        n, settings = len(sums.symbols), sums.settings
        self.sums, self._run, self._threads = sums, Runner(threads), threads
        self.listing = Listing(sums.topology, sums.part, settings.cutoff, threads)
        charge, alpha = sums.atoms[CHARGE], sums.atoms[ALPHA]
        self.sets = [Dipoles(charge, alpha, False, self._run)]
        if sums.part.any():
            self.sets.append(Dipoles(charge * sums.part, alpha * sums.part, True, self._run))
        self.signs = np.array([1.0, -1.0])[: len(self.sets)]
        self._mesh_for(vectors)
        self._own_charge = charge * ~sums.part
        self._potential = np.zeros((4, n))

    def _mesh_for(self, vectors: Floats) -> None:
        """Choose the number of mesh points for a cell."""
        self.mesh, self.coarse = (
            Mesh(len(self.sums.symbols), s.points(vectors), s.kappa, self._run, self._threads)
            for s in (self.sums.settings, self.sums.settings.coarse)
        )

    def evaluate(
        self, positions: Floats, vectors: Floats, tolerance: float, *, remember: bool, number: int = 0
    ) -> tuple[Floats, Floats, Floats]:
        """Return the shares (4,), the gradient (n, 3) and the virial (3, 3).

        Parameters
        ----------
        positions, vectors
            (n, 3) and (3, 3), Angstrom.
        tolerance
            Root mean square of the dipoles' residual at which the iterations end, e Angstrom.
        remember
            Whether the configurations follow one another.
        number
            The configuration, for messages.

        Raises
        ------
        InputError
            If the cell is too narrow, or two atoms are in one place.
        PolarizationError
            If the induced dipoles have no stable solution.
        """
        longest = float((np.linalg.norm(vectors, axis=1) / self.mesh.points).max())
        if longest > WIDER * self.sums.settings.spacing:
            self._mesh_for(vectors)
        sums, mesh, n = self.sums, self.mesh, len(positions)
        by_atom = positions @ np.linalg.inv(vectors)
        self.listing.update(by_atom, vectors)
        fractions, rows = np.ascontiguousarray(by_atom.T), self.listing.rows
        mesh.place(fractions, vectors)
        self.coarse.place(fractions, vectors)
        fields, gradients = np.zeros((len(rows), 3 * n)), np.zeros((len(rows), 3 * n))
        virials, shares = np.zeros((len(rows), 3, 3)), np.zeros((len(rows), 4))
        settings = sums.settings
        touching = self._run(
            permanent,
            [
                (r.first, r.last, fractions, vectors, r.listed, sums.atoms, sums.kind, sums.tables,
                 np.inf if r.everywhere else settings.cutoff, settings.switch, settings.kappa, sums.factors,
                 not r.inner, r.near, fields[k], gradients[k], virials[k], shares[k])
                for k, r in enumerate(rows)
            ],
        )  # fmt: skip
        if any(touching):
            raise _touching(positions, vectors)
        found, gradient, virial = shares.sum(axis=0), gradients.sum(axis=0), virials.sum(axis=0)
        volume = abs(float(np.linalg.det(vectors)))
        found[2] += sums.tails[0] / volume
        found[3] += sums.tails[1] / volume
        virial -= np.eye(3) * (sum(sums.tails) / volume)
        q, other = self._own_charge, sums.atoms[CHARGE] - self._own_charge
        mesh.potential(q, NONE, self._potential)
        charges = float((other + 0.5 * q) @ self._potential[0])
        polarization = -charges
        for dipoles, sign in zip(self.sets, self.signs, strict=True):
            mine = [k for k, r in enumerate(rows) if r.inner or sign > 0]
            fields[mine].sum(axis=0, out=dipoles.field)
            status = dipoles.solve(rows, mesh, self.coarse, tolerance, remember=remember)
            if status < 0:
                raise self._catastrophe(dipoles, positions, vectors, number, status == SLOW)
            polarization += sign * dipoles.energy()
            gradient += (sign * COULOMB) * dipoles.gradient
            virial += (sign * COULOMB) * dipoles.virial
        found[0] += COULOMB * (charges - 0.5 * mesh.own_charge * float(q @ q))
        found[1] += COULOMB * polarization
        gradients[:], virials[:] = 0.0, 0.0
        both = np.array([d.dipole for d in self.sets])
        self._run(
            add_induced,
            [
                (r.first, r.last, r.near, sums.atoms[CHARGE], *self._of(r.inner, both), gradients[k], virials[k])
                for k, r in enumerate(rows)
            ],
        )
        gradient += gradients.sum(axis=0)
        virial += virials.sum(axis=0)
        if not np.isfinite(found).all():
            raise InputError("V_phys of these positions is not a finite number; atoms are too near or too far")
        return found, np.ascontiguousarray(gradient.reshape(3, n).T), virial

    def _of(self, inner: bool, both: Floats) -> tuple[Floats, Floats]:
        """Return the dipoles that the pairs of a list act on, and the signs of their energies."""
        count = len(both) if inner else 1
        return both[:count], self.signs[:count]

    def forget(self) -> None:
        """Start the next configuration without a past."""
        for dipoles in self.sets:
            dipoles.known = 0

    def _catastrophe(
        self, dipoles: Dipoles, positions: Floats, vectors: Floats, number: int, slow: bool
    ) -> Exception:
        rows, mesh = self.listing.rows, self.mesh

        def product(dipole: Floats, field: Floats) -> None:
            dipoles.product(rows, mesh, dipole, field)

        def nearest(differences: Floats) -> Floats:
            return nearest_images(differences, vectors)

        found = unstable_pair(product, dipoles.alpha, dipoles.direction, positions, nearest)
        return catastrophe(self.sums.symbols, number, found, slow=slow)


def _touching(positions: Floats, vectors: Floats) -> InputError:
    """Return the error of two atoms in one place."""
    for i in range(len(positions)):
        apart = nearest_images(positions[i + 1 :] - positions[i], vectors)
        same = np.flatnonzero((np.abs(apart) < 1e-12).all(axis=1))
        if len(same):
            return InputError(f"atoms {i} and {i + 1 + same[0]} are in one place")
    return InputError("two atoms are in one place")


def sums_of(
    symbols: Sequence[str],
    topology: Topology,
    types: Sequence[str],
    parameters: PhysicsParameters,
    part: Sequence[int],
    settings: Settings,
) -> Sums:
    """Return the sums of a system; `part` are the atoms whose own V_phys is subtracted."""
    if not len(symbols) == topology.natoms == len(types):
        raise InputError(
            f"V_phys of {len(symbols)} atoms with {len(types)} types and a topology of {topology.natoms}; one "
            "type an atom is allowed"
        )
    chosen = np.zeros(len(symbols), dtype=np.bool_)
    chosen[list(part)] = True
    return Sums(tuple(symbols), topology, tuple(types), parameters, chosen, settings)
