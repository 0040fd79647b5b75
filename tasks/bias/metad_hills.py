"""Hills of metadynamics as columns of PLUMED's HILLS files, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from tasks.bias.metad import MetaD


def to_table(
    settings: MetaD, hills: Floats, scale: Floats | float = 1.0, energy: float = 1.0, time: float = 1.0
) -> Floats:
    """Return the columns of a HILLS file, (hills, 3 + 2 variables), as `write_hills` takes them.

    Parameters
    ----------
    settings
        The settings.
    hills
        As `MetaDBias.hills`.
    scale, energy, time
        The file's unit of each variable (Angstrom or rad), and its units of energy (kcal/mol) and time (fs).
    """
    n = len(settings.sigma)
    table = np.empty((len(hills), 3 + 2 * n))
    table[:, 0] = hills[:, 1] / time
    table[:, 1 : 1 + n] = hills[:, 2:-1] / scale
    table[:, 1 + n : 1 + 2 * n] = np.array(settings.sigma) / scale
    table[:, -2] = hills[:, -1] * settings.raised / energy
    table[:, -1] = -1.0 if settings.biasfactor is None else settings.biasfactor
    return table


def from_table(
    settings: MetaD,
    table: Floats,
    walker: int,
    scale: Floats | float = 1.0,
    energy: float = 1.0,
    time: float = 1.0,
    path: Path | None = None,
) -> Floats:
    """Return the hills of a walker, as `MetaDBias.hills`, from the columns of its HILLS file.

    Parameters
    ----------
    settings, scale, energy, time
        As for `to_table`.
    table
        (hills, 3 + 2 variables).
    walker
        Its number.
    path
        The file, for messages.

    Raises
    ------
    InputError
        If the hills have other widths or another bias factor than the settings.
    """
    n = len(settings.sigma)
    expected = to_table(settings, np.zeros((1, 3 + n)), scale, energy, time)[0]
    for columns, what in ((slice(1 + n, 1 + 2 * n), "SIGMA"), (slice(-1, None), "BIASFACTOR")):
        if not np.allclose(table[:, columns], expected[columns], rtol=1e-6, atol=0.0):
            raise InputError(
                f"'{path}' has hills of another {what} than this bias, {expected[columns].tolist()}; "
                "allowed: the hills of the same settings"
            )
    hills = np.empty((len(table), 3 + n))
    hills[:, 0], hills[:, 1] = walker, table[:, 0] * time
    hills[:, 2:-1] = table[:, 1 : 1 + n] * scale
    hills[:, -1] = table[:, -2] * energy / settings.raised
    return hills
