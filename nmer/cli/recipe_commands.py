"""Commands about recipes: recipes, show, plan."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, Preset, RecipeName, StorePath
from nmer.cli.output import Column, print_json, print_rows, print_table
from nmer.cli.recipe_input import ProtocolName, checked_recipe
from recipes.load import expanded_toml, load_recipe, presets, shipped_recipes
from recipes.schema.recipe import Recipe
from storage.version import package_versions


def recipes(*, json: Json = False) -> int:
    """List the recipes that come with nmer.

    Examples
    --------
    nmer recipes
    """
    rows: list[dict[str, Any]] = []
    for name, path in shipped_recipes().items():
        recipe = load_recipe(name)
        nmer = recipe.build_nmer()
        row = {"name": name, "title": recipe.title, "atoms": nmer.natoms, "symmetry": nmer.symmetry}
        rows.append(row | {"presets": presets(path)})
    if json:
        return print_json(rows)
    columns: dict[str, Column] = {"name": "name", "atoms": "atoms", "symmetry": "symmetry"}
    print_rows(rows, columns | {"presets": lambda r: " ".join(r["presets"]), "title": "title"})
    return 0


def show(
    recipe: RecipeName,
    *,
    preset: Preset = None,
    cvs: Annotated[bool, Parameter(help="Show the collective variables by CV family instead.")] = False,
    force_field: Annotated[bool, Parameter(help="Show each atom's force-field type and charge instead.")] = False,
    json: Json = False,
) -> int:
    """Show a recipe with every default written out, its collective variables, or its force-field types.

    Examples
    --------
    nmer show ch3-water --preset smoke
    """
    loaded = checked_recipe(recipe, preset, here=False)
    if cvs:
        return _show_cvs(loaded, json)
    if force_field:
        return _show_types(loaded, json)
    if json:
        return print_json(loaded.model_dump(mode="json"))
    print(expanded_toml(loaded), end="")
    return 0


def _show_cvs(recipe: Recipe, json: bool) -> int:
    from tasks.bias.cvs import cv_families

    nmer = recipe.build_nmer()
    found = cv_families(nmer, recipe.sampling.bias.families)
    if json:
        return print_json([{"family": f.name, "variables": [list(cv.atoms) for cv in f.cvs]} for f in found])
    rows = []
    for family in found:
        atoms = "  ".join("-".join(f"{nmer.symbols[a]}{a}" for a in cv.atoms) for cv in family.cvs)
        rows.append((family.name, len(family.cvs), "between" if family.intermolecular else "within", atoms))
    print_table(("CV family", "variables", "fragments", "atoms, counted from 0"), rows)
    return 0


def _show_types(recipe: Recipe, json: bool) -> int:
    from tasks.sampling.force_field import FORCE_FIELDS, nmer_parameters

    nmer, found, untyped = recipe.build_nmer(), list[dict[str, Any]](), list[str]()
    for name in recipe.sampling.force_fields:
        if not FORCE_FIELDS.get(name).typed:
            untyped.append(name)
            continue
        terms = nmer_parameters(nmer, name, recipe.sampling.atom_types)
        columns = zip(nmer.symbols, terms.types, terms.charges, terms.sigma, terms.epsilon, strict=True)
        keys = ("element", "type", "charge", "sigma", "epsilon")
        found += [
            {"force_field": name, "atom": atom, **dict(zip(keys, values, strict=True))}
            for atom, values in enumerate(columns)
        ]
    if json:
        return print_json(found)
    if found:
        figures = {"charge (e)": "charge:.4f", "sigma (A)": "sigma:.4f", "epsilon (kcal/mol)": "epsilon:.4f"}
        print_rows(found, {"force field": "force_field", "atom": "atom", "": "element", "type": "type", **figures})
    for name in untyped:
        print(f"{name} has no types: it computes the charges of each geometry")
    return 0


def plan(
    recipe: RecipeName,
    *,
    preset: Preset = None,
    protocol: ProtocolName = None,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Show the counts of a run, the part already in the store, and its core-hours, memory, and disk space.

    Examples
    --------
    nmer plan ch3-water --preset laptop
    """
    from tasks.plan import resolve
    from tasks.run.costs import CostLeft, cost_limit, is_above, stage_costs, words
    from tasks.run.state import label_cost_now, open_store

    loaded, opened = checked_recipe(recipe, preset, protocol, here=False), open_store(store)
    resolved = resolve(loaded, opened)
    label = label_cost_now(resolved, opened)
    rows = stage_costs(resolved, opened, label)
    known = sum(row["core_hours_left"] or 0.0 for row in rows)
    unknown = sum(row["count"] - row["present"] for row in rows if row["core_hours"] is None)
    left, limit = CostLeft(known, unknown), cost_limit()
    asks = is_above(left, limit, preset is not None)
    if json:
        version = package_versions("nmer")["nmer"]
        about: dict[str, Any] = {"recipe": loaded.name, "preset": loaded.preset, "nmer": version, "stages": rows}
        about |= {"label": label and asdict(label), "max_core_hours": limit.core_hours, "needs_yes": asks}
        return print_json(about)
    print(f"{loaded.name}, preset {loaded.preset or 'none'}: {loaded.labelling.level}")
    columns: dict[str, Column] = {"stage": "stage", "count": "count", "": "unit", "in store": "present"}
    figures = {"core-hours left": "core_hours_left", "GiB per process": "memory", "MB kept": "disk"}
    print_rows([row | {key: _figure(row[key]) for key in figures.values()} for row in rows], columns | figures)
    if label is not None:
        print(f"a label: {label.cpu_seconds:.2g} CPU-s, {label.memory:.2g} GiB ({label.source})")
    print(f"about {_figure(known)} core-hours in all, correct within a factor of two")
    if any(r["core_hours"] is None for r in rows):
        print(
            "'-': the cost of this method and basis set is unknown until a few labels are computed; "
            "it is not in the total"
        )
    if asks:
        print(f"nmer run does not start this by itself: {words(left, limit)}")
    return 0


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}" if value else "0"
