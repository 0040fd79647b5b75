"""What belongs together in a sum: potentials over one V_phys, and n-mers with the atoms of their occurrences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from potentials.errors import InputError
from potentials.evaluation import Contribution, NMerContribution
from potentials.physics.parameters import PhysicsParameters
from potentials.systems.placement import Placement


def physics_of(contribution: object) -> PhysicsParameters | None:
    """Return the parameters of a contribution that is V_phys of the whole; None of any other."""
    parameters = getattr(contribution, "parameters", None)
    return parameters if isinstance(parameters, PhysicsParameters) else None


def check_physics(potentials: Mapping[str, NMerContribution], physics: Sequence[Contribution]) -> None:
    """Raise InputError unless all potentials were fitted over the V_phys that is added, or over none."""
    over: dict[str, list[str]] = {}
    for name, potential in potentials.items():
        over.setdefault(getattr(potential, "physics_digest", ""), []).append(name)
    added = [p.digest for p in map(physics_of, physics) if p]
    if len(over) > 1:
        told = "; ".join(f"{', '.join(n)} over {d[:12] or 'none'}" for d, n in over.items())
        raise InputError(f"potentials that were fitted over different V_phys cannot be added up: {told}")
    for digest, names in over.items():
        if added != ([digest] if digest else []):
            given = ", ".join(d[:12] for d in added) or "none"
            raise InputError(
                f"the potentials of {', '.join(names)} were fitted over V_phys {digest[:12] or 'none'}, which is "
                f"what must be added for the whole molecule; given is {given}"
            )


def check_atoms(symbols: Sequence[str], placement: Placement, wanted: Sequence[str]) -> None:
    """Raise InputError unless an occurrence has the atoms of its n-mer."""
    found = [
        "H" if anchor >= 0 else symbols[a] for a, anchor in zip(placement.atoms, placement.anchors, strict=True)
    ]
    if list(wanted) != found:
        raise InputError(
            f"the potential of n-mer {placement.nmer} is for the atoms {' '.join(wanted)}; the molecule has "
            f"{' '.join(found)} there"
        )
