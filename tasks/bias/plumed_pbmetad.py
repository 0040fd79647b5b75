"""Read one PBMETAD action: its CV families, their grids as PLUMED sets them, and the names of the HILLS files."""

from __future__ import annotations

import math
from pathlib import Path

from tasks.bias.plumed_model import PbMetaD, PlumedCV
from tasks.bias.plumed_words import Action, short
from tasks.bias.specification import Grid

MOST_BINS = 10_000_000
"""Most intervals of one family's grid."""

ENDS = {"GRID_MIN": "-pi", "GRID_MAX": "pi"}
"""Ends of a periodic grid in PLUMED, which compares the text and not the number."""


def read_pbmetad(action: Action, cvs: list[PlumedCV], length: float, energy: float) -> tuple[PbMetaD, list[str]]:
    """Return the bias of an action, and notes on where PLUMED itself computes a different number, or warns.

    Parameters
    ----------
    action
        A PBMETAD action.
    cvs
        Its arguments.
    length, energy
        The file's units, Angstrom and kcal/mol.

    Raises
    ------
    InputError
        If PLUMED refuses it, or it contains something that is not supported; the message names the line.
    """
    by_label = {cv.label: cv for cv in cvs}
    if len(by_label) != len(cvs):
        raise action.fail("ARG names a variable twice")
    groups = _families(action, list(by_label))
    heads = [by_label[group[0]] for group in groups]
    for group, head in zip(groups, heads, strict=True):
        if any(by_label[name].kind != head.kind for name in group):
            raise action.fail(
                f"the family of '{head.label}' has variables of two kinds; a family has one grid for all"
            )
    count, scale = len(groups), [head.scale(length) for head in heads]
    widths = action.numbers("SIGMA", count)
    if min(widths) <= 0:
        raise action.fail("SIGMA must be above 0")
    biasfactor = action.numbers("BIASFACTOR", 1, "1")[0]
    if biasfactor < 1:
        raise action.fail(f"BIASFACTOR={biasfactor:g} must be at least 1")
    temperature = action.numbers("TEMP", 1, "0")[0]
    if temperature <= 0:
        raise action.fail("PBMETAD needs a TEMP above 0 K: a trajectory does not carry a temperature")
    lower, upper, bins = read_grids(action, heads, scale, widths)
    family = {name: n for n, group in enumerate(groups) for name in group}
    bias = PbMetaD(
        action.label,
        tuple(by_label),
        tuple(family[name] for name in by_label),
        tuple(head.label for head in heads),
        tuple(head.periodic for head in heads),
        tuple(width * unit for width, unit in zip(widths, scale, strict=True)),
        lower,
        upper,
        bins,
        action.whole("PACE", action.word("PACE")),
        action.numbers("HEIGHT", 1)[0] * energy,
        biasfactor,
        temperature,
        _files(action, heads),
    )
    return bias, _notes(action, bias, cvs)


def _families(action: Action, labels: list[str]) -> list[list[str]]:
    """Return the labels of each family's variables; without PF every variable is its own family."""
    keys = [key for key in action.values if key.startswith("PF")]
    if not keys:
        return [[name] for name in labels]
    if sorted(keys) != sorted(f"PF{n}" for n in range(len(keys))):
        raise action.fail(f"the families must be PF0, PF1, ... without a gap; given are {', '.join(sorted(keys))}")
    groups = [action.words(f"PF{n}") for n in range(len(keys))]
    if sorted(name for group in groups for name in group) != sorted(labels):
        raise action.fail("the families PF0, PF1, ... must contain every argument of ARG exactly once")
    return groups


def read_grids(
    action: Action, heads: list[PlumedCV], scale: list[float], widths: list[float]
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[int, ...]]:
    """Return ends (Angstrom or rad) and number of intervals of each grid; all empty without a grid.

    Without GRID_BIN and GRID_SPACING the spacing is a fifth of SIGMA; with both, the larger number of intervals
    is used.

    Parameters
    ----------
    action
        A PBMETAD or METAD action.
    heads
        A variable of each grid.
    scale, widths
        Its unit, Angstrom or rad, and the width of the hills in the file's unit.

    Raises
    ------
    InputError
        If the keywords do not fit, or a grid is too large.
    """
    given, count = action.values, len(heads)
    if ("GRID_MIN" in given) != ("GRID_MAX" in given):
        raise action.fail("GRID_MIN and GRID_MAX must be given together")
    if "GRID_MIN" not in given:
        if "GRID_BIN" in given or "GRID_SPACING" in given:
            raise action.fail("GRID_BIN and GRID_SPACING need GRID_MIN and GRID_MAX")
        return (), (), ()
    lower, upper = (action.numbers(key, count) for key in ENDS)
    for key, end in ENDS.items():
        for head, word in zip(heads, action.words(key), strict=True):
            if head.periodic and word != end:
                raise action.fail(f"{key}={short(word)} must be written as {end} for the torsion '{head.label}'")
    if any(high <= low for low, high in zip(lower, upper, strict=True)):
        raise action.fail("each GRID_MIN must be below its GRID_MAX")
    bins = [1] * count
    if "GRID_BIN" in given:
        words = action.words("GRID_BIN")
        if len(words) != count:
            raise action.fail(f"GRID_BIN={short(given['GRID_BIN'])} has {len(words)} values; {count} are needed")
        bins = [action.whole("GRID_BIN", word) for word in words]
    spacings = [0.2 * width for width in widths]
    if "GRID_SPACING" in given:
        spacings = action.numbers("GRID_SPACING", count)
        if min(spacings) <= 0:
            raise action.fail("GRID_SPACING must be above 0")
    if "GRID_SPACING" in given or "GRID_BIN" not in given:
        ranges = [high - low for low, high in zip(lower, upper, strict=True)]
        needed = [min(span / step, 2.0 * MOST_BINS) for span, step in zip(ranges, spacings, strict=True)]
        bins = [max(b, math.ceil(n)) for b, n in zip(bins, needed, strict=True)]
    if max(bins) > MOST_BINS:
        raise action.fail(f"a grid of {max(bins):,} or more intervals is too large; allowed: up to {MOST_BINS:,}")
    low, high = (tuple(end * unit for end, unit in zip(side, scale, strict=True)) for side in (lower, upper))
    return low, high, tuple(bins)


def _files(action: Action, heads: list[PlumedCV]) -> tuple[str, ...]:
    """Return the names of the HILLS files: by default HILLS.PF0, ... or, without PF, HILLS.d1."""
    if "FILE" not in action.values:
        if "PF0" in action.values:
            return tuple(f"HILLS.PF{n}" for n in range(len(heads)))
        return tuple(f"HILLS.{head.label}" for head in heads)
    files = action.words("FILE")
    if len(files) != len(heads):
        raise action.fail(f"FILE has {len(files)} names; {len(heads)} are needed, one per family")
    for name in files:
        if Path(name).name in ("", "..") or not name.isprintable():
            raise action.fail(f"FILE={short(name)} is not a file name")
    return tuple(files)


def _notes(action: Action, bias: PbMetaD, cvs: list[PlumedCV]) -> list[str]:
    """Return a sentence for each case where PLUMED itself computes a different number, or warns."""
    notes = []
    for n, head in enumerate(bias.heads):
        if cvs[n].periodic != bias.periodic[n]:
            notes.append(
                f"{action.where}: PLUMED takes the periodicity of family PF{n} from argument {n + 1} of ARG, "
                f"'{cvs[n].label}'; here it is that of '{head}', so PLUMED's bias may differ"
            )
        if bias.bins:
            grid = Grid(bias.lower[n], bias.upper[n], bias.bins[n], bias.sigma[n], bias.periodic[n])
            notes += grid_notes(action, head, grid)
    return notes


def grid_notes(action: Action, head: str, grid: Grid) -> list[str]:
    """Return a sentence if the hills of a variable are too wide for PLUMED's grid, or the grid is coarse."""
    notes = []
    if grid.wraps:
        notes.append(
            f"{action.where}: the hills of '{head}' are wider than its period, and PLUMED adds some grid "
            "points twice; here every point is added once, so PLUMED's bias differs"
        )
    if grid.spacing > 0.5 * grid.sigma:
        notes.append(f"{action.where}: the grid of '{head}' is coarser than half of SIGMA: its bias is rough")
    return notes
