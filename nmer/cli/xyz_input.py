"""The options of commands that read labelled xyz files, and the summary of what was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from storage.xyz import Labelled


@Parameter(name="*")
@dataclass(frozen=True)
class XyzInput:
    """How to read xyz files; shared by fit, tune, and import.

    Attributes
    ----------
    column
        Number of the energy in the comment line, from 1; same as --energy NUMBER.
    energy
        The energy in the comment line: first, second, or a key of extended xyz; default: the only one, the second
        of two, or the first found of nbody_energy, REF_energy, energy.
    unit
        Unit of the energies: kcal/mol, kJ/mol, eV, meV, hartree, millihartree, rydberg, cm-1, K; default: the unit
        in the file, else kcal/mol, in extended xyz eV.
    gradient_unit
        Unit of gradients or forces, such as hartree/bohr; default: that of the energies per A, or hartree/bohr if
        they are in hartree.
    columns
        Meaning of three columns after the positions: gradient, forces, or ignore; default: from their names or
        from the energies.
    zero
        Zero of the energies: minimum of the training set, none, or a value in --unit; default: minimum for total
        energies of one molecule, else none.
    cell
        nearest: molecules of a periodic cell are made whole by nearest images (the default); ignore: positions are
        used as given.
    """

    column: int | None = None
    energy: str | None = None
    unit: str | None = None
    gradient_unit: str | None = None
    columns: str | None = None
    zero: str | None = None
    cell: str | None = None

    def read(self, train: Path, test: Path | None, symmetry: str) -> tuple[Labelled, Labelled | None]:
        """Read a training and a test set of n-mers with the given symmetry."""
        from potentials.nmers.symmetry import parse_symmetry
        from storage.xyz import read_sets
        from storage.xyz_options import ReadOptions

        options = ReadOptions(self.energy, self.unit, self.gradient_unit, self.columns, self.zero, self.cell)
        fragments = [sum(count for _, count in block) for block in parse_symmetry(symmetry)]
        return read_sets(train, test, self.column, options, fragments)


AS_THEY_ARE = XyzInput()
"""The default for every option."""


def readings(train: Labelled, test: Labelled | None = None) -> dict[str, Any]:
    """Return what was read of each set, for JSON."""
    sets = {"training": train, "test": test}
    return {name: data.reading.as_dict() for name, data in sets.items() if data and data.reading}


def print_readings(sets: Sequence[Labelled | None]) -> None:
    """Print what was read of each set, and warnings about it."""
    for data in sets:
        for line in data.reading.lines() if data and data.reading else ():
            print(line)
