"""Descriptors: a module of ``tasks/selection/descriptors`` declares one by binding a `Descriptor` to DESCRIPTOR.

A descriptor is made for an n-mer, the recipe's settings, and a sample of the pool. It converts positions into
features whose Euclidean distances measure how different two frames are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from potentials.arrays import Floats
from potentials.errors import MissingProgramError
from potentials.nmers.nmer import NMer
from recipes.registry import Registry, missing
from recipes.schema import recipe
from recipes.schema.recipe import DescriptorDeclaration, SelectionSettings

Describe = Callable[[Floats], Floats]
"""From positions (frames, atoms, 3), Angstrom, to features (frames, width)."""


@dataclass(frozen=True, kw_only=True)
class Descriptor(DescriptorDeclaration):
    """A way to describe frames.

    Attributes
    ----------
    make
        Makes it from the n-mer, the recipe's selection section, and positions (frames, atoms, 3), Angstrom, of a
        sample of the pool.
    check
        Raises InputError if the section has a value that it does not support.
    """

    make: Callable[[NMer, SelectionSettings, Floats], Describe]
    check: Callable[[SelectionSettings], None] = lambda settings: None


DESCRIPTORS = cast(Registry[Descriptor], recipe.DESCRIPTORS)


def checked_descriptor(settings: SelectionSettings) -> Descriptor:
    """Return the recipe's descriptor; raises InputError if it cannot be used here, before anything runs."""
    descriptor = DESCRIPTORS.get(settings.descriptor)
    descriptor.check(settings)
    if lacking := missing(descriptor):
        raise MissingProgramError(f"selection.descriptor '{descriptor.name}' {lacking}")
    return descriptor
