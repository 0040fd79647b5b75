"""Graphs, such as the bonds of a molecule: neighbours, connected components, shortest paths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from potentials.arrays import Ints

Edges = Iterable[tuple[int, int]]
"""Pairs of nodes, counted from 0, in either order."""


def neighbours(count: int, edges: Edges) -> tuple[tuple[int, ...], ...]:
    """Return the neighbours of each of `count` nodes, in ascending order."""
    found: list[set[int]] = [set() for _ in range(count)]
    for i, j in edges:
        if i != j:
            found[i].add(j)
            found[j].add(i)
    return tuple(tuple(sorted(row)) for row in found)


def connected_sets(joined: Sequence[Sequence[int]], most: int) -> list[tuple[int, ...]]:
    """Return every connected set of up to `most` nodes, each in ascending order, smaller sets first.

    Parameters
    ----------
    joined
        The neighbours of each node.
    most
        Largest number of nodes in a set.
    """
    sets: list[tuple[int, ...]] = [(n,) for n in range(len(joined))]
    every = list(sets)
    for _ in range(most - 1):
        grown = {tuple(sorted({*nodes, other})) for nodes in sets for n in nodes for other in joined[n]}
        sets = sorted(grown - set(sets))
        every += sets
    return every


def components(count: int, edges: Edges | Ints) -> Ints:
    """Return the connected component of each node, (count,), numbered in the order of their first nodes.

    Parameters
    ----------
    count
        Number of nodes.
    edges
        (edges, 2), or pairs.
    """
    from scipy.sparse.csgraph import connected_components

    label = connected_components(_matrix(count, edges), directed=False)[1]
    first, place = np.unique(label, return_index=True, return_inverse=True)[1:]
    return np.asarray(np.argsort(np.argsort(first))[place], dtype=np.int64)


def members(count: int, edges: Edges | Ints) -> tuple[tuple[int, ...], ...]:
    """Return the nodes of each connected component, in ascending order; components as `components` orders them."""
    number = components(count, edges)
    ends = np.cumsum(np.bincount(number))[:-1]
    return tuple(tuple(nodes.tolist()) for nodes in np.split(np.argsort(number, kind="stable"), ends))


def distances(count: int, edges: Edges | Ints) -> Ints:
    """Return the number of edges between each two nodes along the shortest path, (count, count); -1: no path."""
    from scipy.sparse.csgraph import shortest_path

    steps = shortest_path(_matrix(count, edges), directed=False, unweighted=True)
    return np.where(np.isfinite(steps), steps, -1).astype(np.int64)


def _matrix(count: int, edges: Edges | Ints) -> object:
    from scipy.sparse import csr_array

    i, j = np.array(edges if isinstance(edges, np.ndarray) else list(edges), dtype=np.int64).reshape(-1, 2).T
    return csr_array((np.ones(len(i)), (i, j)), shape=(count, count))


def same_graph(
    labels: Sequence[object], edges: Edges, other_labels: Sequence[object], other_edges: Edges
) -> tuple[int, ...] | None:
    """Return which node of one graph each node of another stands for, or None if they are not the same graph.

    Parameters
    ----------
    labels, edges
        Of each node, and pairs of nodes.
    other_labels, other_edges
        Those of the other graph.

    Returns
    -------
    For each node of the other graph, in its order, the node of the first; of several such maps one.
    """
    count = len(labels)
    if count != len(other_labels) or sorted(map(repr, labels)) != sorted(map(repr, other_labels)):
        return None
    mine, other = neighbours(count, edges), neighbours(count, other_edges)
    found: list[int] = []

    def fits(node: int) -> bool:
        here = len(found)
        if labels[node] != other_labels[here] or len(mine[node]) != len(other[here]) or node in found:
            return False
        return all((found[n] in mine[node]) == (n in other[here]) for n in range(here))

    def place() -> bool:
        if len(found) == count:
            return True
        for node in range(count):
            if fits(node):
                found.append(node)
                if place():
                    return True
                found.pop()
        return False

    return tuple(found) if place() else None
