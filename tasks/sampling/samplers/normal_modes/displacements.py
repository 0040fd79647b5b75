"""The normal-mode sampler: frames displaced from the force field's minimum along its vibrations.

The modes are independent harmonic oscillators. A displacement is Cartesian except for the rotation of each
fragment as a whole, which is applied as a rotation: to first order the same, but straight lines would break the
bonds of a water that librates by a radian. A single fragment does not rotate, so that its displacements are
Cartesian.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.spatial.transform import Rotation

from potentials.arrays import Floats
from potentials.errors import InputError, StageError
from potentials.nmers.nmer import NMer
from potentials.units import HBAR, KB, KCAL
from recipes.schema.recipe import Sampling
from tasks.sampling.engine import ExplosionError, force_function
from tasks.sampling.force_field import ForceFunction
from tasks.sampling.force_fields.minimum import WAVENUMBER, Minimum, Modes, find_minimum
from tasks.sampling.frames import Frames
from tasks.sampling.samplers.normal_modes.options import NormalModesOptions

SOFTEST = 50.0
"""Softer modes are displaced with this frequency, cm^-1.

Between weakly bound fragments the amplitude of a mode of a few cm^-1 would be many Angstrom, and the mode is
harmonic only over a small fraction of that.
"""

LIMIT = 5.0
"""A frame more than this many kT per mode (quantum: its effective kT) above the minimum is drawn again.

The limit is ten times the mean of the harmonic potential energy: it is exceeded almost only where fragments
overlap, and truncates the harmonic distribution there.
"""

PATIENCE = 20
"""The sampler stops with an error after drawing about this many times the number of frames."""


def sample_normal_modes(
    nmer: NMer, settings: Sampling, count: Callable[[int], None] = lambda fresh: None
) -> list[Frames]:
    """Sample frames about the minimum of each force field, the same number at each temperature.

    Parameters
    ----------
    nmer
        The n-mer.
    settings
        The recipe's sampling section; its `shares` give the number of frames.
    count
        Called with the number of frames made since its last call.

    Raises
    ------
    InputError
        If the n-mer is a single atom.
    StageError
        If no minimum is found, or too many frames are drawn again.
    """
    if nmer.natoms < 2:
        raise InputError("sampler 'normal-modes' needs a molecule; a single atom has no vibrations")
    cells = len(settings.force_fields) * len(settings.temperatures)
    share, rest = divmod(settings.shares["normal-modes"], cells)
    found: list[Frames] = []
    for force_field in settings.force_fields:
        with force_function(nmer, force_field, settings.atom_types) as evaluate:
            minimum = find_minimum(nmer, evaluate)
            for temperature in settings.temperatures:
                seed, wanted = settings.seed + len(found), share + (len(found) < rest)
                spread = amplitudes(minimum.modes, temperature, settings.options(NormalModesOptions).statistics)
                rng = np.random.default_rng(seed)
                positions, energy = draw_displacements(nmer, evaluate, minimum, spread, wanted, rng, count)
                source = f"normal-modes {force_field}"
                found.append(Frames(source, nmer.place_caps(positions), energy, temperature, seed))
    return found


def amplitudes(modes: Modes, temperature: float, statistics: Literal["quantum", "classical"]) -> Floats:
    """Return the standard deviation of each normal coordinate at a temperature.

    Classical: <Q^2> = kT / omega^2. Quantum: <Q^2> = hbar / (2 omega) coth(hbar omega / 2 kT), the width of the
    oscillator's thermal Wigner distribution (Hillery, O'Connell, Scully, Wigner, Phys. Rep. 106, 121 (1984)).
    Modes softer than `SOFTEST` are treated as having that frequency.

    Parameters
    ----------
    modes
        The normal modes.
    temperature
        K.
    statistics
        Quantum or classical.

    Returns
    -------
    (modes,), Angstrom sqrt(u).
    """
    omega = _omega(modes)
    kt = np.full_like(omega, KB * temperature)
    if statistics == "quantum":
        kt = 0.5 * HBAR * omega / np.tanh(0.5 * HBAR * omega / kt)
    return np.asarray(np.sqrt(kt * KCAL) / omega)


def displaced(nmer: NMer, minimum: Minimum, q: Floats) -> Floats:
    """Return the geometries with given normal coordinates, with fragments rotated as a whole.

    Parameters
    ----------
    nmer
        The n-mer.
    minimum
        Its minimum.
    q
        (frames, modes), Angstrom sqrt(u).

    Returns
    -------
    (frames, atoms, 3), Angstrom, with caps not yet at their fixed length.
    """
    straight = np.einsum("fm,max->fax", q, minimum.modes.vectors) / np.sqrt(nmer.masses)[:, None]
    positions = np.empty_like(straight)
    for atoms in nmer.slices:
        move, masses = straight[:, atoms], nmer.masses[atoms]
        centre = np.average(minimum.positions[atoms], axis=0, weights=masses)
        arms = minimum.positions[atoms] - centre
        squares = np.einsum("ax,ax->a", arms, arms)[:, None, None] * np.eye(3)
        inertia = np.einsum("a,axy->xy", masses, squares - arms[:, :, None] * arms[:, None, :])
        angular = np.einsum("a,fax->fx", masses, np.cross(arms, move))
        # the pseudo-inverse leaves out the axis of a linear fragment
        turn = angular @ np.linalg.pinv(inertia, rcond=1e-6, hermitian=True)
        shift = np.average(move, axis=1, weights=masses)[:, None]
        inner = arms + move - shift - np.cross(turn[:, None], arms)
        matrices = Rotation.from_rotvec(turn).as_matrix()
        positions[:, atoms] = centre + shift + np.einsum("fxy,fay->fax", matrices, inner)
    return np.asarray(positions)


def draw_displacements(
    nmer: NMer,
    evaluate: ForceFunction,
    minimum: Minimum,
    spread: Floats,
    wanted: int,
    rng: np.random.Generator,
    count: Callable[[int], None],
) -> tuple[Floats, Floats]:
    """Return geometries (frames, atoms, 3) drawn with a spread of the modes, and their energies."""
    top = minimum.energy + LIMIT * float(np.sum((spread * _omega(minimum.modes)) ** 2)) / KCAL
    positions, energy = np.empty((wanted, nmer.natoms, 3)), np.empty(wanted)
    kept = drawn = 0
    while kept < wanted:
        if drawn > PATIENCE * wanted + 1000:
            raise StageError(
                f"sampling: only {kept} of {drawn} normal-mode frames of {nmer.name} lie less than "
                f"{top - minimum.energy:.0f} kcal/mol above the minimum; lower sampling.temperatures, or use "
                "sampler 'pbmetad'"
            )
        batch, before = min(wanted - kept, 1000), kept
        for x in displaced(nmer, minimum, rng.normal(size=(batch, len(spread))) * spread):
            try:
                value, _ = evaluate(x)
            except ExplosionError as error:
                raise StageError(f"sampling: a normal-mode frame of {nmer.name} failed: {error}") from None
            if value < top:  # false also for nan
                positions[kept], energy[kept] = x, value
                kept += 1
        drawn += batch
        count(kept - before)
    return positions, energy


def _omega(modes: Modes) -> Floats:
    """Return the angular frequencies used for displacements, rad/fs."""
    return np.asarray(np.maximum(modes.omega, SOFTEST * WAVENUMBER))
