"""GFN2-xTB energies by tblite: not coupled cluster, but a rehearsal at full size in milliseconds a label.

Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, NamedTuple

from ase.data import atomic_numbers

from potentials.errors import InputError
from potentials.units import BOHR
from storage.records import Floats
from tasks.labelling.engines.interface import FAILED, OK, Capabilities, Engine, Job, Result, count_electrons

METHOD = "GFN2-xTB"
ENERGY_THRESHOLD = 1e-6
"""Convergence of the energy that tblite calls an accuracy of 1, hartree."""

HEAVIEST = 86
"""Last element with parameters."""


class Molecule(NamedTuple):
    """tblite's input: atomic numbers, positions (atoms, 3) in bohr, charge in e."""

    numbers: Floats
    positions: Floats
    charge: float


class XtbEngine(Engine):
    """tblite's GFN2-xTB, closed shells. It has a basis of its own and no ghost atoms.

    Every calculation starts from scratch, so that an energy does not depend on the one before.
    """

    name = "xtb"
    capabilities = Capabilities(methods=(METHOD,), ghosts=False, threads=True)
    labels_per_process = 200

    def available(self) -> str | None:
        """Return None if tblite is installed and its libraries load, otherwise what is missing."""
        if find_spec("tblite") is None:
            return "needs the package tblite, which is not installed; install it with: pip install 'nmer[xtb]'"
        try:
            import tblite.library  # noqa: F401
        except ImportError as error:
            return f"needs tblite, which does not load ({error}); on Debian: apt-get install libgomp1"
        return None

    def versions(self) -> dict[str, str]:
        """Return tblite's version."""
        return {"tblite": version("tblite")}

    def check_elements(self, basis: str, symbols: Iterable[str]) -> None:
        """Raise InputError if GFN2-xTB has no parameters for an element."""
        unknown = sorted(s for s in set(symbols) if not 0 < atomic_numbers.get(s, 0) <= HEAVIEST)
        if unknown:
            raise InputError(f"labelling.method '{METHOD}' has no parameters for element {unknown[0]}")

    def build(self, job: Job) -> Any:
        """Return tblite's input."""
        import numpy as np

        count_electrons(job)
        self.check_elements("", job.symbols)
        numbers = np.array([atomic_numbers[s] for s in job.symbols])
        return Molecule(numbers, np.array(job.positions) / BOHR, float(job.charge))

    def execute(self, job: Job, built: Any) -> dict[str, Any]:
        """Run one single point."""
        from tblite.exceptions import TBLiteRuntimeError
        from tblite.interface import Calculator

        raw: dict[str, Any] = {"electrons": count_electrons(job), "scf_converged": False}
        try:
            calculator = Calculator(METHOD, *built)
            calculator.set("verbosity", 0)
            calculator.set("accuracy", job.scf_tolerance / ENERGY_THRESHOLD)
            raw["total"] = float(calculator.singlepoint().get("energy"))
        except TBLiteRuntimeError as error:
            return raw | {"error": " ".join(str(error).split())}
        return raw | {"scf_converged": True}

    def parse(self, job: Job, raw: Mapping[str, Any]) -> Result:
        """Return the result; a density that did not become self-consistent has no energy."""
        details = {name: raw[name] for name in ("electrons", "scf_converged")} | {"frozen_orbitals": 0}
        if "total" not in raw:
            return Result(FAILED, f"tblite: {raw['error']}", details=details)
        return Result(OK, energy=raw["total"], components={"total": raw["total"]}, details=details)
