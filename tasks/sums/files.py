"""The file that `nmer sum` writes: what a sum was made of, from which the same sum is made again."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import tomlkit
from ase.data import atomic_numbers

from potentials.errors import InputError
from potentials.physics.periodic.model import CUTOFF, PeriodicPhysics
from potentials.pip.potential import Potential
from potentials.systems.cell import Cell
from potentials.systems.manybody import ManyBodyPotential
from recipes.chemistry.molecules import Molecule
from storage.durable import disk_errors, write_text
from storage.exchange.json_document import read_sum_document
from storage.store import Store
from tasks.checks.status import with_status
from tasks.sums.make import check_waters, sum_potential, with_waters
from tasks.sums.of_systems import sum_of_system

FORMAT = 2
"""Number of the newest layout, that of systems; a newer one is refused."""

OF_MOLECULES = 1
"""Number of the layout for molecules in vacuum."""

LARGEST_FILE = 20_000_000
"""Largest size of a file that is read, bytes; a chain of 10,000 residues has 3,000,000."""


def contents_of(
    model: ManyBodyPotential, molecule: Molecule, waters: int, store: Store, water: str | None = None
) -> dict[str, Any]:
    """Return what a sum was made of: the molecule, V_phys, and each potential with its key.

    Parameters
    ----------
    model
        The sum, of potentials of the store.
    molecule, waters
        What it is the sum of; a system's molecules are all in `molecule`.
    store
        The store.
    water
        The model of a system's waters; None for a molecule in vacuum.
    """
    near = set() if model.near is None else {kind.nmer for kind in model.near.kinds}
    potentials = []
    for name, potential in model.potentials.items():
        assert isinstance(potential, Potential)
        version = store.resolve(potential.name)
        row = {"nmer": name, "ref": version.ref, "key": version.key, "occurrences": model.counts[name]}
        if water is not None:
            row["near"] = name in near  # found by distance, in every configuration anew
        potentials.append(row | {"status": potential.status, "remarks": list(potential.remarks)})
    parameters = model.parameters
    physics = {} if parameters is None else {"name": parameters.name, "digest": parameters.digest}
    of_system: dict[str, Any] = {}
    if water is not None:
        of_system = {
            "water": water,
            "cell": [] if model.cell is None else [list(row) for row in model.cell.vectors],
        }
        cutoffs = [p.settings.cutoff for p in model.physics if isinstance(p, PeriodicPhysics)]
        of_system |= {"cutoff": cutoffs[0]} if cutoffs else {}
    return {
        "format": OF_MOLECULES if water is None else FORMAT,
        "molecule": molecule.name,
        "symbols": list(molecule.symbols),
        "bonds": [list(bond) for bond in molecule.bonds],
        "waters": waters if water is None else 0,
        **of_system,
        "physics": physics,
        "remarks": list(model.remarks),
        "potentials": potentials,
    }


def write_sum(path: Path, contents: dict[str, Any]) -> None:
    """Write the contents of a sum as TOML.

    Raises
    ------
    InputError
        If the file exists, or cannot be written.
    """
    if path.exists() or path.is_symlink():
        raise InputError(f"'{path}' exists already; give another path with --out")
    head = "# A sum of n-mer potentials with V_phys beneath, as `nmer sum` made it; nmer.load_sum reads it.\n"
    with disk_errors(f"'{path}' cannot be written"):
        write_text(path, head + tomlkit.dumps(contents))


def load_sum(path: str | Path, store: str | Path | None = None) -> ManyBodyPotential:
    """Return the sum that a file of `nmer sum` lists.

    Parameters
    ----------
    path
        The file; or a document of ``nmer export --format json``, which has the potentials in it.
    store
        Folder of the store that has the potentials, as for `nmer.load`.

    Raises
    ------
    InputError
        If the file cannot be read or is of a newer layout, or a potential or V_phys is not the one that is listed.
    """
    if str(path).endswith(".json"):
        return read_sum_document(Path(path))[0]
    found = _read(Path(path))
    number = found.get("format")
    if type(number) is not int or not 1 <= number <= FORMAT or "potentials" not in found:
        raise InputError(f"'{path}' is not a sum of `nmer sum`; allowed: format 1 to {FORMAT}")
    try:
        molecule = _molecule(found)
        listed = {str(row["nmer"]): (str(row["ref"]), str(row["key"])) for row in found["potentials"]}
        waters, digest = _whole(found["waters"]), found["physics"].get("digest")
        check_waters(waters)
        water, cell = (str(found["water"]), _cell(found["cell"])) if number == FORMAT else (None, None)
        cutoff = float(found.get("cutoff", CUTOFF))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"'{path}' is damaged: {repr(error)[:200]}") from None
    opened = Store(store)
    for ref, key in listed.values():
        version = opened.resolve(ref)
        if version.kind != "potential" or version.key != key:
            raise InputError(f"'{path}' lists {ref} with the key {key[:12]}; the store's has {version.key[:12]}")
    refs: dict[str, Potential | str] = {name: ref for name, (ref, _) in listed.items()}
    if water is None:
        model = sum_potential(molecule, refs, waters=waters, store=store)
    else:
        made = sum_of_system(molecule, cell, refs, water, store=store, cutoff=cutoff)
        model = with_status(made, store)
    have = None if model.parameters is None else model.parameters.digest
    if have != digest:
        listed_one, found_one = (str(one or "none")[:12] for one in (digest, have))
        raise InputError(f"'{path}' lists V_phys {listed_one}; the potentials have {found_one}")
    return model


def molecule_of_sum(path: Path) -> Molecule:
    """Return the molecule of a file that `load_sum` reads, its waters included, without a geometry."""
    found = _read(path)
    return with_waters(_molecule(found), found["waters"])


def water_of_sum(path: Path) -> str | None:
    """Return the model of the waters of a file that `load_sum` reads; None of a sum in vacuum."""
    found = _read(path).get("water")
    return None if found is None else str(found)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_FILE:
        raise InputError(f"'{path}' is larger than a sum can be; allowed: up to {LARGEST_FILE // 1000} kB")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except RecursionError:
        raise InputError(f"'{path}': its tables or lists are nested deeper than those of a sum") from None
    except ValueError as error:
        raise InputError(f"'{path}' cannot be read as TOML: {error}") from None


def _whole(value: Any) -> int:
    """Return a whole number; raises ValueError if it is something else."""
    if type(value) is not int:
        raise ValueError(f"{value!r} is not a whole number")
    return value


def _cell(rows: Any) -> Cell | None:
    """Return the cell that a file lists; raises ValueError or TypeError if it is none."""
    if not rows:
        return None
    return Cell(tuple((float(x), float(y), float(z)) for x, y, z in rows), (True, True, True))


def _molecule(found: dict[str, Any]) -> Molecule:
    """Return the molecule that a file lists; raises ValueError if an element or a bond is none."""
    symbols = tuple(str(s) for s in found["symbols"])
    bonds = tuple((_whole(i), _whole(j)) for i, j in found["bonds"])
    if unknown := [s for s in symbols if not 1 <= atomic_numbers.get(s, 0) <= 118]:
        raise ValueError(f"{unknown[0]} is not an element")
    if not all(0 <= i < j < len(symbols) for i, j in bonds) or len(set(bonds)) != len(bonds):
        raise ValueError("a bond is not of two atoms of the molecule, or there twice")
    return Molecule(str(found["molecule"]), symbols, bonds)
