"""The command that divides a molecule into n-mers: fragment."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json
from nmer.cli.output import check_folder, print_json, print_rows
from potentials.errors import InputError
from recipes.chemistry.fragmentation import FoundNMer, fragment_molecule
from recipes.chemistry.molecules import read_molecule
from recipes.load import shipped_recipes

Draw = Annotated[bool, Parameter(help="Draw each n-mer with its caps marked.")]
Out = Annotated[str, Parameter(help="Folder of the pictures.")]


def fragment(molecule: str, *, draw: Draw = False, out: Out = "nmers", json: Json = False) -> int:
    """List the distinct n-mers of a molecule, up to three bonded 1-mers, and how often each occurs.

    1-mers are -CONH-, CH3-, -CH2-, -CH-, and water; cut bonds are closed with caps.

    Parameters
    ----------
    molecule
        Name of a chain such as AceAla9Nme, SMILES, or path of an .xyz, .pdb, .mol, or .sdf file.

    Examples
    --------
    nmer fragment AceAla9Nme
    """
    if draw:
        check_folder(Path(out))
    read = read_molecule(molecule)
    found = fragment_molecule(read)
    pictures = _draw(found, Path(out)) if draw else {}
    rows = [_row(nmer, pictures) for nmer in found]
    if json:
        return print_json({"molecule": read.name, "atoms": read.natoms, "nmers": rows})
    columns = {"name": "name", "order": "order", "atoms": "atoms", "symmetry": "symmetry", "times": "count"}
    for row, nmer in zip(rows, found, strict=True):
        row |= {"atoms": nmer.nmer.natoms, "elements": _elements(nmer)}
    print_rows(rows, columns | {"elements, caps as *": "elements", "recipe": "recipe"})
    orders = [sum(nmer.order == order for nmer in found) for order in (1, 2, 3)]
    print(
        f"{read.name}: {read.natoms} atoms, {orders[0]} kinds of 1-mer, {orders[1]} of 2-mer, {orders[2]} of 3-mer"
    )
    if pictures:
        print(f"pictures in {Path(out)}")
    return 0


def _row(found: FoundNMer, pictures: dict[str, str]) -> dict[str, Any]:
    """Return an n-mer for JSON."""
    bare = found.skeleton
    places = [asdict(placement) for placement in found.placements]
    return {
        "name": found.name,
        "order": found.order,
        "count": len(found.placements),
        "label": found.label,
        "symmetry": found.nmer.symmetry,
        "symbols": list(bare.symbols),
        "bonds": [list(bond) for bond in bare.bonds],
        "caps": list(bare.caps),
        "parts": [list(part) for part in bare.parts],
        "occurrences": [{key: value for key, value in one.items() if key != "nmer"} for one in places],
        "recipe": found.name if found.name in shipped_recipes() else None,
        "picture": pictures.get(found.name),
    }


def _elements(found: FoundNMer) -> str:
    """Return the elements 1-mer by 1-mer, caps as stars: ``C***H``."""
    bare = found.skeleton
    marks = ["*" if n in bare.caps else symbol for n, symbol in enumerate(bare.symbols)]
    return " ".join("".join(marks[a] for a in part) for part in bare.parts)


def _draw(found: tuple[FoundNMer, ...], folder: Path) -> dict[str, str]:
    """Write a picture of each n-mer; returns the path of each."""
    from recipes.authoring.pictures import picture
    from storage.durable import write_bytes

    try:
        paths = {nmer.name: folder / f"{nmer.name}.png" for nmer in found}
        for nmer in found:
            write_bytes(paths[nmer.name], picture(nmer))
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise InputError(f"--out '{folder}' cannot be written to: {error.strerror}") from None
    return {name: str(path) for name, path in paths.items()}
