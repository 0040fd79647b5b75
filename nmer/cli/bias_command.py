"""The command that applies a PLUMED input to a trajectory: bias."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from nmer.cli.output import Json, print_json
from potentials.errors import InputError


def bias(
    *,
    plumed: Annotated[Path, Parameter(help="The PLUMED input.")],
    trajectory: Annotated[Path, Parameter(help="Trajectory (.npz).")],
    out: Annotated[Path, Parameter(help="Where to write bias and forces (.npz).")],
    timestep: Annotated[float, Parameter(help="Time of one step (fs).")] = 1.0,
    hills: Annotated[Path | None, Parameter(help="Folder to write the HILLS files into.")] = None,
    json: Json = False,
) -> int:
    """Apply a PLUMED input to a trajectory, as `plumed driver` does, hills and all.

    The trajectory holds `positions` (frames, atoms, 3) in Angstrom, `masses` (atoms), and may hold `steps`
    (frames). The output holds `bias` (kcal/mol), `forces` (kcal/mol/A), and one array for each PRINTed argument,
    in the input's own units.

    Example: nmer bias --plumed plumed.dat --trajectory traj.npz --out bias.npz --timestep 0.5
    """
    from tasks.sampling.driver import drive, write_hills
    from tasks.sampling.plumed_input import read_plumed

    if not 0 < timestep < float("inf"):
        raise InputError(f"--timestep is {timestep:g}; it must be above 0 fs")
    parsed = read_plumed(plumed)
    positions, masses, steps = _read_trajectory(trajectory)
    found = drive(parsed, positions, masses, steps, timestep)
    try:
        with out.open("wb") as handle:
            np.savez(handle, bias=found.bias, forces=found.forces, **found.printed)  # type: ignore[arg-type]
        if hills is not None:
            hills.mkdir(parents=True, exist_ok=True)
            for name, table in found.hills.items():
                write_hills(hills / Path(name).name, table, found.heads[name])
    except OSError as error:
        raise InputError(f"cannot write '{error.filename}': {error.strerror}") from None
    result = {
        "frames": len(found.bias),
        "hills": sum(len(table) for table in found.hills.values()),
        "largest_bias": float(np.abs(found.bias).max(initial=0.0)),
        "out": str(out),
    }
    if json:
        print_json(result)
    else:
        print(
            f"{result['frames']} frames, {result['hills']} hills, bias up to {result['largest_bias']:.4g} kcal/mol"
        )
        print(f"written to {out}")
    return 0


def _read_trajectory(path: Path) -> tuple[Any, Any, Any]:
    try:
        with np.load(path, allow_pickle=False) as saved:
            arrays = {name: saved[name] for name in ("positions", "masses", "steps") if name in saved.files}
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' cannot be read as .npz: {error}") from None
    if not {"positions", "masses"} <= arrays.keys():
        raise InputError(f"'{path}' needs the arrays 'positions' (frames, atoms, 3) and 'masses' (atoms,)")
    positions = np.ascontiguousarray(arrays["positions"], dtype=np.float64)
    masses = np.asarray(arrays["masses"], dtype=np.float64)
    if positions.ndim != 3 or positions.shape[2] != 3 or masses.shape != positions.shape[1:2]:
        raise InputError(
            f"'{path}': positions have shape {positions.shape} and masses {masses.shape}; "
            "allowed: (frames, atoms, 3) and (atoms,)"
        )
    steps = np.asarray(arrays.get("steps", np.arange(len(positions))))
    if steps.shape != positions.shape[:1]:
        raise InputError(f"'{path}': steps have shape {steps.shape}; allowed: ({len(positions)},)")
    return positions, masses, steps.astype(np.int64)


COMMANDS = (bias,)
