"""The program psi4 itself: one fixed script, the files beside it, and queries of its version and bases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ase.data import atomic_numbers

from recipes.schema.patterns import check_basis_name
from tasks.labelling.engines.core_potentials import LIGHT, is_made_for_potential
from tasks.labelling.engines.program import own_folder, program_path, read_text, run_program

PROGRAM = "psi4"
INPUT, JOB, OUTPUT, FOUND, PRINTED = "input.dat", "job.json", "output.dat", "found.json", "printed"

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


def molecule_of(
    symbols: Sequence[str], positions: Sequence[Sequence[float]], real: Sequence[bool]
) -> dict[str, Any]:
    """Return a molecule as psi4 takes it; those atoms that are not real are ghosts."""
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


@cache
def has_dlpno(program: Path) -> bool:
    """Return whether a psi4 has DLPNO-CCSD(T): asked of the program, as its version does not tell."""
    with own_folder(PROGRAM) as folder:
        question = "print('YES' * ('dlpno-ccsd(t)' in psi4.driver.procedures['energy']))"
        (folder / INPUT).write_text(question, encoding="utf-8")
        run_program([program, "-i", INPUT, "-o", OUTPUT], folder, folder / PRINTED, {"PSI_SCRATCH": str(folder)})
        return "YES" in read_text(folder / PRINTED).splitlines()


def potential_on_ghosts(basis: str, symbol: str) -> bool:
    """Return whether psi4 would set the core potential of a basis on a ghost atom."""
    if atomic_numbers[symbol] <= LIGHT and not is_made_for_potential(basis, symbol):
        return False
    found = look_up(program_path(PROGRAM), basis, symbol, "", ghost=True)
    return found is not None and bool(found["on_ghosts"])


@cache
def look_up(program: Path, basis: str, symbol: str, role: str, ghost: bool = False) -> dict[str, int] | None:
    """Return psi4's counts of a basis, or of its auxiliary set of a role, on one atom; None if there is none.

    With `ghost` the atom is 1000 A from a ghost of its own.
    """
    check_basis_name(basis)
    molecule = molecule_of([symbol], [(0.0, 0.0, 0.0)], [True])
    if ghost:
        molecule = molecule_of([symbol] * 2, [(0.0, 0.0, 0.0), (0.0, 0.0, 1000.0)], [False, True])
    del molecule["molecular_multiplicity"]  # an atom may have an odd number of electrons
    key = {"": "BASIS", "JKFIT": "DF_BASIS_SCF", "RIFIT": "DF_BASIS_MP2"}[role]
    found: dict[str, int] = run_script(
        {"task": "look", "molecule": molecule, "basis": basis, "role": role or "ORBITAL", "key": key}
    )["found"]
    return None if not found or "error" in found else found


def run_script(values: dict[str, Any]) -> dict[str, Any]:
    """Run the script in a folder of its own; return what it found, its exit code, and its output."""
    with own_folder(PROGRAM) as folder:
        (folder / INPUT).write_text(SCRIPT, encoding="utf-8")
        (folder / JOB).write_text(json.dumps(values, allow_nan=False), encoding="utf-8")
        command: list[str | Path] = [program_path(PROGRAM), "-n", "1", "-i", INPUT, "-o", OUTPUT]
        code = run_program(command, folder, folder / PRINTED, {"PSI_SCRATCH": str(folder)})
        found = read_text(folder / FOUND)
        return {
            "code": code,
            "found": json.loads(found) if found else {},
            "output": read_text(folder / OUTPUT),
            "printed": read_text(folder / PRINTED),
        }
