"""Write what a walker did in PLUMED's own formats: its input file and its hills."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import numpy as np

from potentials.arrays import Floats
from tasks.sampling.bias.driver import write_hills
from tasks.sampling.bias.specification import BiasSpec

PREFIX = {"distance": "d", "angle": "a", "torsion": "t"}


def labels(spec: BiasSpec) -> list[str]:
    """Return the name of each collective variable in a PLUMED input: d, a, or t, and its number."""
    return [f"{PREFIX[cv.kind]}{n}" for n, cv in enumerate(spec.cvs)]


def hills_files(spec: BiasSpec) -> list[str]:
    """Return the name of each family's HILLS file."""
    return [f"HILLS.PF{n}" for n in range(len(spec.grids))]


def plumed_input(spec: BiasSpec, stride: int, folder: Path | None = None) -> str:
    """Return the ``plumed.dat`` of a bias.

    One variable of each family comes first in ARG, in the families' order: PLUMED takes a family's periodicity
    from the argument with the family's number, and is right only in this order.

    Parameters
    ----------
    spec
        The bias.
    stride
        Steps between lines of the COLVAR file.
    folder
        Where PLUMED keeps its files; None: where it runs.
    """
    where = "" if folder is None else f"{folder}/"
    names = labels(spec)
    lines = ["UNITS LENGTH=A ENERGY=kcal/mol TIME=fs"]
    for name, cv in zip(names, spec.cvs, strict=True):
        lines.append(f"{name}: {cv.kind.upper()} ATOMS={_atoms(cv.atoms)} NOPBC")
    if spec.walls is not None:
        lines += _centre_lines(spec.walls.bodies(len(spec.masses)))
    members = [[names[i] for i, f in enumerate(spec.family) if f == n] for n in range(len(spec.grids))]
    lines += [
        "PBMETAD ...",
        "  LABEL=pb",
        f"  ARG={','.join(names)}",
        *(f"  PF{n}={','.join(group)}" for n, group in enumerate(members)),
        f"  SIGMA={','.join(_number(g.sigma) for g in spec.grids)}",
        f"  GRID_MIN={','.join(_number(g.lower) for g in spec.grids)}",
        f"  GRID_MAX={','.join(_number(g.upper) for g in spec.grids)}",
        f"  GRID_BIN={','.join(str(g.bins) for g in spec.grids)}",
        f"  PACE={spec.pace} HEIGHT={_number(spec.height)} BIASFACTOR={_number(spec.biasfactor)}",
        f"  TEMP={_number(spec.temperature)}",
        f"  FILE={','.join(where + name for name in hills_files(spec))}",
        "  FMT=%24.16e",
        "... PBMETAD",
    ]
    printed = [*names, "pb.bias"]
    if spec.walls is not None:
        at, kappa = (_number(v) for v in (spec.walls.upper, spec.walls.kappa))
        lines.append(f"upper: UPPER_WALLS ARG=com AT={at} KAPPA={kappa} EXP=2 EPS=1 OFFSET=0")
        printed = ["com", *printed, "upper.bias"]
        if spec.walls.lower > 0:
            at = _number(spec.walls.lower)
            lines.append(f"lower: LOWER_WALLS ARG=com AT={at} KAPPA={kappa} EXP=2 EPS=1 OFFSET=0")
            printed.append("lower.bias")
    lines.append(f"PRINT ARG={','.join(printed)} FILE={where}COLVAR STRIDE={stride}")
    return "\n".join(lines) + "\n"


def hill_tables(spec: BiasSpec, hills: Floats) -> list[Floats]:
    """Return PLUMED's five columns for each family: time (fs), centre, sigma, height, gamma.

    Heights are written as PLUMED writes them, times gamma / (gamma - 1), in kcal/mol.

    Parameters
    ----------
    spec
        The bias.
    hills
        (depositions, 1 + 2 variables): time in fs, then centre and height (kcal/mol) of each variable's hill.
    """
    factor = spec.biasfactor / (spec.biasfactor - 1.0)
    tables = []
    for number, grid in enumerate(spec.grids):
        columns = [i for i, f in enumerate(spec.family) if f == number]
        table = np.empty((len(hills), len(columns), 5))
        table[:, :, 0] = hills[:, :1]
        table[:, :, 1] = hills[:, [1 + 2 * i for i in columns]]
        table[:, :, 2] = grid.sigma
        table[:, :, 3] = hills[:, [2 + 2 * i for i in columns]] * factor
        table[:, :, 4] = spec.biasfactor
        tables.append(table.reshape(-1, 5))
    return tables


def write_hill_files(folder: Path, spec: BiasSpec, hills: Floats) -> None:
    """Write one HILLS file for each family, every digit kept."""
    names = labels(spec)
    for number, (name, table) in enumerate(zip(hills_files(spec), hill_tables(spec, hills), strict=True)):
        write_hills(folder / name, table, (names[number], spec.grids[number].periodic))


def _centre_lines(bodies: tuple[range, ...]) -> list[str]:
    """Return the lines that define ``com``: the distance of two centres of mass, of three the mean over pairs."""
    names = ["first", "rest"] if len(bodies) == 2 else ["first", "second", "third"]
    lines = [f"{name}: COM ATOMS={_atoms(atoms)} NOPBC" for name, atoms in zip(names, bodies, strict=True)]
    pairs = list(combinations(names, 2))
    if len(pairs) == 1:
        return [*lines, "com: DISTANCE ATOMS=first,rest NOPBC"]
    each = [f"com{n}" for n in range(len(pairs))]
    lines += [f"{name}: DISTANCE ATOMS={a},{b} NOPBC" for name, (a, b) in zip(each, pairs, strict=True)]
    share = ",".join([_number(1.0 / len(pairs))] * len(pairs))
    return [*lines, f"com: COMBINE ARG={','.join(each)} COEFFICIENTS={share} PERIODIC=NO"]


def _atoms(atoms: range | tuple[int, ...]) -> str:
    """Return atoms as PLUMED counts them, from 1."""
    return ",".join(str(a + 1) for a in atoms)


def _number(value: float) -> str:
    if abs(value) == math.pi:
        return "pi" if value > 0 else "-pi"
    return repr(float(value))
