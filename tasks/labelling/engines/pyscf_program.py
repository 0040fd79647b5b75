"""What PySCF's engines have in common: the molecule, its counts, and the CCSD equations."""

from __future__ import annotations

from typing import Any

from tasks.labelling.engines.core_potentials import core_potentials
from tasks.labelling.engines.interface import Job
from tasks.labelling.engines.self_consistent import MAX_CYCLES

NORM_FACTOR = 100.0
"""Convergence of the amplitudes' norm over that of the energy; PySCF's own ratio."""

AMPLITUDE_SHIFT = 0.3
"""Added to orbital energy differences where CCSD does not converge, hartree."""

MEMORY_SHARE = 0.85
"""Fraction of a label's memory that PySCF may use; the rest is for what it does not count."""


def build_mole(job: Job) -> Any:
    """Return the closed-shell `pyscf.gto.Mole` of a job, ghosts included: they have the basis alone."""
    from pyscf import gto

    ghosts = set(job.ghosts)
    potentials = core_potentials(job.basis, (s for i, s in enumerate(job.symbols) if i not in ghosts))
    atoms = [
        (f"ghost-{symbol}" if i in ghosts else symbol, xyz)
        for i, (symbol, xyz) in enumerate(zip(job.symbols, job.positions, strict=True))
    ]
    memory = MEMORY_SHARE * job.memory * 1024**3 / 1e6  # PySCF counts in MB
    return gto.M(
        atom=atoms,
        unit="Angstrom",
        basis=job.basis,
        ecp=potentials,
        charge=job.charge,
        spin=0,
        verbose=0,
        max_memory=memory,
    )


def describe(mole: Any, field: Any, job: Job) -> dict[str, Any]:
    """Return the SCF's energy (hartree), its convergence, and the counts of a calculation.

    Electrons and frozen orbitals do not include what a core potential replaces.
    """
    from pyscf.data.elements import chemcore

    return {
        "hf": float(field.e_tot),
        "scf_converged": bool(field.converged),
        "electrons": int(mole.nelectron),
        "basis_functions": int(mole.nao),
        "frozen_orbitals": int(chemcore(mole)) if job.frozen_core and job.method != "HF" else 0,
    }


def solve_amplitudes(cluster: Any, integrals: Any, tolerance: float) -> None:
    """Solve the CCSD equations, with a level shift where they do not converge without; the solution is the same.

    Parameters
    ----------
    cluster, integrals
        PySCF's CCSD object and its integrals.
    tolerance
        Convergence of the energy, hartree.
    """
    cluster.max_cycle, cluster.conv_tol = MAX_CYCLES, tolerance
    cluster.conv_tol_normt = NORM_FACTOR * tolerance
    for cluster.level_shift in (0.0, AMPLITUDE_SHIFT):
        cluster.kernel(eris=integrals)
        if cluster.converged:
            return


def amplitudes(cluster: Any) -> dict[str, float]:
    """Return the diagnostics T1, D1 and the largest double amplitude of a coupled-cluster solution."""
    return {
        "t1": float(cluster.get_t1_diagnostic()),
        "d1": float(cluster.get_d1_diagnostic()),
        "t2": float(abs(cluster.t2).max()),
    }
