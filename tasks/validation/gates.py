"""Gates: what a candidate must show before it is released."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from potentials.nmers.fragment import Fragment
from potentials.nmers.nmer import NMer
from potentials.nmers.switching import Switching
from potentials.pip.potential import Potential
from recipes.schema.recipe import Gates
from storage.records import Floats, Ints
from tasks.validation.metrics import Errors
from tasks.validation.probes import choose_probes

STEP = 5e-4
"""Displacement of the finite differences, Angstrom; of fourth order, so that steep walls count as well."""

MIXED = 5
"""Random exchanges and motions, beside the exchanges that generate all others."""

SHIFT = 10.0
"""Standard deviation of the displacement of a whole configuration along an axis, Angstrom."""


@dataclass(frozen=True)
class Gate:
    """One measured figure against its limit.

    Attributes
    ----------
    name
        Which gate; the key in the recipe's ``[gates]``.
    meaning
        What was measured, with its unit.
    value, limit
        The figure and its limit.
    passed
        Whether the figure is on the right side of the limit.
    """

    name: str
    meaning: str
    value: float
    limit: float
    passed: bool

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def judge(
    potential: Potential,
    train: Errors,
    test: Errors,
    usable_labels: float,
    positions: Floats,
    limits: Gates,
    groups: Floats | None = None,
) -> list[Gate]:
    """Measure every gate.

    Parameters
    ----------
    potential
        The candidate.
    train, test
        Its errors.
    usable_labels
        The part of the selected configurations whose label is in the dataset, 0 to 1.
    positions
        (configurations, atoms, 3), Angstrom: the dataset, of which `choose_probes` takes some.
    limits
        The recipe's limits.
    groups
        (configurations, columns), temperature and window of each; None where they are not known.
    """
    probes = choose_probes(potential, positions, groups)
    below = [
        ("train_rmsd", "RMSD on the training set (kcal/mol)", train.rmsd, limits.train_rmsd),
        ("test_rmsd", "RMSD on the test set (kcal/mol)", test.rmsd, limits.test_rmsd),
        (
            "permutation",
            "largest energy change when equivalent atoms or identical fragments change places (kcal/mol)",
            permutation_error(potential, probes),
            limits.permutation,
        ),
        (
            "motion",
            "largest energy change when the whole is turned, mirrored and moved (kcal/mol)",
            motion_error(potential, probes),
            limits.motion,
        ),
        (
            "gradient",
            "largest difference of the gradient from finite differences (kcal/mol/A)",
            gradient_error(potential, probes),
            limits.gradient,
        ),
    ]
    gates = [Gate(name, meaning, value, limit, value <= limit) for name, meaning, value, limit in below]
    meaning = "part of the labels that are usable"
    gates.append(Gate("labels", meaning, usable_labels, limits.labels, usable_labels >= limits.labels))
    return gates


def exchanges(nmer: NMer) -> list[Ints]:
    """Return permutations of the atoms that generate all that leave an n-mer what it is.

    They are swaps of atoms of one letter within a fragment, and of whole fragments that carry the same letters or
    are the same molecule, whatever letters their atoms were given.
    """
    classes, identity, found = np.array(nmer.classes), np.arange(nmer.natoms), []
    for part in nmer.slices:
        for letter in dict.fromkeys(classes[part]):
            atoms = identity[part][classes[part] == letter]
            found += [_swapped(identity, atoms[n : n + 1], atoms[n + 1 : n + 2]) for n in range(len(atoms) - 1)]
    for one, other in combinations(range(len(nmer.slices)), 2):
        first, second = nmer.slices[one], nmer.slices[other]
        alike = classes[first].tolist() == classes[second].tolist()
        if alike or _molecule(nmer.fragments[one]) == _molecule(nmer.fragments[other]):
            found.append(_swapped(identity, identity[first], identity[second]))
    return found


def _molecule(fragment: Fragment) -> tuple[object, ...]:
    """Return what makes a fragment the molecule it is, with its atoms in their order."""
    bonds = sorted(tuple(sorted(bond)) for bond in fragment.bonds)
    return fragment.symbols, bonds, sorted(fragment.caps), fragment.charge


def _swapped(identity: Ints, first: Ints, second: Ints) -> Ints:
    order = identity.copy()
    order[first], order[second] = second, first
    return order


def permutation_error(potential: Potential, positions: Floats) -> float:
    """Return the largest energy change when equivalent atoms or identical fragments change places (kcal/mol).

    Every exchange that generates the group is tried, and some random products of them.
    """
    rng = np.random.default_rng(0)
    generators = exchanges(potential.nmer)
    tried = list(generators)
    for _ in range(MIXED if generators else 0):
        order = np.arange(potential.nmer.natoms)
        for number in rng.integers(len(generators), size=4 * len(generators)):
            order = order[generators[number]]
        tried.append(order)
    reference = np.asarray(potential.energy(positions))
    return max((_largest(potential.energy(positions[:, order]) - reference) for order in tried), default=0.0)


def motion_error(potential: Potential, positions: Floats) -> float:
    """Return the largest energy change when configurations are turned, mirrored and moved as wholes (kcal/mol)."""
    rng = np.random.default_rng(0)
    reference, largest = np.asarray(potential.energy(positions)), 0.0
    for number in range(MIXED):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        turn *= (-1) ** number * np.sign(np.linalg.det(turn))  # proper and improper ones in turn
        moved = positions @ turn.T + SHIFT * rng.normal(size=3)
        largest = max(largest, _largest(potential.energy(moved) - reference))
    return largest


def gradient_error(potential: Potential, positions: Floats) -> float:
    """Return the largest difference between the gradient and central finite differences (kcal/mol/A).

    The derivative of the switching is measured as that of a potential of 1 kcal/mol as well: where it switches, a
    potential may be small in all configurations at hand. Differences across an edge of the switching, where its
    second derivative jumps, tell nothing and are left out.
    """
    gradient = potential.energy_and_gradient(positions)[1]
    largest = 0.0 if potential.switching is None else switching_error(potential.switching, positions)
    for atom in range(positions.shape[1]):
        for axis in range(3):
            moved = _displaced(positions, atom, axis, STEP)
            slope = _difference([np.asarray(potential.energy(places)) for places in moved], STEP)
            told = np.ones(len(positions), dtype=np.bool_)
            if potential.switching is not None:
                told = _on_one_side(potential.switching, moved)
            largest = max(largest, _largest((slope - gradient[:, atom, axis])[told]))
    return largest


def switching_error(switching: Switching, positions: Floats) -> float:
    """Return the largest difference between a switching's derivative and finite differences (1/A)."""
    gradient, largest = switching.evaluate(positions)[1], 0.0
    step = min(STEP, (switching.r_out - switching.r_in) / 200)
    for atom in range(positions.shape[1]):
        for axis in range(3):
            moved = _displaced(positions, atom, axis, step)
            slope = _difference([switching.evaluate(places)[0] for places in moved], step)
            off = slope - gradient[:, atom, axis]
            largest = max(largest, _largest(off[_on_one_side(switching, moved)]))
    return largest


def _displaced(positions: Floats, atom: int, axis: int, step: float) -> list[Floats]:
    """Return the configurations with a coordinate moved by -2, -1, 1 and 2 steps."""
    moved = np.repeat(positions[None], 4, axis=0)
    moved[:, :, atom, axis] += step * np.array([-2, -1, 1, 2])[:, None]
    return list(moved)


def _difference(values: list[Floats], step: float) -> Floats:
    """Return the derivative of fourth order from values at -2, -1, 1 and 2 steps."""
    two_less, less, more, two_more = values
    return np.asarray((8 * (more - less) - (two_more - two_less)) / (12 * step))


def _on_one_side(switching: Switching, moved: list[Floats]) -> NDArray[np.bool_]:
    """Return which of some displaced configurations cross no edge of the switching of any two bodies."""
    regions = np.array([switching.regions(places) for places in moved])
    return np.asarray((regions == regions[0]).all(axis=(0, 2)))


def _largest(change: Any) -> float:
    """Return the largest of some changes; infinite where one is not a number."""
    values = np.abs(np.asarray(change, dtype=np.float64))
    return float("inf") if np.isnan(values).any() else float(values.max(initial=0.0))
