"""The `nmer` command: its subcommands, and how errors become exit codes.

Exit codes: 0 done; 1 labels or gates failed, or a stage could not deliver; 2 bad input; 130 interrupted.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from cyclopts import App

from nmer.cli import (
    bias_command,
    bundle_commands,
    cite_command,
    deploy_command,
    diff_command,
    export_command,
    fit_commands,
    fragment_command,
    label_commands,
    machine_commands,
    new_command,
    plot_command,
    protocol_commands,
    ramachandran_command,
    recipe_commands,
    run_commands,
    store_commands,
    tag_commands,
    tune_command,
    verify_command,
)
from nmer.cli.failures import ending
from nmer.cli.output import printing_printable, remarks
from potentials.errors import InputError, printable

app = App(
    name="nmer",
    help="Coupled-cluster training data and PIP potentials, one n-mer at a time.",
    suppress_keyboard_interrupt=False,
    help_epilogue="Start with: nmer run ch3-water --preset smoke",
)
for module in (
    recipe_commands,
    run_commands,
    label_commands,
    store_commands,
    bundle_commands,
    protocol_commands,
    machine_commands,
    fit_commands,
    tune_command,
    ramachandran_command,
    plot_command,
    bias_command,
    fragment_command,
    new_command,
    export_command,
    cite_command,
    deploy_command,
    tag_commands,
    diff_command,
    verify_command,
):
    for command in module.COMMANDS:
        app.command(printing_printable(command))


def main(tokens: list[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    tokens
        The words after ``nmer``; by default those of the process.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter is no reason to fail
    words = sys.argv[1:] if tokens is None else tokens
    try:
        _check_words(words)
        with remarks():
            code = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the output has ended, for example in 'nmer versions | head'
        return 0
    except (Exception, KeyboardInterrupt) as error:
        code, said = ending(error, words)
        print(f"nmer: {printable(' '.join(said.split()))}", file=sys.stderr)
    return code if isinstance(code, int) else 0


def _check_words(words: Sequence[str]) -> None:
    for number, word in enumerate(words, 1):
        if not word.isprintable():
            raise InputError(f"argument {number}, {word!a}, is not printable text in UTF-8")


if __name__ == "__main__":
    sys.exit(main())
