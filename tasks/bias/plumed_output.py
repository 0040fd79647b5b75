"""PLUMED's input file and HILLS files for the bias of a walker."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np

from potentials.arrays import Floats
from tasks.bias.hills_file import hill_table, write_hills
from tasks.bias.plumed_words import number_text
from tasks.bias.specification import BiasSpec


def labels(spec: BiasSpec) -> list[str]:
    """Return the name of each collective variable in a PLUMED input: d, a, or t, and its number."""
    return [f"{cv.kind[0]}{n}" for n, cv in enumerate(spec.cvs)]


def hills_files(spec: BiasSpec) -> list[str]:
    """Return the name of each family's HILLS file."""
    return [f"HILLS.PF{n}" for n in range(len(spec.grids))]


def plumed_input(spec: BiasSpec, stride: int, folder: Path | None = None) -> str:
    """Return the ``plumed.dat`` of a bias.

    One variable of each family comes first in ARG, in the order of the families: PLUMED takes a family's
    periodicity from the argument with the family's number, which is correct only in this order.

    Parameters
    ----------
    spec
        The bias.
    stride
        Steps between lines of the COLVAR file.
    folder
        Where PLUMED writes its files; None for its working folder.
    """
    where = "" if folder is None else f"{folder}/"
    names = labels(spec)
    lines = ["UNITS LENGTH=A ENERGY=kcal/mol TIME=fs"]
    for name, cv in zip(names, spec.cvs, strict=True):
        lines.append(f"{name}: {cv.kind.upper()} ATOMS={_atoms(cv.atoms)} NOPBC")
    if spec.walls is not None:
        lines += _centre_lines(spec.walls.bodies(len(spec.masses)))
    lines += [
        "PBMETAD ...",
        "  LABEL=pb",
        f"  ARG={','.join(names)}",
        *(f"  PF{n}={','.join(names[i] for i in members)}" for n, members in enumerate(spec.members)),
        f"  SIGMA={','.join(number_text(g.sigma) for g in spec.grids)}",
        f"  GRID_MIN={','.join(number_text(g.lower) for g in spec.grids)}",
        f"  GRID_MAX={','.join(number_text(g.upper) for g in spec.grids)}",
        f"  GRID_BIN={','.join(str(g.bins) for g in spec.grids)}",
        f"  PACE={spec.pace} HEIGHT={number_text(spec.height)} BIASFACTOR={number_text(spec.biasfactor)}",
        f"  TEMP={number_text(spec.temperature)}",
        f"  FILE={','.join(where + name for name in hills_files(spec))}",
        "  FMT=%24.16e",
        "... PBMETAD",
    ]
    printed = [*(["com"] if spec.walls is not None else []), *names, "pb.bias"]
    if spec.walls is not None:
        kappa = number_text(spec.walls.kappa)
        for side, at in (("upper", spec.walls.upper), ("lower", spec.walls.lower)):
            if side == "upper" or at > 0:
                action = f"{side}: {side.upper()}_WALLS ARG=com"
                lines.append(f"{action} AT={number_text(at)} KAPPA={kappa} EXP=2 EPS=1 OFFSET=0")
                printed.append(f"{side}.bias")
    lines.append(f"PRINT ARG={','.join(printed)} FILE={where}COLVAR STRIDE={stride}")
    return "\n".join(lines) + "\n"


def hill_tables(spec: BiasSpec, hills: Floats) -> list[Floats]:
    """Return PLUMED's columns for each family (`hill_table`): time (fs), centre, sigma, height (kcal/mol), gamma.

    Parameters
    ----------
    spec
        The bias.
    hills
        (depositions, 1 + 2 variables): time in fs, then centre and height (kcal/mol) of each variable's hill.
    """
    tables = []
    for grid, members in zip(spec.grids, spec.members, strict=True):
        columns = 1 + 2 * np.array(members)
        time = np.repeat(hills[:, 0], len(members))
        centre, height = hills[:, columns].ravel(), hills[:, columns + 1].ravel()
        tables.append(hill_table(time, centre, grid.sigma, height, spec.biasfactor))
    return tables


def write_hill_files(folder: Path, spec: BiasSpec, hills: Floats) -> None:
    """Write one HILLS file for each family, with all digits."""
    names = labels(spec)
    for number, (name, table) in enumerate(zip(hills_files(spec), hill_tables(spec, hills), strict=True)):
        write_hills(folder / name, table, ((names[number], spec.grids[number].periodic),))


def _centre_lines(bodies: tuple[range, ...]) -> list[str]:
    """Return the lines that define ``com``: the distance of two centres of mass, for three the mean over pairs."""
    names = ["first", "rest"] if len(bodies) == 2 else ["first", "second", "third"]
    lines = [f"{name}: COM ATOMS={_atoms(atoms)} NOPBC" for name, atoms in zip(names, bodies, strict=True)]
    pairs = list(combinations(names, 2))
    each = ["com"] if len(pairs) == 1 else [f"com{n}" for n in range(len(pairs))]
    lines += [f"{name}: DISTANCE ATOMS={a},{b} NOPBC" for name, (a, b) in zip(each, pairs, strict=True)]
    if len(pairs) == 1:
        return lines
    share = ",".join([number_text(1.0 / len(pairs))] * len(pairs))
    return [*lines, f"com: COMBINE ARG={','.join(each)} COEFFICIENTS={share} PERIODIC=NO"]


def _atoms(atoms: range | tuple[int, ...]) -> str:
    """Return atoms in PLUMED's notation, counted from 1."""
    return ",".join(str(a + 1) for a in atoms)
