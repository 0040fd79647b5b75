"""HF, MP2, CCSD, CCSD(T) and FNO-CCSD(T) with psi4, and DLPNO-CCSD(T) where its version has it.

psi4 runs as a program of its own, from an input file that ends by writing what it found as JSON: it may be of a
distribution, of another environment, or of another Python.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from potentials.errors import InputError
from tasks.labelling.engine import FAILED, OUT_OF_MEMORY, Capabilities, Engine, Job, Result, count_electrons
from tasks.labelling.program import last_words, own_folder, read_text, run_program
from tasks.labelling.pyscf_engine import COMPONENTS, MAX_CYCLES, MEMORY_SHARE, NORM_FACTOR, read_values

PROGRAM = "psi4"
DLPNO = "DLPNO-CCSD(T)"
INPUT, OUTPUT, FOUND, PRINTED = "input.dat", "output.dat", "found.json", "printed"

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
        """Return None if psi4 is on the path, otherwise how to install it."""
        if shutil.which(PROGRAM) is None:
            return (
                "needs the program psi4, which is not on the path; install it with: apt-get install psi4 "
                "(Debian), or: conda install -c conda-forge psi4"
            )
        return None

    def versions(self) -> dict[str, str]:
        """Return psi4's version, as the program tells it."""
        return {"psi4": _version(_program())}

    def check_elements(self, basis: str, symbols: Iterable[str]) -> None:
        """Raise InputError if psi4 does not know the basis for one of the elements."""
        for symbol in sorted(set(symbols)):
            if not _knows_basis(_program(), basis, symbol):
                raise InputError(f"labelling.basis '{basis}' is not known to psi4 for element {symbol}")

    def lacks(self, method: str) -> str | None:
        """Return None unless DLPNO-CCSD(T) is asked of a psi4 that does not have it."""
        if method != DLPNO or _has_dlpno(_program()):
            return None
        return f"is not in psi4 {_version(_program())}, which is installed here; it needs a newer psi4"

    def build(self, job: Job) -> Any:
        """Return the text of psi4's input file."""
        count_electrons(job)
        return write_input(job)

    def execute(self, job: Job, built: Any) -> dict[str, Any]:
        """Run psi4 in a folder of its own; return what it found, its exit code, and its output."""
        with own_folder(PROGRAM) as folder:
            (folder / INPUT).write_text(built, encoding="utf-8")
            command: list[str | Path] = [_program(), "-n", "1", "-i", INPUT, "-o", OUTPUT]
            code = run_program(command, folder, folder / PRINTED, {"PSI_SCRATCH": str(folder)})
            found = read_text(folder / FOUND)
            return {
                "code": code,
                "found": json.loads(found) if found else {},
                "output": read_text(folder / OUTPUT),
                "printed": read_text(folder / PRINTED),
            }

    def parse(self, job: Job, raw: Mapping[str, Any]) -> Result:
        """Return the result, or why there is none: from psi4's own exception, or its last words."""
        found = raw["found"]
        if "error" in found:
            return _failure(str(found["error"]))
        if not found:
            words = last_words(raw["printed"]) or last_words(raw["output"])
            return Result(FAILED, f"psi4 ended with exit code {raw['code']}: {words}")
        return read_values(*read_found(job, found, raw["output"]))


def write_input(job: Job) -> str:
    """Return psi4's input file for a job: molecule, settings, energy, and its findings as JSON."""
    ghosts = set(job.ghosts)
    atoms = [
        f"{'@' if i in ghosts else ''}{symbol} {x:.12f} {y:.12f} {z:.12f}"
        for i, (symbol, (x, y, z)) in enumerate(zip(job.symbols, job.positions, strict=True))
    ]
    integrals = "df" if job.density_fitting or job.method in ("FNO-CCSD(T)", DLPNO) else "conv"
    density = job.scf_tolerance**0.5 * 1e-3  # of the orbital gradient; 1e-8 for an energy to 1e-10
    settings = {
        "globals basis": job.basis,
        "globals scf_type": "df" if integrals == "df" else "pk",
        "globals mp2_type": integrals,
        "globals cc_type": integrals,
        "globals freeze_core": str(job.frozen_core).lower(),
        "globals qc_module": "fnocc" if "CC" in job.method and job.method != DLPNO else "",
        "globals pno_convergence": "tight" if job.method == DLPNO else "",
        "scf e_convergence": f"{job.scf_tolerance:g}",
        "scf d_convergence": f"{density:g}",
        "scf maxiter": str(MAX_CYCLES),
        "fnocc e_convergence": f"{job.cc_tolerance:g}",
        "fnocc r_convergence": f"{NORM_FACTOR * job.cc_tolerance:g}",
        "fnocc maxiter": str(MAX_CYCLES),
        "fnocc occ_tolerance": f"{job.fno_threshold:g}",
    }
    lines = [
        f"memory {max(SMALLEST_MEMORY, MEMORY_SHARE * job.memory) * 1024:.0f} MiB",
        "molecule {",
        f"{job.charge} 1",
        *atoms,
        "units angstrom\nno_reorient\nno_com\nsymmetry c1\n}",
        *(f"set {option} {value}" for option, value in settings.items() if value),
        "import json",
        "try:",
        f"    e, w = energy('{'scf' if job.method == 'HF' else job.method.lower()}', return_wfn=True)",
        "    found = {k: float(v) for k, v in psi4.core.variables().items() if isinstance(v, (int, float))}",
        "    found |= {'energy': e, 'functions': w.basisset().nbf(), 'electrons': 2 * w.nalpha()}",
        "    found['frozen'] = sum(w.frzcpi().to_tuple())",
        "except BaseException as error:",
        "    found = {'error': type(error).__name__ + ': ' + str(error)}",
        f"with open('{FOUND}', 'w') as file:",
        "    json.dump(found, file)",
        "",
    ]
    return "\n".join(lines)


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


def _failure(error: str) -> Result:
    text = " ".join(error.split())
    if re.search(r"not enough memory|insufficient memory|bad_alloc", text, re.IGNORECASE):
        return Result(OUT_OF_MEMORY, f"psi4: {text[:300]}")
    if "Could not converge SCF" in text:
        return Result(FAILED, f"the SCF did not converge in {MAX_CYCLES} iterations")
    if "CCSD iterations did not converge" in text:
        return Result(FAILED, f"CCSD did not converge in {MAX_CYCLES} iterations")
    return Result(FAILED, f"psi4: {text[:300]}")


def _program() -> Path:
    found = shutil.which(PROGRAM)
    if found is None:
        raise FileNotFoundError("the program psi4 is not on the path")
    return Path(found).absolute()


@cache
def _version(program: Path) -> str:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=True)
    return told.stdout.split()[-1]


@cache
def _has_dlpno(program: Path) -> bool:
    """Return whether a psi4 has DLPNO-CCSD(T): it is asked, for versions are named in many ways."""
    return _answers_yes(program, "print('YES' * ('dlpno-ccsd(t)' in psi4.driver.procedures['energy']))")


@cache
def _knows_basis(program: Path, basis: str, symbol: str) -> bool:
    question = f"""
one = psi4.geometry("0 1\\n@{symbol} 0 0 0")
psi4.core.BasisSet.build(one, "BASIS", "{basis}")
print("YES")
"""
    return _answers_yes(program, question)


def _answers_yes(program: Path, question: str) -> bool:
    with own_folder(PROGRAM) as folder:
        (folder / INPUT).write_text(question, encoding="utf-8")
        run_program([program, "-i", INPUT, "-o", OUTPUT], folder, folder / PRINTED, {"PSI_SCRATCH": str(folder)})
        return "YES" in read_text(folder / PRINTED).splitlines()
