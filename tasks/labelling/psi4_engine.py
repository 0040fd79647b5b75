"""HF, MP2, CCSD, CCSD(T) and FNO-CCSD(T) with psi4, and DLPNO-CCSD(T) where its version has it.

psi4 runs as a program of its own, with one fixed script that reads a job as JSON and writes what it found as JSON:
it may be of a distribution, of another environment, or of another Python. It sets the core potentials that its
library has with a basis (def2, LANL2DZ) by itself, in version 1.3.2 on ghost atoms as well: those are refused.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ase.data import atomic_numbers

from potentials.errors import InputError
from recipes.patterns import check_basis_name
from tasks.labelling.core_potentials import LIGHT, is_made_for_potential
from tasks.labelling.engine import FAILED, OUT_OF_MEMORY, Capabilities, Engine, Job, Result, count_electrons
from tasks.labelling.program import last_words, own_folder, read_text, run_program
from tasks.labelling.pyscf_engine import COMPONENTS, MEMORY_SHARE, NORM_FACTOR, read_values
from tasks.labelling.self_consistent import MAX_CYCLES, UNSTABLE

PROGRAM = "psi4"
DLPNO = "DLPNO-CCSD(T)"
INPUT, JOB, OUTPUT, FOUND, PRINTED = "input.dat", "job.json", "output.dat", "found.json", "printed"

SMALLEST_MEMORY = 0.5
"""psi4 wants no less, GiB."""

_FNO_CORRECTION = re.compile(r"^\s*MP2 FNO correction:\s+(-?\d+\.\d+)", re.MULTILINE)


class Psi4Engine(Engine):
    """psi4 as a program, one thread, conventional or fitted integrals (``jkfit`` and ``ri`` sets).

    FNO-CCSD(T) has the MP2 correction for what was cut off. There is no largest double amplitude in what psi4
    reports, so labels are judged by T1 and D1 alone.
    """

    name = "psi4"
    capabilities = Capabilities(methods=(*COMPONENTS, "FNO-CCSD(T)", DLPNO), ghosts=True, threads=True)

    def available(self) -> str | None:
        """Return None if a psi4 that starts is on the path, otherwise how to install it."""
        found = shutil.which(PROGRAM)
        if found is None:
            return (
                "needs the program psi4, which is not on the path; install it with: apt-get install psi4 "
                "(Debian), or: conda install -c conda-forge psi4"
            )
        if _version(Path(found).absolute()) is None:
            return f"needs the program psi4; '{found}' does not tell its version: see what 'psi4 --version' says"
        return None

    def versions(self) -> dict[str, str]:
        """Return psi4's version, as the program tells it."""
        return {"psi4": _version(_program()) or "unknown"}

    def check_elements(self, basis: str, symbols: Iterable[str]) -> None:
        """Raise InputError if psi4 does not know the basis for one of the elements."""
        for symbol in sorted(set(symbols)):
            found = _look_up(_program(), basis, symbol, "")
            if found is None:
                raise InputError(f"labelling.basis '{basis}' is not known to psi4 for element {symbol}")
            if not found["core"] and is_made_for_potential(basis, symbol):
                raise InputError(
                    f"labelling.basis '{basis}' is made for a core potential on {symbol}, which psi4 does not have"
                )

    def check(
        self,
        method: str,
        basis: str,
        counterpoise: bool,
        symbols: Iterable[str],
        functional: str = "",
        density_fitting: bool = False,
        mp2_basis: str = "",
    ) -> None:
        """Raise InputError if psi4 cannot compute what a recipe asks: with core potentials not all it could."""
        symbols = tuple(symbols)
        super().check(method, basis, counterpoise, symbols, functional, density_fitting, mp2_basis)
        for symbol in sorted(set(symbols)) if counterpoise else ():
            if _potential_on_ghosts(basis, symbol):
                raise InputError(
                    f"labelling.basis '{basis}' has a core potential on {symbol}, which psi4 "
                    f"{_version(_program())} sets on ghost atoms as well, so that counterpoise energies would be "
                    "wrong; use engine 'pyscf', or set counterpoise = false"
                )

    def check_fitting(self, method: str, basis: str, symbols: Iterable[str], functional: str = "") -> None:
        """Raise InputError if psi4 has no auxiliary set of the basis for one of the elements."""
        for symbol in sorted(set(symbols)):
            if not all(_look_up(_program(), basis, symbol, role) for role in ("JKFIT", "RIFIT")):
                raise InputError(
                    f"labelling.basis '{basis}' has no auxiliary set in psi4 to fit integrals with for element "
                    f"{symbol}; set density_fitting = false, or choose another basis"
                )

    def lacks(self, method: str) -> str | None:
        """Return None unless DLPNO-CCSD(T) is asked of a psi4 that does not have it."""
        if method != DLPNO or _has_dlpno(_program()):
            return None
        return f"is not in psi4 {_version(_program())}, which is installed here; it needs a newer psi4"

    def build(self, job: Job) -> Any:
        """Return what psi4's script reads."""
        count_electrons(job)
        for symbol in sorted({job.symbols[i] for i in job.ghosts}):
            if _potential_on_ghosts(job.basis, symbol):
                raise ValueError(f"psi4 sets the core potential of {symbol} on ghost atoms as well")
        return make_input(job)

    def execute(self, job: Job, built: Any) -> dict[str, Any]:
        """Run psi4 in a folder of its own; return what it found, its exit code, and its output."""
        return _run(built)

    def parse(self, job: Job, raw: Mapping[str, Any]) -> Result:
        """Return the result, or why there is none: from psi4's own exception, or its last words."""
        found = raw["found"]
        if "error" in found:
            return _failure(str(found["error"]))
        if not found:
            words = last_words(raw["printed"]) or last_words(raw["output"])
            return Result(FAILED, f"psi4 ended with exit code {raw['code']}: {words}")
        return read_values(*read_found(job, found, raw["output"]))


SCRIPT = """
import json

with open("job.json", encoding="utf-8") as file:
    job = json.load(file)


def put(options):
    for module, name, value in options:
        if module:
            psi4.core.set_local_option(module, name, value)
        else:
            psi4.core.set_global_option(name, value)


def compute():
    psi4.set_memory(job["memory"])
    molecule = psi4.core.Molecule.from_arrays(**job["molecule"])
    put(job["options"])
    for number, attempt in enumerate(job["attempts"]):
        put(attempt)
        try:
            e, w = psi4.energy(job["method"], molecule=molecule, return_wfn=True)
            break
        except Exception as error:
            if type(error).__name__ != "SCFConvergenceError" or number + 1 == len(job["attempts"]):
                raise
            psi4.core.clean()
    found = {k: float(v) for k, v in psi4.core.variables().items() if isinstance(v, (int, float))}
    found.update(energy=e, functions=w.basisset().nbf(), electrons=2 * w.nalpha(), attempt=number)
    found["frozen"] = sum(w.frzcpi().to_tuple())
    return found


def look():
    molecule = psi4.core.Molecule.from_arrays(**job["molecule"])
    target = job["basis"] if job["role"] == "ORBITAL" else ""
    built = psi4.core.BasisSet.build(molecule, job["key"], target, job["role"], job["basis"])
    found = {"functions": built.nbf(), "core": built.n_ecp_core(), "on_ghosts": False}
    if len(job["molecule"]["real"]) == 2 and built.has_ECP():  # a ghost, and far away the atom itself
        half = built.nbf() // 2
        found["on_ghosts"] = bool(abs(psi4.core.MintsHelper(built).ao_ecp().np[:half, :half]).max() > 1e-10)
    return found


try:
    result = {"compute": compute, "look": look}[job["task"]]()
except BaseException as error:
    result = {"error": type(error).__name__ + ": " + str(error)}
with open("found.json", "w", encoding="utf-8") as file:
    json.dump(result, file)
"""
"""What psi4 runs, always the same; everything that a job decides is data in a file beside it."""

ATTEMPTS: tuple[list[tuple[str, str, Any]], ...] = (
    [],
    [("SCF", "GUESS", "CORE")],
    [("SCF", "SOSCF", True), ("SCF", "SOSCF_START_CONVERGENCE", 10.0), ("SCF", "SOSCF_MAX_ITER", 40)],
)
"""Options of the ways to converge the SCF, one after the other: its own, another guess, second-order steps."""

ROUTES = ("", "another guess", "second order")
"""What each of `ATTEMPTS` is called."""


def make_input(job: Job) -> dict[str, Any]:
    """Return what `SCRIPT` reads for a job: molecule, options, and method, as plain values."""
    ghosts = set(job.ghosts)
    integrals = "DF" if job.density_fitting or job.method in ("FNO-CCSD(T)", DLPNO) else "CONV"
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
    if job.method == DLPNO:
        options.append(("", "PNO_CONVERGENCE", "TIGHT"))
    elif "CC" in job.method:
        options.append(("", "QC_MODULE", "FNOCC"))
    real = [i not in ghosts for i in range(len(job.symbols))]
    return {
        "task": "compute",
        "memory": int(max(SMALLEST_MEMORY, MEMORY_SHARE * job.memory) * 1024**3),
        "molecule": _molecule(job.symbols, job.positions, real) | {"molecular_charge": job.charge},
        "options": options,
        "attempts": ATTEMPTS,
        "method": "scf" if job.method == "HF" else job.method.lower(),
    }


def _molecule(
    symbols: Sequence[str], positions: Sequence[Sequence[float]], real: Sequence[bool]
) -> dict[str, Any]:
    return {
        "elem": list(symbols),
        "geom": [x for position in positions for x in position],
        "real": list(real),
        "units": "Angstrom",
        "molecular_multiplicity": 1,
        "fix_com": True,
        "fix_orientation": True,
        "fix_symmetry": "c1",
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
        Text of its output file; it alone has the correction of natural orbitals.
    """
    raw: dict[str, Any] = {
        "hf": found["SCF TOTAL ENERGY"],
        "electrons": int(found["electrons"]),
        "basis_functions": int(found["functions"]),
        "frozen_orbitals": int(found["frozen"]) if job.method != "HF" else 0,
        "scf_converged": True,
        **_solution(found, output),
    }
    if job.method == DLPNO:
        triples = found.get("(T) CORRECTION ENERGY", 0.0)
        raw |= {"ccsd": found["energy"] - raw["hf"] - triples, "triples": triples}
        return ("hf", "ccsd", "triples"), raw
    if job.method != "HF":
        raw["mp2"] = found["MP2 CORRELATION ENERGY"]
    if "CC" not in job.method:
        return COMPONENTS[job.method], raw
    raw |= {"ccsd": found["CCSD CORRELATION ENERGY"], "cc_converged": True}
    raw |= {"t1": found.get("CC T1 DIAGNOSTIC"), "d1": found.get("CC D1 DIAGNOSTIC")}
    if job.method.endswith("(T)"):
        raw["triples"] = found["(T) CORRECTION ENERGY"]
    if not job.method.startswith("FNO"):
        return COMPONENTS[job.method], raw
    correction = _FNO_CORRECTION.search(output)
    if correction is None:
        raise ValueError("psi4's output tells no MP2 FNO correction")
    raw["dmp2"] = float(correction.group(1))  # psi4 counts it in its CCSD energy
    raw["ccsd"] -= raw["dmp2"]
    return ("hf", "ccsd", "triples", "dmp2"), raw


def _solution(found: Mapping[str, float], output: str) -> dict[str, Any]:
    """Return what is not ordinary about psi4's SCF, as `tasks.labelling.self_consistent.settle` does."""
    told: dict[str, Any] = {}
    if route := ROUTES[int(found.get("attempt", 0))]:
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
            FAILED, "the SCF did not converge by its own iterations, another guess, and second-order steps"
        )
    if "CCSD iterations did not converge" in text:
        return Result(FAILED, f"CCSD did not converge in {MAX_CYCLES} iterations")
    return Result(FAILED, f"psi4: {text[:300]}")


def _program() -> Path:
    found = shutil.which(PROGRAM)
    if found is None:
        raise FileNotFoundError("the program psi4 is not on the path")
    return Path(found).absolute()


@cache
def _version(program: Path) -> str | None:
    """Return what psi4 says of its version; None if it does not say it."""
    try:
        told = subprocess.run(
            [program, "--version"], capture_output=True, text=True, errors="replace", timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    words = told.stdout.split()
    return words[-1] if words else None


@cache
def _has_dlpno(program: Path) -> bool:
    """Return whether a psi4 has DLPNO-CCSD(T): it is asked, for versions are named in many ways."""
    return _answers_yes(program, "print('YES' * ('dlpno-ccsd(t)' in psi4.driver.procedures['energy']))")


def _potential_on_ghosts(basis: str, symbol: str) -> bool:
    """Return whether psi4 would set the core potential of a basis on a ghost atom."""
    if atomic_numbers[symbol] <= LIGHT and not is_made_for_potential(basis, symbol):
        return False
    found = _look_up(_program(), basis, symbol, "", ghost=True)
    return found is not None and bool(found["on_ghosts"])


@cache
def _look_up(program: Path, basis: str, symbol: str, role: str, ghost: bool = False) -> dict[str, int] | None:
    """Return psi4's counts of a basis, or of its auxiliary set of a role, on one atom; None if there is none.

    With `ghost` the atom is 1000 A from a ghost of its own.
    """
    check_basis_name(basis)
    molecule = _molecule([symbol], [(0.0, 0.0, 0.0)], [True])
    if ghost:
        molecule = _molecule([symbol] * 2, [(0.0, 0.0, 0.0), (0.0, 0.0, 1000.0)], [False, True])
    del molecule["molecular_multiplicity"]  # an atom may have an odd number of electrons
    key = {"": "BASIS", "JKFIT": "DF_BASIS_SCF", "RIFIT": "DF_BASIS_MP2"}[role]
    found: dict[str, int] = _run(
        {"task": "look", "molecule": molecule, "basis": basis, "role": role or "ORBITAL", "key": key}
    )["found"]
    return None if not found or "error" in found else found


def _run(values: dict[str, Any]) -> dict[str, Any]:
    """Run the script in a folder of its own; return what it found, its exit code, and its output."""
    with own_folder(PROGRAM) as folder:
        (folder / INPUT).write_text(SCRIPT, encoding="utf-8")
        (folder / JOB).write_text(json.dumps(values, allow_nan=False), encoding="utf-8")
        command: list[str | Path] = [_program(), "-n", "1", "-i", INPUT, "-o", OUTPUT]
        code = run_program(command, folder, folder / PRINTED, {"PSI_SCRATCH": str(folder)})
        found = read_text(folder / FOUND)
        return {
            "code": code,
            "found": json.loads(found) if found else {},
            "output": read_text(folder / OUTPUT),
            "printed": read_text(folder / PRINTED),
        }


def _answers_yes(program: Path, question: str) -> bool:
    with own_folder(PROGRAM) as folder:
        (folder / INPUT).write_text(question, encoding="utf-8")
        run_program([program, "-i", INPUT, "-o", OUTPUT], folder, folder / PRINTED, {"PSI_SCRATCH": str(folder)})
        return "YES" in read_text(folder / PRINTED).splitlines()
