"""The descriptors by name.

A descriptor is made for an n-mer, the recipe's settings, and a sample of the pool, and then turns positions into
features whose Euclidean distances say how unlike two frames are. Another one needs a line in `DESCRIPTORS`.
"""

from __future__ import annotations

from collections.abc import Callable

from potentials.arrays import Floats
from potentials.nmers.nmer import NMer
from recipes.schema.recipe import SelectionSettings
from tasks.selection.distances import weighted_distances
from tasks.selection.soap import check_soap, soap

Describe = Callable[[Floats], Floats]
"""From positions (frames, atoms, 3), Angstrom, to features (frames, width)."""


def distances(nmer: NMer, settings: SelectionSettings, sample: Floats) -> Describe:
    """Return the weighted sorted distances as a descriptor; the sample decides nothing.

    Parameters
    ----------
    nmer
        The n-mer.
    settings
        The recipe's selection section.
    sample
        (frames, atoms, 3), Angstrom.
    """

    def describe(positions: Floats) -> Floats:
        return weighted_distances(nmer, positions, settings)

    return describe


DESCRIPTORS: dict[str, Callable[[NMer, SelectionSettings, Floats], Describe]] = {
    "sorted-distances": distances,
    "soap": soap,
}
"""What makes each descriptor from the n-mer, the recipe's selection section, and a sample of positions."""


def check_descriptor(settings: SelectionSettings) -> None:
    """Raise InputError if the recipe's descriptor cannot be had here, before anything runs."""
    if settings.descriptor == "soap":
        check_soap(settings)
