"""Parameters of V_phys as versions of the store: immutable, found by the digest of what they hold."""

from __future__ import annotations

from dataclasses import replace

from potentials.errors import InputError
from potentials.physics.parameters import PhysicsParameters
from recipes.physics.table import (
    DerivedPhysics,
    physics_toml,
    plain_facts,
    read_physics_toml,
    shipped_physics,
)
from storage.attributes import of_version
from storage.canonical import digest
from storage.parameters import physics_columns, physics_facts, rebuilt_physics
from storage.store import Store
from storage.version import Version, package_versions

KIND = "physics"


def physics_key(derived: DerivedPhysics) -> str:
    """Return the key of a set of parameters: the digest of the numbers, and of what they were derived from."""
    content = {"level": derived.level, "facts": plain_facts(derived.facts)}
    return digest({"physics": derived.parameters.digest, **content})


def write_physics(store: Store, name: str, derived: DerivedPhysics) -> str:
    """Write a set of parameters as a new version, and return its reference; what is there is not written again.

    Parameters
    ----------
    store
        The store; the caller holds its writer lock.
    name
        Such as ``polyalanine``.
    derived
        The parameters.

    Raises
    ------
    InputError
        If the name is not one that a store allows.
    """
    parameters = derived.parameters
    version = store.add(
        KIND,
        name,
        physics_key(derived),
        columns=physics_columns(parameters, "derived by the method in `facts`"),
        recipe=physics_toml(derived, name),
        inputs=[],
        engines=package_versions("nmer", "numpy", "scipy"),
        facts=physics_facts(parameters) | {"level": derived.level, "derived": plain_facts(derived.facts)},
    )
    return version.ref


@of_version
def read_physics(version: Version) -> PhysicsParameters:
    """Return the parameters of a version; their name is its reference.

    Raises
    ------
    InputError
        If the version is of another kind, or its digest is not that of its numbers.
    """
    return derived_of_version(version).parameters


@of_version
def derived_of_version(version: Version) -> DerivedPhysics:
    """Return the parameters of a version with what they were derived from; raises as `read_physics` does."""
    if version.kind != KIND:
        raise InputError(f"{version.ref} is a {version.kind}, not a set of physics parameters")
    facts = version.attributes()["facts"]
    return DerivedPhysics(rebuilt_physics(version, facts, version.ref), facts["level"], facts["derived"])


def find_physics(store: Store | None, ref: str) -> tuple[DerivedPhysics, Version | None]:
    """Return the parameters that a reference names, with their level and version; shipped ones have no version.

    Parameters
    ----------
    store
        The store; None: only what is shipped.
    ref
        ``physics:polyalanine@1``, ``physics:polyalanine@latest`` or a tag, ``physics:`` optional. Without ``@``
        the newest version of the store counts, and if it has none, the shipped parameters of that name.

    Raises
    ------
    InputError
        If there are none.
    """
    name = ref.removeprefix(f"{KIND}:")
    if ":" in name:
        raise InputError(f"'{ref}' names no physics parameters; allowed: {KIND}:NAME, {KIND}:NAME@NUMBER")
    if "@" in name:
        if store is None:
            raise InputError(f"'{KIND}:{name}' is a version of a store, and no store is given")
        version = store.resolve(f"{KIND}:{name}")
        return derived_of_version(version), version
    there = [] if store is None else store.versions(KIND, name)
    if there:
        return derived_of_version(there[-1]), there[-1]
    shipped = shipped_physics()
    if name not in shipped:
        have = [] if store is None else [v.ref for v in store.versions(KIND)]
        known = ", ".join([*have, *(f"{KIND}:{one}" for one in shipped)])
        raise InputError(f"there are no physics parameters '{KIND}:{name[:80]}'; there are: {known or 'none'}")
    found = read_physics_toml(shipped[name])
    return replace(found, parameters=replace(found.parameters, name=f"{KIND}:{name}")), None


def has_physics(store: Store, name: str) -> bool:
    """Return whether the store has a version of the name, ``physics:polyalanine``, or nmer comes with it."""
    bare = name.removeprefix(f"{KIND}:")
    return bool(store.versions(KIND, bare)) or bare in shipped_physics()


def version_of_physics(store: Store, ref: str) -> Version:
    """Return the version that a reference names; shipped parameters are written into the store.

    The caller holds the store's writer lock. Raises as `find_physics` does.
    """
    found = find_physics(store, ref)[1]
    if found is not None:
        return found
    name = ref.removeprefix(f"{KIND}:")
    return store.resolve(write_physics(store, name, read_physics_toml(shipped_physics()[name])))


def load_physics(store: Store | None, ref: str) -> PhysicsParameters:
    """Return the parameters that a reference names; see `find_physics`."""
    return find_physics(store, ref)[0].parameters
