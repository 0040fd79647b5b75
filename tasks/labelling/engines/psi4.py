"""HF, MP2, CCSD, CCSD(T) and FNO-CCSD(T) with psi4, and DLPNO-CCSD(T) where its version has it.

psi4 runs as a program of its own, with one fixed script that reads a job as JSON and writes what it found as JSON:
it may belong to another environment or another Python. It sets the core potentials that its
library has with a basis (def2, LANL2DZ) by itself, in version 1.3.2 on ghost atoms as well: those are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from potentials.errors import InputError
from recipes.engines import Held
from recipes.registry import Need
from tasks.labelling.engines.core_potentials import is_made_for_potential
from tasks.labelling.engines.interface import FAILED, OUT_OF_MEMORY, Job, Result, count_electrons
from tasks.labelling.engines.methods import CCSD, CCSD_T, DLPNO, FNO, HF, MP2, names, read_values
from tasks.labelling.engines.program import ProgramEngine, ask_program, last_words, program_path
from tasks.labelling.engines.psi4_program import (
    PROGRAM,
    has_dlpno,
    look_up,
    molecule_of,
    potential_on_ghosts,
    run_script,
)
from tasks.labelling.engines.pyscf_program import MEMORY_SHARE, NORM_FACTOR
from tasks.labelling.engines.self_consistent import MAX_CYCLES, UNSTABLE

if TYPE_CHECKING:
    from recipes.schema.labelling import Labelling

_CLUSTER = names(CCSD, CCSD_T, FNO)

SMALLEST_MEMORY = 0.5
"""Least memory that psi4 accepts, GiB."""

_FNO_CORRECTION = re.compile(r"^\s*MP2 FNO correction:\s+(-?\d+\.\d+)", re.MULTILINE)


class Psi4Engine(ProgramEngine):
    """psi4 as a program, one thread, conventional or fitted integrals (``jkfit`` and ``ri`` sets).

    FNO-CCSD(T) has the MP2 correction for what was cut off. psi4 does not report the
    largest double amplitude, so labels are judged by T1 and D1 alone.
    """

    name = PROGRAM
    title = "conventional or fitted integrals, for comparison"
    methods = (HF, MP2, CCSD, CCSD_T, FNO, DLPNO)
    options: ClassVar = {
        "basis": names(*methods),
        "density_fitting": names(HF, MP2, CCSD, CCSD_T),
        "scf_tolerance": names(*methods),
        "frozen_core": names(MP2, CCSD, CCSD_T, FNO, DLPNO),
        "cc_tolerance": _CLUSTER,
        "fno_threshold": names(FNO),
    }
    needs = (Need(PROGRAM, "apt-get install psi4 (Debian), or conda install -c conda-forge psi4", program=True),)
    papers = ("psi4",)
    diagnostics = ("t1", "d1")
    ghosts = True
    unknown = "needs the program psi4; '{}' does not report its version; run 'psi4 --version'"

    @staticmethod
    def held(labelling: Labelling) -> tuple[Held, ...]:
        """Return HF and MP2, which a coupled-cluster label has on its way; of natural orbitals, MP2 in all."""
        if labelling.method not in (MP2.name, *_CLUSTER):
            return ()
        found = [Held({"method": "HF"}, {"hf": "hf"})]
        if labelling.method != MP2.name:
            found.append(Held({"method": "MP2"}, {"hf": "hf", "mp2": "mp2"}))
        if labelling.method == CCSD_T.name:
            found.append(Held({"method": "CCSD"}, {"hf": "hf", "ccsd": "ccsd"}, diagnostics=True))
        return tuple(found)

    @staticmethod
    @cache
    def version_of(program: Path) -> str | None:
        """Return psi4's version; None if it does not report one."""
        words = ask_program([program, "--version"], check=True).split()
        return words[-1] if words else None

    def check_elements(self, basis: str, symbols: Iterable[str]) -> None:
        """Raise InputError if psi4 does not know the basis for one of the elements."""
        for symbol in sorted(set(symbols)):
            found = look_up(program_path(PROGRAM), basis, symbol, "")
            if found is None:
                raise InputError(f"labelling.basis '{basis}' is not known to psi4 for element {symbol}")
            if not found["core"] and is_made_for_potential(basis, symbol):
                raise InputError(
                    f"labelling.basis '{basis}' is made for a core potential on {symbol}, which psi4 does not have"
                )

    def check_ghosts(self, basis: str, symbols: Iterable[str]) -> None:
        """Raise InputError if the basis has a core potential on an element, which psi4 sets on ghosts as well."""
        for symbol in sorted(set(symbols)):
            if potential_on_ghosts(basis, symbol):
                raise InputError(
                    f"labelling.basis '{basis}' has a core potential on {symbol}, which psi4 "
                    f"{self.versions()[PROGRAM]} sets on ghost atoms as well, so that counterpoise energies "
                    "would be wrong; use engine 'pyscf', or set counterpoise = false"
                )

    def check_fitting(self, basis: str, symbols: Iterable[str], functional: str = "") -> None:
        """Raise InputError if psi4 has no auxiliary set of the basis for one of the elements."""
        for symbol in sorted(set(symbols)):
            if not all(look_up(program_path(PROGRAM), basis, symbol, role) for role in ("JKFIT", "RIFIT")):
                raise InputError(
                    f"labelling.basis '{basis}' has no auxiliary set in psi4 to fit integrals with for element "
                    f"{symbol}; set density_fitting = false, or choose another basis"
                )

    def lacks(self, method: str) -> str | None:
        """Return None unless DLPNO-CCSD(T) is asked of a psi4 that does not have it."""
        if method != DLPNO.name or has_dlpno(program_path(PROGRAM)):
            return None
        return f"is not in psi4 {self.versions()[PROGRAM]}, which is installed here; it needs a newer psi4"

    def build(self, job: Job) -> Any:
        """Return what psi4's script reads."""
        count_electrons(job)
        for symbol in sorted({job.symbols[i] for i in job.ghosts}):
            if potential_on_ghosts(job.basis, symbol):
                raise ValueError(f"psi4 sets the core potential of {symbol} on ghost atoms as well")
        return make_input(job)

    def execute(self, job: Job, built: Any) -> dict[str, Any]:
        """Run psi4 in a folder of its own; return what it found, its exit code, and its output."""
        return run_script(built)

    def parse(self, job: Job, raw: Mapping[str, Any]) -> Result:
        """Return the result, or why there is none: from psi4's own exception, or the last line it wrote."""
        found = raw["found"]
        if "error" in found:
            return _failure(str(found["error"]))
        if not found:
            words = last_words(raw["printed"]) or last_words(raw["output"])
            return Result(FAILED, f"psi4 ended with exit code {raw['code']}: {words}")
        return read_values(*read_found(job, found, raw["output"]))


ENGINE = Psi4Engine


ATTEMPTS: dict[str, list[tuple[str, str, Any]]] = {
    "": [],
    "another guess": [("SCF", "GUESS", "CORE")],
    "second order": [
        ("SCF", "SOSCF", True),
        ("SCF", "SOSCF_START_CONVERGENCE", 10.0),
        ("SCF", "SOSCF_MAX_ITER", 40),
    ],
}
"""Options of the ways to converge the SCF, one after the other; the first is its own."""


def make_input(job: Job) -> dict[str, Any]:
    """Return what `SCRIPT` reads for a job: molecule, options, and method, as plain values."""
    ghosts = set(job.ghosts)
    integrals = "DF" if job.density_fitting or job.method in names(FNO, DLPNO) else "CONV"
    density = job.scf_tolerance**0.5 * 1e-3  # of the orbital gradient; 1e-8 for an energy to 1e-10
    options: list[tuple[str, str, Any]] = [
        ("", "BASIS", job.basis),
        ("", "SCF_TYPE", "DF" if integrals == "DF" else "PK"),
        ("", "MP2_TYPE", integrals),
        ("", "CC_TYPE", integrals),
        ("", "FREEZE_CORE", str(job.frozen_core).upper()),
        ("SCF", "E_CONVERGENCE", job.scf_tolerance),
        ("SCF", "D_CONVERGENCE", density),
        ("SCF", "MAXITER", MAX_CYCLES),
        ("FNOCC", "E_CONVERGENCE", job.cc_tolerance),
        ("FNOCC", "R_CONVERGENCE", NORM_FACTOR * job.cc_tolerance),
        ("FNOCC", "MAXITER", MAX_CYCLES),
        ("FNOCC", "OCC_TOLERANCE", job.fno_threshold),
    ]
    if integrals == "CONV":  # psi4 has no stability analysis with fitted integrals
        options.append(("SCF", "STABILITY_ANALYSIS", "CHECK"))
    if job.method == DLPNO.name:
        options.append(("", "PNO_CONVERGENCE", "TIGHT"))
    elif "CC" in job.method:
        options.append(("", "QC_MODULE", "FNOCC"))
    real = [i not in ghosts for i in range(len(job.symbols))]
    return {
        "task": "compute",
        "memory": int(max(SMALLEST_MEMORY, MEMORY_SHARE * job.memory) * 1024**3),
        "molecule": molecule_of(job.symbols, job.positions, real) | {"molecular_charge": job.charge},
        "options": options,
        "attempts": list(ATTEMPTS.values()),
        "method": "scf" if job.method == "HF" else job.method.lower(),
    }


def read_found(job: Job, found: Mapping[str, float], output: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return the names of the components that add up to the energy, and the raw values as PySCF's engine has them.

    Parameters
    ----------
    job
        The job.
    found
        psi4's variables by its own names, hartree, and counts.
    output
        Text of its output file; the only place of the correction of natural orbitals.
    """
    raw: dict[str, Any] = {
        "hf": found["SCF TOTAL ENERGY"],
        "electrons": int(found["electrons"]),
        "basis_functions": int(found["functions"]),
        "frozen_orbitals": int(found["frozen"]) if job.method != "HF" else 0,
        "scf_converged": True,
        **_solution(found, output),
    }
    if job.method == DLPNO.name:
        triples = found.get("(T) CORRECTION ENERGY", 0.0)
        raw |= {"ccsd": found["energy"] - raw["hf"] - triples, "triples": triples}
        return DLPNO.components, raw
    components = next(method.components for method in Psi4Engine.methods if method.name == job.method)
    if job.method != HF.name:
        raw["mp2"] = found["MP2 CORRELATION ENERGY"]
    if "CC" not in job.method:
        return components, raw
    raw |= {"ccsd": found["CCSD CORRELATION ENERGY"], "cc_converged": True}
    raw |= {"t1": found.get("CC T1 DIAGNOSTIC"), "d1": found.get("CC D1 DIAGNOSTIC")}
    if job.method.endswith("(T)"):
        raw["triples"] = found["(T) CORRECTION ENERGY"]
    if job.method != FNO.name:
        return components, raw
    correction = _FNO_CORRECTION.search(output)
    if correction is None:
        raise ValueError("psi4's output has no MP2 FNO correction")
    raw["dmp2"] = float(correction.group(1))  # psi4 counts it in its CCSD energy
    raw["ccsd"] -= raw["dmp2"]
    return components, raw


def _solution(found: Mapping[str, float], output: str) -> dict[str, Any]:
    """Return what is unusual about psi4's SCF, as `tasks.labelling.engines.self_consistent.settle` does."""
    told: dict[str, Any] = {}
    if route := list(ATTEMPTS)[int(found.get("attempt", 0))]:
        told["scf_route"] = route
    if route and "stability eigenvalues" not in output:
        told["scf_unchecked"] = True
    singlet, triplet = (_lowest(kind, output) for kind in ("singlet", "triplet"))
    if triplet is not None and triplet < -UNSTABLE:
        told["instability"] = round(-triplet, 5)
    if singlet is not None and singlet < -UNSTABLE:
        told["scf_saddle"] = True
    return told


def _lowest(kind: str, output: str) -> float | None:
    """Return the lowest eigenvalue of the last stability analysis in psi4's output, hartree."""
    tables = re.findall(rf"Lowest {kind} .*stability eigenvalues:-?\s+((?:[A-Z]\S*\s+-?\d+\.\d+\s+)+)", output)
    return min((float(n) for n in re.findall(r"-?\d+\.\d+", tables[-1])), default=None) if tables else None


def _failure(error: str) -> Result:
    text = " ".join(error.split())
    if re.search(r"not enough memory|insufficient memory|bad_alloc", text, re.IGNORECASE):
        return Result(OUT_OF_MEMORY, f"psi4: {text[:300]}")
    if "Could not converge SCF" in text:
        return Result(
            FAILED, "the SCF did not converge by its own iterations, another guess, or second-order steps"
        )
    if "CCSD iterations did not converge" in text:
        return Result(FAILED, f"CCSD did not converge in {MAX_CYCLES} iterations")
    return Result(FAILED, f"psi4: {text[:300]}")
