"""Find the minimum of a molecule at any level of theory, from energies alone or with gradients.

The minimum of a cheap surface with gradients, which the engine provides, gives the start and the directions. Along
its Hessian's eigenvectors, each scaled to unit curvature, the more expensive surface is nearly isotropic, and a
few steps of Newton's method with central differences find its minimum. Bonds keep their length where atoms turn,
and caps stay at their fixed lengths throughout, as in every configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize as scipy_optimize

from potentials.arrays import Floats
from potentials.errors import StageError
from potentials.nmers.nmer import NMer
from tasks.labelling.engines.interface import Surface

Energies = Callable[[Floats], Floats]
"""(geometries, atoms, 3) in Angstrom -> (geometries,) in hartree."""

PROBE = 1e-4
"""Rise of the cheap surface over the displacement of a central difference, hartree."""

NEAR = 0.015
"""Largest move of an atom in a central difference, Angstrom: soft torsions are soon anharmonic."""

CONVERGED = 1e-7
"""Predicted decrease at which the search ends, hartree: 6e-5 kcal/mol."""

STALLED = 1e-6
"""Fall of the energy over three steps that lower it, below which the search ends, hartree: 6e-4 kcal/mol. Along
soft torsions the updated Hessian may predict a decrease above `CONVERGED` for many more steps."""

ENOUGH = 2e-5
"""Agreement of the energy after a full step with the predicted one, hartree, at which a search may end where only
a constant depends on it: what is left is then a few hundredths of a kcal/mol or less."""

STEPS = 40
"""Geometries after which a search has failed."""

SOFTEST = 0.005
"""Lower bound on the curvature along a direction, hartree/Angstrom^2."""

LEAST = 0.2
"""Lower bound on the curvature along a direction that is scaled to unit curvature on the cheap surface."""

LARGEST = 0.1
"""Largest move of an atom in one step, Angstrom."""


@dataclass(frozen=True)
class Start:
    """The minimum of a molecule on the cheap surface.

    Attributes
    ----------
    positions
        (atoms, 3), Angstrom.
    directions
        (directions, atoms, 3), Angstrom per root of hartree: unit curvature, no rigid motion, no cap stretched.
    """

    positions: Floats
    directions: Floats


class _Point(NamedTuple):
    """A geometry on the expensive surface; slope and curvature are those along the start's directions.

    Curvature is None where it was not measured.
    """

    along: Floats
    positions: Floats
    energy: float
    slope: Floats
    curvature: Floats | None


def minimise(molecule: NMer, energies: Energies, start: Start, enough: float = 0.0) -> tuple[Floats, float]:
    """Return the geometry (atoms, 3; Angstrom) and the energy (hartree) of the minimum nearest to a start.

    Parameters
    ----------
    molecule
        A single molecule, capped or not.
    energies
        The surface, called once with all geometries of a step. Its noise should be below 1e-7 hartree.
    start
        The first geometry, and the directions of the steps.
    enough
        How well the decrease over a full step must agree with the predicted one for the search to end there,
        hartree; 0: it goes on until `CONVERGED`, with central differences at every geometry.

    Raises
    ------
    StageError
        If the energy still falls at the last of `STEPS` geometries.
    """
    probe = np.minimum(np.sqrt(2 * PROBE), NEAR / np.abs(start.directions).max(axis=(1, 2)))
    pattern = np.concatenate([np.zeros((1, len(probe))), np.diag(probe), np.diag(-probe)])

    def placed(moves: Floats) -> Floats:
        return np.array([moved(molecule, start, move) for move in moves])

    def ends(trial: Floats, predicted: float) -> tuple[Floats, float] | None:
        asked = placed(trial[None])
        single = float(energies(asked)[0])
        return (asked[0], single) if abs(single - predicted) < enough else None

    def look(trial: Floats) -> _Point:
        asked = placed(trial + pattern)
        values = energies(asked)
        centre, (plus, minus) = float(values[0]), values[1:].reshape(2, -1)
        curvature = np.maximum((plus + minus - 2 * centre) / probe**2, LEAST)
        return _Point(trial, asked[0], centre, (plus - minus) / (2 * probe), curvature)

    return _search(molecule, look, start, ends if enough else None)


def moved(molecule: NMer, start: Start, move: Floats) -> Floats:
    """Return the geometry (atoms, 3; Angstrom) at coordinates along a start's directions.

    Bonds change by what they do to first order. Along straight lines a rotation of a group by 0.1 Angstrom also
    stretches its bonds, which makes a soft torsion stiff, and its valley curved.

    Parameters
    ----------
    molecule, start
        As in `minimise`.
    move
        (directions,), roots of hartree.
    """
    step = np.tensordot(move, start.directions, axes=1)
    bonds = np.array(molecule.bonds, dtype=np.intp).reshape(-1, 2)
    vectors, lengths = _bonds(start.positions, bonds)
    wanted = lengths + np.sum(vectors * (step[bonds[:, 1]] - step[bonds[:, 0]]), axis=1)
    x = start.positions + step
    for _ in range(4):  # Newton's method: the error is squared each time
        vectors, lengths = _bonds(x, bonds)
        rows = np.zeros((len(bonds), *x.shape))
        each = np.arange(len(bonds))
        rows[each, bonds[:, 1]], rows[each, bonds[:, 0]] = vectors, -vectors
        change = np.linalg.lstsq(rows.reshape(len(bonds), x.size), wanted - lengths, rcond=None)[0]
        x = x + change.reshape(x.shape)
    return molecule.place_caps(x)


def _bonds(x: Floats, bonds: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return the unit vectors (bonds, 3) of bonds, from the first atom to the second, and their lengths."""
    between = x[bonds[:, 1]] - x[bonds[:, 0]]
    lengths = np.linalg.norm(between, axis=1)
    return between / lengths[:, None], lengths


def minimise_with_gradients(molecule: NMer, surface: Surface, start: Start) -> tuple[Floats, float]:
    """Return what `minimise` does, from one energy and one gradient a step.

    The Hessian begins as that of the cheap surface, and follows the changes of the gradient.

    Parameters
    ----------
    molecule, start
        As in `minimise`.
    surface
        Energy and gradient of a geometry.

    Raises
    ------
    StageError
        If the energy still falls at the last of `STEPS` geometries.
    """

    def look(trial: Floats) -> _Point:
        x = start.positions + np.tensordot(trial, start.directions, axes=1)
        placed = molecule.place_caps(x)
        energy, gradient = surface(placed)
        slope = np.tensordot(start.directions, molecule.carry_caps(x, gradient), axes=([1, 2], [0, 1]))
        return _Point(trial, placed, energy, np.asarray(slope, dtype=np.float64), None)

    return _search(molecule, look, start)


def _search(
    molecule: NMer,
    look: Callable[[Floats], _Point],
    start: Start,
    ends: Callable[[Floats, float], tuple[Floats, float] | None] | None = None,
) -> tuple[Floats, float]:
    """Return the minimum by Newton's method with an updated Hessian, whose diagonal is measured where it can be.

    Where the energy has risen, the next geometry lies between the last two: soft torsions and the inversion of an
    amide's nitrogen stiffen many times within a step.

    Parameters
    ----------
    molecule, start
        As in `minimise`.
    look
        Gives a point of the surface.
    ends
        Asked after a full step, with the energy that was predicted for it; returns the geometry and the energy
        where the search ends. None: it goes on until `CONVERGED` or `STALLED`.
    """
    count = len(start.directions)
    best: _Point | None = None
    trial, hessian, reach = np.zeros(count), np.eye(count), np.inf
    lowest: list[float] = []
    predicted = np.nan  # the energy at the end of a full step
    for _ in range(STEPS):
        if ends is not None and np.isfinite(predicted) and (last := ends(trial, predicted)) is not None:
            return last
        point = look(trial)
        if best is not None and point.energy > best.energy:  # the step was too long
            reach = float(np.linalg.norm(point.along - best.along))
            trial, predicted = _between(best, point), np.nan
            continue
        if best is not None:
            hessian = _updated(hessian, point.along - best.along, point.slope - best.slope)
        best, reach = point, 2.0 * reach  # not without bound: the next step would be too long again
        if point.curvature is not None:
            scale = np.sqrt(point.curvature / np.diag(hessian))
            hessian = hessian * np.outer(scale, scale)
        lowest.append(point.energy)
        if len(lowest) > 3 and lowest[-4] - lowest[-1] < STALLED:
            return best.positions, best.energy
        step = -np.linalg.solve(hessian, best.slope)
        decrease = -0.5 * float(best.slope @ step)
        if decrease < CONVERGED:
            return best.positions, best.energy
        moved = np.abs(np.tensordot(step, start.directions, axes=1)).max()
        part = min(1.0, LARGEST / moved, reach / np.linalg.norm(step))
        trial = best.along + step * part
        predicted = best.energy - decrease if part == 1.0 else np.nan
    raise StageError(
        f"labelling: the minimum of '{molecule.name}' was not found in {STEPS} steps; start from a geometry "
        "nearer to it, or set labelling.reference = 'none'"
    )


def _between(best: _Point, point: _Point) -> Floats:
    """Return where the cubic polynomial through two points' energies and slopes has its minimum between them."""
    ahead = point.along - best.along
    first, last = float(best.slope @ ahead), float(point.slope @ ahead)
    rise = point.energy - best.energy
    # along best + t * ahead, 0 < t < 1: first t + square t^2 + cube t^3, with the last slope at t = 1
    cube, square = first + last - 2.0 * rise, 3.0 * rise - 2.0 * first - last
    part = -first / (square + np.sqrt(max(square**2 - 3.0 * cube * first, 0.0)))
    return np.asarray(best.along + min(max(part, 0.1), 0.9) * ahead)


def _updated(hessian: Floats, step: Floats, change: Floats) -> Floats:
    """Return the BFGS update of a Hessian for the change of the slope over a step.

    The curvature along soft torsions changes within a step.
    """
    if step @ change <= 0.0:
        return hessian
    image = hessian @ step
    lost = np.outer(image, image) / (step @ image)
    return np.asarray(hessian + np.outer(change, change) / (step @ change) - lost)


def find_start(molecule: NMer, cheap: Surface) -> Start:
    """Return the minimum of a molecule on a surface with gradients, and the directions of its Hessian."""
    surface = CapsInPlace(molecule, cheap)
    x = molecule.place_caps(molecule.positions)
    for _ in range(3):  # the directions depend on the geometry: start again where the last search ended
        basis, centre = _free_directions(molecule, x), x

        def along(q: Floats, basis: Floats = basis, centre: Floats = centre) -> tuple[float, Floats]:
            energy, gradient = surface(centre + np.tensordot(q, basis, axes=1))
            return energy, np.asarray(np.tensordot(basis, gradient, axes=([1, 2], [0, 1])), dtype=np.float64)

        found = scipy_optimize.minimize(
            along, np.zeros(len(basis)), jac=True, method="BFGS", options={"gtol": 3e-4}
        )
        x = molecule.place_caps(centre + np.tensordot(found.x, basis, axes=1))
    basis = _free_directions(molecule, x)
    hessian = np.empty((len(basis), len(basis)))
    for row, direction in zip(hessian, basis, strict=True):
        ahead, behind = (surface(x + sign * 0.01 * direction)[1] for sign in (1, -1))
        row[:] = np.tensordot(basis, ahead - behind, axes=([1, 2], [0, 1])) / 0.02
    curvature, turned = np.linalg.eigh(0.5 * (hessian + hessian.T))
    scaled = turned.T / np.sqrt(np.maximum(curvature, SOFTEST))[:, None]
    return Start(x, np.tensordot(scaled, basis, axes=1))


class CapsInPlace:
    """A surface with caps reset to their lengths, and its gradient at the positions before the reset."""

    def __init__(self, molecule: NMer, cheap: Surface) -> None:
        self._molecule, self._cheap = molecule, cheap

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        """Return the energy (hartree) and the gradient (atoms, 3; hartree/Angstrom) at positions (Angstrom)."""
        energy, gradient = self._cheap(self._molecule.place_caps(x))
        return energy, self._molecule.carry_caps(x, gradient)


def _free_directions(molecule: NMer, x: Floats) -> Floats:
    """Return orthonormal directions (directions, atoms, 3) that move nothing rigidly and stretch no cap's bond."""
    centred = x - x.mean(axis=0)
    held = [np.tile(axis, (len(x), 1)) for axis in np.eye(3)]
    held += [np.cross(axis, centred) for axis in np.eye(3)]
    for cap, anchor, _ in molecule.caps:
        stretch = np.zeros_like(x)
        stretch[cap], stretch[anchor] = x[cap] - x[anchor], x[anchor] - x[cap]
        held.append(stretch)
    left, size, _ = np.linalg.svd(np.array([h.ravel() for h in held]).T)
    rank = int(np.sum(size > 1e-8 * size[0]))
    return np.asarray(left[:, rank:].T.reshape(-1, len(x), 3))
