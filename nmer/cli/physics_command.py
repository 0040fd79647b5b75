"""The command that derives the parameters of V_phys: physics."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath
from nmer.cli.output import check_new, print_json, print_table
from nmer.cli.packages import need
from potentials.errors import InputError

LevelName = Literal["pbe0/aug-cc-pvdz", "gfn2-xtb"]
ModelName = Literal["xdm", "d4", "d4s"]


def physics(
    name: str,
    *,
    molecule: Annotated[
        tuple[str, ...],
        Parameter(help="A chain, SMILES, or a file; repeat it for several. Default: the family of the name."),
    ] = (),
    level: Annotated[
        LevelName, Parameter(help="What the charges are fitted to; gfn2-xtb is for GFN2-xTB labels.")
    ] = "pbe0/aug-cc-pvdz",
    dispersion: Annotated[
        ModelName | None, Parameter(help="Model of the C6 coefficients; default: xdm, or d4 with gfn2-xtb.")
    ] = None,
    out: Annotated[Path | None, Parameter(help="Also write the parameters into this TOML file.")] = None,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Derive the parameters of V_phys of some molecules: charges, polarizabilities, C6, radii, and repulsion.

    Densities of small molecules are computed, which takes minutes each, and kept in the store. An interrupted
    command continues when it is given again. The result is a version, physics:NAME@1; at the level gfn2-xtb
    physics:NAME-gfn2-xtb@1, which runs with GFN2-xTB labels look for.

    Parameters
    ----------
    name
        Name of the parameters: lowercase letters, digits, and dashes. A family's, such as polyalanine, needs no
        molecule.

    Examples
    --------
    nmer physics polyalanine
    nmer physics methanol-water --molecule CO --molecule O
    """
    from recipes.families import FAMILIES
    from recipes.load import shipped_recipes
    from recipes.physics.levels import named_at
    from storage.attributes import allowed_name
    from storage.file_system import network_note
    from storage.store import Store, default_store

    if wanted := allowed_name("nmer", name):
        raise InputError(f"the name '{name}' is not allowed; allowed: {wanted}; give molecules with --molecule")
    if not molecule and name not in FAMILIES and name not in shipped_recipes():
        raise InputError(f"'{name}' is no family ({', '.join(FAMILIES)}); give molecules with --molecule")
    molecules, name = list(molecule or (name,)), named_at(name, level)
    if out is not None:
        check_new(out)
    need("prefect", "rdkit")
    from tasks.physics.levels import check_programs
    from tasks.physics.samples import read_samples

    read_samples(molecules)
    check_programs(level, dispersion)
    opened = Store(Path(store or default_store()), create=True)
    opened.check_writable()
    if note := network_note(opened.labels):
        print(f"note: {note}", file=sys.stderr)
    found = _report(opened, _derive(name, molecules, level, dispersion, opened.path), out)
    if json:
        print_json(found)
    else:
        _print(found)
    return 0


def _derive(name: str, molecules: list[str], level: str, dispersion: str | None, path: Path) -> str:
    """Run the flow; Prefect's settings must be set before its first import, which takes seconds."""
    from deploy.environment import set_prefect_defaults

    set_prefect_defaults()
    print(f"physics {name}: starting the flow ...", file=sys.stderr)
    from flows.here import run_here

    ref: str = run_here("flows.physics.derive_physics", name, None, name, molecules, level, dispersion, path)
    return ref


def _report(store: Any, ref: str, out: Path | None) -> dict[str, Any]:
    """Return what is printed, and write the TOML file."""
    from potentials.physics.parameters import COLUMNS
    from recipes.physics.table import physics_toml
    from storage.durable import disk_errors, write_text
    from storage.physics import derived_of_version

    version = store.resolve(ref)
    derived = derived_of_version(version)
    parameters = derived.parameters
    if out is not None:
        with disk_errors(f"--out '{out}' cannot be written"):
            write_text(out, physics_toml(derived, version.nmer))
    rows = {
        kind: {column: float(getattr(parameters, column)[n]) for column in COLUMNS}
        for n, kind in enumerate(parameters.types)
    }
    facts = {key: value for key, value in derived.facts.items() if key != "geometries"}
    found = {"physics": ref, "digest": parameters.digest, "level": derived.level, "types": rows, "facts": facts}
    return found | ({"file": str(out)} if out is not None else {})


def _print(found: dict[str, Any]) -> None:
    rows = found["types"]
    print_table(
        ("type", "q, e", "alpha, A^3", "C6, kcal/mol A^6", "alpha of C6", "radius, A", "epsilon", "Rmin/2, A"),
        [(kind, *(f"{number:.4f}" for number in row.values())) for kind, row in rows.items()],
    )
    facts = found["facts"]
    rms = facts["rms"]
    print(f"{found['physics']}, {found['level']}: {facts['method']}")
    potential = f", potential {rms['potential_error']:.3f} of its size" if "potential_error" in rms else ""
    print(
        f"  rms errors: dipole {rms['dipole_error']:.3f} of {rms['dipole']:.2f} D, "
        f"quadrupole {rms['quadrupole_error']:.2f} D A{potential}"
    )
    for warning in facts["warnings"]:
        print(f"  note: {warning}")
    if "file" in found:
        print(found["file"])
