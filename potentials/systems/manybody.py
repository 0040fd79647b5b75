"""The sum: a molecule's energy from the potentials of its n-mers, each evaluated where it occurs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.evaluation import Contribution, Evaluation, NMerContribution, evaluated, together
from potentials.physics.model import PhysicsPotential
from potentials.physics.parameters import PhysicsParameters
from potentials.pip.potential import Potential
from potentials.systems.belonging import check_atoms, check_physics, physics_of
from potentials.systems.cell import Cell
from potentials.systems.corrections import NO_CELL, Corrections, correction, is_compiled
from potentials.systems.in_c import InC
from potentials.systems.near import Near
from potentials.systems.placement import Placement, Placements
from potentials.systems.system import BondTree
from potentials.systems.trust import Occurrences, TrustedEnergy

DEFINED_BY = ("_symbols", "physics", "remarks", "near", "cell", "threads", "potentials", "counts", "_members",
              "_tree", "_along")  # fmt: skip
"""Attributes that define a sum; all others are made of them."""


class ManyBodyPotential(TrustedEnergy):
    """V = sum over the n-mers' occurrences of their corrections + V_phys(whole).

    The correction of an n-mer is its n-body energy without V_phys' part; see `Potential.correction`. Caps are
    placed on the cut bonds, and the gradients of caps are transferred exactly to the atoms at both ends of the cut
    bonds. All occurrences are evaluated in one compiled call, eight at a time.

    Parameters
    ----------
    symbols
        Element of each of the system's atoms.
    placements
        Every occurrence of an n-mer that is always there: of bonded n-mers, or of all pairs.
    potentials
        The potential of each n-mer by its name.
    physics
        Energies of the whole system to be added: V_phys, water.
    remarks
        Phrases on what the sum leaves out.
    onemers
        Names of the n-mers that are a single 1-mer: their V_phys is zero, so that it does not matter which V_phys
        they were fitted over, if any.
    near
        The n-mers that are found by distance, in every configuration anew; None: there are none.
    cell
        The periodic cell; None in vacuum.
    bonds
        Bonds along which molecules are made whole in a cell; every atom may then be given at any image.
    threads
        Number of threads that evaluate n-mers.

    Raises
    ------
    InputError
        If a potential is missing, its elements differ from those of an occurrence, the potentials were fitted over
        different V_phys, or over one that is not among the `physics`, or an energy cannot be had in a cell.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        placements: Sequence[Placement],
        potentials: Mapping[str, NMerContribution],
        physics: Sequence[Contribution] = (),
        remarks: Sequence[str] = (),
        onemers: Collection[str] = (),
        near: Near | None = None,
        cell: Cell | None = None,
        bonds: Sequence[tuple[int, int]] = (),
        threads: int = 1,
    ) -> None:
        always = list(dict.fromkeys(p.nmer for p in placements))
        found = [kind.nmer for kind in near.kinds] if near is not None else []
        names = [*always, *(name for name in found if name not in always)]
        missing = [name for name in names if name not in potentials]
        if missing:
            have = ", ".join(potentials) or "none"
            raise InputError(f"potentials are missing for the n-mers {', '.join(missing)}; given are: {have}")
        for placement in (*placements, *([near.example(kind) for kind in near.kinds] if near else [])):
            check_atoms(symbols, placement, potentials[placement.nmer].nmer.symbols)
        check_physics({name: potentials[name] for name in names if name not in onemers}, physics)
        if threads < 1:
            raise InputError(f"threads is {threads}; allowed: 1 or more")
        self._symbols = tuple(symbols)
        self.physics, self.remarks = tuple(physics), tuple(remarks)
        self.near, self.cell, self.threads = near, cell, threads
        self.potentials = {name: potentials[name] for name in names}
        """The potential of each n-mer."""
        self.counts = {name: sum(p.nmer == name for p in placements) for name in names}
        """How often each n-mer occurs, without those that are found by distance."""
        self._members = [
            (name, potentials[name], Placements.of([p for p in placements if p.nmer == name])) for name in always
        ]
        self._tree = BondTree.of(len(symbols), bonds)
        self._along = False
        self._start()

    def __getstate__(self) -> dict[str, Any]:
        """Return what defines the sum, for copies and other processes."""
        return {name: getattr(self, name) for name in DEFINED_BY}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def _start(self) -> None:
        """Make what belongs to one sequence of configurations: neighbour lists and intermediate results."""
        self._physics = [
            c.trajectory() if self._along and hasattr(c, "trajectory") else c for c in cast(Any, self.physics)
        ]
        self._lock = Lock()
        self._search = self.near.search() if self.near is not None else None
        self._lists = -1
        self._in_c: InC | None = None
        self._compiled = [name for name, potential in self.potentials.items() if is_compiled(potential)]
        self._fixed = {name: placements for name, _, placements in self._members}
        chosen = [cast(Potential, self.potentials[name]) for name in self._compiled]
        places = [
            self._fixed.get(p, Placements.none(q.nmer.natoms)) for p, q in zip(self._compiled, chosen, strict=True)
        ]
        self._corrections = Corrections(chosen, places, self.threads) if chosen else None

    def trajectory(self) -> ManyBodyPotential:
        """Return the same sum for configurations that follow one another, such as the steps of a simulation.

        Its neighbour lists, and the induced dipoles of the steps before, are its own. Each trajectory, and each
        replica that is simulated by itself, needs one.
        """
        found = object.__new__(type(self))
        found.__setstate__(self.__getstate__() | {"_along": True})
        with suppress(InputError):  # otherwise Python calls several compiled functions
            found.c_address()
        return found

    def __repr__(self) -> str:
        """Return three lines: the atoms, how often each n-mer occurs, the potentials and their status."""
        occurrences = [f"{name} {count}" for name, count in self.counts.items() if count]
        if self.near is not None:
            occurrences.append(f"found by distance: {', '.join(kind.nmer for kind in self.near.kinds)}")
        known = [
            f"{name}: {getattr(potential, 'name', '') or type(potential).__name__}"
            + (f" ({potential.status})" if hasattr(potential, "status") else "")
            for name, potential in self.potentials.items()
        ]
        physics = [type(contribution).__name__ for contribution in self.physics]
        where = "" if self.cell is None else " in a periodic cell"
        return (
            f"{type(self).__name__} of {len(self.symbols)} atoms{where}, {sum(self.counts.values())} occurrences "
            f"of {len(self.counts)} n-mers\n  {', '.join(occurrences)}\n  {'; '.join([*known, *physics])}"
        )

    @property
    def parameters(self) -> PhysicsParameters | None:
        """The parameters of V_phys that is added; None if there is none."""
        return next((p for p in map(physics_of, self.physics) if p), None)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each of the molecule's atoms."""
        return self._symbols

    @property
    def placements(self) -> dict[str, Placements]:
        """Where each n-mer occurs, without those that are found by distance."""
        return {name: places for name, _, places in self._members}

    def evaluate(self, positions: Floats, vectors: Floats | None = None) -> Evaluation:
        """Return energies, gradients and virials; the shares are those of `parts`.

        Parameters
        ----------
        positions
            (m, atoms, 3), Angstrom. In a cell every atom may be at any image.
        vectors
            (3, 3) or (m, 3, 3), the cell's vectors in place of those of `cell`, Angstrom.

        Raises
        ------
        InputError
            If two atoms are in one place, there is no cell but vectors, or the cell is too small.
        """
        cells = self._cells(len(positions), vectors)
        with self._lock:
            if len(cells) == 0 and self._search is None:
                return self._evaluate(positions, cells)
            found = []
            for n, one in enumerate(positions):
                here = cells[n] if len(cells) else None
                found.append(self._evaluate(self._tree.whole(one, here)[None], cells[n : n + 1]))
        return found[0] if len(found) == 1 else together(found, positions.shape)

    def _cells(self, configurations: int, vectors: Floats | None) -> Floats:
        """Return the cell of each configuration, (m, 3, 3), or (0, 3, 3) without a cell."""
        if self.cell is None:
            if vectors is not None:
                raise InputError("vectors of a cell are given for a sum in vacuum; allowed: a sum made for a cell")
            return NO_CELL
        rows = np.array(self.cell.vectors if vectors is None else vectors, dtype=np.float64)
        if rows.shape not in ((3, 3), (configurations, 3, 3)) or not np.isfinite(rows).all():
            raise InputError(f"the cell's vectors have shape {rows.shape}; allowed: (3, 3), finite, one a row")
        return np.broadcast_to(rows, (configurations, 3, 3))

    def _evaluate(self, whole: Floats, cells: Floats) -> Evaluation:
        """Return the energies of whole molecules: of one configuration if n-mers are found by distance."""
        shares: dict[str, Floats] = {}
        gradient, virial = np.zeros(whole.shape), np.zeros((len(whole), 3, 3))
        vectors = cells[0] if len(cells) else None
        if self._search is not None and self._search.find(whole[0], vectors) != self._lists:
            every, self._lists = self._fixed | self._search.placements, self._search.builds
            if self._corrections is not None:
                self._corrections.place([every[name] for name in self._compiled])
        if self._along and self._in_c is not None and len(whole) == 1:
            in_c = self._in_c.evaluate(whole[0])
            if in_c is not None:  # otherwise the reason is found below
                return in_c
        energy = np.zeros(len(whole))
        beneath: list[Evaluation | None] = [None] * len(self._physics)

        def evaluate(number: int) -> None:
            beneath[number] = evaluated(self._physics[number], whole, cells)

        beside = [partial(evaluate, number) for number in range(len(beneath))]
        if self._corrections is None:
            for task in beside:
                task()
        else:
            energies, gradient, virial = self._corrections.evaluate(whole, cells, beside)
            shares |= zip(self._compiled, energies.T, strict=True)
            energy += energies.sum(axis=1)
        if len(self._compiled) < len(self.potentials):
            for name, (placements, shifts) in self._places(whole, cells).items():
                if name not in shares:
                    shares[name] = self._singly(name, placements, shifts, whole, gradient, virial)
                    energy += shares[name]
        for contribution, done in zip(self.physics, beneath, strict=True):
            found = cast(Evaluation, done)
            gradient += found.gradient
            virial += cast(Floats, found.virial)
            energy += found.energy
            if physics_of(contribution):
                shares |= {f"V_phys {share}": part for share, part in found.shares.items()}
            else:
                name = getattr(contribution, "share", type(contribution).__name__)
                shares[name] = shares.get(name, 0.0) + found.energy
        return Evaluation(energy, gradient, shares, virial)

    def _places(self, whole: Floats, cells: Floats) -> dict[str, tuple[Placements, Floats | None]]:
        """Return where each n-mer is, and the lattice vectors to the images of its atoms; those near are found."""
        places: dict[str, tuple[Placements, Floats | None]] = {name: (p, None) for name, p in self._fixed.items()}
        if self._search is not None and self.near is not None:
            vectors = cells[0] if len(cells) else None
            self._search.find(whole[0], vectors)
            for kind in self.near.kinds:
                placements, shifts = self._search.placements[kind.nmer], None
                if vectors is not None:
                    of_body = self.near.shifts(kind, placements, whole[0], vectors)
                    shifts = np.repeat(of_body, np.diff(self.near.slots(kind)), axis=1)
                places[kind.nmer] = placements, shifts
        return places

    def _singly(
        self,
        name: str,
        placements: Placements,
        shifts: Floats | None,
        whole: Floats,
        gradient: Floats,
        virial: Floats,
    ) -> Floats:
        """Add a potential that is not compiled, such as one with virtual sites; return its energies, (m,)."""
        places = placements.positions(whole)
        if shifts is not None:
            places = places + shifts
        value, slope = correction(self.potentials[name], places.reshape(-1, *places.shape[2:]))
        slope = slope.reshape(places.shape)
        on_atoms = np.zeros(whole.shape)
        placements.add_on_atoms(whole, slope, on_atoms)
        gradient += on_atoms
        virial += np.einsum("nai,naj->nij", on_atoms, whole)
        if shifts is not None:
            virial += np.einsum("noai,oaj->nij", slope, shifts)
        return np.asarray(np.reshape(value, places.shape[:2]).sum(axis=1))

    def c_address(self) -> tuple[int, int]:
        """Return the addresses of a C function of this sum in vacuum and of its data; see `systems.in_c`.

        The data belong to this object, and their induced dipoles to one trajectory: use that of `trajectory`.

        Raises
        ------
        InputError
            If the sum needs Python: in a cell, with n-mers found by distance, virtual sites, or other energies.
        """
        if self._in_c is None:
            physics = [c for c in self.physics if isinstance(c, PhysicsPotential)]
            compiled = len(self._compiled) == len(self.potentials) and len(physics) == len(self.physics) < 2
            if self.cell is not None or self.near is not None or not compiled or self._corrections is None:
                raise InputError(
                    "C evaluates a sum in vacuum, of PIPs without virtual sites at fixed places and V_phys"
                )
            self._in_c = InC(
                len(self.symbols), self._corrections, self._compiled, physics[0].system if physics else None
            )
        return self._in_c.address

    def parts(self, positions: ArrayLike) -> dict[str, Floats]:
        """Return each contribution to the energy, (n,), kcal/mol: they add up to it.

        The name of an n-mer stands for the corrections of all its occurrences, ``V_phys dispersion`` and the like
        for what V_phys of the whole adds.
        """
        return dict(self.evaluate(self.as_batch(positions)[0]).shares)

    def energies(self, positions: ArrayLike) -> dict[str, Floats]:
        """Return the corrections of each n-mer's occurrences, (n, occurrences), kcal/mol.

        Those of n-mers that are found by distance are left out.
        """
        batch, _ = self.as_batch(positions)
        found = {}
        for name, potential, placements in self._members:
            places = placements.positions(batch)
            value = correction(potential, places.reshape(-1, *places.shape[2:]))[0]
            found[name] = np.asarray(value).reshape(places.shape[:2])
        return found

    def occurrences(self, positions: Floats, vectors: Floats | None = None) -> list[Occurrences]:
        """Return the geometries of all occurrences, one entry an n-mer; the arguments are those of `evaluate`."""
        cells = self._cells(len(positions), vectors)
        found: dict[str, list[Occurrences]] = {}
        with self._lock:
            for n, one in enumerate(positions):
                whole = self._tree.whole(one, cells[n] if len(cells) else None)[None]
                for name, (placements, shifts) in self._places(whole, cells[n : n + 1]).items():
                    here = Occurrences.of(name, self.potentials[name], placements, shifts, whole[0], n)
                    found.setdefault(name, []).append(here)
        return [Occurrences.together(parts) for parts in found.values()]
