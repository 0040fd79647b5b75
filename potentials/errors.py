"""The errors a user can cause, each one clear sentence."""

LONGEST = 2000
"""Characters of a message."""


def printable(text: str) -> str:
    """Return a text with characters that are not printed written out, as Python writes them; lines stay lines.

    A name from a file of someone else's could otherwise clear a terminal, hide what follows, or write to the
    clipboard.
    """
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


class _SentenceError(Exception):
    """An error whose message is printable, whatever it quotes."""

    def __init__(self, message: object = "") -> None:
        said = str(message)
        if len(said) > LONGEST:  # what is allowed is said at the end
            said = f"{said[: LONGEST // 2]} ... {said[-LONGEST // 2 :]}"
        super().__init__(printable(said))


class InputError(_SentenceError, ValueError):
    """Something the user gave is wrong: a recipe, a reference, a store, a missing engine.

    The message is one sentence that names the file, the key, and what is allowed. The command line prints
    it without a traceback and ends with exit code 2.
    """


class MissingProgramError(InputError):
    """A program or package that a recipe needs is not here; the message says how to install it.

    It may be on the machine that computes, so what only shows or plans a recipe notes it and goes on.
    """


class StageError(_SentenceError, RuntimeError):
    """A stage ran and could not deliver: too few frames, too few usable labels.

    The message says what happened and what to change. The command line ends with exit code 1.
    """
