"""LAMMPS' input: the data file of an n-mer, and the commands before the first run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from potentials.nmers.nmer import NMer
from tasks.sampling.force_fields.parameters import Conventions, Parameters
from tasks.sampling.force_fields.water import TIP4P_2005F, is_water

BOX = 200.0
"""Edge of the box, Angstrom; no atom reaches it, and the boundaries are open."""

CUTOFF = 60.0
"""Cutoff larger than any distance in an n-mer, Angstrom."""


def atom_types(nmer: NMer) -> list[int]:
    """Return LAMMPS' type of each atom, from 1: one per atom, but all waters share one for O and one for H.

    LAMMPS' TIP4P identifies water by these two types, and oxygens of other types keep the charge on the atom.
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


def lammps_data(nmer: NMer, parameters: Parameters) -> str:
    """Return LAMMPS' data file: one type per bond, angle, torsion, and improper.

    Parameters
    ----------
    nmer
        The n-mer.
    parameters
        Its force-field parameters.
    """
    half = BOX / 2
    types = atom_types(nmer)
    sections: dict[str, list[tuple[int, ...]]] = {
        "bond": [b[:2] for b in parameters.bonds],
        "angle": [a[:3] for a in parameters.angles],
        "dihedral": [t[:4] for t in parameters.torsions],
        "improper": [t[:4] for t in parameters.impropers],
    }
    lines = ["an n-mer in vacuum", "", f"{nmer.natoms} atoms", f"{max(types)} atom types"]
    for name, members in sections.items():
        if members:
            lines += [f"{len(members)} {name}s", f"{len(members)} {name} types"]
    lines += [f"{-half} {half} {axis}lo {axis}hi" for axis in "xyz"]
    masses = dict(zip(types, nmer.masses, strict=True))
    lines += ["", "Masses", "", *(f"{t} {mass:.10g}" for t, mass in masses.items())]
    centre = nmer.positions.mean(axis=0)
    molecule = [n for n, f in enumerate(nmer.fragments, 1) for _ in range(f.natoms)]
    lines += ["", "Atoms # full", ""]
    for i, (x, y, z) in enumerate(nmer.positions - centre, 1):
        lines.append(
            f"{i} {molecule[i - 1]} {types[i - 1]} {parameters.charges[i - 1]:.16g} {x:.16g} {y:.16g} {z:.16g}"
        )
    for name, members in sections.items():
        if members:
            lines += ["", f"{name.capitalize()}s", ""]
            lines += [f"{n} {n} {' '.join(str(a + 1) for a in atoms)}" for n, atoms in enumerate(members, 1)]
    return "\n".join(lines) + "\n"


def force_field_commands(
    nmer: NMer, parameters: Parameters, conventions: Conventions | None, data_file: Path
) -> list[str]:
    """Return the commands for an n-mer and its force field.

    Parameters
    ----------
    nmer
        The n-mer.
    parameters, conventions
        Its force field; without conventions LAMMPS computes no forces.
    data_file
        What `lammps_data` returned.
    """
    world = ["units real", "atom_style full", "boundary f f f", "newton on", "atom_modify map array sort 0 0.0"]
    if conventions is None:
        return [*world, f"pair_style zero {CUTOFF} nocoeff", f'read_data """{data_file}"""', "pair_coeff * *"]
    water = next((p.start for f, p in zip(nmer.fragments, nmer.slices, strict=True) if is_water(f)), None)
    types = atom_types(nmer)
    pair = f"lj/cut/coul/cut {CUTOFF}"
    if water is not None:
        bond = next(n for n, b in enumerate(parameters.bonds, 1) if b[2] == "morse")
        angle = next(n for n, a in enumerate(parameters.angles, 1) if a[1] == water)
        pair = f"lj/cut/tip4p/cut {types[water]} {types[water + 1]} {bond} {angle} {TIP4P_2005F['qdist']} {CUTOFF}"
    return [
        *world,
        f"pair_style {pair}",
        f"pair_modify mix {conventions.mixing}",
        f"special_bonds lj 0.0 0.0 {conventions.lj14} coul 0.0 0.0 {conventions.coulomb14}",
        f"bond_style hybrid {' '.join(sorted({b[2] for b in parameters.bonds}))}",
        "angle_style harmonic",
        *([f"dihedral_style {conventions.torsion}"] if parameters.torsions else []),
        *(["improper_style cvff"] if parameters.impropers else []),
        f'read_data """{data_file}"""',
        *(
            f"pair_coeff {t} {t} {_numbers((epsilon, sigma))}"
            for t, epsilon, sigma in zip(types, parameters.epsilon, parameters.sigma, strict=True)
        ),
        *(f"bond_coeff {n} {style} {_numbers(c)}" for n, (_, _, style, c) in enumerate(parameters.bonds, 1)),
        *(f"angle_coeff {n} {_numbers(angle[3:])}" for n, angle in enumerate(parameters.angles, 1)),
        *(f"dihedral_coeff {n} {_numbers(torsion[4])}" for n, torsion in enumerate(parameters.torsions, 1)),
        *(f"improper_coeff {n} {_numbers(improper[4:])}" for n, improper in enumerate(parameters.impropers, 1)),
    ]


def motion_commands(temperature: float, timestep: float, damping: float, seed: int) -> list[str]:
    """Return the commands for Langevin dynamics about the origin.

    Parameters
    ----------
    temperature
        K.
    timestep, damping
        fs.
    seed
        Seed of the thermostat.
    """
    return [
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


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.16g}" for value in values)
