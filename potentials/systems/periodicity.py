"""Potentials in the boxes of programs that move atoms: which are periodic, and their energies there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.evaluation import Evaluable, Evaluation
from potentials.systems.cell import Cell


@runtime_checkable
class PeriodicEvaluable(Protocol):
    """An energy in a periodic cell."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element of each atom."""

    @property
    def cell(self) -> Cell | None:
        """The cell; None for a system in vacuum."""

    def evaluate(self, positions: Floats, vectors: Floats | None = None) -> Evaluation:
        """Return energies, gradients and virials of (n, atoms, 3) in Angstrom.

        `vectors`, (3, 3) or (n, 3, 3), are taken in the place of the cell's.
        """


def is_periodic(potential: Evaluable) -> bool:
    """Return whether a potential is that of a periodic system.

    Raises
    ------
    InputError
        If its cell repeats along some of its vectors only.
    """
    cell = getattr(potential, "cell", None)
    if cell is None or not any(cell.periodic):
        return False
    if not all(cell.periodic):
        raise InputError(
            "the potential is periodic along some cell vectors only; allowed: along all of them, or none"
        )
    return True


def check_box(potential: Evaluable, periodic: Sequence[bool], vacuum: str, repeated: str) -> bool:
    """Return whether a potential is periodic, after a check that the box of a program is so likewise.

    Parameters
    ----------
    potential
        The potential.
    periodic
        Along which vectors the program's box repeats.
    vacuum, repeated
        The program's setting of a box that repeats nowhere, and of one that repeats everywhere, for the message.

    Raises
    ------
    InputError
        If one of them is periodic and the other is not.
    """
    wanted = is_periodic(potential)
    if wanted and not all(periodic):
        raise InputError(f"the atoms are not periodic along all vectors; the potential is periodic, {repeated}")
    if not wanted and any(periodic):
        raise InputError(f"the atoms are periodic; the potential is for a molecule in vacuum, {vacuum}")
    return wanted


def evaluate_in_box(potential: Evaluable, positions: Floats, vectors: Floats | None) -> Evaluation:
    """Return the energies of (n, atoms, 3), in a periodic box with these vectors (one a row) unless it is None.

    Raises
    ------
    InputError
        If a position or a vector is not finite, or the vectors span no volume.
    """
    if not np.isfinite(positions).all():
        raise InputError("positions hold a number that is not finite")
    if vectors is None:
        return potential.evaluate(positions)
    rows = np.asarray(vectors, dtype=np.float64)
    Cell(tuple(map(tuple, rows.tolist())), (True, True, True))  # raises InputError unless they span a volume
    assert isinstance(potential, PeriodicEvaluable)
    return potential.evaluate(positions, rows)
