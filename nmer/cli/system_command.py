"""The command that reads a system, solvates it, and writes it: system."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json
from nmer.cli.output import check_new, print_json, print_rows
from potentials.errors import InputError

if TYPE_CHECKING:
    from potentials.systems.system import System


def system(
    molecule: Annotated[
        str,
        Parameter(help="A .pdb, .xyz, .mol or .sdf file, name of a chain such as AceAla9Nme, SMILES, or water."),
    ],
    *,
    bonds: Annotated[
        Path | None, Parameter(help="File with the same atoms whose bonds are taken; default: those of MOLECULE.")
    ] = None,
    water: Annotated[
        int | None, Parameter(help="Put so many waters around it in a cubic cell; for MOLECULE water, in all.")
    ] = None,
    padding: Annotated[
        float | None,
        Parameter(help="Put water around it, so that it is at least so far from the faces of the cell (A)."),
    ] = None,
    seed: Annotated[int, Parameter(help="Seed of the geometry and of the waters' places.")] = 2025,
    output: Annotated[
        Path | None,
        Parameter(name=("--out", "--output"), help="File to write, .pdb or .xyz: bonds and cell with it."),
    ] = None,
    json: Json = False,
) -> int:
    """Read molecules in any order with their bonds and cell, put water around them, and write them.

    Examples
    --------
    nmer system AceAlaNme --water 500 --out dipeptide.pdb
    """
    from recipes.chemistry.solvation import solvate
    from recipes.chemistry.systems import read_system

    if output is not None:
        _check_output(output)
    if water is not None and padding is not None:
        raise InputError("--water and --padding are given; allowed: one of them")
    alone = molecule.strip().lower() in ("water", "o") and water is not None
    found = None if alone else read_system(molecule, bonds, seed)
    if water is not None or padding is not None:
        found = solvate(found, water, padding, seed)
    assert found is not None
    text = "" if output is None else _text(found, output)
    facts = _facts(found)
    if output is not None:
        from storage.durable import disk_errors, write_text

        with disk_errors(f"'{output}' cannot be written"):
            write_text(output, text)
    if json:
        return print_json(facts | {"file": None if output is None else str(output)})
    print_rows(facts["molecules"], {"molecule": "formula", "atoms": "atoms", "times": "count"})
    if facts["nmers"]:
        print_rows([{"n": n, "c": c} for n, c in facts["nmers"].items()], {"n-mer": "n", "occurrences": "c"})
    else:
        print(facts["no_nmers"])
    cell = "no cell"
    if found.vectors is not None:
        cell = f"density {facts['density']:.3f} g/cm3, cut-offs up to {facts['largest_cutoff']:.2f} A"
    print(f"{found.name}: {found.natoms} atoms, {len(found.molecules)} molecules, {cell}")
    if output is not None:
        print(output)
    return 0


def _check_output(output: Path) -> None:
    from recipes.chemistry.system_files import FILES

    if output.suffix.lower() not in FILES:
        raise InputError(f"--out is '{output}'; allowed: a file that ends with {' or '.join(FILES)}")
    check_new(output)


def _text(found: System, output: Path) -> str:
    """Return the text of a file; raises InputError if its bonds would be others when it is read."""
    from recipes.chemistry.system_files import system_text
    from recipes.chemistry.systems import near_bonds

    text = system_text(found, output.suffix.lower())
    if (
        output.suffix.lower() == ".xyz"
        and near_bonds(found.symbols, found.positions, found.vectors) != found.bonds
    ):
        raise InputError(
            f"'{output}' would have other bonds, by its distances; allowed: a .pdb file, which has bonds"
        )
    return text


def _facts(found: System) -> dict[str, Any]:
    """Return what is in a system, for JSON."""
    from potentials.neighbours import widths
    from recipes.chemistry.copies import copies_of, fragment_system
    from recipes.chemistry.solvation import density

    molecules = [
        {"formula": one.molecule.name, "atoms": one.molecule.natoms, "count": len(one.places)}
        for one in copies_of(found)
    ]
    why, counts = "", {}
    try:
        counts = {one.name: len(one.placements) for one in fragment_system(found).nmers}
    except InputError as error:
        why = f"no n-mers: {error}"
    vectors = found.vectors
    return {
        "name": found.name,
        "atoms": found.natoms,
        "elements": dict(Counter(found.symbols)),
        "molecules": molecules,
        "nmers": counts,
        "no_nmers": why,
        "cell": None if vectors is None else vectors.tolist(),
        "density": density(found),
        "largest_cutoff": None if vectors is None else float(widths(vectors).min()) / 2,
    }
