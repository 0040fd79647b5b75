"""HF, DFT, MP2, CCSD, CCSD(T), and FNO-CCSD(T) with PySCF: closed shells, conventional or fitted integrals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from math import log10
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from potentials.errors import InputError
from recipes.engines import Held, JobSize, LabelCost
from recipes.registry import Need
from tasks.labelling.engines.interface import Job, Result
from tasks.labelling.engines.methods import CCSD, CCSD_T, DFT, FNO, HF, MP2, names, read_values
from tasks.labelling.engines.pyscf_gradients import slopes, tighten
from tasks.labelling.engines.pyscf_program import PyscfBasedEngine, describe, solve_cluster
from tasks.labelling.engines.self_consistent import settle

if TYPE_CHECKING:
    from recipes.schema.labelling import Labelling

GRID_LEVEL = 4
"""PySCF's integration grid for density functionals: (60, 434) points on H, (90, 590) on C to F."""

SINGLE_TOLERANCE = 1e-7
"""Energy convergence that float32 reaches, hartree."""

GRADIENT_COST = {HF.name: 2.5, DFT.name: 1.3, MP2.name: 4.0}
"""Cost of an energy with its gradient over that of the energy, measured for formamide within a third."""

_CLUSTER = names(CCSD, CCSD_T, FNO)
_WAVE_FUNCTIONS = names(HF, MP2) + _CLUSTER
_ALL = (*_WAVE_FUNCTIONS, DFT.name)


class PyscfEngine(PyscfBasedEngine):
    """PySCF; what is asked for with fitted integrals is computed in `tasks.labelling.engines.pyscf_fitted`.

    Fitting shifts two-body energies by up to 0.01 kcal/mol.
    """

    name = "pyscf"
    title = "conventional or fitted integrals, composites, single precision"
    methods = (HF, DFT, MP2, CCSD, CCSD_T, FNO)
    options: ClassVar = {
        "basis": _ALL,
        "functional": names(DFT),
        "density_fitting": _ALL,
        "scf_tolerance": _ALL,
        "frozen_core": _WAVE_FUNCTIONS[1:],
        "cc_tolerance": _CLUSTER,
        "mp2_basis": _CLUSTER,
        "scale_triples": names(CCSD_T, FNO),
        "single_precision": _CLUSTER,
        "fno_threshold": names(FNO),
    }
    gradients = names(HF, DFT, MP2)
    needs = (Need("pyscf", "pip install pyscf"),)
    labels_per_process = 4  # its start takes a CPU-second, as long as a small label

    def __init__(self) -> None:
        self._fitted: Any = None

    @staticmethod
    def check_options(labelling: Labelling) -> None:
        """Raise ValueError if a composite or single precision is asked for without fitted integrals."""
        fitted = labelling.density_fitting or labelling.means.fitted
        if labelling.mp2_basis and labelling.method == CCSD_T.name and not fitted:
            raise ValueError("mp2_basis needs density_fitting = true")
        if labelling.single_precision and not (fitted or labelling.mp2_basis):
            raise ValueError("single_precision needs density_fitting = true")
        if labelling.single_precision and labelling.cc_tolerance < SINGLE_TOLERANCE:
            raise ValueError(f"single_precision needs cc_tolerance = {SINGLE_TOLERANCE:g} or more")
        if labelling.gradients and labelling.method == MP2.name and fitted:
            raise ValueError(
                "PySCF has no gradients of MP2 with fitted integrals; allowed: density_fitting = false, or method "
                "HF or DFT, fitted or not"
            )

    @staticmethod
    def cost(labelling: Labelling, jobs: Sequence[JobSize]) -> LabelCost | None:
        """Return what a label costs by formula: within 35 % of measured canonical labels, 15 % of fitted ones.

        Functionals are within 40 % of B3LYP, whose grid and stability cost the same with and without fitting.
        """
        more = GRADIENT_COST.get(labelling.method, 1.0) if labelling.gradients else 1.0
        if labelling.method == DFT.name:
            most = max(job.functions for job in jobs)
            each = sum(0.2 + 1.55e-3 * job.functions**2 for job in jobs)
            return LabelCost(1.0 + more * each, 0.35 + 3.3e-3 * most + 1e-7 * most**3)
        if labelling.density_fitting or labelling.mp2_basis or labelling.means.fitted:
            return _cost_of_fitted(labelling, jobs)
        cluster = labelling.method in _CLUSTER
        seconds, memory = 1.5, 0.2
        for n, o, core, _ in jobs:
            v = n - o - core
            seconds += more * (0.28 + 3.5e-8 * n**4)
            if cluster:
                seconds += 2.4e-10 * o**3 * v**4
                memory = max(memory, 0.15 + 1.5 * (v * (v + 1) / 2) ** 2 * 8 / 1024**3)
            else:
                memory = max(memory, 0.15 + n**4 / 8 * 8 / 1024**3)
        return LabelCost(seconds, memory)

    @staticmethod
    def held(labelling: Labelling) -> tuple[Held, ...]:
        """Return HF, MP2, and what else a label has on its way: fitted integrals only in fitted labels.

        The MP2 energy of natural orbitals is that of all orbitals: their part and the rest. Single precision
        concerns coupled cluster alone. A composite has HF and MP2 in both of its basis sets.
        """
        if labelling.method not in _WAVE_FUNCTIONS[1:]:
            return ()
        if not labelling.mp2_basis:
            found = [Held({"method": "HF"}, {"hf": "hf"})]
            if labelling.method != MP2.name:
                found.append(Held({"method": "MP2"}, {"hf": "hf", "mp2": "mp2"}))
            if labelling.method == CCSD_T.name:
                found.append(Held({"method": "CCSD"}, {"hf": "hf", "ccsd": "ccsd"}, diagnostics=True))
            return tuple(found)
        return _held_by_composite(labelling)

    def versions(self) -> dict[str, str]:
        """Return PySCF's version, without importing it."""
        return {"pyscf": version("pyscf")}

    def check_functional(self, functional: str) -> None:
        """Raise InputError if PySCF does not know a density functional, or needs another package for it."""
        from pyscf.dft import libxc
        from pyscf.scf.dispersion import parse_dft

        try:
            plain, _, dispersion = parse_dft(functional)
            libxc.parse_xc(plain)
        except Exception as error:  # KeyError, ValueError, NotImplementedError, depending on the name
            raise InputError(f"labelling.functional '{functional}' is not known to PySCF") from error
        if dispersion and find_spec("pyscf.dispersion") is None:
            raise InputError(
                f"labelling.functional '{functional}' needs the package pyscf-dispersion for its dispersion; "
                "install it with: pip install pyscf-dispersion"
            )

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
        if job.gradient:
            tighten(field)
        told = settle(field)
        raw = describe(field, job) | told
        if not field.converged:
            return raw
        if job.method == "HF":
            return raw | ({"gradient": slopes(field)} if job.gradient else {})
        if job.method == "MP2":
            from pyscf.mp import mp2

            perturbed = mp2.RMP2(field, frozen=raw["frozen_orbitals"])
            some = perturbed.nmo > perturbed.nocc  # without virtual orbitals PySCF fails where memory is short
            raw["mp2"] = float(perturbed.kernel(with_t2=job.gradient)[0]) if some else 0.0
            return raw | ({"gradient": slopes(perturbed if some else field)} if job.gradient else {})
        from pyscf.cc import ccsd

        cluster = ccsd.CCSD(field, frozen=raw["frozen_orbitals"])
        integrals = cluster.ao2mo()
        solved = solve_cluster(cluster, integrals, job)
        if solved["cc_converged"]:  # PySCF's own figure has the diagonal of the last Fock matrix for energies
            solved["mp2"] = mp2_energy(field, integrals.ovov, raw["frozen_orbitals"])
        return raw | solved

    def parse(self, job: Job, raw: Mapping[str, Any]) -> Result:
        """Return the result; what did not converge has no energy."""
        if job.method == "DFT":
            return read_values(("total",), raw)
        if is_fitted(job):
            from tasks.labelling.engines.pyscf_fitted import components

            return read_values(components(job, raw), raw)
        return read_values(self.method(job.method).components, raw)


ENGINE = PyscfEngine


def mp2_energy(field: Any, integrals: Any, frozen: int) -> float:
    """Return the MP2 correlation energy of an SCF solution, hartree: the same as that of method MP2.

    Parameters
    ----------
    field
        PySCF's RHF object of the solution.
    integrals
        (correlated occupied, virtual, correlated occupied, virtual), in memory or in a file of h5py.
    frozen
        Number of frozen orbitals.
    """
    occupied = int((field.mo_occ > 0).sum())
    energies, virtual = field.mo_energy[frozen:occupied], field.mo_energy[occupied:]
    gaps = energies[:, None] - virtual
    total = 0.0
    for i, energy in enumerate(energies):
        coulomb = np.asarray(integrals[i])  # a, j, b
        doubles = coulomb / ((energy - virtual)[:, None, None] + gaps)
        total += float(np.vdot(doubles, 2 * coulomb - coulomb.transpose(2, 1, 0)))
    return total


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
    if job.gradient:
        tighten(field)
    told = settle(field)
    raw = describe(field, job) | told
    if job.gradient and field.converged:
        raw["gradient"] = slopes(field)
    return raw | {"total": raw.pop("hf"), "frozen_orbitals": 0}


def is_fitted(job: Job) -> bool:
    """Return whether a job's integrals are fitted; natural orbitals and composites always are."""
    return job.density_fitting or bool(job.mp2_basis) or job.method == "FNO-CCSD(T)"


def _held_by_composite(labelling: Labelling) -> tuple[Held, ...]:
    """Return what a composite holds: itself without scaled or without any triples, and both of its parts."""
    small, in_large = {"mp2_basis": "", "scale_triples": False}, {"hf": "hf", "mp2": "mp2"}
    large = small | {"basis": labelling.mp2_basis}
    in_small = {"hf": "small_hf", "mp2": "small_mp2"}
    found = [
        Held(large | {"method": "HF"}, {"hf": "hf"}, "large_basis_functions"),
        Held(large | {"method": "MP2"}, in_large, "large_basis_functions"),
        Held(small | {"method": "HF"}, {"hf": "small_hf"}),
        Held(small | {"method": "MP2"}, in_small),
    ]
    rest = {"dccsd": "dccsd"}
    if labelling.method == CCSD_T.name:
        changes = {"method": "CCSD", "scale_triples": False}
        found.append(Held(changes, in_large | rest, diagnostics=True))
        found.append(Held(changes | small, in_small | rest, diagnostics=True))
    if labelling.method.endswith("(T)"):
        rest = rest | {"triples": "triples_unscaled" if labelling.scale_triples else "triples"}
    found.append(Held(small, in_small | rest, diagnostics=True))
    if labelling.scale_triples:
        found.append(Held({"scale_triples": False}, in_large | rest, diagnostics=True))
    return tuple(found)


def _cost_of_fitted(labelling: Labelling, jobs: Sequence[JobSize]) -> LabelCost | None:
    """Return what a label with PySCF's fitted integrals costs: the parts share them in one process."""
    whole = max(jobs, key=lambda job: job.occupied, default=None)
    if whole is None or bool(labelling.mp2_basis) != bool(whole.large_functions):
        return None
    if (
        labelling.method not in _CLUSTER
    ):  # parts with the same basis share the integrals; the pieces of a chain do not
        cubes = sum(n**3 for n in {job.functions for job in jobs})
        pairs = 2.8e-10 if labelling.method == MP2.name else 0.0
        each = sum(0.1 + (8e-8 + pairs * job.occupied**2) * job.functions**3 for job in jobs)
        more = GRADIENT_COST.get(labelling.method, 1.0) if labelling.gradients else 1.0
        return LabelCost(1.0 + 1.3e-7 * cubes + more * each, 0.25 + 18 * whole.functions**3 / 1024**3)
    cubes = whole.functions**3 + whole.large_functions**3
    seconds, integrals, most = 1.0 + 1.3e-7 * cubes, 18 * cubes / 1024**3, 0.0
    for n, o, core, large in jobs:
        seconds += 0.1 + 5e-8 * n**3 + (0.1 + 5e-8 * large**3 if large else 0.0)
        v = float(n - o - core)
        if labelling.method == FNO.name:  # about as many as a part's own atoms have virtual orbitals
            own = min(n, whole.functions * o / whole.occupied) - o - core
            v = own * min(1.0, max(0.2, 0.77 - 0.2 * log10(labelling.fno_threshold / 3e-5)))
        if labelling.single_precision:
            triples = 3.4e-11 * o**3 * v**4 if labelling.method.endswith("(T)") else 0.0
            seconds += 7.8e-10 * o**2 * v**4 + triples
            most = max(most, (v**4 + 96 * (o * v) ** 2 + 8 * o * v**3) / 1024**3)
        else:
            seconds += 3e-9 * o**2 * v**4
            most = max(most, 1.5 * (v * (v + 1) / 2) ** 2 * 8 / 1024**3)
    return LabelCost(seconds, 0.25 + integrals + most)
