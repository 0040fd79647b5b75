"""Commands about labels: protocols, label."""

from __future__ import annotations

import sys
from math import inf
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, MaxCoreHours, Preset, Yes, numbers_of
from nmer.cli.output import Column, print_json, print_rows
from nmer.cli.recipe_input import ProtocolName
from potentials.errors import InputError


def protocols(
    *,
    engines: Annotated[bool, Parameter(help="List the engines instead.")] = False,
    json: Json = False,
) -> int:
    """List the named protocols, whether each can run here, and what it needs if not.

    Examples
    --------
    nmer protocols
    nmer protocols --engines
    """
    from recipes.engines import ENGINES
    from recipes.protocols import protocols as named
    from tasks.labelling.engines.registry import new_engine

    programs = {name: new_engine(name) for name in ENGINES.names()}
    missing = {name: engine.available() for name, engine in programs.items()}
    if engines:
        return _print_engines(missing, json)
    rows: list[dict[str, Any]] = []
    for name, (title, labelling) in named().items():
        needs = missing[labelling.engine] or programs[labelling.engine].lacks(labelling.method)
        row: dict[str, Any] = {"name": name, "title": title, "engine": labelling.engine, "level": labelling.level}
        row["gradients"] = labelling.gradients
        rows.append(row | {"runs_here": needs is None, "needs": needs or ""})
    if json:
        return print_json(rows)
    columns = {"name": "name", "engine": "engine", "runs here": "runs_here", "gradients": "gradients"}
    print_rows(rows, columns | {"level of theory": "level"})
    for engine, needs in sorted({(r["engine"], r["needs"]) for r in rows if not r["runs_here"]}):
        print(f"{engine} {needs}")
    return 0


def _print_engines(missing: dict[str, str | None], json: bool) -> int:
    from recipes.engines import engine_table

    rows = [row | {"runs here": "no" if missing[row["engine"]] else "yes"} for row in engine_table()]
    if json:
        return print_json(rows)
    print_rows(rows, {column: column for column in ("engine", "runs here", "methods", "gradients", "what it is")})
    for name, needs in missing.items():
        if needs:
            print(f"{name} {needs}")
    return 0


def label(
    file: Path,
    *,
    recipe: str | None = None,
    preset: Preset = None,
    protocol: ProtocolName = None,
    fragments: str = "",
    charges: Annotated[str, Parameter(allow_leading_hyphen=True)] = "",
    timeout: float | None = None,
    memory: float | None = None,
    yes: Yes = False,
    max_core_hours: MaxCoreHours = None,
    json: Json = False,
) -> int:
    """Label the configurations of an xyz file: total energies of the sub-calculations, and n-body energies.

    Nothing is stored: use `nmer run` for the labels of a recipe. The energy of a single molecule is its total
    energy; that of a covalent n-mer is not relative to a minimum.

    Parameters
    ----------
    file
        An xyz or extended xyz file, Angstrom, with one configuration or many.
    recipe
        Recipe that gives fragments, charges, caps, and protocol.
    fragments
        Without a recipe: number of atoms of each fragment, for example 5,3.
    charges
        Without a recipe: charge of each fragment (e), for example 0,-1; default: all 0.
    timeout
        Wall time of one label (s); default: 36000.
    memory
        Memory of one label (GiB); default: the recipe's, or 8.

    Examples
    --------
    nmer label dimers.xyz --recipe ch3-water --preset smoke
    nmer label dimers.xyz --fragments 5,3 --protocol fno-aug-cc-pvdz
    nmer label dimers.xyz --fragments 5,3 --protocol gfn2-xtb-gradients --json
    """
    from recipes.load import load_recipe
    from recipes.protocols import find_protocol, with_protocol
    from tasks.labelling.by_hand import label_by_hand, read_configurations, read_configurations_of
    from tasks.progress import ProgressLine
    from tasks.run.checks import check_configurations
    from tasks.run.costs import check_consent, cost_by_hand, cost_limit

    if any(not 0 < limit < inf for limit in (timeout, memory) if limit is not None):
        raise InputError("--timeout (s) and --memory (GiB) must be above 0 and finite")

    def show(note: str) -> None:
        print(f"note: {note}", file=sys.stderr)

    if recipe is not None:
        if fragments or charges:
            raise InputError("--recipe gives fragments and charges; leave out --fragments and --charges")
        loaded = with_protocol(load_recipe(recipe, preset), protocol)
        labelling, memory = loaded.labelling, memory or loaded.resources.label_memory
        configurations = read_configurations_of(file, loaded.build_nmer(), show)
    else:
        if preset is not None:
            raise InputError("--preset needs --recipe; give both")
        if protocol is None or not fragments:
            raise InputError("give --recipe RECIPE, or both --fragments, for example 5,3, and --protocol")
        labelling = find_protocol(protocol)
        sizes, each = numbers_of("--fragments", fragments), numbers_of("--charges", charges)
        configurations = read_configurations(file, sizes, each, show)
    timeout, memory = timeout or 36_000.0, memory or 8.0
    check_configurations(file, configurations)
    what = f"labelling the {len(configurations)} configurations of '{file}'"
    check_consent(what, cost_by_hand(configurations, labelling), cost_limit(max_core_hours), preset, yes)
    found: list[dict[str, Any]] = []
    with ProgressLine("labelling", len(configurations), "labels") as progress:
        for one in label_by_hand(configurations, labelling, timeout, memory):
            found.append(one)
            failed = sum(o["nbody_energy"] is None for o in found)
            progress.update(len(found) - failed, failed)
    code = 0 if all(one["nbody_energy"] is not None for one in found) else 1
    if json:
        return print_json(found, code)
    print(f"{labelling.level}, {file}")
    for one in found:
        _print_label(one)
    return code


def _print_label(one: dict[str, Any]) -> None:
    energy = one["nbody_energy"]
    value = "no energy" if energy is None else f"{energy:.5f} kcal/mol ({one['nbody_energy_hartree']:.9f} Eh)"
    print(f"configuration {one['configuration']}: {value}, {one['status']}, {one['cpu_seconds']:.1f} CPU-s")
    if one["reason"]:
        print(f"  {one['reason']}")
    if gradient := one.get("nbody_gradient"):
        largest = max(abs(x) for row in gradient for x in row)
        print(f"  gradient: largest component {largest:.5f} kcal/mol/A; --json has all")
    columns: dict[str, Column] = {"  sub-calculation": lambda r: f"  {r['name']}", "factor": "coefficient:+d"}
    columns |= {"energy (Eh)": "energy:.9f", "T1": "t1:.4f", "D1": "d1:.4f", "|t2|": "t2:.4f"}
    print_rows(one["parts"], columns | {"CPU-s": lambda r: f"{r['cpu_seconds'] or 0.0:.1f}"})
