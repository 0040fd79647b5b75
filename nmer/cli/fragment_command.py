"""The command that divides a molecule into n-mers: fragment."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json
from nmer.cli.output import Column, check_folder, print_json, print_rows
from nmer.cli.recipe_input import checked_text
from potentials.errors import InputError
from recipes.authoring.molecule import NMerRecipe, molecule_recipes, shipped_recipe
from recipes.chemistry.fragmentation import FoundNMer, fragment_molecule
from recipes.chemistry.molecules import read_molecule
from recipes.chemistry.pairs import find_pairs
from recipes.load import shipped_recipes
from recipes.physics.table import shipped_physics
from tasks.sampling.force_field import choose_force_field

Draw = Annotated[bool, Parameter(help="Draw each n-mer with its caps marked.")]
Out = Annotated[str, Parameter(help="Folder of the pictures.")]
Write = Annotated[
    Path | None, Parameter(help="Folder for a recipe of each n-mer that no shipped recipe has; nothing is run.")
]
Baseline = Annotated[
    str,
    Parameter(
        help="With --write: parameters of V_phys beneath all fits, physics:NAME; n-mers with a shipped recipe get "
        "a copy of it over these."
    ),
]
Water = Annotated[bool, Parameter(help="With --write: recipes of each 1-mer with a water molecule too.")]


def fragment(
    molecule: str,
    *,
    write: Write = None,
    water: Water = False,
    baseline: Baseline = "",
    draw: Draw = False,
    out: Out = "nmers",
    json: Json = False,
) -> int:
    """List the distinct n-mers of a molecule, up to three bonded 1-mers, and how often each occurs.

    1-mers are -CONH-, CH3-, -CH2-, -CH-, and water; cut bonds are closed with caps.

    Parameters
    ----------
    molecule
        Name of a chain such as AceAla9Nme, SMILES, or path of an .xyz, .pdb, .mol, or .sdf file.

    Examples
    --------
    nmer fragment AceGly3Nme --write recipes
    """
    if draw:
        check_folder(Path(out))
    if write is None and (water or baseline):
        raise InputError(f"{'--water' if water else '--baseline'} needs --write and a folder")
    read = read_molecule(molecule)
    found = fragment_molecule(read)
    counts = Counter(placement.nmer for placement in find_pairs(read, found))
    written = []
    if write is not None:
        made = molecule_recipes(read.name, found, choose_force_field, water, baseline, counts)
        written = _write(made, write)
    pictures = _draw(found, Path(out)) if draw else {}
    rows = [_row(nmer, pictures) for nmer in found]
    pairs = [
        {"name": name, "count": count, "recipe": name if name in shipped_recipes() else None}
        for name, count in counts.items()
    ]
    if json:
        facts = {"molecule": read.name, "atoms": read.natoms, "nmers": rows, "pairs": pairs}
        return print_json(facts | {"files": written})
    columns = {"name": "name", "order": "order", "atoms": "atoms", "symmetry": "symmetry", "times": "count"}
    for row, nmer in zip(rows, found, strict=True):
        row |= {"atoms": nmer.nmer.natoms, "elements": _elements(nmer)}
    print_rows(rows, columns | {"elements, caps as *": "elements", "recipe": "recipe"})
    orders = [sum(nmer.order == order for nmer in found) for order in (1, 2, 3)]
    print(
        f"{read.name}: {read.natoms} atoms, {orders[0]} kinds of 1-mer, {orders[1]} of 2-mer, {orders[2]} of 3-mer"
    )
    if with_recipe := [f"{pair['count']} {pair['recipe']}" for pair in pairs if pair["recipe"]]:
        print(f"pairs that are not bonded and have a recipe: {', '.join(with_recipe)}")
    if write is not None:
        _print_written(molecule, written)
    if pictures:
        print(f"pictures in {Path(out)}")
    return 0


def _write(made: tuple[NMerRecipe, ...], folder: Path) -> list[dict[str, Any]]:
    """Write recipes into a folder and return what each is; nothing is written if one is there already."""
    from storage.durable import disk_errors, write_text

    check_folder(folder, "--write")
    paths = {one.nmer.name: folder / f"{one.nmer.name}.toml" for one in made}
    if there := [str(path) for path in paths.values() if path.exists() or path.is_symlink()]:
        what = (
            f"file '{there[0]}' exists and is"
            if len(there) == 1
            else f"{len(there)} files, '{there[0]}' first, exist and are"
        )
        raise InputError(f"{what} not overwritten; remove what is there, or give another folder with --write")
    rows: list[dict[str, Any]] = []
    for one in made:
        path = paths[one.nmer.name]
        recipes = checked_text(path.name, one.text)
        rows.append(
            {"name": one.nmer.name, "file": str(path), "force_field": one.force_field, "why": one.why}
            | {"degree": {preset: recipe.fitting.degree for preset, recipe in recipes.items()}}
            | {"baseline": recipes["paper"].fitting.baseline}
        )
    with disk_errors(f"--write '{folder}' cannot be written to"):
        for one in made:
            write_text(paths[one.nmer.name], one.text)
    return rows


def _print_written(molecule: str, written: list[dict[str, Any]]) -> None:
    if not written:
        print("every n-mer has a shipped recipe; nothing was written")
        return
    columns: dict[str, Column] = {"written": "file", "force field": "force_field"}
    print_rows(written, columns | {"degree": lambda r: r["degree"]["paper"], "over": "baseline"})
    baseline = written[0]["baseline"]
    if baseline and "@" not in baseline and baseline.removeprefix("physics:") not in shipped_physics():
        print(f"next: nmer physics {baseline.removeprefix('physics:')} --molecule {shlex.quote(molecule)}")
    else:
        print(f"next: nmer plan {shlex.quote(written[0]['file'])} --preset smoke")
    if not baseline:
        print("without V_phys; shipped recipes of larger n-mers have one, and a sum needs one for all: --baseline")


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
        "recipe": shipped_recipe(found),
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
