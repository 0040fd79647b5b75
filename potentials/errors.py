"""The errors a user can cause, each one clear sentence."""


class InputError(ValueError):
    """Something the user gave is wrong: a recipe, a reference, a store, a missing engine.

    The message is one sentence that names the file, the key, and what is allowed. The command line prints
    it without a traceback and ends with exit code 2.
    """


class MissingProgramError(InputError):
    """A program or package that a recipe needs is not here; the message says how to install it.

    It may be on the machine that computes, so what only shows or plans a recipe notes it and goes on.
    """


class StageError(RuntimeError):
    """A stage ran and could not deliver: too few frames, too few usable labels.

    The message says what happened and what to change. The command line ends with exit code 1.
    """
