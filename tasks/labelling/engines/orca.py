"""DLPNO-CCSD(T) with ORCA, a licensed program that users install themselves: the papers' protocol.

Zhou, Bull-Vulpe, Pan, Paesani (2025) and Zhou, Paesani (2025): DLPNO-CCSD(T)/aug-cc-pVTZ with TightPNO, RIJCOSX,
and TightSCF. The keywords set convergence and thresholds; the recipe's own tolerances are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ase.data import atomic_numbers

from potentials.errors import InputError
from recipes.registry import Need
from recipes.schema.patterns import shown
from tasks.labelling.engines.core_potentials import LIGHT, is_made_for_potential
from tasks.labelling.engines.interface import FAILED, OUT_OF_MEMORY, Job, Result, count_electrons
from tasks.labelling.engines.methods import DLPNO, read_values
from tasks.labelling.engines.program import (
    ProgramEngine,
    ask_program,
    last_words,
    own_folder,
    program_path,
    read_text,
    run_program,
)

PROGRAM = "orca"
INPUT, OUTPUT = "job.inp", "job.out"

MEMORY_SHARE = 0.75
"""Part of a label's memory for %maxcore, as ORCA's manual advises: it may use more than that."""

_NUMBER = r"(-?\d+\.\d+(?:[eE][-+]?\d+)?)"
_VALUES = {  # what a line begins with; the last one of each kind counts
    "total": rf"FINAL SINGLE POINT ENERGY\s+{_NUMBER}",
    "hf": rf"E\(0\)\s+\.\.\.\s+{_NUMBER}",
    "ccsd": rf"E\(CORR\)\((?:corrected|total)\)\s+\.\.\.\s+{_NUMBER}",
    "triples": rf"Triples Correction \(T\)\s+\.\.\.\s+{_NUMBER}",
    "t1": rf"T1 diagnostic\s+\.\.\.\s+{_NUMBER}",
}
_COUNTS = {
    "electrons": r"Number of Electrons\s+NEL\s+\.+\s+(\d+)",
    "basis_functions": r"Basis Dimension\s+Dim\s+\.+\s+(\d+)",
    "frozen_electrons": r"Frozen core treatment\s+\.+\s+chemical core \((\d+) el\)",
}
_VERSION = re.compile(r"Program Version\s+(\d+(?:\.\d+)+)")
_NORMAL_END = "****ORCA TERMINATED NORMALLY****"
_UNCONVERGED = {  # they count even in an output that ends normally
    r"SCF NOT CONVERGED AFTER|wavefunction IS NOT (?:FULLY )?CONVERGED": "the SCF did not converge",
    r"Coupled-Cluster iterations have NOT converged": "the coupled-cluster equations did not converge",
}
_MEMORY = re.compile(r"not enough memory|out of memory|increase MaxCore|std::bad_alloc", re.IGNORECASE)


class OrcaEngine(ProgramEngine):
    """ORCA as a program, one core. Its diagnostics are T1 and the fraction of (T)."""

    name = PROGRAM
    title = "the papers' protocol, with a licensed program of your own"
    methods = (DLPNO,)
    options = dict.fromkeys(("basis", "frozen_core"), (DLPNO.name,))
    needs = (
        Need(
            PROGRAM,
            "it is licensed by FAccTs and the Max Planck Institute for Coal Research; put its folder on PATH",
            program=True,
        ),
    )
    papers = ("orca",)
    diagnostics = ("t1",)
    ghosts = True
    unknown = "needs ORCA, the quantum chemistry program; '{}' is another program of that name"

    @staticmethod
    @cache
    def version_of(program: Path) -> str | None:
        """Return the version that ORCA prints at the head of every output; None if it is another orca."""
        with own_folder(PROGRAM) as folder:
            (folder / INPUT).write_text("! NoIter HF STO-3G\n* xyz 0 1\nHe 0 0 0\n*\n", encoding="utf-8")
            version = _VERSION.search(ask_program([program, INPUT], folder))
        return version.group(1) if version else None

    def check_elements(self, basis: str, symbols: Iterable[str]) -> None:
        """Raise InputError if a basis needs a core potential and ORCA is not known to set it.

        With the def2 sets ORCA sets it, from Rb on. Whether a basis exists is checked by ORCA itself.
        """
        _check_word(basis)
        for symbol in sorted(set(symbols)):
            light = atomic_numbers.get(symbol, 0) <= LIGHT
            own = re.fullmatch(r"def2-.*", basis, re.IGNORECASE) is not None
            if own or (light and not is_made_for_potential(basis, symbol)):
                continue
            raise InputError(
                f"labelling.basis '{basis}' for element {symbol}: only with the def2 sets is ORCA known to set "
                "core potentials; choose one of them"
            )

    def build(self, job: Job) -> Any:
        """Return the text of ORCA's input file."""
        count_electrons(job)
        self.check_elements(job.basis, job.symbols)
        return write_input(job)

    def execute(self, job: Job, built: Any) -> dict[str, Any]:
        """Run ORCA in a folder of its own; return its exit code and its output."""
        with own_folder(PROGRAM) as folder:
            (folder / INPUT).write_text(built, encoding="utf-8")
            code = run_program([program_path(PROGRAM), INPUT], folder, folder / OUTPUT)
            return {"code": code, "output": read_text(folder / OUTPUT)}

    def parse(self, job: Job, raw: Mapping[str, Any]) -> Result:
        """Return the result; an output without ORCA's normal end gives none, whatever energies are in it."""
        output = raw["output"]
        for pattern, reason in _UNCONVERGED.items():
            if re.search(pattern, output):
                return Result(FAILED, reason)
        if _NORMAL_END not in output:
            if _MEMORY.search(output):
                return Result(OUT_OF_MEMORY, "ORCA could not get memory")
            return Result(FAILED, f"ORCA ended early, with exit code {raw['code']}: {last_words(output)}")
        found = {name: _last(pattern, output) for name, pattern in _VALUES.items()}
        missing = [name for name, value in found.items() if value is None]
        if missing:
            return Result(FAILED, f"ORCA's output has no {', '.join(missing)}")
        counts = {name: _last(pattern, output) for name, pattern in _COUNTS.items()}
        values: dict[str, Any] = {name: float(value) for name, value in found.items() if value is not None}
        values |= {name: int(value) for name, value in counts.items() if value is not None}
        values["frozen_orbitals"] = values.pop("frozen_electrons", 0) // 2
        total = values.pop("total")
        if abs(sum(values[name] for name in DLPNO.components) - total) > 1e-7:
            return Result(FAILED, "the parts of ORCA's energy do not add up to FINAL SINGLE POINT ENERGY")
        return read_values(DLPNO.components, values | {"scf_converged": True, "cc_converged": True})


ENGINE = OrcaEngine


def write_input(job: Job) -> str:
    """Return ORCA's input file for a job, with the papers' keywords.

    Raises
    ------
    InputError
        If a text of the job is not one word.
    """
    for word in (job.method, job.basis, *job.symbols):
        _check_word(word)
    ghosts = set(job.ghosts)
    atoms = [
        f"{symbol + (':' if i in ghosts else ''):4s} {x:18.12f} {y:18.12f} {z:18.12f}"
        for i, (symbol, (x, y, z)) in enumerate(zip(job.symbols, job.positions, strict=True))
    ]
    lines = [
        f"! {job.method} {job.basis} {job.basis}/C RIJCOSX TightSCF TightPNO PModel",
        "! def2/J" + ("" if job.frozen_core else " NoFrozenCore"),  # RIJCOSX needs a Coulomb fitting set
        f"%maxcore {MEMORY_SHARE * job.memory * 1024:.0f}",
        f"* xyz {job.charge} 1",
        *atoms,
        "*",
        "",
    ]
    return "\n".join(lines)


def _check_word(word: str) -> None:
    """Raise InputError for a text that is not one word of ORCA's input."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+*(),._-]{0,63}", word):
        raise InputError(
            f"{shown(word)} is not one word of letters, digits, and + - * ( ) , . _, as ORCA reads it"
        )


def _last(pattern: str, output: str) -> str | None:
    """Return the last number of its kind, or None."""
    found = re.findall(pattern, output)
    return str(found[-1]) if found else None
