"""Commands about recipes: recipes, show, plan."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, Preset, StorePath
from nmer.cli.output import print_json, print_table
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
        rows.append(
            {
                "name": name,
                "title": recipe.title,
                "atoms": nmer.natoms,
                "symmetry": nmer.symmetry,
                "presets": presets(path),
            }
        )
    if json:
        print_json(rows)
    else:
        print_table(
            ("name", "atoms", "symmetry", "presets", "title"),
            [(r["name"], str(r["atoms"]), r["symmetry"], " ".join(r["presets"]), r["title"]) for r in rows],
        )
    return 0


def show(
    recipe: str,
    *,
    preset: Preset = None,
    cvs: Annotated[bool, Parameter(help="Show the collective variables by CV family instead.")] = False,
    force_field: Annotated[bool, Parameter(help="Show each atom's force-field type and charge instead.")] = False,
    json: Json = False,
) -> int:
    """Show a recipe with every default written out, its collective variables, or its force-field types.

    Parameters
    ----------
    recipe
        Name of a shipped recipe, or path of a TOML file.

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
        print_json(loaded.model_dump(mode="json"))
    else:
        print(expanded_toml(loaded), end="")
    return 0


def _show_cvs(recipe: Recipe, json: bool) -> int:
    from tasks.sampling.bias.cvs import cv_families

    nmer = recipe.build_nmer()
    found = cv_families(nmer, recipe.sampling.bias.families)
    if json:
        print_json([{"family": f.name, "variables": [list(cv.atoms) for cv in f.cvs]} for f in found])
        return 0
    rows = []
    for family in found:
        atoms = "  ".join("-".join(f"{nmer.symbols[a]}{a}" for a in cv.atoms) for cv in family.cvs)
        rows.append((family.name, str(len(family.cvs)), "between" if family.intermolecular else "within", atoms))
    print_table(("CV family", "variables", "fragments", "atoms, counted from 0"), rows)
    return 0


def _show_types(recipe: Recipe, json: bool) -> int:
    from tasks.sampling.force_field import FORCE_FIELDS, nmer_parameters

    nmer, found = recipe.build_nmer(), []
    for name in recipe.sampling.force_fields:
        if not FORCE_FIELDS.get(name).typed:
            continue
        terms = nmer_parameters(nmer, name, recipe.sampling.atom_types)
        columns = zip(nmer.symbols, terms.types, terms.charges, terms.sigma, terms.epsilon, strict=True)
        found += [
            {
                "force_field": name,
                "atom": atom,
                "element": element,
                "type": kind,
                "charge": charge,
                "sigma": sigma,
                "epsilon": epsilon,
            }
            for atom, (element, kind, charge, sigma, epsilon) in enumerate(columns)
        ]
    if json:
        print_json(found)
        return 0
    if found:
        print_table(
            ("force field", "atom", "", "type", "charge (e)", "sigma (A)", "epsilon (kcal/mol)"),
            [
                (
                    str(r["force_field"]),
                    str(r["atom"]),
                    str(r["element"]),
                    str(r["type"]),
                    *(f"{r[name]:.4f}" for name in ("charge", "sigma", "epsilon")),
                )
                for r in found
            ],
        )
    for name in recipe.sampling.force_fields:
        if not FORCE_FIELDS.get(name).typed:
            print(f"{name} has no types: it computes the charges of each geometry")
    return 0


def plan(
    recipe: str,
    *,
    preset: Preset = None,
    protocol: ProtocolName = None,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Show the counts of a run, the part already in the store, and its core-hours, memory, and disk space.

    Parameters
    ----------
    recipe
        Name of a shipped recipe, or path of a TOML file.

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
        print_json(
            {
                "recipe": loaded.name,
                "preset": loaded.preset,
                "nmer": package_versions("nmer")["nmer"],
                "stages": rows,
                "label": None if label is None else asdict(label),
                "max_core_hours": limit.core_hours,
                "needs_yes": asks,
            }
        )
        return 0
    print(f"{loaded.name}, preset {loaded.preset or 'none'}: {loaded.labelling.level}")
    print_table(
        ("stage", "count", "", "in store", "core-hours left", "GiB per process", "MB kept"),
        [
            (
                r["stage"],
                str(r["count"]),
                r["unit"],
                str(r["present"]),
                _figure(r["core_hours_left"]),
                _figure(r["memory"]),
                _figure(r["disk"]),
            )
            for r in rows
        ],
    )
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
