"""Commands for labelled data without a recipe: fit, import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath, numbers_of
from nmer.cli.output import check_folder, print_json, print_table
from nmer.cli.xyz_input import AS_THEY_ARE, XyzInput, print_readings, readings
from potentials.errors import InputError

if TYPE_CHECKING:
    from potentials.physics.parameters import PhysicsParameters
    from tasks.fitting.of_files import FileFit

TrainFile = Annotated[Path, Parameter(help="xyz file of the training set: MB-Fit's, or extended xyz.")]
TestFile = Annotated[Path | None, Parameter(help="xyz file of the test set; it is not used in the fit.")]
Symmetry = Annotated[
    str, Parameter(help="Letters with counts in the order of the atoms, fragments joined by _: A1B4, A1B4_C1D2.")
]


def fit(
    *,
    train: TrainFile,
    test: TestFile = None,
    symmetry: Symmetry,
    degree: int,
    xyz: XyzInput = AS_THEY_ARE,
    gamma: float = 5e-4,
    delta_e: float = 40.0,
    filter: list[str] | None = None,
    variables: str = "exp,exp",
    max_terms: int | None = None,
    optimizer: str = "variable-projection",
    starts: int = 5,
    baseline: str | None = None,
    folds: int = 0,
    seed: int = 2025,
    store: StorePath = None,
    out: Path | None = None,
    json: Json = False,
) -> int:
    """Fit a PIP to labelled configurations in xyz files.

    MB-Fit's xyz has energies in kcal/mol in the comment line, MSA's in hartree with gradients after the positions
    (--unit hartree). Extended xyz has energy= (with energy_unit= for another unit than eV). Gradients and forces
    are fitted too; a summary of the data is printed. --out writes potential.h5 (for nmer.load), fit.json,
    parity.png with its data in parity.csv, and the same for gradients; files of an earlier fit are replaced.

    Parameters
    ----------
    degree
        Highest degree of a monomial.
    gamma
        Ridge parameter Gamma.
    delta_e
        Energy scale dE of the weights (kcal/mol).
    filter
        all, intermolecular (the default for several fragments), or a rule such as 'intra <= 2'; all must hold if
        several are given.
    variables
        Forms of the variables within and between fragments: exp, exp0, coul, coul0, gau, gau0.
    max_terms
        Keep at most this number of terms, those that lower the error most.
    optimizer
        variable-projection, simplex, or fixed: optimizer of the non-linear parameters.
    starts
        Starting points of the non-linear parameters.
    baseline
        Parameters of V_phys, whose n-body energy is subtracted and is part of the potential: physics:NAME@NUMBER
        of the store, or a TOML file. All atoms count as real: caps are not known here.
    folds
        Number of cross-validation folds; 0: none.
    seed
        Random seed of the starting points and of the validation set.
    out
        Folder for the potential, its errors, and the parity plot.

    Examples
    --------
    nmer fit --train train.xyz --test test.xyz --symmetry A1B4 --degree 5 --out ch4
    """
    from recipes.load import validated
    from recipes.schema.recipe import Fitting
    from storage.imported import nmer_of
    from tasks.fitting.of_files import fit_files, write_fit

    if out is not None:
        check_folder(out)
    data, held = xyz.read(train, test, symmetry)
    model = nmer_of(data, symmetry)
    given: dict[str, Any] = {"degree": degree, "gamma": gamma, "delta_e": delta_e, "max_terms": max_terms}
    given |= {"optimizer": optimizer, "starts": starts, "seed": seed, "variables": _forms(variables)}
    settings = validated(Fitting, given | _terms(filter or [], symmetry))
    found = fit_files(model, data, held, settings, folds, _parameters(baseline, store))
    files = write_fit(found, out) if out else []
    if json:
        return print_json(found.summary() | {"files": [str(path) for path in files]})
    _print_fit(found, files)
    return 0


def import_(
    name: Annotated[str, Parameter(help="Name of the n-mer in the store: lowercase letters, digits, dashes.")],
    *,
    train: TrainFile,
    test: TestFile = None,
    symmetry: Symmetry,
    xyz: XyzInput = AS_THEY_ARE,
    charges: Annotated[str, Parameter(help="Charge of each fragment (e), for example 0,-1; default: all 0.")] = "",
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Import labelled configurations of another program into the store as a dataset.

    Examples
    --------
    nmer import ch4 --train train.xyz --test test.xyz --symmetry A1B4
    """
    import re

    from storage.imported import import_dataset, nmer_of
    from storage.store import Store

    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise InputError(f"name '{name}' is not allowed; allowed: lowercase letters, digits, and dashes")
    data, held = xyz.read(train, test, symmetry)
    model = nmer_of(data, symmetry, numbers_of("--charges", charges))
    opened = Store(store, create=True)
    with opened.writing():
        version = import_dataset(opened, name, model, data, held, [train] if test is None else [train, test])
    counts = {"train": len(data), "test": len(held) if held else 0}
    if json:
        return print_json({"ref": version.ref, "key": version.key, **counts, "data": readings(data, held)})
    print(f"{version.ref}: {counts['train']} training and {counts['test']} test configurations")
    print_readings((data, held))
    if data.gradient is not None:
        print("note: a dataset has no gradients; those of the file are not kept")
    return 0


def _parameters(baseline: str | None, store: str | None) -> PhysicsParameters | None:
    """Return the parameters of V_phys of a reference or of a TOML file."""
    if baseline is None:
        return None
    from recipes.physics.table import read_physics_toml
    from storage.physics import load_physics
    from storage.store import Store, default_store

    if baseline.endswith(".toml"):
        return read_physics_toml(Path(baseline)).parameters
    there = store is not None or default_store().exists()
    return load_physics(Store(store) if there else None, baseline)


def _terms(filters: Sequence[str], symmetry: str) -> dict[str, Any]:
    """Return the two fields of the fitting section that select the terms."""
    plain = [word for word in filters if word in ("all", "intermolecular")]
    if len(set(plain)) > 1:
        raise InputError("--filter all and --filter intermolecular exclude each other")
    usual = "intermolecular" if "_" in symmetry else "all"
    return {"terms": plain[0] if plain else usual, "rules": tuple(f for f in filters if f not in plain)}


def _forms(text: str) -> dict[str, str]:
    words = text.split(",")
    if len(words) not in (1, 2):
        raise InputError(
            f"--variables is '{text}'; allowed: one form, or two separated by a comma, for example exp,coul"
        )
    return {"intra": words[0], "inter": words[-1]}


def _print_fit(found: FileFit, files: Sequence[Path]) -> None:
    result = found.result
    print(f"{found.model.symmetry}, degree {result.potential.degree}: {len(result.potential.coefficients)} terms")
    print_readings((found.train, found.test))
    rows = []
    for name, every, windows in found.errors():
        edges = [f"{w.low:g} and more" if w.high is None else f"{w.low:g} to {w.high:g}" for w in windows]
        for edge, e in zip(("all", *edges), (every, *(w.errors for w in windows)), strict=True):
            rows.append((name, edge, e.count, f"{e.rmsd:.4f}", f"{e.mae:.4f}", f"{e.largest:.3f}"))
    print_table(("set", "kcal/mol above the lowest", "configurations", "RMSD", "MAE", "largest"), rows)
    for line in (*found.remarks(), *files):
        print(line)
