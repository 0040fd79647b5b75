"""A version of V_phys' parameters: found in the store, or derived and written."""

from __future__ import annotations

from storage.physics import KIND, derived_of_version, write_physics
from storage.store import Store
from tasks.physics.derive import derive_parameters
from tasks.physics.levels import DENSITY, origin_of
from tasks.physics.samples import read_samples


def make_physics(
    store: Store, name: str, molecules: list[str], level: str = DENSITY, dispersion: str | None = None
) -> str:
    """Return the reference of a version with the parameters of some molecules; it is derived if there is none.

    Parameters
    ----------
    store
        The store, whose writer lock the caller holds.
    name
        Name of the version.
    molecules
        What `tasks.physics.samples.read_samples` takes.
    level
        One of `tasks.physics.levels.LEVELS`.
    dispersion
        One of `tasks.physics.levels.MODELS`; by default that of the level.

    Raises
    ------
    potentials.errors.InputError, potentials.errors.MissingProgramError, potentials.errors.StageError
        See `tasks.physics.derive.derive_parameters`.
    """
    samples = read_samples(molecules)
    origin = origin_of(samples, level, dispersion)
    for version in reversed(store.versions(KIND, name)):
        if derived_of_version(version).facts.get("origin") == origin:
            return version.ref
    derived = derive_parameters(samples, level, folder=store.densities, dispersion=dispersion)
    return write_physics(store, name, derived)
