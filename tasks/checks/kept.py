"""Arrays that depend on a reference alone, kept in a file of the store, so that all families share them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from potentials.errors import InputError
from storage.durable import disk_errors, replacing
from storage.store import Store

FOLDER = "surfaces"
"""Folder of a store with these files."""


def kept_path(store: Store, key: str) -> Path:
    """Return the file of a key."""
    return store.path / FOLDER / f"{key[:32]}.npz"


def kept_arrays(store: Store | None, key: str, make: Callable[[], Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """Return arrays by name from the store, or make them and keep them.

    Parameters
    ----------
    store
        The store; None: they are made and not kept.
    key
        Digest of everything that decides them.
    make
        Returns them.

    Raises
    ------
    InputError
        If the file is damaged, or cannot be written.
    """
    if store is None:
        return {name: np.asarray(values) for name, values in make().items()}
    path = kept_path(store, key)
    if not path.is_file():
        content: dict[str, Any] = {name: np.asarray(values) for name, values in make().items()}
        sentence = f"'{path}' cannot be written"
        with disk_errors(sentence), replacing(path) as temporary, temporary.open("xb") as file:
            np.savez_compressed(file, **content)
    try:
        with np.load(path, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (BadZipFile, OSError, EOFError, ValueError, KeyError) as error:
        raise InputError(f"'{path}' cannot be read ({error}); remove it, and it is computed again") from None
