"""A PIP with its coefficients as a short program: monomials, and for each the variables that complete a term.

Only the monomials of terms that have a coefficient are in it, so that 1,000 of 14,534 terms cost what 1,000 cost.
The gradient follows by the chain rule, backwards through the same monomials: about two multiplications and
additions a monomial. Programs are data: nothing is generated or compiled for a molecule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potentials.arrays import Bools, Floats, Ints
from potentials.pip.basis import Basis


@dataclass(frozen=True, eq=False)
class Program:
    """A polynomial P(x) = sum over nodes m of p_m (own_m + sum over its leaves e of coefficients_e x[leaves_e]).

    A node is a monomial p_m = p_parents[m] * x[factors[m]]; node 0 is 1. A monomial with a coefficient is a node,
    or the leaf of one: the node times one variable more.

    Attributes
    ----------
    parents, factors
        (nodes,), parents before their children; the first entries are unused.
    own
        (nodes,), the coefficient of each node's monomial, 0 where it has none, kcal/mol.
    begins
        (nodes + 1,), where the leaves of each node begin.
    leaves, coefficients
        (leaves,), the variable that completes each, and kcal/mol.
    """

    parents: Ints
    factors: Ints
    own: Floats
    begins: Ints
    leaves: Ints
    coefficients: Floats

    @classmethod
    def build(cls, basis: Basis, coefficients: Floats) -> Program:
        """Arrange coefficients, (n_terms,) in kcal/mol, of a basis as a program.

        Of the variables of a monomial that one is split off whose remainder is shared by most others.
        """
        count = len(basis.variables)
        layers = []  # from the highest degree down
        nodes = np.empty((0, basis.degree), dtype=np.int64)
        for degree in range(basis.degree, 0, -1):
            term = basis.term[degree - 1]
            value = np.where(term >= 0, coefficients[term], 0.0)
            kept = value != 0.0
            own, leaf = _owned(nodes, basis.rows[degree - 1][kept], value[kept], count)
            rows = np.concatenate([nodes, basis.rows[degree - 1][kept][leaf]])
            below, up, factor = _split(rows, count)
            n = len(nodes)
            layers.append((own, up[:n], factor[:n], up[n:], factor[n:], value[kept][leaf]))
            nodes = below
        none, root = np.empty(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
        layers.append((np.zeros(1), root, root, none, none, np.empty(0)))
        layers.reverse()  # the constant 1 first
        starts = np.concatenate([[0], np.cumsum([len(layer[0]) for layer in layers])])
        parents = np.concatenate(
            [up + (starts[d - 1] if d else 0) for d, (_, up, _, _, _, _) in enumerate(layers)]
        )
        owner = np.concatenate([up + (starts[d - 1] if d else 0) for d, (_, _, _, up, _, _) in enumerate(layers)])
        own, factors, leaves, values = (np.concatenate([layer[n] for layer in layers]) for n in (0, 2, 4, 5))
        order = np.lexsort((leaves, owner))
        begins = np.searchsorted(owner[order], np.arange(starts[-1] + 1))
        return cls(parents, factors, own, begins, leaves[order], values[order])


def _owned(nodes: Ints, rows: Ints, values: Floats, count: int) -> tuple[Floats, Bools]:
    """Return the coefficient of each node, and which of the monomials with a coefficient are no nodes."""
    weight = count ** np.arange(rows.shape[1] - 1, -1, -1, dtype=np.int64)
    codes, wanted = rows @ weight, nodes @ weight  # of both, ascending
    own, leaf = np.zeros(len(nodes)), np.ones(len(rows), dtype=np.bool_)
    if len(nodes) and len(rows):
        place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
        there = codes[place] == wanted
        own[there] = values[place[there]]
        leaf[place[there]] = False
    return own, leaf


def _split(rows: Ints, count: int) -> tuple[Ints, Ints, Ints]:
    """Return the monomials of one degree less that the rows are split into, which of them each has, its factor."""
    n, degree = rows.shape
    if degree == 1:
        return np.empty((1, 0), dtype=np.int64), np.zeros(n, dtype=np.int64), rows[:, 0]
    weight = count ** np.arange(degree - 2, -1, -1, dtype=np.int64)
    parts = np.stack([np.delete(rows, f, axis=1) for f in range(degree)])
    codes = (parts @ weight).T
    _, inverse, shared = np.unique(codes, return_inverse=True, return_counts=True)
    best = shared[inverse.reshape(codes.shape)].argmax(axis=1)
    every = np.arange(n)
    _, first, place = np.unique(codes[every, best], return_index=True, return_inverse=True)
    return parts[best[first], first], place, rows[every, best]
