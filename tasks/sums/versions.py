"""The versions of the store that the potentials of a sum are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from potentials.errors import InputError
from potentials.evaluation import NMerContribution
from storage.store import Store
from storage.version import Version


def versions_of(potentials: Mapping[str, NMerContribution], store: Store) -> dict[str, Version]:
    """Return the version of each potential of a sum, by the name of its n-mer.

    Parameters
    ----------
    potentials
        Potentials by the names of their n-mers; the name of each is its reference.
    store
        The store.

    Raises
    ------
    InputError
        If one is not a version of the store, or differs from the version that it is called after.
    """
    found = {}
    for nmer, potential in potentials.items():
        one: Any = potential
        version = store.resolve(str(getattr(one, "name", "")))
        if version.kind != "potential" or not all(
            np.array_equal(version.column(name), getattr(one, name)) for name in ("coefficients", "k")
        ):
            raise InputError(
                f"the potential of n-mer {nmer} is called {version.ref} and is not that of the store at "
                f"'{store.path}'; allowed: versions of the store"
            )
        found[nmer] = version
    return found
