"""Converge PySCF's closed-shell SCF, also where bonds are stretched, and check its stability.

The iterations are PySCF's own; where they do not converge a level shift comes next (V. R. Saunders and I. H.
Hillier, Int. J. Quantum Chem. 7, 699 (1973)), then second-order steps from where that ended. A converged solution
is a stationary point: its stability tells whether it is a minimum (R. Seeger and J. A. Pople, J. Chem. Phys. 66,
3045 (1977)). A saddle among closed-shell determinants is left along its lowest mode. What remains is an
instability towards unrestricted determinants, which a stretched bond has; it is reported with the energy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from potentials.arrays import Floats

Product = Callable[[Floats], Floats]
"""(virtual, occupied) -> the product of the triplet orbital Hessian with it, of the same shape, hartree."""

MAX_CYCLES = 100
"""Iterations allowed to each way of converging."""

LEVEL_SHIFT = 0.5
"""Added to the energies of virtual orbitals, hartree."""

SECOND_ORDER_CYCLES = 50
"""Macro-iterations allowed to the second-order method."""

STATIONARY = 1e-6
"""Norm of the orbital gradient, hartree, below which no other way converges better: the tolerance is too small."""

UNSTABLE = 1e-5
"""An eigenvalue of the orbital Hessian below minus this is an instability, hartree."""

FOLLOWED = 5
"""Most saddles that are left, one after the other; then the solution is taken as it is."""

RESIDUAL = 3e-3
"""Norm of the residual, hartree, at which the lowest eigenvalue is known to 1e-4 hartree or better."""

DIRECTIONS = 60
"""Directions after which the search for the lowest eigenvalue ends."""


def settle(field: Any, guess: Any = None, product: Callable[[Any], Product] | None = None) -> dict[str, Any]:
    """Converge an SCF and leave the saddles it may have converged to.

    Parameters
    ----------
    field
        PySCF's RHF or RKS object, with its tolerance; it has the solution afterwards.
    guess
        Density matrix to begin from; None: PySCF's own guess.
    product
        Gives the product with the triplet orbital Hessian of a field that has converged; None: by the response
        that PySCF has for the field.

    Returns
    -------
    dict
        ``scf_route``, where PySCF's own iterations were not all; ``instability``, minus the lowest eigenvalue of
        the triplet orbital Hessian (hartree), where that is negative; ``scf_saddle``, where the solution is a
        saddle among closed-shell determinants. Empty for an ordinary solution, and where nothing converged.
    """
    route = converge(field, guess)
    if not field.converged:
        return {}
    product = product or by_response
    try:
        lowest = lowest_triplet(field, product(field))
    except NotImplementedError:  # PySCF has no response of this functional
        return {"scf_route": route} if route else {}
    saddle = False
    for left in range(FOLLOWED + 1):
        if lowest > -UNSTABLE:  # then the singlet Hessian, larger by a Coulomb interaction, has no lower one
            break
        saddle, downhill = _is_saddle(field)
        if not saddle or left == FOLLOWED or not _second_order(field, downhill):
            break
        route, saddle = "an instability followed", False
        lowest = lowest_triplet(field, product(field))
    found: dict[str, Any] = {"scf_route": route} if route else {}
    if lowest < -UNSTABLE:
        found["instability"] = round(-lowest, 5)
    return found | ({"scf_saddle": True} if saddle else {})


def converge(field: Any, guess: Any = None) -> str:
    """Converge an SCF; return the method used after PySCF's own iterations, empty if none.

    Parameters
    ----------
    field, guess
        As in `settle`. ``field.converged`` says whether it succeeded.
    """
    field.max_cycle = MAX_CYCLES
    field.kernel(dm0=guess)
    if field.converged or np.linalg.norm(field.get_grad(field.mo_coeff, field.mo_occ)) < STATIONARY:
        return ""
    field.level_shift = LEVEL_SHIFT
    field.kernel(dm0=guess)  # PySCF takes the shift away again at the end
    field.level_shift = 0.0
    if field.converged:
        return "a level shift"
    _second_order(field, field.mo_coeff)
    return "second order"


def lowest_triplet(field: Any, product: Product) -> float:
    """Return the lowest eigenvalue of the triplet orbital Hessian of a closed-shell solution, hartree.

    It is that of (A + B) of the triplet excitations: e_a - e_i - (ab|ij) - (aj|ib). That of the singlets has
    4 (ai|bj) besides, which is positive, so that its lowest eigenvalue is not lower.

    Parameters
    ----------
    field
        PySCF's object of the solution.
    product
        The product with the Hessian.

    Returns
    -------
    Infinite where there are no virtual orbitals.
    """
    occupied = field.mo_occ > 0
    gaps = field.mo_energy[~occupied][:, None] - field.mo_energy[occupied]
    flat = gaps.ravel()
    if not flat.size:
        return np.inf
    trials = [1.0 / np.maximum(flat, 0.05), *np.eye(flat.size)[np.argsort(flat)[:2]]]
    basis, images = np.empty((0, flat.size)), np.empty((0, flat.size))
    while True:
        for trial in trials:
            for _ in range(2):  # twice is enough (Kahan)
                trial = trial - basis.T @ (basis @ trial)
            size = np.linalg.norm(trial)
            if size < 1e-6:
                continue
            trial = trial / size
            basis = np.vstack([basis, trial])
            images = np.vstack([images, product(trial.reshape(gaps.shape)).ravel()])
        values, vectors = np.linalg.eigh(0.5 * (basis @ images.T + images @ basis.T))
        lowest, best = float(values[0]), vectors[:, 0]
        residual = best @ images - lowest * (best @ basis)
        if np.linalg.norm(residual) < RESIDUAL or len(basis) >= min(DIRECTIONS, flat.size):
            return lowest
        below = flat - lowest
        trials = [residual / np.where(np.abs(below) < 0.05, 0.05, below)]


def by_response(field: Any) -> Product:
    """Return the product with the triplet orbital Hessian by the response that PySCF has for the field."""
    occupied, virtual = field.mo_coeff[:, field.mo_occ > 0], field.mo_coeff[:, field.mo_occ == 0]
    gaps = field.mo_energy[field.mo_occ == 0][:, None] - field.mo_energy[field.mo_occ > 0]
    response = field.gen_response(singlet=False, hermi=1, with_nlc=False)

    def product(x: Floats) -> Floats:
        density = 2.0 * virtual @ x @ occupied.T
        return np.asarray(gaps * x + virtual.T @ response(density + density.T) @ occupied)

    return product


def _is_saddle(field: Any) -> tuple[bool, Any]:
    """Return whether a solution is a saddle among closed-shell determinants, and orbitals downhill of it."""
    from pyscf.scf import stability

    orbitals, stable = stability.rhf_internal(field, with_symmetry=False, return_status=True, verbose=0)
    return not stable, orbitals


def _second_order(field: Any, orbitals: Any) -> bool:
    """Go on from orbitals by second-order steps; a solution that is found is put into the field."""
    newton = field.newton()
    newton.max_cycle, newton.conv_tol, newton.verbose = SECOND_ORDER_CYCLES, field.conv_tol, 0
    newton.kernel(orbitals, field.mo_occ)
    if not newton.converged:
        return False
    for name in ("mo_coeff", "mo_energy", "mo_occ", "e_tot", "converged"):
        setattr(field, name, getattr(newton, name))
    return True
