"""The errors of nmer: each is one clear sentence; its class says the exit code and whether a retry can help."""

from typing import ClassVar

LONGEST = 2000
"""Characters of a message."""

AGAIN = "what is finished is kept: run the same command again to continue"
"""The end of the message of an error after which another try can help."""


def printable(text: str) -> str:
    """Return a text with characters that are not printed written out, as Python writes them; lines stay lines.

    A name from a file of someone else's could otherwise clear a terminal, hide what follows, or write to the
    clipboard.
    """
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


class NmerError(Exception):
    """An error whose message is one printable sentence, whatever it quotes; every error of nmer is one.

    Attributes
    ----------
    exit_code
        With which the command ends.
    retry_helps
        Whether the same command, given again, can succeed without a change of the input; the message then ends
        with `AGAIN`.
    """

    exit_code: ClassVar[int] = 1
    retry_helps: ClassVar[bool] = False

    def __init__(self, message: object = "") -> None:
        said = str(message)
        if len(said) > LONGEST:  # what is allowed is said at the end
            said = f"{said[: LONGEST // 2]} ... {said[-LONGEST // 2 :]}"
        super().__init__(printable(said))

    def __str__(self) -> str:
        said = super().__str__()
        return f"{said}; {AGAIN}" if self.retry_helps else said


class InputError(NmerError, ValueError):
    """Something the user gave is wrong: a recipe, a reference, a store, a machine, a missing engine.

    The message names the file, the key, and what is allowed.
    """

    exit_code = 2


class MissingProgramError(InputError):
    """A program or package that a recipe needs is not installed; the message says how to install it.

    It may be installed on the machine that computes, so a command that only shows or plans a recipe notes it and
    continues.
    """


class StageError(NmerError, RuntimeError):
    """A stage ran and has no result: too few frames, too few usable labels.

    The message says what happened and what to change.
    """


class StoppedError(StageError):
    """A stage was stopped by what it ran on: a cluster, a server, a disk, the memory of the machine.

    The message says what happened and what to look at.
    """

    retry_helps = True
