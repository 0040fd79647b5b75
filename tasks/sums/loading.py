"""Load fitted potentials from a store or a file."""

from __future__ import annotations

from pathlib import Path

from potentials.pip.potential import Potential
from storage.bundle import bundle_as_store
from storage.contents import potential_of_file
from storage.exchange.json_document import read_document
from storage.store import Store


def load(ref: str | Path, store: str | Path | None = None) -> Potential:
    """Return a fitted potential.

    Parameters
    ----------
    ref
        ``ch3-water@1``, ``ch3-water@latest``, or ``ch3-water@released``; or the path of a file that
        `nmer fit --out`, `nmer get` or `nmer export --format json` writes.
    store
        Folder of the store, or a bundle (`nmer bundle`); by default ``NMER_STORE``, else
        ``nmer-store`` in the working directory.

    Raises
    ------
    InputError
        If the store or the potential does not exist.
    """
    if str(ref).endswith(".h5"):
        return potential_of_file(Path(ref))
    if str(ref).endswith(".json"):
        return read_document(Path(ref))[0]
    if store is not None and Path(store).is_file():
        with bundle_as_store(Path(store)) as opened:
            return opened.potential(str(ref))
    return Store(store).potential(str(ref))
