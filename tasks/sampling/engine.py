"""LAMMPS as a library: the n-mer in vacuum, a Langevin thermostat, and a compiled bias."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from potentials.errors import InputError
from potentials.molecule import NMer
from recipes.sampling import ForceField
from storage.records import Floats
from tasks.sampling.forcefield import TIP4P_2005F, Terms, fragment_terms, is_water
from tasks.sampling.kernel import lammps_callback

BOX = 200.0
"""Edge of the box, Angstrom; nothing reaches it, the boundaries are open."""

CUTOFF = 60.0
"""Beyond any distance in an n-mer, Angstrom: nothing is cut."""


class ExplosionError(RuntimeError):
    """LAMMPS lost atoms or met a number that is not finite."""


@cache
def load_mpi() -> None:
    """Load the MPI library that the LAMMPS wheel links to, wherever the mpich wheel put it.

    Raises
    ------
    InputError
        If there is none.
    """
    candidates = [Path(sys.prefix) / "lib" / "libmpi.so.12"]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        files = importlib.metadata.files("mpich") or []
        candidates = [Path(str(f.locate())).resolve() for f in files if f.name == "libmpi.so.12"] + candidates
    for path in candidates:
        if path.exists():
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
            return
    raise InputError("sampling.engine 'native' needs libmpi.so.12 for LAMMPS; install it with: pip install mpich")


@contextlib.contextmanager
def simulation(
    nmer: NMer,
    data_file: Path,
    *,
    force_field: ForceField = "ff14SB",
    temperature: float,
    timestep: float,
    damping: float,
    seed: int,
) -> Iterator[Any]:
    """Open LAMMPS with an n-mer at its starting geometry, thermostat and all, but no bias.

    Parameters
    ----------
    nmer
        The n-mer.
    data_file
        Where to write LAMMPS' data file.
    force_field
        Which one moves the atoms.
    temperature
        K.
    timestep, damping
        fs.
    seed
        Seed of the thermostat.
    """
    load_mpi()
    from lammps import lammps

    terms = combine([fragment_terms(f) for f in nmer.fragments])
    data_file.write_text(lammps_data(nmer, terms))
    program = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    try:
        program.commands_list(_setup(nmer, terms, data_file, temperature, timestep, damping, seed))
        _check_order(program)
        yield program
    finally:
        program.close()


def _check_order(program: Any) -> None:
    """Raise RuntimeError unless LAMMPS holds the atoms in the order of the data file, as the bias needs them."""
    atoms = int(program.get_natoms())
    if not np.array_equal(program.numpy.extract_atom("id")[:atoms], np.arange(1, atoms + 1)):
        raise RuntimeError("LAMMPS reordered the atoms; the bias needs them in the order of the data file")


def install_bias(program: Any, buffer: Floats) -> None:
    """Let the compiled kernel add its forces at every step; the buffer must outlive the simulation."""
    program.command("fix bias all external pf/callback 1 1")
    set_callback = program.lib.lammps_set_fix_external_callback
    set_callback.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]
    set_callback(program.lmp, b"bias", lammps_callback.address, buffer.ctypes.data)


def install_python_bias(program: Any, bias: Callable[[int, Floats], Floats]) -> None:
    """Let a Python function (step, positions) -> forces add its forces: the slow reference of tests."""

    def callback(_caller: Any, step: int, _nlocal: int, _tag: Any, x: Floats, f: Floats) -> None:
        f[:] = bias(step, x)

    program.command("fix bias all external pf/callback 1 1")
    program.set_fix_external_callback("bias", callback, None)


def run(program: Any, steps: int, first: bool = False) -> None:
    """Run some steps; the first run of an instance sets up.

    Raises
    ------
    ExplosionError
        If LAMMPS stops or a coordinate is not finite.
    """
    try:
        program.command(f"run {steps} pre {'yes' if first else 'no'} post no")
    except Exception as error:  # LAMMPS raises plain Exception for every failure of its own
        raise ExplosionError(" ".join(str(error).split())) from None
    if not np.isfinite(program.numpy.extract_atom("x")).all():
        raise ExplosionError("a coordinate is not finite")


def run_recorded(program: Any, frames: int, stride: int) -> Floats:
    """Run `frames` times `stride` steps, counted from 0, and return the energy at the end of each stride.

    One long run: LAMMPS takes as long to begin a run as for seventy steps of a small dimer.

    Returns
    -------
    (frames,), potential energy without the bias, kcal/mol.

    Raises
    ------
    ExplosionError
        As `run`.
    """
    program.command("reset_timestep 0")
    program.command(f"fix energies all vector {stride} c_thermo_pe")
    run(program, frames * stride, first=True)
    _check_order(program)
    every = [program.extract_fix("energies", 0, 1, row) for row in range(frames + 1)]
    return np.array(every[1:], dtype=np.float64)  # the first is that of step 0


def combine(parts: list[Terms]) -> Terms:
    """Return the terms of several fragments in the n-mer's atom numbers."""
    whole, start = Terms(), 0
    for part in parts:
        whole.charges.extend(part.charges)
        whole.sigma.extend(part.sigma)
        whole.epsilon.extend(part.epsilon)
        whole.bonds.extend((i + start, j + start, style, c) for i, j, style, c in part.bonds)
        whole.angles.extend((i + start, j + start, k + start, c, t) for i, j, k, c, t in part.angles)
        whole.torsions.extend((*(a + start for a in t[:4]), *t[4:]) for t in part.torsions)  # type: ignore[misc]
        start += len(part.charges)
    return whole


def atom_types(nmer: NMer) -> list[int]:
    """Return LAMMPS' type of each atom, from 1: one each, but all waters share one for O and one for H.

    LAMMPS' TIP4P knows its waters by these two types: any other oxygen would carry its charge itself.
    """
    types: list[int] = []
    water: list[int] = []
    for fragment in nmer.fragments:
        free = max(types, default=0) + 1
        if is_water(fragment):
            water = water or [free, free + 1, free + 1]
            types += water
        else:
            types += range(free, free + fragment.natoms)
    return types


def lammps_data(nmer: NMer, terms: Terms) -> str:
    """Return LAMMPS' data file: one type per bond, angle, and torsion."""
    half = BOX / 2
    types = atom_types(nmer)
    counts = {"bond": len(terms.bonds), "angle": len(terms.angles), "dihedral": len(terms.torsions)}
    lines = ["an n-mer in vacuum", "", f"{nmer.natoms} atoms", f"{max(types)} atom types"]
    for name, count in counts.items():
        if count:
            lines += [f"{count} {name}s", f"{count} {name} types"]
    lines += [f"{-half} {half} {axis}lo {axis}hi" for axis in "xyz"]
    lines += [
        "",
        "Masses",
        "",
        *(f"{t} {mass:.10g}" for t, mass in dict(zip(types, nmer.masses, strict=True)).items()),
    ]
    centre = nmer.positions.mean(axis=0)
    molecule = [n for n, f in enumerate(nmer.fragments, 1) for _ in range(f.natoms)]
    lines += ["", "Atoms # full", ""]
    for i, (x, y, z) in enumerate(nmer.positions - centre, 1):
        lines.append(
            f"{i} {molecule[i - 1]} {types[i - 1]} {terms.charges[i - 1]:.16g} {x:.16g} {y:.16g} {z:.16g}"
        )
    for title, members, size in (
        ("Bonds", terms.bonds, 2),
        ("Angles", terms.angles, 3),
        ("Dihedrals", terms.torsions, 4),
    ):
        if members:
            lines += ["", title, ""]
            for n, member in enumerate(members, 1):
                lines.append(f"{n} {n} {' '.join(str(a + 1) for a in member[:size])}")  # type: ignore[operator]
    return "\n".join(lines) + "\n"


def _setup(
    nmer: NMer, terms: Terms, data_file: Path, temperature: float, timestep: float, damping: float, seed: int
) -> list[str]:
    """Return the LAMMPS commands up to the first run."""
    water = next((p.start for f, p in zip(nmer.fragments, nmer.slices, strict=True) if is_water(f)), None)
    pair = f"lj/cut/coul/cut {CUTOFF}"
    if water is not None:
        bond = next(n for n, b in enumerate(terms.bonds, 1) if b[2] == "morse")
        angle = next(n for n, a in enumerate(terms.angles, 1) if a[1] == water)
        types = atom_types(nmer)
        pair = f"lj/cut/tip4p/cut {types[water]} {types[water + 1]} {bond} {angle} {TIP4P_2005F['qdist']} {CUTOFF}"
    commands = [
        "units real",
        "atom_style full",
        "boundary f f f",
        "newton on",
        "atom_modify map array sort 0 0.0",
        f"pair_style {pair}",
        "pair_modify mix arithmetic",
        "special_bonds lj 0.0 0.0 0.5 coul 0.0 0.0 0.8333333333333334",
        f"bond_style hybrid {' '.join(sorted({b[2] for b in terms.bonds}))}",
        "angle_style harmonic",
        *(["dihedral_style charmm"] if terms.torsions else []),
        f'read_data "{data_file}"',
    ]
    for t, epsilon, sigma in zip(atom_types(nmer), terms.epsilon, terms.sigma, strict=True):
        commands.append(f"pair_coeff {t} {t} {epsilon:.16g} {sigma:.16g}")
    for n, (_, _, style, c) in enumerate(terms.bonds, 1):
        commands.append(f"bond_coeff {n} {style} {' '.join(f'{v:.16g}' for v in c)}")
    for n, (*_, k, theta) in enumerate(terms.angles, 1):
        commands.append(f"angle_coeff {n} {k:.16g} {theta:.16g}")
    for n, (*_, k, periodicity, phase) in enumerate(terms.torsions, 1):
        commands.append(f"dihedral_coeff {n} {k:.16g} {periodicity} {round(phase)} 0.0")
    return [
        *commands,
        "neighbor 2.0 bin",
        "neigh_modify every 1 delay 0 check yes",
        f"timestep {timestep:.16g}",
        "fix move all nve",
        f"fix bath all langevin {temperature:.16g} {temperature:.16g} {damping:.16g} {seed}",
        "fix centre all recenter INIT INIT INIT",
        "compute_modify thermo_temp extra/dof 0",
        "thermo_style custom step pe",
        "thermo 1000000000",
    ]
