"""Where the configurations of a dataset come from: the temperature and the window of the frames of the pool."""

from __future__ import annotations

import numpy as np

from potentials.arrays import Floats
from potentials.errors import StageError
from storage.store import Store
from storage.turns import temperatures_of
from storage.version import Version


def strata(store: Store, dataset: Version) -> Floats | None:
    """Return the temperature (K) and the window of each configuration of a dataset.

    Parameters
    ----------
    store
        The store.
    dataset
        The dataset's version.

    Returns
    -------
    (configurations, 2), or None for a dataset that was imported, of which neither is known. Configurations from
    simulations with the potentials themselves have the temperature of their thermostat, and the window -1.

    Raises
    ------
    StageError
        If the selection or the pool that the dataset was made from is not in the store, or is another one.
    """
    inputs = dataset.attributes()["inputs"]
    if not inputs:
        return None
    try:
        selection = store.get("selection", inputs[0]["key"])
        below = [i["key"] for i in selection.attributes()["inputs"] if i["kind"] == "pool"]
        pool = store.get("pool", below[0] if below else "")
    except KeyError as error:
        raise StageError(f"{dataset.ref}: {error.args[0]}, which has the temperatures of the labels") from None
    places = {place.tobytes(): n for n, place in enumerate(selection.column("positions"))}
    try:
        rows = [places[place.tobytes()] for place in dataset.column("positions")]
    except KeyError:
        raise StageError(f"{dataset.ref} holds a configuration that is not in {selection.ref}") from None
    frames = selection.column("frame")[rows]
    found = np.stack([pool.column(name)[frames].astype(np.float64) for name in ("temperature", "window")], axis=1)
    if (own := temperatures_of(selection)) is not None:
        added = frames < 0
        found[added, 0], found[added, 1] = own[rows][added], -1.0
    return found
