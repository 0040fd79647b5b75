"""Force-field terms of a fragment and of an n-mer, whichever force field they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from potentials.errors import InputError
from potentials.nmers.fragment import Fragment

CAPPED, WHOLE = 0.5, 1e-3
"""Largest charge (e) that may be left for the caps, and for all atoms of a molecule without caps.

A cut takes a few tenths of e away and rounding in a force field's charges 0.0001; more is another species.
"""


class Given(NamedTuple):
    """What a recipe says of one atom; None where the rules decide."""

    type: str | None = None
    charge: float | None = None


@dataclass(frozen=True)
class Terms:
    """Force-field terms in LAMMPS' ``real`` units: kcal/mol, Angstrom, degrees, e; atoms from 0.

    Attributes
    ----------
    charges, sigma, epsilon
        One for each atom.
    types
        The type of each atom, as the force field names it.
    bonds
        (i, j, style, coefficients): ``harmonic`` K (r - r0)^2, or ``morse`` D, alpha, r0.
    angles
        (i, j, k, K, degrees).
    torsions
        (i, j, k, l, coefficients), those of the force field's dihedral style (`Rules.torsion`).
    impropers
        (i, j, k, l, K, d, n): K (1 + d cos(n phi)), phi the dihedral i-j-k-l.
    """

    charges: list[float] = field(default_factory=list)
    sigma: list[float] = field(default_factory=list)
    epsilon: list[float] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    bonds: list[tuple[int, int, str, tuple[float, ...]]] = field(default_factory=list)
    angles: list[tuple[int, int, int, float, float]] = field(default_factory=list)
    torsions: list[tuple[int, int, int, int, tuple[float, ...]]] = field(default_factory=list)
    impropers: list[tuple[int, int, int, int, float, int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Rules:
    """What a force field asks of LAMMPS besides its terms.

    Attributes
    ----------
    mixing
        How sigma and epsilon of two atoms combine: ``arithmetic`` (epsilon geometric) or ``geometric``.
    lj14, coulomb14
        Factors on the non-bonded energy of atoms three bonds apart.
    torsion
        ``charmm``: K (1 + cos(n phi - d)), coefficients K, n, d in degrees, and 0;
        ``opls``: K1/2 (1 + cos phi) + K2/2 (1 - cos 2 phi) + K3/2 (1 + cos 3 phi) + K4/2 (1 - cos 4 phi).
    """

    mixing: str
    lj14: float
    coulomb14: float
    torsion: str


def combine(parts: Sequence[Terms]) -> Terms:
    """Return the terms of several fragments in the n-mer's atom numbers."""
    whole, start = Terms(), 0
    for part in parts:
        whole.charges.extend(part.charges)
        whole.sigma.extend(part.sigma)
        whole.epsilon.extend(part.epsilon)
        whole.types.extend(part.types)
        whole.bonds.extend((i + start, j + start, style, c) for i, j, style, c in part.bonds)
        whole.angles.extend((i + start, j + start, k + start, c, t) for i, j, k, c, t in part.angles)
        whole.torsions.extend((i + start, j + start, k + start, m + start, c) for i, j, k, m, c in part.torsions)
        for i, j, k, m, constant, sign, periodicity in part.impropers:
            whole.impropers.append((i + start, j + start, k + start, m + start, constant, sign, periodicity))
        start += len(part.charges)
    return whole


def spread(fragment: Fragment, charges: Sequence[float], given: Sequence[Given] = ()) -> list[float]:
    """Return the charges with what is left to the fragment's charge spread evenly over its caps.

    Caps with a charge of their own take nothing. Without others it is spread over all atoms, if it is no more
    than rounding.

    Parameters
    ----------
    fragment
        The fragment.
    charges
        (atoms,), e; 0 for caps.
    given
        What the recipe says of each atom; its charges hold.

    Raises
    ------
    InputError
        If more is left than a cut bond or rounding explains.
    """
    own = {atom: one.charge for atom, one in enumerate(given) if one.charge is not None}
    charges = [own.get(atom, charge) for atom, charge in enumerate(charges)]
    caps = tuple(cap for cap in fragment.caps if cap not in own)
    rest = fragment.charge - sum(charges)
    if abs(rest) > (CAPPED if caps else WHOLE):
        if own:
            raise InputError(
                f"sampling.atom_types: the charges of fragment '{fragment.name}' add up to {sum(charges):+.3f}; "
                f"allowed: {fragment.charge:+d}, to {CAPPED if caps else WHOLE:g}"
            )
        raise InputError(
            f"fragment '{fragment.name}' has the charge {fragment.charge:+d}, but its atoms' charges in the force "
            f'field add up to {sum(charges):+.3f}; force_field = "GFN2-xTB" takes any species'
        )
    takers = caps or tuple(range(fragment.natoms))
    share = rest / len(takers)
    return [q + share if atom in takers else q for atom, q in enumerate(charges)]
