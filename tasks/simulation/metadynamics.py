"""Metadynamics of a simulation: one bias for each replica, whose hills all replicas share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from potentials.arrays import Floats, Ints
from potentials.errors import InputError, StageError
from tasks.bias.cvs import CV
from tasks.bias.lammps import AttachedBias, attach_bias
from tasks.bias.metad import MetaD, MetaDBias
from tasks.bias.plumed_engine import new_plumed
from tasks.bias.plumed_input import read_plumed
from tasks.bias.plumed_metad import metad_labels
from tasks.bias.plumed_metad_engine import PlumedMetaDBias
from tasks.bias.plumed_model import PlumedMetaD
from tasks.bias.shared_hills import SharedHills


@dataclass(frozen=True)
class Metadynamics:
    """The bias of a simulation.

    Attributes
    ----------
    settings
        Widths, height, pace, bias factor and grid of the hills.
    cvs
        The variables.
    labels
        Their names in HILLS files.
    engine
        ``own``: compiled code; ``plumed``: PLUMED itself, which Python calls at every step.

    Raises
    ------
    InputError
        If a variable has no label.
    """

    settings: MetaD
    cvs: tuple[CV, ...]
    labels: tuple[str, ...] = ()
    engine: Literal["own", "plumed"] = "own"

    def __post_init__(self) -> None:
        if not self.labels:
            object.__setattr__(self, "labels", tuple(metad_labels(self.cvs)))
        if len(self.labels) != len(self.cvs):
            raise InputError(f"metadynamics of {len(self.cvs)} variables has {len(self.labels)} labels")

    def contents(self) -> dict[str, Any]:
        """Return what determines the bias, as values for JSON and TOML."""
        settings = {name: value for name, value in asdict(self.settings).items() if value not in (None, ())}
        atoms = [[a + 1 for a in cv.atoms] for cv in self.cvs]
        return {"engine": self.engine, "labels": list(self.labels), "atoms": atoms, **_plain(settings)}

    def check(self, natoms: int, temperature: float, ensemble: str, vectors: Floats | None) -> None:
        """Raise InputError if the bias cannot act in a simulation."""
        if any(not 0 <= atom < natoms for cv in self.cvs for atom in cv.atoms):
            raise InputError(f"a variable of metadynamics names an atom beyond the {natoms} atoms")
        if self.settings.biasfactor is not None and self.settings.temperature != temperature:
            raise InputError(
                f"metadynamics has a temperature of {self.settings.temperature:g} K, and the simulation "
                f"{temperature:g} K; allowed: the same"
            )
        if ensemble == "npt":
            raise InputError("metadynamics needs a box that stays as it is; allowed: nvt, or nve")
        if self.engine == "plumed":
            new_plumed()  # raises InputError if it is missing
        if vectors is not None and np.abs(vectors - np.diag(np.diag(vectors))).max() > 0:
            raise InputError("metadynamics needs a rectangular cell, or none")


def _plain(value: Any) -> Any:
    """Return tuples as lists."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (tuple, list)) else value


def metadynamics_of(path: Path, periodic: bool, engine: Literal["own", "plumed"] = "own") -> Metadynamics:
    """Return the metadynamics of a PLUMED input.

    Parameters
    ----------
    path
        A ``plumed.dat`` with one METAD of distances, angles and torsions of single atoms, and nothing else that
        acts. The replicas are its walkers, so that it names none; its HILLS files are those of the simulation.
    periodic
        Whether the simulation has a cell: variables of nearest images are for one, those with NOPBC for vacuum.
    engine
        What computes the bias.

    Raises
    ------
    InputError
        If it cannot be read, or has something else.
    """
    found = read_plumed(path)
    name = path.name
    biases = [bias for bias in found.biases if isinstance(bias, PlumedMetaD)]
    if len(biases) != 1 or len(found.biases) != 1 or found.walls:
        raise InputError(f"{name}: allowed in a simulation: one METAD, and no PBMETAD and no walls")
    bias = biases[0]
    if bias.restart or bias.walkers is not None:
        raise InputError(
            f"{name}: RESTART and WALKERS_N are set by the simulation, whose replicas are the walkers; "
            "leave them out"
        )
    by_label = {cv.label: cv for cv in found.cvs}
    cvs = []
    for label in bias.arguments:
        cv = by_label[label]
        if not cv.points or any(len(point) != 1 for point in cv.points):
            raise InputError(
                f"{name}: variable {label} is of centres of mass or a sum; allowed in a simulation: distances, "
                "angles and torsions of atoms"
            )
        if periodic and not cv.nearest:
            raise InputError(f"{name}: variable {label} has NOPBC, and the system has a cell; leave it out")
        cvs.append(CV(tuple(point[0] for point in cv.points)))
    return Metadynamics(bias.settings, tuple(cvs), bias.arguments, engine)


class Walker:
    """The bias of one replica.

    Parameters
    ----------
    of
        The metadynamics.
    masses
        (atoms,), amu.
    timestep
        fs.
    vectors
        (3, 3), the cell's vectors, Angstrom; None in vacuum.
    folder
        Folder of the HILLS files of all walkers.
    walkers, own
        Number of walkers, and the number of this one.
    hills, read
        The hills so far, and bytes that were read of each file, at the checkpoint from which it goes on.
    """

    def __init__(
        self,
        of: Metadynamics,
        masses: Floats,
        timestep: float,
        vectors: Floats | None,
        folder: Path,
        walkers: int,
        own: int,
        hills: Sequence[Floats] = (),
        read: Ints | None = None,
    ) -> None:
        box = None if vectors is None else (float(vectors[0, 0]), float(vectors[1, 1]), float(vectors[2, 2]))
        self._of, self._masses = of, tuple(float(m) for m in masses)
        self.bias = MetaDBias(of.settings, of.cvs, len(masses), timestep, box, own)
        for some in hills:
            if len(some):
                self.bias.add(some)
        heads = tuple(zip(of.labels, of.settings.periodic, strict=True))
        self._shared = SharedHills(folder, heads, walkers, own, read)
        self._shared.publish(self.bias)
        self._known = self._first = self.bias.count
        self._start = 0
        self._attached: AttachedBias | None = None
        self._plumed: PlumedMetaDBias | None = None

    def attach(self, program: Any) -> None:
        """Add the bias to LAMMPS and prepare for a segment."""
        self.begin(int(program.extract_global("ntimestep")))
        self._attached = attach_bias(program, self.bias, self._plumed)

    def begin(self, step: int) -> None:
        """Prepare for a segment from a step on, whose forces are asked for with `forces`."""
        self._first, self._start = self.bias.count, step
        self._plumed = PlumedMetaDBias(self.bias, self._masses) if self._of.engine == "plumed" else None

    @property
    def atoms(self) -> tuple[int, ...]:
        """The atoms on which the bias acts."""
        return tuple(sorted({atom for cv in self._of.cvs for atom in cv.atoms}))

    def forces(self, step: int, positions: Floats) -> Floats:
        """Return the forces of the bias at a step, and add a hill if one is due.

        Parameters
        ----------
        step
            The number of the step; each once, in ascending order.
        positions
            (atoms, 3), Angstrom.

        Returns
        -------
        (atoms, 3), kcal/mol/Angstrom.

        Raises
        ------
        StageError
            If a variable is not a finite number, or is outside of its grid.
        """
        if self._plumed is None:
            return self.bias(step, positions)[1]
        found = self._plumed(step, positions)
        if self._plumed.problem:
            raise StageError(self._plumed.problem)
        return found

    def install(self, start: int, steps: int) -> None:
        """Prepare for some steps from the step `start` on, before they are run."""
        assert self._attached is not None
        self._attached.install(steps)

    def frame(self, step: int) -> tuple[float, int]:
        """Return the energy of the bias at the last step (kcal/mol), and the number of hills it is made of."""
        if self._plumed is None:
            return self.bias.energy, self.bias.counted
        pace = (
            self._of.settings.pace
        )  # a hill acts from the step after its own, and is in the bias at the segment's end
        return self._plumed.energy, self._first + max(0, (step - 1) // pace - self._start // pace)

    def check(self) -> None:
        """Raise StageError if the bias has met an error."""
        assert self._attached is not None
        self._attached.check()

    def finish(self) -> None:
        """End the segment; all of its hills are then in the bias."""
        if self._plumed is not None:
            self._plumed.finish()
        self._attached = self._plumed = None

    def collect(self) -> tuple[Floats, Ints]:
        """Add the other walkers' new hills, and return all hills since the last time, and what was read."""
        self._shared.collect(self.bias)
        new = self.bias.hills[self._known :]
        self._known = self.bias.count
        return new, self._shared.read

    def publish(self) -> None:
        """Write this walker's new hills for the others, after the checkpoint that contains them is on the disk."""
        self._shared.publish(self.bias)
