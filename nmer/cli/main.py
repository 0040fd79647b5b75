"""The `nmer` command: its subcommands, and how errors become exit codes.

Exit codes: 0 done; 1 labels or gates failed, or a stage could not deliver; 2 bad input; 130 interrupted.
"""

from __future__ import annotations

import errno
import sys

from cyclopts import App, CycloptsError

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
from potentials.errors import InputError, StageError

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
        app.command(command)


def main(tokens: list[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    tokens
        The words after ``nmer``; by default those of the process.
    """
    try:
        code = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _fail(2, f"{error}; see 'nmer --help'")
    except InputError as error:
        return _fail(2, str(error))
    except StageError as error:
        return _fail(1, str(error))
    except KeyboardInterrupt:
        return _fail(130, "interrupted; what is finished is kept, and running the same command again goes on")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _fail(1, "the disk is full; what is finished is kept: make room and run the same command again")
        if not isinstance(error, BrokenPipeError):
            raise
        sys.stderr.close()  # the reader went away, for example 'nmer versions | head'
        return 0
    return code if isinstance(code, int) else 0


def _fail(code: int, message: str) -> int:
    print(f"nmer: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
