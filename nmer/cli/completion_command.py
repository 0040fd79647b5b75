"""The command that installs shell completion: completion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from nmer.cli.options import Json
from nmer.cli.output import print_json
from potentials.errors import InputError


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish", "powershell"] | None, Parameter(help="Default: the current shell.")
    ] = None,
    *,
    out: Annotated[Path | None, Parameter(help="File to write; default: the shell's own place for it.")] = None,
    json: Json = False,
) -> int:
    """Install completion of commands and options for your shell; restart the shell afterwards.

    Without --out, the shell's start file is changed too if it has to name the file.

    Examples
    --------
    nmer completion bash
    """
    from cyclopts.completion import ShellDetectionError

    from nmer.cli.main import application

    try:
        path = application().install_completion(shell=shell, output=out, add_to_startup=out is None)
    except ShellDetectionError:
        raise InputError(
            "your shell is not recognized; name it: nmer completion bash, zsh, fish, or powershell"
        ) from None
    if json:
        print_json({"file": str(path)})
    else:
        print(path)
    return 0
