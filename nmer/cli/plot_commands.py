"""Commands that draw plots: plot, ramachandran."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import Parameter

from nmer.cli.options import Json, Preset, StorePath
from nmer.cli.output import check_folder, print_json, print_table, save_plots
from potentials.errors import InputError
from recipes.load import load_recipe, recipe_of_text
from recipes.schema.recipe import Recipe
from storage.keys import pool_key
from storage.store import Store
from storage.version import Version

TIMED = ("AceAlaNme", "AceAla9Nme")
CALLS = 50


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
    from tasks.sampling.plots import draw_pool

    check_folder(out)
    loaded, version = _recipe_and_pool(recipe, preset, store)
    pool = pool_from_version(version)
    plots = draw_pool(loaded.build_nmer(), loaded.sampling, pool, version.ref)
    files = save_plots(plots, out, f"{loaded.name}-{stage}-")
    if json:
        about = {"recipe": loaded.name, "preset": loaded.preset, "stage": stage, "version": version.ref}
        return print_json(about | {"frames": len(pool), "files": files})
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


def ramachandran(
    *,
    which: Literal["latest", "released"] = "latest",
    step: int = 10,
    store: StorePath = None,
    out: Path = Path("ramachandran"),
    json: Json = False,
) -> int:
    """Compare the sum of a store's polyalanine potentials for alanine dipeptide with GFN2-xTB and with Amber.

    On the Ramachandran grid, at geometries relaxed with GFN2-xTB with both torsions held, which the store keeps.
    The deviations are given with energies of the same mean, and with each surface's lowest energy as its zero. The
    potentials need GFN2-xTB labels: nmer run --all polyalanine --protocol gfn2-xtb. It is the check
    'ramachandran' of 'nmer check', with times of the sum of two chains.

    Parameters
    ----------
    which
        The version of each n-mer's potential.
    step
        Spacing of the grid (degrees); a divisor of 360.
    out
        Folder for the plots and their data.

    Examples
    --------
    nmer ramachandran --step 30
    """
    from recipes.chemistry.fragmentation import fragment_molecule
    from recipes.chemistry.molecules import read_molecule
    from tasks.checks.page import figures_of
    from tasks.checks.ramachandran import RamachandranOptions, draw, measure
    from tasks.checks.subject import Subject
    from tasks.progress import ProgressLine
    from tasks.sums.make import sum_potential
    from tasks.xtb import check_tblite

    if not 5 <= step <= 90 or 360 % step:
        raise InputError(f"--step is {step}; allowed: a divisor of 360 from 5 to 90")
    check_folder(out)
    check_tblite()
    opened = Store(store)
    names = dict.fromkeys(f.name for chain in TIMED for f in fragment_molecule(read_molecule(chain)))
    have = {v.nmer for v in opened.current()}
    if missing := [name for name in names if name not in have]:
        raise InputError(f"the store at '{opened.path}' has no potentials of {', '.join(missing)}")
    potentials = {name: opened.potential(f"{name}@{which}") for name in names}
    subject = Subject.of_family("polyalanine", opened, TIMED[:1], use=potentials)
    with ProgressLine("relaxing", (360 // step) ** 2, "geometries") as line:
        findings = measure(subject, RamachandranOptions(step=step), lambda done, total: line.update(done))
    seconds = {}
    for chain in TIMED:
        molecule = read_molecule(chain).embedded()
        model, positions = sum_potential(molecule, potentials), np.array(molecule.positions)
        model.energy_and_gradient(positions)
        begun = time.process_time()
        for _ in range(CALLS):
            model.energy_and_gradient(positions)
        seconds[chain] = (time.process_time() - begun) / CALLS
    files = save_plots(draw(findings), out)
    points = {"points": (360 // step) ** 2}
    figures = {
        key: points | {name.replace("-", "_"): one.value for name, one in figures.items()}
        for key, figures in figures_of(findings).items()
    }
    if json:
        more = {"reference": findings.facts["reference"], "step": step, "notes": list(findings.notes)}
        return print_json(figures["sum"] | {"seconds_per_call": seconds, "files": files, "models": figures} | more)
    _print_ramachandran(figures, findings.facts["models"])
    for note in findings.notes:
        print(note)
    for chain in TIMED:
        print(f"{chain}: {1e6 * seconds[chain]:.0f} us for energy and forces")
    print("\n".join(files))
    return 0


def _print_ramachandran(figures: Mapping[str, Mapping[str, float | None]], names: Mapping[str, str]) -> None:
    """Print the deviations of each model, with energies of the same mean and from each model's own minimum."""
    rows = []
    for ending, zero in (("", "means aligned"), ("_from_minima", "each from its own minimum")):
        for where in ("", "_below_10", "_above_10"):
            about = where.replace("_", " ").strip() or "all"
            values = (figures[key][f"rmsd{ending}{where}"] for key in names)
            rows.append((f"{about}, {zero}", *("none" if value is None else f"{value:.2f}" for value in values)))
    print_table(("RMSD (kcal/mol)", *names.values()), rows)
