"""The command that adds up the potentials of a molecule's n-mers: sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath, pair_of
from nmer.cli.output import Column, check_new, print_json, print_rows
from potentials.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from potentials.arrays import Floats
    from potentials.systems.manybody import ManyBodyPotential
    from recipes.chemistry.molecules import Molecule

Result = TypeVar("Result")


def sum_(
    molecule: Annotated[str, Parameter(help="Name of a chain such as AceAla9Nme, SMILES, or a molecule's file.")],
    *,
    family: Annotated[str | None, Parameter(help="Family that the n-mers must belong to: polyalanine.")] = None,
    use: Annotated[
        tuple[str, ...],
        Parameter(help="A potential in place of the newest: --use ch=ch@2; may be given several times."),
    ] = (),
    waters: Annotated[int, Parameter(help="Number of water molecules after the molecule's atoms.")] = 0,
    water: Annotated[
        str | None,
        Parameter(
            help="Model of the waters of a file with several molecules, which then is read with its cell: own, "
            "q-TIP4P/F, or none."
        ),
    ] = None,
    cutoff: Annotated[float | None, Parameter(help="Cut-off of V_phys in a cell (A); default: 9.")] = None,
    at: Annotated[
        Path | None,
        Parameter(
            help="xyz file of geometries, atoms in the molecule's order: print their energies, and how far these "
            "can be trusted."
        ),
    ] = None,
    out: Annotated[Path | None, Parameter(help="TOML file that lists what the sum was made of.")] = None,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Add up the potentials of a molecule's n-mers, with V_phys beneath, and list what the sum is made of.

    The potentials are the newest of the store. Potentials that were fitted over different V_phys are refused. The
    last line says whether the sum is released, which nmer check decides. In Python: nmer.sum_potential, or
    nmer.load_sum of the file.

    Examples
    --------
    nmer sum AceAla9Nme --family polyalanine --out ala9.toml
    nmer sum dipeptide.pdb --water own --out dipeptide.toml
    """
    from potentials.physics.periodic.model import CUTOFF
    from recipes.chemistry.molecules import read_molecule
    from recipes.chemistry.systems import molecule_of, read_system
    from storage.store import Store
    from tasks.checks.status import status_of_sum
    from tasks.sums.files import contents_of, write_sum
    from tasks.sums.make import sum_potential, with_waters

    chosen = dict(pair_of(text) for text in use)
    if out is not None:
        check_new(out)
    system = None if water is None or waters else read_system(molecule)
    whole, opened = read_molecule(molecule) if system is None else molecule_of(system), Store(store)
    model = sum_potential(
        whole if system is None else system,
        chosen,
        family=family,
        waters=waters,
        water=water,
        cutoff=CUTOFF if cutoff is None else cutoff,
        store=store,
        newest=True,
    )
    if strange := [name for name in chosen if name not in model.counts]:
        have = ", ".join(model.counts)
        raise InputError(f"--use names {', '.join(strange)}, which {whole.name} does not have; it has: {have}")
    contents = contents_of(
        model, whole if system else with_waters(whole, waters if water else 0), waters, opened, water
    )
    unknown: list[str] = []
    energies = _energies(model, with_waters(whole, waters), at, unknown) if at else []
    if out is not None:
        write_sum(out, contents)
    if json:
        status = status_of_sum(model, opened).status
        return print_json(contents | {"status": status, "energies": energies, "unknown": unknown})
    columns: dict[str, Column] = {"n-mer": "nmer", "occurrences": _times, "potential": "ref"}
    columns |= {"status": "status", "quality": lambda r: "; ".join(r["remarks"]) or None}
    print_rows(contents["potentials"], columns)
    physics = contents["physics"]
    named = f"V_phys: {physics['name'] or physics['digest'][:12]}" if physics else "V_phys: none"
    print("\n".join([f"{whole.name}: {len(model.symbols)} atoms", named, *model.remarks]))
    if energies:
        rows = [{"geometry": number, **row} for number, row in enumerate(energies, 1)]
        values: dict[str, Column] = {n: f"{n}:.3f" for n in energies[0] if n != "extrapolates"}
        print_rows(rows, {"geometry": "geometry"} | values | {"extrapolates": _extrapolating})
        print("\n".join(["kcal/mol; n-mers and pairs: corrections over V_phys", *unknown]))
    if out is not None:
        print(out)
    return 0


def _times(row: dict[str, Any]) -> str | int:
    """Return how often an n-mer occurs, if that is the same in every configuration."""
    return "by distance" if row.get("near") else int(row["occurrences"])


def _energies(
    model: ManyBodyPotential, molecule: Molecule, path: Path, unknown: list[str]
) -> list[dict[str, Any]]:
    """Return the energy of each geometry of an xyz file, how far it can be trusted, and the contributions.

    What the potentials do not know of their fit is None; a sentence that says why is added to `unknown`.
    """
    from potentials.errors import PolarizationError
    from tasks.sums.geometries import read_geometries

    found = []
    for where, positions in read_geometries(path, molecule, model.cell):
        try:
            shares = model.parts(positions)
        except PolarizationError as error:
            raise InputError(f"{where}: {error}") from None
        row: dict[str, Any] = {"energy": float(sum(value[0] for value in shares.values()))}
        row["uncertainty"] = _known(model.uncertainty, positions, unknown)
        outside = _known(model.extrapolations, positions, unknown)
        row["extrapolates"] = None if outside is None else [asdict(one) for one in outside]
        found.append(row | {name: float(value[0]) for name, value in shares.items()})
    return found


def _known(ask: Callable[[ArrayLike], Result], positions: Floats, unknown: list[str]) -> Result | None:
    """Return what a sum tells about valid positions; None if a potential does not know, see `_energies`."""
    try:
        return ask(positions)
    except InputError as error:
        if str(error) not in unknown:
            unknown.append(str(error))
        return None


def _extrapolating(row: dict[str, Any]) -> str | None:
    """Return which n-mers are outside of the training data of their potentials, and at how many occurrences."""
    if row["extrapolates"] is None:
        return None
    counts = Counter(one["nmer"] for one in row["extrapolates"])
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "no"
