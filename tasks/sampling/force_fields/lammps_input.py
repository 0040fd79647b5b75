"""What LAMMPS reads: the data file of an n-mer, and the commands up to the first run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from potentials.nmers.nmer import NMer
from tasks.sampling.force_fields.terms import Rules, Terms
from tasks.sampling.force_fields.water import TIP4P_2005F, is_water

BOX = 200.0
"""Edge of the box, Angstrom; nothing reaches it, the boundaries are open."""

CUTOFF = 60.0
"""Beyond any distance in an n-mer, Angstrom: nothing is cut."""


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
    """Return LAMMPS' data file: one type per bond, angle, torsion, and improper.

    Parameters
    ----------
    nmer
        The n-mer.
    terms
        Its force-field terms.
    """
    half = BOX / 2
    types = atom_types(nmer)
    sections: dict[str, list[tuple[int, ...]]] = {
        "bond": [b[:2] for b in terms.bonds],
        "angle": [a[:3] for a in terms.angles],
        "dihedral": [t[:4] for t in terms.torsions],
        "improper": [t[:4] for t in terms.impropers],
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
            f"{i} {molecule[i - 1]} {types[i - 1]} {terms.charges[i - 1]:.16g} {x:.16g} {y:.16g} {z:.16g}"
        )
    for name, members in sections.items():
        if members:
            lines += ["", f"{name.capitalize()}s", ""]
            lines += [f"{n} {n} {' '.join(str(a + 1) for a in atoms)}" for n, atoms in enumerate(members, 1)]
    return "\n".join(lines) + "\n"


def force_field_commands(nmer: NMer, terms: Terms, rules: Rules, data_file: Path) -> list[str]:
    """Return the commands for an n-mer whose forces LAMMPS computes itself.

    Parameters
    ----------
    nmer
        The n-mer.
    terms, rules
        Its force field.
    data_file
        What `lammps_data` returned.
    """
    water = next((p.start for f, p in zip(nmer.fragments, nmer.slices, strict=True) if is_water(f)), None)
    types = atom_types(nmer)
    pair = f"lj/cut/coul/cut {CUTOFF}"
    if water is not None:
        bond = next(n for n, b in enumerate(terms.bonds, 1) if b[2] == "morse")
        angle = next(n for n, a in enumerate(terms.angles, 1) if a[1] == water)
        pair = f"lj/cut/tip4p/cut {types[water]} {types[water + 1]} {bond} {angle} {TIP4P_2005F['qdist']} {CUTOFF}"
    return [
        *_world(),
        f"pair_style {pair}",
        f"pair_modify mix {rules.mixing}",
        f"special_bonds lj 0.0 0.0 {rules.lj14} coul 0.0 0.0 {rules.coulomb14}",
        f"bond_style hybrid {' '.join(sorted({b[2] for b in terms.bonds}))}",
        "angle_style harmonic",
        *([f"dihedral_style {rules.torsion}"] if terms.torsions else []),
        *(["improper_style cvff"] if terms.impropers else []),
        f'read_data """{data_file}"""',
        *(
            f"pair_coeff {t} {t} {_numbers((epsilon, sigma))}"
            for t, epsilon, sigma in zip(types, terms.epsilon, terms.sigma, strict=True)
        ),
        *(f"bond_coeff {n} {style} {_numbers(c)}" for n, (_, _, style, c) in enumerate(terms.bonds, 1)),
        *(f"angle_coeff {n} {_numbers(angle[3:])}" for n, angle in enumerate(terms.angles, 1)),
        *(f"dihedral_coeff {n} {_numbers(torsion[4])}" for n, torsion in enumerate(terms.torsions, 1)),
        *(f"improper_coeff {n} {_numbers(improper[4:])}" for n, improper in enumerate(terms.impropers, 1)),
    ]


def no_force_field_commands(data_file: Path) -> list[str]:
    """Return the commands for an n-mer whose forces LAMMPS is given.

    Parameters
    ----------
    data_file
        What `lammps_data` returned for an n-mer without terms.
    """
    return [*_world(), f"pair_style zero {CUTOFF} nocoeff", f'read_data """{data_file}"""', "pair_coeff * *"]


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


def _world() -> list[str]:
    return ["units real", "atom_style full", "boundary f f f", "newton on", "atom_modify map array sort 0 0.0"]


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.16g}" for value in values)
