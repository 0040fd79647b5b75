"""The command that writes a recipe for a molecule of the user's choice: new."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from threadpoolctl import threadpool_limits

from nmer.cli.options import Json
from nmer.cli.output import print_json, print_table
from nmer.cli.recipe_input import checked_text
from potentials.arrays import Floats
from potentials.errors import InputError
from potentials.nmers.nmer import NMer
from recipes.authoring.degrees import TermCount
from recipes.authoring.own import OwnRecipe, own_nmer, own_recipe
from recipes.chemistry.species import read_species
from recipes.estimate import estimate
from recipes.load import shipped_recipes
from recipes.schema.patterns import LONGEST_NAME, NAME, shown
from recipes.schema.recipe import Recipe
from storage.durable import write_text
from tasks.sampling.force_field import FORCE_FIELDS, choose_force_field

FromSmiles = Annotated[str, Parameter(name="--from-smiles", help="The molecule or ion as SMILES.")]
With = Annotated[
    list[str] | None,
    Parameter(
        name="--with",
        help="A partner: water, or the SMILES of another molecule or ion; give it twice for two partners.",
    ),
]
Out = Annotated[str | None, Parameter(name="--out", help="The file; default: NAME.toml.")]


def new(name: str, *, from_smiles: FromSmiles, partner: With = None, out: Out = None, json: Json = False) -> int:
    """Write a recipe for a molecule of your own, alone or with one partner or two.

    The energy of one molecule is relative to its optimized geometry; with a partner it is the
    counterpoise-corrected two-body energy, with two partners the three-body energy. Nothing is run.

    Parameters
    ----------
    name
        Name of the recipe: lowercase letters, digits and dashes.

    Examples
    --------
    nmer new methanol-water --from-smiles CO --with water
    """
    path = _free_path(name, out)
    first = read_species(from_smiles)
    partners = [read_species(text, "--with") for text in partner or ()]
    nmer = own_nmer(name, first, *partners, relax=relaxed if find_spec("tblite") else None)
    smiles = (first.smiles, *(one.smiles for one in partners))
    force_field, why = choose_force_field(nmer)
    made = own_recipe(nmer, smiles, force_field, why)
    recipes = _write(path, made)
    needs = "; ".join(need.install for need in FORCE_FIELDS.get(force_field).needs if not need.found())
    file = shlex.quote(str(path))
    commands = [f"nmer show {file}", *(f"nmer {word} {file} --preset smoke" for word in ("plan", "run"))]
    if json:
        return print_json(_facts(path, made, recipes) | {"why": why, "needs": needs, "next": commands})
    print(f"{path}: {recipes['paper'].title}")
    print(f"  symmetry     {nmer.symmetry}, {nmer.natoms} atoms, charge {nmer.charge:+d}")
    print(f"  force field  {why}")
    rows = [(preset, *_row(recipe, getattr(made.terms, preset))) for preset, recipe in recipes.items()]
    print_table(("preset", "degree", "terms", "frames", "labels", "level of theory", "core-hours"), rows)
    if needs:
        print(f"{force_field} is not installed here; install it with: {needs}")
    print("\n  ".join(["next:", *commands]))
    return 0


def _free_path(name: str, out: str | None) -> Path:
    """Return the path of the recipe to write; raises InputError if the name or the path cannot be used."""
    if not re.fullmatch(NAME, name) or len(name) > LONGEST_NAME:
        raise InputError(
            f"name {shown(name)} must be lowercase letters, digits and dashes, up to {LONGEST_NAME} of them, "
            "a letter or digit first, for example methanol-water"
        )
    if name in shipped_recipes():
        raise InputError(f"name '{name}' is the name of a shipped recipe; choose another")
    path = Path(out or f"{name}.toml")
    if path.suffix != ".toml":
        raise InputError(f"--out '{out}' must be the path of a .toml file, for example {name}.toml")
    if path.exists():
        raise InputError(f"file '{path}' exists and is not overwritten; remove it, or give another with --out")
    if not path.parent.is_dir():
        raise InputError(f"--out '{path}': there is no folder '{path.parent}'")
    return path


def relaxed(nmer: NMer) -> Floats:
    """Return a molecule's minimum on GFN2-xTB, (atoms, 3), Angstrom."""
    from tasks.sampling.force_fields.minimum import find_minimum
    from tasks.xtb import Xtb

    with threadpool_limits(limits=1):  # faster than several threads for a small molecule
        return find_minimum(nmer, Xtb(nmer)).positions


def _write(path: Path, made: OwnRecipe) -> dict[str, Recipe]:
    """Write the recipe and return it with each preset; no file is left if it is invalid."""
    recipes = checked_text(path.name, made.text)
    try:
        write_text(path, made.text)
    except (PermissionError, NotADirectoryError) as error:
        raise InputError(f"file '{path}' cannot be written: {error.strerror}") from None
    return recipes


def _row(recipe: Recipe, terms: TermCount) -> tuple[object, ...]:
    """Return a line of the table: the counts and the cost of a preset."""
    count = f"{terms.count}" if terms.count == terms.candidates else f"{terms.count} of {terms.candidates}"
    labels, hours = recipe.selection.train + recipe.selection.test, _hours(recipe)
    cost = hours if hours is None else f"{hours:.2g}" if hours < 100 else f"{hours:.0f}"
    return terms.degree, count, recipe.sampling.frames, labels, recipe.labelling.level, cost


def _hours(recipe: Recipe) -> float | None:
    """Return the core-hours of a recipe as `nmer plan` estimates them; None if those of a stage are unknown."""
    costs = [cost.core_hours for cost in estimate(recipe)]
    return None if any(cost is None for cost in costs) else sum(cost or 0.0 for cost in costs)


def _facts(path: Path, made: OwnRecipe, recipes: dict[str, Recipe]) -> dict[str, Any]:
    """Return what was written, for JSON."""
    nmer, presets = made.nmer, {}
    for preset, recipe in recipes.items():
        terms: TermCount = getattr(made.terms, preset)
        counts = {"degree": terms.degree, "terms": terms.count, "candidates": terms.candidates}
        sizes = {"train": recipe.selection.train, "test": recipe.selection.test, "core_hours": _hours(recipe)}
        presets[preset] = counts | sizes
    about = {"file": str(path), "name": nmer.name, "symmetry": nmer.symmetry, "atoms": nmer.natoms}
    about |= {"charge": nmer.charge, "fragments": [f.name for f in nmer.fragments]}
    about |= {"force_field": recipes["paper"].sampling.force_field, "rules": list(made.terms.rules)}
    return about | {"presets": presets}
