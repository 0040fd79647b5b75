"""Amber's force fields of a peptide in water in a periodic cell: energies and dynamics by OpenMM.

Waters are rigid, the peptide is flexible. OpenMM computes in single precision on the CPU, by one thread and in a
fixed order, so that the same state gives the same numbers; charges by PME, Lennard-Jones to a cut-off with
OpenMM's correction beyond.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Floats
from potentials.errors import InputError, NmerError, StageError
from potentials.evaluation import Evaluation
from potentials.systems.system import System
from potentials.units import KB, KCAL_IN_KJ
from tasks.simulation.amber_parameters import PROTEIN, WATER, openmm_topology, papers_of
from tasks.simulation.metadynamics import Metadynamics, Walker
from tasks.simulation.openmm_bias import NANOMETRE, BiasForce
from tasks.simulation.settings import SimulationSettings
from tasks.simulation.start import Start, degrees_of_freedom, kinetic_energy, seed_of
from tasks.simulation.states import Segment, State

CUTOFF, SMALLEST = 9.0, 6.0
"""Cut-off of Lennard-Jones and of the direct sum of PME, and the smallest that is allowed, Angstrom."""

PART = 0.45
"""Largest cut-off as a part of the cell's smallest width, which a barostat may make smaller."""

LONGEST_STEP = 1.0
"""Longest time step, fs: bonds of the peptide to hydrogen are flexible."""

VELOCITY = 0.01
"""nm/ps in Angstrom/fs."""

BAR = 1.01325
"""1 atm."""

BAROSTAT = 25
"""Steps between two changes of the volume by the Monte Carlo barostat."""

SHORTEST = 10 * BAROSTAT
"""Shortest segment with a barostat, steps: it begins anew with each."""

TIGHT = 1e-8
"""Tolerance of constraints."""


class AmberInCell:
    """A force field of amino acids and water in a periodic cell.

    Parameters
    ----------
    system
        The system.
    force_field
        ``ff14SB`` with TIP3P, or ``ff19SB`` with OPC.

    Attributes
    ----------
    constraints
        Number of degrees of freedom that are held.
    papers
        Keys of ``storage/papers.toml``.

    Raises
    ------
    InputError
        If OpenMM is missing, the force field is unknown, there are other residues, or the cell is too small.
    """

    programs = ("openmm",)

    def __init__(self, system: System, force_field: str) -> None:
        assert system.cell is not None and system.vectors is not None
        self.name, self.symbols, self.bonds, self.cell = force_field, system.symbols, system.bonds, system.cell
        self._given, self._vectors = system, system.vectors
        self.papers = papers_of(force_field, Path(WATER.get(force_field, "")).stem)
        topology, order = openmm_topology(system.symbols, system.bonds, system.name, force_field)
        from openmm import Vec3, app, unit

        width = 1.0 / np.linalg.norm(np.linalg.inv(self._vectors), axis=0).max()
        cutoff = min(CUTOFF, PART * float(width))
        if cutoff < SMALLEST:
            raise InputError(
                f"{system.name} has a cell {width:.1f} A wide; allowed for {force_field}: {SMALLEST / PART:.1f} A"
            )
        self.cutoff = cutoff
        field = app.ForceField(PROTEIN[force_field], WATER[force_field])
        places = [Vec3(*row) for row in (system.positions[order] / NANOMETRE).tolist()]
        model = app.Modeller(topology, places * unit.nanometer)
        model.topology.setPeriodicBoxVectors((self._vectors / NANOMETRE).tolist())
        model.addExtraParticles(field)  # the charge of OPC
        real = [n for n, atom in enumerate(model.topology.atoms()) if atom.element is not None]
        self._system = field.createSystem(
            model.topology,
            nonbondedMethod=app.PME,
            nonbondedCutoff=cutoff / NANOMETRE,
            constraints=None,
            rigidWater=True,
            flexibleConstraints=True,
            removeCMMotion=False,
        )
        self._places = np.empty(len(order), dtype=np.int64)
        self._places[order] = real
        self._particles = self._system.getNumParticles()
        self.constraints = self._system.getNumConstraints()
        self._context: Any = None

    def trajectory(self) -> AmberInCell:
        """Return the same force field with an OpenMM context of its own."""
        return AmberInCell(self._given, self.name)

    def __getstate__(self) -> dict[str, Any]:
        return {"given": self._given, "name": self.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        AmberInCell.__init__(self, state["given"], state["name"])

    def evaluate(self, positions: Floats, vectors: Floats | None = None) -> Evaluation:
        """Return energies and gradients of (m, atoms, 3) in Angstrom; no virial.

        Parameters
        ----------
        positions
            Angstrom.
        vectors
            (3, 3) or (m, 3, 3), in place of the cell's.
        """
        import openmm

        if self._context is None:
            self._context = self._opened(openmm.VerletIntegrator(0.001))
        x = np.asarray(positions, dtype=np.float64)
        if x.ndim != 3 or x.shape[1:] != (len(self.symbols), 3):
            raise InputError(f"positions have the shape {x.shape}; allowed: (m, {len(self.symbols)}, 3)")
        cells = np.broadcast_to(self._vectors if vectors is None else vectors, (len(x), 3, 3))
        energy, gradient = np.empty(len(x)), np.empty(x.shape)
        for n, (geometry, cell) in enumerate(zip(x, cells, strict=True)):
            self._place(self._context, geometry, cell)
            state = self._context.getState(getEnergy=True, getForces=True)
            energy[n] = state.getPotentialEnergy()._value / KCAL_IN_KJ
            gradient[n] = -state.getForces(asNumpy=True)._value[self._places] / (KCAL_IN_KJ * NANOMETRE)
        return Evaluation(energy, gradient)

    def energy_and_gradient(self, positions: ArrayLike) -> tuple[Any, Floats]:
        """Return energies (kcal/mol) and gradients (kcal/mol/Angstrom) of (m, atoms, 3), or of one (atoms, 3)."""
        x = np.asarray(positions, dtype=np.float64)
        found = self.evaluate(x[None] if x.ndim == 2 else x)
        return (float(found.energy[0]), found.gradient[0]) if x.ndim == 2 else (found.energy, found.gradient)

    def energy(self, positions: ArrayLike) -> Any:
        """Return energies as `energy_and_gradient` does."""
        return self.energy_and_gradient(positions)[0]

    def check_settings(self, settings: SimulationSettings, bias: Metadynamics | None) -> None:
        """Raise InputError if settings or a bias are not possible with it.

        Thermostats are OpenMM's Langevin (middle scheme) and Nose-Hoover chains; a bias is possible with the
        first, which asks for forces once in a step.
        """
        if bias is not None and not settings.has_bath:
            raise InputError(
                f"metadynamics with {self.name} in a cell needs the Langevin thermostat; allowed: the ensemble "
                "nvt with it, or no bias"
            )
        if settings.timestep > LONGEST_STEP:
            raise InputError(
                f"timestep is {settings.timestep:g} fs; allowed with {self.name} in a cell: up to "
                f"{LONGEST_STEP:g} fs"
            )
        length = settings.frames_of_segment * settings.every
        if settings.ensemble == "npt" and length < SHORTEST:
            raise InputError(f"segment is {length} steps; allowed with npt and {self.name}: {SHORTEST} or more")

    def run_segment(
        self,
        start: Start,
        settings: SimulationSettings,
        replica: int,
        number: int,
        state: State,
        bias: Walker | None = None,
        told: Callable[[int], None] = lambda steps: None,
    ) -> Segment:
        """Run a segment in OpenMM, as `tasks.simulation.segment.run_segment` does in LAMMPS.

        The variables of thermostats begin anew with each segment; the barostat is Monte Carlo, for which
        `barostat_damping` has no meaning. Kinetic energies are those of OpenMM's velocities, half a step earlier
        with a thermostat. Python computes the forces of a bias at every step.
        """
        seed = seed_of(settings.seed, replica, number, "bath") % 2**31
        pulled = None if bias is None else BiasForce(bias, self._places)
        context = self._opened(_integrator(settings, seed), settings, seed, pulled)
        assert state.vectors is not None
        self._place(context, state.positions, state.vectors, state.velocities)
        if not number:
            self._begin(context, start, settings)
        rows: list[tuple[Floats, Floats, Floats, Floats]] = []
        steps, biases, stopped = [], [], ""
        step = state.step
        if bias is not None:
            bias.begin(step)
        try:
            for frame in range(settings.frames_in(number) + 1):
                _advance(context, pulled, step, settings.every if frame else 0)
                step += settings.every if frame else 0
                row = self._read(context, start)
                if not all(np.isfinite(one).all() for one in row):
                    raise _NotFiniteError("the energy, a position or a velocity is not a finite number")
                if frame or not number:
                    steps.append(step)
                    rows.append(row)
                    biases += [] if bias is None else [bias.frame(step)]
                told(step - state.step)
        except _NotFiniteError as error:
            stopped = f"step {step}: {error}"
        except NmerError as error:
            stopped = f"a step after {step}: {error}"
        if bias is not None:
            try:
                bias.finish()
            except StageError as error:
                stopped = stopped or f"step {step}: {error}"
        x, v, cell, _ = self._read(context, start)
        end = None if stopped else State(step, x, v, cell)
        natoms = len(self.symbols)
        return Segment(
            np.array(steps, dtype=np.int64),
            np.array([row[0] for row in rows]).reshape(-1, natoms, 3),
            np.array([row[2] for row in rows]).reshape(-1, 3, 3),
            np.array([float(row[3]) for row in rows]),
            np.array([kinetic_energy(start.masses, row[1]) for row in rows]),
            np.array([energy for energy, _ in biases], dtype=np.float64),
            np.array([hills for _, hills in biases], dtype=np.int64),
            {},
            np.zeros(0, dtype=np.bool_),
            end,
            stopped,
        )

    def _opened(
        self,
        integrator: Any,
        settings: SimulationSettings | None = None,
        seed: int = 0,
        pulled: BiasForce | None = None,
    ) -> Any:
        """Return a context; with a barostat if the settings have one, and with the forces of a bias."""
        import openmm

        system = self._system
        if pulled is not None:
            system = openmm.XmlSerializer.clone(system)
            system.addForce(pulled.force)
        if settings is not None and settings.ensemble == "npt":
            system = openmm.XmlSerializer.clone(system)
            barostat = openmm.MonteCarloBarostat(settings.pressure * BAR, settings.temperature, BAROSTAT)
            barostat.setRandomNumberSeed(seed)
            system.addForce(barostat)
        platform = openmm.Platform.getPlatformByName("CPU")
        integrator.setConstraintTolerance(TIGHT)
        return openmm.Context(system, integrator, platform, {"Threads": "1", "DeterministicForces": "true"})

    def _place(self, context: Any, positions: Floats, vectors: Floats, velocities: Floats | None = None) -> None:
        """Put a context at a geometry."""
        from openmm import OpenMMException

        try:
            context.setPeriodicBoxVectors(*(vectors / NANOMETRE).tolist())
        except OpenMMException as error:
            raise InputError(f"the cell does not fit {self.name}: {error}") from None
        whole = np.zeros((self._particles, 3))
        whole[self._places] = positions / NANOMETRE
        context.setPositions(whole)
        context.computeVirtualSites()
        if velocities is not None:
            fast = np.zeros((self._particles, 3))
            fast[self._places] = velocities / VELOCITY
            context.setVelocities(fast)

    def _begin(self, context: Any, start: Start, settings: SimulationSettings) -> None:
        """Make waters rigid, and scale the velocities that this leaves to the temperature."""
        context.applyConstraints(TIGHT)
        context.applyVelocityConstraints(TIGHT)
        context.computeVirtualSites()
        x, v, cell, _ = self._read(context, start)
        freedom = degrees_of_freedom(x, True, settings.has_bath) - self.constraints
        now = kinetic_energy(start.masses, v)
        if now <= 0 or cell is None:
            raise StageError("the velocities at the beginning are zero")
        self._place(context, x, cell, v * np.sqrt(0.5 * freedom * KB * settings.temperature / now))

    def _read(self, context: Any, start: Start) -> tuple[Floats, Floats, Floats, Floats]:
        """Return positions, velocities, vectors and energy."""
        state = context.getState(getPositions=True, getVelocities=True, getEnergy=True, groups={0})
        x = NANOMETRE * state.getPositions(asNumpy=True)._value[self._places]
        v = VELOCITY * state.getVelocities(asNumpy=True)._value[self._places]
        cell = NANOMETRE * np.array(state.getPeriodicBoxVectors(asNumpy=True)._value)
        return x, v, cell, np.array(state.getPotentialEnergy()._value / KCAL_IN_KJ)


class _NotFiniteError(StageError):
    """A number of the frame at this step is not finite."""


def _advance(context: Any, pulled: BiasForce | None, step: int, steps: int) -> None:
    """Move a context by some steps from a step on; raises StageError if OpenMM or the bias has met an error."""
    try:
        if pulled is not None and not steps:
            pulled.update(context, step)
        elif pulled is not None:
            pulled.advance(context, step, steps)
        elif steps:
            context.getIntegrator().step(steps)
    except NmerError:
        raise
    except Exception as error:  # OpenMM raises plain exceptions
        raise StageError(" ".join(str(error).split())) from None


def _integrator(settings: SimulationSettings, seed: int) -> Any:
    """Return OpenMM's integrator of an ensemble."""
    import openmm

    step, friction = settings.timestep / 1000.0, 1000.0 / settings.damping  # ps, 1/ps
    if settings.has_bath:
        made = openmm.LangevinMiddleIntegrator(settings.temperature, friction, step)
        made.setRandomNumberSeed(seed)
        return made
    if settings.ensemble != "nve":
        return openmm.NoseHooverIntegrator(settings.temperature, friction, step)
    made = openmm.CustomIntegrator(step)  # velocity Verlet: velocities are those of the positions' time
    made.addPerDofVariable("x1", 0)
    made.addUpdateContextState()
    made.addComputePerDof("v", "v+0.5*dt*f/m")
    made.addComputePerDof("x", "x+dt*v")
    made.addComputePerDof("x1", "x")
    made.addConstrainPositions()
    made.addComputePerDof("v", "v+0.5*dt*f/m+(x-x1)/dt")
    made.addConstrainVelocities()
    return made
