"""Commands about protocols: protocols, label."""

from __future__ import annotations

import sys
from math import inf
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, MaxCoreHours, Preset, Yes, numbers_of
from nmer.cli.output import print_json, print_table
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
        rows.append(
            {
                "name": name,
                "title": title,
                "engine": labelling.engine,
                "level": labelling.level,
                "runs_here": needs is None,
                "needs": needs or "",
            }
        )
    if json:
        print_json(rows)
        return 0
    print_table(
        ("name", "engine", "runs here", "level of theory"),
        [(r["name"], r["engine"], "yes" if r["runs_here"] else "no", r["level"]) for r in rows],
    )
    for engine, needs in sorted({(str(r["engine"]), str(r["needs"])) for r in rows if not r["runs_here"]}):
        print(f"{engine} {needs}")
    return 0


def _print_engines(missing: dict[str, str | None], json: bool) -> int:
    from recipes.engines import engine_table

    rows = [row | {"runs here": "no" if missing[row["engine"]] else "yes"} for row in engine_table()]
    if json:
        print_json(rows)
        return 0
    columns = ("engine", "runs here", "methods", "what it is")
    print_table(columns, [tuple(row[column] for column in columns) for row in rows])
    for name, needs in missing.items():
        if needs:
            print(f"{name} {needs}")
    return 0


def label(
    file: Path,
    *,
    recipe: Annotated[
        str | None, Parameter(help="Recipe that gives fragments, charges, caps, and protocol.")
    ] = None,
    preset: Preset = None,
    protocol: ProtocolName = None,
    fragments: Annotated[
        str, Parameter(help="Without a recipe: number of atoms of each fragment, for example 5,3.")
    ] = "",
    charges: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help="Without a recipe: charge of each fragment (e), for example 0,-1; default: all 0.",
        ),
    ] = "",
    timeout: Annotated[float | None, Parameter(help="Wall time of one label (s); default: 36000.")] = None,
    memory: Annotated[
        float | None, Parameter(help="Memory of one label (GiB); default: the recipe's, or 8.")
    ] = None,
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

    Examples
    --------
    nmer label dimers.xyz --recipe ch3-water --preset smoke
    nmer label dimers.xyz --fragments 5,3 --protocol fno-aug-cc-pvdz
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
    if json:
        print_json(found)
    else:
        print(f"{labelling.level}, {file}")
        for one in found:
            _print_label(one)
    return 0 if all(one["nbody_energy"] is not None for one in found) else 1


def _print_label(one: dict[str, Any]) -> None:
    energy = one["nbody_energy"]
    value = "no energy" if energy is None else f"{energy:.5f} kcal/mol ({one['nbody_energy_hartree']:.9f} Eh)"
    print(f"configuration {one['configuration']}: {value}, {one['status']}, {one['cpu_seconds']:.1f} CPU-s")
    if one["reason"]:
        print(f"  {one['reason']}")
    rows = []
    for part in one["parts"]:
        figures = [part[name] for name in ("t1", "d1", "t2")]
        rows.append(
            (
                part["name"],
                f"{part['coefficient']:+d}",
                "-" if part["energy"] is None else f"{part['energy']:.9f}",
                *("-" if f is None else f"{f:.4f}" for f in figures),
                f"{part['cpu_seconds'] or 0.0:.1f}",
            )
        )
    print_table(
        ("  sub-calculation", "factor", "energy (Eh)", "T1", "D1", "|t2|", "CPU-s"),
        [("  " + r[0], *r[1:]) for r in rows],
    )
