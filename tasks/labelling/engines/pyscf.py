"""HF, DFT, MP2, CCSD, CCSD(T), and FNO-CCSD(T) with PySCF: closed shells, conventional or fitted integrals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from potentials.errors import InputError
from tasks.labelling.engines.core_potentials import core_electrons, core_potentials
from tasks.labelling.engines.interface import FAILED, OK, Capabilities, Engine, Job, Result
from tasks.labelling.engines.self_consistent import MAX_CYCLES, settle

NORM_FACTOR = 100.0
"""Convergence of the amplitudes' norm over that of the energy; PySCF's own ratio."""

AMPLITUDE_SHIFT = 0.3
"""By which orbital energy differences are raised where CCSD does not converge, hartree."""

MEMORY_SHARE = 0.85
"""Part of a label's memory that PySCF may plan with; the rest is for what it does not count."""

GRID_LEVEL = 4
"""PySCF's integration grid for density functionals: (60, 434) points on H, (90, 590) on C to F."""

COMPONENTS = {
    "HF": ("hf",),
    "MP2": ("hf", "mp2"),
    "CCSD": ("hf", "ccsd"),
    "CCSD(T)": ("hf", "ccsd", "triples"),
}
"""What adds up to the energy of each method."""


class PyscfEngine(Engine):
    """PySCF; what is asked for with fitted integrals is computed in `tasks.labelling.engines.pyscf_fitted`.

    Fitting shifts two-body energies by up to 0.01 kcal/mol.
    """

    name = "pyscf"
    capabilities = Capabilities(methods=(*COMPONENTS, "FNO-CCSD(T)", "DFT"), ghosts=True, threads=True)
    labels_per_process = 4  # its start takes a CPU-second, as long as a small label

    def __init__(self) -> None:
        self._fitted: Any = None

    def available(self) -> str | None:
        """Return None if PySCF is installed, otherwise how to install it."""
        if find_spec("pyscf") is None:
            return "needs the package pyscf, which is not installed; install it with: pip install pyscf"
        return None

    def versions(self) -> dict[str, str]:
        """Return PySCF's version, without importing it."""
        return {"pyscf": version("pyscf")}

    def check_elements(self, basis: str, symbols: Iterable[str]) -> None:
        """Raise InputError if PySCF lacks the basis for one of the elements, or the basis its core potential."""
        core_potentials(basis, symbols)

    def core_electrons(self, basis: str, symbols: Iterable[str]) -> dict[str, int]:
        """Return how many electrons of each element the basis leaves to a core potential."""
        return core_electrons(basis, symbols)

    def check_fitting(self, method: str, basis: str, symbols: Iterable[str], functional: str = "") -> None:
        """Raise InputError if PySCF has no auxiliary set of the basis for one of the elements."""
        from tasks.labelling.engines.fitted_tensors import check_auxiliary_sets

        check_auxiliary_sets(basis, symbols, functional)

    def check_functional(self, functional: str) -> None:
        """Raise InputError if PySCF does not know a density functional, or needs another package for it."""
        from pyscf.dft import libxc
        from pyscf.scf.dispersion import parse_dft

        try:
            plain, _, dispersion = parse_dft(functional)
            libxc.parse_xc(plain)
        except (
            Exception
        ) as error:  # KeyError, ValueError, NotImplementedError: libxc's names are read in many ways
            raise InputError(f"labelling.functional '{functional}' is not known to PySCF") from error
        if dispersion and find_spec("pyscf.dispersion") is None:
            raise InputError(
                f"labelling.functional '{functional}' needs the package pyscf-dispersion for its dispersion; "
                "install it with: pip install pyscf-dispersion"
            )

    def build(self, job: Job) -> Any:
        """Return the `pyscf.gto.Mole` of a job."""
        return build_mole(job)

    def execute(self, job: Job, built: Any) -> dict[str, Any]:
        """Run the SCF and what follows it; stop at the first that does not converge."""
        if job.method == "DFT":
            return run_functional(job, built)
        if is_fitted(job):
            from tasks.labelling.engines.pyscf_fitted import FittedIntegrals, run_fitted

            self._fitted = self._fitted or FittedIntegrals()  # kept for the next part of the same geometry
            return run_fitted(job, self._fitted)
        from pyscf.scf import hf

        field = hf.RHF(built)
        field.conv_tol = job.scf_tolerance
        told = settle(field)
        raw = describe(built, field, job) | told
        if not field.converged or job.method == "HF":
            return raw
        if job.method == "MP2":
            from pyscf.mp import mp2

            raw["mp2"] = float(mp2.RMP2(field, frozen=raw["frozen_orbitals"]).kernel(with_t2=False)[0])
            return raw
        from pyscf.cc import ccsd

        cluster = ccsd.CCSD(field, frozen=raw["frozen_orbitals"])
        integrals = cluster.ao2mo()
        solve_amplitudes(cluster, integrals, job.cc_tolerance)
        raw |= {"cc_converged": bool(cluster.converged)}
        raw |= {"mp2": float(cluster.emp2), "ccsd": float(cluster.e_corr)}
        if not cluster.converged:
            return raw
        raw |= amplitudes(cluster)
        if job.method == "CCSD(T)":
            raw["triples"] = float(cluster.ccsd_t(eris=integrals))
        return raw

    def parse(self, job: Job, raw: Mapping[str, Any]) -> Result:
        """Return the result; what did not converge has no energy."""
        if job.method == "DFT":
            return read_values(("total",), raw)
        if is_fitted(job):
            from tasks.labelling.engines.pyscf_fitted import components

            return read_values(components(job, raw), raw)
        return read_values(COMPONENTS[job.method], raw)


def run_functional(job: Job, mole: Any) -> dict[str, Any]:
    """Return the raw values of a density functional; its energy is one figure, ``total``.

    Non-local correlation and dispersion that belong to the functional's name are part of it.
    """
    from pyscf.dft import rks

    field = rks.RKS(mole, xc=job.functional)
    if job.density_fitting:
        from tasks.labelling.engines.fitted_tensors import auxiliary_sets

        field = field.density_fit(auxbasis=auxiliary_sets(mole, xc=job.functional))
    field.grids.level = GRID_LEVEL
    field.conv_tol = job.scf_tolerance
    told = settle(field)
    raw = describe(mole, field, job) | told
    return raw | {"total": raw.pop("hf"), "frozen_orbitals": 0}


def is_fitted(job: Job) -> bool:
    """Return whether a job's integrals are fitted; natural orbitals and composites always are."""
    return job.density_fitting or bool(job.mp2_basis) or job.method == "FNO-CCSD(T)"


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

    Electrons and frozen orbitals are those that a core potential leaves.
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
    """Solve the CCSD equations, with a level shift where they do not converge without; none is in the solution.

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


def read_values(parts: tuple[str, ...], raw: Mapping[str, Any]) -> Result:
    """Return the result of a calculation whose energy is the sum of `parts`.

    Parameters
    ----------
    parts
        Names of the components (hartree) that add up to the energy; what follows the first is correlation.
    raw
        What `Engine.execute` found.
    """
    counts = (
        *("electrons", "frozen_orbitals", "basis_functions", "large_basis_functions", "virtuals"),
        *("scf_converged", "cc_converged", "fragments", "scf_route", "instability", "scf_saddle"),
        "scf_unchecked",
    )
    details = {name: raw[name] for name in counts if name in raw}
    if not raw["scf_converged"]:
        tried = "its own iterations nor, where they oscillate, by a level shift and second-order steps"
        return Result(FAILED, f"the SCF did not converge by {tried}", details=details)
    if not raw.get("cc_converged", True):
        return Result(FAILED, f"CCSD did not converge in {MAX_CYCLES} iterations", details=details)
    names = ("total", "hf", "mp2", "ccsd", "dccsd", "triples", "triples_unscaled", "dmp2")
    components = {name: float(raw[name]) for name in names if name in raw}
    correlation = sum(components[name] for name in parts[1:])
    return Result(
        OK,
        energy=components[parts[0]] + correlation,
        components=components,
        t1=raw.get("t1"),
        d1=raw.get("d1"),
        t2=raw.get("t2"),
        triples_fraction=components["triples"] / correlation if "triples" in parts and correlation else None,
        details=details,
    )
