"""GFN2-xTB energies by tblite: not coupled cluster, but a full-size trial at milliseconds a label.

Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase.data import atomic_numbers

from potentials.arrays import Floats
from potentials.errors import InputError, StageError
from potentials.nmers.nmer import NMer
from potentials.units import HARTREE
from recipes.engines import JobSize, LabelCost, Method
from tasks.labelling.engines.interface import FAILED, OK, Engine, Job, Result, Surface, count_electrons
from tasks.xtb import METHOD, TBLITE, Xtb, lacks_tblite, single_point

if TYPE_CHECKING:
    from recipes.schema.labelling import Labelling

HEAVIEST = 86
"""Last element with parameters."""


class XtbEngine(Engine):
    """tblite's GFN2-xTB, closed shells. It has a basis of its own and no ghost atoms.

    Every calculation starts from scratch, so that an energy does not depend on the one before.
    """

    name = "xtb"
    title = "a full-size trial run, milliseconds a label, no counterpoise"
    methods = (
        Method(METHOD, "semi-empirical tight binding", ("total",), ((METHOD, "gfn2-xtb"),), own_basis=True),
    )
    options: ClassVar = {"scf_tolerance": (METHOD,)}
    gradients = (METHOD,)
    needs = (TBLITE,)
    labels_per_process = 200
    physics_level = "gfn2-xtb"

    @staticmethod
    def cost(labelling: Labelling, jobs: Sequence[JobSize]) -> LabelCost | None:
        """Return what a label costs: within 30 % of 4 to 12 ms measured for the n-mers of polyalanine."""
        return LabelCost(5e-4 + sum(4e-4 + 1.9e-4 * job.occupied for job in jobs), 0.2)

    def available(self) -> str | None:
        """Return None if tblite is installed and its libraries load, otherwise what is missing."""
        return lacks_tblite()

    def versions(self) -> dict[str, str]:
        """Return tblite's version."""
        return {"tblite": version("tblite")}

    def check_elements(self, basis: str, symbols: Iterable[str]) -> None:
        """Raise InputError if GFN2-xTB has no parameters for an element."""
        unknown = sorted(s for s in set(symbols) if not 0 < atomic_numbers.get(s, 0) <= HEAVIEST)
        if unknown:
            raise InputError(f"labelling.method '{METHOD}' has no parameters for element {unknown[0]}")

    def cheap_surface(self, molecule: NMer) -> Surface:
        """Return GFN2-xTB itself, with gradients."""
        xtb = Xtb(molecule)

        def surface(x: Floats) -> tuple[float, Floats]:
            try:
                energy, forces = xtb(x)
            except RuntimeError as error:
                raise StageError(f"labelling: {METHOD} of '{molecule.name}' did not converge: {error}") from None
            return energy / HARTREE, -forces / HARTREE

        return surface

    def build(self, job: Job) -> Any:
        """Return tblite's input: atomic numbers, and positions in Angstrom."""
        count_electrons(job)
        self.check_elements("", job.symbols)
        return np.array([atomic_numbers[s] for s in job.symbols]), np.array(job.positions)

    def execute(self, job: Job, built: Any) -> dict[str, Any]:
        """Run one single point."""
        from tblite.exceptions import TBLiteRuntimeError

        numbers, x = built
        raw: dict[str, Any] = {"electrons": count_electrons(job), "scf_converged": False}
        try:
            raw["total"], slopes = single_point(numbers, x, job.charge, job.scf_tolerance, job.gradient)
        except TBLiteRuntimeError as error:
            return raw | {"error": " ".join(str(error).split())}
        return raw | {"scf_converged": True} | ({} if slopes is None else {"gradient": slopes})

    def parse(self, job: Job, raw: Mapping[str, Any]) -> Result:
        """Return the result; a density that did not become self-consistent has no energy."""
        details = {name: raw[name] for name in ("electrons", "scf_converged")} | {"frozen_orbitals": 0}
        if "total" not in raw:
            return Result(FAILED, f"tblite: {raw['error']}", details=details)
        result = Result(OK, energy=raw["total"], components={"total": raw["total"]}, details=details)
        return result.with_gradient(raw["gradient"]) if job.gradient else result


ENGINE = XtbEngine
