"""The file that `nmer sum` writes: what a sum was made of, from which the same sum is made again."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import tomlkit

from nmer.sums import sum_potential
from potentials.errors import InputError
from potentials.pip.potential import Potential
from potentials.systems.manybody import ManyBodyPotential
from recipes.chemistry.molecules import Molecule
from storage.durable import replacing
from storage.store import Store

FORMAT = 1
"""Number of the file's layout; a newer one is refused."""


def contents_of(model: ManyBodyPotential, molecule: Molecule, waters: int, store: Store) -> dict[str, Any]:
    """Return what a sum was made of: the molecule, V_phys, and each potential with its key.

    Parameters
    ----------
    model
        The sum, of potentials of the store.
    molecule, waters
        What it is the sum of.
    store
        The store.
    """
    potentials = []
    for name, potential in model.potentials.items():
        assert isinstance(potential, Potential)
        version = store.resolve(potential.name)
        row = {"nmer": name, "ref": version.ref, "key": version.key, "occurrences": model.counts[name]}
        potentials.append(row | {"status": potential.status, "remarks": list(potential.remarks)})
    parameters = model.parameters
    physics = {} if parameters is None else {"name": parameters.name, "digest": parameters.digest}
    return {
        "format": FORMAT,
        "molecule": molecule.name,
        "symbols": list(molecule.symbols),
        "bonds": [list(bond) for bond in molecule.bonds],
        "waters": waters,
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
    if path.exists():
        raise InputError(f"'{path}' exists already; give another path with --out")
    head = "# A sum of n-mer potentials with V_phys beneath, as `nmer sum` made it; nmer.load_sum reads it.\n"
    try:
        with replacing(path) as temporary:
            temporary.write_text(head + tomlkit.dumps(contents), encoding="utf-8")
    except OSError as error:
        raise InputError(f"'{path}' cannot be written: {error.strerror}") from None


def load_sum(path: str | Path, store: str | Path | None = None) -> ManyBodyPotential:
    """Return the sum that a file of `nmer sum` lists.

    Parameters
    ----------
    path
        The file.
    store
        The store that has the potentials, as for `nmer.load`.

    Raises
    ------
    InputError
        If the file cannot be read or is of a newer layout, or a potential or V_phys is not the one that is listed.
    """
    try:
        found = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' cannot be read as TOML: {error}") from None
    number = found.get("format")
    if not isinstance(number, int) or number > FORMAT or "potentials" not in found:
        raise InputError(f"'{path}' is not a sum of `nmer sum`; allowed: format up to {FORMAT}")
    try:
        bonds = tuple((int(i), int(j)) for i, j in found["bonds"])
        molecule = Molecule(str(found["molecule"]), tuple(map(str, found["symbols"])), bonds)
        listed = {str(row["nmer"]): (str(row["ref"]), str(row["key"])) for row in found["potentials"]}
        waters, digest = int(found["waters"]), found["physics"].get("digest")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"'{path}' is damaged: {repr(error)[:200]}") from None
    opened = Store(store)
    for ref, key in listed.values():
        version = opened.resolve(ref)
        if version.kind != "potential" or version.key != key:
            raise InputError(f"'{path}' lists {ref} with the key {key[:12]}; the store's has {version.key[:12]}")
    model = sum_potential(molecule, {name: ref for name, (ref, _) in listed.items()}, waters=waters, store=store)
    have = None if model.parameters is None else model.parameters.digest
    if have != digest:
        raise InputError(f"'{path}' lists V_phys {str(digest)[:12]}; the potentials have {str(have)[:12]}")
    return model
