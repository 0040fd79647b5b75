"""Commands about recipes: recipes, show, plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, Preset, RecipeName, StorePath
from nmer.cli.output import Column, print_json, print_rows, print_table
from nmer.cli.recipe_input import ProtocolName, checked_recipe
from nmer.cli.show_potential import show_potential
from potentials.errors import InputError
from recipes.families import FAMILIES
from recipes.families import family as members_of
from recipes.load import expanded_toml, load_recipe, presets, shipped_recipes
from recipes.schema.recipe import Recipe
from storage.version import package_versions

if TYPE_CHECKING:
    from storage.store import Store
    from tasks.plan import Plan
    from tasks.run.costs import CostLeft


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
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Show a recipe with every default written out, its collective variables, or its force-field types.

    NAME@NUMBER shows a potential of the store: its errors, and the labels, cost and error of each of its levels.

    Examples
    --------
    nmer show ch3-water --preset smoke
    nmer show ch3-water@latest
    """
    if "@" in recipe and not recipe.endswith(".toml"):
        if preset is not None or cvs or force_field:
            raise InputError("--preset, --cvs and --force-field are of recipes; give the name of a recipe")
        return show_potential(recipe, store, json)
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
    *recipe: RecipeName,
    all_: Annotated[list[str] | None, Parameter(name="--all", help=f"A family: {', '.join(FAMILIES)}.")] = None,
    preset: Preset = None,
    protocol: ProtocolName = None,
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Show the counts of a run, the part already in the store, and its core-hours, memory, and disk space.

    With levels there is a row for each: labels that follow from those of a higher level cost nothing. Several
    recipes are added up; so is a family, given by --all, or by its name where no recipe has that name.

    Examples
    --------
    nmer plan ch3-water --preset laptop
    nmer plan --all polyalanine --all polyalanine-water --preset levels
    """
    from tasks.plan import resolve
    from tasks.run.costs import run_cost
    from tasks.run.state import open_store

    names = _members(recipe, all_ or [])
    opened = open_store(store)
    plans = [resolve(checked_recipe(name, preset, protocol, here=False), opened) for name in names]
    if len(plans) > 1:
        return _plan_of_several(plans, opened, preset, json)
    (resolved,) = plans
    loaded, cost = resolved.recipe, run_cost(resolved, opened)
    about = _consent(cost.left, preset)
    if json:
        top = cost.levels[-1]
        known = None if top["cpu_seconds"] is None else {k: top[k] for k in ("cpu_seconds", "memory", "source")}
        about = {"nmer": package_versions("nmer")["nmer"], "stages": cost.stages, "label": known} | about
        about |= {"levels": cost.levels} if loaded.levels else {"minima": _minima(cost.levels)}
        return print_json({"recipe": loaded.name, "preset": loaded.preset} | about)
    print(f"{loaded.name}, preset {loaded.preset or 'none'}: {loaded.labelling.level}")
    columns: dict[str, Column] = {"stage": "stage", "count": "count", "": "unit", "in store": "present"}
    figures = {"core-hours left": "core_hours_left", "GiB per process": "memory", "MB kept": "disk"}
    print_rows([row | {k: _figure(row[k]) for k in figures.values()} for row in cost.stages], columns | figures)
    if loaded.levels:
        _print_levels(cost.levels)
    for row in cost.levels:
        if row["cpu_seconds"] is not None:
            what = f"a label of {row['level']}" if loaded.levels else "a label"
            print(f"{what}: {row['cpu_seconds']:.2g} CPU-s, {row['memory']:.2g} GiB ({row['source']})")
    minima = _minima(cost.levels)
    if minima["count"]:
        print(
            f"labelling includes the search of {minima['count']} minima that energies count from: "
            f"{_figure(minima['core_hours'])} core-hours"
        )
    _print_sum(cost.left, about)
    return 0


def _members(recipes: Sequence[str], families: Sequence[str]) -> list[str]:
    """Return the names of recipes and of the members of families, each once; a recipe's name is not a family's."""
    named = [members_of(one) if one in FAMILIES and one not in shipped_recipes() else (one,) for one in recipes]
    found = list(dict.fromkeys(name for one in [*named, *map(members_of, families)] for name in one))
    if not found:
        raise InputError(f"give a recipe, or --all and a family ({', '.join(FAMILIES)})")
    return found


def _consent(left: CostLeft, preset: str | None) -> dict[str, Any]:
    """Return the limit of what starts by itself, and whether a cost is above it, as plain values."""
    from tasks.run.costs import cost_limit, is_above

    limit = cost_limit()
    return {"max_core_hours": limit.core_hours, "needs_yes": is_above(left, limit, preset is not None)}


def _minima(levels: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return how many minima are to be searched for, and their core-hours: None where these are not known."""
    hours = [row["minima_core_hours"] for row in levels]
    return {"count": sum(row["minima"] for row in levels), "core_hours": None if None in hours else sum(hours)}


def _print_levels(levels: Sequence[dict[str, Any]]) -> None:
    columns: dict[str, Column] = {"level": "level", "labels": "labels", "taken from a higher level": "derived"}
    columns |= {"in store": "present", "core-hours left": lambda r: _figure(r["core_hours_left"])}
    print_rows(
        list(levels), columns | {"minima left": "minima", "theirs": lambda r: _figure(r["minima_core_hours"])}
    )


def _print_sum(left: CostLeft, about: dict[str, Any]) -> None:
    """Print what is left in all, and whether it starts by itself."""
    from tasks.run.costs import cost_limit, words

    print(f"about {_figure(left.core_hours)} core-hours in all, correct within a factor of two")
    if left.unknown:
        print(
            "'-': the cost of this method and basis set is unknown until a few labels are computed; "
            "it is not in the total"
        )
    if about["needs_yes"]:
        print(f"nmer run does not start this by itself: {words(left, cost_limit())}")


def _plan_of_several(plans: Sequence[Plan], store: Store | None, preset: str | None, json: bool) -> int:
    """Print what several recipes have left to compute, one row each, and their sum."""
    from tasks.run.costs import CostLeft, run_cost

    rows: list[dict[str, Any]] = []
    total = CostLeft(0.0)
    for plan in plans:
        cost = run_cost(plan, store)
        total += cost.left
        about = {"recipe": plan.recipe.name, "preset": plan.recipe.preset, "core_hours_left": cost.left.core_hours}
        about |= {"unknown_labels": cost.left.unknown, "labels": sum(row["labels"] for row in cost.levels)}
        about |= {"label_core_hours_left": _known([row["core_hours_left"] for row in cost.levels])}
        about |= {"minima_core_hours_left": _known([row["minima_core_hours"] for row in cost.levels])}
        rows.append(about | {"level": plan.recipe.labelling.level, "levels": cost.levels, "stages": cost.stages})
    about = _consent(total, preset)
    if json:
        sums = {"core_hours_left": total.core_hours, "unknown_labels": total.unknown, **about}
        return print_json({"nmer": package_versions("nmer")["nmer"], "recipes": rows, **sums})
    columns: dict[str, Column] = {"recipe": "recipe", "labels": "labels", "of the last level": lambda r: _top(r)}
    figures = {
        "core-hours left: labels": "label_core_hours_left",
        "minima": "minima_core_hours_left",
        "all": "core_hours_left",
    }
    sums = {key: sum(row[key] for row in rows) for key in ("labels", *figures.values())}
    whole = {"recipe": f"{len(rows)} recipes", "levels": [{"labels": sum(_top(row) for row in rows)}], **sums}
    table = [row | {key: _figure(row[key]) for key in figures.values()} for row in [*rows, whole]]
    print_rows(table, columns | figures)
    _print_sum(total, about)
    return 0


def _top(row: dict[str, Any]) -> int:
    return int(row["levels"][-1]["labels"])


def _known(hours: Sequence[float | None]) -> float:
    """Return the sum of those that are known."""
    return float(sum(filter(None, hours)))


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}" if value else "0"
