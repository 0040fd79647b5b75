"""Gradients and forces in an xyz file: which columns they are, their sign and unit, and whether energies agree.

The change of the energy between two near configurations is their mean gradient times the displacement. In a file
with such pairs this distinguishes gradients from forces, and hartree/bohr from hartree/A.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.units import energy_unit, gradient_factor, gradient_unit
from recipes.xyz_frames import Frame
from storage.xyz_options import Reading, ReadOptions

FORCES, GRADIENT = "forces", "gradient"

SUFFIXES = {
    FORCES: ("forces", "force"),
    GRADIENT: ("gradient", "gradients", "grad"),
}
"""Names in extended xyz, after the prefix that the energy's key has before 'energy'."""

UNIT_KEYS = ("forces_unit", "force_unit", "forces_units", "force_units", "gradient_unit", "gradient_units")

NO_GRADIENTS = {
    "Z of species",
    "fragment",
    "momenta",
    "momentum",
    "velo",
    "vel",
    "velocities",
    "dipole",
    "dipoles",
    "magmoms",
    "initial_magmoms",
    "move_mask",
    "map_shift",
    "n_neighb",
    "bfield",
}
"""Columns of three that ASE and others write and that are no gradients."""

SURE = 0.98
"""Correlation of energy changes with gradients above which the energies decide."""

FEW, ENOUGH = 4, 8
"""Pairs of near configurations needed to infer a meaning that is not given, and to contradict one."""

SCALE = 1.25
"""Gradients that differ from the changes of the energies by more than this are in another unit."""

_LOOKED_AT, _NEIGHBOURS = 200, 2000


def read_gradients(
    frames: Sequence[Frame], energy: Floats, reading: Reading, key: str | None, options: ReadOptions
) -> tuple[Floats | None, Reading]:
    """Return the gradients of frames, and the reading with what is known about them.

    Parameters
    ----------
    frames
        All of a file, of the same atoms.
    energy
        (n,), kcal/mol.
    reading
        How the energies were read.
    key
        The energy's key; None where it is a plain number.
    options
        The user's options.

    Returns
    -------
    (n, atoms, 3), kcal/mol/Angstrom, or None where there are none; and the completed reading.

    Raises
    ------
    InputError
        If it is not known what a column is, or the energies contradict what is said of it.
    """
    first = frames[0]
    shape = [(column.name, column.width) for column in first.further]
    for frame in frames:
        if [(column.name, column.width) for column in frame.further] != shape:
            raise InputError(f"{frame.where} has other columns behind its positions than the first configuration")
    plain = any(not column.name for column in first.further)
    index, meaning, notes = _plain(first, options) if plain else _named(first, key, options)
    ignored = tuple(_title(c.name, c.width) for n, c in enumerate(first.further) if n != index)
    reading = replace(reading, ignored=ignored, notes=(*reading.notes, *notes))
    if index is None:
        return None, reading
    values = []
    for frame in frames:
        column = frame.further[index]
        if column.values is None:
            raise InputError(column.trouble or f"{frame.where}: the columns '{column.name}' are not real numbers")
        values.append(column.values)
    raw = np.array(values)
    positions = np.array([frame.positions for frame in frames])
    units = _units(first, reading.energy_unit, plain, options)
    slope, pairs = energy_slope(positions, energy, raw)
    meaning, chosen, how = _decide(first, meaning, units, slope, pairs, options)
    factor = gradient_factor(chosen) * (-1.0 if meaning == FORCES else 1.0)
    said = f"{_title(first.further[index].name, 3)} read as {'forces' if meaning == FORCES else 'gradients'}{how}"
    columns = meaning if plain else ""
    return factor * raw, replace(reading, gradients=said, gradient_unit="/".join(chosen), columns=columns)


def energy_slope(positions: Floats, energy: Floats, gradient: Floats) -> tuple[float, int]:
    """Return the change of energy per change that gradients predict, between near configurations.

    Parameters
    ----------
    positions
        (n, atoms, 3), Angstrom.
    energy
        (n,), kcal/mol.
    gradient
        (n, atoms, 3), in any unit.

    Returns
    -------
    The slope of a straight line through the origin, in kcal/mol/Angstrom per unit of `gradient`; nan where the
    correlation is below `SURE`. And the number of pairs it comes from.
    """
    n, atoms, _ = positions.shape
    if n < 2 or atoms < 2:
        return float("nan"), 0
    others = np.unique(np.linspace(0, n - 1, min(n, _NEIGHBOURS)).astype(int))
    i, j = np.triu_indices(atoms, 1)
    shape = np.linalg.norm(positions[:, i] - positions[:, j], axis=2)
    pairs = set()
    for a in others[:: max(1, len(others) // _LOOKED_AT)]:
        far = np.linalg.norm(shape[others] - shape[a], axis=1)
        far[others == a] = np.inf
        b = int(others[int(far.argmin())])
        pairs.add((min(int(a), b), max(int(a), b)))
    found = np.array(
        [(energy[b] - energy[a], _work(positions, gradient, a, b)) for a, b in sorted(pairs)], dtype=np.float64
    )
    change, predicted = found.T
    size = float(np.sqrt((change @ change) * (predicted @ predicted)))
    if not size > 0 or abs(change @ predicted) < SURE * size:
        return float("nan"), len(pairs)
    return float((change @ predicted) / (predicted @ predicted)), len(pairs)


def _work(positions: Floats, gradient: Floats, a: int, b: int) -> float:
    """Return the mean gradient of two configurations times the displacement, b rotated onto a."""
    x, y = (positions[n] - positions[n].mean(axis=0) for n in (a, b))
    u, _, v = np.linalg.svd(y.T @ x)
    turn = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))]) @ v
    return float(0.5 * np.sum((gradient[a] + gradient[b] @ turn) * (y @ turn - x)))


def _plain(first: Frame, options: ReadOptions) -> tuple[int | None, str | None, tuple[str, ...]]:
    """Return which unnamed column of a frame holds gradients and what they are; None if that is not given."""
    (column,) = first.further
    if options.columns == "ignore":
        return None, None, ()
    if column.width != 3 or column.values is None:
        raise InputError(
            f"{first.where}: it is not known what is in {_title('', column.width)}, behind the positions; "
            "--columns ignore leaves it out"
        )
    return 0, options.columns, ()


def _named(first: Frame, key: str | None, options: ReadOptions) -> tuple[int | None, str | None, tuple[str, ...]]:
    """Do the same for a frame with named columns: those whose names belong to the energy."""
    columns = [(n, c) for n, c in enumerate(first.further) if c.width == 3 and (c.values is not None or c.trouble)]
    if options.columns == "ignore":
        return None, None, ()
    prefix = key[: -len("energy")] if key is not None and key.lower().endswith("energy") else None
    other = []
    for meaning, suffixes in SUFFIXES.items():
        for n, column in columns:
            if prefix is not None and column.name in [prefix + s for s in suffixes]:
                return n, options.columns or meaning, ()
            if column.name.lower().endswith(suffixes):
                other.append((n, column.name, meaning))
    if other:
        if options.columns is not None and len(other) == 1:
            return other[0][0], options.columns, ()
        names = ", ".join(name for _, name, _ in other)
        note = (
            f"{names} of '{first.path.name}' are not used: by their name they do not belong to the energy "
            f"'{key}'; --columns forces, or gradient, uses them anyway"
        )
        return None, None, (note,)
    unknown = [(n, c.name) for n, c in columns if c.name not in NO_GRADIENTS]
    if len(unknown) == 1 and options.columns is not None:
        return unknown[0][0], options.columns, ()
    if unknown:
        names = ", ".join(f"'{name}'" for _, name in unknown)
        raise InputError(
            f"{first.where}: it is not known what the columns {names} are; give --columns gradient, forces, or "
            "ignore"
        )
    if options.columns is not None:
        raise InputError(f"{first.where} has no columns that can be {options.columns}; leave --columns out")
    return None, None, ()


def _units(first: Frame, unit: str, plain: bool, options: ReadOptions) -> list[tuple[str, str]]:
    """Return the units that gradients can have: one if it is given or set by a convention."""
    keys = {name.lower(): value for name, value in (first.keys or {}).items()}
    said = next((keys[name] for name in UNIT_KEYS if name in keys), None)
    if said is not None:
        try:
            found = gradient_unit(said)
        except InputError as error:
            raise InputError(f"{first.on_comment}: the unit of forces is {error}") from None
        if options.gradient_unit is not None and gradient_unit(options.gradient_unit) != found:
            raise InputError(
                f"{first.on_comment}: its forces are in {said}; --gradient-unit is {options.gradient_unit}"
            )
        return [found]
    if options.gradient_unit is not None:
        return [gradient_unit(options.gradient_unit)]
    name = energy_unit(unit)
    if name not in ("hartree", "millihartree"):
        return [(name, "A")]
    return [(name, "bohr")] if plain else [(name, "bohr"), (name, "A")]


def _decide(
    first: Frame,
    meaning: str | None,
    units: list[tuple[str, str]],
    slope: float,
    pairs: int,
    options: ReadOptions,
) -> tuple[str, tuple[str, str], str]:
    """Return what columns are and their unit, from what is given and from the changes of the energies."""
    sure = np.isfinite(slope)
    fitting = [u for u in units if sure and 1 / SCALE < abs(slope) / gradient_factor(u) < SCALE]
    if meaning is None and not (pairs >= FEW and fitting):
        raise InputError(
            f"{first.where}: the three columns behind the positions may be gradients or forces, and the energies "
            f"do not tell{' in ' + _either(units) if sure and pairs >= FEW else ''}; give --columns gradient, "
            "forces, or ignore, and --gradient-unit"
        )
    found = FORCES if slope < 0 else GRADIENT
    if sure and pairs >= ENOUGH:
        if meaning is not None and meaning != found:
            raise InputError(
                f"{first.where}: columns said to be {_plural(meaning)} change with the energies as "
                f"{_plural(found)} do; give --columns {found}"
            )
        if not fitting:
            ratio = abs(slope) / gradient_factor(units[0])
            raise InputError(
                f"{first.where}: {_plural(meaning or found)} in {'/'.join(units[0])} must be multiplied by "
                f"{ratio:.3g} to agree with the changes of the energies; give the right --unit and --gradient-unit"
            )
    if len(units) > 1 and not fitting:
        raise InputError(
            f"{first.where}: {_plural(meaning or found)} of energies in hartree may be per bohr or per A; give "
            f"--gradient-unit {_either(units)}"
        )
    chosen = fitting[0] if fitting else units[0]
    how = ""
    if sure and fitting and pairs >= FEW:
        how = f", as the energies say ({abs(slope) / gradient_factor(chosen):.3f} times their changes)"
    return meaning or found, chosen, how


def _plural(meaning: str) -> str:
    return "forces" if meaning == FORCES else "gradients"


def _either(units: list[tuple[str, str]]) -> str:
    return " or ".join("/".join(unit) for unit in units)


def _title(name: str, width: int) -> str:
    if name:
        return f"column{'s' if width > 1 else ''} '{name}'"
    return "column 5" if width == 1 else f"columns 5 to {4 + width}"
