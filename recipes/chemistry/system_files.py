"""Systems in PDB and extended xyz: the periodic cell of a PDB file, and both formats written."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from ase.geometry.cell import cell_to_cellpar, cellpar_to_cell

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.systems.cell import Cell
from potentials.systems.system import System
from recipes.schema.patterns import shown

FILES = (".pdb", ".xyz")
"""Suffixes of the files that are written."""

MOST_ATOMS = 99_999
"""Largest number of atoms of a PDB file."""

FARTHEST = 999.0
"""Largest coordinate in a PDB file with three decimals on both sides of zero, Angstrom."""

SMALLEST_CELL = 1.5
"""CRYST1 with edges up to this stands for no cell, as programs write it for molecules in vacuum, Angstrom."""

_EDGES = ((6, 15), (15, 24), (24, 33), (33, 40), (40, 47), (47, 54))


def pdb_cell(path: Path, text: str) -> Cell | None:
    """Return the cell of a PDB file's CRYST1, a along x and b in the plane of x and y; None if there is none.

    Raises
    ------
    InputError
        If CRYST1 cannot be read, or is there twice.
    """
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.startswith("CRYST1")]
    if not lines:
        return None
    number, line = lines[0]
    if any(other[:54] != line[:54] for _, other in lines):
        raise InputError(f"file '{path}' has several CRYST1 with different cells; allowed: one")
    words = [line[a:b].strip() for a, b in _EDGES]
    try:
        found = [float(word) for word in words]
    except ValueError:
        found = []
    if not found or not np.isfinite(found).all():
        raise InputError(
            f"file '{path}', line {number}: the cell is {shown(line[6:54].strip())}; allowed: six numbers in "
            "columns 7 to 54, three edges (A) and three angles (degrees)"
        )
    if max(found[:3]) <= SMALLEST_CELL:
        return None
    try:
        if not all(0 < angle < 180 for angle in found[3:]):
            raise ValueError("an angle is not between 0 and 180 degrees")
        rows = np.asarray(cellpar_to_cell(found), dtype=np.float64)
        return Cell(tuple((float(x), float(y), float(z)) for x, y, z in rows), (True, True, True))
    except (AssertionError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"file '{path}', line {number}: the edges and angles are of no cell: {error}") from None


def system_text(system: System, suffix: str) -> str:
    """Return a system with whole molecules as the text of a file.

    Parameters
    ----------
    system
        The system.
    suffix
        One of `FILES`. A PDB file has all bonds (CONECT) and the cell (CRYST1); an extended xyz file has the cell
        and more digits, and its bonds follow from the distances.

    Raises
    ------
    InputError
        If the format cannot hold the system.
    """
    if suffix not in FILES:
        raise InputError(f"a system is not written as '{suffix}'; allowed: {', '.join(FILES)}")
    return _pdb(system.whole()) if suffix == ".pdb" else _xyz(system.whole())


def _xyz(system: System) -> str:
    comment = "Properties=species:S:1:pos:R:3"
    if system.vectors is not None:
        lattice = " ".join(f"{x:.10g}" for x in system.vectors.ravel())
        comment = f'Lattice="{lattice}" {comment} pbc="T T T"'
    rows = [
        f"{s:<2} {x:.8f} {y:.8f} {z:.8f}" for s, (x, y, z) in zip(system.symbols, system.positions, strict=True)
    ]
    return "\n".join([str(system.natoms), comment, *rows, ""])


def _pdb(system: System) -> str:
    if system.natoms > MOST_ATOMS:
        raise InputError(f"a PDB file has up to {MOST_ATOMS} atoms, the system {system.natoms}; write .xyz")
    lines = [*_cryst1(system)]
    positions = _near_the_cell(system)
    if np.abs(positions).max() > FARTHEST:
        raise InputError(f"a coordinate is larger than {FARTHEST:g} A, which a PDB file does not hold; write .xyz")
    owner = {a: number for number, atoms in enumerate(system.molecules) for a in atoms}
    seen: Counter[tuple[int, str]] = Counter()
    water = {number for number, atoms in enumerate(system.molecules) if is_water(system, atoms)}
    for a, (symbol, (x, y, z)) in enumerate(zip(system.symbols, positions, strict=True)):
        molecule = owner[a]
        seen[molecule, symbol] += 1
        count = seen[molecule, symbol]
        name = symbol if molecule in water and symbol == "O" else f"{symbol}{count}"
        place = f"{name:<4}"[:4] if len(symbol) == 2 or len(name) > 3 else f" {name:<3}"
        residue = "HOH" if molecule in water else "MOL"
        lines.append(
            f"HETATM{a + 1:5d} {place} {residue} A{(molecule + 1) % 10_000:4d}    {x:8.3f}{y:8.3f}{z:8.3f}"
            f"  1.00  0.00          {symbol.upper():>2}"
        )
    joined: dict[int, list[int]] = {}
    for i, j in system.bonds:
        joined.setdefault(i, []).append(j)
        joined.setdefault(j, []).append(i)
    for a in sorted(joined):
        others = sorted(joined[a])
        lines += [
            f"CONECT{a + 1:5d}" + "".join(f"{b + 1:5d}" for b in others[n : n + 4])
            for n in range(0, len(others), 4)
        ]
    return "\n".join([*lines, "END", ""])


def _cryst1(system: System) -> list[str]:
    vectors = system.vectors
    if vectors is None:
        return []
    values = cell_to_cellpar(vectors)
    line = "CRYST1" + "".join(f"{x:9.3f}" for x in values[:3]) + "".join(f"{x:7.2f}" for x in values[3:])
    again = pdb_cell(Path("CRYST1"), line)
    if again is None or np.abs(np.array(again.vectors) - vectors).max() > 2e-3:
        raise InputError(
            "a PDB file does not hold this cell: it has edges and angles, a along x and b in the plane of x and "
            "y; write .xyz"
        )
    return [f"{line} P 1           1"]


def _near_the_cell(system: System) -> Floats:
    """Return positions with the centre of every molecule in the cell."""
    positions, vectors = np.array(system.positions), system.vectors
    if vectors is None:
        return positions
    number = np.empty(system.natoms, dtype=np.int64)
    for n, atoms in enumerate(system.molecules):
        number[list(atoms)] = n
    counts = np.bincount(number)
    centres = np.stack([np.bincount(number, weights=x) / counts for x in positions.T], axis=1)
    return np.asarray(positions - (np.floor(centres @ np.linalg.inv(vectors)) @ vectors)[number])


def is_water(system: System, atoms: tuple[int, ...]) -> bool:
    """Return whether a molecule of a system has the atoms of water."""
    return len(atoms) == 3 and sorted(system.symbols[a] for a in atoms) == ["H", "H", "O"]
