"""Density-fitted coupled cluster with PySCF: all integrals in memory, natural orbitals, and composites.

PySCF's own density-fitted CCSD builds (vv|vv) again in every iteration; here it is built once, which takes a third
of the time and [v (v + 1) / 2]^2 * 8 bytes for v virtual orbitals. In single precision the project's own
`tasks.labelling.coupled_cluster.ccsd` takes a third of that time again and half of the memory. The fitted
integrals depend on the basis and not on the nuclei: the parts of a counterpoise triple, one after the other in one
process, share them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from potentials.arrays import Floats
from tasks.labelling.coupled_cluster.ccsd import Orbitals, ccsd_memory, solve_ccsd
from tasks.labelling.coupled_cluster.triples import triples_energy, triples_memory
from tasks.labelling.engines.fitted_tensors import Tensors, fit, transform, triplet_product
from tasks.labelling.engines.interface import Job
from tasks.labelling.engines.pyscf_gradients import slopes, tighten
from tasks.labelling.engines.pyscf_program import AMPLITUDE_SHIFT, build_mole, describe, solve_cluster
from tasks.labelling.engines.self_consistent import MAX_CYCLES, converge, settle

PROCESS_MEMORY = 0.25
"""Memory of Python and PySCF themselves, GiB."""


@dataclass(frozen=True)
class Field:
    """A converged SCF and what the correlation needs.

    Attributes
    ----------
    scf
        PySCF's RHF object.
    core, occupied
        Number of frozen and of all occupied orbitals.
    integrals
        Fitted integrals (auxiliary, pairs of basis functions).
    """

    scf: Any
    core: int
    occupied: int
    integrals: Floats

    @property
    def correlated(self) -> Floats:
        """(basis functions, occupied orbitals that are not frozen)."""
        return np.asarray(self.scf.mo_coeff[:, self.core : self.occupied])

    @property
    def energies(self) -> Floats:
        """(correlated occupied orbitals,), hartree."""
        return np.asarray(self.scf.mo_energy[self.core : self.occupied])

    @property
    def virtuals(self) -> Virtuals:
        """All virtual orbitals."""
        return Virtuals(
            np.asarray(self.scf.mo_coeff[:, self.occupied :]), np.asarray(self.scf.mo_energy[self.occupied :])
        )


class Virtuals(NamedTuple):
    """Virtual orbitals in which the Fock matrix is diagonal.

    Attributes
    ----------
    orbitals
        (basis functions, virtual orbitals), orthonormal.
    energies
        (virtual orbitals,), hartree.
    """

    orbitals: Floats
    energies: Floats


class FittedIntegrals:
    """Makes fitted integrals and keeps those of the last geometry: the next part of the triple needs them too.

    Attributes
    ----------
    ratio
        MP2 correlation energy of all atoms of that geometry in the larger basis over that in the smaller; zero
        while it is not known.
    """

    def __init__(self) -> None:
        self.ratio = 0.0
        self._atoms: tuple[Any, ...] = ()
        self._kept: dict[str, Tensors] = {}

    @property
    def memory(self) -> float:
        """What the kept integrals take, GiB."""
        return sum(one.coulomb.nbytes + one.correlation.nbytes for one in self._kept.values()) / 1024**3

    def of(self, job: Job, mole: Any) -> Tensors:
        """Return the integrals of a job's atoms, ghosts included, in the basis of `mole`."""
        atoms = (job.symbols, job.positions)
        if atoms != self._atoms:
            self._atoms, self._kept, self.ratio = atoms, {}, 0.0
        if job.basis not in self._kept:
            self._kept[job.basis] = fit(mole)
        return self._kept[job.basis]


def run_fitted(job: Job, integrals: FittedIntegrals) -> dict[str, Any]:
    """Return the raw values of a density-fitted job: MP2, CCSD, CCSD(T), FNO-CCSD(T), or a composite of them.

    A composite is MP2/mp2_basis + [method - MP2]/basis. With `Job.scale_triples` its (T) is multiplied by the
    ratio of the two MP2 correlation energies, which takes most of the basis set error out of (T); it is not
    CCSD(T)/mp2_basis. The ratio is that of the whole n-mer in every part, so that energies of distant fragments
    still cancel; with a ratio of its own for each part a hydrogen bond comes out 0.03 kcal/mol too strong.
    """
    small, values = solve_field(job, integrals)
    if not values["scf_converged"]:
        return values
    if job.method == "HF":
        return values | ({"gradient": slopes(small.scf)} if job.gradient else {})
    if job.gradient:
        raise ValueError(f"PySCF has no gradients of {job.method} with fitted integrals")
    energy, density = mp2(small, small.virtuals)
    values["mp2"] = energy
    if job.method == "MP2":
        return values
    if job.mp2_basis:
        large, more = solve_field(replace(job, basis=job.mp2_basis), integrals, start=small)
        if not more["scf_converged"]:
            return more
        in_large, _ = mp2(large, large.virtuals)
        values |= {"small_hf": values["hf"], "small_mp2": energy}
        values |= {"hf": more["hf"], "mp2": in_large, "large_basis_functions": more["basis_functions"]}
    space = small.virtuals
    if job.method.startswith("FNO"):
        space = natural_virtuals(small, density, job.fno_threshold)
    solve = single_precision if job.single_precision else coupled_cluster
    cluster = solve(small, space, replace(job, memory=job.memory - integrals.memory))
    if not cluster["cc_converged"]:
        return values | cluster
    inside = cluster.pop("mp2")
    values |= cluster | {"virtuals": len(space.energies)}
    if job.mp2_basis:
        values["dccsd"] = values.pop("ccsd") - inside
        if job.scale_triples and "triples" in values:
            values["triples_unscaled"] = values["triples"]
            if not job.ghosts:
                integrals.ratio = values["mp2"] / energy
            values["triples"] *= integrals.ratio or _ratio_of_the_whole(job, integrals)
    elif job.method.startswith("FNO"):
        values["dmp2"] = energy - inside
    return values


def _ratio_of_the_whole(job: Job, integrals: FittedIntegrals) -> float:
    """Return MP2/mp2_basis over MP2/basis of all atoms, where the part that has them all was not run before."""
    whole = replace(job, ghosts=(), charge=job.whole_charge)
    small, values = solve_field(whole, integrals)
    large, more = solve_field(replace(whole, basis=job.mp2_basis), integrals, start=small)
    if not (values["scf_converged"] and more["scf_converged"]):
        raise RuntimeError("the SCF of the whole n-mer, whose MP2 energies scale the triples, did not converge")
    integrals.ratio = mp2(large, large.virtuals)[0] / mp2(small, small.virtuals)[0]
    return integrals.ratio


def solve_field(job: Job, integrals: FittedIntegrals, start: Field | None = None) -> tuple[Field, dict[str, Any]]:
    """Return the density-fitted SCF of a job, and its energy and counts.

    Parameters
    ----------
    job
        Atoms, ghosts, basis, tolerance.
    integrals
        Where fitted integrals are kept.
    start
        A solution for the same atoms in another basis, to begin from.
    """
    from pyscf import lib
    from pyscf.df import DF
    from pyscf.scf import addons, hf

    mole = build_mole(job)
    tensors = integrals.of(job, mole)
    fitted = DF(mole, auxbasis=tensors.coulomb_basis)
    fitted._cderi = tensors.coulomb
    scf = hf.RHF(mole).density_fit(auxbasis=tensors.coulomb_basis, with_df=fitted)
    scf.conv_tol = job.scf_tolerance
    if job.gradient:
        tighten(scf)
    if start is None:
        told = settle(scf, product=triplet_product(tensors.correlation))
    else:
        occupied = addons.project_mo_nr2nr(start.scf.mol, start.scf.mo_coeff[:, : start.occupied], mole)
        # with its orbitals beside it the first exchange matrix is as cheap as the later ones
        guess = lib.tag_array(2 * occupied @ occupied.T, mo_coeff=occupied, mo_occ=np.full(start.occupied, 2.0))
        route = converge(scf, guess)  # the stability is that of the solution it begins from
        told = {"scf_route": route} if route else {}
    values = describe(scf, job) | told
    return Field(scf, values["frozen_orbitals"], mole.nelectron // 2, tensors.correlation), values


def mp2(field: Field, space: Virtuals) -> tuple[float, Floats]:
    """Return the MP2 correlation energy (hartree) in a space and the density of its orbitals (both spins)."""
    fitted = transform(field.integrals, field.correlated, space.orbitals)
    ov = np.ascontiguousarray(fitted.transpose(1, 2, 0))  # i, a, auxiliary
    eo, gaps = field.energies, space.energies[:, None] + space.energies
    total, density = 0.0, np.zeros_like(gaps)
    for i in range(len(eo)):
        for j in range(i + 1):
            exchange = ov[i] @ ov[j].T
            t = exchange / (eo[i] + eo[j] - gaps)
            both = 2 * t - t.T
            total += (1 if i == j else 2) * float(np.vdot(both, exchange))
            density += both @ t.T + both.T @ t if i != j else both @ t.T
    return total, 2 * density


def natural_virtuals(field: Field, density: Floats, threshold: float) -> Virtuals:
    """Return the MP2 natural virtual orbitals whose occupation is above a threshold."""
    every = field.virtuals
    occupation, orbitals = np.linalg.eigh(density)
    kept = orbitals[:, occupation > threshold]
    energies, turned = np.linalg.eigh(kept.T @ (every.energies[:, None] * kept))
    return Virtuals(every.orbitals @ (kept @ turned), energies)


def single_precision(field: Field, space: Virtuals, job: Job) -> dict[str, Any]:
    """Return what `coupled_cluster` returns, from amplitudes and integrals in float32.

    Energies of small molecules come out within 1e-6 hartree of those of double precision.
    """
    occupied, virtuals, auxiliary = len(field.energies), len(space.energies), len(field.integrals)
    sizes = (occupied, virtuals, auxiliary, np.float32)
    needed = max(ccsd_memory(*sizes), triples_memory(*sizes) if job.method.endswith("(T)") else 0.0)
    _check_memory(virtuals, PROCESS_MEMORY + needed, job)
    every = np.hstack([field.correlated, space.orbitals])
    fitted = transform(field.integrals, every, every, np.float32)
    orbitals = Orbitals(fitted, np.concatenate([field.energies, space.energies]), occupied)
    solution = solve_ccsd(orbitals, job.cc_tolerance, MAX_CYCLES)
    if not solution.converged:
        solution = solve_ccsd(orbitals, job.cc_tolerance, MAX_CYCLES, AMPLITUDE_SHIFT)
    if not solution.converged:
        return {"cc_converged": False}
    values: dict[str, Any] = {"cc_converged": True, "mp2": mp2(field, space)[0], "ccsd": solution.energy}
    values |= solution.diagnostics()
    if job.method.endswith("(T)"):
        values["triples"] = triples_energy(orbitals, solution.amplitudes)
    return values


def coupled_cluster(field: Field, space: Virtuals, job: Job) -> dict[str, Any]:
    """Return CCSD and, if the method has them, (T) with the virtual orbitals of a space (hartree).

    ``mp2`` is the correlation energy in the same space.

    Parameters
    ----------
    field
        The SCF.
    space
        The virtual orbitals.
    job
        Method, tolerances, memory.

    Raises
    ------
    MemoryError
        If the integrals do not fit into the job's memory.
    """
    from pyscf.cc import ccsd

    virtuals = len(space.energies)
    pairs = virtuals * (virtuals + 1) // 2
    _check_memory(virtuals, (1.3 * pairs**2 + 4 * (field.occupied * virtuals) ** 2) * 8 / 1024**3, job)
    orbitals = np.hstack([field.scf.mo_coeff[:, : field.occupied], space.orbitals])
    occupation = np.repeat([2.0, 0.0], [field.occupied, virtuals])
    cluster = ccsd.CCSD(field.scf, frozen=field.core, mo_coeff=orbitals, mo_occ=occupation)
    return solve_cluster(cluster, _all_integrals(cluster, field.integrals, orbitals), job)


def components(job: Job, raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the raw values that add up to a fitted job's energy."""
    triples = ("triples",) if job.method.endswith("(T)") else ()
    if job.method in ("HF", "MP2"):
        return ("hf",) if job.method == "HF" else ("hf", "mp2")
    if job.mp2_basis:
        return ("hf", "mp2", "dccsd", *triples)
    return ("hf", "ccsd", *triples, *(("dmp2",) if "dmp2" in raw else ()))


def _check_memory(virtuals: int, needed: float, job: Job) -> None:
    if needed > job.memory:
        raise MemoryError(f"the integrals of {virtuals} virtual orbitals need {needed:.1f} GiB")


def _all_integrals(cluster: Any, fitted: Floats, orbitals: Floats) -> Any:
    """Return PySCF's integral object with every block made from fitted integrals, (vv|vv) packed in memory."""
    from pyscf import lib
    from pyscf.cc import ccsd

    integrals = ccsd._ChemistsERIs()
    integrals._common_init_(cluster, orbitals)
    o = integrals.nocc
    every = transform(fitted, integrals.mo_coeff, integrals.mo_coeff)
    v = every.shape[1] - o
    oo = every[:, :o, :o].reshape(len(every), -1)
    ov = every[:, :o, o:].reshape(len(every), -1)
    vv = lib.pack_tril(np.ascontiguousarray(every[:, o:, o:]))
    del every
    integrals.oooo = (oo.T @ oo).reshape(o, o, o, o)
    integrals.ovoo = (ov.T @ oo).reshape(o, v, o, o)
    integrals.ovov = (ov.T @ ov).reshape(o, v, o, v)
    integrals.ovvo = np.ascontiguousarray(integrals.ovov.transpose(0, 1, 3, 2))
    integrals.oovv = lib.unpack_tril(oo.T @ vv).reshape(o, o, v, v)
    integrals.ovvv = (ov.T @ vv).reshape(o, v, -1)
    integrals.vvvv = vv.T @ vv
    return integrals
