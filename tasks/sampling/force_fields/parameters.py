"""Force-field parameters of a fragment and of an n-mer, in the same form for every force field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from potentials.errors import InputError
from potentials.nmers.fragment import Fragment

CAPPED, WHOLE = 0.5, 1e-3
"""Largest charge (e) that is spread over the caps, and over all atoms of a molecule without caps.

A cut removes a few tenths of e, and rounding of a force field's charges 0.0001; more means a different species.
"""


class Given(NamedTuple):
    """What a recipe gives for one atom; None where the force field decides."""

    type: str | None = None
    charge: float | None = None


@dataclass(frozen=True)
class Parameters:
    """Force-field parameters in LAMMPS' ``real`` units: kcal/mol, Angstrom, degrees, e; atoms from 0.

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
        (i, j, k, l, coefficients), with the coefficients of `Conventions.torsion`.
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
class Conventions:
    """How LAMMPS uses the parameters of a force field.

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


def combine(fragments: Sequence[Parameters]) -> Parameters:
    """Return the parameters of several fragments in the n-mer's atom numbers."""
    whole, start = Parameters(), 0
    for one in fragments:
        whole.charges.extend(one.charges)
        whole.sigma.extend(one.sigma)
        whole.epsilon.extend(one.epsilon)
        whole.types.extend(one.types)
        whole.bonds.extend((i + start, j + start, style, c) for i, j, style, c in one.bonds)
        whole.angles.extend((i + start, j + start, k + start, c, t) for i, j, k, c, t in one.angles)
        whole.torsions.extend((i + start, j + start, k + start, m + start, c) for i, j, k, m, c in one.torsions)
        for i, j, k, m, constant, sign, periodicity in one.impropers:
            whole.impropers.append((i + start, j + start, k + start, m + start, constant, sign, periodicity))
        start += len(one.charges)
    return whole


def spread(fragment: Fragment, charges: Sequence[float], given: Sequence[Given] = ()) -> list[float]:
    """Return the charges with the rest of the fragment's charge spread evenly over its caps.

    Caps whose charge the recipe gives are left out. Without other caps the rest is spread over all atoms, if it is
    no more than rounding.

    Parameters
    ----------
    fragment
        The fragment.
    charges
        (atoms,), e; 0 for caps.
    given
        What the recipe gives for each atom; its charges are kept.

    Raises
    ------
    InputError
        If the rest is larger than a cut bond or rounding explains.
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
            f'field add up to {sum(charges):+.3f}; force_field = "GFN2-xTB" accepts any species'
        )
    changed = caps or tuple(range(fragment.natoms))
    share = rest / len(changed)
    return [q + share if atom in changed else q for atom, q in enumerate(charges)]
