"""Gradients of labels as the spool and the ledger keep them: little-endian float64, to the last bit.

The spool, whose lines are JSON, has them as base64 text; a column of the ledger has the bytes.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from potentials.arrays import Floats

_ROW = 3 * 8
"""Bytes of one atom."""


def encode_gradient(gradient: ArrayLike) -> str:
    """Return a gradient (atoms, 3) as base64 text.

    Raises
    ------
    ValueError
        If it has another shape, or a number that is not finite.
    """
    values = np.asarray(gradient, dtype="<f8")
    if values.ndim != 2 or values.shape[1] != 3 or not len(values):
        raise ValueError(f"a gradient has the shape {values.shape}; it needs (atoms, 3)")
    if not np.isfinite(values).all():
        raise ValueError("a gradient is not finite")
    return base64.b64encode(values.tobytes()).decode("ascii")


def bytes_of(text: Any) -> bytes | None:
    """Return the bytes of a gradient's text for the ledger; None stays None.

    Raises
    ------
    ValueError
        If it is not the text of finite numbers, three for each atom.
    """
    if text is None:
        return None
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise ValueError(f"a gradient is {str(text)[:40]!r}, which is not base64") from None
    if not found or len(found) % _ROW:
        raise ValueError(f"a gradient has {len(found)} bytes; it needs {_ROW} for each atom")
    if not np.isfinite(np.frombuffer(found, dtype="<f8")).all():
        raise ValueError("a gradient is not finite")
    return found


def gradient_of(text: str) -> Floats:
    """Return the gradient (atoms, 3) of a spool entry's text; raises ValueError as `bytes_of` does."""
    found = bytes_of(text)
    assert found is not None  # only None gives None
    return array_of(found)


def text_of(found: bytes | None) -> str | None:
    """Return the text of a gradient's bytes; None stays None."""
    return None if found is None else base64.b64encode(found).decode("ascii")


def array_of(found: bytes) -> Floats:
    """Return the gradient (atoms, 3) that the bytes of the ledger hold."""
    return np.frombuffer(found, dtype="<f8").reshape(-1, 3).astype(np.float64)
