"""GFN2-xTB as a force field, computed by tblite at every step."""

from __future__ import annotations

from potentials.nmers.nmer import NMer
from tasks.sampling.force_field import ForceField
from tasks.xtb import METHOD, TBLITE, Xtb


def step_seconds(nmer: NMer) -> float:
    """Return the CPU time of one step, s: a fit to 4 to 12 atoms (10 to 27 basis functions), within 15 %."""
    orbitals = sum(1 if n <= 2 else 4 if n <= 10 else 9 for n in nmer.numbers)
    return float(1.0e-5 * orbitals**1.65)


FORCE_FIELD = ForceField(
    name=METHOD,
    title="any closed-shell molecule, water included; no types, and bonds can break",
    needs=(TBLITE,),
    packages=("tblite",),
    papers=("gfn2-xtb",),
    typed=False,
    step_seconds=step_seconds,
    calculator=Xtb,
)
