"""The torsions phi and psi along the backbone of a peptide, found from its bonds."""

from __future__ import annotations

from collections.abc import Sequence

from potentials.graph import neighbours

Torsion = tuple[int, int, int, int]


def backbone_torsions(
    symbols: Sequence[str], bonds: Sequence[tuple[int, int]]
) -> tuple[tuple[Torsion, Torsion], ...]:
    """Return phi (C N CA C) and psi (N CA C N) of residues between two amides, in the order of their CA atoms.

    Parameters
    ----------
    symbols, bonds
        Element of each atom; pairs of bonded atoms, from 0.
    """
    joined = neighbours(len(symbols), bonds)

    def is_carbonyl(atom: int) -> bool:
        return symbols[atom] == "C" and any(symbols[o] == "O" and len(joined[o]) == 1 for o in joined[atom])

    found = []
    for alpha in (a for a, symbol in enumerate(symbols) if symbol == "C" and not is_carbonyl(a)):
        for n in (a for a in joined[alpha] if symbols[a] == "N"):
            before = [c for c in joined[n] if c != alpha and is_carbonyl(c)]
            after = [
                (c, m) for c in joined[alpha] if is_carbonyl(c) for m in joined[c] if symbols[m] == "N" and m != n
            ]
            if len(before) == 1 and len(after) == 1:
                c, m = after[0]
                found.append(((before[0], n, alpha, c), (n, alpha, c, m)))
    return tuple(found)
