"""What PySCF's engines have in common: their checks, the molecule, its counts, and the CCSD equations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tasks.labelling.engines.core_potentials import core_potentials
from tasks.labelling.engines.interface import Engine, Job
from tasks.labelling.engines.self_consistent import MAX_CYCLES

NORM_FACTOR = 100.0
"""Convergence of the amplitudes' norm over that of the energy; PySCF's own ratio."""

AMPLITUDE_SHIFT = 0.3
"""Added to orbital energy differences where CCSD does not converge, hartree."""

MEMORY_SHARE = 0.85
"""Fraction of a label's memory that PySCF may use; the rest is for what it does not count."""


class PyscfBasedEngine(Engine):
    """An engine whose basis sets, core potentials, and integrals are PySCF's."""

    papers = ("pyscf",)
    diagnostics = ("t1", "d1", "t2")
    ghosts = True

    def check_elements(self, basis: str, symbols: Iterable[str]) -> None:
        """Raise InputError if PySCF lacks the basis for one of the elements, or the basis its core potential."""
        core_potentials(basis, symbols)

    def core_electrons(self, basis: str, symbols: Iterable[str]) -> dict[str, int]:
        """Return how many electrons of each element a core potential replaces."""
        return {symbol: int(found[0]) for symbol, found in core_potentials(basis, symbols).items()}

    def check_fitting(self, basis: str, symbols: Iterable[str], functional: str = "") -> None:
        """Raise InputError if PySCF has no auxiliary set of the basis for one of the elements."""
        from tasks.labelling.engines.fitted_tensors import check_auxiliary_sets

        check_auxiliary_sets(basis, symbols, functional)

    def build(self, job: Job) -> Any:
        """Return the `pyscf.gto.Mole` of a job."""
        return build_mole(job)


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


def describe(field: Any, job: Job) -> dict[str, Any]:
    """Return the SCF's energy (hartree), its convergence, and the counts of a calculation.

    Electrons and frozen orbitals do not include what a core potential replaces.
    """
    from pyscf.data.elements import chemcore

    mole = field.mol
    return {
        "hf": float(field.e_tot),
        "scf_converged": bool(field.converged),
        "electrons": int(mole.nelectron),
        "basis_functions": int(mole.nao),
        "frozen_orbitals": int(chemcore(mole)) if job.frozen_core and job.method != "HF" else 0,
    }


def solve_cluster(cluster: Any, integrals: Any, job: Job) -> dict[str, Any]:
    """Return MP2 and CCSD correlation energies, diagnostics, and (T) if the method has it (hartree).

    Where the CCSD equations do not converge a level shift is added; the solution is the same. If they do not
    converge with it, ``cc_converged`` is all there is.

    Parameters
    ----------
    cluster, integrals
        PySCF's CCSD object and its integrals.
    job
        Method, tolerance.
    """
    cluster.max_cycle, cluster.conv_tol = MAX_CYCLES, job.cc_tolerance
    cluster.conv_tol_normt = NORM_FACTOR * job.cc_tolerance
    for cluster.level_shift in (0.0, AMPLITUDE_SHIFT):
        cluster.kernel(eris=integrals)
        if cluster.converged:
            break
    else:
        return {"cc_converged": False}
    values = {"cc_converged": True, "mp2": float(cluster.emp2), "ccsd": float(cluster.e_corr)}
    if job.method.endswith("(T)"):
        values["triples"] = float(cluster.ccsd_t(eris=integrals))
    return values | amplitudes(cluster)


def amplitudes(cluster: Any) -> dict[str, float]:
    """Return the diagnostics T1, D1 and the largest double amplitude of a coupled-cluster solution."""
    return {
        "t1": float(cluster.get_t1_diagnostic()),
        "d1": float(cluster.get_d1_diagnostic()),
        "t2": float(abs(cluster.t2).max()),
    }
