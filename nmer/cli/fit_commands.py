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
    degree: Annotated[int, Parameter(help="Highest degree of a monomial.")],
    xyz: XyzInput = AS_THEY_ARE,
    gamma: Annotated[float, Parameter(help="Ridge parameter Gamma.")] = 5e-4,
    delta_e: Annotated[float, Parameter(help="Energy scale dE of the weights (kcal/mol).")] = 40.0,
    filter: Annotated[
        list[str] | None,
        Parameter(
            help="all, intermolecular (the default for several fragments), or a rule such as 'intra <= 2'; "
            "all must hold if several are given.",
        ),
    ] = None,
    variables: Annotated[
        str,
        Parameter(help="Forms of the variables within and between fragments: exp, exp0, coul, coul0, gau, gau0."),
    ] = "exp,exp",
    max_terms: Annotated[
        int | None, Parameter(help="Keep at most this number of terms, those that lower the error most.")
    ] = None,
    optimizer: Annotated[
        str, Parameter(help="variable-projection, simplex, or fixed: optimizer of the non-linear parameters.")
    ] = "variable-projection",
    starts: Annotated[int, Parameter(help="Starting points of the non-linear parameters.")] = 5,
    baseline: Annotated[
        str | None,
        Parameter(
            help="Parameters of V_phys, whose n-body energy is subtracted and is part of the potential: "
            "physics:NAME@NUMBER of the store, or a TOML file. All atoms count as real: caps are not known here.",
        ),
    ] = None,
    folds: Annotated[int, Parameter(help="Number of cross-validation folds; 0: none.")] = 0,
    seed: Annotated[int, Parameter(help="Random seed of the starting points and of the validation set.")] = 2025,
    store: StorePath = None,
    out: Annotated[
        Path | None, Parameter(help="Folder for the potential, its errors, and the parity plot.")
    ] = None,
    json: Json = False,
) -> int:
    """Fit a PIP to labelled configurations in xyz files.

    MB-Fit's xyz has energies in kcal/mol in the comment line, MSA's in hartree with gradients after the positions
    (--unit hartree). Extended xyz has energy= (with energy_unit= for another unit than eV). Gradients and forces
    are fitted too; a summary of the data is printed. --out writes potential.h5 (for nmer.load), fit.json,
    parity.png with its data in parity.csv, and the same for gradients; files of an earlier fit are replaced.

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
    settings = validated(
        Fitting,
        {
            "degree": degree,
            "gamma": gamma,
            "delta_e": delta_e,
            **_terms(filter or [], symmetry),
            "variables": _forms(variables),
            "max_terms": max_terms,
            "optimizer": optimizer,
            "starts": starts,
            "seed": seed,
        },
    )
    found = fit_files(model, data, held, settings, folds, _parameters(baseline, store))
    files = write_fit(found, out) if out else []
    if json:
        print_json(found.summary() | {"files": [str(path) for path in files]})
    else:
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
        print_json({"ref": version.ref, "key": version.key, **counts, "data": readings(data, held)})
    else:
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
    rows: list[tuple[str, ...]] = []
    for name, every, windows in found.errors():
        rows.append((name, "all", str(every.count), *_figures(every)))
        for w in windows:
            edge = f"{w.low:g} and more" if w.high is None else f"{w.low:g} to {w.high:g}"
            rows.append((name, edge, str(w.errors.count), *_figures(w.errors)))
    print_table(("set", "kcal/mol above the lowest", "configurations", "RMSD", "MAE", "largest"), rows)
    for line in found.remarks():
        print(line)
    for path in files:
        print(path)


def _figures(errors: Any) -> tuple[str, str, str]:
    return f"{errors.rmsd:.4f}", f"{errors.mae:.4f}", f"{errors.largest:.3f}"
