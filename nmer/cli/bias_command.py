"""The command that applies a PLUMED input to a trajectory: bias."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from nmer.cli.options import Json
from nmer.cli.output import check_folder, print_json
from potentials.errors import InputError
from storage.durable import replacing

ARRAYS = ("positions", "masses", "steps", "box", "cell", "pbc")
"""Arrays that are read from a trajectory."""

OUTPUT = ("bias", "forces", "notes")
"""Names of arrays of the output, which no PRINTed label can have."""

UNREADABLE = (OSError, ValueError, EOFError, TypeError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)
"""Errors of numpy for files that are not .npz, or damaged."""


def bias(
    *,
    plumed: Annotated[Path, Parameter(help="The PLUMED input.")],
    trajectory: Annotated[Path, Parameter(help="Trajectory (.npz).")],
    out: Annotated[Path, Parameter(help="Where to write bias and forces (.npz).")],
    timestep: Annotated[float, Parameter(help="Time of one step (fs).")] = 1.0,
    hills: Annotated[Path | None, Parameter(help="Folder to write the HILLS files into.")] = None,
    json: Json = False,
) -> int:
    """Apply a PLUMED input to a trajectory, as `plumed driver` does, including its hills.

    The trajectory holds `positions` (frames, atoms, 3) in Angstrom, `masses` (atoms), and may hold `steps`
    (frames) and `box` or `cell` (3, 3) or (frames, 3, 3) in Angstrom: variables without NOPBC
    then use nearest images. The output holds `bias` (kcal/mol), `forces` (kcal/mol/A), `notes` on deviations
    from PLUMED, and one array for each PRINTed argument, at every frame, in the units of the input. HILLS files
    that the input reads (RESTART, other walkers) are looked for from the working folder, as in PLUMED.

    Examples
    --------
    nmer bias --plumed plumed.dat --trajectory traj.npz --out bias.npz --timestep 0.5
    """
    from tasks.bias.driver import drive
    from tasks.bias.hills_file import write_hills
    from tasks.bias.plumed_input import read_plumed

    if not 0 < timestep < float("inf"):
        raise InputError(f"--timestep is {timestep:g}; it must be above 0 fs")
    if out.is_dir() or not out.parent.is_dir():
        raise InputError(
            f"cannot write '{out}': it is a folder, or its folder is not there; give a file with --out"
        )
    for folder in (out.parent, *([] if hills is None else [hills])):
        check_folder(folder)
    parsed = read_plumed(plumed)
    for name in parsed.printed:
        if name in (*OUTPUT, "file", "allow_pickle"):
            raise InputError(
                f"{plumed.name}: PRINT ARG={name} cannot be written under this name; rename the variable"
            )
    positions, masses, steps, box = _read_trajectory(trajectory)
    found = drive(parsed, positions, masses, steps, timestep, box)
    arrays = dict(found.printed)
    if parsed.notes:
        arrays["notes"] = np.array(parsed.notes)
    try:
        with replacing(out) as temporary, temporary.open("xb") as file:
            np.savez(file, bias=found.bias, forces=found.forces, **arrays)  # type: ignore[arg-type]
        if hills is not None:
            hills.mkdir(parents=True, exist_ok=True)  # there may be no hills
            for name, table in found.hills.items():
                write_hills(hills / Path(name).name, table, found.heads[name])
    except OSError as error:
        raise InputError(f"cannot write '{error.filename}': {error.strerror}") from None
    frames, hill_count = len(found.bias), sum(len(table) for table in found.hills.values())
    largest = float(np.abs(found.bias).max(initial=0.0))
    if json:
        counts = {"frames": frames, "hills": hill_count, "largest_bias": largest}
        return print_json(counts | {"out": str(out), "notes": list(parsed.notes)})
    for note in parsed.notes:
        print(f"note: {note}")
    print(f"{frames} frames, {hill_count} hills, bias up to {largest:.4g} kcal/mol")
    print(f"written to {out}")
    return 0


def _read_trajectory(path: Path) -> tuple[Any, Any, Any, Any]:
    """Return positions, masses, steps, and the box or None."""
    try:
        with np.load(path, allow_pickle=False) as saved:
            arrays = {name: saved[name] for name in ARRAYS if name in saved.files}
    except UNREADABLE as error:
        raise InputError(f"'{path}' cannot be read as .npz: {error}") from None
    if not {"positions", "masses"} <= arrays.keys():
        raise InputError(f"'{path}' needs the arrays 'positions' (frames, atoms, 3) and 'masses' (atoms,)")
    for name, array in arrays.items():
        if array.dtype.kind not in ("b" if name == "pbc" else "fiu") or not np.isfinite(array).all():
            raise InputError(f"'{path}': {name} must hold finite real numbers; its type is {array.dtype}")
    positions = np.ascontiguousarray(arrays["positions"], dtype=np.float64)
    masses = arrays["masses"].astype(np.float64)
    if positions.ndim != 3 or positions.shape[2] != 3 or masses.shape != positions.shape[1:2]:
        raise InputError(
            f"'{path}': positions have shape {positions.shape} and masses {masses.shape}; "
            "allowed: (frames, atoms, 3) and (atoms,)"
        )
    if not (masses > 0).all():
        raise InputError(f"'{path}': masses must be above 0 u; the smallest is {masses.min():g}")
    steps = arrays.get("steps", np.arange(len(positions)))
    if steps.shape != positions.shape[:1] or (steps != np.rint(steps)).any():
        raise InputError(
            f"'{path}': steps have shape {steps.shape}; allowed: ({len(positions)},), all of them whole numbers"
        )
    return positions, masses, steps.astype(np.int64), _box(path, arrays, len(positions))


def _box(path: Path, arrays: dict[str, Any], frames: int) -> Any:
    """Return the box, (3, 3) or (frames, 3, 3); None where there is none."""
    names = [name for name in ("box", "cell") if name in arrays]
    if len(names) > 1:
        raise InputError(f"'{path}' has both 'box' and 'cell'; allowed: one of them")
    periodic = arrays.get("pbc", np.array(bool(names)))
    if not names or not periodic.any():
        if periodic.any():
            raise InputError(f"'{path}' is periodic (pbc) but has no box; add 'box'")
        return None
    box = arrays[names[0]].astype(np.float64)
    if box.shape not in ((3, 3), (frames, 3, 3)):
        raise InputError(
            f"'{path}': {names[0]} has shape {box.shape}; allowed: (3, 3) or ({frames}, 3, 3), Angstrom"
        )
    if not periodic.all():
        raise InputError(f"'{path}': pbc is {periodic.tolist()}; allowed: periodic along all three edges, or none")
    return box
