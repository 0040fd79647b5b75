"""The error of a machine: one clear sentence, as everywhere; this room knows no other's errors."""


class MachineError(ValueError):
    """A machine's profile is wrong, or the machine cannot be had.

    The message is one sentence that names the file, the key, and what is allowed.
    """
