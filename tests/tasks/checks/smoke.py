"""A small family of real potentials: polyalanine and its dimers with water, GFN2-xTB labels over V_phys.

The archive has the potentials, and their validations, that ``nmer run --all polyalanine --preset smoke --protocol
gfn2-xtb`` made: 40 to 116 terms each. All n-mers passed their gates; simulations with the sum do not hold.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from storage.store import Store

ARCHIVE = Path(__file__).with_name("smoke-family.zip")


def smoke_store(folder: Path) -> Store:
    """Return a store with the family in a new folder."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    return Store(folder)
