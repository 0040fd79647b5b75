"""The `nmer` command: its subcommands and exit codes.

Exit codes: 0 done; 1 labels, gates or a stage failed; 2 bad input; 130 interrupted.
"""

from __future__ import annotations

import gc
import io
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from inspect import getdoc
from typing import Any

from cyclopts import App, Group, Parameter

from nmer.cli.failures import ending
from nmer.cli.output import reported
from potentials.errors import InputError, printable

COMMANDS = {
    "Recipes": {
        "recipes": ("recipe_commands:recipes", "List the recipes that come with nmer."),
        "show": ("recipe_commands:show", "Show a recipe with every default written out."),
        "new": ("new_command:new", "Write a recipe for a molecule of your own."),
        "fragment": ("fragment_command:fragment", "List the n-mers of a molecule."),
        "system": ("system_command:system", "Put water around molecules."),
    },
    "Run": {
        "plan": ("recipe_commands:plan", "Show what a run would do and cost."),
        "run": ("run_commands:run", "Train the potential of an n-mer, or of a family."),
        "status": ("run_commands:status", "Show the progress of each stage of a recipe."),
        "plot": ("plot_commands:plot", "Plot the results of a stage."),
        "simulate": ("simulate_command:simulate", "Run molecular dynamics or metadynamics with a sum."),
        "bias": ("bias_command:bias", "Apply a PLUMED input to a trajectory."),
    },
    "Label": {
        "protocols": ("label_commands:protocols", "List the label protocols and whether they run here."),
        "label": ("label_commands:label", "Label the configurations of an xyz file."),
        "retry": ("retry_command:retry", "Compute failed labels again."),
    },
    "Fit": {
        "fit": ("fit_commands:fit", "Fit a PIP to labelled xyz files."),
        "tune": ("tune_command:tune", "Find degree, Gamma and dE by validation."),
        "physics": ("physics_command:physics", "Derive the parameters of V_phys."),
        "import": ("fit_commands:import_", "Import labelled xyz files as a dataset."),
    },
    "Potentials": {
        "sum": ("sum_command:sum_", "Add up the potentials of a molecule's n-mers."),
        "check": ("check_command:check", "Measure the gates and checks of a sum."),
        "improve": ("improve_command:improve", "Improve potentials on frames of their own simulations."),
        "drive": ("drive_command:drive", "Let i-PI move a molecule with a sum."),
        "export": ("exchange_commands:export", "Write a potential or dataset for other programs."),
        "ramachandran": ("plot_commands:ramachandran", "Compare the dipeptide's sum with xTB and Amber."),
        "report": ("report_command:report", "Write pages of potentials and sums."),
        "compare": ("compare_command:compare", "Put potentials or sums beside each other."),
        "cite": ("store_commands:cite", "List the papers to cite for a version."),
    },
    "Store": {
        "versions": ("store_commands:versions", "List the versions in the store."),
        "lineage": ("store_commands:lineage", "Show what a version was made from."),
        "diff": ("diff_command:diff", "Show what differs between two versions."),
        "get": ("store_commands:get", "Copy a version out of the store."),
        "bundle": ("exchange_commands:bundle", "Write a version and its origins into one file."),
        "unbundle": ("exchange_commands:unbundle", "Read a bundle into a store."),
        "tag": ("upkeep_commands:tag", "Give a version a name."),
        "remove": ("upkeep_commands:remove", "Remove versions that nothing depends on."),
        "gc": ("upkeep_commands:gc", "List and remove leftover files of the store."),
        "verify": ("upkeep_commands:verify", "Recompute every checksum and key of the store."),
    },
    "Machines": {
        "machines": ("machine_commands:machines", "List the machines for the option --on."),
        "deploy": ("machine_commands:deploy", "Write and register Prefect deployments."),
    },
    "Help": {
        "doctor": ("installation_commands:doctor", "Check this installation and suggest changes."),
        "completion": ("installation_commands:completion", "Install completion for your shell."),
    },
}
"""The commands by stage: the function of each in `nmer.cli`, and its line in `nmer --help`."""


def application(words: Sequence[str] = ()) -> App:
    """Return the command line; only the command that is the first of the words is imported."""
    groups = {name: Group(name, sort_key=number) for number, name in enumerate(COMMANDS)}
    app = App(
        name="nmer",
        help="Coupled-cluster training data and PIP potentials, one n-mer at a time.",
        suppress_keyboard_interrupt=False,
        group_commands=groups["Help"],
        default_parameter=Parameter(negative="", show_default=shown_default),
        help_format="plaintext",  # this page imports no Markdown
        help_epilogue="Start with: nmer run ch3-water --preset smoke",
    )
    for group, commands in COMMANDS.items():
        for number, (name, (where, line)) in enumerate(commands.items()):
            place: dict[str, Any] = {"name": name, "group": groups[group], "sort_key": number}
            if name in words[:1]:
                command = _imported(where)
                app.command(reported(command), **place, help_format="markdown", help_epilogue=_examples(command))
            else:
                app.command(f"nmer.cli.{where}", **place, help=line)
    return app


def shown_default(value: object) -> str | None:
    """Return a default value for a help page; None for one that stands for nothing given, which is not shown."""
    if value is None or value is False or value in ("", (), []):
        return None
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _imported(where: str) -> Callable[..., Any]:
    module, _, function = where.partition(":")
    found: Callable[..., Any] = getattr(import_module(f"nmer.cli.{module}"), function)
    return found


def _examples(command: Callable[..., Any]) -> str:
    """Return the examples of a command's docstring, which end its help."""
    lines = re.split(r"\nExamples\n-+\n", getdoc(command) or "")[-1].splitlines()
    return "\n\n".join(f"Example: {line}" for line in lines)


def main(tokens: list[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    tokens
        The words after ``nmer``; by default those of ``sys.argv``.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for characters that the terminal lacks
    gc.set_threshold(50_000)  # imported modules stay; looking for garbage among them takes a tenth of a start
    words = sys.argv[1:] if tokens is None else tokens
    try:
        _check_words(words)
        app = application(words)
        code = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the output has exited, for example in 'nmer versions | head'
        return 0
    except (Exception, KeyboardInterrupt) as error:
        code, message = ending(error, words)
        print(f"nmer: {printable(' '.join(message.split()))}", file=sys.stderr)
    return code if isinstance(code, int) else 0


def _check_words(words: Sequence[str]) -> None:
    for number, word in enumerate(words, 1):
        if not word.isprintable():
            raise InputError(f"argument {number}, {word!a}, is not printable text in UTF-8")


if __name__ == "__main__":
    sys.exit(main())
