"""PLUMED itself as the engine of the bias, through its Python wrapper: slow, and the reference for the kernel.

PLUMED reads the bias specification from a ``plumed.dat``. A segment after the first restarts from the hills so
far, at full precision.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError, MissingProgramError
from potentials.nmers.nmer import NMer
from potentials.units import KCAL_IN_KJ
from recipes.schema.sampling import Sampling
from tasks.bias.plumed_output import hills_files, plumed_input, write_hill_files
from tasks.bias.specification import BiasSpec, Grid, window_bias

ANGSTROM_IN_NM, FS_IN_PS = 0.1, 0.001


class PlumedRun:
    """PLUMED for one segment, in its own temporary folder.

    Parameters
    ----------
    masses
        (atoms,), u.
    timestep
        fs.
    restart
        Whether PLUMED restarts from hills.
    box
        Edges of a rectangular box, Angstrom; None for none.

    Attributes
    ----------
    masses
        (atoms,), u.
    folder
        The temporary folder.
    energy
        Bias of the last step, walls included, kcal/mol.
    problem
        PLUMED's error; empty if there is none.

    Raises
    ------
    InputError
        If the wrapper or PLUMED's kernel is missing.
    """

    def __init__(
        self,
        masses: tuple[float, ...],
        timestep: float,
        restart: bool,
        box: tuple[float, float, float] | None = None,
    ) -> None:
        self._timestep, self._restart = timestep, restart
        self.masses = np.array(masses)
        self._box = None if box is None else np.diag(np.array(box, dtype=np.float64))
        self._virial, self._bias = np.zeros((3, 3)), np.zeros(1)
        self._step, self._forces = -1, np.zeros((len(masses), 3))
        self.energy, self.problem = 0.0, ""
        self._plumed = new_plumed()
        self._home = TemporaryDirectory(prefix="nmer-plumed-")
        self.folder = Path(self._home.name)

    def begin(self, text: str) -> None:
        """Give PLUMED its input; hills to restart from are in the folder."""
        (self.folder / "plumed.dat").write_text(text)
        for key, value in (
            ("setMDLengthUnits", ANGSTROM_IN_NM),
            ("setMDEnergyUnits", KCAL_IN_KJ),
            ("setMDTimeUnits", FS_IN_PS),
            ("setNatoms", len(self.masses)),
            ("setMDEngine", "nmer"),
            ("setTimestep", self._timestep),
            ("setLogFile", str(self.folder / "plumed.log")),
            ("setRestart", int(self._restart)),
            ("setPlumedDat", str(self.folder / "plumed.dat")),
        ):
            self._plumed.cmd(key, value)
        self._plumed.cmd("init")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._home.cleanup()

    def __call__(self, step: int, x: Floats) -> Floats:
        """Return the bias's forces, kcal/mol/Angstrom, at one step; PLUMED adds its hills.

        A run begins at the step where the last one ended. LAMMPS calls again for that step; PLUMED, like the
        native kernel, then includes the hills of that step without adding them a second time.

        LAMMPS ignores exceptions of a callback: an error of PLUMED is stored in `problem` instead.
        """
        if self.problem:
            return self._forces
        commands = ("prepareCalc", "performCalcNoUpdate" if step == self._step else "performCalc")
        self._forces[:] = 0.0
        try:
            for key, value in (
                ("setStep", step),
                ("setPositions", np.ascontiguousarray(x)),
                ("setMasses", self.masses),
                ("setForces", self._forces),
                ("setVirial", self._virial),
                *([] if self._box is None else [("setBox", self._box)]),
            ):
                self._plumed.cmd(key, value)
            for command in commands:
                self._plumed.cmd(command)
            self._plumed.cmd("getBias", self._bias)
        except Exception as error:  # PLUMED's wrapper has a class for each kind of error
            self.problem = f"PLUMED: {' '.join(str(error).split())}"
        self._step, self.energy = step, float(self._bias[0])
        return self._forces

    def close(self) -> None:
        """Close PLUMED, which then has written all hills."""
        self._plumed.finalize()


class PlumedBias(PlumedRun):
    """PLUMED's parallel-bias metadynamics for one segment.

    Parameters
    ----------
    spec
        The bias.
    timestep
        fs.
    before
        The hills of earlier segments, as `Segment.hills` of a walker; empty for the first segment.

    Raises
    ------
    InputError
        If the wrapper or PLUMED's kernel is missing, or PLUMED's bias would differ from the kernel's.
    """

    def __init__(self, spec: BiasSpec, timestep: float, before: Floats) -> None:
        check_widths(spec.grids)
        super().__init__(spec.masses, timestep, len(before) > 0)
        self._spec, self._before = spec, len(before)
        if len(before):
            write_hill_files(self.folder, spec, before)
        self.begin(plumed_input(spec, 1_000_000, self.folder))

    def finish(self) -> Floats:
        """Close PLUMED and return this segment's hills, as `Recording.hills`."""
        self.close()
        hills = read_hill_files(self.folder, self._spec)[self._before :]
        hills[:, 0] = np.rint(hills[:, 0] / self._timestep)
        return hills


def check_plumed(nmer: NMer, settings: Sampling) -> None:
    """Raise InputError if PLUMED is missing, or its bias would differ from the kernel's."""
    try:
        check_widths(window_bias(nmer, settings.bias, settings.temperatures[0], settings.windows[0]).grids)
        new_plumed()
    except InputError as error:
        raise type(error)(f"sampling.{error}") from None


def check_widths(grids: tuple[Grid, ...]) -> None:
    """Raise InputError if PLUMED's bias would differ from the kernel's."""
    for grid in grids:
        if grid.wraps:
            raise InputError(
                f"engine 'plumed' cannot have torsion hills of {grid.sigma:g} rad: PLUMED adds the grid "
                "points of a hill wider than the period twice; set sigma to 0.8 rad or less, or engine = 'native'"
            )


def new_plumed() -> Any:
    """Return a PLUMED object.

    Raises
    ------
    InputError
        If the wrapper or PLUMED's kernel is missing.
    """
    try:
        import plumed
    except ModuleNotFoundError:
        raise MissingProgramError(
            "engine 'plumed' needs PLUMED's Python wrapper; install it with: pip install 'nmer[plumed]'"
        ) from None
    try:
        return plumed.Plumed()
    except RuntimeError:
        kernel = os.environ.get("PLUMED_KERNEL")
        found = f"'{kernel}' cannot be loaded" if kernel else "the variable is not set"
        raise MissingProgramError(
            "engine 'plumed' needs PLUMED itself: set PLUMED_KERNEL to its libplumedKernel.so "
            f"(conda-forge package plumed); {found}"
        ) from None


def read_hill_files(folder: Path, spec: BiasSpec) -> Floats:
    """Return the hills in PLUMED's files, as `tasks.sampling.samplers.pbmetad.walker.Segment.hills`.

    Parameters
    ----------
    folder
        Where the HILLS files are; a missing file means no hills.
    spec
        The bias.
    """
    factor = spec.biasfactor / (spec.biasfactor - 1.0)
    tables: list[Floats] = []
    for name, members in zip(hills_files(spec), spec.members, strict=True):
        path = folder / name
        lines = path.read_text().splitlines() if path.exists() else []
        rows = [line for line in lines if line.strip() and not line.startswith("#")]
        tables.append((np.loadtxt(rows, ndmin=2) if rows else np.empty((0, 5))).reshape(-1, len(members), 5))
    hills = np.empty((len(tables[0]), 1 + 2 * len(spec.cvs)))
    hills[:, 0] = tables[0][:, 0, 0]
    for table, members in zip(tables, spec.members, strict=True):
        columns = 1 + 2 * np.array(members)
        hills[:, columns], hills[:, columns + 1] = table[:, :, 1], table[:, :, 3] / factor
    return hills
