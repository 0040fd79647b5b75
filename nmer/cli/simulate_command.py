"""The command that runs molecular dynamics: simulate."""

from __future__ import annotations

import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath
from nmer.cli.output import print_json, print_rows
from potentials.errors import InputError

if TYPE_CHECKING:
    from tasks.simulation.settings import SimulationSettings
    from tasks.simulation.stored import Simulated

OUTSIDE = 0.01
"""Share of frames outside of the training range from which a warning is printed."""


def simulate(
    system: Annotated[
        str,
        Parameter(
            help="Name of a chain such as AceAla9Nme, SMILES, a file of molecules, or a .toml file of `nmer sum`."
        ),
    ],
    *,
    time: Annotated[str, Parameter(help="Length of each replica, with a unit: 500fs, 100ps, 10ns.")] = "10ps",
    model: Annotated[
        Literal["sum", "ff14SB", "ff19SB"], Parameter(help="The sum of n-mers, or a force field of Amber.")
    ] = "sum",
    family: Annotated[str | None, Parameter(help="Family that the n-mers must belong to: polyalanine.")] = None,
    water: Annotated[
        str | None, Parameter(help="Model of the waters of a file: own, q-TIP4P/F, or none; default: own.")
    ] = None,
    at: Annotated[
        Path | None, Parameter(help="xyz file whose first geometry is the start, atoms in the system's order.")
    ] = None,
    as_is: Annotated[
        bool, Parameter(help="Start from the geometry as it is; default: minimize its energy.")
    ] = False,
    ensemble: Annotated[Literal["nve", "nvt", "npt"], Parameter(help="npt: only with a cell.")] = "nvt",
    temperature: Annotated[float, Parameter(help="Temperature (K), also of the first velocities.")] = 300.0,
    pressure: Annotated[float, Parameter(help="Pressure (atm).")] = 1.0,
    thermostat: Annotated[Literal["langevin", "nose-hoover"], Parameter(help="Thermostat.")] = "langevin",
    damping: Annotated[float, Parameter(help="Relaxation time of the thermostat (fs).")] = 100.0,
    barostat_damping: Annotated[float, Parameter(help="Relaxation time of the barostat (fs).")] = 1000.0,
    timestep: Annotated[float, Parameter(help="Time step (fs).")] = 0.5,
    every: Annotated[int, Parameter(help="Steps between frames that are kept.")] = 100,
    segment: Annotated[
        int | None, Parameter(help="Steps between checkpoints; default: 5000, in a cell 500.")
    ] = None,
    replicas: Annotated[int, Parameter(help="Number of simulations with seeds of their own.")] = 1,
    seed: Annotated[int, Parameter(help="Seed of velocities and of the thermostat.")] = 2025,
    bias: Annotated[
        Path | None, Parameter(help="PLUMED input with one METAD; the replicas are its walkers and share hills.")
    ] = None,
    metad: Annotated[
        str | None,
        Parameter(help="Metadynamics of torsions without a file: phi,psi; of the second residue phi2,psi2."),
    ] = None,
    height: Annotated[float, Parameter(help="With --metad: height of the first hill (kcal/mol).")] = 0.3,
    width: Annotated[float, Parameter(help="With --metad: width of the hills (rad).")] = 0.3,
    pace: Annotated[int, Parameter(help="With --metad: steps between hills.")] = 500,
    bias_factor: Annotated[float, Parameter(help="With --metad: bias factor; 0: hills keep their height.")] = 8.0,
    bias_engine: Annotated[
        Literal["own", "plumed"], Parameter(help="What computes the bias; plumed needs PLUMED_KERNEL.")
    ] = "own",
    threads: Annotated[
        int | None, Parameter(help="Replicas that run at a time; default: number of processors.")
    ] = None,
    name: Annotated[
        str | None, Parameter(help="Name of the trajectory in the store; default: that of the system.")
    ] = None,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Run molecular dynamics with a sum of the newest potentials, or with Amber, and keep the trajectory.

    LAMMPS moves the atoms. The trajectory becomes a version of the store. The same command again continues one
    that was killed, with the same result in every bit, or shows the one that is there. In Python: nmer.simulate.

    Examples
    --------
    nmer simulate AceAlaNme --family polyalanine --time 100ps --replicas 2
    nmer simulate AceAlaNme --family polyalanine --time 1ns --metad phi,psi
    nmer simulate dipeptide.pdb --water own --ensemble npt --time 10ps
    """
    from nmer.cli.simulation_input import bias_of, check_shape, read_input, settings_of
    from storage.store import Store
    from tasks.progress import ProgressLine
    from tasks.simulation.stored import check_stored, simulate_in_store
    from tasks.simulation.times import duration, steps_of

    settings = settings_of(
        ensemble=ensemble,
        temperature=temperature,
        pressure=pressure,
        timestep=timestep,
        steps=lambda: steps_of(time, timestep, every),
        every=every,
        thermostat=thermostat,
        damping=damping,
        barostat_damping=barostat_damping,
        seed=seed,
        replicas=replicas,
        segment=5000 if segment is None else segment,
        minimize=not as_is,
    )
    if threads is not None and threads < 1:
        raise InputError(f"--threads is {threads}; allowed: 1 or more")
    if bias is not None and metad is not None:
        raise InputError("--bias and --metad are given; allowed: one of them")
    shape = {"height": height, "width": width, "pace": pace, "bias_factor": bias_factor}
    check_shape(shape, metad)
    opened = Store(store)
    given = read_input(system, opened, model, family, water, at)
    if segment is None and given.start.cell is not None:
        settings = settings.model_copy(update={"segment": 500})
    hills = None
    if bias is not None or metad is not None:
        hills = bias_of(given.start, bias, metad, shape, settings.temperature, bias_engine)
    check_stored(name or given.name, given.model, given.start, settings, hills)
    total = settings.steps * settings.replicas
    began, first = clock.monotonic(), -1
    with ProgressLine("simulate", total, "steps") as line:

        def told(done: int, _total: int) -> None:
            nonlocal began, first
            if first < 0:
                began, first = clock.monotonic(), done
            line.note = (
                "the start is minimized"
                if not done and not as_is
                else _speed(done - first, clock.monotonic() - began, settings)
            )
            line.update(done)

        found = simulate_in_store(
            opened,
            name or given.name,
            given.model,
            given.start,
            settings,
            bias=hills,
            described=given.described,
            papers=given.papers,
            told=told,
            threads=threads,
        )
        line.update(total)
    if json:
        return print_json(_facts(found), 1 if any(found.stopped) else 0)
    print_rows(_rows(found), {n: n for n in ("replica", "frames", "time", "temperature", "energy", "outside")})
    print("time: ps; temperature: K, mean; energy: potential energy, kcal/mol, mean; outside: share of frames")
    if found.outside is not None and found.outside > OUTSIDE:
        print(
            f"warning: in {100 * found.outside:.1f} % of the frames a potential extrapolates beyond its training "
            "data, where its energies are not to be relied on: run nmer check, and sample there"
        )
    if found.outside is None and model == "sum":
        print("outside is not known: not all potentials have the range of their training data; fit them again")
    for number, why in enumerate(found.stopped):
        if why:
            print(f"replica {number} was stopped by the potential at {why}")
    length = duration(settings.steps * settings.timestep)
    print(f"{found.version.ref}: {settings.replicas} x {length}{'' if found.new else ', which was there already'}")
    return 1 if any(found.stopped) else 0


def _speed(steps: int, seconds: float, settings: SimulationSettings) -> str:
    """Return how fast all replicas together and each of them advance."""
    if steps <= 0 or seconds <= 0:
        return "speed not known yet"
    each = seconds / steps
    days = 86400 / each * settings.timestep * 1e-6 / settings.replicas
    return f"{1e6 * each:.0f} us a step, {days:.3g} ns a day and replica"


def _rows(found: Simulated) -> list[dict[str, Any]]:
    rows = []
    for one in found.trajectories:
        empty = not len(one)
        rows.append(
            {
                "replica": one.replica,
                "frames": len(one),
                "time": "0" if empty else f"{one.times[-1] / 1000:g}",
                "temperature": None if empty else f"{one.temperature.mean():.1f}",
                "energy": None if empty else f"{one.energy.mean():.3f}",
                "outside": None if one.outside is None or empty else f"{one.outside.mean():.3f}",
            }
        )
    return rows


def _facts(found: Simulated) -> dict[str, Any]:
    """Return the figures as plain values for JSON."""
    return {
        "ref": found.version.ref,
        "key": found.version.key,
        "path": str(found.version.path),
        "new": found.new,
        "outside": found.outside,
        "replicas": [
            {
                "replica": one.replica,
                "frames": len(one),
                "time": float(one.times[-1]) if len(one) else 0.0,
                "temperature": float(one.temperature.mean()) if len(one) else None,
                "energy": float(one.energy.mean()) if len(one) else None,
                "outside": None if one.outside is None or not len(one) else float(one.outside.mean()),
                "hills": None if one.hills is None else len(one.hills),
                "stopped": why,
            }
            for one, why in zip(found.trajectories, found.stopped, strict=True)
        ],
    }
