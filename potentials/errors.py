"""The errors of nmer: each message is one sentence; the class has the exit code and says if a retry can help."""

from typing import ClassVar

LONGEST = 2000
"""Largest number of characters of a message."""

AGAIN = "what is finished is kept: run the same command again to continue"
"""End of the message of an error after which a retry can help."""


def printable(text: str) -> str:
    """Return a text with its unprintable characters escaped as in Python; tabs and line ends stay.

    A name from someone else's file could otherwise clear a terminal, hide what follows, or write to the clipboard.
    """
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


class NmerError(Exception):
    """An error whose message is one printable sentence, whatever it quotes; every error of nmer is one.

    Attributes
    ----------
    exit_code
        Exit code of the command.
    retry_helps
        Whether the same command can succeed later with the same input; the message then ends with `AGAIN`.
    """

    exit_code: ClassVar[int] = 1
    retry_helps: ClassVar[bool] = False

    def __init__(self, message: object = "") -> None:
        text = str(message)
        if len(text) > LONGEST:  # its end says what is allowed
            text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
        super().__init__(printable(text))

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}; {AGAIN}" if self.retry_helps else text


class InputError(NmerError, ValueError):
    """Something the user gave is wrong: a recipe, a reference, a store, a machine, a missing engine.

    The message names the file, the key, and what is allowed.
    """

    exit_code = 2


class PolarizationError(NmerError, ArithmeticError):
    """The induced dipoles of V_phys have no stable solution in a geometry; the message names two atoms.

    Attributes
    ----------
    atoms
        The two atoms, counted from 0.
    """

    def __init__(self, message: object = "", atoms: tuple[int, int] = (-1, -1)) -> None:
        super().__init__(message)
        self.atoms = atoms


class MissingProgramError(InputError):
    """A program or package that a recipe needs is not installed; the message says how to install it.

    It may be installed on the machine that computes, so a command that only shows or plans a recipe notes it and
    continues.
    """


class StageError(NmerError, RuntimeError):
    """A stage ran without a result: too few frames, too few usable labels.

    The message says what happened and what to change.
    """


class StoppedError(StageError):
    """A stage was stopped by a failure of a cluster, a server, a disk, or by a lack of memory.

    The message says what happened and what to check.
    """

    retry_helps = True
