"""The command that compares settings of a fit by validation, and finds the labels of each level: tune."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmer.cli.options import Json, MaxCoreHours, Preset, StorePath, Yes
from nmer.cli.output import Column, check_folder, print_json, print_rows, save_plots
from nmer.cli.recipe_input import ProtocolName, with_named_protocol
from nmer.cli.tune_levels_command import tune_recipe_levels
from nmer.cli.xyz_input import AS_THEY_ARE, XyzInput, print_readings, readings
from potentials.arrays import Floats
from potentials.errors import InputError

if TYPE_CHECKING:
    from potentials.nmers.nmer import NMer
    from potentials.physics.nbody import PhysicsOfNMer
    from recipes.schema.recipe import Fitting
    from storage.xyz import Labelled
    from tasks.plot import Plot

NO_SWITCHING = "the settings have no switching: a potential of several fragments decays only with its variables"

NOT_LEVELS = (
    "the recipe has levels, and these are the labels of the first, {title}, to which its section fitting applies; "
    "the potential's energies are those of the last level"
)

GAMMAS, DELTA_ES = "1e-5,5e-5,5e-4,5e-3", "40,200"


@dataclass(frozen=True)
class Data:
    """The n-mer, its training set, and the initial settings."""

    title: str
    nmer: NMer
    positions: Floats
    energy: Floats
    settings: Fitting
    gradient: Floats | None = None
    file: Labelled | None = None
    baseline: PhysicsOfNMer | None = None
    notes: tuple[str, ...] = ()


def tune(
    recipe: str | None = None,
    *,
    train: Path | None = None,
    symmetry: str = "",
    xyz: XyzInput = AS_THEY_ARE,
    degrees: str = "",
    gammas: str = GAMMAS,
    delta_es: str = DELTA_ES,
    terms: int = 0,
    levels: str = "",
    wanted: float | None = None,
    trial: int = 60,
    preset: Preset = None,
    protocol: ProtocolName = None,
    store: StorePath = None,
    out: Path | None = None,
    yes: Yes = False,
    max_core_hours: MaxCoreHours = None,
    json: Json = False,
) -> int:
    """Find degree, Gamma, and dE by validation, and show how the error depends on the number of labels.

    A fifth of the training set is held back for validation; the test set is not used. The learning curve is for
    the best setting.

    With --levels, find instead how many labels of each level reach a wanted error at the least cost. Some
    configurations of the selection are labelled at every level, on this machine and into the store's ledger; a
    trial that was killed continues. The output has the levels as TOML for the recipe.

    Parameters
    ----------
    recipe
        A recipe whose dataset is in the store; or give --train.
    train
        xyz file of a training set in place of a recipe.
    symmetry
        Symmetry of the atoms in the file, for example A1B4.
    degrees
        Degrees to try; default: the recipe's and one less, or 4,5.
    gammas
        Gammas to try.
    delta_es
        dE to try (kcal/mol).
    terms
        Also plot the error for up to this number of terms.
    levels
        Protocols separated by commas, the cheapest first and the top level last; 'recipe' is the recipe's own.
    wanted
        With --levels: the root mean square error to reach (kcal/mol).
    trial
        With --levels: configurations that are labelled at every level.
    out
        Folder for tables (CSV) and plots (PNG).

    Examples
    --------
    nmer tune --train train.xyz --symmetry A1B4 --degrees 4,5,6 --out tuned
    nmer tune ch3-water --preset smoke --levels gfn2-xtb,recipe --wanted 0.05 --trial 60
    """
    from tasks.fitting.tune import Split, learning_curve, scan, terms_curve, worth
    from tasks.progress import ProgressLine

    if out is not None:
        check_folder(out)
    if levels or wanted is not None:
        if recipe is None or train is not None or protocol is not None or not levels:
            raise InputError(
                "--levels PROTOCOL,PROTOCOL,... and --wanted KCAL need each other and a recipe, and "
                "neither --train nor --protocol"
            )
        return tune_recipe_levels(recipe, preset, levels, wanted, trial, store, out, yes, max_core_hours, json)
    tried = _listed("--degrees", degrees, int)
    ridges, scales = _listed("--gammas", gammas, float), _listed("--delta-es", delta_es, float)
    if (recipe is None) == (train is None):
        raise InputError("give a recipe, or --train FILE and --symmetry, and not both")
    if train is not None:
        data = _data_of_file(train, symmetry, xyz)
    else:
        assert recipe is not None
        data = _data_of_recipe(recipe, preset, protocol, store)
    tried = tried or sorted({max(1, data.settings.degree - 1), data.settings.degree})
    _allowed(tried, ridges, scales, terms)
    split = Split.of(data.nmer, data.positions, data.energy, data.settings, data.gradient, data.baseline)
    with ProgressLine("settings", len(tried) * len(ridges) * len(scales), "fits") as line:
        trials = scan(split, data.settings, tried, ridges, scales, line.update)
    best = trials[0]
    chosen = {"degree": best.degree, "gamma": best.gamma, "delta_e": best.delta_e}
    settings = data.settings.model_copy(update=chosen)
    with ProgressLine("learning", 4, "fits") as line:
        learned = learning_curve(split, settings, line.update)
    curve = []
    if terms:
        with ProgressLine("choosing", terms, "terms") as line:
            curve = terms_curve(split, settings.model_copy(update={"max_terms": terms}), line.update)
    ends_with_variables = len(data.nmer.fragments) > 1 and data.settings.switching is None
    found: dict[str, Any] = {
        "best": best.as_dict(),
        "trials": [trial.as_dict() for trial in trials],
        "learning": [point.as_dict() for point in learned],
        "validation_rmsd_with_twice_the_labels": worth(learned),
        "terms": [point.as_dict() for point in curve],
        "notes": [*data.notes, *([NO_SWITCHING] if ends_with_variables else [])],
    }
    if data.file:
        found["data"] = readings(data.file)
    files = save_plots(_plots(data.title, found), out) if out else []
    if json:
        return print_json(found | {"files": files})
    print_readings([data.file])
    _print(found, files)
    return 0


def _data_of_file(train: Path, symmetry: str, xyz: XyzInput) -> Data:
    from recipes.schema.recipe import Fitting
    from storage.imported import nmer_of

    if not symmetry:
        raise InputError("--train needs --symmetry, for example A1B4")
    data, _ = xyz.read(train, None, symmetry)
    nmer = nmer_of(data, symmetry).build("")
    settings = Fitting(degree=5, terms="intermolecular" if "_" in symmetry else "all")
    return Data(f"{train.name}, {symmetry}", nmer, data.positions, data.energy, settings, data.gradient, data)


def _data_of_recipe(recipe: str, preset: str | None, protocol: str | None, store: str | None) -> Data:
    """Return the training set of a recipe's dataset; its test set is not read."""
    from recipes.load import load_recipe
    from storage.contents import dataset_from_version
    from storage.level_datasets import datasets_of_levels
    from storage.records import TRAIN
    from storage.store import Store
    from tasks.fitting.baseline import physics_of_dataset
    from tasks.plan import resolve
    from tasks.run.state import newest_dataset

    loaded = with_named_protocol(load_recipe(recipe, preset), protocol)
    version = newest_dataset(loaded, store)
    if version is None:
        raise InputError(
            f"there is no dataset of {loaded.name}, preset {loaded.preset or 'none'}, in the store yet; make it "
            "with nmer run"
        )
    opened, physics, notes = Store(store), None, tuple[str, ...]()
    if loaded.levels:
        version = datasets_of_levels(opened, version)[0]
        notes = (NOT_LEVELS.format(title=loaded.levels[0].title),)
    part = dataset_from_version(version).part(TRAIN)
    if loaded.fitting.baseline is not None:
        physics = physics_of_dataset(resolve(loaded, opened), opened, version)
    gradient = part.gradient if loaded.fitting.gradient_weight > 0 else None
    return Data(
        version.ref,
        loaded.build_nmer(),
        part.positions,
        part.energy,
        loaded.fitting,
        gradient,
        baseline=physics,
        notes=notes,
    )


def _listed(option: str, text: str, kind: type[int] | type[float]) -> list[Any]:
    try:
        return [kind(word) for word in text.split(",") if word.strip()]
    except ValueError:
        raise InputError(f"{option} is '{text}'; it takes numbers separated by commas") from None


def _allowed(degrees: list[int], gammas: list[float], delta_es: list[float], terms: int) -> None:
    for option, values, low, high in (
        ("--degrees", degrees, 1, 8),
        ("--gammas", gammas, 0.0, 10.0),
        ("--delta-es", delta_es, 1e-3, 1e4),
        ("--terms", [terms], 0, 40_000),
    ):
        if not values or not all(low <= v <= high for v in values):
            raise InputError(f"{option} is {values}; allowed: numbers from {low:g} to {high:g}")


def _plots(title: str, found: dict[str, Any]) -> list[Plot]:
    from tasks.fitting.tune_plots import curve_plot, settings_plot

    learning = curve_plot("learning", title, found["learning"], "configurations", "training configurations")
    plots = [settings_plot(title, found["trials"]), learning]
    if found["terms"]:
        plots.append(curve_plot("terms", title, found["terms"], "terms", "terms"))
    return plots


def _print(found: dict[str, Any], files: list[str]) -> None:
    names = {"training": "train_rmsd", "held back": "validation_rmsd", "low": "low_rmsd"}
    if found["best"]["gradient_rmsd"] is not None:
        names["gradient"] = "gradient_rmsd"

    def show(rows: list[dict[str, Any]], first: dict[str, Column]) -> None:
        print_rows(rows, first | {head: f"{name}:.4f" for head, name in names.items() if name in rows[0]})

    print(
        "RMSD in kcal/mol: of the fitted configurations, of those held back, and of their low energies; best first"
    )
    if "gradient" in names:
        print("gradients are fitted too; 'gradient' is their held-back RMSD per component (kcal/mol/A)")
    show(found["trials"], {"degree": "degree", "Gamma": "gamma:g", "dE": "delta_e:g", "terms": "terms"})
    print("\nlearning curve of the best")
    show(found["learning"], {"configurations": "configurations"})
    print(f"with twice as many: about {found['validation_rmsd_with_twice_the_labels']:.4f} held back")
    if found["terms"]:
        print("\nterms chosen one by one")
        show(found["terms"], {"terms": "terms"})
    for note in found["notes"]:
        print(f"note: {note}")
    for path in files:
        print(path)
