"""The command that improves potentials by turns: improve."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from nmer.cli.options import Json, StorePath
from nmer.cli.output import Column, print_json, print_rows
from nmer.cli.packages import need
from nmer.cli.recipe_input import On, machine_of
from potentials.errors import InputError
from recipes.families import FAMILIES


def improve(
    what: Annotated[
        str, Parameter(help=f"A family ({', '.join(FAMILIES)}), or the newest potential of an n-mer: ch3-water@1.")
    ],
    *,
    molecule: Annotated[
        list[str] | None,
        Parameter(consume_multiple=True, help="Molecules in place of the family's own, such as AceAla3Nme."),
    ] = None,
    turns: Annotated[int, Parameter(help="Number of turns in all, with those that the store has.")] = 2,
    budget: Annotated[
        float | None, Parameter(help="Core-hours that labels, fits and simulations of all turns may take.")
    ] = None,
    picks: Annotated[int, Parameter(help="Most labels of each n-mer that a turn adds.")] = 120,
    judged: Annotated[int, Parameter(help="Geometries of each n-mer that are labelled to judge a turn.")] = 40,
    temperature: Annotated[
        tuple[float, ...], Parameter(consume_multiple=True, help="Temperatures of the simulations (K).")
    ] = (300.0, 500.0),
    replicas: Annotated[int, Parameter(help="Simulations of a molecule at each temperature.")] = 8,
    picoseconds: Annotated[float, Parameter(help="Length of each simulation (ps).")] = 6.0,
    refit: Annotated[
        Literal["coefficients", "full"],
        Parameter(help="coefficients: keep the terms and k of the potential; full: the recipe's whole fit."),
    ] = "coefficients",
    seed: Annotated[int, Parameter(help="Seed of simulations and draws.")] = 2025,
    no_gates: Annotated[
        bool, Parameter(name="--no-gates", help="Do not measure the family's gates before each turn.")
    ] = False,
    on: On = "local",
    store: StorePath = None,
    json: Json = False,
) -> int:
    """Improve the potentials of a family, or one, on geometries that their own simulations reach.

    A turn simulates the test molecules, cuts their n-mers, labels the most uncertain ones inside the training
    range, and fits again; it is kept only if the error on frames that were set apart falls, and n-mers whose error
    on their test set rises beyond noise keep their potential. Of a single potential, frames of its own pool are
    taken. After an interruption, the same command continues. It ends when the gates pass, or with the turns or the
    budget. The exit code is 1 if no turn was kept.

    Examples
    --------
    nmer improve polyalanine --turns 3 --budget 2
    nmer improve ch3-water@1 --turns 1 --budget 5
    """
    from recipes.load import validated
    from storage.store import Store
    from tasks.improving.settings import ImproveSettings
    from tasks.improving.sources import PoolSource

    if turns < 1:
        raise InputError(f"--turns is {turns}; allowed: 1 or more")
    if budget is not None and not budget > 0:
        raise InputError(f"--budget is {budget:g}; allowed: core-hours above 0")
    settings = validated(
        ImproveSettings,
        {
            "picks": picks,
            "judged": judged,
            "temperatures": temperature,
            "replicas": replicas,
            "picoseconds": picoseconds,
            "refit": refit,
            "seed": seed,
        },
    )
    opened = Store(store)
    if what not in FAMILIES:
        if "@" not in what:
            raise InputError(
                f"'{what[:80]}' is neither a family ({', '.join(FAMILIES)}) nor a potential, NAME@NUMBER"
            )
        if molecule:
            raise InputError("--molecule is for a family; a potential is improved on its own pool")
        PoolSource.of(what, opened)
    machine = machine_of(on)
    opened.check_writable()
    need("prefect", "distributed")
    from deploy.environment import set_prefect_defaults

    set_prefect_defaults()
    from flows.here import run_here

    arguments = (what, opened.path, turns, budget, list(molecule or ()), settings, not no_gates, machine)
    print(f"{what}: starting the flow ...", file=sys.stderr)
    found = run_here("flows.improve.improve_potentials", what.partition("@")[0], None, *arguments)
    code = 0 if any(turn["kept"] for turn in found["turns"]) or not found["turns"] else 1
    if json:
        return print_json(found, code)
    _print(found)
    return code


def _print(found: dict[str, Any]) -> None:
    last = found["turns"][-1] if found["turns"] else None
    if last is not None:
        nmers: dict[str, Column] = {
            "n-mer": "nmer",
            "inside": lambda row: None if row["inside"] is None else f"{100 * row['inside']:.0f} %",
            "picks": "kept_picks",
            "too high": "too_high",
            "judged": lambda row: row["own"]["count"],
        }
        for which, title in (("own", "own"), ("held", "test")):
            for when in ("before", "after"):
                nmers[f"{title} {when}"] = lambda row, w=which, t=when: _figure(row[w][t])  # type: ignore[misc]
        nmers["accepted"] = "accepted"
        print_rows(last["nmers"], nmers)
        print(f"turn {last['turn']}; errors in kcal/mol against the labels; test: the test set of each n-mer\n")
        rows: dict[str, Column] = {"turn": "turn", "kept": "kept", "picks": "picked"}
        for which in ("own", "fixed", "held"):
            for when in ("before", "after"):
                rows[f"{which} {when}"] = lambda row, w=which, t=when: _figure(row[w][t])  # type: ignore[misc]
        rows["stopped"] = lambda row: f"{row['stopped']} of {row['replicas']}"
        rows["core-hours"] = lambda row: f"{row['core_hours']:.3f}"
        print_rows(found["turns"], rows)
        print(
            "own: frames that were set apart, of the turn and of the first; fixed: those of the first; held: test "
            "sets;\nRMS over all n-mers, errors above 30 count as 30; stopped: simulations in which the sum had "
            "no energy"
        )
        for turn in found["turns"]:
            print(f"turn {turn['turn']}: {turn['why']}")
            for row in turn["nmers"]:
                if row["why"] and turn is last:
                    print(f"  {row['nmer']} keeps {row['before']}: {row['why']}")
        for name, why in last["not_improved"].items():
            print(f"{name} is not improved: {why}")
        print(f"note: {last['claim']}")
        print("\n".join(file for file in found["files"] if file.endswith(".png")))
    for name, passed in found["gates"].items():
        print(f"gate {name}: {'passed' if passed else 'not passed'}")
    print(f"{found['name']}: {found['stopped']}; {found['core_hours']:.3f} core-hours in all")


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.3g}"
