"""The command that plots the results of a stage: plot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from nmer.cli.options import Json, Preset, StorePath
from nmer.cli.output import check_folder, print_json
from potentials.errors import InputError
from recipes.load import load_recipe, recipe_of_text
from recipes.schema.recipe import Recipe
from storage.keys import pool_key
from storage.store import Store
from storage.version import Version


def plot(
    recipe: str,
    *,
    stage: Annotated[Literal["sampling"], Parameter(help="Stage to plot; only sampling so far.")] = "sampling",
    preset: Preset = None,
    store: StorePath = None,
    out: Annotated[Path, Parameter(help="Folder to write into.")] = Path("plots"),
    json: Json = False,
) -> int:
    """Plot the results of a stage, each plot as PNG with its data as CSV, also during a run.

    Sampling: the distance of the centres of mass by window, the energies by temperature, and the ranges covered by
    pairs of collective variables. Older plots of the same name are replaced.

    Parameters
    ----------
    recipe
        Name of a shipped recipe, path of a TOML file, or a pool: pool:ch3-water@1.

    Examples
    --------
    nmer plot ch3-water --stage sampling --preset smoke
    """
    from storage.contents import pool_from_version
    from tasks.plot import write_plots
    from tasks.sampling.plots import draw_pool

    check_folder(out)
    loaded, version = _recipe_and_pool(recipe, preset, store)
    pool = pool_from_version(version)
    plots = draw_pool(loaded.build_nmer(), loaded.sampling, pool, version.ref)
    try:
        files = [str(path) for path in write_plots(plots, out, f"{loaded.name}-{stage}-")]
    except OSError as error:
        raise InputError(f"cannot write into '{out}': {error.strerror}; give another folder with --out") from None
    if json:
        print_json(
            {
                "recipe": loaded.name,
                "preset": loaded.preset,
                "stage": stage,
                "version": version.ref,
                "frames": len(pool),
                "files": files,
            }
        )
    else:
        print("\n".join(files))
    return 0


def _recipe_and_pool(given: str, preset: str | None, store: str | None) -> tuple[Recipe, Version]:
    """Return the recipe and the pool of a recipe's name or a pool's reference."""
    if given.endswith(".toml") or "@" not in given:
        loaded = load_recipe(given, preset)
        return loaded, _pool(loaded, given, store)
    version = Store(store).resolve(given)
    if version.kind != "pool":
        raise InputError(f"'{given}' is a {version.kind}; only pools can be plotted: pool:NAME@NUMBER")
    if preset is not None:
        raise InputError(f"'{given}' has the preset it was made with; leave out --preset")
    return recipe_of_text(version.attributes()["recipe"]), version


def _pool(recipe: Recipe, given: str, store: str | None) -> Version:
    """Return the recipe's pool; raises InputError with the command that makes it."""
    from tasks.run.state import open_store

    opened = open_store(store)
    version = opened.find("pool", pool_key(recipe), recipe.name) if opened else None
    if version is None:
        words = ["nmer run", given, *(["--preset", recipe.preset] if recipe.preset else []), "--until sampling"]
        words += ["--store", store] if store else []
        raise InputError(
            f"there is no pool of {recipe.name}, preset {recipe.preset or 'none'}, in the store yet; "
            f"make it with: {' '.join(words)}"
        )
    return version
