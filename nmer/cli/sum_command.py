"""The command that adds up the potentials of a molecule's n-mers: sum."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from nmer.cli.options import Json, StorePath
from nmer.cli.output import Column, print_json, print_rows
from potentials.errors import InputError


def sum_(
    molecule: Annotated[str, Parameter(help="Name of a chain such as AceAla9Nme, SMILES, or a molecule's file.")],
    *,
    family: Annotated[str | None, Parameter(help="Family that the n-mers must belong to: polyalanine.")] = None,
    use: Annotated[
        tuple[str, ...],
        Parameter(help="A potential in place of the newest: --use ch=ch@2; may be given several times."),
    ] = (),
    waters: Annotated[int, Parameter(help="Number of water molecules after the molecule's atoms.")] = 0,
    at: Annotated[
        Path | None, Parameter(help="xyz file of geometries, atoms in the molecule's order: print their energies.")
    ] = None,
    out: Annotated[Path | None, Parameter(help="TOML file that lists what the sum was made of.")] = None,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Add up the potentials of a molecule's n-mers, with V_phys beneath, and list what the sum is made of.

    The potentials are the newest of the store. Potentials that were fitted over different V_phys are refused. In
    Python: nmer.sum_potential, or nmer.load_sum of the file.

    Examples
    --------
    nmer sum AceAla9Nme --family polyalanine --out ala9.toml
    """
    from nmer.sum_files import contents_of, write_sum
    from nmer.sums import sum_potential
    from recipes.chemistry.molecules import read_molecule
    from storage.store import Store

    if not 0 <= waters <= 100_000:
        raise InputError(f"--waters is {waters}; allowed: 0 to 100000")
    chosen = dict(_pair(text) for text in use)
    whole, opened = read_molecule(molecule), Store(store)
    model = sum_potential(whole, chosen, family=family, waters=waters, store=store, newest=True)
    contents = contents_of(model, whole, waters, opened)
    energies = _energies(model, at) if at else []
    if out is not None:
        write_sum(out, contents)
    if json:
        return print_json(contents | {"energies": energies})
    columns: dict[str, Column] = {"n-mer": "nmer", "occurrences": "occurrences", "potential": "ref"}
    columns |= {"status": "status", "quality": lambda r: "; ".join(r["remarks"]) or None}
    print_rows(contents["potentials"], columns)
    physics = contents["physics"]
    named = f"V_phys: {physics['name'] or physics['digest'][:12]}" if physics else "V_phys: none"
    print("\n".join([f"{whole.name}: {len(model.symbols)} atoms", named, *model.remarks]))
    if energies:
        rows = [{"geometry": number, **row} for number, row in enumerate(energies, 1)]
        print_rows(rows, {"geometry": "geometry"} | {name: f"{name}:.3f" for name in energies[0]})
        print("kcal/mol; n-mers and pairs: corrections over V_phys")
    if out is not None:
        print(out)
    return 0


def _pair(text: str) -> tuple[str, str]:
    name, equals, ref = text.partition("=")
    if not (name and equals and ref):
        raise InputError(f"--use is '{text}'; it takes N-MER=REFERENCE, for example ch=ch@2")
    return name, ref


def _energies(model: Any, path: Path) -> list[dict[str, float]]:
    """Return the contributions to the energy of each geometry of an xyz file."""
    from recipes.xyz_frames import read_frames

    positions = []
    for frame in read_frames(path):
        if tuple(frame.symbols) != model.symbols:
            raise InputError(f"{frame.where}: the atoms are not those of the molecule, in its order")
        positions.append(frame.positions)
    found = model.parts(np.array(positions))
    total = sum(found.values())
    return [
        {"energy": float(total[n]), **{name: float(value[n]) for name, value in found.items()}}
        for n in range(len(positions))
    ]
