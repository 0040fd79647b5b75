"""Lengths of simulations as users write them."""

from __future__ import annotations

import re
from fractions import Fraction

from potentials.errors import InputError

UNITS = {"fs": 1, "ps": 1000, "ns": 10**6, "us": 10**9}
"""Units of time, fs."""


def steps_of(text: str, timestep: float, every: int, option: str = "--time") -> int:
    """Return the number of steps of a time such as ``100ps``.

    Parameters
    ----------
    text
        A number with a unit.
    timestep
        fs.
    every
        Steps between frames: the time must be a multiple of that of a frame.
    option
        What the time is given with, for messages.

    Raises
    ------
    InputError
        If it is something else, or not a whole number of frames.
    """
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?(fs|ps|ns|us)", text.strip())
    if match is None:
        raise InputError(
            f"{option} is '{text[:40]}'; allowed: a number with one of {', '.join(UNITS)}, as in 100ps"
        )
    frame = Fraction(repr(timestep)) * every
    frames = Fraction(match[1]) * UNITS[match[2]] / frame
    if frames.denominator != 1 or frames < 1:
        near = max(1, round(frames)) * frame
        raise InputError(
            f"{option} is {text.strip()}, which is not a whole number of frames of {float(frame):g} fs ({every} "
            f"steps of {timestep:g} fs); allowed: {float(near):.12g}fs, for example"
        )
    return int(frames) * every


def duration(femtoseconds: float) -> str:
    """Return a time with a unit in which it is at least 1."""
    for unit in ("us", "ns", "ps"):
        if femtoseconds >= UNITS[unit]:
            return f"{femtoseconds / UNITS[unit]:g} {unit}"
    return f"{femtoseconds:g} fs"
